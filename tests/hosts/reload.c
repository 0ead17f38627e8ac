/* Loads a plugin, has it begin a TLS session, unloads it, and does so again, each time with
 * something else where it was before. The plugin lies beside the program. Says "reload ok". */
#include "lib/host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { TIMES = 3, PAGES = 256, PAGE = 4096 };

/* Pages that go where the plugin has been. */
static void take_room(void)
{
    for (int i = 0; i < PAGES; i++)
        if (mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            host_die("mmap");
}

static void use(const char *path)
{
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = plugin ? dlsym(plugin, "plugin_try") : NULL;
    int (*try)(void);
    int result;

    if (!symbol)
        host_die("dlopen %s", path);
    memcpy(&try, &symbol, sizeof symbol);
    result = try();
    if (result != 0)
        host_die("the plugin says %d", result);
    if (dlclose(plugin) != 0)
        host_die("dlclose");
    take_room();
}

int main(int argc, char **argv)
{
    char path[4096];

    (void)argc;
    host_init();
    snprintf(path, sizeof path, "%.*s/plugin.so", (int)(strrchr(argv[0], '/') - argv[0]), argv[0]);
    host_say("port 0");
    for (int i = 0; i < TIMES; i++)
        use(path);
    host_say("reload ok");
    return 0;
}
