#include "base/loaded.h"

#include <link.h>
#include <stdatomic.h>
#include <string.h>

static atomic_bool seen;

static int is_tls_library(struct dl_phdr_info *info, size_t size, void *context)
{
    static const char *const names[] = {"libssl.so",     "libgnutls.so",  "libssl3.so",
                                        "libmbedtls.so", "libwolfssl.so", "libs2n.so"};
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *base = slash != NULL ? slash + 1 : info->dlpi_name;

    (void)size;
    (void)context;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(base, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

bool loaded_tls_library(void)
{
    if (atomic_load_explicit(&seen, memory_order_relaxed))
        return true;
    if (dl_iterate_phdr(is_tls_library, NULL) == 0)
        return false;
    atomic_store_explicit(&seen, true, memory_order_relaxed);
    return true;
}
