/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/vcoll/forward.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

char **forward_names(void)
{
    size_t all = 0, n = 0;
    while (environ[all])
        all++;
    char **names = calloc(all + 1, sizeof *names);
    for (size_t i = 0; names && i < all; i++) {
        if (strncmp(environ[i], "VCOLL_", 6) != 0)
            continue;
        names[n] = strndup(environ[i], strcspn(environ[i], "="));
        if (!names[n++]) {
            forward_free(names);
            return NULL;
        }
    }
    return names;
}

void forward_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
}
