#include "launcher/families.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPING "/memfd:" COUNTERS_NAME " (deleted)"

static void *grow(void *list, size_t count, size_t size)
{
    void *grown = realloc(list, (count + 1) * size);

    if (!grown) {
        fputs("shakeout: no memory\n", stderr);
        exit(125);
    }
    return grown;
}

static struct family *find_family(const struct families *families,
                                  const struct process_mapping *page)
{
    for (size_t i = 0; i < families->count; i++) {
        struct family *family = &families->list[i];

        if (family->page.inode == page->inode && family->page.device == page->device)
            return family;
    }
    return NULL;
}

static struct family *family_of(struct families *families, const struct process_mapping *page)
{
    struct family *family = find_family(families, page);

    if (family)
        return family;
    families->list = grow(families->list, families->count, sizeof(*families->list));
    family = &families->list[families->count++];
    *family = (struct family){.page = *page};
    return family;
}

/* In order of their ids. */
static void add_member(struct family *family, const struct member *member)
{
    size_t at = family->count;

    for (size_t i = 0; i < family->count; i++)
        if (family->members[i].pid == member->pid)
            return; /* it is there already */
    family->members = grow(family->members, family->count, sizeof(*family->members));
    while (at > 0 && family->members[at - 1].pid > member->pid) {
        family->members[at] = family->members[at - 1];
        at--;
    }
    family->members[at] = *member;
    family->count++;
}

static const char *in_words(enum snapshot_problem problem, uint32_t layout)
{
    static char text[128];

    switch (problem) {
    case SNAPSHOT_TRUNCATED:
        return "they are truncated";
    case SNAPSHOT_FOREIGN:
        return "they are not the library's";
    case SNAPSHOT_OTHER_LAYOUT:
        snprintf(text, sizeof(text),
                 "they have layout %u, this program reads layout %u; use the shakeout command that "
                 "came with its library",
                 layout, COUNTERS_LAYOUT);
        return text;
    default:
        return "they are damaged";
    }
}

static void make_printable(char *name)
{
    for (; *name; name++)
        if (*name < ' ' || *name > '~')
            *name = '?';
}

int families_add(struct families *families, pid_t pid, const char **problem)
{
    struct member member = {.pid = pid};
    struct process_mapping page;
    struct counters counters;
    struct snapshot snapshot;
    struct family *family;
    enum snapshot_problem decoded;
    uint32_t layout = 0;
    int failed = process_mapping(pid, MAPPING, &page);

    if (failed)
        return failed;
    failed = process_memory(pid, page.address, &counters, sizeof(counters));
    if (failed)
        return failed;
    decoded = snapshot_decode(&counters, sizeof(counters), &snapshot, &layout);
    if (decoded != SNAPSHOT_READ) {
        *problem = in_words(decoded, layout);
        return EBADMSG;
    }
    failed = process_name(pid, member.name);
    if (failed)
        return failed;
    make_printable(member.name);
    if (process_memory(pid, snapshot.tracked_address, &member.tracked, sizeof(member.tracked)) ||
        process_memory(pid, snapshot.watched_address, &member.watched, sizeof(member.watched)))
        member.tracked = member.watched = 0;
    family = family_of(families, &page);
    family->snapshot = snapshot;
    add_member(family, &member);
    return 0;
}

static void add_found(struct families *families, pid_t pid)
{
    const char *problem = NULL;

    switch (families_add(families, pid, &problem)) {
    case EPERM:
    case EACCES:
        families->refused++;
        break;
    case EBADMSG:
        fprintf(stderr, "shakeout: --status: process %d: its counters cannot be read: %s\n",
                (int)pid, problem);
        break;
    default: /* it is there now, or it has no counters, or it has ended meanwhile */
        break;
    }
}

static int by_number(const void *a, const void *b)
{
    const pid_t *left = a;
    const pid_t *right = b;

    return (*left > *right) - (*left < *right);
}

/* All process ids, in order; NULL and 0 when there are none. The caller frees the list. */
static pid_t *list_pids(size_t *count)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t *pids = NULL;

    *count = 0;
    if (!proc)
        return NULL;
    while ((entry = readdir(proc))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);

        if (*end != '\0' || pid <= 0)
            continue;
        pids = grow(pids, *count, sizeof(*pids));
        pids[(*count)++] = (pid_t)pid;
    }
    closedir(proc);
    if (*count > 0)
        qsort(pids, *count, sizeof(*pids), by_number);
    return pids;
}

void families_add_all(struct families *families)
{
    size_t count;
    pid_t *pids = list_pids(&count);

    for (size_t i = 0; i < count; i++)
        add_found(families, pids[i]);
    free(pids);
}

void families_complete(struct families *families)
{
    size_t count;
    pid_t *pids = list_pids(&count);

    for (size_t i = 0; i < count; i++) {
        const char *problem = NULL;
        struct process_mapping page;

        if (process_mapping(pids[i], MAPPING, &page) == 0 && find_family(families, &page))
            families_add(families, pids[i], &problem);
    }
    free(pids);
}

void families_free(struct families *families)
{
    for (size_t i = 0; i < families->count; i++)
        free(families->list[i].members);
    free(families->list);
    *families = (struct families){.list = NULL};
}
