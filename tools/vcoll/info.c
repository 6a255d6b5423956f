/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info`: gathers what vcoll finds on this machine. The writers are in info_*.c. */
#include "tools/vcoll/info.h"

#include "coll/kernels/kernels.h"
#include "tools/vcoll/info_cost.h"
#include "tools/vcoll/tools.h"
#include "transport/base.h"
#include "transport/topology/cpus.h"
#include <argp.h>
#include <errno.h>
#include <hwloc.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- the words ---- */

enum { KEY_PLATFORM = 256, KEY_PARAMS, KEY_ALGORITHMS, KEY_COST, KEY_PPN, KEY_JSON, KEY_MARKDOWN, KEY_MAN };

static const struct argp_option options[] = {
    {"platform", KEY_PLATFORM, 0, 0, "platform, CPUs, SR-IOV requirements, topology, devices, MPI", 0},
    {"params", KEY_PARAMS, 0, 0, "parameters: default, current value, where it is from, what is valid", 0},
    {"algorithms", KEY_ALGORITHMS, 0, 0, "algorithms of each collective with their restrictions", 0},
    {"cost", KEY_COST, 0, 0, "queue pairs and memory that a rank needs of the verbs channel", 0},
    {0, 'n', "RANKS", 0, "with --cost: of a job of so many ranks, not of several sizes", 0},
    {"ppn", KEY_PPN, "RANKS", 0, "with --cost: ranks on each node, default 1", 0},
    {"json", KEY_JSON, 0, 0, "print JSON", 0},
    {"markdown", KEY_MARKDOWN, 0, 0, "with --params: the reference as Markdown", 0},
    {"man", KEY_MAN, 0, 0, "with --params: the reference as a piece of a man page", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] =
    "Shows what vcoll finds here. Without options everything; with one or more of --platform, --params and "
    "--algorithms only that; with --cost only the cost of a job."
    "\v"
    "Examples:\n"
    "  vcoll info                              all of it, for people\n"
    "  vcoll info --json | jq .platform.class  for programs\n"
    "  VCOLL_WAIT=poll vcoll info --params     is this setting understood?\n"
    "  vcoll info --cost -n 256 --ppn 16       what 256 ranks on 16 nodes take\n"
    "  mpirun -n 1 --host node7 vcoll info --platform\n"
    "                                          what another node says\n"
    "\n"
    "Exit status: 0; 1 when a setting or the tuning table is bad; 2 wrong words.";

struct request {
    unsigned sections;
    int writer; /* 0: text, else the key of an option */
    bool cost;
    int ranks, ppn; /* 0: not given */
};

static int ranks_of(const char *arg, const char *option, int lo, struct argp_state *state)
{
    char *end;
    errno = 0;
    long n = strtol(arg, &end, 10);
    if (errno != 0 || end == arg || *end || n < lo || n > COST_RANKS_MAX)
        argp_error(state, "%s %s: not a number of ranks, %d..%d", option, arg, lo, COST_RANKS_MAX);
    return (int)n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *r = state->input;
    switch (key) {
    case KEY_PLATFORM:
        r->sections |= INFO_PLATFORM;
        return 0;
    case KEY_PARAMS:
        r->sections |= INFO_SETTINGS;
        return 0;
    case KEY_ALGORITHMS:
        r->sections |= INFO_ALGORITHMS;
        return 0;
    case KEY_COST:
        r->cost = true;
        return 0;
    case 'n':
        r->ranks = ranks_of(arg, "-n", 2, state);
        return 0;
    case KEY_PPN:
        r->ppn = ranks_of(arg, "--ppn", 1, state);
        return 0;
    case KEY_JSON:
    case KEY_MARKDOWN:
    case KEY_MAN:
        if (r->writer && r->writer != key)
            argp_error(state, "only one of --json, --markdown and --man");
        r->writer = key;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not an option", arg);
        return 0;
    case ARGP_KEY_END:
        if ((r->writer == KEY_MARKDOWN || r->writer == KEY_MAN) && (r->sections != INFO_SETTINGS || r->cost))
            argp_error(state, "--markdown and --man need --params, and nothing else");
        if (r->cost && r->sections)
            argp_error(state, "--cost goes with -n, --ppn and --json only");
        if (!r->cost && (r->ranks || r->ppn))
            argp_error(state, "-n and --ppn belong to --cost");
        if (r->sections == 0)
            r->sections = INFO_ALL;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {.options = options, .parser = parse, .doc = doc};

/* ---- gathering ---- */

static void add_cache(struct info *info, const hwloc_obj_t cache)
{
    const char *type = cache->attr->cache.type == HWLOC_OBJ_CACHE_DATA          ? "data"
                       : cache->attr->cache.type == HWLOC_OBJ_CACHE_INSTRUCTION ? "instruction"
                                                                                : "unified";
    int pus = hwloc_bitmap_weight(cache->cpuset);
    for (int i = 0; i < info->ncaches; i++) {
        struct info_cache *c = &info->cache[i];
        if (c->level == (int)cache->attr->cache.depth && c->type == type &&
            c->bytes == cache->attr->cache.size && c->pus == pus) {
            c->count++;
            return;
        }
    }
    if (info->ncaches < INFO_CACHES)
        info->cache[info->ncaches++] =
            (struct info_cache){(int)cache->attr->cache.depth, type, cache->attr->cache.size, 1, pus};
}

static void gather_topology(struct info *info)
{
    static const hwloc_obj_type_t cache_types[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L1ICACHE, HWLOC_OBJ_L2CACHE,
                                                   HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE};
    hwloc_topology_t topo;
    if (hwloc_topology_init(&topo) != 0)
        return;
    /* All CPUs of the machine, not those of this process only. */
    hwloc_topology_set_flags(topo, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    hwloc_topology_set_icache_types_filter(topo, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topo) == 0) {
        info->have_topology = true;
        info->packages = hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_PACKAGE);
        info->numa_nodes = hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_NUMANODE);
        info->cores = hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_CORE);
        info->pus = hwloc_get_nbobjs_by_type(topo, HWLOC_OBJ_PU);
        hwloc_obj_t package = hwloc_get_obj_by_type(topo, HWLOC_OBJ_PACKAGE, 0);
        const char *model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
        snprintf(info->cpu_model, sizeof info->cpu_model, "%s", model ? model : "");
        for (size_t t = 0; t < sizeof cache_types / sizeof cache_types[0]; t++)
            for (hwloc_obj_t c = NULL; (c = hwloc_get_next_obj_by_type(topo, cache_types[t], c)) != NULL;)
                add_cache(info, c);
    }
    hwloc_topology_destroy(topo);
}

static void gather_mpi(struct info *info)
{
    /* Both may be called before MPI_Init. */
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int len = 0;
    if (MPI_Get_library_version(text, &len) == MPI_SUCCESS)
        snprintf(info->mpi_library, sizeof info->mpi_library, "%.*s", (int)strcspn(text, "\n"), text);
    MPI_Get_version(&info->mpi_version, &info->mpi_subversion);
}

static void gather_coalesce(struct info_coalesce *c, const char *netdev)
{
    snprintf(c->netdev, sizeof c->netdev, "%s", netdev);
    if (!netdev[0])
        return;
    int rc = vc_coalesce_get(NULL, netdev, &c->value);
    c->reported = rc == VC_OK;
    if (rc == VC_ERR_UNSUPPORTED && errno == EOPNOTSUPP)
        snprintf(c->reason, sizeof c->reason, "not reported by the driver");
    else if (rc != VC_OK)
        snprintf(c->reason, sizeof c->reason, "%s", vc_error_text());
}

static void gather_devices(struct info *info)
{
    info->nnics = vc_nics_scan(NULL, info->platform.guest, info->nic, INFO_NICS);
    for (int i = 0; i < info->nnics; i++)
        gather_coalesce(&info->nic_coalesce[i], info->nic[i].netdev);
    info->nrdma = vc_rdma_scan(NULL, info->rdma, INFO_RDMA);
    for (int i = 0; i < info->nrdma; i++) {
        for (int k = 0; k < info->rdma[i].nports; k++) {
            char netdev[VC_NETDEV_NAME];
            vc_rdma_netdev(NULL, info->rdma[i].name, info->rdma[i].port[k].number, netdev, sizeof netdev);
            gather_coalesce(&info->rdma_coalesce[i][k], netdev);
        }
    }
}

static void gather_platform(struct info *info)
{
    vc_platform_detect(NULL, NULL, &info->platform);
    info_verbs_gather(&info->params, &info->verbs);
    info->cpus_allowed = vc_cpus_allowed(&info->cpu_set);
    info->quota = vc_cpus_quota(NULL);
    info->available = vc_cpus_available();
    uint64_t steal, total;
    info->stolen = vc_steal_read(&steal, &total) == VC_OK && total > 0 ? (double)steal / (double)total : -1;
    gather_devices(info);
    info_table_gather(&info->params, info->platform.class, info->rdma, info->nrdma, &info->table);
    vc_sriov_check(NULL, &info->platform, info->nic, info->nnics, info->sriov);
    gather_topology(info);
    gather_mpi(info);
    info->isa = vc_kernel_isa();
}

void info_cpu_list(const cpu_set_t *set, char *buf, size_t len)
{
    buf[0] = '\0';
    size_t used = 0;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, set))
            continue;
        int last = i;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        int n = last > i ? snprintf(buf + used, len - used, "%s%d-%d", used ? "," : "", i, last)
                         : snprintf(buf + used, len - used, "%s%d", used ? "," : "", i);
        if (n < 0 || (size_t)n >= len - used)
            return;
        used += (size_t)n;
        i = last;
    }
}

/* ---- the terminal ---- */

static int terminal_width(void)
{
    struct winsize ws;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col >= 40)
        return ws.ws_col < 120 ? ws.ws_col : 120;
    return 100;
}

static bool terminal_color(void)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(no && *no);
}

/* Bad and unknown settings, on standard error. False when there is a bad one. */
static bool complain(const struct vc_param_report *report)
{
    for (const char *w = report->warnings; *w;) {
        int len = (int)strcspn(w, "\n");
        fprintf(stderr, "vcoll info: warning: %.*s\n", len, w);
        w += len + (w[len] == '\n');
    }
    if (report->error[0])
        fprintf(stderr, "vcoll info: error: %s\n", report->error);
    return report->error[0] == '\0';
}

static int show_cost(const struct request *r)
{
    struct vc_params params;
    struct vc_param_report report;
    vc_params_load(&params, NULL, &report);
    bool done = info_cost_run(&params, r->ranks, r->ppn ? r->ppn : 1, r->writer == KEY_JSON);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "vcoll info: cannot write the output\n");
        done = false;
    }
    return complain(&report) && done ? EXIT_SUCCESS : EXIT_FAILURE;
}

int vc_tool_info(int argc, char **argv)
{
    struct request r = {.ranks = 0};
    argv[0] = (char *)"vcoll info"; /* what argp calls us */
    if (argp_parse(&argp, argc, argv, 0, NULL, &r) != 0)
        return VC_EXIT_USAGE;
    if (r.writer == KEY_MARKDOWN) {
        info_print_markdown();
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (r.writer == KEY_MAN) {
        info_print_man();
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (r.cost)
        return show_cost(&r);
    struct info *info = calloc(1, sizeof *info);
    if (!info) {
        fprintf(stderr, "vcoll info: out of memory\n");
        return EXIT_FAILURE;
    }
    info->sections = r.sections;
    int code = EXIT_SUCCESS;
    if (r.sections & (INFO_SETTINGS | INFO_PLATFORM)) /* the platform's verbs look at settings */
        vc_params_load(&info->params, info->value, &info->report);
    if (r.sections & INFO_PLATFORM)
        gather_platform(info);
    bool written = true;
    if (r.writer == KEY_JSON)
        written = info_print_json(info);
    else
        info_print_text(info, terminal_color(), terminal_width());
    if (fflush(stdout) != 0 || !written) {
        fprintf(stderr, "vcoll info: cannot write the output\n");
        code = EXIT_FAILURE;
    }
    if (!complain(&info->report) || info->table.error[0])
        code = EXIT_FAILURE;
    free(info);
    return code;
}
