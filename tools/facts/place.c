/* SPDX-License-Identifier: BSD-3-Clause */
/* Where this program lies and what belongs to it; and how much of the CPUs this machine has. */
#include "tools/facts/facts.h"

#include "transport/topology/cpus.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

double facts_stolen(const char *root)
{
    uint64_t steal, total;
    return vc_steal_read_at(root, &steal, &total) == VC_OK && total > 0 ? (double)steal / (double)total : -1;
}

bool facts_program_dir(char *dir, size_t len)
{
    ssize_t n = readlink("/proc/self/exe", dir, len - 1);
    if (n <= 0)
        return false;
    dir[n] = '\0';
    *strrchr(dir, '/') = '\0';
    return true;
}

bool facts_library(const char *lib, char *path)
{
    const char *const place[] = {"../pmpi", lib, "../lib64", "../lib"};
    static const char *const name[] = {"libvcoll.so", "libvcoll.so.0"};
    char dir[PATH_MAX], try[2 * PATH_MAX];
    struct stat st;
    if (!facts_program_dir(dir, sizeof dir))
        return false;
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++)
        for (size_t k = 0; k < sizeof name / sizeof name[0]; k++) {
            snprintf(try, sizeof try, "%s/%s/%s", dir, place[i], name[k]);
            if (stat(try, &st) == 0 && S_ISREG(st.st_mode) && access(try, R_OK) == 0 && realpath(try, path))
                return true;
        }
    return false;
}
