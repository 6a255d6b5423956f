/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that are under way at once and share the ways out and in equally, instead of one after another. */
#include "tune/model/impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Less than that is no time: sums of times are not exact. */
#define MOMENT 1e-13

struct vc_mflow {
    double left; /* seconds that it takes alone */
    double rate; /* part of a way that it has */
    double last; /* when `left` was counted */
    double due;  /* it is looked at again */
    int step;
    int at[2]; /* the ways out and in */
    int next[2], before[2];
};

bool vc_mshare_init(struct vc_mshare *x, int nsteps, int ports)
{
    size_t n = (size_t)nsteps + 1, ways = 2 * (size_t)ports;
    *x = (struct vc_mshare){.unused = -1, .again = -1};
    x->of = malloc(n * sizeof *x->of);
    x->first = malloc(ways * sizeof *x->first);
    x->count = calloc(ways, sizeof *x->count);
    x->changed = malloc(ways * sizeof *x->changed);
    x->is_changed = calloc(ways, sizeof *x->is_changed);
    if (!x->of || !x->first || !x->count || !x->changed || !x->is_changed)
        return false;
    memset(x->of, -1, n * sizeof *x->of);
    memset(x->first, -1, ways * sizeof *x->first);
    return true;
}

void vc_mshare_free(struct vc_mshare *x)
{
    free(x->of);
    free(x->flow);
    free(x->first);
    free(x->count);
    free(x->changed);
    free(x->is_changed);
}

static void mark(struct vc_mshare *x, int way)
{
    if (!x->is_changed[way])
        x->changed[x->nchanged++] = way;
    x->is_changed[way] = true;
}

static bool make_room(struct vc_mshare *x)
{
    if (x->unused >= 0)
        return true;
    int cap = x->cap ? 2 * x->cap : 256;
    struct vc_mflow *more = realloc(x->flow, (size_t)cap * sizeof *more);
    if (!more)
        return false;
    x->flow = more;
    for (int i = cap - 1; i >= x->cap; i--) {
        more[i].next[0] = x->unused;
        x->unused = i;
    }
    x->cap = cap;
    return true;
}

bool vc_mshare_begin(struct vc_mshare *x, int step, int out, int in, double t, double alone)
{
    if (!make_room(x))
        return false;
    int i = x->unused;
    struct vc_mflow *f = &x->flow[i];
    x->unused = f->next[0];
    *f = (struct vc_mflow){.left = alone, .last = t, .due = INFINITY, .step = step};
    x->of[step] = i;
    for (int side = 0; side < 2; side++) {
        int way = 2 * (side ? in : out) + side, first = x->first[way];
        f->at[side] = way;
        f->before[side] = -1;
        f->next[side] = first;
        if (first >= 0)
            x->flow[first].before[side] = i;
        x->first[way] = i;
        x->count[way]++;
        mark(x, way);
    }
    return true;
}

static void leave(struct vc_mshare *x, int i)
{
    struct vc_mflow *f = &x->flow[i];
    for (int side = 0; side < 2; side++) {
        int way = f->at[side];
        if (f->next[side] >= 0)
            x->flow[f->next[side]].before[side] = f->before[side];
        if (f->before[side] >= 0)
            x->flow[f->before[side]].next[side] = f->next[side];
        else
            x->first[way] = f->next[side];
        x->count[way]--;
        mark(x, way);
    }
    x->of[f->step] = -1;
    f->next[0] = x->unused;
    x->unused = i;
}

static void progress(struct vc_mflow *f, double t)
{
    f->left = fmax(0, f->left - f->rate * (t - f->last));
    f->last = t;
}

int vc_mshare_settle(struct vc_mshare *x, double t, struct vc_mdue *due, int room)
{
    int n = 0;
    for (; x->nchanged > 0; x->nchanged--) {
        int way = x->changed[x->nchanged - 1], side = way & 1, i = x->again;
        for (i = i >= 0 ? i : x->first[way]; i >= 0; i = x->flow[i].next[side]) {
            struct vc_mflow *f = &x->flow[i];
            if (n == room) { /* goes on here */
                x->again = i;
                return n;
            }
            double rate = 1.0 / fmax(x->count[f->at[0]], x->count[f->at[1]]);
            if (rate == f->rate)
                continue;
            progress(f, t);
            f->rate = rate;
            /* What has become slower is looked at when it was to be, and then again. */
            if (t + f->left / rate < f->due) {
                f->due = t + f->left / rate;
                due[n++] = (struct vc_mdue){f->due, f->step};
            }
        }
        x->again = -1;
        x->is_changed[way] = false;
    }
    return n;
}

double vc_mshare_look(struct vc_mshare *x, int step, double t)
{
    int i = x->of[step];
    if (i < 0 || x->flow[i].due != t)
        return INFINITY;
    struct vc_mflow *f = &x->flow[i];
    progress(f, t);
    if (f->left <= MOMENT * f->rate) {
        leave(x, i);
        return t;
    }
    f->due = t + f->left / f->rate;
    return f->due;
}
