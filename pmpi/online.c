/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/online.h"

#include "coll/info.h"
#include "pmpi/world.h"
#include "tune/online/online.h"

#include <pthread.h>
#include <stdlib.h>

/* team->learner */
struct vc_learner {
    struct vc_online *state;
    struct vc_online_step step;
    bool stepped; /* step is that of the call under way */
    const struct vc_team *team;
    struct vc_learner *next, **link; /* in the list of those that will be saved */
};

/* Stands for: some rank had no memory, so the communicator runs what is selected. */
static struct vc_learner no_learner;

/* Communicators are used and freed by several threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vc_learner *learners;
static struct vc_online_book found; /* on communicators that are gone */
static bool saved;

bool vc_online_wanted(void)
{
    return vc_params.tune == VC_TUNE_ONLINE && vc_params.tune_share > 0;
}

static bool saves(void)
{
    return vc_world.rank == 0 && vc_params.tune_save[0] != '\0';
}

/* ---- beginning ---- */

static struct vc_learner *make_learner(const struct vc_team *t)
{
    struct vc_learner *l = calloc(1, sizeof *l);
    if (!l || vc_online_create(&t->key, &t->sel, (double)vc_params.tune_share / 1000, &l->state) != VC_OK) {
        free(l);
        return NULL;
    }
    l->team = t;
    return l;
}

static void free_learner(struct vc_learner *l)
{
    vc_online_free(l->state);
    free(l);
}

static void enlist(struct vc_learner *l)
{
    pthread_mutex_lock(&lock);
    l->next = learners;
    l->link = &learners;
    if (l->next)
        l->next->link = &l->next;
    learners = l;
    pthread_mutex_unlock(&lock);
}

/* Collective: either all ranks learn, or none. */
static void begin_learning(struct vc_team *t, MPI_Comm comm)
{
    struct vc_learner *l = make_learner(t);
    int ok = l != NULL, all = 0;
    if (vc_next.Allreduce(&ok, &all, 1, MPI_INT, MPI_MIN, comm) != MPI_SUCCESS)
        all = 0;
    if (l && !all) {
        free_learner(l);
        l = NULL;
    }
    if (l && saves())
        enlist(l);
    t->learner = l ? l : &no_learner;
}

/* ---- calls ---- */

/* Nothing is tried where the user has forced an algorithm, or wants results that do not change from call to
 * call. */
static bool is_fixed(const struct vc_team *t, enum vc_coll coll)
{
    return vc_params.alg[coll].alg || t->sel.forced[coll] || (t->key.reproducible && vc_coll_reduces(coll));
}

static void agree_on_verdict(struct vc_learner *l, MPI_Comm comm)
{
    int n;
    double *scores = vc_online_scores(l->state, l->step.slot, &n);
    uint64_t begun = vc_now_ns();
    /* If it fails, the MPI has called the communicator's error handler, and the verdict is tried again later.
     */
    if (vc_next.Allreduce(MPI_IN_PLACE, scores, n, MPI_DOUBLE, MPI_MAX, comm) != MPI_SUCCESS)
        return;
    double took = (double)(vc_now_ns() - begun) * 1e-9;
    vc_online_decide(l->state, l->step.slot, scores);
    vc_online_verdict_took(l->state, l->step.slot, took);
}

const struct vc_choice *vc_online_choose(struct vc_team *t, const struct vc_call *k, bool commutative)
{
    if (!t->learner)
        begin_learning(t, k->comm);
    struct vc_learner *l = t->learner;
    l->stepped = false;
    if (!l->state || is_fixed(t, k->coll))
        return NULL;
    vc_online_next(l->state, k->coll, k->bytes, commutative, &l->step);
    if (l->step.verdict)
        agree_on_verdict(l, k->comm);
    l->stepped = true;
    return l->step.selected ? NULL : &l->step.choice;
}

/* Where the choice refuses the shape, or has no channel, something else runs. */
static bool ran(const struct vc_call *k, const struct vc_choice *choice)
{
    return choice->alg->kind == VC_ALG_NATIVE ? k->alg == NULL : k->alg == choice->alg;
}

void vc_online_done(struct vc_team *t, const struct vc_call *k, uint64_t ns)
{
    struct vc_learner *l = t ? t->learner : NULL;
    if (!l || !l->stepped)
        return;
    l->stepped = false;
    if (l->step.other && !ran(k, &l->step.choice))
        vc_online_refused(l->state, &l->step);
    else if (l->step.trial)
        vc_online_time(l->state, &l->step, (double)ns * 1e-9);
}

/* ---- the end ---- */

void vc_online_release(struct vc_team *t)
{
    struct vc_learner *l = t->learner;
    t->learner = NULL;
    if (!l || l == &no_learner)
        return;
    pthread_mutex_lock(&lock);
    if (l->link) {
        *l->link = l->next;
        if (l->next)
            l->next->link = l->link;
        if (!saved)
            vc_online_book_add(&found, &t->key, l->state);
    }
    pthread_mutex_unlock(&lock);
    free_learner(l);
}

void vc_online_save(void)
{
    if (!vc_online_wanted() || !saves())
        return;
    pthread_mutex_lock(&lock);
    if (!saved) {
        for (const struct vc_learner *l = learners; l; l = l->next)
            vc_online_book_add(&found, &l->team->key, l->state);
        if (found.n == 0)
            vc_log(VC_LOG_INFO, "VCOLL_TUNE_SAVE: too few calls for a verdict, nothing is written");
        else if (vc_online_book_write(&found, vc_params.tune_save) != VC_OK)
            vc_log(VC_LOG_WARN, "VCOLL_TUNE_SAVE: %s", vc_error_text());
        vc_online_book_free(&found);
        saved = true;
    }
    pthread_mutex_unlock(&lock);
}
