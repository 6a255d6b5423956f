/* SPDX-License-Identifier: BSD-3-Clause */
/* Moderation as a dimension (--devices): settings of the network device under the RDMA device and of its
 * completion queues, each measured on a few small points, there and back, so that a drift of the machine does
 * not decide. The best is left set for the rest of the run. */
#include "tune/search/internal.h"

#include "tune/params/params.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BETTER 0.97 /* of the score as found; less of a difference is left alone */

static const struct {
    enum vc_coll coll;
    size_t bytes;
} probe[] = {{VC_ALLREDUCE, 8}, {VC_BCAST, 1024}, {VC_ALLREDUCE, 4096}};
enum { PROBES = sizeof probe / sizeof probe[0] };

static void add_usecs(struct vc_search_job *j, uint32_t usecs)
{
    struct vc_search_trial *t = &j->trial[j->ntrial++];
    snprintf(t->setting, sizeof t->setting, "rx-usecs %u", usecs);
    t->has_coalesce = true;
    vc_coalesce_put(&t->coalesce, VC_COALESCE_RX_USECS, usecs);
}

static void add_queues(struct vc_search_job *j, const char *setting)
{
    struct vc_search_trial *t = &j->trial[j->ntrial++];
    snprintf(t->setting, sizeof t->setting, "cq %.40s", setting);
    snprintf(t->cq, sizeof t->cq, "%s", setting);
}

static void list_trials(struct vc_search_job *j, bool netdev)
{
    static const uint32_t usecs[] = {0, 20, 50, 125, 250};
    struct vc_search_trial *t = &j->trial[j->ntrial++];
    snprintf(t->setting, sizeof t->setting, "as found");
    t->found = true;
    for (size_t i = 0; netdev && i < sizeof usecs / sizeof usecs[0]; i++)
        add_usecs(j, usecs[i]);
    add_queues(j, "latency=0:0,bulk=16:8");
    add_queues(j, "latency=4:4,bulk=16:16");
    add_queues(j, "latency=16:16,bulk=64:32");
}

bool vc_search_cq_parse(const char *text, struct vc_param_moderation *m)
{
    struct vc_params params = {0};
    if (!text[0] || vc_param_parse_cq_moderation(&params, text) != VC_OK)
        return false;
    *m = params.cq_moderation;
    return m->given;
}

/* Puts the trial's setting in place of whatever is there. False: it cannot be had here. */
static bool apply(struct vc_search_job *j, struct vc_search_trial *t)
{
    struct vc_search_command c = {
        .kind = VC_SEARCH_DEVICE, .restore = !t->has_coalesce, .coalesce = t->coalesce};
    char why[256];
    if (vc_search_do(j, &c, NULL, why, sizeof why) != 0) {
        if (j->o->verbose)
            fprintf(stderr, "vcoll tune: %s: %s\n", t->setting, why);
        return false;
    }
    c = (struct vc_search_command){.kind = VC_SEARCH_QUEUES};
    snprintf(c.text, sizeof c.text, "%s", t->cq[0] ? t->cq : "off");
    if (vc_search_do(j, &c, NULL, why, sizeof why) == 0 || !t->cq[0])
        return true;
    if (j->o->verbose)
        fprintf(stderr, "vcoll tune: %s: %s\n", t->setting, why);
    return false;
}

/* What both sweeps say of a time. */
static double both(double before, double now)
{
    return before > 0 && now > 0 ? sqrt(before * now) : now > 0 ? now : before;
}

/* Keeps what a probe measured. Back to back: between hosts common starts are few. */
static void keep(struct vc_search_trial *t, int i, const struct vc_entrant *k,
                 const struct vc_entrant *native)
{
    struct vc_measure_series *s = &t->point[i].s;
    bool first = t->npoint <= i || s->n == 0;
    t->npoint = i + 1 > t->npoint ? i + 1 : t->npoint;
    t->point[i].coll = probe[i].coll;
    t->point[i].bytes = probe[i].bytes;
    memcpy(t->point[i].choice, k->choice, VC_CHOICE_TEXT);
    if (first) {
        *s = k->time[VC_MEASURE_B2B];
        t->point[i].native = native->time[VC_MEASURE_B2B].median;
        return;
    }
    s->median = both(s->median, k->time[VC_MEASURE_B2B].median);
    s->low = fmin(s->low, k->time[VC_MEASURE_B2B].low);
    s->high = fmax(s->high, k->time[VC_MEASURE_B2B].high);
    s->n += k->time[VC_MEASURE_B2B].n;
    t->point[i].native = both(t->point[i].native, native->time[VC_MEASURE_B2B].median);
}

/* One probe under the setting there is; the score of the best candidate that is not native, or NAN. */
static double run_probe(struct vc_search_job *j, struct vc_search_trial *t, int i, double seconds)
{
    struct vc_search_command c = {
        .kind = VC_SEARCH_BRIEF, .coll = probe[i].coll, .bytes = probe[i].bytes, .seconds = seconds};
    struct vc_point p = {.ncand = 0};
    char why[256];
    double score = NAN;
    if (vc_search_do(j, &c, &p, why, sizeof why) == 0 && p.ncand > 0 && p.cand[0].rounds > 0) {
        bool taken[VC_ENTRANTS] = {false};
        int best = vc_search_next_best(&p, taken);
        best = best < 0 ? 0 : best;
        score = p.cand[best].score;
        keep(t, i, &p.cand[best], &p.cand[0]);
    }
    vc_point_free(&p);
    return score;
}

/* All probes; adds their logarithms to the trial's score. */
static void try_one(struct vc_search_job *j, struct vc_search_trial *t, int s, double seconds)
{
    vc_search_progress(j, t->setting);
    if (t->refused || !apply(j, t)) {
        t->refused = true;
        return;
    }
    for (int i = 0; i < PROBES && !vc_search_interrupted(); i++)
        t->score[s] += log(run_probe(j, t, i, seconds));
}

static void sweep(struct vc_search_job *j, double seconds)
{
    double begin = vc_measure_now();
    for (int s = 0; s < VC_SEARCH_SWEEPS; s++)
        for (int k = 0; k < j->ntrial && !vc_search_interrupted(); k++) {
            int runs = VC_SEARCH_SWEEPS * j->ntrial - (s * j->ntrial + k), at = s % 2 ? j->ntrial - 1 - k : k;
            try_one(j, &j->trial[at], s, (seconds - (vc_measure_now() - begin)) / (runs * PROBES));
        }
}

/* How many times the score as found, the sweep in which it did worse counting. */
static double times_found(const struct vc_search_job *j, const struct vc_search_trial *t)
{
    double worst = 0;
    for (int s = 0; s < VC_SEARCH_SWEEPS; s++) {
        double times = exp((t->score[s] - j->trial[0].score[s]) / PROBES);
        /* A probe that gave nothing: neither does this. */
        if (!isfinite(times))
            return INFINITY;
        worst = fmax(worst, times);
    }
    return worst;
}

/* The best of those that could be had, if it is better in each sweep; 0 is what was found. */
static int choose(const struct vc_search_job *j)
{
    int best = 0;
    for (int i = 1; i < j->ntrial; i++) {
        const struct vc_search_trial *t = &j->trial[i];
        bool known = !t->refused && isfinite(times_found(j, t));
        if (known && times_found(j, t) < (best ? times_found(j, &j->trial[best]) : BETTER))
            best = i;
    }
    return best;
}

void vc_search_moderate(struct vc_search_job *j, double seconds)
{
    const struct vc_search_place *p = &j->place[0];
    if (!p->open || p->c.at.nnodes < 2 || !p->c.at.have_verbs) {
        fprintf(stderr,
                "vcoll tune: --devices: no verbs between nodes here, so no device's moderation matters\n");
        return;
    }
    list_trials(j, vc_device_netdev()[0] != '\0');
    sweep(j, seconds);
    if (vc_search_interrupted())
        return;
    int best = choose(j);
    struct vc_search_trial *t = &j->trial[best];
    t->chosen = true;
    if (!apply(j, t)) {
        fprintf(stderr, "vcoll tune: %s worked before and does not now; devices stay as found\n", t->setting);
        t->chosen = false;
        apply(j, &j->trial[0]);
        return;
    }
    snprintf(j->setting, sizeof j->setting, "%s", best ? t->setting : "");
    if (j->o->verbose)
        fprintf(stderr, "vcoll tune: devices: %s\n", t->setting);
}
