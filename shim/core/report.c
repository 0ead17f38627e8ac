#include "core/report.h"

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/text.h"
#include "core/ports.h"

#define LINES_A_SECOND 10U

static uint64_t second_began_ns;
static uint32_t lines;
static uint64_t held_back;

static void add_ports(struct text *text, const struct settings *settings)
{
    for (size_t i = 0; i < settings->port_count; i++) {
        const struct port_rule *rule = &settings->ports[i];

        text_string(text, i > 0 ? ", " : "");
        text_string(text, rule->kind == PORT_NEVER ? "not " : "");
        text_number(text, rule->port);
        if (rule->timeout_ns == 0)
            continue;
        text_string(text, " (");
        text_seconds(text, rule->timeout_ns);
        text_string(text, " s)");
    }
    if (settings->port_count == 0)
        text_string(text, "as learned");
}

void report_protects(void)
{
    const struct settings *settings = ports_settings();
    struct text text = TEXT_EMPTY;

    if (!counters_announce())
        return;
    text_string(&text, "protects this process: version " SHAKEOUT_VERSION ", deadline ");
    text_seconds(&text, settings->timeout_ns);
    text_string(&text, " s, ports ");
    add_ports(&text, settings);
    log_write(&(struct log_entry){
        .message = LOG_PROTECTS, .text = text.bytes, .deadline_ns = settings->timeout_ns});
}

static void begin_second(uint64_t now_ns)
{
    if (now_ns < clock_after_ns(second_began_ns, CLOCK_SECOND))
        return;
    report_flush(now_ns);
    second_began_ns = now_ns;
    lines = 0;
}

void report_refused(uint32_t count, uint64_t now_ns)
{
    begin_second(now_ns);
    held_back += count;
}

void report_shut(const struct shut_connection *shut, uint64_t now_ns)
{
    struct text text = TEXT_EMPTY;

    report_protects();
    begin_second(now_ns);
    if (lines == LINES_A_SECOND) {
        held_back++;
        return;
    }
    lines++;
    text_string(&text, shut->evicted ? "evicted under pressure: " : "handshake deadline: ");
    text_seconds(&text, shut->elapsed_ns);
    text_string(&text, " s, client ");
    text_address(&text, &shut->client.any);
    text_string(&text, " on port ");
    text_number(&text, shut->port);
    text_string(&text, ", sent ");
    text_number(&text, shut->received);
    text_string(&text, shut->received == 1 ? " byte (" : " bytes (");
    text_string(&text, verdict_reason(shut->verdict));
    text_string(&text, ")");
    log_write(&(struct log_entry){
        .message = shut->evicted ? LOG_EVICTED : LOG_SHUT,
        .text = text.bytes,
        .reason = verdict_reason(shut->verdict),
        .client = &shut->client.any,
        .elapsed_ns = shut->elapsed_ns,
        .received = shut->received,
        .port = shut->port,
    });
}

uint64_t report_flush(uint64_t now_ns)
{
    struct text text = TEXT_EMPTY;
    uint64_t due = clock_after_ns(second_began_ns, CLOCK_SECOND);

    if (held_back == 0)
        return CLOCK_NEVER;
    if (now_ns < due)
        return due;
    text_number(&text, held_back);
    text_string(&text, held_back == 1 ? " more client was shut" : " more clients were shut");
    text_string(&text, " in the last second");
    log_write(
        &(struct log_entry){.message = LOG_SHUT_MORE, .text = text.bytes, .count = held_back});
    held_back = 0;
    return CLOCK_NEVER;
}
