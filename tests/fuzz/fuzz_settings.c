/*
 * Settings from hostile bytes. The input is a list of values, one for each variable below,
 * separated by newlines; what follows the last becomes the rest of an unknown name.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/settings.h"

static const char *const names[] = {
    "SHAKEOUT_PORTS=",    "SHAKEOUT_TIMEOUT=", "PYSSLPROTO37_HANDSHAKE_TIMEOUT=", "SHAKEOUT_LOG=",
    "SHAKEOUT_PRESSURE=", "SHAKEOUT_GRACE=",   "SHAKEOUT_MAX_PENDING=",           "SHAKEOUT_",
};

enum { NAME_COUNT = sizeof(names) / sizeof(names[0]) };

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void complaint(void *context, const char *text)
{
    int *count = context;
    size_t length = strlen(text);

    (*count)++;
    require(length > 0 && length < 512, "a complaint is one short line");
    for (size_t i = 0; i < length; i++)
        require(text[i] >= ' ' && text[i] <= '~', "a complaint is printable");
}

static void require_duration(uint64_t ns)
{
    require(ns >= DURATION_MIN_NS && ns <= DURATION_MAX_NS, "a duration is in its bounds");
}

static void check(const struct settings *settings)
{
    require_duration(settings->timeout_ns);
    require(settings->port_count <= SETTINGS_MAX_PORTS, "the ports fit");
    for (size_t i = 0; i < settings->port_count; i++) {
        const struct port_rule *rule = &settings->ports[i];

        require(rule->port > 0, "port 0 is not listed");
        require(i == 0 || rule[-1].port < rule->port, "ports are sorted, each once");
        require(settings_port(settings, rule->port) == rule, "a listed port is found");
        if (rule->timeout_ns)
            require_duration(rule->timeout_ns);
        require(rule->kind == PORT_TLS || !rule->timeout_ns, "no timeout for a port never touched");
    }
    if (settings->grace_ns != 0)
        require_duration(settings->grace_ns);
    require(settings->max_pending <= 999999999, "a number that the manual names");
    require(memchr(settings->log_path, 0, sizeof(settings->log_path)) != NULL, "the path ends");
    require((settings->log == LOG_FILE) == (settings->log_path[0] == '/'), "an absolute path");
}

/* "NAME" and the bytes up to the next newline, which the caller skips. */
static char *variable(const char *name, const uint8_t *data, size_t length)
{
    size_t name_length = strlen(name);
    char *text = malloc(name_length + length + 1);

    require(text != NULL, "memory");
    memcpy(text, name, name_length);
    if (length > 0)
        memcpy(text + name_length, data, length);
    text[name_length + length] = '\0';
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *environment[NAME_COUNT + 1] = {NULL};
    struct settings settings;
    size_t count = 0;
    int complaints = 0;

    while (count < NAME_COUNT && size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;

        environment[count] = variable(names[count], data, length);
        count++;
        length += end != NULL;
        data += length;
        size -= length;
    }

    int bad = settings_read(&settings, environment, complaint, &complaints);
    require(bad == complaints, "every complaint is counted");
    check(&settings);
    while (count > 0)
        free(environment[--count]);
    return 0;
}
