/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/stats.h"

#include "include/vcoll/vcoll.h"
#include "pmpi/fabric.h"
#include "pmpi/ft.h"
#include "pmpi/paths.h"
#include "pmpi/posted.h"
#include "pmpi/table.h"
#include "pmpi/world.h"
#include "transport/shm/map.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 42 }; /* 0 bytes, then [2^(i-1), 2^i) bytes */
enum { ALGS = 32 };    /* algorithms of one collective, in the order of vc_alg_list() */

/* Calls of one collective and size class that one algorithm ran. */
struct cell {
    uint64_t calls, bytes, ns;
};

/* Sums of one process or, after the reduction, of the world. Only uint64_t, so that MPI can add it up. */
struct sums {
    struct cell cell[VC_COLL_COUNT][CLASSES][ALGS];
    uint64_t passed[VC_COLL_COUNT][VC_PASS_COUNT];
    uint64_t setups, setups_used, setup_ns;
    uint64_t sleeps, wakes, yields, progress_calls;
    uint64_t attached, evicted, refused;                  /* of memory of other ranks */
    uint64_t proven, unproven, connected, lost, regained; /* paths over verbs */
    uint64_t closed, begun_closed, reopened;              /* of them, for want of queue pairs */
};

/* Ways that data took, of enum vc_via: bits, so ranks are united and not added up. */
struct ways {
    uint64_t via[VC_COLL_COUNT][CLASSES][ALGS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sums *sums; /* NULL: off */
static struct ways *ways;

static void note_way(const struct vc_call *k);

int vc_stats_init(void)
{
    if (vc_params.stats == VC_STATS_OFF || sums)
        return VC_OK;
    sums = calloc(1, sizeof *sums);
    ways = calloc(1, sizeof *ways);
    int ok = sums && ways, all = ok;
    /* The sums are added up over all ranks at the end, or over none. */
    if (vc_world.stats_agreed && vc_world.size > 1 &&
        vc_next.Allreduce(&ok, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) != MPI_SUCCESS)
        all = 0;
    if (all) {
        vc_posted_began = note_way;
        return VC_OK;
    }
    vc_stats_fini();
    return vc_fail(VC_ERR_NOMEM, "%s rank has no memory for statistics: there are none",
                   ok ? "another" : "this");
}

bool vc_stats_on(void)
{
    return sums != NULL;
}

void vc_stats_fini(void)
{
    vc_posted_began = NULL;
    free(sums);
    free(ways);
    sums = NULL;
    ways = NULL;
}

static int class_of(size_t bytes)
{
    int c = bytes ? 64 - __builtin_clzll(bytes) : 0;
    return c < CLASSES ? c : CLASSES - 1;
}

/* Column 0 is native, for every collective. */
static int column_of(const struct vc_call *k)
{
    if (!k->alg)
        return 0;
    const struct vc_alg *const *list = vc_alg_list(k->coll);
    for (int i = 0; i < ALGS && list[i]; i++)
        if (list[i] == k->alg)
            return i;
    return 0;
}

static const char *alg_name(enum vc_coll coll, int column)
{
    if (column == 0 || coll >= VC_COLL_COUNT)
        return "native";
    return vc_alg_list(coll)[column]->name;
}

void vc_stats_call(const struct vc_call *k, uint64_t ns)
{
    int class = class_of(k->bytes), col = column_of(k);
    pthread_mutex_lock(&lock);
    struct cell *cell = &sums->cell[k->coll][class][col];
    cell->calls++;
    cell->bytes += k->bytes;
    cell->ns += ns;
    ways->via[k->coll][class][col] |= k->alg ? k->via : 0;
    if (!k->alg)
        sums->passed[k->coll][k->why]++;
    pthread_mutex_unlock(&lock);
}

/* Where the data of a call went that is, or will be, counted. */
static void note_way(const struct vc_call *k)
{
    pthread_mutex_lock(&lock);
    ways->via[k->coll][class_of(k->bytes)][column_of(k)] |= k->via;
    pthread_mutex_unlock(&lock);
}

void vc_stats_setup(uint64_t ns, bool used)
{
    if (!sums)
        return;
    pthread_mutex_lock(&lock);
    sums->setups++;
    sums->setups_used += used;
    sums->setup_ns += ns;
    pthread_mutex_unlock(&lock);
}

/* ---- what is printed ---- */

/* Why calls were passed through. */
static const struct {
    const char *key, *text;
} pass[VC_PASS_COUNT] = {
    [VC_TAKEN] = {"failed", "failed"},
    [VC_PASS_COLLS] = {"not_in_VCOLL_COLLS", "not in VCOLL_COLLS"},
    [VC_PASS_COMM] = {"communicator", "communicator not served"},
    [VC_PASS_WAITING] = {"not_set_up", "communicator not set up yet"},
    [VC_PASS_ARGS] = {"arguments", "arguments"},
    [VC_PASS_EMPTY] = {"empty", "nothing to move"},
    [VC_PASS_LARGE] = {"too_large", "too large"},
    [VC_PASS_SELECTED] = {"selected", "native selected"},
};

/* Lower end of a size class in bytes. */
static uint64_t class_min(int i)
{
    return i == 0 ? 0 : UINT64_C(1) << (i - 1);
}

static const char *via_text(uint64_t via, bool native)
{
    static const char *const text[] = {"local",
                                       "shm",
                                       "mpi",
                                       "shm+mpi",
                                       "verbs",
                                       "shm+verbs",
                                       "verbs+mpi",
                                       "shm+verbs+mpi",
                                       "ivshmem",
                                       "shm+ivshmem",
                                       "ivshmem+mpi",
                                       "shm+ivshmem+mpi",
                                       "ivshmem+verbs",
                                       "shm+ivshmem+verbs",
                                       "ivshmem+verbs+mpi",
                                       "shm+ivshmem+verbs+mpi"};
    return native ? "native" : text[via & 15];
}

/* All calls of a collective, and those that vcoll ran. */
struct total {
    struct cell all, taken;
};

static struct total total_of(const struct sums *s, int coll)
{
    struct total t = {{0}, {0}};
    for (int c = 0; c < CLASSES; c++)
        for (int a = 0; a < ALGS; a++) {
            const struct cell *cell = &s->cell[coll][c][a];
            t.all.calls += cell->calls;
            t.all.bytes += cell->bytes;
            t.all.ns += cell->ns;
            if (a > 0) {
                t.taken.calls += cell->calls;
                t.taken.bytes += cell->bytes;
                t.taken.ns += cell->ns;
            }
        }
    return t;
}

/* ---- text ---- */

static void size_text(char *buf, size_t len, int class)
{
    uint64_t n = class_min(class);
    if (n < 1024)
        snprintf(buf, len, "%llu", (unsigned long long)n);
    else if (n < 1 << 20)
        snprintf(buf, len, "%lluk", (unsigned long long)n >> 10);
    else
        snprintf(buf, len, "%lluM", (unsigned long long)n >> 20);
}

static void print_coll(FILE *f, const struct sums *s, const struct ways *w, int coll)
{
    struct total t = total_of(s, coll);
    if (t.all.calls == 0)
        return;
    const char *name = vc_coll_name((enum vc_coll)coll);
    for (int c = 0; c < CLASSES; c++)
        for (int a = 0; a < ALGS; a++) {
            const struct cell *cell = &s->cell[coll][c][a];
            if (cell->calls == 0)
                continue;
            char size[24];
            size_text(size, sizeof size, c);
            fprintf(f, "%-21s %8s  %-22s %-8s %12llu %14.3f %12.2f %11.3f\n", name, size,
                    alg_name((enum vc_coll)coll, a), via_text(w->via[coll][c][a], a == 0),
                    (unsigned long long)cell->calls, (double)cell->bytes * 1e-6,
                    (double)cell->ns * 1e-3 / (double)cell->calls, (double)cell->ns * 1e-9);
        }
}

static const char *table_name(char checksum[32])
{
    uint64_t sum;
    const char *name = vc_table_in_use(&sum);
    snprintf(checksum, 32, "fnv1a64:%016llx", (unsigned long long)sum);
    return name;
}

static void print_text(FILE *f, const struct sums *s, const struct ways *w, int ranks)
{
    fprintf(f, "vcoll %s: statistics of %d rank%s (calls, bytes and times are sums over them)\n",
            vcoll_version(), ranks, ranks == 1 ? "" : "s");
    fprintf(f, "%-21s %8s  %-22s %-8s %12s %14s %12s %11s\n", "collective", "bytes>=", "algorithm", "channel",
            "calls", "megabytes", "mean us", "total s");
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        print_coll(f, s, w, coll);
    for (int coll = 0; coll < VC_COLL_COUNT; coll++) {
        struct total t = total_of(s, coll);
        if (t.all.calls == 0)
            continue;
        fprintf(f, "%s: %llu of %llu calls taken over", vc_coll_name((enum vc_coll)coll),
                (unsigned long long)t.taken.calls, (unsigned long long)t.all.calls);
        for (int why = 0; why < VC_PASS_COUNT; why++)
            if (s->passed[coll][why])
                fprintf(f, "; %s: %llu", pass[why].text, (unsigned long long)s->passed[coll][why]);
        fputc('\n', f);
    }
    fprintf(f, "waiting: %llu sleeps, %llu wake-ups, %llu yields, %llu calls of the MPI's progress\n",
            (unsigned long long)s->sleeps, (unsigned long long)s->wakes, (unsigned long long)s->yields,
            (unsigned long long)s->progress_calls);
    if (s->attached + s->refused > 0)
        fprintf(f, "mapped memory (XPMEM): %llu attachments, %llu given up for others; refused: %llu\n",
                (unsigned long long)s->attached, (unsigned long long)s->evicted,
                (unsigned long long)s->refused);
    if (s->proven + s->unproven + s->connected > 0)
        fprintf(f,
                "paths over verbs: %llu proven by messages, %llu failed; %llu connections, %llu lost, "
                "%llu regained\n",
                (unsigned long long)s->proven, (unsigned long long)s->unproven,
                (unsigned long long)s->connected, (unsigned long long)s->lost,
                (unsigned long long)s->regained);
    if (s->closed + s->begun_closed > 0)
        fprintf(f,
                "queue pairs: %llu connections closed because they were not used, %llu begun without one, "
                "%llu reopened\n",
                (unsigned long long)s->closed, (unsigned long long)s->begun_closed,
                (unsigned long long)s->reopened);
    fprintf(f, "set-ups: %llu (%llu in use), %.3f ms on average\n", (unsigned long long)s->setups,
            (unsigned long long)s->setups_used,
            s->setups ? (double)s->setup_ns * 1e-6 / (double)s->setups : 0.0);
    char checksum[32];
    const char *table = table_name(checksum);
    fprintf(f, "table: %s (%s)\n", table, checksum);
}

/* ---- JSON ---- */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *seconds(uint64_t ns)
{
    return json_real((double)ns * 1e-9);
}

static json_t *coll_json(const struct sums *s, const struct ways *w, int coll)
{
    struct total t = total_of(s, coll);
    json_t *sizes = json_array(), *passed = json_object();
    for (int c = 0; c < CLASSES; c++)
        for (int a = 0; a < ALGS; a++) {
            const struct cell *cell = &s->cell[coll][c][a];
            if (cell->calls > 0)
                json_array_append_new(
                    sizes, json_pack("{s:o, s:s, s:s, s:o, s:o, s:o}", "bytes_from", number(class_min(c)),
                                     "algorithm", alg_name((enum vc_coll)coll, a), "channel",
                                     via_text(w->via[coll][c][a], a == 0), "calls", number(cell->calls),
                                     "bytes", number(cell->bytes), "seconds", seconds(cell->ns)));
        }
    for (int why = 0; why < VC_PASS_COUNT; why++)
        if (s->passed[coll][why])
            json_object_set_new(passed, pass[why].key, number(s->passed[coll][why]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "calls", number(t.all.calls), "taken_over",
                     number(t.taken.calls), "bytes", number(t.all.bytes), "seconds", seconds(t.all.ns),
                     "seconds_taken_over", seconds(t.taken.ns), "passed_through", passed, "sizes", sizes);
}

static bool print_json(FILE *f, const struct sums *s, const struct ways *w, int ranks)
{
    json_t *colls = json_object();
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        if (total_of(s, coll).all.calls > 0)
            json_object_set_new(colls, vc_coll_name((enum vc_coll)coll), coll_json(s, w, coll));
    json_t *wait = json_pack("{s:o, s:o, s:o, s:o}", "sleeps", number(s->sleeps), "wakes", number(s->wakes),
                             "yields", number(s->yields), "progress_calls", number(s->progress_calls));
    json_t *maps = json_pack("{s:o, s:o, s:o}", "attachments", number(s->attached), "given_up",
                             number(s->evicted), "refused", number(s->refused));
    json_t *paths =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "proven", number(s->proven), "failed",
                  number(s->unproven), "connections", number(s->connected), "lost", number(s->lost),
                  "regained", number(s->regained), "closed_idle", number(s->closed), "begun_closed",
                  number(s->begun_closed), "reopened", number(s->reopened));
    json_t *setup = json_pack("{s:o, s:o, s:o}", "communicators", number(s->setups), "in_use",
                              number(s->setups_used), "seconds", seconds(s->setup_ns));
    char checksum[32];
    const char *name = table_name(checksum);
    json_t *table = json_pack("{s:s, s:s}", "name", name, "checksum", checksum);
    json_t *all =
        json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "vcoll", vcoll_version(), "ranks", ranks,
                  "collectives", colls, "waiting", wait, "mapped_memory", maps, "paths", paths, "setup",
                  setup, "table", table ? table : json_null()); /* a file's name may not be UTF-8 */
    bool ok = all && json_dumpf(all, f, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) == 0;
    fputc('\n', f);
    json_decref(all);
    return ok;
}

static void print_sums(const struct sums *s, const struct ways *w, int ranks)
{
    bool file = vc_params.stats_file[0] != '\0';
    FILE *f = file ? fopen(vc_params.stats_file, "w") : stderr;
    if (!f) {
        vc_log(VC_LOG_ERROR, "cannot write VCOLL_STATS_FILE \"%s\": %s", vc_params.stats_file,
               strerror(errno));
        return;
    }
    if (vc_params.stats == VC_STATS_JSON)
        print_json(f, s, w, ranks);
    else
        print_text(f, s, w, ranks);
    bool bad = ferror(f) != 0;
    if (file)
        bad |= fclose(f) != 0;
    else
        fflush(f);
    if (bad)
        vc_log(VC_LOG_ERROR, "writing the statistics failed: %s", strerror(errno));
}

/* ---- at the end ---- */

static uint64_t read_counter(const _Atomic uint64_t *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

void vc_stats_report(void)
{
    if (!sums)
        return;
    sums->sleeps = read_counter(&vc_wait_stats.sleeps);
    sums->wakes = read_counter(&vc_wait_stats.wakes);
    sums->yields = read_counter(&vc_wait_stats.yields);
    sums->progress_calls = read_counter(&vc_wait_stats.progress_calls);
    sums->attached = read_counter(&vc_map_stats.attached);
    sums->evicted = read_counter(&vc_map_stats.evicted);
    sums->refused = read_counter(&vc_map_stats.refused);
    sums->proven = read_counter(&vc_path_counts.proven);
    sums->unproven = read_counter(&vc_path_counts.failed);
    sums->connected = vc_fabric ? vc_verbs_stats(vc_fabric)->connections : 0;
    sums->lost = vc_fabric ? vc_verbs_stats(vc_fabric)->lost : 0;
    sums->regained = vc_fabric ? vc_verbs_stats(vc_fabric)->regained : 0;
    sums->closed = vc_fabric ? vc_verbs_stats(vc_fabric)->closed : 0;
    sums->begun_closed = vc_fabric ? vc_verbs_stats(vc_fabric)->refused : 0;
    sums->reopened = vc_fabric ? vc_verbs_stats(vc_fabric)->reopened : 0;
    int ranks = 1;
    /* Where settings differ, or a rank is dead, not all ranks would take part in adding up: then rank 0
     * prints its own sums. */
    if (vc_world.stats_agreed && vc_world.size > 1 && vc_ft_check(MPI_COMM_WORLD) == VC_OK) {
        bool root = vc_world.rank == 0;
        ranks = vc_world.size;
        if (vc_next.Reduce(root ? MPI_IN_PLACE : (void *)sums, root ? sums : NULL,
                           (int)(sizeof *sums / sizeof(uint64_t)), MPI_UINT64_T, MPI_SUM, 0,
                           MPI_COMM_WORLD) != MPI_SUCCESS ||
            vc_next.Reduce(root ? MPI_IN_PLACE : (void *)ways, root ? ways : NULL,
                           (int)(sizeof *ways / sizeof(uint64_t)), MPI_UINT64_T, MPI_BOR, 0,
                           MPI_COMM_WORLD) != MPI_SUCCESS)
            return;
    }
    if (vc_world.rank == 0)
        print_sums(sums, ways, ranks);
}
