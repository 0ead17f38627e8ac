#include "launcher/target.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "launcher/elf.h"

enum {
    SCRIPT_DEPTH = 6, /* one more than the kernel follows (fs/exec.c) */
    SCRIPT_LINE = 256 /* BINPRM_BUF_SIZE; 128 before Linux 5.1 */
};

/* 0 when the file may be run, else the errno that execve(2) would give. */
static int may_run(const char *path)
{
    struct stat file;

    if (stat(path, &file) < 0)
        return errno;
    if (!S_ISREG(file.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* "DIRECTORY/COMMAND"; an empty directory is the current one. False when it does not fit. */
static bool join(const char *directory, size_t length, const char *command, char out[PATH_MAX])
{
    if (length == 0) {
        directory = ".";
        length = 1;
    }
    int needed = snprintf(out, PATH_MAX, "%.*s/%s", (int)length, directory, command);
    return needed > 0 && needed < PATH_MAX;
}

int target_find(const char *command, char out[PATH_MAX])
{
    char standard[PATH_MAX] = _PATH_STDPATH;
    const char *path = getenv("PATH");
    int problem = ENOENT;

    if (command[0] == '\0')
        return ENOENT;
    if (strchr(command, '/')) {
        if (snprintf(out, PATH_MAX, "%s", command) >= PATH_MAX)
            return ENAMETOOLONG;
        return may_run(out);
    }
    if (!path) {
        confstr(_CS_PATH, standard, sizeof(standard));
        path = standard;
    }
    for (;; path++) {
        size_t length = strcspn(path, ":");

        if (length < PATH_MAX && join(path, length, command, out)) {
            int found = may_run(out);

            if (found == 0)
                return 0;
            if (found == EACCES)
                problem = EACCES; /* as execvp(3): a later directory may have a better one */
        }
        path += length;
        if (*path == '\0')
            return problem;
    }
}

/* What a program does to the ids and capabilities of who runs it. */
struct privileges {
    bool set_user;
    bool set_group;
    bool capabilities;
    uid_t user;
    gid_t group;
};

static struct privileges read_privileges(const char *program)
{
    struct privileges gained = {.set_user = false};
    struct stat status;

    if (stat(program, &status) < 0)
        return gained;
    gained.set_user = (status.st_mode & S_ISUID) != 0;
    /* without the group's execute bit S_ISGID means mandatory locking */
    gained.set_group = (status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP);
    gained.user = status.st_uid;
    gained.group = status.st_gid;
    gained.capabilities = getxattr(program, "security.capability", NULL, 0) > 0;
    return gained;
}

/*
 * Would the kernel set AT_SECURE? It does when the effective ids of the new program differ from the
 * real ones, or when the file gives capabilities to somebody who is not root
 * (security/commoncap.c). A file system mounted nosuid would spare the program; that is not looked
 * at: when in doubt, say no.
 */
static bool are_gained(const struct privileges *gained)
{
    uid_t effective_user = gained->set_user ? gained->user : geteuid();
    gid_t effective_group = gained->set_group ? gained->group : getegid();

    if (effective_user != getuid() || effective_group != getgid())
        return true;
    return gained->capabilities && getuid() != 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Our own loader. The library is linked with the same C library as this program. */
static bool own_loader(char out[PATH_MAX])
{
    elf_header header;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return false;
    bool found = elf_identify(file, &header) == ELF_NATIVE && elf_interpreter(file, &header, out);
    close(file);
    return found;
}

/* Only names are compared: the same C library may be installed elsewhere, as in Nix. */
static bool same_loader(const char *loader)
{
    char own[PATH_MAX];

    return !own_loader(own) || strcmp(base_name(own), base_name(loader)) == 0;
}

static enum target_reach inspect_program(struct target *out, int file, const elf_header *header,
                                         bool privileged)
{
    out->is_go = elf_has_section(file, header, ".go.buildinfo") ||
                 elf_has_section(file, header, ".note.go.buildid");
    if (!elf_interpreter(file, header, out->loader)) {
        out->loader[0] = '\0';
        return TARGET_STATIC;
    }
    if (privileged)
        return TARGET_PRIVILEGED;
    return same_loader(out->loader) ? TARGET_REACHED : TARGET_OTHER_LOADER;
}

/* Puts into out->program what runs a file that is no ELF file. */
static bool follow_script(struct target *out, int file)
{
    char line[SCRIPT_LINE + 1];
    ssize_t length = pread(file, line, SCRIPT_LINE, 0);

    if (length < 0)
        return false;
    line[length] = '\0';

    char *interpreter = line;
    if (strncmp(line, "#!", 2) == 0) {
        interpreter += 2 + strspn(line + 2, " \t");
        interpreter[strcspn(interpreter, " \t\n")] = '\0';
    }
    /* without an interpreter execve(2) fails with ENOEXEC, and execvp(3) then runs the shell */
    snprintf(out->program, sizeof(out->program), "%s",
             interpreter > line && *interpreter ? interpreter : _PATH_BSHELL);
    return true;
}

/* One file; true: it was a script, and its interpreter is to be looked at now. */
static bool inspect_file(struct target *out)
{
    elf_header header;
    bool script = false;
    struct privileges gained = read_privileges(out->program);
    bool privileged = are_gained(&gained);
    int file = open(out->program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    out->sets_ids = gained.set_user || gained.set_group || gained.capabilities;
    if (file < 0) {
        out->reach = privileged ? TARGET_PRIVILEGED : TARGET_UNREADABLE;
        return false;
    }
    switch (elf_identify(file, &header)) {
    case ELF_NONE:
        out->reach = TARGET_UNREADABLE; /* unless it names an interpreter */
        script = follow_script(out, file);
        break;
    case ELF_NATIVE:
        out->reach = inspect_program(out, file, &header, privileged);
        break;
    case ELF_FOREIGN:
        out->reach = TARGET_FOREIGN;
        break;
    case ELF_DAMAGED:
        out->reach = TARGET_DAMAGED;
        break;
    }
    close(file);
    return script;
}

void target_inspect(struct target *out, const char *path)
{
    memset(out, 0, sizeof(*out));
    if (snprintf(out->program, sizeof(out->program), "%s", path) >= PATH_MAX) {
        out->reach = TARGET_UNREADABLE;
        return;
    }
    for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
        if (!inspect_file(out))
            return;
    }
    out->reach = TARGET_ENDLESS;
}

const char *target_reason(enum target_reach reach)
{
    switch (reach) {
    case TARGET_REACHED:
        return NULL;
    case TARGET_UNREADABLE:
        return "cannot be read";
    case TARGET_DAMAGED:
        return "is a damaged ELF file";
    case TARGET_STATIC:
        return "is statically linked, so no loader reads LD_PRELOAD";
    case TARGET_FOREIGN:
        return "is built for another machine or word size than libshakeout.so";
    case TARGET_OTHER_LOADER:
        return "uses another C library than libshakeout.so";
    case TARGET_PRIVILEGED:
        return "gains privileges (setuid, setgid or file capabilities), so the loader ignores "
               "LD_PRELOAD";
    case TARGET_ENDLESS:
        return "is the interpreter of a script that needs too many interpreters";
    }
    return "is of an unknown kind";
}
