/*
 * As much of an ELF file as the launcher needs: can the library be loaded into it?
 *
 * Reads with pread(2), trusts no offset in the file. Source: elf(5). Main thread of the launcher
 * only (nothing here is part of the library).
 */
#ifndef SHAKEOUT_LAUNCHER_ELF_H
#define SHAKEOUT_LAUNCHER_ELF_H

#include <limits.h>
#include <link.h>
#include <stdbool.h>

typedef ElfW(Ehdr) elf_header;

enum elf_identity {
    ELF_NONE,    /* no ELF file */
    ELF_NATIVE,  /* class, byte order and machine of this very program */
    ELF_FOREIGN, /* of others */
    ELF_DAMAGED, /* ends within its header, or the header makes no sense */
};

/* Reads the header. *header is filled for ELF_NATIVE only; the functions below take such a one. */
enum elf_identity elf_identify(int file, elf_header *header);

/* The path of the loader that the program asks for (PT_INTERP), which is who reads LD_PRELOAD.
   False when there is none: a static program, or a static-pie one. */
bool elf_interpreter(int file, const elf_header *header, char out[PATH_MAX]);

typedef void elf_visitor(void *context, const char *library);

/* Calls visit with the name of each library that the file is linked with (DT_NEEDED). */
void elf_needed(int file, const elf_header *header, elf_visitor *visit, void *context);

/* Does the file have a section of this name? */
bool elf_has_section(int file, const elf_header *header, const char *name);

#endif
