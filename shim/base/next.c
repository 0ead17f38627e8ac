#include "base/next.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

struct next_libc next_table;
atomic_bool next_ready;

void next_bind(void)
{
    struct next_libc found;

    /* dlsym() gives an object pointer, ISO C has no cast from that to a function: copy the bits. */
#define X(name, result, parameters)                                                                \
    {                                                                                              \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&found.name, &symbol, sizeof(symbol));                                              \
    }
    NEXT_FUNCTIONS(X)
#undef X
    /* Before glibc 2.28 there is no fcntl64; its plain name does the same there. */
    if (found.fcntl64 == NULL)
        found.fcntl64 = found.fcntl;
    if (atomic_load_explicit(&next_ready, memory_order_acquire))
        return;
    next_table = found;
    atomic_store_explicit(&next_ready, true, memory_order_release);
}

bool next_is_own(const void *address)
{
    Dl_info there;
    Dl_info here;

    return dladdr(address, &there) != 0 && dladdr(&next_table, &here) != 0 &&
           there.dli_fbase == here.dli_fbase;
}

void *next_keep(const void *address)
{
    Dl_info where;

    if (dladdr(address, &where) == 0 || where.dli_fname == NULL)
        return NULL;
    return dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
}

static void *usable(void *symbol)
{
    return symbol != NULL && !next_is_own(symbol) ? symbol : NULL;
}

static void *in_module(const char *path, const char *name)
{
    void *module = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    void *symbol = NULL;

    if (module != NULL) {
        symbol = usable(dlsym(module, name));
        dlclose(module);
    }
    return symbol;
}

struct library_search {
    const char *prefix;
    char path[4096];
};

static int match_library(struct dl_phdr_info *info, size_t size, void *context)
{
    struct library_search *search = context;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *base = slash != NULL ? slash + 1 : info->dlpi_name;

    (void)size;
    if (strncmp(base, search->prefix, strlen(search->prefix)) != 0 ||
        strlen(info->dlpi_name) >= sizeof(search->path))
        return 0;
    memcpy(search->path, info->dlpi_name, strlen(info->dlpi_name) + 1);
    return 1;
}

void *next_for_caller(const char *name, const void *caller, const char *library)
{
    struct library_search search = {.prefix = library};
    Dl_info module;
    void *map = NULL;
    void *symbol = NULL;

    /* The caller's module first: two versions of libssl can live in one process. The program itself
     * has no name here, and would only find us; its argv[0], which dladdr() tells instead, may by
     * now be "worker process", to be looked for in every directory of libraries. */
    if (dladdr1(caller, &module, &map, RTLD_DL_LINKMAP) != 0 && map != NULL &&
        ((const struct link_map *)map)->l_name[0] != '\0')
        symbol = in_module(((const struct link_map *)map)->l_name, name);
    if (symbol == NULL)
        symbol = usable(dlsym(RTLD_NEXT, name));
    /* A libssl that came in through a dlopen()ed module (Python, PHP) is in no global order. */
    if (symbol == NULL && dl_iterate_phdr(match_library, &search) != 0)
        symbol = in_module(search.path, name);
    return symbol;
}
