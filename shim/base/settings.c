#include "base/settings.h"

#include <string.h>

#include "base/duration.h"
#include "base/text.h"

#define PREFIX       "SHAKEOUT_"
#define TIMEOUT_NAME "SHAKEOUT_TIMEOUT"
#define LEGACY_NAME  "PYSSLPROTO37_HANDSHAKE_TIMEOUT"

#define DEFAULT_TIMEOUT_NS UINT64_C(60000000000)
#define DEFAULT_GRACE_NS   UINT64_C(250000000)

/* Part of a string that somebody else owns. */
struct span {
    const char *at;
    size_t length;
};

/* One run of settings_read(). */
struct reading {
    struct settings *out;
    settings_complaint *complain;
    void *context;
    int complaints;
};

/* One variable: how to read it. The reader complains itself and leaves the default in place. */
struct setting {
    const char *name;
    void (*read)(struct reading *reading, const struct setting *setting, struct span value);
};

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static bool span_is(struct span span, const char *word)
{
    return span.length == strlen(word) && memcmp(span.at, word, span.length) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span span_trim(struct span span)
{
    while (span.length > 0 && is_space(span.at[0])) {
        span.at++;
        span.length--;
    }
    while (span.length > 0 && is_space(span.at[span.length - 1]))
        span.length--;
    return span;
}

/* Cuts off and returns what comes before the first separator, all of it when there is none. */
static struct span span_cut(struct span *rest, char separator)
{
    const char *end = rest->length ? memchr(rest->at, separator, rest->length) : NULL;
    struct span head = *rest;

    if (!end) {
        rest->at += rest->length;
        rest->length = 0;
        return head;
    }
    head.length = (size_t)(end - rest->at);
    rest->at = end + 1;
    rest->length -= head.length + 1;
    return head;
}

/* Values come from anywhere and go to terminals and logs: printable ASCII only, and not too much.
 */
static void add_value(struct text *line, struct span value)
{
    char shown[61];
    size_t length = value.length < sizeof(shown) ? value.length : sizeof(shown) - 1;

    for (size_t i = 0; i < length; i++) {
        shown[i] = value.at[i];
        if (shown[i] < ' ' || shown[i] > '~')
            shown[i] = '?';
    }
    shown[length] = '\0';
    text_string(line, "'");
    text_string(line, shown);
    text_string(line, length < value.length ? "...'" : "'");
}

static void finish(struct reading *reading, const struct text *line)
{
    reading->complaints++;
    reading->complain(reading->context, line->bytes);
}

/* "NAME: 'VALUE' PROBLEM" */
static void complain_value(struct reading *reading, const char *name, struct span value,
                           const char *problem)
{
    struct text line = TEXT_EMPTY;

    text_string(&line, name);
    text_string(&line, ": ");
    add_value(&line, value);
    text_string(&line, problem);
    finish(reading, &line);
}

static void read_timeout(struct reading *reading, const struct setting *setting, struct span value)
{
    if (span_is(value, "off"))
        reading->out->enabled = false;
    else if (!duration_parse(value.at, value.length, &reading->out->timeout_ns))
        complain_value(reading, setting->name, value,
                       " is not accepted; give " DURATION_ACCEPTED ", or off");
}

static void read_legacy_timeout(struct reading *reading, const struct setting *setting,
                                struct span value)
{
    /* sslproto37 passes the value to Python's float(), which ignores spaces around it */
    struct span number = span_trim(value);

    if (!duration_parse_seconds(number.at, number.length, &reading->out->timeout_ns))
        complain_value(reading, setting->name, value,
                       " is not accepted; give " DURATION_ACCEPTED_SECONDS);
}

static bool parse_port(struct span text, uint16_t *port)
{
    uint32_t value = 0;

    if (text.length == 0 || text.length > 5)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.at[i] - '0');
    }
    if (value == 0 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* PORT, PORT=DURATION or !PORT */
static bool parse_rule(struct span item, struct port_rule *rule)
{
    *rule = (struct port_rule){.kind = PORT_TLS};
    if (item.length > 0 && item.at[0] == '!') {
        rule->kind = PORT_NEVER;
        return parse_port((struct span){item.at + 1, item.length - 1}, &rule->port);
    }

    const char *end = item.at + item.length;
    struct span port = span_cut(&item, '=');
    bool has_timeout = port.at + port.length != end;

    return parse_port(port, &rule->port) &&
           (!has_timeout || duration_parse(item.at, item.length, &rule->timeout_ns));
}

/* Where the port is in the sorted list, or would be. */
static size_t port_position(const struct settings *settings, uint16_t port)
{
    size_t low = 0;
    size_t high = settings->port_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (settings->ports[middle].port < port)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool same_rule(const struct port_rule *a, const struct port_rule *b)
{
    return a->port == b->port && a->kind == b->kind && a->timeout_ns == b->timeout_ns;
}

/* Returns what is wrong, NULL when the rule is in the list now. */
static const char *add_rule(struct settings *settings, const struct port_rule *rule)
{
    size_t at = port_position(settings, rule->port);
    struct port_rule *place = &settings->ports[at];

    if (at < settings->port_count && place->port == rule->port)
        return same_rule(place, rule) ? NULL : " contradicts an earlier item for the same port";
    if (settings->port_count == SETTINGS_MAX_PORTS)
        return " is one too many; at most 256 ports are accepted";
    memmove(place + 1, place, (settings->port_count - at) * sizeof(*place));
    *place = *rule;
    settings->port_count++;
    return NULL;
}

static void read_ports(struct reading *reading, const struct setting *setting, struct span value)
{
    const char *end = value.at + value.length;
    bool more = span_trim(value).length > 0;

    while (more) {
        struct span part = span_cut(&value, ',');
        struct span item = span_trim(part);
        struct port_rule rule;
        const char *problem =
            " is not accepted; give a list of PORT, PORT=DURATION or !PORT with "
            "ports from 1 to 65535, such as 443,8443=5s,!9000; a duration is " DURATION_ACCEPTED;

        if (parse_rule(item, &rule))
            problem = add_rule(reading->out, &rule);
        if (problem)
            complain_value(reading, setting->name, item, problem);
        more = part.at + part.length != end;
    }
}

static void read_log(struct reading *reading, const struct setting *setting, struct span value)
{
    static const struct {
        const char *word;
        enum log_kind kind;
    } kinds[] = {
        {"stderr", LOG_STDERR},
        {"syslog", LOG_SYSLOG},
        {"journal", LOG_JOURNAL},
        {"off", LOG_OFF},
    };
    struct settings *out = reading->out;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (span_is(value, kinds[i].word)) {
            out->log = kinds[i].kind;
            return;
        }
    }
    if (value.length == 0 || value.at[0] != '/') {
        complain_value(
            reading, setting->name, value,
            " is not accepted; give stderr, syslog, journal, off, or a file's absolute path");
        return;
    }
    if (value.length >= sizeof(out->log_path)) {
        complain_value(reading, setting->name, value,
                       " is not accepted; a file's path may have up to 4095 bytes");
        return;
    }
    out->log = LOG_FILE;
    memcpy(out->log_path, value.at, value.length); /* the rest is zero already */
}

static void read_pressure(struct reading *reading, const struct setting *setting, struct span value)
{
    if (span_is(value, "on") || span_is(value, "off"))
        reading->out->pressure = span_is(value, "on");
    else
        complain_value(reading, setting->name, value, " is not accepted; give on or off");
}

static void read_grace(struct reading *reading, const struct setting *setting, struct span value)
{
    if (span_is(value, "0"))
        reading->out->grace_ns = 0;
    else if (!duration_parse(value.at, value.length, &reading->out->grace_ns))
        complain_value(reading, setting->name, value,
                       " is not accepted; give 0, or " DURATION_ACCEPTED);
}

static void read_max_pending(struct reading *reading, const struct setting *setting,
                             struct span value)
{
    uint32_t number = 0;
    bool good = value.length > 0 && value.length <= 9;

    for (size_t i = 0; good && i < value.length; i++) {
        good = value.at[i] >= '0' && value.at[i] <= '9';
        number = number * 10 + (uint32_t)(value.at[i] - '0');
    }
    if (good)
        reading->out->max_pending = number;
    else
        complain_value(reading, setting->name, value,
                       " is not accepted; give a number up to 999999999, 0 for no limit");
}

/* The log first: what is wrong with the others is to be found there. */
static const struct setting known[] = {
    {"SHAKEOUT_LOG", read_log},     {TIMEOUT_NAME, read_timeout},
    {"SHAKEOUT_PORTS", read_ports}, {"SHAKEOUT_PRESSURE", read_pressure},
    {"SHAKEOUT_GRACE", read_grace}, {"SHAKEOUT_MAX_PENDING", read_max_pending},
};
static const struct setting legacy = {LEGACY_NAME, read_legacy_timeout};

enum { KNOWN_COUNT = sizeof(known) / sizeof(known[0]) };

/* The value of a variable; NULL when it is not set. */
static const char *find(char *const *environment, const char *name)
{
    size_t length = strlen(name);

    for (; *environment; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    }
    return NULL;
}

static bool read_setting(struct reading *reading, const struct setting *setting,
                         char *const *environment)
{
    const char *value = find(environment, setting->name);

    if (value)
        setting->read(reading, setting, span_of(value));
    return value != NULL;
}

/* A typo in a name would otherwise be a setting that silently does nothing. */
static void complain_unknown(struct reading *reading, const char *entry)
{
    struct span rest = span_of(entry);
    struct span name = span_cut(&rest, '=');
    struct text line = TEXT_EMPTY;

    if (strncmp(entry, PREFIX, strlen(PREFIX)) != 0)
        return;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (span_is(name, known[i].name))
            return;
    }
    add_value(&line, name);
    text_string(&line, " is not a setting; there are");
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        text_string(&line, i ? ", " : " ");
        text_string(&line, known[i].name);
    }
    finish(reading, &line);
}

int settings_read(struct settings *out, char *const *environment, settings_complaint *complain,
                  void *context)
{
    struct reading reading = {.out = out, .complain = complain, .context = context};

    *out = (struct settings){
        .enabled = true,
        .timeout_ns = DEFAULT_TIMEOUT_NS,
        .pressure = true,
        .grace_ns = DEFAULT_GRACE_NS,
        .log = LOG_STDERR,
    };
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        read_setting(&reading, &known[i], environment);
    if (!find(environment, TIMEOUT_NAME))
        read_setting(&reading, &legacy, environment);
    for (; *environment; environment++)
        complain_unknown(&reading, *environment);
    return reading.complaints;
}

const struct port_rule *settings_port(const struct settings *settings, uint16_t port)
{
    size_t at = port_position(settings, port);

    if (at == settings->port_count || settings->ports[at].port != port)
        return NULL;
    return &settings->ports[at];
}
