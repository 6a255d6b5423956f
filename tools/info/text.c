/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll info` for people, made from its JSON. Most lines are templates about an object:
 *   {key}         the value; {key.sub} of an object in it; a number as {key:%.2f} says, {key:KiB} and
 * {key:MiB} a size {key|s}       "s" unless the number is 1 {key?} {key!} nothing, but the text around is
 * left out unless the key has a value / unless it has none {key=word}    nothing, but the text around is left
 * out unless that is the value [text]        left out when a key in it has no value: null, false, ""
 */
#include "tools/info/info.h"

#include "coll/registry.h"
#include "tools/print/terminal.h"
#include "transport/topology/sriov.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL = 16, ROOM = 1024 };

static struct terminal look;

static void heading(const char *text)
{
    printf("\n%s%s%s\n", terminal_paint(&look, TERMINAL_BOLD), text, terminal_paint(&look, TERMINAL_PLAIN));
}

/* ---- templates ---- */

struct output {
    char text[ROOM];
    size_t used;
};

static void append_text(struct output *out, const char *text, size_t n)
{
    if (n > ROOM - 1 - out->used)
        n = ROOM - 1 - out->used;
    memcpy(out->text + out->used, text, n);
    out->used += n;
    out->text[out->used] = '\0';
}

static const json_t *lookup(const json_t *o, const char *path, size_t n)
{
    char key[64];
    for (size_t part; o && n > 0; path += part + 1, n -= part < n ? part + 1 : part) {
        part = strcspn(path, ".");
        part = part < n ? part : n;
        snprintf(key, sizeof key, "%.*s", (int)part, path);
        o = json_object_get(o, key);
    }
    return o;
}

static bool has_value(const json_t *v)
{
    return v && !json_is_null(v) && !json_is_false(v) && !(json_is_string(v) && !json_string_value(v)[0]);
}

/* "rx-usecs 8, adaptive-rx off" of the fields that are there. */
static void add_fields(struct output *out, json_t *fields)
{
    const char *key;
    json_t *v;
    const char *between = "";
    json_object_foreach(fields, key, v)
    {
        char text[64];
        if (json_is_null(v))
            continue;
        int n = snprintf(text, sizeof text, "%s%.30s ", between, key);
        for (char *s = text; (s = strchr(s, '_'));)
            *s = '-';
        append_text(out, text, (size_t)n);
        n = json_is_boolean(v) ? snprintf(text, sizeof text, "%s", json_is_true(v) ? "on" : "off")
                               : snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
        append_text(out, text, (size_t)n);
        between = ", ";
    }
}

static void add_value(struct output *out, json_t *v, const char *format)
{
    char text[64] = "";
    double number = json_number_value(v);
    int n = 0;
    if (json_is_string(v))
        append_text(out, json_string_value(v), json_string_length(v));
    else if (json_is_object(v))
        add_fields(out, v);
    else if (strncmp(format, ":KiB", 4) == 0)
        n = snprintf(text, sizeof text, "%lld KiB", (long long)number >> 10);
    else if (strncmp(format, ":size", 5) == 0)
        n = number >= 1 << 20 ? snprintf(text, sizeof text, "%.4g MiB", number / (1 << 20))
                              : snprintf(text, sizeof text, "%.4g KiB", number / 1024);
    else if (strncmp(format, ":percent", 8) == 0)
        n = snprintf(text, sizeof text, "%.2f %%", 100 * number);
    else if (json_is_real(v))
        n = snprintf(text, sizeof text, strncmp(format, ":2", 2) == 0 ? "%.2f" : "%.4g", number);
    else
        n = snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    append_text(out, text, (size_t)n);
}

/* The text from *s up to `end`; *s is then at it. False when a key has not what is asked for. */
static bool expand(const json_t *o, const char **s, char end, struct output *out)
{
    bool good = true;
    for (; **s && **s != end; ++*s) {
        size_t n = strcspn(*s, "{["), before = out->used;
        if (end && strcspn(*s, "]") < n)
            n = strcspn(*s, "]");
        append_text(out, *s, n);
        *s += n;
        if (!**s || **s == end)
            break;
        bool optional = *(*s)++ == '[';
        if (optional) {
            before += n;
            if (!expand(o, s, ']', out))
                out->text[out->used = before] = '\0';
            continue;
        }
        n = strcspn(*s, ":|?!=}");
        const json_t *v = lookup(o, *s, n);
        const char *how = *s + n;
        size_t word = strcspn(how + 1, "}");
        bool is = has_value(v);
        if (*how == '=')
            is = is && json_is_string(v) && json_string_length(v) == word &&
                 strncmp(json_string_value(v), how + 1, word) == 0;
        else if (*how == '!')
            is = !is;
        else if (*how == '|' && is)
            append_text(out, how + 1, json_integer_value(v) == 1 ? 0 : word);
        else if (*how != '?' && is)
            add_value(out, (json_t *)v, how);
        good &= is;
        *s = strchr(how, '}');
    }
    return good;
}

/* About the object at `path`, or about each element of an array there; without a path it is a heading. */
struct line {
    const char *path, *label, *text;
};

/* Lines of which a key has no value are left out, and so are empty ones. A label "/key" means: with an empty
 * label, for each element of that array. */
static void print_line(const json_t *o, const char *label, const char *text)
{
    struct output name = {.used = 0}, value = {.used = 0};
    size_t i;
    const json_t *element;
    if (label[0] == '/') {
        json_array_foreach(json_object_get(o, label + 1), i, element) print_line(element, "", text);
    } else {
        expand(o, &label, '\0', &name);
        if (expand(o, &text, '\0', &value) && value.used > 0)
            terminal_line(&look, LABEL, name.text, value.text);
    }
}

/* ---- the machine ---- */

static void print_requirement(const json_t *r)
{
    static const char *const color[] = {"\033[32m", "\033[31m", "\033[33m"};
    const char *found = json_string_value(json_object_get(r, "finding"));
    enum vc_finding f = strcmp(found, "found") == 0     ? VC_FINDING_FOUND
                        : strcmp(found, "missing") == 0 ? VC_FINDING_MISSING
                                                        : VC_FINDING_UNKNOWN;
    printf("  %-36s%s%s%s\n    ", json_string_value(json_object_get(r, "name")),
           terminal_paint(&look, color[f]), vc_finding_text(f), terminal_paint(&look, TERMINAL_PLAIN));
    terminal_wrap(&look, 4, json_string_value(json_object_get(r, "reason")));
}

/* The text of a heading stands under it when the array that follows is empty. */
static const struct line lines[] = {
    {NULL, "Platform", ""},
    {"platform", "class", "{class}: {description}"},
    {"platform", "hypervisor", "{hypervisor} ([{evidence}])"},
    {"platform", "machine", "[{vendor} ][{product}]"},
    {"platform", "container", "[{container?}yes][{container!}no sign of one]"},
    {"platform", "network", "{network}"},
    {NULL, "CPUs for this process", ""},
    {"cpus", "allowed", "{allowed} ([{list}])"},
    {"cpus", "quota", "[{quota:2} CPUs, by the control groups][{quota!}none seen in the control groups]"},
    {"cpus", "available", "{available}"},
    {"cpus", "stolen", "{stolen_share:percent} of all CPU time since boot went to other virtual machines"},
    {NULL, "SR-IOV requirements", ""},
    {"sriov", NULL, NULL},
    {NULL, "Topology (hwloc)", ""},
    {"topology", "processor", "{processor}"},
    {"topology", "machine",
     "{packages} package{packages|s}, {numa_nodes} NUMA node{numa_nodes|s}, {cores} core{cores|s}, {cpus} "
     "CPU{cpus|s}"},
    {"topology", "", "[{packages!}hwloc cannot tell]"},
    {"topology.caches", "L{level} [{type=instruction}code][{type=data}data][{type=unified}unified]",
     "{count} x {bytes:size}, each for {cpus} CPU{cpus|s}"},
    {"topology", "note",
     "[{may_be_wrong?}hypervisors often show guests wrong caches, cores and NUMA nodes; take this as a first "
     "guess]"},
    {NULL, "Levels of a node", ""},
    {"levels", "by",
     "[{source=kernel}the kernel][{source=table}the tuning table][{source=setting}VCOLL_TOPOLOGY, not by the "
     "kernel, which says][{source=measurement}times to be measured at MPI_Init; the kernel says]"},
    {"levels", "units",
     "{count.core} core{count.core|s}, {count.cache} last cache{count.cache|s}, {count.numa} NUMA "
     "node{count.numa|s}, on CPUs {over}"},
    {"levels", "this process",
     "[core {process.core}][{process.core!}on no single core][, last cache "
     "{process.cache}][{process.cache!}, no single last cache][, NUMA node {process.numa}][{process.numa!}, "
     "no single NUMA node]"},
    {"levels", "this job", "{ranks}"},
    {"levels.above", "machine",
     "ranks with boot id {boot_id} and this /dev/shm ({shm}) share memory[; and with "
     "VCOLL_HOST_ID={host_id}]"},
    {"levels.above", "host",
     "[machines with VCOLL_HOST_ID={host_id} are on this host][{host_id!}machines that read each other's "
     "marks in "
     "the host's memory are on one: vcoll doctor --all in a job tells which]"},
    {NULL, "Network adapters (PCI)", "none"},
    {"nics", "{address}",
     "{vendor}:{device}[ {model}], [{kind=physical}physical function][{kind=vf}virtual "
     "function][{kind=software}paravirtual or emulated][, driver {driver}][, interface {interface}][, RDMA "
     "{rdma}][, {vfs} of {total_vfs} virtual functions on]"},
    {"nics", "", "{interface?}coalescing: [{coalescing}][{coalescing_reason}]"},
    {NULL, "Memory shared by machines of the host", ""},
    {"ivshmem", "", "[{wanted!}not used: VCOLL_CHANNELS has no ivshmem, or VCOLL_IVSHMEM=off]"},
    {"ivshmem", "not usable", "{error}"},
    {"ivshmem", "memory", "{name?}{name}, {bytes:size}, {line_ns} ns a line, {held} of {leases} leases held"},
    {NULL, "RDMA devices", "none (/sys/class/infiniband is empty or not there)"},
    {"rdma", "{name}", "[{driver}][{driver!}driver unknown][, {model}][, firmware {firmware}]"},
    {"rdma", "", "\"device\": \"{table_device}\" in tuning tables"},
    {"rdma", "",
     "node GUID [{node_guid}][{node_guid!}unknown], system image GUID "
     "[{sys_image_guid}][{sys_image_guid!}unknown]"},
    {"rdma", "/ports",
     "port {port}: [{state}], [{link_layer}], [{rate}]; [{interface!}no network interface known][interface "
     "{interface}, coalescing: [{coalescing}][{coalescing_reason}]]"},
    {NULL, "Verbs channel ({verbs.library})", ""},
    {"verbs", "", "[{wanted!}not used: VCOLL_CHANNELS has no verbs]"},
    {"verbs", "not usable", "{error}"},
    {"verbs.device", "chosen",
     "{name} port {port}, [{link_layer=Ethernet}RoCE][{link_layer=InfiniBand}InfiniBand][{software?}, made "
     "of software], MTU {mtu}"},
    {"verbs.device", "address", "{name?}[GID {gid.index}: {gid.gid} ({gid.kind})][{gid!}LID {lid}]"},
    {"verbs.device", "P_Key", "{pkey}, entry {pkey_index}"},
    {"verbs.device", "limits",
     "{limits.queue_pairs} queue pairs of {limits.work_requests} work requests, {limits.completion_queues} "
     "completion queues of {limits.completion_queue_entries} entries, {limits.memory_regions} memory "
     "regions, {limits.shared_receive_queues} shared receive queues of "
     "{limits.shared_receive_queue_entries}, messages up to {limits.message_bytes} bytes"},
    {"verbs.device", "ways",
     "{name?}[{shared_receive_queues?}a shared receive queue][{shared_receive_queues!}buffers of its own for "
     "each "
     "connection, because there is no shared receive queue][{ignores_inline?}; no inline data, because its "
     "library ignores it][; traffic class {traffic_class}, as the system sets it (VCOLL_VERBS_TC)]"},
    {"verbs.device", "moderation",
     "{name?}of completion queues[ (VCOLL_CQ_MODERATION): up to {moderation.max_count} completions, "
     "{moderation.max_period_us} us][{moderation!}: unsupported by the device]"},
    {"verbs.device", "fork",
     "{name?}[{fork_safe?}registered memory stays where it is when the program "
     "forks][{fork_safe!}{fork_breaks?}the device loses memory when the program forks, so that verbs are not "
     "used (needs Linux 5.12, or RDMAV_FORK_SAFE=1)][{fork_safe!}{fork_breaks!}registered memory may move "
     "when the program forks (needs Linux 5.12 and libibverbs 37), so that there is no zero copy]"},
    {"verbs.passed_over", "passed over", "{device}[ port {port}]: {reason}"},
    {"verbs.locked_memory", "locked memory",
     "[{limit!}no limit][limit {limit:KiB}]; a rank among {ranks} needs {needed:KiB}, and what it keeps "
     "registered[{too_small?}. TOO SMALL: raise it (ulimit -l, memlock in /etc/security/limits.conf, or "
     "LimitMEMLOCK of the batch system's service)]"},
    {"verbs.registration_cache", "zero copy",
     "[{works?}registrations of users' buffers can be kept][{works!}not here: {reason}]"},
    {NULL, "What things cost here (VCOLL_CALIBRATE)", ""},
    {"costs", "",
     "[{used!}not used: VCOLL_CALIBRATE=off][{used?}{measured!}not measured since the system started; the "
     "first program with several ranks here does]"},
    {"costs", "measured", "{measured}, kept in {file}"},
    {"costs.figures", "waiting",
     "[a yield to a rank on the same CPU {yield_ns} ns][, a futex hand-over there {handover_ns} ns][, waking "
     "a halted CPU {wake_ns} ns][ ({wake_call_ns} ns of the waker)]"},
    {"costs.figures", "cores",
     "a byte copied from near {copy_warm_ps} ps[, from another core {copy_across_ps} ps][, from far "
     "{copy_far_ps} ps][, past the caches {copy_stream_ps} ps][, added {reduce_ps} ps][; a flag {line_ns} "
     "ns]"},
    {"costs.figures", "single copy",
     "{cma_call_ns} ns a call, {cma_ps} ps a byte[, of many pages {cma_far_ps}]"},
    {"costs.figures", "the MPI", "{native_call_ns} ns an exchange of messages, {native_ps} ps a byte"},
    {NULL, "Single copy among ranks of a node (VCOLL_CMA)", ""},
    {"xpmem", "XPMEM",
     "[{wanted!}not wanted: VCOLL_XPMEM=0 or VCOLL_CMA=0][{wanted?}{there?}there: ranks map each other's "
     "memory]"
     "[{there!}{wanted?}not there ({reason}): the kernel copies]"},
    {NULL, "Tuning table", ""},
    {"table", "error", "{error}"},
    {"table", "in use",
     "{name}[{error?} instead], {rules} rules, {device_rows} rows of devices, checksum {checksum}"},
    {"table.suggestions", "suggests",
     "for {device}[ with {when}]: [VCOLL_CQ_MODERATION={cq_moderation}[{coalescing?}; ]][coalescing "
     "{coalescing}]"},
    {NULL, "Software", ""},
    {"", "MPI", "{mpi.library} (MPI {mpi.version}.{mpi.subversion})"},
    {"", "reductions", "kernels for {kernels.isa}"},
};
enum { LINES = sizeof lines / sizeof lines[0] };

static void print_lines(const json_t *o, const struct line *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (line[i].label)
            print_line(o, line[i].label, line[i].text);
        else
            print_requirement(o);
}

static void print_machine(json_t *info)
{
    json_t *verbs = json_object_get(info, "verbs"), *locked = json_object_get(verbs, "locked_memory");
    json_t *passed = json_object_get(verbs, "passed_over"), *limit = json_object_get(locked, "limit");
    const char *none = "";
    /* A single one that cannot be used has been told already. */
    if (json_array_size(passed) == 1 && json_is_string(json_object_get(verbs, "error")))
        json_array_clear(passed);
    if (json_is_integer(limit) &&
        json_integer_value(limit) < json_integer_value(json_object_get(locked, "needed")))
        json_object_set_new(locked, "too_small", json_true());
    for (size_t i = 0, n = 1; i < LINES; i += n, n = 1) {
        struct output title = {.used = 0};
        const char *path = lines[i].path, *at = lines[i].label;
        if (!path) {
            expand(info, &at, '\0', &title);
            heading(title.text);
            none = lines[i].text;
            continue;
        }
        while (i + n < LINES && lines[i + n].path && strcmp(lines[i + n].path, path) == 0)
            n++;
        const json_t *o = lookup(info, path, strlen(path)), *element;
        size_t k;
        if (!json_is_array(o))
            print_lines(o, &lines[i], n);
        else if (json_array_size(o) == 0 && none[0])
            terminal_line(&look, LABEL, "", none);
        json_array_foreach(o, k, element) print_lines(element, &lines[i], n);
        none = "";
    }
}

/* ---- settings and algorithms ---- */

static void print_settings(const json_t *info)
{
    static const char *const value = "[{value}][{value!}none]";
    static const char *const from =
        "   (from [{origin=system_file}system file][{origin=user_file}user "
        "file][{origin=environment}environment]; default [{default}][{default!}none])";
    size_t i;
    const json_t *p;
    heading("Parameters (environment VCOLL_NAME=value, or NAME=value in /etc/vcoll.conf or "
            "~/.config/vcoll/vcoll.conf)");
    json_array_foreach(json_object_get(info, "parameters"), i, p)
    {
        struct output is = {.used = 0}, where = {.used = 0};
        const char *at = value;
        bool changed = strcmp(json_string_value(json_object_get(p, "origin")), "default") != 0;
        expand(p, &at, '\0', &is);
        at = changed ? from : "   (default)";
        expand(p, &at, '\0', &where);
        printf("  %s%s = %s%s%s\n      ", changed ? terminal_paint(&look, TERMINAL_BOLD) : "",
               json_string_value(json_object_get(p, "name")), is.text,
               changed ? terminal_paint(&look, TERMINAL_PLAIN) : "", where.text);
        terminal_wrap(&look, 6, json_string_value(json_object_get(p, "help")));
        printf("      Valid: ");
        terminal_wrap(&look, 13, json_string_value(json_object_get(p, "valid")));
    }
    print_line(info, "error", "{error}");
}

static void print_bullet(const char *text)
{
    printf("%*s- ", 28, "");
    terminal_wrap(&look, 30, text);
}

static void print_algorithm(const json_t *a)
{
    enum { INDENT = 28 };
    const char *name = json_string_value(json_object_get(a, "name"));
    const json_t *params = json_object_get(a, "parameters"), *s;
    size_t i;
    char text[64] = "parameters:";
    printf("  %-*s", INDENT - 2, name);
    if (strlen(name) >= INDENT - 2)
        printf("\n%*s", INDENT, "");
    terminal_wrap(&look, INDENT, json_string_value(json_object_get(a, "help")));
    json_array_foreach(json_object_get(a, "restrictions"), i, s) print_bullet(json_string_value(s));
    if (json_is_true(json_object_get(a, "placement_free")))
        print_bullet(vc_restriction_text(VC_PLACEMENT_FREE));
    json_array_foreach(params, i, s)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %.12s", json_string_value(s));
    if (json_array_size(params) > 0)
        print_bullet(text);
}

/* Each collective has one (pmpi/ifront.c), which runs the same algorithms. */
static void print_nonblocking(void)
{
    char names[32 * VC_COLL_COUNT] = "";
    for (int c = 0; c < VC_COLL_COUNT; c++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%si%.28s", c ? " " : "",
                 vc_coll_name((enum vc_coll)c));
    printf("   ");
    terminal_wrap(&look, 3, names);
    printf("   ");
    terminal_wrap(
        &look, 3,
        "Those with a user's operator pass through, because the program may free it at once; "
        "neighbourhood collectives, because their graph is local knowledge, by which no algorithm may be "
        "chosen; persistent ones, because their requests would have to be vcoll's own in each call on "
        "requests, which costs other requests less than 1 ns and is not built.");
}

static void print_algorithms(json_t *algorithms)
{
    const char *coll;
    json_t *list;
    const json_t *a;
    size_t i;
    heading("Algorithms (force one with VCOLL_ALG=collective=name[:parameter=value])");
    json_object_foreach(algorithms, coll, list)
    {
        printf(" %s%s%s\n", terminal_paint(&look, TERMINAL_BOLD), coll,
               terminal_paint(&look, TERMINAL_PLAIN));
        json_array_foreach(list, i, a) print_algorithm(a);
    }
    printf(" %sNonblocking forms%s (VCOLL_NONBLOCKING, VCOLL_PROGRESS)\n",
           terminal_paint(&look, TERMINAL_BOLD), terminal_paint(&look, TERMINAL_PLAIN));
    print_nonblocking();
}

void info_print_text(json_t *info)
{
    look = terminal_look();
    printf("%svcoll %s%s\n", terminal_paint(&look, TERMINAL_BOLD), VC_VERSION,
           terminal_paint(&look, TERMINAL_PLAIN));
    if (json_object_get(info, "platform"))
        print_machine(info);
    if (json_object_get(info, "parameters"))
        print_settings(info);
    if (json_object_get(info, "algorithms"))
        print_algorithms(json_object_get(info, "algorithms"));
}
