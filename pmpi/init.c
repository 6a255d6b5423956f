/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening and closing the door. It opens when MPI_Init returns. It closes when MPI_Finalize deletes the
 * attributes of MPI_COMM_SELF: ours was set before any of the user's, so it goes after all of theirs, whose
 * callbacks may still communicate. MPI_COMM_WORLD's own callbacks come too late or, from Open MPI 5.0.1 on,
 * never.
 */
#include "pmpi/comm.h"
#include "pmpi/devices.h"
#include "pmpi/fabric.h"
#include "pmpi/online.h"
#include "pmpi/stats.h"
#include "pmpi/symbols.h"
#include "pmpi/table.h"
#include "pmpi/team.h"
#include "pmpi/typemap.h"
#include "pmpi/types.h"
#include "pmpi/world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Atomic int vc_gate = VC_GATE_UNKNOWN;
struct vc_params vc_params;
struct vc_wait_cfg vc_wait;

/* A bad setting: the first collective reports it and ends the job. */
static char bad_setting[sizeof((struct vc_param_report *)0)->error];
/* VCOLL_CQ_MODERATION was given, which wins over a table's. */
static bool own_moderation;

static void set_gate(enum vc_gate gate)
{
    atomic_store_explicit(&vc_gate, (int)gate, memory_order_relaxed);
}

/* ---- closing ---- */

static int on_finalize(MPI_Comm self, int key, void *value, void *extra)
{
    (void)self;
    (void)key;
    (void)value;
    (void)extra;
    set_gate(VC_GATE_CLOSED);
    vc_comm_teardown();
    vc_devices_restore();
    vc_fabric_fini();
    vc_table_fini();
    vc_types_fini();
    vc_host_progress_fini();
    vc_stats_fini();
    vc_world_fini();
    return MPI_SUCCESS;
}

/* ---- opening ---- */

static int watch_finalize(void)
{
    int key = MPI_KEYVAL_INVALID;
    if (vc_next.Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_finalize, &key, NULL) != MPI_SUCCESS ||
        vc_next.Comm_set_attr(MPI_COMM_SELF, key, NULL) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "the attribute on MPI_COMM_SELF could not be set");
    vc_next.Comm_free_keyval(&key); /* goes with the attribute */
    return VC_OK;
}

/* Whether the user has said it, be it the default. */
static bool is_given(const struct vc_param_value *values, const char *name)
{
    int n;
    const struct vc_param_def *defs = vc_param_defs(&n);
    for (int i = 0; values && i < n; i++)
        if (strcmp(defs[i].name, name) == 0)
            return values[i].origin != VC_FROM_DEFAULT;
    return false;
}

static void load_settings(void)
{
    struct vc_param_report report;
    int rank = 0, n;
    memset(&report, 0, sizeof report);
    vc_param_defs(&n);
    struct vc_param_value *values = calloc((size_t)n, sizeof *values);
    int err = vc_params_load(&vc_params, values, &report);
    own_moderation = is_given(values, "CQ_MODERATION");
    vc_setup_at_once = is_given(values, "SETUP_AFTER");
    free(values);
    vc_next.Comm_rank(MPI_COMM_WORLD, &rank);
    vc_log_setup(vc_params.log, rank);
    if (err != VC_OK)
        snprintf(bad_setting, sizeof bad_setting, "%s", report.error[0] ? report.error : vc_error_text());
    if (rank != 0)
        return;
    char *save = NULL;
    for (char *line = strtok_r(report.warnings, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        vc_log(VC_LOG_WARN, "%s", line);
}

static void fill_wait(void)
{
    vc_wait.mode = vc_params.wait;
    vc_wait.spin_ns = vc_params.spin_us * 1000;
    vc_wait.crowded = vc_world.os_crowded[vc_world.os_of[vc_world.rank]];
    vc_wait.slice_min_ns = 500 * 1000;
    vc_wait.slice_max_ns = 40 * 1000 * 1000;
    vc_wait.host_progress = vc_host_progress;
}

/* Everything that happens once, after MPI is up. All ranks of the world do the same collectives here. */
static int prepare(void)
{
    int err = watch_finalize();
    if (err != VC_OK)
        return err;
    load_settings();
    if ((err = vc_world_init()) != VC_OK)
        return err;
    if (vc_params.disable)
        return VC_OK;
    if ((err = vc_host_progress_init()) != VC_OK || (err = vc_types_init()) != VC_OK ||
        (err = vc_comm_keyval_init()) != VC_OK)
        return err;
    fill_wait();
    if ((err = vc_fabric_init()) != VC_OK || (err = vc_devices_agree()) != VC_OK ||
        (err = vc_table_init()) != VC_OK)
        return err;
    vc_devices_apply(own_moderation);
    vc_typemap_init();
    if (vc_stats_init() != VC_OK)
        vc_log(VC_LOG_WARN, "%s", vc_error_text());
    return VC_OK;
}

static void open_door(void)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    static bool tried;
    pthread_mutex_lock(&once);
    if (!tried) {
        tried = true;
        int err = prepare();
        /* Out of memory is one rank alone, and the others wait for it in what follows. */
        if (err == VC_ERR_NOMEM) {
            vc_log(VC_LOG_ERROR, "vcoll could not start, which ends the job: %s", vc_error_text());
            vc_next.Abort(MPI_COMM_WORLD, 1);
        }
        /* A rank that fails alone must not pass through while others do not: then its collectives end the
         * job. */
        if (err != VC_OK && !bad_setting[0])
            snprintf(bad_setting, sizeof bad_setting, "vcoll could not start: %s", vc_error_text());
        if (vc_params.disable)
            set_gate(VC_GATE_CLOSED);
        else
            set_gate(bad_setting[0] || vc_stats_on() || vc_online_wanted() ? VC_GATE_WATCHED : VC_GATE_OPEN);
    }
    pthread_mutex_unlock(&once);
}

VC_ALIAS(Init)
int PMPI_Init(int *argc, char ***argv)
{
    vc_next_init();
    int rc = vc_next.Init(argc, argv);
    if (rc == MPI_SUCCESS)
        open_door();
    return rc;
}

VC_ALIAS(Init_thread)
int PMPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    vc_next_init();
    int rc = vc_next.Init_thread(argc, argv, required, provided);
    if (rc == MPI_SUCCESS)
        open_door();
    return rc;
}

VC_ALIAS(Finalize)
int PMPI_Finalize(void)
{
    vc_next_init();
    /* Before the underlying function, where MPI still is whole on every rank. */
    vc_stats_report();
    if (atomic_load_explicit(&vc_gate, memory_order_relaxed) == VC_GATE_WATCHED && !bad_setting[0] &&
        vc_online_wanted())
        vc_online_save();
    return vc_next.Finalize();
}

/* ---- calls that do not just walk in ---- */

/* Which way now; does not return when a bad setting ends the job. */
static enum vc_gate look(MPI_Comm comm)
{
    int gate = atomic_load_explicit(&vc_gate, memory_order_relaxed);
    if (gate == VC_GATE_UNKNOWN) {
        /* A collective before MPI_Init: the MPI has its own word on that. */
        vc_next_init();
        return VC_GATE_CLOSED;
    }
    if (gate == VC_GATE_WATCHED && bad_setting[0]) {
        vc_log(VC_LOG_ERROR, "%s", bad_setting);
        vc_next.Abort(comm != NULL && comm != MPI_COMM_NULL ? comm : MPI_COMM_WORLD, 1);
    }
    return (enum vc_gate)gate;
}

static void learn(struct vc_call *k, int rc, uint64_t took)
{
    /* Otherwise the communicator may not even be one. */
    bool known = rc == MPI_SUCCESS && (vc_params.colls & 1u << k->coll);
    struct vc_comm *c = known ? vc_comm_find(k->comm) : NULL;
    if (c && c->phase == VC_COMM_LEARNING)
        vc_online_done(c, k, took);
}

int vc_call_slow(struct vc_call *k, int (*fn)(struct vc_call *))
{
    if (look(k->comm) == VC_GATE_CLOSED)
        return vc_native(k);
    if (!vc_stats_on() && !vc_online_wanted())
        return fn(k);
    uint64_t begun = vc_now_ns();
    int rc = fn(k);
    uint64_t took = vc_now_ns() - begun;
    if (vc_stats_on())
        vc_stats_call(k, took);
    if (vc_online_wanted())
        learn(k, rc, took);
    return rc;
}

uint64_t vc_other_begin(void)
{
    return look(MPI_COMM_WORLD) == VC_GATE_WATCHED && vc_stats_on() ? vc_now_ns() : 0;
}

void vc_other_end(enum vc_coll coll, uint64_t begun, size_t bytes)
{
    struct vc_call k = {.coll = coll, .bytes = bytes, .why = VC_PASS_NEVER};
    vc_stats_call(&k, vc_now_ns() - begun);
}
