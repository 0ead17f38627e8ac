#include "launcher/preload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEPARATORS " :"

static bool own_directory(char out[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);

    if (length <= 0)
        return false;
    out[length] = '\0';

    char *slash = strrchr(out, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/* Is there a library in DIRECTORY/BELOW? */
static bool library_in(const char *directory, const char *below, char out[PATH_MAX])
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s%s/" PRELOAD_LIBRARY, directory, below);

    if (length < 0 || length >= PATH_MAX)
        return false;
    return realpath(path, out) != NULL && access(out, R_OK) == 0;
}

bool preload_find(char out[PATH_MAX])
{
    char own[PATH_MAX];

    if (own_directory(own) &&
        (library_in(own, "", out) || library_in(own, "/../lib/shakeout", out)))
        return true;
    return library_in(SHAKEOUT_LIBDIR, "", out);
}

bool preload_can_name(const char *library)
{
    return strpbrk(library, SEPARATORS "$") == NULL;
}

static bool is_ours(const char *item, size_t length)
{
    const size_t name = strlen(PRELOAD_LIBRARY);

    if (length < name || memcmp(item + length - name, PRELOAD_LIBRARY, name) != 0)
        return false;
    return length == name || item[length - name - 1] == '/';
}

char *preload_value(const char *library, const char *existing)
{
    const char *rest = existing ? existing : "";
    char *value = malloc(strlen(library) + 1 + strlen(rest) + 1);

    if (!value)
        return NULL;

    char *end = stpcpy(value, library);
    for (;;) {
        rest += strspn(rest, SEPARATORS);
        size_t length = strcspn(rest, SEPARATORS);

        if (length == 0)
            return value;
        if (!is_ours(rest, length)) {
            *end++ = ':';
            end = mempcpy(end, rest, length);
            *end = '\0';
        }
        rest += length;
    }
}
