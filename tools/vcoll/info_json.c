/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info --json`. Keys are an interface: they may be added, not renamed. What is unknown is null. */
#include "tools/vcoll/info.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Text of a file or device may hold any bytes; JSON may not. */
static json_t *text(const char *s)
{
    json_t *j = s[0] ? json_string(s) : json_null();
    if (j)
        return j;
    char clean[512];
    size_t n = 0;
    for (; *s && n < sizeof clean - 1; s++)
        clean[n++] = (unsigned char)*s < 0x80 ? *s : '?';
    clean[n] = '\0';
    return json_string(clean);
}

static json_t *count(int n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *platform(const struct info *info)
{
    const struct vc_platform *p = &info->platform;
    return json_pack("{s:s, s:s, s:b, s:s, s:o, s:b, s:o, s:o, s:o}", "class",
                     vc_platform_class_name(p->class), "description", vc_platform_class_text(p->class),
                     "guest", (int)p->guest, "hypervisor", p->hypervisor, "evidence", text(p->evidence),
                     "container", (int)p->container, "vendor", text(p->vendor), "product", text(p->product),
                     "network", text(p->network));
}

static json_t *cpus(const struct info *info)
{
    char list[1024];
    info_cpu_list(&info->cpu_set, list, sizeof list);
    return json_pack("{s:i, s:s, s:o, s:f, s:o}", "allowed", info->cpus_allowed, "list", list, "quota",
                     isinf(info->quota) ? json_null() : json_real(info->quota), "available", info->available,
                     "stolen_share", info->stolen < 0 ? json_null() : json_real(info->stolen));
}

static json_t *sriov(const struct info *info)
{
    static const char *const finding[] = {"found", "missing", "unknown"};
    json_t *all = json_array();
    for (int i = 0; i < VC_SRIOV_REQUIREMENTS; i++) {
        const struct vc_requirement *r = &info->sriov[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:o}", "requirement", r->key, "name", r->name,
                                             "finding", finding[r->finding], "reason", text(r->reason)));
    }
    return all;
}

/* Fields the driver does not report are null; so is the whole when it reports none. */
static json_t *coalescing(const struct info_coalesce *c)
{
    if (!c->netdev[0] || !c->reported)
        return json_null();
    json_t *all = json_object();
    for (int i = 0; i < VC_COALESCE_FIELDS; i++) {
        enum vc_coalesce_field f = (enum vc_coalesce_field)i;
        char key[32];
        snprintf(key, sizeof key, "%s", vc_coalesce_name(f));
        for (char *s = key; (s = strchr(s, '-')) != NULL;)
            *s = '_';
        json_object_set_new(all, key,
                            !vc_coalesce_has(&c->value, f) ? json_null()
                            : vc_coalesce_is_switch(f)     ? json_boolean(c->value.value[f])
                                                           : json_integer(c->value.value[f]));
    }
    return all;
}

static json_t *nics(const struct info *info)
{
    static const char *const kind[] = {"physical", "vf", "software"};
    json_t *all = json_array();
    for (int i = 0; i < info->nnics; i++) {
        const struct vc_nic *n = &info->nic[i];
        char vendor[16], device[16];
        snprintf(vendor, sizeof vendor, "%04x", n->vendor);
        snprintf(device, sizeof device, "%04x", n->device);
        json_array_append_new(
            all, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                           "address", n->bdf, "vendor", vendor, "device", device, "kind", kind[n->kind],
                           "model", text(n->model), "driver", text(n->driver), "interface", text(n->netdev),
                           "rdma", text(n->rdma), "total_vfs", count(n->totalvfs), "vfs", count(n->numvfs),
                           "ari", count(n->ari), "iommu_group", count(n->iommu_group), "coalescing",
                           coalescing(&info->nic_coalesce[i]), "coalescing_reason",
                           text(info->nic_coalesce[i].reason)));
    }
    return all;
}

static json_t *topology(const struct info *info)
{
    if (!info->have_topology)
        return json_null();
    json_t *caches = json_array();
    for (int i = 0; i < info->ncaches; i++) {
        const struct info_cache *c = &info->cache[i];
        json_array_append_new(caches,
                              json_pack("{s:i, s:s, s:I, s:i, s:i}", "level", c->level, "type", c->type,
                                        "bytes", (json_int_t)c->bytes, "count", c->count, "cpus", c->pus));
    }
    return json_pack("{s:o, s:i, s:i, s:i, s:i, s:o, s:b}", "processor", text(info->cpu_model), "packages",
                     info->packages, "numa_nodes", info->numa_nodes, "cores", info->cores, "cpus", info->pus,
                     "caches", caches, "may_be_wrong", (int)info->platform.guest);
}

static json_t *rdma(const struct info *info)
{
    json_t *all = json_array();
    for (int i = 0; i < info->nrdma; i++) {
        const struct vc_rdma_dev *d = &info->rdma[i];
        json_t *ports = json_array();
        for (int k = 0; k < d->nports; k++)
            json_array_append_new(
                ports, json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "port", d->port[k].number, "state",
                                 text(d->port[k].state), "link_layer", text(d->port[k].link_layer), "rate",
                                 text(d->port[k].rate), "interface", text(info->rdma_coalesce[i][k].netdev),
                                 "coalescing", coalescing(&info->rdma_coalesce[i][k]), "coalescing_reason",
                                 text(info->rdma_coalesce[i][k].reason)));
        char model[VC_TABLE_DEVICE];
        vc_rdma_model(NULL, d->name, model, sizeof model);
        json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", d->name,
                                             "table_device", model, "driver", text(d->driver), "model",
                                             text(d->model), "firmware", text(d->firmware), "node_guid",
                                             text(d->node_guid), "sys_image_guid", text(d->sys_image_guid),
                                             "address", text(d->bdf), "ports", ports));
    }
    return all;
}

static json_t *parameters(const struct info *info)
{
    static const char *const origin[] = {"default", "system_file", "user_file", "environment"};
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    json_t *all = json_array();
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "VCOLL_%s", d[i].name);
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "name", name, "default",
                                             d[i].deflt, "value", info->value[i].text, "origin",
                                             origin[info->value[i].origin], "valid", d[i].values, "help",
                                             d[i].help, "may_differ_between_ranks", (int)d[i].local));
    }
    return all;
}

static json_t *algorithms(void)
{
    static const char *const kind[] = {"native", "node", "plan"};
    static const struct {
        unsigned bit;
        const char *name;
    } param[] = {{VC_PARAM_RADIX, "radix"}, {VC_PARAM_SEGMENT, "segment"}, {VC_PARAM_LEADERS, "leaders"}};
    json_t *all = json_object();
    for (int c = 0; c < VC_COLL_ACCELERATED; c++) {
        json_t *list = json_array();
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++) {
            json_t *restrictions = json_array(), *params = json_array();
            for (unsigned bit = 1; bit < VC_PLACEMENT_FREE; bit <<= 1)
                if ((*a)->restrictions & bit)
                    json_array_append_new(restrictions,
                                          json_string(vc_restriction_text((enum vc_restriction)bit)));
            for (size_t i = 0; i < sizeof param / sizeof param[0]; i++)
                if ((*a)->params & param[i].bit)
                    json_array_append_new(params, json_string(param[i].name));
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:o, s:o, s:b}", "name", (*a)->name, "kind",
                                            kind[(*a)->kind], "help", (*a)->help, "restrictions",
                                            restrictions, "parameters", params, "placement_free",
                                            ((*a)->restrictions & VC_PLACEMENT_FREE) != 0));
        }
        json_object_set_new(all, vc_coll_name((enum vc_coll)c), list);
    }
    return all;
}

static json_t *warnings(const struct info *info)
{
    json_t *all = json_array();
    for (const char *w = info->report.warnings; *w;) {
        size_t len = strcspn(w, "\n");
        json_array_append_new(all, json_stringn(w, len));
        w += len + (w[len] == '\n');
    }
    return all;
}

bool info_print_json(const struct info *info)
{
    json_t *j = json_pack("{s:{s:s}}", "vcoll", "version", VC_VERSION);
    if (info->sections & INFO_PLATFORM) {
        json_object_set_new(j, "platform", platform(info));
        json_object_set_new(j, "cpus", cpus(info));
        json_object_set_new(j, "sriov", sriov(info));
        json_object_set_new(j, "nics", nics(info));
        json_object_set_new(j, "topology", topology(info));
        json_object_set_new(j, "rdma", rdma(info));
        json_object_set_new(j, "verbs", info_verbs_json(&info->verbs));
        json_object_set_new(j, "table", info_table_json(&info->table));
        json_object_set_new(j, "mpi",
                            json_pack("{s:o, s:i, s:i}", "library", text(info->mpi_library), "version",
                                      info->mpi_version, "subversion", info->mpi_subversion));
        json_object_set_new(j, "kernels", json_pack("{s:s}", "isa", info->isa));
    }
    if (info->sections & INFO_SETTINGS) {
        json_object_set_new(j, "parameters", parameters(info));
        json_object_set_new(j, "error", text(info->report.error));
        json_object_set_new(j, "warnings", warnings(info));
    }
    if (info->sections & INFO_ALGORITHMS)
        json_object_set_new(j, "algorithms", algorithms());
    bool ok = j && json_dumpf(j, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n';
    json_decref(j);
    return ok;
}
