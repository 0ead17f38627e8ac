/* The constructor: reads the settings, remembers what must be remembered before the program changes
 * it (environment, standard error), and looks up what the hooks call. It makes no thread, no
 * descriptor and no memory, unless the program was started with a client on one of its descriptors.
 */
#include <unistd.h>

#include "base/log.h"
#include "base/settings.h"
#include "core/ports.h"
#include "core/track.h"
#include "hooks/hook.h"

atomic_bool hooks_active;

static struct settings settings;

static void complain(void *context, const char *text)
{
    (void)context;
    log_write(&(struct log_entry){.message = LOG_SETTING, .text = text});
}

__attribute__((constructor)) static void start(void)
{
    int saved = errno;

    next_bind();
    log_start(&settings);
    settings_read(&settings, environ, complain, NULL);
    ports_start(&settings);
    atomic_store_explicit(&hooks_active, settings.enabled, memory_order_release);
    if (settings.enabled && settings.port_count != 0)
        track_inherited();
    errno = saved;
}
