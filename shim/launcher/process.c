#include "launcher/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_entry(pid_t pid, const char *entry)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, entry);
    return fopen(path, "re");
}

/* Closes the file; returns 0, or an errno when it could not be read to its end. */
static int finish(FILE *file)
{
    int problem = ferror(file) ? EACCES : 0; /* the permission is checked at the first read */

    fclose(file);
    return problem;
}

int process_program(pid_t pid, char exe[PATH_MAX], char name[PATH_MAX])
{
    snprintf(exe, PATH_MAX, "/proc/%d/exe", (int)pid);

    ssize_t length = readlink(exe, name, PATH_MAX - 1);
    if (length < 0)
        return errno;
    name[length] = '\0';
    return 0;
}

int process_files(pid_t pid, process_visitor *visit, void *context)
{
    FILE *maps = open_entry(pid, "maps");
    char *line = NULL;
    size_t size = 0;

    if (!maps)
        return errno;
    while (getline(&line, &size, maps) > 0) {
        /* addresses, permissions, offset, device and inode hold no slash but in the path */
        char *path = strchr(line, '/');

        if (!path)
            continue;
        path[strcspn(path, "\n")] = '\0';
        visit(context, path);
    }
    free(line);
    return finish(maps);
}

static void ignore_complaint(void *context, const char *text)
{
    (void)context;
    (void)text;
}

int process_settings(pid_t pid, struct settings *out)
{
    enum { MAX_VARIABLES = 4096 };
    char *variables[MAX_VARIABLES + 1] = {NULL};
    size_t count = 0;
    FILE *file = open_entry(pid, "environ");

    if (!file)
        return errno;
    while (count < MAX_VARIABLES) {
        size_t size = 0;

        if (getdelim(&variables[count], &size, '\0', file) <= 0)
            break;
        count++;
    }
    free(variables[count]);
    variables[count] = NULL;
    settings_read(out, variables, ignore_complaint, NULL);
    while (count > 0)
        free(variables[--count]);
    return finish(file);
}
