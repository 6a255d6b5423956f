/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Online tuning against made-up clocks: what trials may cost, that ranks stay in step, what is found under
 * noise, and that the table at the end is one.
 */
#include "tune/choice.h"
#include "tune/online_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANKS = 3, SIZE = 4, MAX_SCORES = 1200 };

/* ---- a communicator of four ranks on one node, three of which are played ---- */

static const int zeros[SIZE], ascending[SIZE] = {0, 1, 2, 3}, first[2] = {0, SIZE};
static const struct vc_hier hier = {.nnodes = 1,
                                    .uniform = true,
                                    .block = true,
                                    .node_of = zeros,
                                    .local_of = ascending,
                                    .first = first,
                                    .members = ascending};
static const struct vc_topo_key key = {.size = SIZE,
                                       .nnodes = 1,
                                       .max_ppn = SIZE,
                                       .crowded = true,
                                       .have_node = true,
                                       .have_cma = true,
                                       .have_bulk = true,
                                       .have_chan = true,
                                       .platform = -1,
                                       .hier = &hier};

struct world;
/* True seconds of a call. */
typedef double clock_fn(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c);

struct world {
    struct vc_selection sel;
    struct vc_choice rules[VC_COLL_ACCELERATED][2];
    struct vc_online *o[RANKS];
    clock_fn *clock;
    double noise;  /* relative deviation */
    double spikes; /* part of the calls that take ten times as long */
    uint64_t random, seed;
    /* what was seen */
    long calls, others, verdicts;
    double other_seconds, seconds;
    struct vc_alg_choice last; /* what ran in the last call that was no trial of something else */
    bool refuse;               /* all plans refuse */
    long refusals;
};

static double uniform(struct world *w)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(w->random >> 11) / 9007199254740992.0;
}

static double noisy(struct world *w, double t)
{
    double u = uniform(w), n = 0;
    for (int i = 0; i < 6; i++)
        n += uniform(w) - 0.5;
    t *= 1 + w->noise * fabs(n);
    return u < w->spikes ? 10 * t : t;
}

/* Every collective runs what `use` says, or native. */
static struct world *begin(const char *use, double share, clock_fn *clock)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (int i = 0; i < VC_COLL_ACCELERATED; i++) {
        const struct vc_alg *alg = vc_alg_find((enum vc_coll)i, use);
        struct vc_alg_choice c = {.alg = alg ? alg : vc_alg_find((enum vc_coll)i, "native")};
        w->rules[i][0] = (struct vc_choice){.max_bytes = SIZE_MAX, .pick = c, .pick_noncomm = c};
        w->sel.rule[i] = w->rules[i];
    }
    for (int r = 0; r < RANKS; r++)
        assert_int_equal(vc_online_create(&key, &w->sel, share, &w->o[r]), VC_OK);
    w->clock = clock;
    w->noise = 0.05;
    return w;
}

static void end(struct world *w)
{
    for (int r = 0; r < RANKS; r++)
        vc_online_free(w->o[r]);
    free(w);
}

static void verdict(struct world *w, const struct vc_online_step *step)
{
    double max[MAX_SCORES] = {0};
    int n = 0;
    for (int r = 0; r < RANKS; r++) {
        const double *mine = vc_online_scores(w->o[r], step->slot, &n);
        assert_in_range(n, 1, MAX_SCORES);
        for (int i = 0; i < n; i++)
            max[i] = r == 0 || mine[i] > max[i] ? mine[i] : max[i];
    }
    for (int r = 0; r < RANKS; r++) {
        vc_online_decide(w->o[r], step->slot, max);
        vc_online_verdict_took(w->o[r], step->slot, 2e-6 * (1 + r));
    }
    w->verdicts++;
}

static void same_step(const struct vc_online_step *a, const struct vc_online_step *b)
{
    assert_true(vc_choice_same(&a->pick, &b->pick));
    assert_int_equal(a->trial, b->trial);
    assert_int_equal(a->other, b->other);
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->slot, b->slot);
    assert_int_equal(a->cand, b->cand);
}

/* One call on all ranks: each has its own noise, and all must do the same. */
static void call(struct world *w, enum vc_coll coll, size_t bytes, bool commutative)
{
    struct vc_online_step step[RANKS];
    for (int r = 0; r < RANKS; r++) {
        vc_online_next(w->o[r], coll, bytes, commutative, &step[r]);
        same_step(&step[r], &step[0]);
    }
    assert_false(step->verdict && (step->trial || step->other));
    assert_true(!step->selected || vc_choice_same(&step->pick, &w->rules[coll][0].pick));
    if (step->verdict)
        verdict(w, step);
    bool refused = w->refuse && step->other && step->pick.alg->kind == VC_ALG_PLAN;
    double t = w->clock(w, coll, &step->pick), slowest = 0;
    for (int r = 0; r < RANKS; r++) {
        double mine = noisy(w, t);
        slowest = mine > slowest ? mine : slowest;
        if (refused)
            vc_online_refused(w->o[r], &step[r]);
        else if (step->trial)
            vc_online_time(w->o[r], &step[r], mine);
    }
    w->calls++;
    w->seconds += slowest;
    w->refusals += refused;
    if (step->other) {
        w->others++;
        w->other_seconds += slowest;
    } else {
        w->last = step->pick;
    }
}

static void calls(struct world *w, long n)
{
    for (long i = 0; i < n; i++)
        call(w, VC_ALLREDUCE, 1000, true);
}

/* ---- clocks ---- */

/* Between 1 and 20 microseconds, by algorithm, parameters and seed. */
static double by_hash(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c)
{
    char text[VC_CHOICE_TEXT];
    uint64_t h = 1469598103934665603u ^ w->seed * 0x9e3779b97f4a7c15u ^ (uint64_t)coll;
    vc_choice_format(c, text, sizeof text);
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    h ^= h >> 29;
    return 1e-6 * (1 + (double)(h % 1000) * 0.019);
}

static double same_for_all(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c)
{
    (void)w;
    (void)coll;
    (void)c;
    return 3e-6;
}

static double native_is_best(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c)
{
    return c->alg->kind == VC_ALG_NATIVE ? 0.9e-6 : by_hash(w, coll, c);
}

/* From the 300000th call on ten times as slow, but native is not. */
static double changes(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c)
{
    double t = c->alg->kind == VC_ALG_NATIVE ? 5e-6 : by_hash(w, coll, c);
    return c->alg->kind == VC_ALG_NODE && w->calls >= 300000 ? 10 * t : t;
}

/* Four calls wait for a rank that comes late, four do not, and so on. */
static double rhythm(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c)
{
    double t = c->alg == vc_alg_find(coll, "shm") ? 2e-6 : by_hash(w, coll, c) + 2e-6;
    return ((uint64_t)w->calls + w->seed) % 8 < 4 ? t + 100e-6 : t;
}

static double shm_is_fast(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c)
{
    (void)w;
    return c->alg == vc_alg_find(coll, "shm") ? 1e-6 : 10e-6;
}

/* Native looks worst at first. */
static double native_recovers(const struct world *w, enum vc_coll coll, const struct vc_alg_choice *c)
{
    (void)coll;
    if (c->alg->kind == VC_ALG_NATIVE)
        return w->calls < 2500 ? 3.6e-6 : 1.5e-6;
    return 3e-6;
}

/* The fastest of everything that is tried on this communicator. */
static double best_time(const struct world *w, enum vc_coll coll)
{
    double best = INFINITY;
    const struct vc_alg *const *algs = vc_alg_list(coll);
    const struct vc_select_call asked = {.coll = coll, .bytes = 1000, .esize = 8, .commutative = true};
    for (int i = 0; algs[i]; i++) {
        struct vc_alg_choice c = {.alg = algs[i]};
        if (!vc_select_refuses(&key, &asked, &c) && w->clock(w, coll, &c) < best)
            best = w->clock(w, coll, &c);
    }
    return best;
}

static double native_time(const struct world *w, enum vc_coll coll)
{
    struct vc_alg_choice c = {.alg = vc_alg_find(coll, "native")};
    return w->clock(w, coll, &c);
}

/* ---- what trials may cost ---- */

static void random_call(struct world *w)
{
    static const size_t sizes[] = {0, 1, 8, 64, 1000, 1024, 5000, 70000, 1 << 20, 100 << 20, 1 << 30};
    enum vc_coll coll = (enum vc_coll)(uniform(w) * VC_COLL_ACCELERATED);
    /* A few of them are most calls. */
    size_t i = (size_t)(uniform(w) * uniform(w) * (sizeof sizes / sizeof sizes[0]));
    bool commutative = (coll != VC_REDUCE && coll != VC_ALLREDUCE) || uniform(w) < 0.9;
    call(w, coll, sizes[i], commutative);
}

static void share_holds(void **state)
{
    (void)state;
    for (int mille = 0; mille <= 1000; mille += mille < 20 ? 1 : 14) {
        struct world *w = begin("ring", mille / 1000.0, by_hash);
        w->seed = w->random = (uint64_t)mille;
        for (int i = 0; i < 10000; i++) {
            random_call(w);
            /* At any moment, not only in the end. */
            assert_true((double)(w->others + w->verdicts) <= mille / 1000.0 * (double)w->calls + 1e-6);
        }
        assert_true(mille < 20 || w->others > 0);
        end(w);
    }
}

static void time_share_holds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        /* Fast is what is selected: all the others cost more than the calls that they take the place of. */
        struct world *w = begin("shm", 0.008, rhythm);
        w->seed = w->random = seed;
        calls(w, 300000);
        assert_true(w->others > 50);
        double spent = w->other_seconds + 4e-6 * (double)w->verdicts;
        if (spent > 0.0085 * w->seconds)
            fail_msg("seed %d: %g of the time went into trials", (int)seed, spent / w->seconds);
        end(w);
    }
}

/* What the first round costs more than was thought is earned before anything else is tried. */
static void debts_are_paid(void **state)
{
    (void)state;
    struct world *w = begin("shm", 0.02, shm_is_fast);
    calls(w, 5000);
    long first_round = w->others;
    assert_in_range(first_round, 4, 48);
    calls(w, 16000);
    assert_int_equal(w->others, first_round);
    calls(w, 100000);
    assert_true(w->others > first_round);
    assert_true(w->other_seconds < 0.02 * w->seconds);
    end(w);
}

static void few_calls_cost_nothing(void **state)
{
    (void)state;
    struct world *w = begin("ring", 0.008, by_hash);
    for (int i = 0; i < 600; i++)
        for (size_t bytes = 8; bytes < 1 << 20; bytes *= 2)
            call(w, VC_ALLREDUCE, bytes, true);
    assert_int_equal(w->others, 0);
    assert_int_equal(w->verdicts, 0);
    end(w);
    w = begin("ring", 1.0, by_hash);
    calls(w, 60);
    assert_int_equal(w->others + w->verdicts, 0);
    end(w);
    w = begin("ring", 0, by_hash);
    calls(w, 100000);
    assert_int_equal(w->others + w->verdicts, 0);
    end(w);
}

/* ---- what is found ---- */

static void finds_the_best(void **state)
{
    (void)state;
    int far = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *w = begin("ring", 0.02, by_hash);
        w->seed = w->random = seed;
        w->noise = 0.3;
        w->spikes = 0.03;
        calls(w, 60000);
        double got = w->clock(w, VC_ALLREDUCE, &w->last), best = best_time(w, VC_ALLREDUCE),
               native = native_time(w, VC_ALLREDUCE);
        if (got > 1.1 * native) /* as far as this much noise lets anybody see */
            fail_msg("seed %d: ended with %s, %.2f of native's time", (int)seed, w->last.alg->name,
                     got / native);
        far += got > 1.2 * best;
        end(w);
    }
    /* Clearly worse than the best only when its few first samples were all spoilt. */
    print_message("%d of 60 ended more than 20 %% behind the best\n", far);
    assert_in_range(far, 0, 3);
}

static void moves_within_30000_calls(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = begin("ring", 0.008, changes);
        w->seed = w->random = seed;
        w->noise = 0.2;
        struct vc_alg_choice ring = {.alg = vc_alg_find(VC_ALLREDUCE, "ring")};
        double was = w->clock(w, VC_ALLREDUCE, &ring), best = best_time(w, VC_ALLREDUCE);
        calls(w, 30000);
        if (was > 3 * best)
            assert_true(w->clock(w, VC_ALLREDUCE, &w->last) < was / 1.5);
        end(w);
    }
}

static void never_slower_than_native(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *w = begin(seed % 2 ? "native" : "shm", 0.02, native_is_best);
        w->seed = w->random = seed;
        w->noise = 0.5;
        w->spikes = 0.05;
        for (int i = 0; i < 10; i++) {
            calls(w, 10000);
            if ((seed % 2 || i == 9) && w->last.alg->kind != VC_ALG_NATIVE)
                fail_msg("seed %d: %s instead of native after %ld calls", (int)seed, w->last.alg->name,
                         w->calls);
        }
        end(w);
    }
}

/* Native is not given up for a few bad samples. */
static void native_stays_in_the_race(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = begin("shm", 0.02, native_recovers);
        w->random = seed;
        calls(w, 25000);
        assert_int_equal(w->last.alg->kind, VC_ALG_NATIVE);
        end(w);
    }
}

static void equals_stay(void **state)
{
    (void)state;
    int switched = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *w = begin("shm", 0.05, same_for_all);
        w->random = seed;
        w->noise = 0.1;
        calls(w, 50000);
        switched += strcmp(w->last.alg->name, "shm") != 0;
        end(w);
    }
    print_message("%d of 40 switched between equals\n", switched);
    assert_in_range(switched, 0, 6);
}

static void notices_drift(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world *w = begin("shm", 0.02, changes);
        w->seed = w->random = seed;
        calls(w, 299999);
        double before = w->clock(w, VC_ALLREDUCE, &w->last);
        assert_true(before < 1.05 * native_time(w, VC_ALLREDUCE));
        calls(w, 300000);
        if (w->clock(w, VC_ALLREDUCE, &w->last) > 1.05 * native_time(w, VC_ALLREDUCE))
            fail_msg("seed %d: still %s", (int)seed, w->last.alg->name);
        end(w);
    }
}

static void not_fooled_by_rhythm(void **state)
{
    (void)state;
    int wrong = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *w = begin("shm", 0.02, rhythm);
        w->seed = w->random = seed;
        for (int i = 0; i < 10; i++) {
            calls(w, 10000);
            wrong += strcmp(w->last.alg->name, "shm") != 0;
        }
        end(w);
    }
    print_message("%d of 400 times something slower was in use\n", wrong);
    assert_in_range(wrong, 0, 8);
}

/* ---- what goes wrong ---- */

static void refused_is_not_tried_again(void **state)
{
    (void)state;
    struct world *w = begin("shm", 0.02, by_hash);
    w->refuse = true;
    calls(w, 200000);
    assert_in_range(w->refusals, 1, 12);
    assert_true(w->last.alg->kind != VC_ALG_PLAN);
    end(w);
}

/* Some rank had no memory for the slot: nobody has it. */
static void one_without_memory(void **state)
{
    (void)state;
    struct vc_online_step step;
    struct world *w = begin("ring", 0.02, by_hash);
    int verdicts = 0;
    for (int i = 0; i < 50000; i++) {
        vc_online_next(w->o[0], VC_BCAST, 100, true, &step);
        assert_false(step.trial || step.other);
        if (step.verdict) {
            int n;
            double scores[MAX_SCORES];
            const double *mine = vc_online_scores(w->o[0], step.slot, &n);
            assert_int_equal(n, 1);
            assert_true(mine[0] == 0);
            scores[0] = 1;
            vc_online_decide(w->o[0], step.slot, scores);
            vc_online_verdict_took(w->o[0], step.slot, 1e-6);
            verdicts++;
        }
    }
    assert_int_equal(verdicts, 1);
    end(w);
}

static void strange_times_do_no_harm(void **state)
{
    (void)state;
    static const double strange[] = {0, -1, 1e300, 1e-300, NAN, INFINITY};
    struct world *w = begin("ring", 1.0, by_hash);
    struct vc_online_step step;
    for (int i = 0; i < 20000; i++) {
        vc_online_next(w->o[0], VC_ALLREDUCE, 8, true, &step);
        if (step.verdict) {
            int n;
            double scores[MAX_SCORES];
            const double *mine = vc_online_scores(w->o[0], step.slot, &n);
            for (int k = 0; k < n; k++) {
                assert_true(isfinite(mine[k]));
                scores[k] = mine[k];
            }
            vc_online_decide(w->o[0], step.slot, scores);
            vc_online_verdict_took(w->o[0], step.slot, strange[i % 6]);
        } else if (step.trial) {
            vc_online_time(w->o[0], &step, strange[(int)(uniform(w) * 6)]);
        }
    }
    end(w);
}

/* ---- the table ---- */

struct seen {
    int rows;
    enum vc_coll coll;
    size_t max;
    bool commutative;
};

static void see(void *arg, enum vc_coll coll, size_t bytes_min, size_t bytes_max, bool commutative,
                const struct vc_alg_choice *choice, double gain, long trials)
{
    struct seen *s = arg;
    if (s->rows && coll == s->coll && commutative == s->commutative)
        assert_true(bytes_min > s->max);
    else
        assert_true(!s->rows || coll > s->coll || (coll == s->coll && s->commutative && !commutative));
    assert_true(bytes_max >= bytes_min && choice->alg->coll == coll && gain > 0.5 && trials > 0);
    *s = (struct seen){s->rows + 1, coll, bytes_max, commutative};
}

/* Knows something of all collectives. */
static struct world *learned(void)
{
    static const size_t sizes[] = {0, 8, 9, 1000, 65536, 65537, 1 << 30};
    struct world *w = begin("ring", 0.5, by_hash);
    for (int i = 0; i < 3000; i++)
        for (int coll = 0; coll < VC_COLL_ACCELERATED; coll++)
            for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
                bool other = i % 4 == 0 && (coll == VC_REDUCE || coll == VC_ALLREDUCE) && k == 1;
                if ((coll == VC_BARRIER) == (k == 0))
                    call(w, (enum vc_coll)coll, sizes[k], !other);
            }
    return w;
}

static void rows_are_in_order(void **state)
{
    (void)state;
    struct world *w = learned();
    struct seen s = {0};
    vc_online_each(w->o[0], see, &s);
    assert_in_range(s.rows, 20, 40);
    end(w);
}

/* The choice of the first row that holds. */
static const struct vc_row *lookup(const struct vc_table *t, enum vc_coll coll, size_t bytes,
                                   bool commutative)
{
    for (int i = 0; i < t->nrows; i++) {
        const struct vc_row *r = &t->row[i];
        if (r->coll == coll && bytes >= r->bytes.min && bytes <= r->bytes.max &&
            (r->commutative == VC_ANY || (r->commutative == VC_YES) == commutative) &&
            vc_row_keys_match(&r->keys, &key))
            return r;
    }
    return NULL;
}

struct comparing {
    const struct vc_table *table;
    int rows;
};

static void in_table(void *arg, enum vc_coll coll, size_t bytes_min, size_t bytes_max, bool commutative,
                     const struct vc_alg_choice *choice, double gain, long trials)
{
    struct comparing *c = arg;
    (void)gain;
    (void)trials;
    for (int i = 0; i < 2; i++) {
        const struct vc_row *r = lookup(c->table, coll, i ? bytes_max : bytes_min, commutative);
        assert_non_null(r);
        assert_false(r->builtin);
        assert_true(vc_choice_same(&r->choice, choice));
    }
    c->rows++;
}

static void table_is_valid(void **state)
{
    (void)state;
    struct world *w = learned();
    struct vc_online_book book = {0};
    vc_online_book_add(&book, &key, w->o[0]);
    int rows = book.n;
    assert_true(rows > 0);
    /* The same communicator again, and one of other ranks. */
    vc_online_book_add(&book, &key, w->o[1]);
    assert_int_equal(book.n, rows);
    struct vc_topo_key other = key;
    other.size = other.max_ppn = 5;
    other.have_verbs = true;
    vc_online_book_add(&book, &other, w->o[0]);
    assert_int_equal(book.n, 2 * rows);

    char *text = vc_online_book_text(&book);
    struct vc_table *t;
    assert_non_null(text);
    if (vc_table_parse(text, strlen(text), "online", &t) != VC_OK)
        fail_msg("%s\n%s", vc_error_text(), text);
    struct comparing c = {.table = t};
    vc_online_each(w->o[0], in_table, &c);
    assert_int_equal(c.rows, rows);
    vc_table_free(t);
    /* The checksum is checked. */
    char *digit = strstr(text, "fnv1a64:");
    assert_non_null(digit);
    digit[10] = digit[10] == '0' ? '1' : '0';
    assert_int_equal(vc_table_parse(text, strlen(text), "online", &t), VC_ERR_INVAL);
    free(text);
    vc_online_book_free(&book);
    end(w);
}

static void table_is_written_whole(void **state)
{
    (void)state;
    char dir[] = "/tmp/vc_online.XXXXXX", path[64], cmd[96];
    assert_non_null(mkdtemp(dir));
    struct world *w = learned();
    struct vc_online_book book = {0};
    vc_online_book_add(&book, &key, w->o[0]);
    snprintf(path, sizeof path, "%s/table.json", dir);
    for (int i = 0; i < 2; i++) /* new, and over an old one */
        assert_int_equal(vc_online_book_write(&book, path), VC_OK);
    char *text;
    size_t len;
    struct vc_table *t;
    assert_int_equal(vc_table_read(path, &text, &len), VC_OK);
    if (vc_table_parse(text, len, path, &t) != VC_OK)
        fail_msg("%s", vc_error_text());
    vc_table_free(t);
    free(text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing else is left there */
    snprintf(cmd, sizeof cmd, "%s/no/such/folder", dir);
    assert_int_equal(vc_online_book_write(&book, cmd), VC_ERR_SYS);
    assert_non_null(strstr(vc_error_text(), "no/such/folder"));
    vc_online_book_free(&book);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_holds),
        cmocka_unit_test(time_share_holds),
        cmocka_unit_test(debts_are_paid),
        cmocka_unit_test(few_calls_cost_nothing),
        cmocka_unit_test(finds_the_best),
        cmocka_unit_test(moves_within_30000_calls),
        cmocka_unit_test(never_slower_than_native),
        cmocka_unit_test(native_stays_in_the_race),
        cmocka_unit_test(equals_stay),
        cmocka_unit_test(notices_drift),
        cmocka_unit_test(not_fooled_by_rhythm),
        cmocka_unit_test(refused_is_not_tried_again),
        cmocka_unit_test(one_without_memory),
        cmocka_unit_test(strange_times_do_no_harm),
        cmocka_unit_test(rows_are_in_order),
        cmocka_unit_test(table_is_valid),
        cmocka_unit_test(table_is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
