#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/log_socket.h"

/* Made once with uuidgen(1); they never change, people write filters with them. */
static const char *const message_ids[LOG_MESSAGES] = {
    [LOG_SETTING] = "9c8223421c924e96ae2e7e0af4bd13ad",
    [LOG_PROTECTS] = "49db602efc98493488a18ba6c0d0531a",
    [LOG_SHUT] = "533a124a61ce466789f050629c8c8e4b",
    [LOG_EVICTED] = "740dccb7b82b40dc9ce6a1379993ceb0",
    [LOG_SHUT_MORE] = "a17921040dc84cc8a5fa7a874fa7408e",
    [LOG_UNPROTECTED] = "ba7d1e4a80794c8bb8180386c80e3fc7",
};

static void add_number(struct text *out, const char *name, uint64_t number)
{
    text_string(out, name);
    text_number(out, number);
    text_string(out, "\n");
}

static void add_seconds(struct text *out, const char *name, uint64_t span_ns)
{
    text_string(out, name);
    text_seconds(out, span_ns);
    text_string(out, "\n");
}

static void add_string(struct text *out, const char *name, const char *value)
{
    text_string(out, name);
    text_string(out, value);
    text_string(out, "\n");
}

void log_journal_format(const struct log_entry *entry, struct text *out)
{
    add_string(out, "MESSAGE_ID=", message_ids[entry->message]);
    add_number(out, "PRIORITY=", log_priority(entry->message));
    text_string(out, "SYSLOG_IDENTIFIER=shakeout\n");
    add_number(out, "SYSLOG_PID=", (uint64_t)getpid());
    if (entry->reason != NULL)
        add_string(out, "SHAKEOUT_REASON=", entry->reason);
    if (entry->client != NULL) {
        text_string(out, "SHAKEOUT_CLIENT=");
        text_address(out, entry->client);
        text_string(out, "\n");
        add_seconds(out, "SHAKEOUT_SECONDS=", entry->elapsed_ns);
        add_number(out, "SHAKEOUT_BYTES=", entry->received);
    }
    if (entry->port != 0)
        add_number(out, "SHAKEOUT_PORT=", entry->port);
    if (entry->count != 0)
        add_number(out, "SHAKEOUT_COUNT=", entry->count);
    if (entry->deadline_ns != 0)
        add_seconds(out, "SHAKEOUT_DEADLINE=", entry->deadline_ns);
    if (entry->error != 0)
        add_number(out, "ERRNO=", (uint64_t)entry->error);
}

void log_journal_write(const struct log_entry *entry, bool keep)
{
    static char begin[] = "MESSAGE=";
    static char end[] = "\n";
    struct text message = TEXT_EMPTY;
    struct text fields = TEXT_EMPTY;
    struct iovec parts[4];

    text_string(&message, entry->text);
    log_journal_format(entry, &fields);
    parts[0] = (struct iovec){begin, strlen(begin)};
    parts[1] = (struct iovec){message.bytes, message.length};
    parts[2] = (struct iovec){end, strlen(end)};
    parts[3] = (struct iovec){fields.bytes, fields.length};
    log_socket_send(LOG_JOURNAL_PATH, parts, sizeof(parts) / sizeof(parts[0]), keep);
}
