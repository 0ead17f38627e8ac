#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/log_file.h"
#include "base/log_socket.h"
#include "base/log_stderr.h"
#include "base/text.h"

static const struct settings *settings_kept;
static atomic_bool opened;

void log_start(const struct settings *settings)
{
    settings_kept = settings;
    log_stderr_start();
}

/* "shakeout[PID]: TEXT\n" */
static void add_line(struct text *line, const char *message)
{
    text_string(line, "shakeout[");
    text_number(line, (uint64_t)getpid());
    text_string(line, "]: ");
    text_string(line, message);
    if (line->length == sizeof(line->bytes) - 1)
        line->length--; /* room for the newline of a line that was cut */
    text_string(line, "\n");
}

/* Where nobody would ever look for it otherwise. */
static void complain_of_file(const char *path, int error)
{
    struct text text = TEXT_EMPTY;
    struct text line = TEXT_EMPTY;

    text_string(&text, "SHAKEOUT_LOG: the file '");
    text_string(&text, path);
    text_string(&text, "' cannot be opened");
    text_error(&text, error);
    add_line(&line, text.bytes);
    log_stderr_write(&line);
}

void log_open(void)
{
    int saved = errno;

    if (settings_kept == NULL || atomic_load_explicit(&opened, memory_order_relaxed) ||
        atomic_exchange_explicit(&opened, true, memory_order_relaxed))
        return;
    if (settings_kept->log == LOG_FILE && !log_file_open(settings_kept->log_path))
        complain_of_file(settings_kept->log_path, errno);
    else if (settings_kept->log == LOG_SYSLOG)
        log_socket_open(LOG_SYSLOG_PATH);
    else if (settings_kept->log == LOG_JOURNAL)
        log_socket_open(LOG_JOURNAL_PATH);
    errno = saved;
}

void log_write(const struct log_entry *entry)
{
    struct text line = TEXT_EMPTY;
    int saved = errno;

    if (settings_kept == NULL)
        return;
    switch (settings_kept->log) {
    case LOG_STDERR:
        add_line(&line, entry->text);
        log_stderr_write(&line);
        break;
    case LOG_FILE:
        text_utc(&line, (uint64_t)time(NULL));
        text_string(&line, " ");
        add_line(&line, entry->text);
        log_file_write(settings_kept->log_path, &line,
                       atomic_load_explicit(&opened, memory_order_relaxed));
        break;
    case LOG_SYSLOG:
        log_syslog_write(entry, atomic_load_explicit(&opened, memory_order_relaxed));
        break;
    case LOG_JOURNAL:
        log_journal_write(entry, atomic_load_explicit(&opened, memory_order_relaxed));
        break;
    case LOG_OFF:
        break;
    }
    errno = saved;
}

void log_unprotected(const char *why, int error)
{
    struct text text = TEXT_EMPTY;

    text_string(&text, "not protected: ");
    text_string(&text, why);
    if (error != 0)
        text_error(&text, error);
    log_write(&(struct log_entry){
        .message = LOG_UNPROTECTED, .text = text.bytes, .reason = why, .error = error});
}
