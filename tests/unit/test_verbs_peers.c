/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * More peers than queue pairs: ranks exchange messages of all kinds with other partners in each phase, and
 * with all in some. Every message arrives, once, with the right bytes and in order, no rank has more queue
 * pairs than it may, and no rank gets an error; also where queue pairs and devices fail meanwhile. Phases go
 * on until connections were closed and opened again. Prints what happened.
 */
#include "tests/loopback/loopback.h"
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/verbs_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Workers, which mostly sleep; ranks; rounds of a phase, in which as many messages are exchanged as make a
 * queue pair worth while; messages of a round between two ranks; seconds for a round, in which connections
 * are to be closed and opened again, and for a trial. */
enum { WORKERS = 6, MOST = VR_MOST, ROUNDS = 16, MSGS = 4, WAIT_S = 60, ENOUGH_S = 100, BOUND_S = 150 };

static const struct kind {
    const char *name;
    int n, limit;
    enum vc_wait_mode mode;
    const char *dev;   /* device, NULL: the usual one */
    const char *fault; /* injected at one rank in each of the first phases, {d}: a number that rises */
    int faults;
    bool conforms; /* also the conformance suite */
} kinds[] = {
    {"one", 4, 1, VC_WAIT_AUTO, .conforms = true},
    {"one sleeping", 3, 1, VC_WAIT_EVENT, .conforms = true},
    {"two", 5, 2, VC_WAIT_AUTO, .conforms = true},
    {"two sleeping", 6, 2, VC_WAIT_EVENT, .dev = NULL},
    {"buffers of their own", 5, 2, VC_WAIT_AUTO, .dev = "max_srq=0,max_inline=0", .conforms = true},
    {"small queues", 5, 2, VC_WAIT_EVENT, .dev = "max_qp_wr=8,max_cqe=48,max_srq_wr=16"},
    {"as the device grants", 6, 0, VC_WAIT_AUTO, .dev = "max_qp=2"},
    {"as a small device grants", 5, 0, VC_WAIT_EVENT, .dev = "max_qp=1,max_srq=0"},
    {"slow", 4, 1, VC_WAIT_EVENT, .dev = "delay_us=300,reorder=1,rnr=29"},
    {"sixteen", 16, 4, VC_WAIT_EVENT, .dev = NULL},
    {"thirty-two", 32, 4, VC_WAIT_EVENT, .dev = NULL},
    {"queue pairs fail", 4, 1, VC_WAIT_AUTO, .fault = "qperr@%d", .faults = 10},
    {"queue pairs fail, buffers of their own", 4, 2, VC_WAIT_EVENT, .dev = "max_srq=0", .fault = "qperr@%d",
     .faults = 10},
    {"sends fail", 4, 1, VC_WAIT_EVENT, .fault = "wcerr=12@%d", .faults = 10},
    {"posting fails", 4, 2, VC_WAIT_AUTO, .fault = "fail=ibv_post_send:%d", .faults = 10},
    {"making fails", 4, 1, VC_WAIT_AUTO, .fault = "fail=ibv_create_qp:%d", .faults = 4},
    {"connecting fails", 4, 1, VC_WAIT_EVENT, .fault = "fail=ibv_modify_qp:%d", .faults = 6},
    {"ending fails", 4, 1, VC_WAIT_AUTO, .fault = "fail=ibv_destroy_qp:%d", .faults = 4},
    {"devices fail", 4, 1, VC_WAIT_AUTO, .fault = "removed@%d,plugged@5", .faults = 3},
};

struct trial {
    const struct kind *kind;
    int n;
    struct hs_node node;
    struct shared {
        struct vc_verbs_address address[MOST];
        struct vc_verbs_stats stats[MOST];
        _Atomic uint64_t closed[MOST], reopened[MOST];
        _Atomic int arrived, over;
    } * shared;
};

/* ---- meeting ---- */

/* All have come. Until then messages move on, because others may still need what this rank has sent. */
static void meet(const struct trial *t, struct vc_chan *ch, int me)
{
    static int times;
    uint64_t begun = vc_now_ns();
    t->shared->arrived++;
    times++;
    for (unsigned i = 1; t->shared->arrived < times * t->n; i++) {
        if (ch->ops->progress(ch) < 0 || (i % 50 == 0 && ch->src->check(ch->src) != VC_OK))
            vr_bad(me, "while ranks meet");
        if (vc_now_ns() - begun > BOUND_S * 1000000000ull)
            vr_bad(me, "the others do not come");
        usleep(200);
    }
}

/* ---- exchanging ---- */

/* Bytes of message k of a round between two ranks: inline, in a slot, in pieces, and by rendezvous. */
static size_t length_of(int round, int k, int from, int to)
{
    static const size_t sizes[] = {8, 0, 150, 900, 8, 3000, 8, 17000, 40, 8, 60000};
    return sizes[(size_t)(round * 7 + k * 3 + from * 5 + to) % (sizeof sizes / sizeof *sizes)];
}

struct buffers {
    unsigned char *out[MOST][MSGS], *in[MOST][MSGS];
    struct vc_chan_req req[2 * MOST * MSGS];
};

/* Whom this rank sends to and receives from in a phase: all, ranks at a distance, or mostly one partner. */
struct partners {
    int n, to[MOST], from[MOST];
};

static void choose_partners(const struct trial *t, int me, int phase, struct partners *p)
{
    p->n = 0;
    for (int d = 1; d < t->n; d++) {
        int to = (me + d) % t->n, from = (me + t->n - d) % t->n;
        if (phase % 7 == 6 || (phase % 7 == 3 && d == 1 + phase % (t->n - 1))) {
            p->to[p->n] = to;
            p->from[p->n++] = from;
        } else if (phase % 7 != 3 && (me + to) % t->n == phase % t->n) {
            p->to[p->n] = p->from[p->n] = to;
            p->n++;
        }
    }
}

static void one_round(const struct trial *t, struct vc_chan *ch, struct buffers *b, int me, int round,
                      const struct partners *p)
{
    int n = 0;
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < MSGS; k++) {
            int to = p->to[i], from = p->from[i];
            size_t out = length_of(round, k, me, to), in = length_of(round, k, from, me);
            memset(b->in[from][k], 0xee, in + 1);
            cf_fill(b->out[to][k], out, me, to, (unsigned)(round * MSGS + k));
            if (ch->ops->irecv(ch, from, b->in[from][k], in, &b->req[n++]) != VC_OK ||
                ch->ops->isend(ch, to, b->out[to][k], out, &b->req[n++]) != VC_OK)
                vr_bad(me, "post");
        }
    vr_wait(t->kind->mode, ch, b->req, n, me, WAIT_S);
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < MSGS; k++) {
            int from = p->from[i];
            size_t in = length_of(round, k, from, me);
            struct cf_env e = {.ch = ch};
            cf_verify(&e, b->in[from][k], in, from, me, (unsigned)(round * MSGS + k));
            if (b->in[from][k][in] != 0xee)
                vr_bad(me, "written behind the end");
        }
}

static bool all_were_reopened(const struct trial *t)
{
    for (int r = 0; r < t->n; r++)
        if (t->shared->closed[r] < 2 || t->shared->reopened[r] < 2)
            return false;
    return true;
}

static void go_through_phases(const struct trial *t, struct vc_verbs *v, struct vc_chan *ch, int me)
{
    static struct buffers b;
    const struct kind *k = t->kind;
    struct shared *s = t->shared;
    uint64_t until = vc_now_ns() + ENOUGH_S * 1000000000ull;
    char fault[80];
    for (int r = 0; r < t->n; r++)
        for (int i = 0; i < MSGS; i++)
            if (!(b.in[r][i] = malloc(1 << 16)) || !(b.out[r][i] = malloc(1 << 16)))
                vr_bad(me, "memory");
    for (int phase = 0, round = 0; !s->over; phase++) {
        struct partners p;
        choose_partners(t, me, phase, &p);
        if (phase > 0 && phase <= k->faults && me == phase % t->n) {
            snprintf(fault, sizeof fault, k->fault, 1 + (phase * 5) % 13); /* NOLINT: a table above */
            vr_inject(fault);
        }
        for (int i = 0; i < ROUNDS; i++)
            one_round(t, ch, &b, me, round++, &p);
        s->closed[me] = vc_verbs_stats(v)->closed;
        s->reopened[me] = vc_verbs_stats(v)->reopened;
        meet(t, ch, me);
        if (me == 0)
            s->over = phase >= k->faults && (all_were_reopened(t) || vc_now_ns() > until);
        meet(t, ch, me);
    }
}

static int trial_rank(int me, void *arg)
{
    const struct trial *t = arg;
    struct hs_rank hr;
    hs_join(&t->node, me, &hr);
    vc_log_setup(getenv("VC_TEST_LOG") ? VC_LOG_INFO : VC_LOG_ERROR, me);
    struct vc_verbs_cfg cfg = {.timeout_s = 2, .most_open = t->kind->limit, .idle_ms = 1};
    struct vc_verbs *v = vr_verbs(cfg, t->kind->dev, t->shared->address, &hr, t->n, me);
    struct vc_chan *ch = vr_chan(v, t->n, me, 7);
    hs_meet(hr.start, t->n);
    if (t->kind->conforms) {
        struct vc_wait_cfg wait = hs_wait(t->kind->mode, true);
        struct cf_env e = {.ch = vr_chan(v, t->n, me, 8), .wait = &wait, .seed = 4711, .reduces = true};
        hs_meet(hr.start, t->n);
        cf_run(&e); /* destroys its channel */
        meet(t, ch, me);
    }
    go_through_phases(t, v, ch, me);
    t->shared->stats[me] = *vc_verbs_stats(v);
    ch->ops->destroy(ch);
    vc_verbs_destroy(v);
    return 0;
}

/* ---- what came of it ---- */

static int judge(const struct trial *t, double seconds)
{
    const struct kind *k = t->kind;
    uint64_t closed = 0, reopened = 0, refused = 0, lost = 0, regained = 0, most = 0, locked = 0;
    int rc = 0;
    for (int r = 0; r < t->n; r++) {
        const struct vc_verbs_stats *s = &t->shared->stats[r];
        closed += s->closed;
        reopened += s->reopened;
        refused += s->refused;
        lost += s->lost;
        regained += s->regained;
        locked = s->locked > locked ? s->locked : locked;
        most = s->most_open > most ? s->most_open : most;
    }
    printf("%s: %d ranks, %.1f s, at most %llu queue pairs: %llu connections closed, %llu begun without one, "
           "%llu "
           "reopened, "
           "%llu lost, %llu regained; %llu KiB registered\n",
           k->name, t->n, seconds, (unsigned long long)most, (unsigned long long)closed,
           (unsigned long long)refused, (unsigned long long)reopened, (unsigned long long)lost,
           (unsigned long long)regained, (unsigned long long)locked >> 10);
    if (!all_were_reopened(t))
        fprintf(stderr, "FAIL: %s: a rank's connections were not closed and opened again\n", k->name), rc = 1;
    if (k->limit && most > (uint64_t)k->limit)
        fprintf(stderr, "FAIL: %s: more than %d queue pairs\n", k->name, k->limit), rc = 1;
    if (!k->fault && lost > 0)
        fprintf(stderr, "FAIL: %s: paths were lost\n", k->name), rc = 1;
    return rc;
}

/* Every WORKERS-th trial. */
static int work(int worker)
{
    const char *only = getenv("VC_TEST");
    char fabric[80];
    int failed = 0;
    snprintf(fabric, sizeof fabric, "/dev/shm/vc_peers.%ld.%d", (long)getppid(), worker);
    setenv("VC_LOOPBACK_FABRIC", fabric, 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct trial t = {.kind = &kinds[i], .n = kinds[i].n};
        if ((only && strncmp(kinds[i].name, only, strlen(only)) != 0) || i % WORKERS != (size_t)worker)
            continue;
        vr_where = kinds[i].name;
        t.node = hs_node_make(t.n, 1 << 16, 0);
        t.shared = hs_shared(sizeof *t.shared);
        uint64_t begun = vc_now_ns();
        if (hs_fork(t.n, trial_rank, &t, BOUND_S) != 0)
            fprintf(stderr, "FAIL: %s\n", kinds[i].name), failed = 1;
        failed |= judge(&t, (double)(vc_now_ns() - begun) * 1e-9);
        fflush(stdout);
        hs_unshare(t.shared, sizeof *t.shared);
        hs_node_free(&t.node);
    }
    return failed;
}

int main(void)
{
    pid_t pid[WORKERS];
    int failed = 0;
    for (int w = 0; w < WORKERS; w++) {
        pid[w] = fork();
        if (pid[w] == 0)
            _exit(work(w));
    }
    for (int w = 0; w < WORKERS; w++) {
        int status = 1;
        waitpid(pid[w], &status, 0);
        failed |= status != 0;
    }
    return failed;
}
