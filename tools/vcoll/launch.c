/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/vcoll/launch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void append(struct words *w, char *word)
{
    char **more = word ? realloc(w->word, ((size_t)w->n + 2) * sizeof *more) : NULL;
    if (!more) {
        free(word);
        w->failed = true;
        return;
    }
    w->word = more;
    more[w->n++] = word;
    more[w->n] = NULL;
}

void words_add(struct words *w, const char *word)
{
    append(w, strdup(word));
}

void words_add_settings(struct words *w)
{
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "VCOLL_", 6) == 0) {
            words_add(w, "-x");
            append(w, strndup(*e, strcspn(*e, "=")));
        }
}

void words_free(struct words *w)
{
    for (int i = 0; i < w->n; i++)
        free(w->word[i]);
    free(w->word);
    *w = (struct words){0};
}

bool launch_is_rank(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

void launch_allow_root(void)
{
    if (geteuid() != 0)
        return;
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
}
