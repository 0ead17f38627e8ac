/* shakeout: run a command with a deadline on the TLS handshakes that it serves. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings.h"
#include "launcher/check.h"
#include "launcher/options.h"
#include "launcher/preload.h"
#include "launcher/status.h"
#include "launcher/target.h"

/* As timeout(1), env(1) and POSIX have it. */
enum { EXIT_OWN_ERROR = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* Fits a screen of 80 by 24, with the next prompt below it. */
static const char help[] =
    "Usage: shakeout [OPTION]... [--] COMMAND [ARG]...\n"
    "  or:  shakeout --check PATH|PID\n"
    "  or:  shakeout --status [--json|--prometheus] [--watch[=DURATION]] [PID]...\n"
    "Run COMMAND, and shut down clients that do not finish their TLS handshake in\n"
    "time.\n"
    "\n"
    "  -t, --timeout DURATION  the deadline: seconds, or a number with ms, s, m or h;\n"
    "                          or off (default: 60)\n"
    "  -p, --ports PORTS       ports that speak TLS from the first byte; =DURATION\n"
    "                          one of its own, ! never to touch: 443,8443=5s,!9000\n"
    "  -l, --log LOG           stderr (default), syslog, journal, off, or a file\n"
    "      --check PATH|PID    say whether a program or a process is protected:\n"
    "                          exit status 0 yes, 1 no, 2 cannot tell\n"
    "      --status            show what the servers under the library have counted\n"
    "      --help, --version   show this help, or the version, and exit\n"
    "\n"
    "The options set SHAKEOUT_TIMEOUT, SHAKEOUT_PORTS and SHAKEOUT_LOG for COMMAND,\n"
    "which takes the place of shakeout. Exit status: 125 if shakeout fails or cannot\n"
    "protect COMMAND, 126 if it cannot be run, 127 if not found, else COMMAND's own.\n"
    "\n"
    "Example: shakeout -t 10 -p 8443 python3 server.py      Manual: shakeout(1), (7)\n";

static void __attribute__((format(printf, 2, 3), noreturn)) die(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("shakeout: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

/* The status, when all that was printed has arrived. */
static int flushed(int status)
{
    if (fflush(stdout) == EOF || ferror(stdout))
        die(EXIT_OWN_ERROR, "cannot write: %s", strerror(errno));
    return status;
}

static void __attribute__((noreturn)) print_and_exit(const char *text)
{
    fputs(text, stdout);
    exit(flushed(EXIT_SUCCESS));
}

static void set(const char *name, const char *value)
{
    if (setenv(name, value, 1) < 0)
        die(EXIT_OWN_ERROR, "cannot set %s: %s", name, strerror(errno));
}

/* The command may change its directory before it logs, so a path is made absolute. A bare word with
   no dot is no path but a misspelt kind of log, which the check of the settings complains about. */
static void set_log(const char *value)
{
    char directory[PATH_MAX];
    char *absolute = NULL;

    if (value[0] == '/' || !strpbrk(value, "/.")) {
        set("SHAKEOUT_LOG", value);
        return;
    }
    if (!getcwd(directory, sizeof(directory)))
        die(EXIT_OWN_ERROR, "--log %s: the current directory is not known: %s", value,
            strerror(errno));
    if (asprintf(&absolute, "%s/%s", directory, value) < 0)
        die(EXIT_OWN_ERROR, "no memory");
    set("SHAKEOUT_LOG", absolute);
    free(absolute);
}

/* Puts the options into the environment. Returns the index of the command in argv. */
static int read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"timeout", required_argument, NULL, 't'}, {"ports", required_argument, NULL, 'p'},
        {"log", required_argument, NULL, 'l'},     {"check", required_argument, NULL, 'c'},
        {"status", no_argument, NULL, 's'},        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
    };
    int option;

    opterr = 0;
    /* "+": stop at the command, so that its own options stay its own */
    while ((option = getopt_long(argc, argv, "+:t:p:l:", options, NULL)) != -1) {
        switch (option) {
        case 't':
            set("SHAKEOUT_TIMEOUT", optarg);
            break;
        case 'p':
            set("SHAKEOUT_PORTS", optarg);
            break;
        case 'l':
            set_log(optarg);
            break;
        case 'c':
            exit(flushed((int)check(optarg)));
        case 's':
            exit(status_main(argc - optind + 1, argv + optind - 1));
        case 'h':
            print_and_exit(help);
        case 'v':
            print_and_exit("shakeout " SHAKEOUT_VERSION "\n");
        default:
            options_complain("shakeout", option, argv);
            exit(EXIT_OWN_ERROR);
        }
    }
    return optind;
}

static void print_complaint(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "shakeout: %s\n", text);
}

static void check_settings(void)
{
    struct settings settings;

    if (settings_read(&settings, environ, print_complaint, NULL) > 0)
        exit(EXIT_OWN_ERROR);
}

static void set_preload(void)
{
    char library[PATH_MAX];

    if (!preload_find(library))
        die(EXIT_OWN_ERROR, "no " PRELOAD_LIBRARY
                            " beside this program, in ../lib/shakeout or in " SHAKEOUT_LIBDIR);
    if (!preload_can_name(library))
        die(EXIT_OWN_ERROR,
            "LD_PRELOAD cannot name '%s': its path has a space, a colon or a dollar sign", library);

    char *value = preload_value(library, getenv("LD_PRELOAD"));
    if (!value)
        die(EXIT_OWN_ERROR, "no memory");
    set("LD_PRELOAD", value);
    free(value);
}

static int status_for(int error)
{
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* Ends the program unless the library will be loaded into the command. Where that cannot be told,
   the command is run: execvp(3) has the last word. */
static void check_target(const char *path)
{
    struct target target;

    target_inspect(&target, path);
    if (target.reach == TARGET_REACHED || target.reach == TARGET_UNREADABLE)
        return;

    int status = target.reach == TARGET_DAMAGED ? EXIT_CANNOT_RUN : EXIT_OWN_ERROR;
    if (strcmp(target.program, path) == 0)
        die(status, "cannot protect '%s': it %s", path, target_reason(target.reach));
    die(status, "cannot protect '%s': its interpreter '%s' %s", path, target.program,
        target_reason(target.reach));
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    char **command = argv + read_options(argc, argv);

    check_settings();
    if (!*command)
        die(EXIT_OWN_ERROR, "no command given; see shakeout --help");

    int problem = target_find(*command, path);
    if (problem)
        die(status_for(problem), "cannot run '%s': %s", *command, strerror(problem));
    check_target(path);
    set_preload();
    execvp(path, command);
    problem = errno;
    die(status_for(problem), "cannot run '%s': %s", path,
        problem == ENOENT ? "its interpreter or loader does not exist" : strerror(problem));
}
