#include "launcher/elf.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool read_at(int file, void *buffer, size_t length, uint64_t offset)
{
    if (offset > INT64_MAX)
        return false;
    return pread(file, buffer, length, (off_t)offset) == (ssize_t)length;
}

/* The header of the running program is what others are compared with: no list of machines. */
static bool read_own_header(elf_header *own)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return false;
    bool done = read_at(file, own, sizeof(*own), 0);
    close(file);
    return done;
}

enum elf_identity elf_identify(int file, elf_header *header)
{
    elf_header own;

    if (!read_at(file, header, SELFMAG, 0) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return ELF_NONE;
    /* e_machine lies at the same place in every class, and a 32-bit header is the shorter one */
    if (!read_at(file, header, sizeof(Elf32_Ehdr), 0))
        return ELF_DAMAGED;
    if (read_own_header(&own) &&
        (header->e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
         header->e_ident[EI_DATA] != own.e_ident[EI_DATA] || header->e_machine != own.e_machine))
        return ELF_FOREIGN;
    if (!read_at(file, header, sizeof(*header), 0) || header->e_phentsize != sizeof(ElfW(Phdr)) ||
        (header->e_type != ET_EXEC && header->e_type != ET_DYN))
        return ELF_DAMAGED;
    return ELF_NATIVE;
}

static bool find_segment(int file, const elf_header *header, uint32_t type, ElfW(Phdr) * segment)
{
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (!read_at(file, segment, sizeof(*segment), header->e_phoff + i * sizeof(*segment)))
            return false;
        if (segment->p_type == type)
            return true;
    }
    return false;
}

bool elf_interpreter(int file, const elf_header *header, char out[PATH_MAX])
{
    ElfW(Phdr) segment;

    return find_segment(file, header, PT_INTERP, &segment) && segment.p_filesz >= 2 &&
           segment.p_filesz <= PATH_MAX && read_at(file, out, segment.p_filesz, segment.p_offset) &&
           out[segment.p_filesz - 1] == '\0';
}

/* Where in the file is what will be at this address in memory? */
static bool file_offset(int file, const elf_header *header, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;

        if (!read_at(file, &segment, sizeof(segment), header->e_phoff + i * sizeof(segment)))
            return false;
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
            address - segment.p_vaddr < segment.p_filesz) {
            *offset = segment.p_offset + (address - segment.p_vaddr);
            return true;
        }
    }
    return false;
}

/* The n-th entry of the dynamic section; false at its end. */
static bool read_dynamic(int file, const ElfW(Phdr) * segment, size_t n, ElfW(Dyn) * entry)
{
    return (n + 1) * sizeof(*entry) <= segment->p_filesz &&
           read_at(file, entry, sizeof(*entry), segment->p_offset + n * sizeof(*entry)) &&
           entry->d_tag != DT_NULL;
}

void elf_needed(int file, const elf_header *header, elf_visitor *visit, void *context)
{
    ElfW(Phdr) segment;
    ElfW(Dyn) entry;
    uint64_t strings = 0;
    bool has_strings = false;

    if (!find_segment(file, header, PT_DYNAMIC, &segment))
        return;
    for (size_t i = 0; !has_strings && read_dynamic(file, &segment, i, &entry); i++) {
        if (entry.d_tag == DT_STRTAB)
            has_strings = file_offset(file, header, entry.d_un.d_ptr, &strings);
    }
    for (size_t i = 0; has_strings && read_dynamic(file, &segment, i, &entry); i++) {
        char name[NAME_MAX + 1] = "";

        /* the last name of all may end before the buffer is full: a short read is good enough */
        if (entry.d_tag == DT_NEEDED &&
            pread(file, name, NAME_MAX, (off_t)(strings + entry.d_un.d_val)) > 0)
            visit(context, name);
    }
}

bool elf_has_section(int file, const elf_header *header, const char *name)
{
    ElfW(Shdr) names;
    ElfW(Shdr) section;
    char found[64];
    size_t length = strlen(name) + 1;

    if (header->e_shentsize != sizeof(section) || length > sizeof(found) ||
        !read_at(file, &names, sizeof(names),
                 header->e_shoff + header->e_shstrndx * sizeof(section)))
        return false;
    for (size_t i = 0; i < header->e_shnum; i++) {
        if (!read_at(file, &section, sizeof(section), header->e_shoff + i * sizeof(section)))
            return false;
        if (read_at(file, found, length, names.sh_offset + section.sh_name) &&
            memcmp(found, name, length) == 0)
            return true;
    }
    return false;
}
