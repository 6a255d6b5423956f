/* SPDX-License-Identifier: BSD-3-Clause */
/* What vcoll finds on this machine, as JSON. */
#include "tools/info/info.h"

#include "coll/kernels/kernels.h"
#include "tools/facts/facts.h"
#include "tools/print/terminal.h"
#include "transport/base.h"
#include "transport/shm/map.h"
#include "transport/topology/coalesce.h"
#include "transport/topology/cpus.h"
#include "transport/topology/platform.h"
#include "transport/topology/rdma.h"
#include "transport/topology/sriov.h"

#include <errno.h>
#include <hwloc.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

enum { NICS = 64, DEVICES = 32 };

/* Null below 0. */
static json_t *number_or_null(double n, json_t *number)
{
    if (n >= 0 && !isinf(n))
        return number;
    json_decref(number);
    return json_null();
}

static json_t *count_or_null(int n)
{
    return number_or_null(n, json_integer(n));
}

static json_t *real_or_null(double v)
{
    return number_or_null(v, json_real(isinf(v) ? -1 : v));
}

/* ---- platform ---- */

static json_t *platform_json(const struct vc_platform *p)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:o, s:b, s:o, s:o, s:o}", "class",
                     vc_platform_class_name(p->class), "description", vc_platform_class_text(p->class),
                     "guest", (int)p->guest, "hypervisor", p->hypervisor, "evidence",
                     json_text_or_null(p->evidence), "container", (int)p->container, "vendor",
                     json_text_or_null(p->vendor), "product", json_text_or_null(p->product), "network",
                     json_text_or_null(p->network));
}

/* CPUs as "0-3,8". */
static void list_cpus(const cpu_set_t *set, char *buf, size_t len)
{
    size_t used = 0;
    buf[0] = '\0';
    for (int i = 0; i < CPU_SETSIZE && used < len; i++) {
        if (!CPU_ISSET(i, set))
            continue;
        int last = i;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        used +=
            (size_t)snprintf(buf + used, len - used, last > i ? "%s%d-%d" : "%s%d", used ? "," : "", i, last);
        i = last;
    }
}

static json_t *cpus_json(void)
{
    cpu_set_t set;
    char list[1024];
    int allowed = vc_cpus_allowed(&set);
    list_cpus(&set, list, sizeof list);
    return json_pack("{s:i, s:s, s:o, s:f, s:o}", "allowed", allowed, "list", list, "quota",
                     real_or_null(vc_cpus_quota(NULL)), "available", vc_cpus_available(), "stolen_share",
                     real_or_null(facts_stolen(NULL)));
}

static json_t *sriov_json(const struct vc_platform *p, const struct vc_nic *nic, int nnics)
{
    static const char *const finding[] = {"found", "missing", "unknown"};
    struct vc_requirement r[VC_SRIOV_REQUIREMENTS];
    json_t *all = json_array();
    vc_sriov_check(NULL, p, nic, nnics, r);
    for (int i = 0; i < VC_SRIOV_REQUIREMENTS; i++)
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:o}", "requirement", r[i].key, "name",
                                             r[i].name, "finding", finding[r[i].finding], "reason",
                                             json_text_or_null(r[i].reason)));
    return all;
}

/* ---- topology ---- */

/* Caches of one level and type that have the same size and number of CPUs are one entry, which counts them.
 */
static void add_cache(json_t *caches, const hwloc_obj_t cache)
{
    const char *type = cache->attr->cache.type == HWLOC_OBJ_CACHE_DATA          ? "data"
                       : cache->attr->cache.type == HWLOC_OBJ_CACHE_INSTRUCTION ? "instruction"
                                                                                : "unified";
    json_t *new = json_pack("{s:i, s:s, s:I, s:i, s:i}", "level", (int)cache->attr->cache.depth, "type", type,
                            "bytes", (json_int_t)cache->attr->cache.size, "count", 1, "cpus",
                            hwloc_bitmap_weight(cache->cpuset)),
           *had;
    size_t i;
    json_array_foreach(caches, i, had)
    {
        json_t *n = json_object_get(had, "count");
        json_object_set(new, "count", n);
        if (json_equal(new, had)) {
            json_integer_set(n, json_integer_value(n) + 1);
            json_decref(new);
            return;
        }
    }
    json_object_set_new(new, "count", json_integer(1));
    json_array_append_new(caches, new);
}

static json_t *topology_json(bool guest)
{
    static const hwloc_obj_type_t cache_types[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L1ICACHE, HWLOC_OBJ_L2CACHE,
                                                   HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE};
    hwloc_topology_t topo;
    json_t *all = NULL;
    if (hwloc_topology_init(&topo) != 0)
        return json_null();
    /* All CPUs of the machine, not those of this process only. */
    hwloc_topology_set_flags(topo, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    hwloc_topology_set_icache_types_filter(topo, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topo) == 0) {
        hwloc_obj_t package = hwloc_get_obj_by_type(topo, HWLOC_OBJ_PACKAGE, 0);
        const char *model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
        json_t *caches = json_array();
        for (size_t t = 0; t < sizeof cache_types / sizeof cache_types[0]; t++)
            for (hwloc_obj_t c = NULL; (c = hwloc_get_next_obj_by_type(topo, cache_types[t], c)) != NULL;)
                add_cache(caches, c);
        all = json_pack(
            "{s:o, s:i, s:i, s:i, s:i, s:o, s:b}", "processor", json_text_or_null(model ? model : ""),
            "packages", hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_PACKAGE), "numa_nodes",
            hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_NUMANODE), "cores",
            hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_CORE), "cpus",
            hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_PU), "caches", caches, "may_be_wrong", (int)guest);
    }
    hwloc_topology_destroy(topo);
    return all ? all : json_null();
}

/* ---- devices ---- */

/* Fields that the driver does not report are null; so is the whole when it reports none, and then a reason is
 * given. */
static void add_coalescing(json_t *to, const char *netdev)
{
    struct vc_coalesce c = {0};
    json_t *all = json_null(), *reason = json_null();
    int rc = netdev[0] ? vc_coalesce_get(NULL, netdev, &c) : VC_ERR_INVAL;
    if (rc == VC_ERR_UNSUPPORTED && errno == EOPNOTSUPP)
        reason = json_string("not reported by the driver");
    else if (rc != VC_OK && netdev[0])
        reason = json_text(vc_error_text());
    if (rc == VC_OK)
        all = json_object();
    for (int i = 0; rc == VC_OK && i < VC_COALESCE_FIELDS; i++) {
        enum vc_coalesce_field f = (enum vc_coalesce_field)i;
        char key[32];
        snprintf(key, sizeof key, "%s", vc_coalesce_name(f));
        for (char *s = key; (s = strchr(s, '-')) != NULL;)
            *s = '_';
        json_object_set_new(all, key,
                            !vc_coalesce_has(&c, f)    ? json_null()
                            : vc_coalesce_is_switch(f) ? json_boolean(c.value[f])
                                                       : json_integer(c.value[f]));
    }
    json_object_set_new(to, "coalescing", all);
    json_object_set_new(to, "coalescing_reason", reason);
}

static json_t *nics_json(const struct vc_nic *nic, int n)
{
    static const char *const kind[] = {"physical", "vf", "software"};
    json_t *all = json_array();
    for (int i = 0; i < n; i++) {
        char vendor[16], device[16];
        snprintf(vendor, sizeof vendor, "%04x", nic[i].vendor);
        snprintf(device, sizeof device, "%04x", nic[i].device);
        json_t *o =
            json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "address", nic[i].bdf,
                      "vendor", vendor, "device", device, "kind", kind[nic[i].kind], "model",
                      json_text_or_null(nic[i].model), "driver", json_text_or_null(nic[i].driver),
                      "interface", json_text_or_null(nic[i].netdev), "rdma", json_text_or_null(nic[i].rdma),
                      "total_vfs", count_or_null(nic[i].totalvfs), "vfs", count_or_null(nic[i].numvfs), "ari",
                      count_or_null(nic[i].ari), "iommu_group", count_or_null(nic[i].iommu_group));
        add_coalescing(o, nic[i].netdev);
        json_array_append_new(all, o);
    }
    return all;
}

static json_t *rdma_json(const struct vc_rdma_dev *dev, int n)
{
    json_t *all = json_array();
    for (const struct vc_rdma_dev *d = dev; d < dev + n; d++) {
        json_t *ports = json_array();
        for (int k = 0; k < d->nports; k++) {
            char netdev[VC_NETDEV_NAME];
            vc_rdma_netdev(NULL, d->name, d->port[k].number, netdev, sizeof netdev);
            json_t *o = json_pack("{s:i, s:o, s:o, s:o, s:o}", "port", d->port[k].number, "state",
                                  json_text_or_null(d->port[k].state), "link_layer",
                                  json_text_or_null(d->port[k].link_layer), "rate",
                                  json_text_or_null(d->port[k].rate), "interface", json_text_or_null(netdev));
            add_coalescing(o, netdev);
            json_array_append_new(ports, o);
        }
        char model[VC_TABLE_DEVICE];
        vc_rdma_model(NULL, d->name, model, sizeof model);
        json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", d->name,
                                             "table_device", model, "driver", json_text_or_null(d->driver),
                                             "model", json_text_or_null(d->model), "firmware",
                                             json_text_or_null(d->firmware), "node_guid",
                                             json_text_or_null(d->node_guid), "sys_image_guid",
                                             json_text_or_null(d->sys_image_guid), "address",
                                             json_text_or_null(d->bdf), "ports", ports));
    }
    return all;
}

/* ---- the verbs channel ---- */

static json_t *chosen_json(const struct vc_verbs_dev *d)
{
    char gid[40], pkey[8];
    const char *kind = d->gid_type == IBV_GID_TYPE_ROCE_V2   ? "RoCE v2"
                       : d->gid_type == IBV_GID_TYPE_ROCE_V1 ? "RoCE v1"
                                                             : "InfiniBand";
    int mtu = d->mtu >= IBV_MTU_256 && d->mtu <= IBV_MTU_4096 ? 128 << d->mtu : 0;
    snprintf(pkey, sizeof pkey, "0x%04x", d->pkey);
    json_t *moderation = d->cq_mod_count || d->cq_mod_period
                             ? json_pack("{s:i, s:i}", "max_count", (int)d->cq_mod_count, "max_period_us",
                                         (int)d->cq_mod_period)
                             : json_null();
    json_t *address = d->gid_index >= 0 ? json_pack("{s:i, s:s, s:s}", "index", d->gid_index, "gid",
                                                    vc_verbs_gid_text(&d->gid, gid, sizeof gid), "kind", kind)
                                        : json_null();
    json_t *limits = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I}", "queue_pairs", d->attr.max_qp,
                               "work_requests", d->attr.max_qp_wr, "completion_queues", d->attr.max_cq,
                               "completion_queue_entries", d->attr.max_cqe, "memory_regions", d->attr.max_mr,
                               "shared_receive_queues", d->attr.max_srq, "shared_receive_queue_entries",
                               d->attr.max_srq_wr, "message_bytes", (json_int_t)d->max_msg);
    return json_pack("{s:s, s:i, s:s, s:b, s:i, s:o, s:i, s:s, s:i, s:o, s:o, s:b, s:b, s:b, s:b, s:o}",
                     "name", d->name, "port", d->port, "link_layer", d->roce ? "Ethernet" : "InfiniBand",
                     "software", (int)d->software, "lid", (int)d->lid, "gid", address, "mtu", mtu, "pkey",
                     pkey, "pkey_index", d->pkey_index, "limits", limits, "moderation", moderation,
                     "fork_safe", (int)d->fork_safe, "fork_breaks", (int)d->fork_breaks,
                     "shared_receive_queues", (int)(d->attr.max_srq > 0), "ignores_inline",
                     (int)d->ignores_inline, "traffic_class", d->tc > 0 ? json_integer(d->tc) : json_null());
}

static json_t *verbs_json(const struct vc_params *params)
{
    static struct facts_verbs v;
    json_t *over = json_array();
    facts_verbs(params, &v);
    for (int i = 0; i < v.n; i++)
        if (!v.list[i].chosen)
            json_array_append_new(over, json_pack("{s:s, s:o, s:o}", "device", v.list[i].device, "port",
                                                  v.list[i].port ? json_integer(v.list[i].port) : json_null(),
                                                  "reason", json_text_or_null(v.list[i].why)));
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:{s:o, s:I, s:i}, s:{s:b, s:o}}", "library", v.library,
                     "wanted", (int)v.wanted, "error", json_text_or_null(v.error), "device",
                     v.err == VC_OK ? chosen_json(&v.dev) : json_null(), "passed_over", over, "locked_memory",
                     "limit", v.lock_any ? json_null() : json_integer((json_int_t)v.lock_limit), "needed",
                     (json_int_t)v.need.locked, "ranks", FACTS_RANKS, "registration_cache", "works",
                     (int)v.regcache, "reason", json_text_or_null(v.regcache_why));
}

/* ---- the tuning table ---- */

static json_t *suggestion_json(const struct facts_suggestion *s)
{
    json_t *coalescing = s->coalesce.has ? json_object() : json_null(), *cq = json_null();
    for (int i = 0; i < VC_COALESCE_FIELDS; i++) {
        enum vc_coalesce_field f = (enum vc_coalesce_field)i;
        if (vc_coalesce_has(&s->coalesce, f))
            json_object_set_new(coalescing, vc_coalesce_name(f),
                                vc_coalesce_is_switch(f) ? json_boolean(s->coalesce.value[f])
                                                         : json_integer(s->coalesce.value[f]));
    }
    if (s->cq.given)
        cq = json_sprintf("latency=%u:%u,bulk=%u:%u", s->cq.latency.count, s->cq.latency.period,
                          s->cq.bulk.count, s->cq.bulk.period);
    return json_pack("{s:s, s:i, s:s, s:o, s:o}", "device", s->device, "row", s->row, "when", s->when,
                     "cq_moderation", cq, "coalescing", coalescing);
}

static json_t *table_json(const struct vc_params *params, enum vc_platform_class platform,
                          const struct vc_rdma_dev *rdma, int nrdma)
{
    static struct facts_table t;
    json_t *all = json_array();
    facts_table(params, platform, rdma, nrdma, &t);
    for (int i = 0; i < t.n; i++)
        json_array_append_new(all, suggestion_json(&t.suggestion[i]));
    return json_pack("{s:o, s:s, s:i, s:i, s:o, s:o}", "name", json_text(t.name), "checksum", t.checksum,
                     "rules", t.rules, "device_rows", t.devices, "error", json_text_or_null(t.error),
                     "suggestions", all);
}

/* ---- all of it ---- */

static json_t *mpi_json(void)
{
    /* Both may be called before MPI_Init. */
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int len = 0, version = 0, subversion = 0;
    if (MPI_Get_library_version(text, &len) != MPI_SUCCESS)
        len = 0;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    MPI_Get_version(&version, &subversion);
    return json_pack("{s:o, s:i, s:i}", "library", json_text_or_null(text), "version", version, "subversion",
                     subversion);
}

/* ---- costs ---- */

/* Figures that are not known are null. */
static json_t *costs_json(const struct vc_params *params)
{
    struct vc_costs_file file;
    char dir[256];
    vc_costs_dir(dir, sizeof dir);
    bool known = facts_costs(&file);
    json_t *figures = json_object();
    for (size_t i = 0; known && i < VC_COSTS_COUNT; i++)
        json_object_set_new(figures, vc_cost_info[i].name,
                            count_or_null(vc_cost(&file.costs, i) ? (int)vc_cost(&file.costs, i) : -1));
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "used", params->calibrate != VC_CALIBRATE_OFF, "directory",
                     json_text_or_null(dir), "file", json_text_or_null(known ? file.path : ""), "measured",
                     json_text_or_null(known ? file.measured : ""), "figures", figures);
}

/* ---- mapped memory ---- */

/* Whether ranks here could map each other's memory, as far as one process can tell. */
static json_t *xpmem_json(const struct vc_params *params)
{
    int64_t segment;
    bool there = vc_map_init(&segment) == VC_OK;
    json_t *o = json_pack("{s:b, s:b, s:o}", "wanted", params->xpmem && params->cma, "there", there, "reason",
                          json_text_or_null(there ? "" : vc_error_text()));
    vc_map_fini();
    return o;
}

/* ---- memory that machines share ---- */

static json_t *ivshmem_json(const struct vc_params *params)
{
    struct facts_host f;
    facts_host(NULL, params, false, &f);
    json_t *o =
        json_pack("{s:b, s:b, s:o, s:i, s:i}", "wanted", f.wanted, "usable", f.err == VC_OK, "error",
                  json_text_or_null(f.wanted ? f.error : ""), "plain", f.plain, "doorbell", f.doorbell);
    if (f.err == VC_OK)
        json_object_update_new(o, json_pack("{s:s, s:I, s:i, s:i, s:i}", "name", f.name, "bytes",
                                            (json_int_t)f.bytes, "line_ns", (int)f.line_ns, "held", f.held,
                                            "leases", FACTS_LEASES));
    facts_host_close(&f);
    return o;
}

void info_machine(json_t *to, const struct vc_params *params)
{
    static struct vc_platform platform;
    static struct vc_nic nic[NICS];
    static struct vc_rdma_dev rdma[DEVICES];
    vc_platform_detect(NULL, NULL, &platform);
    int nnics = vc_nics_scan(NULL, platform.guest, nic, NICS), nrdma = vc_rdma_scan(NULL, rdma, DEVICES);
    json_object_set_new(to, "platform", platform_json(&platform));
    json_object_set_new(to, "cpus", cpus_json());
    json_object_set_new(to, "sriov", sriov_json(&platform, nic, nnics));
    json_object_set_new(to, "nics", nics_json(nic, nnics));
    json_object_set_new(to, "ivshmem", ivshmem_json(params));
    json_object_set_new(to, "topology", topology_json(platform.guest));
    info_levels(to, params, platform.class);
    json_object_set_new(to, "rdma", rdma_json(rdma, nrdma));
    json_object_set_new(to, "verbs", verbs_json(params));
    json_object_set_new(to, "table", table_json(params, platform.class, rdma, nrdma));
    json_object_set_new(to, "costs", costs_json(params));
    json_object_set_new(to, "xpmem", xpmem_json(params));
    json_object_set_new(to, "mpi", mpi_json());
    json_object_set_new(to, "kernels", json_pack("{s:s}", "isa", vc_kernel_isa()));
}
