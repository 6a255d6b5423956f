/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens and closes the door. It opens when MPI_Init returns. It closes when MPI_Finalize deletes the
 * attributes of MPI_COMM_SELF: vcoll's was set before any of the user's, so it is deleted after all of them,
 * whose callbacks may still communicate. Those of MPI_COMM_WORLD are called too late or, from Open MPI 5.0.1
 * on, never.
 */
#include "pmpi/arena.h"
#include "pmpi/calibrate.h"
#include "pmpi/comm.h"
#include "pmpi/device_mem.h"
#include "pmpi/devices.h"
#include "pmpi/fabric.h"
#include "pmpi/ft.h"
#include "pmpi/gather.h"
#include "pmpi/host_yield.h"
#include "pmpi/kept.h"
#include "pmpi/localities.h"
#include "pmpi/meet.h"
#include "pmpi/online.h"
#include "pmpi/preload.h"
#include "pmpi/setup.h"
#include "pmpi/queue.h"
#include "pmpi/requests.h"
#include "pmpi/stats.h"
#include "pmpi/symbols.h"
#include "pmpi/table.h"
#include "pmpi/typemap.h"
#include "pmpi/types.h"
#include "pmpi/world.h"
#include "transport/copy/copy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* VCOLL_CQ_MODERATION was given, which wins over a table's. */
static bool own_moderation;

/* A tool behind vcoll has taken MPI_Init straight to the MPI. */
static bool passed_by;

/* What set-ups up to now have cost this rank besides time. */
static void tell_told(const char *when)
{
    vc_log(
        VC_LOG_DEBUG,
        "set-up %s: %llu messages of %llu bytes to other ranks, %llu collectives of the MPI with %llu bytes",
        when, (unsigned long long)atomic_load_explicit(&vc_told.messages, memory_order_relaxed),
        (unsigned long long)atomic_load_explicit(&vc_told.bytes, memory_order_relaxed),
        (unsigned long long)atomic_load_explicit(&vc_told.collectives, memory_order_relaxed),
        (unsigned long long)atomic_load_explicit(&vc_told.collective_bytes, memory_order_relaxed));
}

/* ---- closing ---- */

static int on_finalize(MPI_Comm self, int key, void *value, void *extra)
{
    (void)self;
    (void)key;
    (void)value;
    (void)extra;
    vc_gate_set(VC_GATE_CLOSED);
    tell_told("of the program");
    vc_comm_teardown();
    vc_devices_restore();
    vc_fabric_fini();
    vc_table_fini();
    vc_types_fini();
    vc_host_progress_fini();
    vc_stats_fini();
    vc_kept_fini();
    vc_meet_fini();
    vc_hosts_fini();
    vc_memory_fini();
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
    vc_next.Comm_free_keyval(&key); /* the MPI keeps it as long as the attribute */
    return VC_OK;
}

/* Whether the user has given the setting, even if to its default. */
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
        vc_gate_fail(report.error[0] ? report.error : vc_error_text());
    if (rank != 0)
        return;
    char *save = NULL;
    for (char *line = strtok_r(report.warnings, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        vc_log(VC_LOG_WARN, "%s", line);
}

/*
 * Where some calls would not come to vcoll in this process, it must not serve the others (Law 1): it is
 * disabled, which the other ranks learn from its fingerprint.
 */
static void step_aside(void)
{
    char why[512] = "";
    if (passed_by)
        snprintf(
            why, sizeof why,
            "%.300s takes calls to the MPI past vcoll: put it before vcoll in LD_PRELOAD or when linking",
            vc_stack_file());
#ifndef VCOLL_COUNT_CALLS
    /* One rank may call MPI_Bcast_c where another calls MPI_Bcast. */
    else if (vc_next_symbol("Bcast_c"))
        snprintf(why, sizeof why,
                 "this MPI has calls with large counts (MPI_Bcast_c), and vcoll was built with one that has "
                 "not: build vcoll with this one");
#endif
    if (!why[0] || vc_params.disable)
        return;
    int rank = 0;
    vc_next.Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0)
        vc_log(VC_LOG_WARN, "%s; everything is passed through", why);
    vc_params.disable = true;
}

static void fill_wait(void)
{
    vc_wait.mode = vc_params.wait;
    vc_wait.spin_ns = vc_params.spin_us * 1000;
    vc_host_yield_init();
    vc_wait.crowded = vc_host_shares();
    vc_wait.slice_min_ns = 500 * 1000;
    vc_wait.slice_max_ns = 25 * 1000 * 1000;
    vc_wait.host_progress = vc_host_progress;
    vc_wait.check = vc_ft_on() ? vc_ft_check : NULL;
    vc_wait.look_around = vc_host_yield_again;
    if (vc_world.nos > 1) /* some of their messages may come over sockets */
        vc_host_is_uncertain();
    vc_drive_learn(vc_host_progress, vc_wait.crowded);
}

/* What is done once, after MPI is up. All ranks of the world make the same exchanges here. */
static int prepare(void)
{
    bool meet;
    int err = watch_finalize();
    if (err != VC_OK)
        return err;
    load_settings();
    step_aside();
    if (!vc_params.disable && (err = vc_host_progress_init()) != VC_OK)
        return err;
    /* By the fingerprint all ranks know whether it is so on each. */
    if (!vc_requests_init() || !vc_host_can_call_back())
        vc_params.nonblocking = VC_NONBLOCKING_OFF;
    if ((err = vc_world_init()) != VC_OK)
        return err;
    if (vc_params.disable)
        return VC_OK;
    vc_ft_init();
    if ((err = vc_memory_init(vc_meet_fit(), &meet)) != VC_OK || (meet && (err = vc_meet_init()) != VC_OK) ||
        (err = vc_meet_agree()) != VC_OK)
        return err;
    if ((err = vc_types_init()) != VC_OK || (err = vc_comm_keyval_init()) != VC_OK)
        return err;
    fill_wait();
    vc_copy_use(vc_params.copy);
    if ((err = vc_hosts_init()) != VC_OK)
        return err;
    if ((err = vc_fabric_init()) != VC_OK || (err = vc_devices_agree()) != VC_OK ||
        (err = vc_table_init()) != VC_OK || (err = vc_localities_init()) != VC_OK ||
        (err = vc_calibrate_init()) != VC_OK)
        return err;
    vc_devices_apply(own_moderation);
    vc_typemap_init();
    vc_gate_look_for_devices();
    if (vc_stats_init() != VC_OK)
        vc_log(VC_LOG_WARN, "%s", vc_error_text());
    tell_told("of the process");
    return VC_OK;
}

static void open_door(void)
{
    int err = prepare();
    /* If memory ran out, it is on this rank alone, and the others wait for it in the next exchange. */
    if (err == VC_ERR_NOMEM) {
        vc_log(VC_LOG_ERROR, "vcoll could not start, which ends the job: %s", vc_error_text());
        vc_next.Abort(MPI_COMM_WORLD, 1);
    }
    /* If this rank alone passed its collectives through, the others would wait for it: so they end the job.
     */
    if (err != VC_OK && !vc_gate_failure()) {
        char why[768]; /* room for the whole of an error text behind the first words */
        snprintf(why, sizeof why, "vcoll could not start: %s", vc_error_text());
        vc_gate_fail(why);
    }
    bool watched = vc_gate_failure() || vc_stats_on() || vc_online_wanted() || vc_ft_on() || vc_device_on() ||
                   vc_params.device_memory == VC_DEVICE_WATCH;
    vc_gate_set(vc_params.disable ? VC_GATE_CLOSED : watched ? VC_GATE_WATCHED : VC_GATE_OPEN);
    if (!vc_params.disable && !vc_gate_failure() && vc_params.nonblocking == VC_NONBLOCKING_EARLY)
        vc_comm_early(MPI_COMM_WORLD);
}

/* The rank that a launcher other than Open MPI's gives this process; 0: none does. */
static int rank_by_launcher(void)
{
    static const char *const names[] = {"PMI_RANK", "PMIX_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        if (text && text[0])
            return atoi(text);
    }
    return 0;
}

/* vcoll makes no calls to an MPI that it cannot use. */
static void stay_out(const char *why)
{
    struct vc_param_report report;
    memset(&report, 0, sizeof report);
    vc_params_load(&vc_params, NULL, &report);
    vc_log_setup(vc_params.log, -1);
    if (!vc_params.disable && rank_by_launcher() == 0)
        vc_log(VC_LOG_WARN, "%s: everything is passed through", why);
    vc_gate_set(VC_GATE_CLOSED);
}

/* MPI is up. */
static void enter(void)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    static bool tried;
    pthread_mutex_lock(&once);
    if (!tried) {
        tried = true;
        const char *unfit = vc_next_unfit();
        if (unfit)
            stay_out(unfit);
        else
            open_door();
        vc_preload_forget();
    }
    pthread_mutex_unlock(&once);
}

/* After a tool's MPI_Init. If it has not called PMPI_Init of vcoll, but MPI is up, the tool goes past vcoll.
 * If MPI is not up, the program brings a stand-in for it. */
static int back_from_tool(int rc)
{
    int up = 0;
    if (rc != MPI_SUCCESS || atomic_load_explicit(&vc_gate, memory_order_relaxed) != VC_GATE_UNKNOWN)
        return rc;
    if (vc_next.Initialized(&up) == MPI_SUCCESS && up) {
        passed_by = true;
        enter();
    }
    return rc;
}

static int init(int *argc, char ***argv)
{
    vc_next_init();
    vc_wait_prepare(); /* the MPI makes threads */
    int rc = vc_next.Init(argc, argv);
    if (rc == MPI_SUCCESS)
        enter();
    return rc;
}

static int init_thread(int *argc, char ***argv, int required, int *provided)
{
    vc_next_init();
    vc_wait_prepare();
    int rc = vc_next.Init_thread(argc, argv, required, provided);
    if (rc == MPI_SUCCESS)
        enter();
    return rc;
}

VC_EXPORT(Init)
VC_EXPORT(Init_thread)

int PMPI_Init(int *argc, char ***argv)
{
    return init(argc, argv);
}

int MPI_Init(int *argc, char ***argv)
{
    __typeof__(&PMPI_Init) tool = vc_stack()->Init;
    return tool ? back_from_tool(tool(argc, argv)) : init(argc, argv);
}

int PMPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    return init_thread(argc, argv, required, provided);
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    __typeof__(&PMPI_Init_thread) tool = vc_stack()->Init_thread;
    return tool ? back_from_tool(tool(argc, argv, required, provided))
                : init_thread(argc, argv, required, provided);
}

VC_NAMES(Finalize, (void), ())
{
    vc_next_init();
    vc_queue_finish();
    /* Before the underlying function, where MPI still is whole on every rank. */
    vc_stats_report();
    if (atomic_load_explicit(&vc_gate, memory_order_relaxed) == VC_GATE_WATCHED && !vc_gate_failure() &&
        vc_online_wanted())
        vc_online_save();
    return vc_next.Finalize();
}
