#include "hooks/openssl_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/next.h"

static struct openssl libraries[OPENSSL_LIBRARIES];

/* Call sites that have been seen. A place is taken once and never changes hands, so a reader needs
 * no lock; when all are taken the others pay for the look-up each time. */
#define SITES 256U
static struct {
    _Atomic(const void *) caller;
    _Atomic(struct openssl *) library;
} sites[SITES];

static bool load(struct openssl *library, void *identity)
{
    void *module = next_keep(identity);

    if (module == NULL)
        return false;
#define X(name, result, parameters)                                                                \
    {                                                                                              \
        void *symbol = dlsym(module, #name);                                                       \
        if (symbol == NULL || next_is_own(symbol))                                                 \
            return false;                                                                          \
        memcpy(&library->name, &symbol, sizeof(symbol));                                           \
    }
    OPENSSL_FUNCTIONS(X)
#undef X
    return true;
}

/* Another thread may just be doing it, and needs a millisecond for it: a session that is let go
 * meanwhile would never be followed. Who waits in vain (that thread was lost in a fork) waits once.
 */
static bool is_filled_in(struct openssl *library)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    for (int i = 0; i < 100; i++) {
        if (atomic_load_explicit(&library->ready, memory_order_acquire))
            return true;
        if (atomic_load_explicit(&library->failed, memory_order_acquire))
            return false;
        /* Not nanosleep(), where a thread may be cancelled. */
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
    }
    atomic_store_explicit(&library->failed, true, memory_order_release);
    return false;
}

static struct openssl *library_of(void *identity)
{
    for (int i = 0; i < OPENSSL_LIBRARIES; i++) {
        void *taken = NULL;

        if (atomic_compare_exchange_strong_explicit(&libraries[i].identity, &taken, identity,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            if (!load(&libraries[i], identity) || !openssl_prepare(&libraries[i], i)) {
                atomic_store_explicit(&libraries[i].failed, true, memory_order_release);
                return NULL;
            }
            atomic_store_explicit(&libraries[i].ready, true, memory_order_release);
            return &libraries[i];
        }
        if (taken == identity)
            return is_filled_in(&libraries[i]) ? &libraries[i] : NULL;
    }
    return NULL;
}

struct openssl *openssl_for(const void *caller)
{
    size_t site = ((uintptr_t)caller >> 2) % SITES;
    const void *known = atomic_load_explicit(&sites[site].caller, memory_order_acquire);
    struct openssl *library = NULL;
    void *identity;

    if (known == caller)
        library = atomic_load_explicit(&sites[site].library, memory_order_acquire);
    if (library != NULL)
        return library;
    identity = next_for_caller("SSL_do_handshake", caller, "libssl.so");
    if (identity == NULL)
        return NULL;
    library = library_of(identity);
    if (library != NULL && known == NULL &&
        atomic_compare_exchange_strong_explicit(&sites[site].caller, &known, caller,
                                                memory_order_acq_rel, memory_order_relaxed))
        atomic_store_explicit(&sites[site].library, library, memory_order_release);
    return library;
}

void openssl_behind(const char *name, const void *caller, void *function)
{
    void *symbol = next_for_caller(name, caller, "libssl.so");

    memcpy(function, &symbol, sizeof(symbol));
}
