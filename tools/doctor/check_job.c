/* SPDX-License-Identifier: BSD-3-Clause */
/* What is seen of all nodes together. */
#include "tools/doctor/checks.h"

#include "tune/select/select.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the same on all ranks ---- */

enum { KINDS_SHOWN = 4 };

/* The group of most ranks; the one of the lowest rank among equals. */
static int largest(const struct doc_group *g, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (g[i].ranks.n > g[best].ranks.n ||
            (g[i].ranks.n == g[best].ranks.n && g[i].ranks.v[0] < g[best].ranks.v[0]))
            best = i;
    return best;
}

static char *with_group(char *text, const struct doc_group *g)
{
    char *ranks = doc_set_text(&g->ranks);
    char *longer = doc_format("%s%srank%s %s: %s", text ? text : "", text ? "; " : "",
                              g->ranks.n == 1 ? "" : "s", ranks, g->value[0] ? g->value : "none");
    free(text);
    free(ranks);
    return longer;
}

void doc_check_same(const struct doc_job *j, struct doc_out *out)
{
    const struct doc_group *g = j->group[out->check->same];
    int n = j->ngroups[out->check->same];
    if (n == 0) /* nobody answered */
        return;
    int most = largest(g, n), shown = 1;
    if (n == 1) {
        doc_say(out, DOC_OK, NULL, "%s", g[0].value[0] ? g[0].value : "none");
        return;
    }
    struct doc_set odd = {0};
    char *text = with_group(NULL, &g[most]);
    for (int i = 0; i < n; i++) {
        if (i == most)
            continue;
        doc_set_join(&odd, &g[i].ranks);
        if (shown++ < KINDS_SHOWN)
            text = with_group(text, &g[i]);
    }
    doc_say_of(out, out->check->worst, &odd, NULL, n > KINDS_SHOWN ? "%s; and %d more kinds" : "%s", text,
               n - KINDS_SHOWN);
    free(text);
    doc_set_free(&odd);
}

/* ---- places ---- */

void doc_check_containers(const struct doc_job *j, struct doc_out *out)
{
    struct doc_set split = {0};
    for (int i = 0; i < j->nsites; i++)
        for (int k = 0; k < j->nsites; k++)
            if (i != k && j->site[i].boot[0] && strcmp(j->site[i].boot, j->site[k].boot) == 0 &&
                strcmp(j->site[i].shm, j->site[k].shm) != 0)
                doc_set_join(&split, &j->site[i].ranks);
    if (split.n > 0)
        doc_say_of(out, DOC_SLOW, &split, NULL,
                   "these ranks have one boot id, of one kernel or of clones, but different /dev/shm");
    else
        doc_say(out, DOC_OK, NULL, "no machine has several");
    doc_set_free(&split);
}

void doc_check_silent(const struct doc_job *j, struct doc_out *out)
{
    if (j->silent.n > 0)
        doc_say_of(out, DOC_BROKEN, &j->silent, NULL, "no answer within %g s", j->patience);
    else
        doc_say(out, DOC_OK, NULL, "all %d ranks answered", j->size);
}

/* ---- the table ---- */

/* The world as a communicator of all ranks would be. */
static void world_key(const struct doc_job *j, struct vc_topo_key *key)
{
    const struct vc_params *p = &j->params;
    memset(key, 0, sizeof *key);
    key->size = j->size;
    key->max_ppn = 1;
    key->have_bulk = p->shm_bulk > 0;
    key->have_verbs = (p->channels & VC_CHAN_VERBS) && j->device[0];
    key->platform = j->platform;
    memcpy(key->device, j->device, sizeof key->device);
    for (int i = 0; i < j->nsites; i++) {
        int ranks = j->site[i].ranks.n, ppn = !(p->channels & VC_CHAN_SHM) ? 1 : ranks;
        if (ppn > 1 && p->node_split > 0 && p->node_split < ppn)
            ppn = p->node_split;
        key->nnodes += (ranks + ppn - 1) / ppn;
        if (ppn > key->max_ppn)
            key->max_ppn = ppn;
        key->crowded |= j->site[i].crowded;
    }
}

/* Collectives for which some row, but the last that stands for all, holds. */
static int covered(const struct vc_table *t, const struct vc_topo_key *key)
{
    unsigned seen = 0;
    for (int i = 0; i < t->nrows; i++)
        if (!t->row[i].builtin && vc_row_keys_match(&t->row[i].keys, key))
            seen |= 1u << t->row[i].coll;
    return __builtin_popcount(seen);
}

void doc_check_table(const struct doc_job *j, struct doc_out *out)
{
    char path[256], *text = NULL;
    size_t len = 0;
    struct vc_table *t = NULL;
    struct vc_topo_key key;
    int err = vc_table_locate(j->params.table, path, sizeof path);
    if (err == VC_OK && !path[0]) {
        doc_say(out, DOC_HINT, NULL,
                strcmp(j->params.table, "none") == 0 ? "VCOLL_TABLE=none: the built-in rules alone decide"
                                                     : "there is none: the built-in rules alone decide");
        return;
    }
    if (err == VC_OK && (err = vc_table_read(path, &text, &len)) == VC_OK)
        err = vc_table_parse(text, len, path, &t);
    free(text);
    if (err != VC_OK) {
        doc_say(out, j->params.strict ? DOC_BROKEN : DOC_SLOW,
                "vcoll tune validate says all that is wrong with a table",
                "the built-in rules decide, because the table cannot be used: %s", vc_error_text());
        return;
    }
    world_key(j, &key);
    int n = covered(t, &key);
    if (n == 0)
        doc_say(out, DOC_HINT, NULL,
                "%s has no row for %d ranks on %d node%s%s%s%s: the built-in rules decide", path, j->size,
                key.nnodes, key.nnodes == 1 ? "" : "s", key.crowded ? " that share CPUs" : "",
                key.device[0] ? " over " : "", key.device);
    else
        doc_say(out, DOC_OK, NULL, "%s, with rows for %d collectives here", path, n);
    vc_table_free(t);
}
