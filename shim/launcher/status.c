#include "launcher/status.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "launcher/families.h"
#include "launcher/options.h"
#include "launcher/preload.h"
#include "launcher/show.h"

struct wishes {
    show_format *format;
    uint64_t interval_ns; /* 0: once */
    char **pids;
};

static void __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
    va_list arguments;

    fputs("shakeout: --status: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments); /* NOLINT(clang-analyzer-valist.Uninitialized) it was */
    va_end(arguments);
    fputc('\n', stderr);
}

static bool read_interval(const char *text, uint64_t *interval_ns)
{
    *interval_ns = CLOCK_SECOND;
    if (!text || duration_parse(text, strlen(text), interval_ns))
        return true;
    complain("--watch: '%s' is not accepted; give " DURATION_ACCEPTED, text);
    return false;
}

static bool read_options(int argc, char **argv, struct wishes *wishes)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"prometheus", no_argument, NULL, 'p'},
        {"watch", optional_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };
    int option;

    opterr = 0;
    optind = 0; /* getopt_long(3): begin anew, in another argv */
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            wishes->format = show_json;
            break;
        case 'p':
            wishes->format = show_prometheus;
            break;
        case 'w':
            if (!read_interval(optarg, &wishes->interval_ns))
                return false;
            break;
        default:
            options_complain("shakeout: --status", option, argv);
            return false;
        }
    }
    wishes->pids = argv + optind;
    return true;
}

static bool read_pid(const char *text, pid_t *pid)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(text, &end, 10);
    *pid = (pid_t)number;
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number > 0 &&
        number == *pid)
        return true;
    complain("'%s' is no process id; give numbers, or nothing for all processes", text);
    return false;
}

struct search {
    bool library;
};

static void see_file(void *context, const char *path)
{
    struct search *search = context;
    const char *slash = strrchr(path, '/');

    if (strncmp(slash ? slash + 1 : path, PRELOAD_LIBRARY, strlen(PRELOAD_LIBRARY)) == 0)
        search->library = true;
}

static void explain_no_counters(pid_t pid)
{
    struct search search = {.library = false};

    process_files(pid, see_file, &search);
    if (search.library)
        complain("process %d has not listened or accepted yet, is switched off, or could have no "
                 "memory for its counters",
                 (int)pid);
    else
        complain("process %d does not run under " PRELOAD_LIBRARY, (int)pid);
}

static void explain(pid_t pid, int failed, const char *problem)
{
    switch (failed) {
    case EPERM:
    case EACCES:
        complain("process %d may not be looked at: it is another user's, has changed its user, or "
                 "kernel.yama.ptrace_scope forbids it; ask as root",
                 (int)pid);
        break;
    case ENOENT:
        complain("there is no process %d", (int)pid);
        break;
    case ESRCH:
        complain("process %d has ended", (int)pid);
        break;
    case ENODATA:
        explain_no_counters(pid);
        break;
    case EBADMSG:
        complain("process %d: its counters cannot be read: %s", (int)pid, problem);
        break;
    default:
        complain("process %d cannot be read: %s", (int)pid, strerror(failed));
        break;
    }
}

/* The exit status. */
static int gather(struct families *families, char **pids)
{
    int result = STATUS_SHOWN;

    if (!*pids) {
        families_add_all(families);
        return STATUS_SHOWN;
    }
    for (; *pids; pids++) {
        const char *problem = NULL;
        pid_t pid;
        int failed;

        if (!read_pid(*pids, &pid))
            return STATUS_ERROR;
        failed = families_add(families, pid, &problem);
        if (failed) {
            explain(pid, failed, problem);
            result = STATUS_MISSING;
        }
    }
    families_complete(families);
    return result;
}

static void explain_nothing(const struct families *families)
{
    if (families->refused > 0)
        complain("no process under " PRELOAD_LIBRARY
                 " among those that may be looked at; %zu others may not, ask as root",
                 families->refused);
    else
        complain("no process under " PRELOAD_LIBRARY " that has listened or accepted");
}

/* In place: each line is overwritten and its old rest wiped, so that nothing flickers (ECMA-48:
   CUP, EL, ED). */
static void print_in_place(const char *text)
{
    fputs("\033[H", stdout);
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\033[K", stdout);
        fputc(*text, stdout);
    }
    fputs("\033[J", stdout);
}

static int print_all(const struct wishes *wishes, const struct families *families)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return STATUS_ERROR;
    wishes->format(out, families);
    fclose(out);
    if (wishes->interval_ns != 0 && wishes->format == show_table && isatty(STDOUT_FILENO))
        print_in_place(text);
    else
        fputs(text, stdout);
    free(text);
    if (fflush(stdout) == EOF || ferror(stdout)) {
        complain("cannot write: %s", strerror(errno));
        return STATUS_ERROR;
    }
    return STATUS_SHOWN;
}

static int show_once(const struct wishes *wishes)
{
    struct families families = {.list = NULL};
    int result = gather(&families, wishes->pids);

    if (result != STATUS_ERROR && families.count == 0 && !*wishes->pids) {
        explain_nothing(&families);
        result = STATUS_MISSING;
    }
    if (families.count > 0 && print_all(wishes, &families) != STATUS_SHOWN)
        result = STATUS_ERROR;
    families_free(&families);
    return result;
}

int status_main(int argc, char **argv)
{
    struct wishes wishes = {.format = show_table};
    struct timespec interval;
    int result;

    if (!read_options(argc, argv, &wishes))
        return STATUS_ERROR;
    interval.tv_sec = (time_t)(wishes.interval_ns / CLOCK_SECOND);
    interval.tv_nsec = (long)(wishes.interval_ns % CLOCK_SECOND);
    do
        result = show_once(&wishes);
    while (wishes.interval_ns != 0 && result == STATUS_SHOWN && nanosleep(&interval, NULL) == 0);
    return result;
}
