/* SPDX-License-Identifier: BSD-3-Clause */
/* What has been measured so far, how much time is left, and whether a signal has come. */
#include "tune/search/internal.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- signals ---- */

static volatile sig_atomic_t caught;

static void remember_signal(int sig)
{
    /* SIGUSR1 is what the launching process asks with (tools/tune/launch.c): that it was interrupted itself.
     */
    caught = sig == SIGUSR1 ? SIGINT : sig;
}

void vc_search_signals_catch(void)
{
    static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    /* Nothing of MPI's must fail because a person is impatient. */
    struct sigaction act = {.sa_handler = remember_signal, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
        sigaction(sigs[i], &act, NULL);
}

bool vc_search_interrupted(void)
{
    return caught != 0;
}

int vc_search_signal(void)
{
    return caught;
}

/* ---- what a terminal shows ---- */

void vc_search_progress(const struct vc_search_job *j, const char *what)
{
    double left = fmax(vc_search_left(j), 0);
    char text[128];
    if (j->w->rank != 0 || j->o->quiet)
        return;
    snprintf(text, sizeof text, "%d:%02d left, %-36.36s", (int)left / 60, (int)left % 60, what ? what : "");
    vc_measure_progress(j->w, what ? (int)(1000 * (1 - left / j->o->budget)) : 1001, 1001, text);
}

void vc_search_progress_call(const struct vc_search_job *j, enum vc_coll coll, size_t bytes, int place)
{
    char what[128], size[24];
    snprintf(what, sizeof what, "%s %s, %s", vc_coll_name(coll),
             bytes ? vc_measure_size_text(bytes, size) : "", j->place[place].name);
    vc_search_progress(j, what);
}

/* ---- results ---- */

double vc_search_left(const struct vc_search_job *j)
{
    return j->o->budget - (vc_measure_now() - j->begin);
}

struct vc_search_result *vc_search_find(const struct vc_search_job *j, int place, enum vc_coll coll,
                                        size_t bytes)
{
    for (int i = 0; i < j->nresult; i++) {
        struct vc_search_result *r = &j->result[i];
        if (r->place == place && r->p.coll == coll && r->p.bytes == bytes)
            return r;
    }
    return NULL;
}

static struct vc_search_result *add(struct vc_search_job *j)
{
    if (j->nresult == j->capresult) {
        int cap = j->capresult ? 2 * j->capresult : 64;
        struct vc_search_result *more = realloc(j->result, (size_t)cap * sizeof *more);
        if (!more)
            return NULL;
        j->result = more;
        j->capresult = cap;
    }
    struct vc_search_result *r = &j->result[j->nresult++];
    memset(r, 0, sizeof *r);
    return r;
}

struct vc_search_result *vc_search_keep(struct vc_search_job *j, int place, const struct vc_point *p)
{
    struct vc_search_result *r = vc_search_find(j, place, p->coll, p->bytes);
    if (r)
        vc_point_free(&r->p);
    else
        r = add(j);
    if (r) {
        r->place = place;
        r->p = *p;
        r->visits++;
    }
    return r;
}

int vc_search_measured(const struct vc_search_job *j, int place, enum vc_coll coll,
                       struct vc_search_result *list[VC_MEASURE_SIZES])
{
    int n = 0;
    for (int i = 0; i < j->nresult && n < VC_MEASURE_SIZES; i++) {
        struct vc_search_result *r = &j->result[i];
        if (r->place != place || r->p.coll != coll)
            continue;
        int at = n++;
        for (; at > 0 && list[at - 1]->p.bytes > r->p.bytes; at--)
            list[at] = list[at - 1];
        list[at] = r;
    }
    return n;
}

int vc_search_alike(struct vc_search_result *const *list, int n, int first)
{
    int last = first;
    while (last + 1 < n &&
           strcmp(vc_search_chosen(list[last + 1])->choice, vc_search_chosen(list[first])->choice) == 0)
        last++;
    return last;
}
