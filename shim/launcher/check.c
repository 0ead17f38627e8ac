#include "launcher/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/elf.h"
#include "launcher/preload.h"
#include "launcher/process.h"
#include "launcher/stacks.h"
#include "launcher/target.h"

struct facts {
    bool running;             /* a process; else a file */
    char name[PATH_MAX];      /* the program's path */
    struct target target;     /* what a loader will do with it, or did */
    stack_set stacks;         /* TLS libraries: loaded into the process, or linked to the file */
    bool loaded;              /* the library is in the process */
    struct settings settings; /* of the process */
};

struct verdict {
    enum check_verdict verdict;
    const char *why;
};

static const struct verdict protects = {CHECK_PROTECTED,
                                        "the handshakes of its TLS library have a deadline"};

static struct verdict judge_stacks(const struct facts *facts, const char *when_none)
{
    if (facts->target.is_go)
        return (struct verdict){CHECK_NOT_PROTECTED,
                                "a Go program makes its system calls without the C library"};
    if (stack_hooked(facts->stacks))
        return protects;
    if (facts->stacks)
        return (struct verdict){CHECK_CANNOT_TELL,
                                "its TLS library has no hooks; on ports that speak TLS from the "
                                "first byte (SHAKEOUT_PORTS) silent clients are shut"};
    return (struct verdict){CHECK_CANNOT_TELL, when_none};
}

static struct verdict judge_process(const struct facts *facts)
{
    if (!facts->loaded)
        return (struct verdict){CHECK_NOT_PROTECTED, PRELOAD_LIBRARY " is not loaded in it"};
    if (!facts->settings.enabled)
        return (struct verdict){CHECK_NOT_PROTECTED, "SHAKEOUT_TIMEOUT is off"};
    return judge_stacks(facts,
                        "no TLS library is loaded in it, now; it may load one later, or have "
                        "one of its own linked in");
}

static struct verdict judge_file(const struct facts *facts)
{
    const char *reason = target_reason(facts->target.reach);

    if (facts->target.reach == TARGET_UNREADABLE)
        return (struct verdict){CHECK_CANNOT_TELL, "it cannot be read"};
    if (reason)
        return (struct verdict){CHECK_NOT_PROTECTED, "the library cannot be loaded into it"};
    return judge_stacks(facts, "it is linked with no TLS library, but may load one when it runs: "
                               "check the running process");
}

static void note_file(void *context, const char *path)
{
    struct facts *facts = context;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    if (strncmp(name, PRELOAD_LIBRARY, strlen(PRELOAD_LIBRARY)) == 0)
        facts->loaded = true;
    facts->stacks |= stack_of(name);
}

static int look_at_process(struct facts *facts, pid_t pid)
{
    char link[PATH_MAX];

    facts->running = true;
    int problem = process_program(pid, link, facts->name);
    if (problem == 0) {
        target_inspect(&facts->target, link);
        problem = process_files(pid, note_file, facts);
    }
    if (problem == 0)
        problem = process_settings(pid, &facts->settings);
    return problem;
}

static int look_at_file(struct facts *facts, const char *command)
{
    elf_header header;
    int problem = target_find(command, facts->name);

    if (problem)
        return problem;
    target_inspect(&facts->target, facts->name);

    int file = open(facts->target.program, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0; /* target.reach says so */
    if (elf_identify(file, &header) == ELF_NATIVE)
        elf_needed(file, &header, note_file, facts);
    close(file);
    return 0;
}

static void print_fact(const char *label, const char *value)
{
    printf("%-14s%s\n", label, value);
}

static void print_stacks(const struct facts *facts)
{
    const char *separator = "";

    printf("%-14s", "TLS library");
    for (size_t i = 0; i < stack_count; i++) {
        if (facts->stacks & (1U << i)) {
            printf("%s%s%s", separator, stacks[i].name, stacks[i].hooked ? "" : " (no hooks)");
            separator = ", ";
        }
    }
    puts(facts->stacks ? "" : facts->running ? "none is loaded" : "none is linked");
}

static void print_facts(const struct facts *facts)
{
    const char *reason = target_reason(facts->target.reach);

    print_fact("program", facts->name);
    if (!facts->running && strcmp(facts->name, facts->target.program) != 0)
        print_fact("run by", facts->target.program);
    print_fact("loader", facts->target.loader[0] ? facts->target.loader : "none");
    if (reason)
        printf("%-14sit %s\n", "preload", reason);
    else
        print_fact("preload", "possible");
    if (facts->target.sets_ids)
        print_fact("privileges", "setuid, setgid or file capabilities: no preload for other users");
    if (facts->target.is_go)
        print_fact("language", "Go");
    print_stacks(facts);
    if (facts->running)
        print_fact("shakeout", facts->loaded ? "loaded" : "not loaded");
}

static void print_verdict(const struct facts *facts, struct verdict verdict)
{
    static const char *const of_process[] = {"protected", "not protected", "cannot tell"};
    static const char *const of_file[] = {"protected when run by shakeout", "not protected",
                                          "cannot tell"};

    printf("%-14s%s: %s\n", "verdict",
           facts->running ? of_process[verdict.verdict] : of_file[verdict.verdict], verdict.why);
}

static bool parse_pid(const char *text, pid_t *pid)
{
    size_t length = strlen(text);

    if (length == 0 || length > 9 || strspn(text, "0123456789") != length)
        return false;
    *pid = (pid_t)strtol(text, NULL, 10);
    return true;
}

enum check_verdict check(const char *what)
{
    static struct facts facts; /* too large for the stack */
    pid_t pid;
    bool running = parse_pid(what, &pid);
    int problem = running ? look_at_process(&facts, pid) : look_at_file(&facts, what);

    if (problem) {
        fprintf(stderr,
                running ? "shakeout: cannot check process %s: %s\n"
                        : "shakeout: cannot check '%s': %s\n",
                what, strerror(problem));
        return CHECK_CANNOT_TELL;
    }
    struct verdict verdict = running ? judge_process(&facts) : judge_file(&facts);
    print_facts(&facts);
    print_verdict(&facts, verdict);
    return verdict.verdict;
}
