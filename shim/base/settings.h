/*
 * What the operator asked for, read once from the environment and never changed afterwards.
 *
 * - SHAKEOUT_TIMEOUT: the deadline (see duration.h), or "off"; an empty value is a bad one.
 * - PYSSLPROTO37_HANDSHAKE_TIMEOUT: seconds; read only when SHAKEOUT_TIMEOUT is not set at all.
 * - SHAKEOUT_PORTS: "443,8443=5s,!9000", ports that speak TLS from the first byte, with a deadline
 * of their own if wanted; "!": never touch. Empty: none.
 * - SHAKEOUT_PRESSURE: "on" or "off", whether the worst unfinished handshakes are shut before their
 *   deadline while clients wait whom the server cannot take.
 * - SHAKEOUT_GRACE: how long a handshake is spared then; 0 is allowed.
 * - SHAKEOUT_MAX_PENDING: so many unfinished handshakes are pressure by themselves; 0: no limit.
 * - SHAKEOUT_LOG: stderr, syslog, journal, off, or a file's absolute path; an empty value is a bad
 *   one.
 *
 * A bad value is complained about and its default used instead (of SHAKEOUT_PORTS: the bad item is
 * left out), so that a typo never leaves a server without protection. The launcher refuses to start
 * instead. No allocation and no stdio: this runs in a constructor inside other people's programs.
 */
#ifndef SHAKEOUT_BASE_SETTINGS_H
#define SHAKEOUT_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum port_kind { PORT_TLS, PORT_NEVER };

struct port_rule {
    uint16_t port;
    enum port_kind kind;
    uint64_t timeout_ns; /* 0: the general timeout */
};

enum { SETTINGS_MAX_PORTS = 256 };

enum log_kind { LOG_STDERR, LOG_SYSLOG, LOG_JOURNAL, LOG_FILE, LOG_OFF };

struct settings {
    bool enabled; /* false: SHAKEOUT_TIMEOUT=off */
    uint64_t timeout_ns;
    size_t port_count;
    struct port_rule ports[SETTINGS_MAX_PORTS]; /* sorted by port, each port once */
    bool pressure;                              /* false: SHAKEOUT_PRESSURE=off */
    uint64_t grace_ns;    /* under pressure, who is younger than this is spared */
    uint32_t max_pending; /* pressure from so many unfinished handshakes on; 0: no limit */
    enum log_kind log;
    char log_path[4096]; /* LOG_FILE only, absolute; else empty */
};

/* Called once for each thing that is wrong. text is one line of printable ASCII without a newline,
   valid during the call only; it names the variable, the value (shortened) and what is accepted. */
typedef void settings_complaint(void *context, const char *text);

/*
 * Fills *out from environment (as environ: "NAME=VALUE" strings, NULL at the end; of a name that
 * occurs twice the first one counts, as for getenv(3)). Returns how many complaints were made, 0
 * when all is well. Touches nothing but *out, so any thread may call it; complain must not be NULL.
 */
int settings_read(struct settings *out, char *const *environment, settings_complaint *complain,
                  void *context);

/* The rule for a port in host byte order; NULL when SHAKEOUT_PORTS does not list it. May be called
   from anywhere: any thread, signal handler, vfork child. */
const struct port_rule *settings_port(const struct settings *settings, uint16_t port);

#endif
