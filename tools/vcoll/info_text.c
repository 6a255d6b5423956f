/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info` for people: short lines, plain when piped. */
#include "tools/vcoll/info.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LABEL = 16 }; /* columns of "  label" before its value */

static bool colors;
static int columns;

static const char *bold(void)
{
    return colors ? "\033[1m" : "";
}
static const char *plain(void)
{
    return colors ? "\033[0m" : "";
}

static void heading(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void heading(const char *fmt, ...)
{
    va_list ap;
    printf("\n%s", bold());
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("%s\n", plain());
}

/* Text from the current column on, which is `indent`; further lines begin there. */
static void wrapped(int indent, const char *text)
{
    int at = indent;
    for (const char *s = text; *s;) {
        int n = (int)strcspn(s, " ");
        if (at > indent && at + n + 1 > columns) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", n, s);
        at += n;
        s += n;
        s += strspn(s, " ");
    }
    putchar('\n');
}

static void line(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(const char *label, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    printf("  %-*s", LABEL - 2, label);
    wrapped(LABEL, text);
}

static void human_bytes(unsigned long long bytes, char *buf, size_t len)
{
    if (bytes >= 1ull << 20)
        snprintf(buf, len, "%.4g MiB", (double)bytes / (1 << 20));
    else
        snprintf(buf, len, "%.4g KiB", (double)bytes / 1024);
}

static void print_platform(const struct info *info)
{
    const struct vc_platform *p = &info->platform;
    heading("Platform");
    line("class", "%s: %s", vc_platform_class_name(p->class), vc_platform_class_text(p->class));
    line("hypervisor", "%s (%s)", p->hypervisor, p->evidence);
    if (p->vendor[0] || p->product[0])
        line("machine", "%s %s", p->vendor, p->product);
    line("container", "%s", p->container ? "yes" : "no sign of one");
    line("network", "%s", p->network);

    char list[256];
    info_cpu_list(&info->cpu_set, list, sizeof list);
    heading("CPUs for this process");
    line("allowed", "%d (%s)", info->cpus_allowed, list);
    if (isinf(info->quota))
        line("quota", "none seen in the control groups");
    else
        line("quota", "%.2f CPUs, by the control groups", info->quota);
    line("available", "%.4g", info->available);
    if (info->stolen >= 0)
        line("stolen", "%.2f %% of all CPU time since boot went to other virtual machines",
             100 * info->stolen);
}

static void print_sriov(const struct info *info)
{
    heading("SR-IOV requirements");
    for (int i = 0; i < VC_SRIOV_REQUIREMENTS; i++) {
        const struct vc_requirement *r = &info->sriov[i];
        const char *color = !colors                            ? ""
                            : r->finding == VC_FINDING_FOUND   ? "\033[32m"
                            : r->finding == VC_FINDING_MISSING ? "\033[31m"
                                                               : "\033[33m";
        printf("  %-36s%s%s%s\n    ", r->name, color, vc_finding_text(r->finding), plain());
        wrapped(4, r->reason);
    }
}

/* `before`: text that goes before it in the same paragraph. */
static void coalesce_line(const char *before, const struct info_coalesce *c)
{
    char values[256];
    line("", "%scoalescing: %s", before,
         c->reported ? vc_coalesce_text(&c->value, values, sizeof values) : c->reason);
}

static void print_topology(const struct info *info)
{
    heading("Topology (hwloc)");
    if (!info->have_topology) {
        line("", "hwloc cannot tell");
    } else {
        if (info->cpu_model[0])
            line("processor", "%s", info->cpu_model);
        line("machine", "%d package%s, %d NUMA node%s, %d core%s, %d CPU%s", info->packages,
             info->packages == 1 ? "" : "s", info->numa_nodes, info->numa_nodes == 1 ? "" : "s", info->cores,
             info->cores == 1 ? "" : "s", info->pus, info->pus == 1 ? "" : "s");
        for (int i = 0; i < info->ncaches; i++) {
            const struct info_cache *c = &info->cache[i];
            char size[32], label[16];
            human_bytes(c->bytes, size, sizeof size);
            snprintf(label, sizeof label, "L%d %s", c->level, c->type[0] == 'i' ? "code" : c->type);
            line(label, "%d x %s, each for %d CPU%s", c->count, size, c->pus, c->pus == 1 ? "" : "s");
        }
        if (info->platform.guest)
            line("note",
                 "hypervisors often show guests wrong caches, cores and NUMA nodes; take this as a first "
                 "guess");
    }

    heading("Network adapters (PCI)");
    if (info->nnics == 0)
        line("", "none");
    for (int i = 0; i < info->nnics; i++) {
        const struct vc_nic *n = &info->nic[i];
        char more[96] = "";
        if (n->totalvfs >= 0)
            snprintf(more, sizeof more, ", %d of %d virtual functions on", n->numvfs < 0 ? 0 : n->numvfs,
                     n->totalvfs);
        line(n->bdf, "%04x:%04x%s%s, %s%s%s%s%s%s%s%s", n->vendor, n->device, n->model[0] ? " " : "",
             n->model, vc_nic_kind_text(n->kind), n->driver[0] ? ", driver " : "", n->driver,
             n->netdev[0] ? ", interface " : "", n->netdev, n->rdma[0] ? ", RDMA " : "", n->rdma, more);
        if (info->nic_coalesce[i].netdev[0])
            coalesce_line("", &info->nic_coalesce[i]);
    }

    heading("RDMA devices");
    if (info->nrdma == 0)
        line("", "none (/sys/class/infiniband is empty or not there)");
    for (int i = 0; i < info->nrdma; i++) {
        const struct vc_rdma_dev *d = &info->rdma[i];
        line(d->name, "%s%s%s%s%s", d->driver[0] ? d->driver : "driver unknown", d->model[0] ? ", " : "",
             d->model, d->firmware[0] ? ", firmware " : "", d->firmware);
        char model[VC_TABLE_DEVICE];
        line("", "\"device\": \"%s\" in tuning tables", vc_rdma_model(NULL, d->name, model, sizeof model));
        line("", "node GUID %s, system image GUID %s", d->node_guid[0] ? d->node_guid : "unknown",
             d->sys_image_guid[0] ? d->sys_image_guid : "unknown");
        for (int k = 0; k < d->nports; k++) {
            const struct info_coalesce *c = &info->rdma_coalesce[i][k];
            char before[VC_NETDEV_NAME + 64];
            line("", "port %d: %s, %s, %s", d->port[k].number, d->port[k].state, d->port[k].link_layer,
                 d->port[k].rate);
            snprintf(before, sizeof before, "port %d: interface %s, ", d->port[k].number, c->netdev);
            if (c->netdev[0])
                coalesce_line(before, c);
            else
                line("", "port %d: no network interface known", d->port[k].number);
        }
    }

    heading("Verbs channel (%s)", info->verbs.library);
    info_verbs_text(&info->verbs, line);

    heading("Tuning table");
    info_table_text(&info->table, line);

    heading("Software");
    line("MPI", "%s (MPI %d.%d)", info->mpi_library, info->mpi_version, info->mpi_subversion);
    line("reductions", "kernels for %s", info->isa);
}

static void print_params(const struct info *info)
{
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    heading("Parameters (environment VCOLL_NAME=value, or NAME=value in /etc/vcoll.conf or "
            "~/.config/vcoll/vcoll.conf)");
    for (int i = 0; i < n; i++) {
        const struct vc_param_value *v = &info->value[i];
        const char *deflt = d[i].deflt[0] ? d[i].deflt : "none";
        bool changed = v->origin != VC_FROM_DEFAULT;
        printf("  %sVCOLL_%s = %s%s", changed ? bold() : "", d[i].name, v->text[0] ? v->text : "none",
               changed ? plain() : "");
        if (changed)
            printf("   (from %s; default %s)\n", vc_param_origin_text(v->origin), deflt);
        else
            printf("   (default)\n");
        printf("      ");
        wrapped(6, d[i].help);
        printf("      Valid: ");
        wrapped(13, d[i].values);
    }
    if (info->report.error[0])
        line("error", "%s", info->report.error);
}

static void print_algorithm(const struct vc_alg *a)
{
    enum { INDENT = 28 };
    printf("  %-*s", INDENT - 2, a->name);
    if (strlen(a->name) >= INDENT - 2)
        printf("\n%*s", INDENT, "");
    wrapped(INDENT, a->help);
    for (unsigned bit = 1; bit <= VC_PLACEMENT_FREE; bit <<= 1) {
        if (!(a->restrictions & bit))
            continue;
        printf("%*s- ", INDENT, "");
        wrapped(INDENT + 2, vc_restriction_text((enum vc_restriction)bit));
    }
    if (a->params) {
        printf("%*s- parameters:%s%s%s\n", INDENT, "", a->params & VC_PARAM_RADIX ? " radix" : "",
               a->params & VC_PARAM_SEGMENT ? " segment" : "",
               a->params & VC_PARAM_LEADERS ? " leaders" : "");
    }
}

static void print_algorithms(void)
{
    heading("Algorithms (force one with VCOLL_ALG=collective=name[:parameter=value])");
    for (int c = 0; c < VC_COLL_ACCELERATED; c++) {
        printf(" %s%s%s\n", bold(), vc_coll_name((enum vc_coll)c), plain());
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            print_algorithm(*a);
    }
    printf(" Passed through to the MPI underneath:");
    for (int c = VC_COLL_ACCELERATED; c < VC_COLL_COUNT; c++)
        printf("%s%s", (c - VC_COLL_ACCELERATED) % 6 == 0 ? "\n   " : " ", vc_coll_name((enum vc_coll)c));
    printf("\n");
}

void info_print_text(const struct info *info, bool color, int width)
{
    colors = color;
    columns = width;
    printf("%svcoll %s%s\n", bold(), VC_VERSION, plain());
    if (info->sections & INFO_PLATFORM) {
        print_platform(info);
        print_sriov(info);
        print_topology(info);
    }
    if (info->sections & INFO_SETTINGS)
        print_params(info);
    if (info->sections & INFO_ALGORITHMS)
        print_algorithms();
}
