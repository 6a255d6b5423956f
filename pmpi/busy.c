/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/busy.h"

#include "pmpi/requests.h"
#include "transport/verbs/verbs.h"

#include <stdio.h>

/* Polls in vain between looks at the clock. */
#define POLLS_PER_LOOK 64

pthread_mutex_t vc_busy_lock = PTHREAD_MUTEX_INITIALIZER;
struct vc_team *vc_busy_teams;
_Atomic int vc_busy_count;
static struct vc_posted *over; /* out of their queues, and still to be finished */
static struct vc_posted **over_end = &over;

static void count_duty(struct vc_team *t, int n)
{
    if (!t->queue.drained)
        atomic_fetch_add_explicit(&vc_wait_duties, n, memory_order_relaxed);
}

void vc_busy_add(struct vc_posted *op)
{
    struct vc_team *t = op->team;
    struct vc_queue *q = &t->queue;
    op->next = NULL;
    if (q->first)
        q->last->next = op;
    else
        q->first = op;
    q->last = op;
    atomic_fetch_add_explicit(&q->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&vc_busy_count, 1, memory_order_relaxed);
    if (!q->listed) {
        q->listed = true;
        q->next = vc_busy_teams;
        vc_busy_teams = t;
        count_duty(t, 1);
    }
}

void vc_busy_remove_first(struct vc_team *t, int err)
{
    struct vc_queue *q = &t->queue;
    struct vc_posted *op = q->first;
    q->first = op->next;
    q->polls = 0;
    q->checked = 0;
    op->next = NULL;
    op->err = err;
    *over_end = op;
    over_end = &op->next;
}

struct vc_team *vc_busy_unlist(struct vc_team *t)
{
    t->queue.listed = t->queue.left = false;
    count_duty(t, -1);
    return t->queue.next;
}

void vc_busy_drained(struct vc_team *t, bool on)
{
    if (t->queue.listed)
        count_duty(t, on ? -1 : 1);
    t->queue.drained += on ? 1 : -1;
    if (t->queue.listed)
        count_duty(t, on ? -1 : 1);
}

static void note_failure(struct vc_queue *q, int err, const char *why)
{
    if (q->err != VC_OK)
        return;
    q->err = err;
    snprintf(q->why, sizeof q->why, "%s", why);
}

void vc_busy_fail(struct vc_team *t, int err)
{
    struct vc_queue *q = &t->queue;
    char why[sizeof q->why];
    snprintf(why, sizeof why, "%s", q->left && q->first ? q->first->why : vc_error_text());
    bool told = q->err != VC_OK;
    note_failure(q, err, why);
    vc_team_break(t, why);
    while (q->first) {
        snprintf(q->first->why, sizeof q->first->why, "%s", why);
        q->first->told = told;
        told = true;
        vc_busy_remove_first(t, err);
    }
}

/* Whether those that the operation waits for are alive, now and then. */
static int look_at_peers(struct vc_team *t, const struct vc_posted *op)
{
    struct vc_queue *q = &t->queue;
    if (++q->polls % POLLS_PER_LOOK != 0)
        return VC_OK;
    uint64_t now = vc_now_ns();
    if (q->checked == 0)
        q->checked = now;
    if (now - q->checked < VC_LIVENESS_NS)
        return VC_OK;
    q->checked = now;
    return vc_wait_check(&t->wait, t->parking.shared ? &t->parking : NULL,
                         op->by_plan ? vc_exec_watch(op->exec) : NULL, vc_posted_whom(op));
}

/* How many operations are over. */
static int move_team(struct vc_team *t)
{
    struct vc_queue *q = &t->queue;
    int n = 0, rc;
    while (q->first) {
        rc = vc_posted_advance(q->first);
        if (rc == 0)
            rc = look_at_peers(t, q->first);
        if (rc == 0)
            break;
        n++;
        if (rc < 0)
            vc_busy_fail(t, rc);
        else
            vc_busy_remove_first(t, VC_OK);
    }
    return n;
}

int vc_busy_move(void)
{
    int n = 0;
    for (struct vc_team **at = &vc_busy_teams, *t; (t = *at);) {
        struct vc_queue *q = &t->queue;
        n += move_team(t);
        if (q->first)
            at = &q->next;
        else
            *at = vc_busy_unlist(t);
    }
    return n;
}

struct vc_posted *vc_busy_over(void)
{
    struct vc_posted *list = over;
    over = NULL;
    over_end = &over;
    return list;
}

/* The end of an operation, after which its team may be another thread's. */
static void finish(struct vc_posted *op)
{
    struct vc_queue *q = &op->team->queue;
    bool went_well = op->err == VC_OK;
    vc_posted_end(op);
    if (went_well && op->err != VC_OK) {
        pthread_mutex_lock(&vc_busy_lock);
        note_failure(q, op->err, op->why);
        pthread_mutex_unlock(&vc_busy_lock);
    }
    /* Release: pairs with vc_queue_empty(); this thread does not touch the team after that. */
    atomic_fetch_sub_explicit(&q->count, 1, memory_order_release);
    vc_request_end(op);
    atomic_fetch_sub_explicit(&vc_busy_count, 1, memory_order_relaxed);
}

int vc_busy_finish(struct vc_posted *list)
{
    int n = 0;
    while (list) {
        struct vc_posted *op = list;
        list = op->next;
        finish(op);
        n++;
    }
    return n;
}

int vc_busy_progress(void)
{
    if (VC_LIKELY(atomic_load_explicit(&vc_busy_count, memory_order_relaxed) == 0) ||
        vc_verbs_within_boot() || pthread_mutex_trylock(&vc_busy_lock))
        return 0;
    int n = vc_busy_move();
    struct vc_posted *list = vc_busy_over();
    pthread_mutex_unlock(&vc_busy_lock);
    return vc_busy_finish(list) > n ? 1 : n;
}
