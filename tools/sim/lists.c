/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists among the words of both forms. */
#include "coll/info.h"
#include "tools/sim/sim.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIZE_LIMIT ((size_t)1 << 30)

void sim_add_size(struct argp_state *st, struct sim_opts *o, const char *word)
{
    size_t bytes = 0;
    int at = o->nsizes;
    if (!vc_parse_bytes(word, &bytes) || bytes < 1 || bytes > SIZE_LIMIT)
        argp_error(st, "--sizes: '%s' is not a number of bytes of 1..1G, such as 64, 16k or 1M", word);
    if (o->nsizes == SIM_SIZES)
        argp_error(st, "--sizes: more than %d sizes", SIM_SIZES);
    while (at > 0 && o->size[at - 1] > bytes)
        at--;
    if (at > 0 && o->size[at - 1] == bytes)
        return;
    memmove(&o->size[at + 1], &o->size[at], (size_t)(o->nsizes++ - at) * sizeof o->size[0]);
    o->size[at] = bytes;
}

void sim_add_collective(struct argp_state *st, struct sim_opts *o, const char *word)
{
    const char *words[VC_COLL_COUNT + 1];
    char all[256] = "";
    vc_coll_words(words);
    for (int c = 0; c < VC_COLL_COUNT; c++) {
        vc_append(all, sizeof all, "%s%s", c ? ", " : "", words[c]);
        if (strcasecmp(word, words[c]) != 0)
            continue;
        for (int i = 0; i < o->ncoll; i++)
            if (o->coll[i] == (enum vc_coll)c)
                return;
        o->coll[o->ncoll++] = (enum vc_coll)c;
        return;
    }
    argp_error(st, "--collective: '%s' is none of %s", word, all);
}

void sim_each_word(struct argp_state *st, struct sim_opts *o, const char *list,
                   void (*add)(struct argp_state *st, struct sim_opts *o, const char *word))
{
    char *copy = strdup(list), *save = NULL;
    int n = 0;
    for (char *word = copy ? strtok_r(copy, ", ", &save) : NULL; word;
         word = strtok_r(NULL, ", ", &save), n++)
        add(st, o, word);
    if (n == 0)
        argp_error(st, "an empty list");
    free(copy);
}

void sim_default_lists(struct sim_opts *o)
{
    static const size_t sizes[] = {8, 1024, 16384, 65536, 1 << 20};
    bool all = o->ncoll == 0;
    for (int c = 0; all && c < VC_COLL_COUNT; c++)
        o->coll[o->ncoll++] = (enum vc_coll)c;
    if (o->nsizes > 0)
        return;
    memcpy(o->size, sizes, sizeof sizes);
    o->nsizes = (int)(sizeof sizes / sizeof sizes[0]);
}
