/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll sim cluster --noise`: what time that is taken away from ranks at random does to each way. */
#include "tools/sim/cluster.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAIL 0.99

/* "RATE:US" */
static int add_kind(struct vc_model_noise *noise, const char *word)
{
    char *end;
    double rate = strtod(word, &end), us = *end == ':' && end > word ? strtod(end + 1, &end) : NAN;
    if (*end || !(rate > 0 && rate <= 1e6) || !(us >= 0 && us <= 1e9))
        return vc_fail(VC_ERR_INVAL,
                       "--noise: '%s' is not RATE:US, interruptions a second and microseconds of each", word);
    if (noise->n == VC_MODEL_DETOURS)
        return vc_fail(VC_ERR_INVAL, "--noise: more than %d kinds", VC_MODEL_DETOURS);
    noise->detour[noise->n].rate = rate;
    noise->detour[noise->n++].seconds = us * 1e-6;
    return VC_OK;
}

static int parse_kinds(struct vc_model_noise *noise, const char *list)
{
    char *copy = strdup(list), *save = NULL;
    int err = copy ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory");
    *noise = (struct vc_model_noise){.n = 0};
    for (char *word = copy ? strtok_r(copy, ", ", &save) : NULL; word && err == VC_OK;
         word = strtok_r(NULL, ", ", &save))
        err = add_kind(noise, word);
    free(copy);
    if (err == VC_OK && vc_model_noise_share(noise) > 0.9)
        err = vc_fail(VC_ERR_INVAL, "--noise: all together take more than 0.9 of the time");
    return err;
}

/* A table that was tuned for tails is gone on with for tails. */
static bool tuned_for_tails(const struct cluster_report *r)
{
    const char *objective =
        json_string_value(json_object_get(json_object_get(r->table.json, "provenance"), "objective"));
    return objective && strcmp(objective, "tail") == 0;
}

int cluster_noise_find(struct cluster_report *r)
{
    struct cluster_opts *o = r->o;
    struct vc_model_noise *noise = &r->model.noise;
    bool known = noise->n > 0;
    if (!o->objective_given)
        o->tail = tuned_for_tails(r) && (known || o->noise);
    if (o->noise && strcmp(o->noise, "table") != 0)
        return parse_kinds(noise, o->noise);
    if ((o->noise || o->tail) && !known)
        return vc_fail(VC_ERR_INVAL, o->noise ? "--noise table: the table has measured none"
                                              : "--objective tail: --noise is missing");
    if (!o->noise && !o->tail)
        noise->n = 0;
    return VC_OK;
}

void cluster_disturb(const struct cluster_report *r, const struct vc_model_case *at, struct cluster_way *w)
{
    int runs = r->o->runs;
    double *seconds = calloc((size_t)runs, sizeof *seconds), sum = 0;
    w->noisy = r->model.noise.n > 0 && seconds && vc_model_disturb(&r->model, at, r->o->seed, runs, seconds);
    for (int i = 0; w->noisy && i < runs; i++)
        sum += seconds[i];
    if (w->noisy) {
        w->median = seconds[runs / 2];
        w->mean = sum / runs;
        w->tail = seconds[(int)ceil(TAIL * runs) - 1];
    }
    free(seconds);
}

const struct cluster_way *cluster_steadiest(const struct cluster_cell *c)
{
    const struct cluster_way *best = NULL;
    for (int i = 0; i < c->nways; i++) {
        const struct cluster_way *w = &c->way[i];
        if (w->noisy && (!best || w->mean - w->seconds < best->mean - best->seconds))
            best = w;
    }
    return best;
}
