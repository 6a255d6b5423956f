/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/table/keys.h"

#include "tune/table/table.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Without the "_core" that the drivers of one vendor end in. */
static size_t model_length(const char *name)
{
    static const char tail[] = "_core";
    size_t n = strlen(name), t = sizeof tail - 1;
    return n > t && strcmp(name + n - t, tail) == 0 ? n - t : n;
}

bool vc_device_same(const char *a, const char *b)
{
    size_t n = model_length(a);
    return n == model_length(b) && memcmp(a, b, n) == 0;
}

/* clang-format off */
const struct vc_key_info vc_key_info[] = {
    {.name = "collective", .kind = VC_KEY_CALL,
        .describes = "One or several; absent: all.",
        .holds = "the call is one of them"},
    {.name = "ranks", .kind = VC_KEY_RANGE,
        .row = offsetof(struct vc_row_keys, ranks), .topo = offsetof(struct vc_topo_key, size),
        .device = true, .least = 2, .listed = {"rank", "ranks"}, .said = {"ranks"}, .far = 100,
        .option = "its size",
        .describes = "Ranks of the communicator.",
        .holds = "the communicator has so many ranks"},
    {.name = "nodes", .kind = VC_KEY_RANGE,
        .row = offsetof(struct vc_row_keys, nodes), .topo = offsetof(struct vc_topo_key, nnodes),
        .placed = true, .device = true, .least = 1, .listed = {"node", "nodes"}, .said = {"nodes"}, .far = 100,
        .option = "operating systems it spans",
        .describes = "Nodes: groups of ranks that share memory.",
        .holds = "... on so many nodes (groups of ranks that share memory)"},
    {.name = "ppn", .kind = VC_KEY_RANGE,
        .row = offsetof(struct vc_row_keys, ppn), .topo = offsetof(struct vc_topo_key, max_ppn),
        .placed = true, .device = true, .least = 1, .listed = {"per node", "per node"},
        .said = {"ranks on a node"}, .far = 100,
        .option = "most ranks of one node",
        .describes = "Most ranks of one node; 1 where ranks share no memory.",
        .holds = "the fullest node has so many ranks; 1 where ranks share no memory"},
    {.name = "bytes", .kind = VC_KEY_CALL,
        .describes = "Size of the call: of bcast the message, of reductions the vector, of allgather and alltoall one "
                     "rank's block, of barrier 0.",
        .takes = "range of sizes",
        .holds = "the call is of that size: of bcast the message, of reductions the vector, of allgather and alltoall "
                 "one rank's block, of allgatherv the mean block; a barrier's is 0; of alltoallv and alltoallw no "
                 "rank knows the size that others have, so their rows have none"},
    {.name = "operator", .kind = VC_KEY_CALL,
        .describes = "Of reductions; other: operators that do not commute.",
        .takes = "`commutative`, `other`",
        .holds = "the reduction's operator commutes, or does not"},
    {.name = "platform", .kind = VC_KEY_WORDS,
        .topo = offsetof(struct vc_topo_key, platform),
        .placed = true, .device = true, .words = vc_platform_words, .listed = {"platform "},
        .said = {"platform "}, .far = 2e4,
        .option = "native, software, passthrough or sriov-vf", .machine = true,
        .describes = "How the machines are virtualized.",
        .holds = "all machines are of that class (`vcoll info`)"},
    {.name = "device", .kind = VC_KEY_TEXT,
        .row = offsetof(struct vc_row_keys, device), .topo = offsetof(struct vc_topo_key, device),
        .placed = true, .device = true, .between = true, .text_is = "a model as `vcoll info` names it, e.g. \"rxe\"",
        .text_same = vc_device_same,
        .listed = {"device "}, .said = {"device ", "no RDMA device"}, .far = 1e4,
        .option = "model of the RDMA device, none for none", .machine = true,
        .describes = "Model of the RDMA device, as `vcoll info` names it.",
        .takes = "text, e.g. `rxe`, `mlx5`",
        .holds = "all RDMA devices are of that model (`vcoll info`); `mlx5` and `mlx5_core`, the kernel's name of that driver, "
                 "are the same"},
    {.name = "network", .kind = VC_KEY_FLAG,
        .topo = offsetof(struct vc_topo_key, have_verbs),
        .placed = true, .between = true, .words = vc_channel_words + VC_CHANNEL_VERBS,
        .listed = {"over the MPI", "over verbs"}, .said = {"between nodes the MPI", "between nodes verbs"}, .far = 5e4,
        .option = "what messages between nodes go over: verbs or mpi",
        .describes = "What messages between nodes go over.",
        .holds = "messages between nodes go over verbs, or through the underlying MPI"},
    {.name = "shared_hosts", .kind = VC_KEY_FLAG,
        .topo = offsetof(struct vc_topo_key, hosts_shared),
        .placed = true, .between = true,
        .listed = {"hosts not shared", "shared hosts"},
        .said = {"a host for each node", "nodes that share hosts"}, .far = 2e4,
        .option = "several hosts, on which nodes share memory",
        .describes = "Several hosts, on which nodes share memory.",
        .holds = "there are several hosts, on some of them several nodes, and these share the host's memory "
                 "([ivshmem.md](ivshmem.md))"},
    {.name = "crowded", .kind = VC_KEY_FLAG,
        .topo = offsetof(struct vc_topo_key, crowded),
        .placed = true, .device = true,
        .listed = {"not crowded", "crowded"}, .said = {"a CPU for each rank", "more ranks than CPUs"}, .far = 1e4,
        .option = "more ranks than CPUs on some node",
        .describes = "More ranks than CPUs on some node.",
        .holds = "some node has more ranks than CPUs, or none has; containers of one kernel whose ranks may use the "
                 "same CPUs are counted together"},
    {.name = "bulk_slots", .kind = VC_KEY_FLAG,
        .topo = offsetof(struct vc_topo_key, have_bulk),
        .placed = true, .usual = true,
        .listed = {"no bulk slots", "bulk slots"}, .said = {"without bulk slots", "with bulk slots"}, .far = 5e3,
        .option = "whether the nodes' shared memory has bulk slots",
        .describes = "Whether the node's memory has them.",
        .holds = "the node's shared memory has slots for long messages (`VCOLL_SHM_BULK`)"},
};
/* clang-format on */

const int vc_key_count = (int)(sizeof vc_key_info / sizeof vc_key_info[0]);
_Static_assert(sizeof vc_key_info / sizeof vc_key_info[0] <= VC_KEYS_MAX, "VC_KEYS_MAX");

const struct vc_key_info *vc_key_next(int *index)
{
    while (*index < vc_key_count)
        if (vc_key_info[(*index)++].kind != VC_KEY_CALL)
            return &vc_key_info[*index - 1];
    return NULL;
}

const struct vc_key_info *vc_key_find(const char *name)
{
    const struct vc_key_info *k = vc_key_info;
    while (strcmp(k->name, name) != 0)
        k++;
    return k;
}

unsigned vc_row_bits(const struct vc_row_keys *k, const char *name)
{
    return *(const unsigned *)vc_row_of(k, vc_key_find(name));
}

void vc_key_names(bool device, const char *const *more, const char **list)
{
    for (int i = 0; i < vc_key_count; i++)
        if (!device || vc_key_info[i].device)
            *list++ = vc_key_info[i].name;
    while ((*list++ = *more++))
        ;
}

int vc_topo_value(const struct vc_topo_key *key, const struct vc_key_info *i)
{
    const void *at = vc_topo_of(key, i);
    return i->kind == VC_KEY_FLAG ? *(const bool *)at : *(const int *)at;
}

void vc_topo_put(struct vc_topo_key *key, const struct vc_key_info *i, int value)
{
    void *at = vc_topo_at(key, i);
    if (i->kind == VC_KEY_FLAG)
        *(bool *)at = value != 0;
    else
        *(int *)at = value;
}

unsigned vc_key_bit(const struct vc_key_info *i, int value)
{
    if (i->kind == VC_KEY_FLAG)
        return value ? VC_YES : VC_NO;
    return value < 0 ? 0 : 1u << value;
}

const char *vc_key_word(const struct vc_key_info *i, int value)
{
    if (i->kind == VC_KEY_WORDS)
        return value < 0 ? "mixed" : i->words[value];
    return i->words ? i->words[!value] : value ? "true" : "false";
}

bool vc_topo_same(const struct vc_topo_key *a, const struct vc_topo_key *b, const struct vc_key_info *i)
{
    if (i->kind == VC_KEY_TEXT)
        return i->text_same(vc_topo_of(a, i), vc_topo_of(b, i));
    return vc_topo_value(a, i) == vc_topo_value(b, i);
}

int vc_topo_order(const struct vc_topo_key *a, const struct vc_topo_key *b, bool numbers)
{
    const struct vc_key_info *i;
    int order = 0;
    for (int n = 0; order == 0 && (i = vc_key_next(&n));)
        if (i->kind == VC_KEY_TEXT)
            order = i->text_same(vc_topo_of(a, i), vc_topo_of(b, i))
                        ? 0
                        : strcmp(vc_topo_of(a, i), vc_topo_of(b, i));
        else if (i->kind != VC_KEY_RANGE)
            order = vc_topo_value(a, i) - vc_topo_value(b, i);
    for (int n = 0; numbers && order == 0 && (i = vc_key_next(&n));)
        if (i->kind == VC_KEY_RANGE)
            order = vc_topo_value(a, i) - vc_topo_value(b, i);
    return order;
}

/* ---- measured points ---- */

static json_t *value_json(const struct vc_topo_key *key, const struct vc_key_info *i)
{
    if (i->kind == VC_KEY_TEXT)
        return json_string(vc_topo_of(key, i));
    int value = vc_topo_value(key, i);
    if (i->kind == VC_KEY_RANGE)
        return json_integer(value);
    return i->words ? json_string(vc_key_word(i, value)) : json_boolean(value);
}

void vc_topo_to_json(const struct vc_topo_key *key, json_t *o)
{
    const struct vc_key_info *i;
    for (int n = 0; (i = vc_key_next(&n));)
        json_object_set_new(o, i->name, value_json(key, i));
}

/* The value that is written so, or -1. */
static int value_of(const struct vc_key_info *i, const json_t *v, int most)
{
    const char *word = json_string_value(v);
    if (i->kind == VC_KEY_RANGE)
        return json_is_integer(v) && json_integer_value(v) >= i->least && json_integer_value(v) <= most
                   ? (int)json_integer_value(v)
                   : -1;
    if (i->kind == VC_KEY_FLAG)
        return i->words ? word && strcmp(word, i->words[0]) == 0 : json_is_true(v);
    for (int w = 0; word && i->words[w]; w++)
        if (strcmp(word, i->words[w]) == 0)
            return w;
    return -1;
}

bool vc_topo_from_json(const json_t *o, int most, struct vc_topo_key *key)
{
    const struct vc_key_info *i;
    bool good = true;
    memset(key, 0, sizeof *key);
    for (int n = 0; (i = vc_key_next(&n));) {
        const json_t *v = json_object_get(o, i->name);
        const char *text = json_string_value(v);
        if (i->kind == VC_KEY_TEXT) {
            snprintf(vc_topo_at(key, i), VC_TABLE_DEVICE, "%s", text ? text : "");
            continue;
        }
        int value = value_of(i, v, most);
        vc_topo_put(key, i, value);
        good &= i->kind != VC_KEY_RANGE || value > 0;
    }
    return good;
}
