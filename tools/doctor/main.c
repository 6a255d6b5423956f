/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-doctor, which `vcoll doctor` becomes: one rank of it. See docs/doctor.md. */
#include "tools/doctor/checks.h"
#include "tools/doctor/comm.h"
#include "tools/doctor/print.h"

#include "transport/topology/cpus.h"
#include "tools/vcoll/launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPIN 0.3 /* seconds of computing, in which stolen time and other work on the CPUs show */

struct doctor {
    struct doc_opts opts;
    struct doc_comm comm;
    struct doc_rank me;
    struct doc_findings mine; /* of this rank */
    struct doc_node node;     /* first rank of an operating system, here and below */
    struct doc_job here;      /* facts of its ranks */
    struct doc_findings site; /* of all of them */
    double stolen;
    struct doc_job job; /* rank 0, here and below */
    struct doc_findings all;
};

/* ---- a moment of computing ---- */

static double cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* All ranks at once. The share of a CPU that this one got is noted, and the time stolen meanwhile. */
static void spin(struct doctor *d)
{
    uint64_t steal[2] = {0, 0}, total[2] = {0, 0};
    bool told = vc_steal_read(&steal[0], &total[0]) == VC_OK;
    double begun = doc_now(), cpu = cpu_seconds();
    while (doc_now() - begun < SPIN)
        vc_cpu_relax();
    d->me.busied = (cpu_seconds() - cpu) / (doc_now() - begun);
    told = told && vc_steal_read(&steal[1], &total[1]) == VC_OK && total[1] > total[0];
    d->stolen = told ? (double)(steal[1] - steal[0]) / (double)(total[1] - total[0]) : -1;
}

/* ---- reports on their way to rank 0 ---- */

static void take_rank(void *arg, const char *text, size_t len)
{
    struct doctor *d = arg;
    doc_take_rank(text, len, &d->node, &d->here, &d->site);
}

static void take_site(void *arg, const char *text, size_t len)
{
    struct doctor *d = arg;
    doc_take_site(text, len, &d->job, &d->all);
}

/* Which ranks are bound to which NUMA node. */
static void fill_numa(const struct doc_node *n, struct doc_site *s)
{
    for (int i = 0; i < n->npeers; i++) {
        uint64_t mask[VC_MASK_WORDS] = {0};
        struct vc_locality at;
        struct doc_set one = {0};
        for (int k = 0; k < n->peer[i].cpus.n; k++)
            if (n->peer[i].cpus.v[k] < VC_LEVELS_CPUS)
                mask[n->peer[i].cpus.v[k] / 64] |= UINT64_C(1) << n->peer[i].cpus.v[k] % 64;
        vc_locality_read(NULL, mask, &at);
        doc_set_add(&one, n->peer[i].rank);
        doc_numa_add(s, at.unit[VC_UNIT_NUMA], &one);
        doc_set_free(&one);
    }
}

/* What the verbs channel would use, and in which of its ways. */
static void fill_device(const struct doc_node *n, struct doc_site *s)
{
    const struct vc_verbs_dev *dev = &n->verbs.dev;
    char model[VC_TABLE_DEVICE] = "";
    if (!n->verbs.wanted || n->verbs.err != VC_OK)
        return;
    vc_rdma_model(NULL, dev->name, model, sizeof model);
    snprintf(s->device, sizeof s->device, "%s port %d (%s), %s%s%s%s", dev->name, dev->port, model,
             dev->roce ? "RoCE" : "InfiniBand", dev->software ? ", made of software" : "",
             dev->attr.max_srq > 0 ? "" : ", no shared receive queue",
             dev->ignores_inline ? ", no inline data" : "");
}

static void fill_site(const struct doctor *d, struct doc_site *s)
{
    const struct doc_card *card = &d->comm.card[d->comm.rank];
    snprintf(s->host, sizeof s->host, "%s", d->me.host);
    for (size_t i = 0; i < sizeof card->boot; i++)
        snprintf(s->boot + 2 * i, 3, "%02x", card->boot[i]);
    snprintf(s->shm, sizeof s->shm, "%llx", (unsigned long long)card->shm_dev);
    for (int i = 0; i < d->node.npeers; i++)
        doc_set_add(&s->ranks, d->node.peer[i].rank);
    s->crowded = doc_node_crowded(&d->node);
    s->mark = d->node.host_memory.mark;
    s->nseen = d->node.host_memory.held;
    s->seen = doc_grow(NULL, sizeof d->node.host_memory.seen);
    memcpy(s->seen, d->node.host_memory.seen, sizeof d->node.host_memory.seen);
    snprintf(s->host_id, sizeof s->host_id, "%s", d->me.params.host_id);
    fill_numa(&d->node, s);
    fill_device(&d->node, s);
    _Static_assert(sizeof s->guid == sizeof d->node.rdma[0].sys_image_guid, "copied with its end");
    for (int i = d->node.nrdma - 1; i >= 0; i--)
        if (strspn(d->node.rdma[i].sys_image_guid, "0:") != strlen(d->node.rdma[i].sys_image_guid))
            memcpy(s->guid, d->node.rdma[i].sys_image_guid, sizeof s->guid);
}

/* The first rank of an operating system looks at it, once its ranks have told what they found. */
static char *examine_node(struct doctor *d, const char *mine)
{
    const struct doc_comm *c = &d->comm;
    struct doc_site site = {.crowded = false};
    struct doc_set others = {0};
    doc_set_join(&others, &c->kin);
    others.n--; /* the first one is this rank */
    memmove(others.v, others.v + 1, (size_t)others.n * sizeof *others.v);
    take_rank(d, mine, strlen(mine));
    doc_collect(&others, DOC_TAG_RANK, doc_now() + c->patience, take_rank, d);
    doc_set_join(&d->here.silent, &others);
    doc_set_free(&others);
    snprintf(d->node.host, sizeof d->node.host, "%s", d->me.host);
    d->node.job = c->size;
    doc_node_read(NULL, &d->node);
    doc_node_try(&d->node, &d->me.params);
    d->node.steal_now = d->stolen;
    doc_run_node(&d->node, &d->site);
    fill_site(d, &site);
    char *text = doc_write_site(&site, &d->here, &d->site, c->rank == 0);
    doc_site_free(&site);
    return text;
}

/* Rank 0: all nodes. */
static void examine_job(struct doctor *d, const char *mine)
{
    const struct doc_comm *c = &d->comm;
    struct doc_set others = {0};
    for (int i = 1; i < c->nos; i++)
        doc_set_add(&others, c->first[i]);
    take_site(d, mine, strlen(mine));
    doc_collect(&others, DOC_TAG_SITE, doc_now() + 2 * c->patience, take_site, d);
    for (int r = 0; r < c->size; r++)
        if (doc_set_has(&others, c->first[c->os_of[r]]))
            doc_set_add(&d->job.silent, r);
    doc_set_free(&others);
    d->job.platform = d->node.platform.class;
    if (d->me.verbs_usable)
        vc_rdma_model(NULL, d->node.verbs.dev.name, d->job.device, sizeof d->job.device);
    doc_run_job(&d->job, &d->all);
}

/* ---- the report ---- */

/* Ranks have a terminal of mpirun's making, which says nothing of where mpirun's own output goes. */
static struct terminal look_of(const struct doc_opts *o)
{
    return launch_is_rank() ? (struct terminal){o->terminal > 0, o->terminal > 0 ? o->terminal : 100}
                            : terminal_look();
}

/* Prints, and returns the exit code. */
static int report(struct doctor *d)
{
    struct terminal look = look_of(&d->opts);
    bool written = true;
    doc_findings_sort(&d->all);
    if (d->opts.json)
        written = doc_print_json(&d->job, &d->all);
    else
        doc_print_text(&d->job, &d->all, &look, d->opts.all);
    if (fflush(stdout) != 0 || ferror(stdout) || !written) {
        fprintf(stderr, "vcoll doctor: cannot write the report\n");
        return DOC_EXIT_TROUBLE;
    }
    return doc_exit_code(doc_worst(&d->all));
}

/* ---- the course of it ---- */

static void fill_job(struct doctor *d)
{
    struct doc_job *j = &d->job;
    j->size = d->comm.size;
    j->patience = d->comm.patience;
    j->params = d->me.params;
    j->platform = -1;
    for (int r = 0; r < j->size; r++)
        doc_set_add(&j->all, r);
}

/* Some ranks did not come: rank 0 says which, and ends the job, because nothing else would. */
static void end_without(struct doctor *d, const struct doc_set *alive)
{
    if (d->comm.rank == 0) {
        fill_job(d);
        for (int r = 0; r < d->comm.size; r++)
            if (!doc_set_has(alive, r))
                doc_set_add(&d->job.silent, r);
        struct doc_out out = {&d->all, doc_check_by_id("silent"), &d->job.all};
        doc_check_silent(&d->job, &out);
        if (d->job.silent.n == 0) /* all have come by now, but late */
            doc_say(&out, DOC_BROKEN, NULL,
                    "an exchange between all ranks did not end within %g s, though all of them are there",
                    d->comm.patience);
        int code = report(d);
        doc_watch("MPI_Abort", 5, 0);
        MPI_Abort(MPI_COMM_WORLD, code);
    }
    sleep(10);
    _exit(DOC_EXIT_BROKEN);
}

static char *examine_rank(struct doctor *d)
{
    static struct facts_verbs verbs; /* with room for what is not needed again */
    struct doc_comm *c = &d->comm;
    d->me.rank = c->rank;
    d->me.size = c->size;
    doc_comm_try_cma(c, &d->me);
    spin(d);
    facts_verbs(&d->me.params, &verbs);
    doc_rank_try(&d->me, &verbs);
    doc_rank_same(NULL, &d->me, &verbs);
    doc_run_rank(&d->me, &d->mine);
    doc_path_try(c, &d->me.params, &d->mine);
    return doc_write_rank(&d->me, &d->mine, c->rank == 0);
}

/* Returns rank 0's exit code, or DOC_EXIT_BROKEN where it was not heard of. */
static int tell_code(const struct doc_comm *c, int code)
{
    static int word; /* stays put should the exchange never end */
    MPI_Request req;
    word = code;
    if (MPI_Ibcast(&word, 1, MPI_INT, 0, MPI_COMM_WORLD, &req) != MPI_SUCCESS ||
        !doc_finish(&req, 1, doc_now() + 4 * c->patience))
        return DOC_EXIT_BROKEN;
    return word;
}

static int examine(struct doctor *d)
{
    struct doc_comm *c = &d->comm;
    struct doc_set alive = {0};
    int code = DOC_EXIT_WELL;
    c->patience = d->opts.patience;
    if (!doc_comm_meet(c, &d->me.params, &alive))
        end_without(d, &alive);
    doc_watch("looking at itself and its devices", 4 * c->patience + 10, c->rank);
    char *mine = examine_rank(d), *site = NULL;
    if (c->rank != c->first[c->os])
        doc_send(c, c->first[c->os], DOC_TAG_RANK, mine);
    else
        site = examine_node(d, mine);
    if (site && c->rank != 0)
        doc_send(c, 0, DOC_TAG_SITE, site);
    if (c->rank == 0) {
        fill_job(d);
        examine_job(d, site);
        code = report(d);
        if (d->job.silent.n > 0) {
            doc_watch("MPI_Abort", 5, 0);
            MPI_Abort(MPI_COMM_WORLD, code);
        }
    }
    doc_watch("waiting for rank 0", 5 * c->patience, c->rank);
    code = tell_code(c, code);
    facts_host_close(&d->node.host_memory); /* the others have looked for its mark */
    free(mine);
    free(site);
    return code;
}

/* A descriptor that is closed would be given to the MPI's next file, and the report written into that.
 * Writing to what standard output gets fails. */
static void occupy_standard_files(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(DOC_EXIT_TROUBLE);
}

int main(int argc, char **argv)
{
    static struct doctor d;
    occupy_standard_files();
    doc_shed_library(argv);
    doc_parse(&d.opts, argc, argv);
    struct terminal look = look_of(&d.opts);
    if (d.opts.list) {
        if (d.opts.markdown)
            doc_print_markdown();
        else
            doc_print_list(&look);
        return fflush(stdout) == 0 && !ferror(stdout) ? DOC_EXIT_WELL : DOC_EXIT_TROUBLE;
    }
    if (d.opts.ranks && !launch_is_rank())
        return doc_launch(&d.opts);
    vc_log_setup(VC_LOG_ERROR, -1);
    vc_params_load(&d.me.params, NULL, &d.me.report);
    /* Before the MPI opens files and changes limits. */
    doc_rank_read(NULL, &d.me);
    doc_watch("MPI_Init", 2 * d.opts.patience + 5, -1);
    if (MPI_Init(NULL, NULL) != MPI_SUCCESS) {
        fprintf(stderr, "vcoll doctor: MPI_Init failed\n");
        return DOC_EXIT_TROUBLE;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    doc_watch(NULL, 0, -1);
    int code = examine(&d);
    doc_watch("MPI_Finalize", d.opts.patience, d.comm.rank);
    MPI_Finalize();
    doc_comm_free(&d.comm);
    return code;
}
