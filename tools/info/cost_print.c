/* SPDX-License-Identifier: BSD-3-Clause */
/* The writers of `vcoll info --cost`. */
#include "coll/info.h"
#include "tools/info/cost.h"
#include "tools/print/plot.h"
#include "tools/print/terminal.h"

#include <stdint.h>

/* Columns: of the longest collective and the longest algorithm, and numbers of one job and of several. */
enum { COLLECTIVE = 21, BYTES = 16, ALGORITHM = 30, NUMBER = 11, NUMBERS = 10 };

static struct text size_text(size_t bytes)
{
    return bytes >= (size_t)1 << 20 ? text_format("%.4g MiB", (double)bytes / (1 << 20))
                                    : text_format("%.4g KiB", (double)bytes / 1024);
}

/* As settings are written: "64k". */
static struct text exact_text(size_t bytes)
{
    static const char *const unit[] = {"", "k", "m", "g"};
    int i = 0;
    for (; i < 3 && bytes != 0 && bytes % 1024 == 0; i++)
        bytes /= 1024;
    return text_format("%zu%s", bytes, unit[i]);
}

static struct text range_text(const struct cost_row *r)
{
    if (!vc_coll_sized(r->coll))
        return text_format(" ");
    if (r->to != SIZE_MAX) /* from where the row above ends */
        return text_format("up to %s", exact_text(r->to).s);
    return r->from ? text_format("above %s", exact_text(r->from - 1).s) : text_format("any");
}

static struct text name_text(const struct cost_row *r)
{
    return text_format("%s%s", r->alg->name, r->noncommutative ? " (*)" : "");
}

/* "" where there is no such row. */
static void print_number(const struct cost_row *r, int width)
{
    printf("%*s", width, !r ? "" : r->queue_pairs < 0 ? "-" : text_format("%d", r->queue_pairs).s);
}

static void print_heading(const char *bytes)
{
    printf("  %-*s%-*s%-*s", COLLECTIVE, "collective", bytes ? BYTES : 0, bytes ? bytes : "", ALGORITHM,
           "algorithm");
}

static void print_notes(const struct cost *cost, int n)
{
    bool native = false, noncommutative = false, sampled = false, limited = false;
    for (int i = 0; i < n; i++) {
        limited |= cost[i].at_once < cost[i].queue_pairs_all;
        sampled |= cost[i].sampled < cost[i].ranks;
        for (int k = 0; k < cost[i].nrows; k++) {
            native |= cost[i].row[k].queue_pairs < 0;
            noncommutative |= cost[i].row[k].noncommutative;
        }
    }
    printf(
        "\n%s%s  Numbers are those of the rank that needs most. Connections are made on first use%s.\n%s",
        native ? "  -    the MPI's own algorithm over the MPI's own connections\n" : "",
        noncommutative ? "  (*)  operators that do not commute\n" : "",
        limited
            ? ".\n  Where they are more than VCOLL_VERBS_PEERS, those that are not used are closed, and the "
              "MPI\n  carries the messages of those that have no queue pair"
            : ",\n  and stay",
        sampled ? "  Of large jobs not all ranks were looked at: another one may need a few more.\n" : "");
}

static const char at_once[] = "at once (VCOLL_VERBS_PEERS)";

static void print_job(const struct cost *c)
{
    printf("%d ranks, %d on each of %d nodes%s\n\n", c->ranks, c->ppn, c->nodes,
           c->ranks % c->ppn ? " (fewer on the last)" : "");
    print_heading("bytes");
    printf("%*s\n", NUMBER, "queue pairs");
    for (const struct cost_row *r = c->row; r < c->row + c->nrows; r++) {
        printf("  %-*s%-*s%-*s", COLLECTIVE, vc_coll_name(r->coll), BYTES, range_text(r).s, ALGORITHM,
               name_text(r).s);
        print_number(r, NUMBER);
        putchar('\n');
    }
    int width = COLLECTIVE + BYTES + ALGORITHM;
    printf("\n  %-*s%*d\n", width, "all but alltoall, one root", NUMBER, c->queue_pairs_log);
    printf("  %-*s%*d\n", width, "all, one root", NUMBER, c->queue_pairs_all);
    if (c->at_once < c->queue_pairs_all)
        printf("  %-*s%*d\n", width, at_once, NUMBER, c->at_once);
    printf("\n  registered      %s in %d buffers; the limit of locked memory must allow it\n",
           size_text(c->need.locked).s, c->need.slots);
    printf("  private         %s: %s for each queue pair, ", size_text(c->private_bytes).s,
           size_text(c->need.per_peer).s);
    if (c->at_once < c->queue_pairs_all)
        printf("%s for each closed one, ", size_text(c->need.per_closed).s);
    printf("%zu B for each process of the job\n", c->need.per_process);
    printf("  device          completion queues of %d and %d entries, %d work requests in a queue pair\n",
           c->need.cqe_latency, c->need.cqe_bulk, c->need.qp_wr);
}

/* ---- several jobs side by side ---- */

static const struct cost_row *find_row(const struct cost *c, const struct cost_row *like)
{
    const struct cost_row *best = NULL;
    for (int i = 0; i < c->nrows; i++) {
        const struct cost_row *r = &c->row[i];
        if (r->coll == like->coll && r->alg == like->alg && r->noncommutative == like->noncommutative &&
            (!best || r->queue_pairs > best->queue_pairs))
            best = r;
    }
    return best;
}

static void print_algorithm(const struct cost *cost, int n, const struct cost_row *r)
{
    printf("  %-*s%-*s", COLLECTIVE, vc_coll_name(r->coll), ALGORITHM, name_text(r).s);
    for (int i = 0; i < n; i++)
        print_number(find_row(&cost[i], r), NUMBERS);
    putchar('\n');
}

static void print_sums(const struct cost *cost, int n)
{
    static const char *const label[] = {"all but alltoall, one root", "all, one root", at_once,
                                        "registered memory", "private memory"};
    bool limited = false;
    for (int i = 0; i < n; i++)
        limited |= cost[i].at_once < cost[i].queue_pairs_all;
    for (int k = 0; k < 5; k++) {
        if (k == 2 && !limited)
            continue;
        printf("%s  %-*s", k == 0 ? "\n" : "", COLLECTIVE + ALGORITHM, label[k]);
        for (int i = 0; i < n; i++) {
            const struct cost *c = &cost[i];
            const int number[] = {c->queue_pairs_log, c->queue_pairs_all, c->at_once};
            printf("%*s", NUMBERS,
                   k < 3 ? text_format("%d", number[k]).s
                         : size_text(k == 3 ? c->need.locked : c->private_bytes).s);
        }
        putchar('\n');
    }
}

static void print_jobs(const struct cost *cost, int n)
{
    printf("Queue pairs of a rank, by the number of ranks, %d on each node\n\n", cost[n - 1].ppn);
    print_heading(NULL);
    for (int i = 0; i < n; i++)
        printf("%*d", NUMBERS, cost[i].ranks);
    putchar('\n');
    for (int coll = 0; coll < VC_COLL_COUNT; coll++) {
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < cost[i].nrows; k++) {
                const struct cost_row *r = &cost[i].row[k];
                bool seen = (int)r->coll != coll || find_row(&cost[i], r) != r;
                for (int before = 0; !seen && before < i; before++)
                    seen = find_row(&cost[before], r) != NULL;
                if (!seen)
                    print_algorithm(cost, n, r);
            }
        }
    }
    print_sums(cost, n);
}

void cost_print_text(const struct cost *cost, int n)
{
    if (n == 1)
        print_job(cost);
    else
        print_jobs(cost, n);
    print_notes(cost, n);
}

bool cost_print_json(const struct cost *cost, int n)
{
    json_t *jobs = json_array();
    for (int i = 0; i < n; i++) {
        const struct cost *c = &cost[i];
        json_t *rows = json_array();
        for (int k = 0; k < c->nrows; k++) {
            const struct cost_row *r = &c->row[k];
            json_array_append_new(
                rows, json_pack("{s:s, s:s, s:I, s:o, s:b, s:o}", "collective", vc_coll_name(r->coll),
                                "algorithm", r->alg->name, "from_bytes", (json_int_t)r->from, "to_bytes",
                                r->to == SIZE_MAX ? json_null() : json_integer((json_int_t)r->to),
                                "noncommutative", (int)r->noncommutative, "queue_pairs",
                                r->queue_pairs < 0 ? json_null() : json_integer(r->queue_pairs)));
        }
        json_array_append_new(
            jobs,
            json_pack("{s:i, s:i, s:i, s:i, s:o, s:i, s:i, s:i, s:I, s:i, s:I, s:I, s:I, s:i, s:i, s:i}",
                      "ranks", c->ranks, "ranks_per_node", c->ppn, "nodes", c->nodes, "ranks_looked_at",
                      c->sampled, "algorithms", rows, "queue_pairs", c->queue_pairs_all,
                      "queue_pairs_without_alltoall", c->queue_pairs_log, "queue_pairs_at_once", c->at_once,
                      "registered_bytes", (json_int_t)c->need.locked, "buffers", c->need.slots,
                      "private_bytes", (json_int_t)c->private_bytes, "private_bytes_per_queue_pair",
                      (json_int_t)c->need.per_peer, "private_bytes_per_closed_connection",
                      (json_int_t)c->need.per_closed, "latency_completion_queue", c->need.cqe_latency,
                      "bulk_completion_queue", c->need.cqe_bulk, "work_requests_per_queue_pair",
                      c->need.qp_wr));
    }
    json_t *all = json_pack("{s:s, s:o}", "vcoll", VC_VERSION, "cost", jobs);
    return json_print(all);
}
