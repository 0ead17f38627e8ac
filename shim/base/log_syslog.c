#include <unistd.h>

#include "base/log_socket.h"

#define FACILITY 3U /* system daemons: RFC 5424, section 6.2.1 */

void log_syslog_format(const struct log_entry *entry, struct text *out)
{
    text_string(out, "<");
    text_number(out, FACILITY * 8 + log_priority(entry->message));
    text_string(out, ">shakeout[");
    text_number(out, (uint64_t)getpid());
    text_string(out, "]: ");
    text_string(out, entry->text);
}

void log_syslog_write(const struct log_entry *entry, bool keep)
{
    struct text line = TEXT_EMPTY;
    struct iovec part;

    log_syslog_format(entry, &line);
    part = (struct iovec){line.bytes, line.length};
    log_socket_send(LOG_SYSLOG_PATH, &part, 1, keep);
}
