/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/vcoll/elf.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mapped file; every look into it is checked, for it may be anything. */
struct image {
    const char *base;
    size_t size;
    ElfW(Ehdr) head;
};

static bool read_at(const struct image *f, uint64_t at, void *out, size_t len)
{
    if (at > f->size || f->size - at < len)
        return false;
    memcpy(out, f->base + at, len);
    return true;
}

static bool open_image(const char *path, struct image *f)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    void *base = MAP_FAILED;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (base == MAP_FAILED)
        return false;
    f->base = base;
    f->size = (size_t)st.st_size;
    return true;
}

static bool is_own_kind(struct image *f)
{
    const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    const unsigned char data = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    return read_at(f, 0, &f->head, sizeof f->head) && memcmp(f->head.e_ident, ELFMAG, SELFMAG) == 0 &&
           f->head.e_ident[EI_CLASS] == class && f->head.e_ident[EI_DATA] == data;
}

static bool read_segment(const struct image *f, unsigned i, ElfW(Phdr) * out)
{
    return i < f->head.e_phnum && f->head.e_phentsize == sizeof *out &&
           read_at(f, (uint64_t)f->head.e_phoff + (uint64_t)i * sizeof *out, out, sizeof *out);
}

/* Where an address of the loaded program lies in the file. */
static bool offset_of(const struct image *f, ElfW(Addr) address, uint64_t *at)
{
    ElfW(Phdr) p;
    for (unsigned i = 0; read_segment(f, i, &p); i++)
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz) {
            *at = (uint64_t)p.p_offset + (address - p.p_vaddr);
            return true;
        }
    return false;
}

/* Copies the text at `at` if it begins with `prefix`, fits, and ends in the file. */
static bool copy_name(const struct image *f, uint64_t at, const char *prefix, char *name, size_t len)
{
    if (at >= f->size)
        return false;
    size_t n = strnlen(f->base + at, f->size - at);
    if (at + n == f->size || n >= len || strncmp(f->base + at, prefix, strlen(prefix)) != 0)
        return false;
    memcpy(name, f->base + at, n + 1);
    return true;
}

static bool find_needed(const struct image *f, const ElfW(Phdr) * dynamic, const char *prefix, char *name,
                        size_t len)
{
    ElfW(Dyn) d;
    uint64_t strings = 0, n = dynamic->p_filesz / sizeof d;
    bool known = false;
    for (uint64_t i = 0; i < n && read_at(f, dynamic->p_offset + i * sizeof d, &d, sizeof d); i++)
        if (d.d_tag == DT_STRTAB)
            known = offset_of(f, d.d_un.d_ptr, &strings);
    for (uint64_t i = 0; known && i < n && read_at(f, dynamic->p_offset + i * sizeof d, &d, sizeof d); i++)
        if (d.d_tag == DT_NEEDED && d.d_un.d_val < f->size &&
            copy_name(f, strings + d.d_un.d_val, prefix, name, len))
            return true;
    return false;
}

bool elf_needs(const char *path, const char *prefix, char *name, size_t len)
{
    struct image f;
    bool found = false;
    if (!open_image(path, &f))
        return false;
    ElfW(Phdr) p;
    for (unsigned i = 0; is_own_kind(&f) && read_segment(&f, i, &p) && !found; i++)
        found = p.p_type == PT_DYNAMIC && find_needed(&f, &p, prefix, name, len);
    munmap((void *)f.base, f.size);
    return found;
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool elf_find_program(const char *word, char *path, size_t len)
{
    const char *dirs = getenv("PATH");
    if (word[0] == '\0')
        return false;
    if (strchr(word, '/')) {
        int n = snprintf(path, len, "%s", word);
        return n > 0 && (size_t)n < len && is_program(path);
    }
    while (dirs) {
        size_t part = strcspn(dirs, ":");
        int n = part > 0 ? snprintf(path, len, "%.*s/%s", (int)part, dirs, word)
                         : snprintf(path, len, "./%s", word); /* an empty one is the current directory */
        if (n > 0 && (size_t)n < len && is_program(path))
            return true;
        dirs = dirs[part] == ':' ? dirs + part + 1 : NULL;
    }
    return false;
}
