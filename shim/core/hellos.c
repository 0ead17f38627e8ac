#include "core/hellos.h"

#include "core/kernel.h"
#include "core/stream.h"

/* Where to look for a ClientHello first: what this thread read last. */
#define RECENT 4U
static _Thread_local conn_handle recent[RECENT] __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t recent_at __attribute__((tls_model("initial-exec")));

/* Then in an index by the hello's random, for servers that read on one thread and parse on another.
 * A newer hello may push an older one out; it is needed only from the read to the parsing. */
#define INDEX 65536U
static _Atomic uint32_t hello_index[INDEX];

void hellos_read(conn_handle handle)
{
    if (recent[recent_at % RECENT] != handle)
        recent[++recent_at % RECENT] = handle;
}

void hellos_add(conn_handle handle, uint64_t key)
{
    atomic_store_explicit(&hello_index[key % INDEX], conn_number(handle), memory_order_relaxed);
}

static bool sent_hello(conn_handle handle, const uint8_t random[32])
{
    const struct conn *conn = conn_get(handle);
    struct wire wire;
    uint64_t cookie = 0;

    if (conn == NULL)
        return false;
    stream_wire(conn, &wire);
    return hello_random_is(&wire.hello, random) &&
           kernel_cookie(atomic_load_explicit(&conn->fd, memory_order_relaxed), &cookie) &&
           cookie == atomic_load_explicit(&conn->cookie, memory_order_relaxed);
}

conn_handle hellos_find(const uint8_t random[32])
{
    conn_handle handle;

    for (uint32_t i = 0; i < RECENT; i++) {
        handle = recent[(recent_at - i) % RECENT];
        if (sent_hello(handle, random))
            return handle;
    }
    handle = conn_current(
        atomic_load_explicit(&hello_index[hello_key(random) % INDEX], memory_order_relaxed));
    return sent_hello(handle, random) ? handle : 0;
}
