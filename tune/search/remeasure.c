/* SPDX-License-Identifier: BSD-3-Clause */
/* A table, measured again: which points, for how long, and those that seem lost once more. */
#include "tune/search/check.h"
#include "tune/search/remeasure.h"

#include "transport/topology/platform.h"
#include "tune/table/key_info.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Seconds that a point needs at least to prove anything: one host, more ranks than CPUs, several hosts. */
#define POINT_QUIET   0.15
#define POINT_CROWDED 0.4
#define POINT_FAR     1.5
#define POINT_MOST    3.0 /* and what it is given at most, on one host */
#define FAR_MOST      40.0
#define AGAIN         1.5 /* times as long when looking again */
#define ALL           8.0 /* times as long with --all, at least */

static int told(struct vc_again_run *r, int word)
{
    r->w->control->bcast(&word, 1, MPI_INT, 0, r->w->ctl);
    return word;
}

/* ---- where ---- */

static void open_places(struct vc_again_run *r)
{
    for (int i = 0; i < r->nplace; i++) {
        struct vc_search_place *p = &r->place[i];
        bool world = p->ranks == r->w->size;
        if (p->nodes * p->ppn == p->ranks)
            p->open = vc_search_comm_open(r->w, p->nodes, p->ppn, &p->c);
        else if (world)
            p->open = vc_search_comm_open(r->w, 0, 0, &p->c);
    }
}

static void flags_differ(const struct vc_topo_key *then, const struct vc_topo_key *here, char why[128])
{
    const struct vc_key_info *i;
    for (int n = 0; (i = vc_key_next(&n));)
        if (i->kind == VC_KEY_FLAG && !i->words && !vc_topo_same(then, here, i)) {
            snprintf(why, 128, "%s here", i->said[vc_topo_value(here, i)]);
            return;
        }
}

/* Rank 0: whether the communicator is what the table measured, as far as rows may look. */
static bool same_kind(const struct vc_again_point *p, const struct vc_search_place *place, char why[128])
{
    const struct vcoll_comm_key *k = &place->c.key;
    const char *platform =
        p->key.platform >= 0 ? vc_platform_class_name((enum vc_platform_class)p->key.platform) : "mixed";
    const char *network = p->key.have_verbs ? "verbs" : "mpi";
    struct vc_topo_key here;
    vc_search_topo_key(place, &here);
    why[0] = '\0';
    if (k->nodes != p->nodes || k->ppn != p->ppn)
        snprintf(why, 128, "%d nodes of up to %d ranks here", k->nodes, k->ppn);
    else if ((k->crowded != 0) != p->crowded)
        snprintf(why, 128, "%s ranks than CPUs here", k->crowded ? "more" : "not more");
    else if (p->nodes > 1 && strcmp(k->network, network) != 0)
        snprintf(why, 128, "messages between nodes go over %s here, %s then", k->network, network);
    else if (strcmp(k->platform, platform) != 0)
        snprintf(why, 128, "the platform is %s here, %s then", k->platform, platform);
    else if (!vc_device_same(k->device, p->key.device))
        snprintf(why, 128, "the RDMA device is \"%s\" here, \"%s\" then", k->device, p->key.device);
    else
        flags_differ(&p->key, &here, why);
    return why[0] == '\0';
}

static void sort_out(struct vc_again_run *r)
{
    for (int i = 0; i < r->n; i++) {
        struct vc_again_point *p = &r->point[i];
        if (p->place < 0)
            p->fate = VC_AGAIN_SKIPPED;
        else if (!r->place[p->place].open)
            p->fate = VC_AGAIN_NO_ROOM;
        else if (r->w->rank == 0 && !same_kind(p, &r->place[p->place], p->why))
            p->fate = VC_AGAIN_OTHER;
        else if (r->w->rank == 0)
            vc_again_subject(r, p);
    }
}

/* ---- how much ---- */

static double least_of(const struct vc_again_run *r)
{
    double s = !r->w->one_host ? POINT_FAR : r->w->oversubscribed ? POINT_CROWDED : POINT_QUIET;
    return r->o->all ? s * ALL : s;
}

static double most_of(const struct vc_again_run *r)
{
    double s = r->w->one_host ? POINT_MOST : FAR_MOST;
    return r->o->all ? s * ALL : s;
}

/* Rank 0: seconds for each of the points that fit. Where that is too little, a part of them drawn by lot is
 * measured soundly instead of all of them badly. */
static void share_time(struct vc_again_run *r)
{
    double time = VC_AGAIN_MEASURE * (r->o->budget - (vc_measure_now() - r->begin)), least = least_of(r);
    int fitting = 0;
    for (int i = 0; i < r->n; i++)
        fitting += r->point[i].fate == VC_AGAIN_WAITS;
    int most = (int)fmax(time / least, 1), left = fitting, keep = fitting < most ? fitting : most;
    r->seconds = fmin(fmax(time / fmax(keep, 1), least), most_of(r));
    uint64_t lot = r->seed;
    for (int i = 0; i < r->n; i++) {
        struct vc_again_point *p = &r->point[i];
        if (p->fate != VC_AGAIN_WAITS)
            continue;
        if (vc_measure_rand(&lot) % (unsigned)left < (unsigned)keep)
            keep--;
        else
            p->fate = VC_AGAIN_SKIPPED;
        left--;
    }
}

static void say_progress(const struct vc_again_run *r, const struct vc_again_point *p, int i)
{
    char what[64], size[24];
    if (r->w->rank != 0)
        return;
    snprintf(what, sizeof what, "%s %s, %d ranks", vc_coll_name(p->coll),
             p->bytes ? vc_measure_size_text(p->bytes, size) : "", p->ranks);
    vc_measure_progress(r->w, i, r->n, what);
}

static bool over(const struct vc_again_run *r)
{
    return vc_search_interrupted() || vc_measure_now() - r->begin > r->o->budget;
}

static int measure_all(struct vc_again_run *r)
{
    for (int i = 0; i < r->n; i++) {
        struct vc_again_point *p = &r->point[i];
        bool due = p->fate == VC_AGAIN_WAITS;
        if (due && r->w->rank == 0 && over(r)) {
            p->fate = VC_AGAIN_SKIPPED;
            due = false;
        }
        if (!told(r, due))
            continue;
        say_progress(r, p, i);
        if (vc_again_measure(r, p, r->seconds, false) != 0)
            return -1;
    }
    return 0;
}

/* Of many points some seem lost by chance. Those are measured anew, native and what seemed better alone,
 * within what is left of the budget, and that is what counts: they were not chosen for being bad. */
static int confirm(struct vc_again_run *r)
{
    int suspects = 0;
    for (int i = 0; i < r->n; i++)
        suspects += r->point[i].suspect;
    double left = r->o->budget - (vc_measure_now() - r->begin);
    double seconds = fmin(fmax(left / fmax(suspects, 1), least_of(r)), AGAIN * r->seconds);
    r->w->control->bcast(&seconds, 1, MPI_DOUBLE, 0, r->w->ctl);
    for (int i = 0; i < r->n; i++) {
        struct vc_again_point *p = &r->point[i];
        if (!told(r, p->suspect && !vc_search_interrupted()))
            continue;
        say_progress(r, p, i);
        if (vc_again_measure(r, p, seconds, true) != 0)
            return -1;
    }
    return 0;
}

/* ---- the run ---- */

static int nothing_fits(const struct vc_again_run *r)
{
    const struct vc_again_point *p = &r->point[0];
    fprintf(stderr, "vcoll tune: none of the %d measured points of %s fits this allocation of %d ranks", r->n,
            r->o->table, r->w->size);
    if (p->fate == VC_AGAIN_OTHER)
        fprintf(stderr, ": %s\n", p->why);
    else
        fprintf(stderr, "; the first one is of %d ranks on %d node%s\n", p->ranks, p->nodes,
                p->nodes == 1 ? "" : "s");
    return 1;
}

static int finish(struct vc_again_run *r)
{
    struct vc_again_sum s;
    const char *json = r->o->json;
    vc_measure_progress(r->w, 1, 1, "");
    vc_again_count(r, &s);
    if (s.fitting == 0)
        return nothing_fits(r);
    r->took = vc_measure_now() - r->begin;
    r->signal = vc_search_signal();
    if (!r->o->quiet || s.lost > 0)
        re_print(json && strcmp(json, "-") == 0 ? stderr : stdout, r);
    if (json && re_write_json(r, json) != 0)
        return 1;
    if (r->signal)
        return 128 + r->signal;
    return s.measured == 0 || s.lost > 0;
}

static int run(struct vc_again_run *r)
{
    if (vc_again_load(r) != 0)
        return 1;
    open_places(r);
    sort_out(r);
    if (r->w->rank == 0)
        share_time(r);
    r->w->control->bcast(&r->seconds, 1, MPI_DOUBLE, 0, r->w->ctl);
    for (int i = 0; i < r->nplace; i++) {
        struct vc_measure_world *w = &r->place[i].c.w;
        if (!r->place[i].open || !r->place[i].c.member)
            continue;
        w->rng = r->seed;
        w->rng_local = r->seed + 0x51ed27u * (uint64_t)(r->w->rank + 1);
    }
    if (measure_all(r) != 0 || confirm(r) != 0) {
        if (r->w->rank == 0)
            fprintf(stderr, "vcoll tune: out of memory for the buffers; try smaller --sizes\n");
        return 1;
    }
    return r->w->rank == 0 ? finish(r) : 0;
}

int vc_search_remeasure(struct vc_measure_world *w, const struct vc_search_opts *o)
{
    struct vc_again_run *r = calloc(1, sizeof *r);
    int rc = 1;
    if (vc_measure_all_agree(w, r != NULL)) {
        r->w = w;
        r->o = o;
        r->begin = vc_measure_now();
        rc = run(r);
        for (int i = 0; i < r->nplace; i++)
            if (r->place[i].open)
                vc_search_comm_close(&r->place[i].c);
        for (int i = 0; i < r->n && w->rank == 0; i++)
            json_decref(r->point[i].cands);
        free(r->point);
        table_close(&r->file);
    } else if (w->rank == 0) {
        fprintf(stderr, "vcoll tune: out of memory\n");
    }
    free(r);
    return rc;
}
