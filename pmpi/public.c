/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of vcoll.h. */
#include "include/vcoll/vcoll.h"

#include "pmpi/comm.h"
#include "pmpi/devices.h"
#include "pmpi/fabric.h"
#include "pmpi/symbols.h"
#include "pmpi/table.h"
#include "pmpi/team.h"
#include "tune/params/params.h"
#include "tune/table/table.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

extern __typeof__(vcoll_native) vcoll_native VC_PUBLIC;
extern __typeof__(vcoll_comm_describe) vcoll_comm_describe VC_PUBLIC;
extern __typeof__(vcoll_comm_algorithm) vcoll_comm_algorithm VC_PUBLIC;
extern __typeof__(vcoll_comm_key) vcoll_comm_key VC_PUBLIC;
extern __typeof__(vcoll_comm_keys) vcoll_comm_keys VC_PUBLIC;
extern __typeof__(vcoll_comm_force) vcoll_comm_force VC_PUBLIC;
extern __typeof__(vcoll_cq_moderation) vcoll_cq_moderation VC_PUBLIC;
extern __typeof__(vcoll_table) vcoll_table VC_PUBLIC;
extern __typeof__(vcoll_host_progress) vcoll_host_progress VC_PUBLIC;

void *vcoll_native(const char *name)
{
    vc_next_init();
    return name ? vc_next_symbol(name) : NULL;
}

/* There is state only while the door is open. */
static bool is_open(void)
{
    int gate = atomic_load_explicit(&vc_gate, memory_order_relaxed);
    return gate == VC_GATE_OPEN || gate == VC_GATE_WATCHED;
}

static struct vc_comm *find_comm(const void *comm)
{
    MPI_Comm handle;
    if (!comm || !is_open())
        return NULL;
    memcpy(&handle, comm, sizeof handle);
    return vc_comm_peek(handle);
}

int vcoll_comm_describe(const void *comm, struct vcoll_comm_info *info)
{
    const struct vc_comm *c = find_comm(comm);
    if (!c || !info)
        return -1;
    const struct vc_team *t = c->team;
    memset(info, 0, sizeof *info);
    info->active = vc_comm_active(c);
    info->why_not = info->active ? "" : c->why_not;
    info->setup_seconds = c->setup_seconds;
    info->heap_bytes = sizeof *c;
    if (t) {
        info->nodes = t->hier.nnodes;
        info->ranks_here = t->nlocal;
        info->shm_bytes = (unsigned long long)t->nlocal * vc_team_shm(t);
        info->heap_bytes += vc_team_heap(t);
    }
    return 0;
}

const char *vcoll_comm_algorithm(const void *comm, const char *collective, unsigned long long bytes)
{
    int coll = collective ? vc_coll_by_name(collective) : -1;
    const struct vc_comm *c = find_comm(comm);
    if (coll < 0 || !c)
        return "";
    if (coll >= VC_COLL_COUNT || !vc_comm_active(c) || !(vc_params.colls & 1u << coll) ||
        bytes > VC_CALL_LIMIT)
        return "native";
    return vc_select(&c->team->sel, (enum vc_coll)coll, (size_t)bytes, true)->alg->name;
}

int vcoll_comm_key(const void *comm, struct vcoll_comm_key *key)
{
    const struct vc_comm *c = find_comm(comm);
    if (!c || !key || !vc_comm_active(c))
        return -1;
    const struct vc_topo_key *k = &c->team->key;
    *key = (struct vcoll_comm_key){
        .ranks = k->size,
        .nodes = k->nnodes,
        .ppn = k->max_ppn,
        .crowded = k->crowded,
        .bulk_slots = k->have_bulk,
        .network = k->have_verbs ? "verbs" : "mpi",
        .platform = k->platform < 0 ? "mixed" : vc_platform_class_name((enum vc_platform_class)k->platform),
        .device = vc_devices.rdma,
    };
    return 0;
}

int vcoll_comm_keys(const void *comm, char *json, unsigned long len)
{
    const struct vc_comm *c = find_comm(comm);
    if (!c || !vc_comm_active(c))
        return -1;
    json_t *o = json_object();
    vc_topo_to_json(&c->team->key, o);
    size_t used = json_dumpb(o, json, len, 0);
    json_decref(o);
    if (used == 0 || used >= len)
        return -1;
    json[used] = '\0';
    return 0;
}

/* -1, with the text of the last error. */
static int fail_with_text(char *why, unsigned long len)
{
    if (why && len > 0)
        snprintf(why, len, "%s", vc_error_text());
    return -1;
}

/* Changes nothing unless it is VC_OK. */
static int force(struct vc_comm *c, const char *collective, const char *choice)
{
    struct vc_choice want;
    if (!c || !vc_comm_active(c))
        return vc_fail(VC_ERR_INVAL, "the communicator is not set up%s%s", c && c->why_not[0] ? ": " : "",
                       c ? c->why_not : "");
    int coll = collective ? vc_coll_by_name(collective) : -1;
    if (coll < 0 || coll >= VC_COLL_COUNT || !choice)
        return vc_fail(VC_ERR_INVAL, "\"%s\" is not a collective that is accelerated",
                       collective ? collective : "");
    if (!(vc_params.colls & 1u << coll))
        return vc_fail(VC_ERR_INVAL, "%s is not in VCOLL_COLLS", collective);
    int err = vc_choice_parse((enum vc_coll)coll, choice, &want);
    return err == VC_OK ? vc_team_force(c->team, (enum vc_coll)coll, &want) : err;
}

int vcoll_comm_force(const void *comm, const char *collective, const char *choice, char *why,
                     unsigned long why_len)
{
    return force(find_comm(comm), collective, choice) == VC_OK ? 0 : fail_with_text(why, why_len);
}

static int moderate(const char *setting)
{
    static const char name[] = "CQ_MODERATION";
    struct vc_params p = vc_params;
    int n, err = VC_ERR_INVAL;
    const struct vc_param_def *defs = vc_param_defs(&n);
    if (!is_open() || !vc_fabric)
        return vc_fail(VC_ERR_UNSUPPORTED, "no messages go over verbs");
    for (int i = 0; setting && i < n; i++)
        if (strcmp(defs[i].name, name) == 0)
            err = defs[i].parse(&p, setting);
    if (!setting)
        return vc_fail(VC_ERR_INVAL, "no setting");
    if (err != VC_OK || !p.cq_moderation.given)
        return err;
    const struct vc_param_moderation *m = &p.cq_moderation;
    struct vc_cq_mod latency = {m->latency.count, m->latency.period}, bulk = {m->bulk.count, m->bulk.period};
    return vc_verbs_set_moderation(vc_fabric, &latency, &bulk);
}

int vcoll_cq_moderation(const char *setting, char *why, unsigned long why_len)
{
    return moderate(setting) == VC_OK ? 0 : fail_with_text(why, why_len);
}

const char *vcoll_table(unsigned long long *checksum)
{
    uint64_t sum = 0;
    const char *name = is_open() ? vc_table_in_use(&sum) : "";
    if (checksum)
        *checksum = sum;
    return name;
}

void vcoll_host_progress(void)
{
    vc_host_progress();
}
