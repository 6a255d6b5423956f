/* SPDX-License-Identifier: BSD-3-Clause */
/* What a person sees while the tuner works. */
#include "tune/search/internal.h"

#include <math.h>

void vc_search_progress(const struct vc_search_job *j, const char *what)
{
    if (!j->o->m.progress || j->w->rank != 0 || j->o->quiet)
        return;
    if (!what) {
        fprintf(stderr, "\r%-72s\r", "");
        fflush(stderr);
        return;
    }
    double left = fmax(vc_search_left(j), 0);
    int percent = (int)(100 * (1 - left / j->budget)), s = (int)left;
    fprintf(stderr, "\r[%3d %%] %d:%02d left, %-50.50s", percent, s / 60, s % 60, what);
    fflush(stderr);
}

void vc_search_point_line(const struct vc_search_job *j, const struct vc_search_result *r)
{
    const struct vc_search_point *p = &r->p;
    const struct vc_search_cand *k = &p->cand[p->best];
    char size[24];
    if (!j->o->verbose)
        return;
    vc_search_progress(j, NULL);
    fprintf(stderr, "%-14s %-9s %8s  %-40s %s (%.2f s)\n", j->place[r->place].name, vc_coll_name(p->coll),
            p->bytes ? vc_measure_size_text(p->bytes, size) : "", k->choice, p->why, p->seconds);
}
