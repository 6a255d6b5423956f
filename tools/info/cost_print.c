/* SPDX-License-Identifier: BSD-3-Clause */
/* The writers of `vcoll info --cost`. */
#include "coll/info.h"
#include "tools/info/cost.h"
#include "tools/print/terminal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { COLLECTIVE = 12, BYTES = 16, ALGORITHM = 30, NUMBER = 11 }; /* columns */

static void format_size(size_t bytes, char *buf, size_t len)
{
    if (bytes >= (size_t)1 << 20)
        snprintf(buf, len, "%.4g MiB", (double)bytes / (1 << 20));
    else
        snprintf(buf, len, "%.4g KiB", (double)bytes / 1024);
}

static void size_text(size_t bytes, char *buf, size_t len)
{
    static const char *const unit[] = {"", "k", "m", "g"};
    int i = 0;
    for (; i < 3 && bytes != 0 && bytes % 1024 == 0; i++)
        bytes /= 1024;
    snprintf(buf, len, "%zu%s", bytes, unit[i]);
}

static void range_text(const struct cost_row *r, char *buf, size_t len)
{
    char from[24], to[24];
    size_text(r->from ? r->from - 1 : 0, from, sizeof from);
    size_text(r->to, to, sizeof to);
    if (!vc_coll_sized(r->coll))
        snprintf(buf, len, " ");
    else if (r->to == SIZE_MAX)
        snprintf(buf, len, r->from ? "above %s" : "any", from);
    else /* from where the row above ends */
        snprintf(buf, len, "up to %s", to);
}

static void name_text(const struct cost_row *r, char *buf, size_t len)
{
    snprintf(buf, len, "%s%s", r->alg->name, r->noncommutative ? " (*)" : "");
}

static void queue_pairs(int n)
{
    if (n < 0)
        printf("%*s", NUMBER, "-");
    else
        printf("%*d", NUMBER, n);
}

static void heading_row(const char *bytes)
{
    printf("  %-*s%-*s%-*s", COLLECTIVE, "collective", bytes ? BYTES : 0, bytes ? bytes : "", ALGORITHM,
           "algorithm");
}

static void notes(const struct cost *cost, int n)
{
    bool native = false, noncommutative = false, sampled = false;
    for (int i = 0; i < n; i++) {
        sampled |= cost[i].sampled < cost[i].ranks;
        for (int k = 0; k < cost[i].nrows; k++) {
            native |= cost[i].row[k].queue_pairs < 0;
            noncommutative |= cost[i].row[k].noncommutative;
        }
    }
    printf("\n");
    if (native)
        printf("  -    the MPI's own algorithm over the MPI's own connections\n");
    if (noncommutative)
        printf("  (*)  operators that do not commute\n");
    printf("  Numbers are those of the rank that needs most. Connections are made on first use,\n"
           "  and stay.\n");
    if (sampled)
        printf("  Of large jobs not all ranks were looked at: another one may need a few more.\n");
}

static void one_job(const struct cost *c)
{
    char bytes[40], name[64], a[32], b[32];
    printf("%d ranks, %d on each of %d nodes%s\n\n", c->ranks, c->ppn, c->nodes,
           c->ranks % c->ppn ? " (fewer on the last)" : "");
    heading_row("bytes");
    printf("%*s\n", NUMBER, "queue pairs");
    for (int i = 0; i < c->nrows; i++) {
        const struct cost_row *r = &c->row[i];
        range_text(r, bytes, sizeof bytes);
        name_text(r, name, sizeof name);
        printf("  %-*s%-*s%-*s", COLLECTIVE, vc_coll_name(r->coll), BYTES, bytes, ALGORITHM, name);
        queue_pairs(r->queue_pairs);
        putchar('\n');
    }
    int width = COLLECTIVE + BYTES + ALGORITHM;
    printf("\n  %-*s%*d\n", width, "all but alltoall, one root", NUMBER, c->queue_pairs_log);
    printf("  %-*s%*d\n", width, "all, one root", NUMBER, c->queue_pairs_all);
    format_size(c->need.locked, a, sizeof a);
    printf("\n  registered      %s in %d buffers; the limit of locked memory must allow it\n", a,
           c->need.slots);
    format_size(c->private_bytes, a, sizeof a);
    format_size(c->need.per_peer, b, sizeof b);
    printf("  private         %s: %s for each queue pair, %zu B for each process of the job\n", a, b,
           c->need.per_process);
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

static void algorithm_row(const struct cost *cost, int n, const struct cost_row *r)
{
    char name[64];
    name_text(r, name, sizeof name);
    printf("  %-*s%-*s", COLLECTIVE, vc_coll_name(r->coll), ALGORITHM, name);
    for (int i = 0; i < n; i++) {
        const struct cost_row *there = find_row(&cost[i], r);
        if (there)
            queue_pairs(there->queue_pairs);
        else
            printf("%*s", NUMBER, "");
    }
    putchar('\n');
}

static void several_jobs(const struct cost *cost, int n)
{
    printf("Queue pairs of a rank, by the number of ranks, %d on each node\n\n", cost[n - 1].ppn);
    heading_row(NULL);
    for (int i = 0; i < n; i++)
        printf("%*d", NUMBER, cost[i].ranks);
    putchar('\n');
    for (int c = 0; c < VC_COLL_ACCELERATED; c++) {
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < cost[i].nrows; k++) {
                const struct cost_row *r = &cost[i].row[k];
                bool seen = (int)r->coll != c || find_row(&cost[i], r) != r;
                for (int before = 0; !seen && before < i; before++)
                    seen = find_row(&cost[before], r) != NULL;
                if (!seen)
                    algorithm_row(cost, n, r);
            }
        }
    }
    static const char *const label[] = {"all but alltoall, one root", "all, one root", "registered memory",
                                        "private memory"};
    for (int k = 0; k < 4; k++) {
        printf("%s  %-*s", k == 0 ? "\n" : "", COLLECTIVE + ALGORITHM, label[k]);
        for (int i = 0; i < n; i++) {
            char text[32];
            if (k < 2)
                snprintf(text, sizeof text, "%d", k == 0 ? cost[i].queue_pairs_log : cost[i].queue_pairs_all);
            else
                format_size(k == 2 ? cost[i].need.locked : cost[i].private_bytes, text, sizeof text);
            printf("%*s", NUMBER, text);
        }
        putchar('\n');
    }
}

void cost_print_text(const struct cost *cost, int n)
{
    if (n == 1)
        one_job(cost);
    else
        several_jobs(cost, n);
    notes(cost, n);
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
            json_pack("{s:i, s:i, s:i, s:i, s:o, s:i, s:i, s:I, s:i, s:I, s:I, s:i, s:i, s:i}", "ranks",
                      c->ranks, "ranks_per_node", c->ppn, "nodes", c->nodes, "ranks_looked_at", c->sampled,
                      "algorithms", rows, "queue_pairs", c->queue_pairs_all, "queue_pairs_without_alltoall",
                      c->queue_pairs_log, "registered_bytes", (json_int_t)c->need.locked, "buffers",
                      c->need.slots, "private_bytes", (json_int_t)c->private_bytes,
                      "private_bytes_per_queue_pair", (json_int_t)c->need.per_peer,
                      "latency_completion_queue", c->need.cqe_latency, "bulk_completion_queue",
                      c->need.cqe_bulk, "work_requests_per_queue_pair", c->need.qp_wr));
    }
    json_t *all = json_pack("{s:s, s:o}", "vcoll", VC_VERSION, "cost", jobs);
    return json_print(all);
}
