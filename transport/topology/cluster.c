/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/cluster.h"

#include "transport/base.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Pairs within groups and pairs between them keep apart when so many of each are on their side. */
#define MOST_WITHIN 0.85
#define FEW_BETWEEN 0.15
#define FAR_AWAY    1e30f /* of a pair that was not measured, and of groups without measured pairs */

/* A merger of two groups, which are known by one member each. */
struct merger {
    int a, b;
    float height; /* their distance, or that of an earlier merger inside them where that is larger */
};

struct work {
    int n;
    float *pair;           /* [n * n] the smaller value of each pair; 0: missing */
    float *distance;       /* [n * n] between groups, by their first members */
    float *height;         /* [n] of the merger that made the group */
    int *first;            /* [n] first member of the own group */
    int *next;             /* [n] next member of the same group, -1: the last */
    int *last;             /* [n] last member, by the first */
    float *values;         /* [n * n] for medians */
    struct merger *merger; /* [n - 1] in the order of heights */
};

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The value that a part of all is smaller than. They are sorted here. FAR_AWAY: there are none. */
static float quantile(float *v, size_t n, double part)
{
    if (n == 0)
        return FAR_AWAY;
    qsort(v, n, sizeof *v, by_value);
    return v[(size_t)((double)(n - 1) * part)];
}

static bool is_time(float v)
{
    return isfinite(v) && v > 0;
}

static void take_smaller(struct work *w, const float *rtt)
{
    size_t n = (size_t)w->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            float a = rtt[i * n + j], b = rtt[j * n + i];
            if (!is_time(a) || (is_time(b) && b < a))
                a = b;
            w->pair[i * n + j] = i != j && is_time(a) ? a : 0;
            w->distance[i * n + j] = i != j && is_time(a) ? a : FAR_AWAY;
        }
}

/* ---- merging ---- */

/* The median of the pairs of two groups. */
static float measure_distance(struct work *w, int a, int b)
{
    size_t n = 0;
    for (int i = a; i >= 0; i = w->next[i])
        for (int j = b; j >= 0; j = w->next[j]) {
            float v = w->pair[(size_t)i * (size_t)w->n + (size_t)j];
            if (v > 0)
                w->values[n++] = v;
        }
    return quantile(w->values, n, 0.5);
}

/* The two groups that are nearest to each other; of equals the first ones. */
static struct merger find_nearest(const struct work *w)
{
    struct merger best = {-1, -1, INFINITY};
    for (int i = 0; i < w->n; i++)
        for (int j = i + 1; w->first[i] == i && j < w->n; j++) {
            float d = w->distance[(size_t)i * (size_t)w->n + (size_t)j];
            if (w->first[j] == j && d < best.height)
                best = (struct merger){i, j, d};
        }
    return best;
}

static void merge_groups(struct work *w, struct merger *m)
{
    size_t n = (size_t)w->n;
    m->height = fmaxf(m->height, fmaxf(w->height[m->a], w->height[m->b]));
    for (int i = m->b; i >= 0; i = w->next[i])
        w->first[i] = m->a;
    w->next[w->last[m->a]] = m->b;
    w->last[m->a] = w->last[m->b];
    w->height[m->a] = m->height;
    for (int k = 0; k < w->n; k++) {
        if (w->first[k] != k || k == m->a)
            continue;
        float d = measure_distance(w, m->a, k);
        w->distance[(size_t)m->a * n + (size_t)k] = d;
        w->distance[(size_t)k * n + (size_t)m->a] = d;
    }
}

static void merge_all(struct work *w)
{
    for (int i = 0; i < w->n; i++) {
        w->first[i] = w->last[i] = i;
        w->next[i] = -1;
        w->height[i] = 0;
    }
    for (int k = 0; k < w->n - 1; k++) {
        struct merger m = find_nearest(w);
        merge_groups(w, &m);
        int at = k;
        for (; at > 0 && w->merger[at - 1].height > m.height; at--)
            w->merger[at] = w->merger[at - 1];
        w->merger[at] = m;
    }
}

/* ---- levels ---- */

/* The groups that the first `merged` mergers make, numbered by their lowest member; how many. */
static int cut(const struct work *w, int merged, int *group_of)
{
    int groups = 0;
    for (int i = 0; i < w->n; i++)
        w->first[i] = i;
    for (int k = 0; k < merged; k++) {
        /* A merger stands behind those inside it, so that its members are representatives still. */
        int a = w->first[w->merger[k].a], b = w->first[w->merger[k].b];
        int to = a < b ? a : b, from = a < b ? b : a;
        for (int i = 0; i < w->n; i++)
            if (w->first[i] == from)
                w->first[i] = to;
    }
    for (int i = 0; i < w->n; i++)
        group_of[i] = w->first[i] == i ? groups++ : group_of[w->first[i]];
    return groups;
}

/* Pairs of the same group of `inner` (true) or of different ones (false), within the groups of `outer` (NULL:
 * all are one), into values; their number. */
static size_t collect_pairs(struct work *w, const int *inner, const int *outer, bool same)
{
    size_t n = 0;
    for (int i = 0; i < w->n; i++)
        for (int j = i + 1; j < w->n; j++) {
            float v = w->pair[(size_t)i * (size_t)w->n + (size_t)j];
            if (v > 0 && (inner[i] == inner[j]) == same && (!outer || outer[i] == outer[j]))
                w->values[n++] = v;
        }
    return n;
}

/* Whether the groups of a level, which lie in those of the next coarser one, keep apart; with the medians. */
static bool keep_apart(struct work *w, const int *group_of, const int *outer, double *within, double *next)
{
    size_t n = collect_pairs(w, group_of, NULL, true);
    float high = quantile(w->values, n, MOST_WITHIN);
    *within = quantile(w->values, n, 0.5);
    n = collect_pairs(w, group_of, outer, false);
    float low = quantile(w->values, n, FEW_BETWEEN);
    *next = quantile(w->values, n, 0.5);
    return n > 0 && high < low && *next >= VC_CLUSTER_RATIO * *within;
}

/* The step in height behind merger k, as a ratio; 0: none of these groups was measured with another. */
static double step_behind(const struct work *w, int k)
{
    return w->merger[k + 1].height < FAR_AWAY ? w->merger[k + 1].height / (double)w->merger[k].height : 0;
}

/* The largest steps, at most as many as levels; `merged` gets how many mergers are before each, descending:
 * the coarsest first. */
static int find_steps(const struct work *w, int *merged)
{
    int nsteps = 0;
    for (int k = 0; k < w->n - 2; k++) {
        if (step_behind(w, k) < VC_CLUSTER_RATIO)
            continue;
        if (nsteps == VC_CLUSTER_LEVELS) {
            int least = 0;
            for (int i = 1; i < nsteps; i++)
                if (step_behind(w, merged[i] - 1) < step_behind(w, merged[least] - 1))
                    least = i;
            if (step_behind(w, k) <= step_behind(w, merged[least] - 1))
                continue;
            memmove(merged + least, merged + least + 1, (size_t)(--nsteps - least) * sizeof *merged);
        }
        merged[nsteps++] = k + 1;
    }
    for (int i = 0; i < nsteps / 2; i++) {
        int k = merged[i];
        merged[i] = merged[nsteps - 1 - i];
        merged[nsteps - 1 - i] = k;
    }
    return nsteps;
}

static void find_levels(struct work *w, int *mem, struct vc_clusters *out)
{
    int merged[VC_CLUSTER_LEVELS], nsteps = find_steps(w, merged);
    const int *outer = NULL;
    for (int i = 0; i < nsteps; i++) {
        int *group_of = mem + (size_t)out->depth * (size_t)w->n;
        int groups = cut(w, merged[i], group_of);
        double within, next;
        if (groups <= 1 || groups == w->n || !keep_apart(w, group_of, outer, &within, &next))
            continue;
        out->level[out->depth].ngroups = groups;
        out->level[out->depth].group_of = group_of;
        out->level[out->depth].within = within;
        out->level[out->depth].next = next;
        out->depth++;
        outer = group_of;
    }
    /* The finest first. */
    for (int i = 0, k = out->depth - 1; i < k; i++, k--) {
        __typeof__(out->level[0]) level = out->level[i];
        out->level[i] = out->level[k];
        out->level[k] = level;
    }
}

int vc_cluster(const float *rtt, int n, int *mem, struct vc_clusters *out)
{
    size_t size = (size_t)n;
    struct work w = {
        .n = n,
        .pair = malloc(size * size * sizeof(float)),
        .distance = malloc(size * size * sizeof(float)),
        .height = malloc(size * sizeof(float)),
        .first = malloc(size * sizeof(int)),
        .next = malloc(size * sizeof(int)),
        .last = malloc(size * sizeof(int)),
        .values = malloc(size * size * sizeof(float)),
        .merger = malloc(size * sizeof(struct merger)),
    };
    int err = VC_OK;
    out->depth = 0;
    if (!w.pair || !w.distance || !w.height || !w.first || !w.next || !w.last || !w.values || !w.merger) {
        err = vc_fail(VC_ERR_NOMEM, "out of memory for the distances of %d ranks", n);
    } else if (n > 2) {
        take_smaller(&w, rtt);
        merge_all(&w);
        find_levels(&w, mem, out);
    }
    free(w.pair);
    free(w.distance);
    free(w.height);
    free(w.first);
    free(w.next);
    free(w.last);
    free(w.values);
    free(w.merger);
    return err;
}

void vc_clusters_locate(const struct vc_clusters *c, int n, struct vc_locality *out)
{
    int finest = c->depth == VC_UNITS ? VC_UNIT_CORE : VC_UNIT_CACHE;
    _Static_assert((int)VC_CLUSTER_LEVELS == (int)VC_UNITS, "a kind for each level");
    for (int i = 0; i < n; i++) {
        vc_locality_none(&out[i]);
        for (int k = 0; k < c->depth; k++)
            out[i].unit[finest + k] = c->level[k].group_of[i];
    }
}
