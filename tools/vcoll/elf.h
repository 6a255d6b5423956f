/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program on disk asks the loader for. */
#ifndef VC_TOOLS_VCOLL_ELF_H
#define VC_TOOLS_VCOLL_ELF_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Whether the file is a program or library of this kind of machine that needs (directly) a shared library
 * whose name begins with `prefix`; the name goes to `name`. False for all other files, and for broken ones.
 */
bool elf_needs(const char *path, const char *prefix, char *name, size_t len);

/** The program that a shell would start for the word, an executable regular file; false when there is none.
 */
bool elf_find_program(const char *word, char *path, size_t len);

#endif
