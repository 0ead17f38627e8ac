#include "core/ports.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/loaded.h"

#define LEARNED 1024U

static const struct settings *settings_kept;
static _Atomic uint32_t learned[LEARNED];

/* IANA Service Name and Transport Protocol Port Number Registry: TLS from the first byte. */
static const uint16_t iana_tls[] = {
    443,  /* https */
    465,  /* submissions */
    563,  /* nntps */
    636,  /* ldaps */
    853,  /* domain-s */
    989,  /* ftps-data */
    990,  /* ftps */
    992,  /* telnets */
    993,  /* imaps */
    994,  /* ircs */
    995,  /* pop3s */
    2083, /* radsec */
    2376, /* docker-s */
    3269, /* msft-gc-ssl */
    4740, /* ipfixs */
    5061, /* sips */
    5349, /* stuns, turns */
    5671, /* amqps */
    5868, /* diameters */
    5986, /* wsmans */
    6513, /* netconf-tls */
    6514, /* syslog-tls */
    6697, /* ircs-u */
    8883, /* secure-mqtt */
};

void ports_start(const struct settings *settings)
{
    settings_kept = settings;
}

const struct settings *ports_settings(void)
{
    return settings_kept;
}

bool ports_hands_off(uint16_t port)
{
    const struct port_rule *rule = settings_port(settings_kept, port);

    return port == 0 || (rule != NULL && rule->kind == PORT_NEVER);
}

bool ports_listed(uint16_t port)
{
    const struct port_rule *rule = settings_port(settings_kept, port);

    return rule != NULL && rule->kind == PORT_TLS;
}

bool ports_speak_tls(uint16_t port)
{
    if (settings_port(settings_kept, port) != NULL)
        return ports_listed(port);
    for (size_t i = 0; i < sizeof(iana_tls) / sizeof(iana_tls[0]); i++)
        if (iana_tls[i] == port)
            return loaded_tls_library();
    return false;
}

uint64_t ports_timeout_ns(uint16_t port)
{
    const struct port_rule *rule = settings_port(settings_kept, port);

    return rule != NULL && rule->timeout_ns != 0 ? rule->timeout_ns : settings_kept->timeout_ns;
}

/* Cookies are counted up by the kernel, so neighbours fall into different places. */
bool ports_learn(uint32_t listener)
{
    return listener != 0 && atomic_exchange_explicit(&learned[listener % LEARNED], listener,
                                                     memory_order_relaxed) != listener;
}

bool ports_learned(uint32_t listener)
{
    return listener != 0 &&
           atomic_load_explicit(&learned[listener % LEARNED], memory_order_relaxed) == listener;
}

bool ports_begin_with_tls(uint32_t listener, uint16_t port)
{
    return ports_learned(listener) || ports_speak_tls(port);
}
