#include "launcher/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
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

int process_name(pid_t pid, char name[16])
{
    FILE *comm = open_entry(pid, "comm");
    size_t length;

    if (!comm)
        return errno;
    length = fread(name, 1, 15, comm);
    if (length > 0 && name[length - 1] == '\n')
        length--;
    name[length] = '\0';
    return finish(comm);
}

/* "ADDRESS-END PERMISSIONS OFFSET MAJOR:MINOR INODE   PATH", proc_pid_maps(5) */
static bool parse_mapping(const char *line, const char *name, struct process_mapping *out)
{
    char permissions[5] = "";
    unsigned int major = 0;
    unsigned int minor = 0;
    const char *path = strchr(line, '/');

    if (!path || strncmp(path, name, strlen(name)) != 0 || path[strlen(name)] != '\n')
        return false;
    /* The kernel writes no number too large. NOLINTNEXTLINE(cert-err34-c) */
    if (sscanf(line, "%" SCNx64 "-%*x %4s %*x %x:%x %" SCNu64, &out->address, permissions, &major,
               &minor, &out->inode) != 5)
        return false;
    out->device = (uint64_t)major << 32 | minor;
    return permissions[3] == 's';
}

int process_mapping(pid_t pid, const char *name, struct process_mapping *out)
{
    FILE *maps = open_entry(pid, "maps");
    bool found = false;
    bool any = false;
    char *line = NULL;
    size_t size = 0;
    int problem;

    if (!maps)
        return errno;
    while (!found && getline(&line, &size, maps) > 0) {
        any = true;
        found = parse_mapping(line, name, out);
    }
    free(line);
    problem = finish(maps);
    if (found || problem)
        return problem;
    return any ? ENODATA : ESRCH;
}

int process_memory(pid_t pid, uint64_t address, void *out, size_t size)
{
    char path[64];
    int memory;
    ssize_t length;
    int problem;

    if (address > INT64_MAX)
        return EIO;
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    memory = open(path, O_RDONLY | O_CLOEXEC);
    if (memory < 0)
        return errno;
    length = pread(memory, out, size, (off_t)address);
    problem = length < 0 ? errno : length == 0 ? ESRCH : EIO;
    close(memory);
    return length == (ssize_t)size ? 0 : problem;
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
