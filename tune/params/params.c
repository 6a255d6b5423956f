/* SPDX-License-Identifier: BSD-3-Clause */
/* The definitions of all parameters, each with its parser and its printer. */
#include "coll/info.h"
#include "tune/params/choice.h"
#include "tune/params/internal.h"

#include "include/vcoll/vcoll.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the parameters ---- */

static const char *const stats_words[] = {"off", "text", "json", NULL};
static const char *const log_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const backing_words[] = {"auto", "memfd", "shm", NULL};
static const char *const channel_words[] = {"shm", "ivshmem", "verbs", "mpi", NULL};
static const unsigned channel_bits[] = {VC_CHAN_SHM, VC_CHAN_IVSHMEM, VC_CHAN_VERBS, VC_CHAN_MPI};
_Static_assert(sizeof channel_words / sizeof channel_words[0] ==
                   sizeof channel_bits / sizeof channel_bits[0] + 1,
               "one word per channel");
_Static_assert(VC_SEG_AUTO == 0 && VC_SEG_MEMFD == 1 && VC_SEG_SHM == 2, "backing_words");
_Static_assert(VC_LOG_ERROR == 0 && VC_LOG_WARN == 1 && VC_LOG_INFO == 2 && VC_LOG_DEBUG == 3, "log_words");

static const char *const coalescing_words[] = {"suggest", "apply", "ignore", NULL};
static const char *const host_yield_words[] = {"auto", "0", "1", NULL};
static const char *const nonblocking_words[] = {"off", "on", "early", NULL};
static const char *const progress_words[] = {"off", "thread", "auto", NULL};
static const char *const calibrate_words[] = {"auto", "off", "force", NULL};
static const char *const tune_words[] = {"off", "online", NULL};
static const char *const device_words[] = {"auto", "off", "watch", NULL};
_Static_assert(VC_COALESCING_SUGGEST == 0 && VC_COALESCING_APPLY == 1 && VC_COALESCING_IGNORE == 2,
               "coalescing_words");
_Static_assert(VC_HOST_YIELD_AUTO == 0 && VC_HOST_YIELD_OFF == 1 && VC_HOST_YIELD_ON == 2,
               "host_yield_words");
_Static_assert(VC_NONBLOCKING_OFF == 0 && VC_NONBLOCKING_ON == 1 && VC_NONBLOCKING_EARLY == 2,
               "nonblocking_words");
_Static_assert(VC_PROGRESS_OFF == 0 && VC_PROGRESS_THREAD == 1 && VC_PROGRESS_AUTO == 2, "progress_words");
_Static_assert(VC_TUNE_OFF == 0 && VC_TUNE_ONLINE == 1, "tune_words");
_Static_assert(VC_DEVICE_AUTO == 0 && VC_DEVICE_OFF == 1 && VC_DEVICE_WATCH == 2, "device_words");

#define ALL_COLLS ((1u << VC_COLL_COUNT) - 1)

/* Parser and printer of a field, named after the field. */
#define FLAG(field)                                                                                          \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return vc_param_parse_flag(text, &p->field);                                                         \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%d", p->field);                                                                  \
    }
#define WORD(field, type, words)                                                                             \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        int i = 0, err = vc_param_parse_word(text, words, &i);                                               \
        if (err == VC_OK)                                                                                    \
            p->field = (enum type)i;                                                                         \
        return err;                                                                                          \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%s", words[p->field]);                                                           \
    }
#define INT(field, lo, hi)                                                                                   \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return vc_param_parse_int(text, lo, hi, &p->field);                                                  \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%d", p->field);                                                                  \
    }
#define SIZE(field, lo, hi)                                                                                  \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return vc_param_parse_size(text, lo, hi, &p->field);                                                 \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        vc_format_bytes(p->field, buf, len);                                                                 \
    }
#define STRING(field)                                                                                        \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return vc_param_parse_string(text, p->field, sizeof p->field);                                       \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%s", p->field);                                                                  \
    }

FLAG(disable)
FLAG(strict)
FLAG(reproducible)
FLAG(cma)
FLAG(xpmem)
WORD(wait, vc_wait_mode, vc_wait_words)
WORD(stats, vc_stats_mode, stats_words)
WORD(log, vc_log_level, log_words)
WORD(shm_backing, vc_seg_backing, backing_words)
WORD(copy, vc_copy_kind, vc_copy_words)
INT(node_split, 0, 1000000)
INT(setup_after, 1, 1000000)
SIZE(shm_bulk, 0, (size_t)1 << 30)
SIZE(shm_limit, 0, (size_t)1 << 44)
static int parse_cma_min(struct vc_params *p, const char *text)
{
    if (strcasecmp(text, "auto") != 0)
        return vc_param_parse_size(text, 0, (size_t)1 << 40, &p->cma_min);
    p->cma_min = VC_CMA_MIN_AUTO;
    return VC_OK;
}
static void format_cma_min(const struct vc_params *p, char *buf, size_t len)
{
    if (p->cma_min == VC_CMA_MIN_AUTO)
        snprintf(buf, len, "auto");
    else
        vc_format_bytes(p->cma_min, buf, len);
}
STRING(host_id)
STRING(stats_file)
STRING(verbs_device)
INT(verbs_peers, 0, 65535)
INT(verbs_port, 0, 255)
INT(verbs_sl, 0, 15)
INT(verbs_credits, 2, 1024)
INT(verbs_timeout, 1, 600)
SIZE(verbs_slot, 1 << 10, 1 << 20)
SIZE(verbs_zcopy_min, 0, (size_t)1 << 40)
FLAG(verbs_reg_cache)
WORD(coalescing, vc_coalescing_mode, coalescing_words)
WORD(host_yield, vc_host_yield_mode, host_yield_words)
WORD(nonblocking, vc_nonblocking_mode, nonblocking_words)
WORD(progress, vc_progress_mode, progress_words)
WORD(calibrate, vc_calibrate_mode, calibrate_words)
WORD(tune, vc_tune_mode, tune_words)
WORD(device_memory, vc_device_mode, device_words)
INT(tune_share, 0, 1000)
STRING(tune_save)

static int parse_verbs_library(struct vc_params *p, const char *text)
{
    if (!text[0])
        return vc_fail(VC_ERR_INVAL, "empty. Valid: a file name, or a path");
    return vc_param_parse_string(text, p->verbs_library, sizeof p->verbs_library);
}

static int parse_ivshmem(struct vc_params *p, const char *text)
{
    if (!text[0])
        return vc_fail(VC_ERR_INVAL, "empty. Valid: auto, off, the address of a PCI device, or a file name");
    return vc_param_parse_string(text, p->ivshmem, sizeof p->ivshmem);
}

static void format_ivshmem(const struct vc_params *p, char *buf, size_t len)
{
    snprintf(buf, len, "%s", p->ivshmem);
}

static int parse_table(struct vc_params *p, const char *text)
{
    if (!text[0])
        return vc_fail(VC_ERR_INVAL, "empty. Valid: auto, none, or a file name");
    return vc_param_parse_string(text, p->table, sizeof p->table);
}

static void format_table(const struct vc_params *p, char *buf, size_t len)
{
    snprintf(buf, len, "%s", p->table);
}

static void format_verbs_library(const struct vc_params *p, char *buf, size_t len)
{
    snprintf(buf, len, "%s", p->verbs_library);
}

static int parse_spin_us(struct vc_params *p, const char *text)
{
    int v = 0, err = vc_param_parse_int(text, 0, 10000000, &v);
    if (err == VC_OK)
        p->spin_us = (uint64_t)v;
    return err;
}

static void format_spin_us(const struct vc_params *p, char *buf, size_t len)
{
    snprintf(buf, len, "%llu", (unsigned long long)p->spin_us);
}

static int parse_colls(struct vc_params *p, const char *text)
{
    if (strcasecmp(text, "all") == 0) {
        p->colls = ALL_COLLS;
        return VC_OK;
    }
    if (strcasecmp(text, "none") == 0) {
        p->colls = 0;
        return VC_OK;
    }
    unsigned set = 0;
    const char *words[VC_COLL_COUNT + 1];
    vc_coll_words(words);
    int err = vc_param_parse_set(text, words, &set);
    if (err == VC_OK) {
        p->colls = set;
        return VC_OK;
    }
    char why[400];
    snprintf(why, sizeof why, "%s", vc_error_text());
    return vc_fail(err, "%s; or all, or none", why);
}

static void format_colls(const struct vc_params *p, char *buf, size_t len)
{
    const char *words[VC_COLL_COUNT + 1];
    vc_coll_words(words);
    if (p->colls == ALL_COLLS)
        snprintf(buf, len, "all");
    else if (p->colls == 0)
        snprintf(buf, len, "none");
    else
        vc_param_format_set(p->colls, words, buf, len);
}

static int parse_channels(struct vc_params *p, const char *text)
{
    unsigned set = 0;
    int err = vc_param_parse_set(text, channel_words, &set);
    if (err != VC_OK)
        return err;
    p->channels = 0;
    for (int i = 0; channel_words[i]; i++)
        if (set & (1u << i))
            p->channels |= channel_bits[i];
    return VC_OK;
}

static void format_channels(const struct vc_params *p, char *buf, size_t len)
{
    unsigned set = 0;
    for (int i = 0; channel_words[i]; i++)
        if (p->channels & channel_bits[i])
            set |= 1u << i;
    vc_param_format_set(set, channel_words, buf, len);
}

static const struct vc_param_def defs[] = {
    {"ALG", "auto",
     "auto | collective=algorithm[:option=value]...,... with the options radix=k, segment=size, leaders=n, "
     "channel=verbs|mpi, wait=poll|event|hybrid|auto, spin=us",
     "Forces algorithms, e.g. allreduce=ring,bcast=chain:segment=64k, and how their calls wait and send. A "
     "call that breaks the algorithm's restrictions (see vcoll info --algorithms) runs what it would run "
     "without.",
     vc_param_parse_alg, vc_param_format_alg, false},
    {"CALIBRATE", "auto", "auto | off | force",
     "What things cost on a node (single copy, copies between cores, switches, wake-ups) decides the "
     "defaults "
     "among ranks that share memory. auto takes the medians of up to five starts of this boot, which measure "
     "them in MPI_Init in about two milliseconds; force always measures; off: fixed defaults.",
     parse_calibrate, format_calibrate, false},
    {"CHANNELS", "shm,ivshmem,verbs,mpi", "a list of: shm, ivshmem, verbs, mpi",
     "How bytes may travel: shm is shared memory of one operating system, ivshmem memory that virtual "
     "machines "
     "of one host share, verbs an RDMA device, mpi the underlying MPI's point-to-point messages, which carry "
     "what the others cannot.",
     parse_channels, format_channels, false},
    {"CMA", "1", "0 | 1",
     "Lets large messages be copied once, straight from one process's memory to another's "
     "(process_vm_readv), where the kernel permits it for all ranks of the node.",
     parse_cma, format_cma, false},
    {"CMA_MIN", "auto", "auto | a size",
     "Messages of at least this size are copied once when CMA is possible. auto: from where that takes less "
     "time by "
     "what things cost on this node, 32k where that is not known.",
     parse_cma_min, format_cma_min, false},
    {"COALESCING", "suggest", "suggest | apply | ignore",
     "What becomes of the interrupt coalescing that a table suggests for the network device behind the RDMA "
     "device: suggest tells it (VCOLL_LOG=info), apply sets it while the program runs and restores it "
     "afterwards (needs CAP_NET_ADMIN).",
     parse_coalescing, format_coalescing, true},
    {"COLLS", "all", "all | none | a list of collectives",
     "Which collectives vcoll takes over, of those that vcoll info --algorithms names; the others run the "
     "MPI's "
     "own algorithms.",
     parse_colls, format_colls, false},
    {"COPY", "auto", "auto | memcpy | rep_movsb | vector | claim | stream",
     "How a kilobyte and more is copied through shared memory: auto tries the ways that the CPU has on the "
     "first copies of each size and keeps the fastest; memcpy is the C library's; the others are x86 "
     "instructions: rep movsb, vector registers, the same after fetching lines for writing, streaming "
     "stores.",
     parse_copy, format_copy, true},
    {"CQ_MODERATION", "off", "off | count:usec | latency=count:usec,bulk=count:usec",
     "Interrupt moderation of the completion queues, where the device has it (see vcoll info): an event "
     "after "
     "that many completions or that many microseconds after the first, whichever comes earlier. latency is "
     "the queue of what arrives, bulk that of what was sent; off leaves them as the driver made them.",
     vc_param_parse_cq_moderation, vc_param_format_cq_moderation, true},
    {"DEVICE_MEMORY", "auto", "auto | off | watch",
     "Whether buffers of collectives may be memory of a GPU (CUDA, HIP, Level Zero). auto looks for the "
     "driver "
     "at MPI_Init and until a communicator is set up; watch does so at every call, for programs that load it "
     "later; off never looks.",
     parse_device_memory, format_device_memory, true},
    {"DISABLE", "0", "0 | 1", "Makes vcoll a pure pass-through: every call goes to the MPI underneath.",
     parse_disable, format_disable, false},
    {"HOST_ID", "", "text of at most 63 characters",
     "Names the physical host this operating system runs on, the same text in all of its virtual machines. "
     "Given by the administrator when it cannot be found out: machines with the same text are on one host, "
     "machines with different texts on different ones, whatever they look like.",
     parse_host_id, format_host_id, true},
    {"HOST_YIELD", "auto", "auto | 0 | 1",
     "Whether the MPI underneath yields the CPU while it waits (Open MPI's mpi_yield_when_idle). auto: where "
     "ranks share CPUs, unless the user has told the MPI; 0 leaves it alone; 1 always.",
     parse_host_yield, format_host_yield, true},
    {"IVSHMEM", "auto", "auto | off | the address of a PCI device | a file name",
     "The memory that virtual machines of one host share: auto takes the first ivshmem-plain device. A file, "
     "with a slash in its name, does the same, for tests.",
     parse_ivshmem, format_ivshmem, true},
    {"LOG", "warn", "error | warn | info | debug",
     "What is printed to standard error. A healthy run prints nothing at warn.", parse_log, format_log, true},
    {"NODE_SPLIT", "0", "0 (off) | a number of ranks",
     "For testing: that many ranks of a machine count as a node of their own, so that one machine looks like "
     "several.",
     parse_node_split, format_node_split, false},
    {"NONBLOCKING", "on", "off | on | early",
     "Nonblocking collectives (MPI_Iallreduce and others): off leaves them to the MPI; on takes them over on "
     "communicators that are set up, and sets up those that are made of one that has used them; early sets "
     "MPI_COMM_WORLD up in MPI_Init, for programs that make no blocking ones.",
     parse_nonblocking, format_nonblocking, false},
    {"PROGRESS", "off", "off | thread | auto",
     "What moves nonblocking collectives while the program computes. off: nothing, they move in its MPI "
     "calls; "
     "thread: a thread of the process, which sleeps while there is nothing to do; auto: such a thread where "
     "the ranks have CPUs of their own.",
     parse_progress, format_progress, true},
    {"REPRODUCIBLE", "0", "0 | 1",
     "Makes results of reductions independent of which ranks share a node, at some cost in speed.",
     parse_reproducible, format_reproducible, false},
    {"SETUP_AFTER", "3", "a whole number from 1",
     "A communicator is set up at the collective call of this number; earlier calls run the MPI's own "
     "algorithms. Spares short-lived communicators the cost. Where it is not given, new communicators wait "
     "for longer once set-ups have taken more than a thirtieth of the time.",
     parse_setup_after, format_setup_after, false},
    {"SHM_BACKING", "auto", "auto | memfd | shm",
     "Where shared memory comes from: memfd is anonymous and leaves nothing behind, shm is /dev/shm. auto "
     "takes memfd where it works.",
     parse_shm_backing, format_shm_backing, false},
    {"SHM_BULK", "256k", "a size",
     "Shared memory per rank and communicator for medium and large messages; 0 leaves only the small "
     "slots.",
     parse_shm_bulk, format_shm_bulk, false},
    {"SHM_LIMIT", "512m", "a size",
     "Shared memory that all communicators may take on one operating system. Each of its ranks may take an "
     "equal part, at most 64 MiB (or room for eight communicators, if VCOLL_SHM_BULK is large). Where it "
     "runs "
     "short, communicators get no slots for large messages; where none is left, they run the MPI's own "
     "algorithms. Up to a quarter of a part is kept of freed communicators for later ones of the same ranks, "
     "and given back when others need it.",
     parse_shm_limit, format_shm_limit, false},
    {"SPIN_US", "50", "a whole number of microseconds",
     "How long a rank polls before it sleeps when VCOLL_WAIT=hybrid; with auto the first guess of what a "
     "wake-up costs, before it is measured.",
     parse_spin_us, format_spin_us, true},
    {"STATS", "off", "off | text | json",
     "Prints, when MPI is finalized, what each collective did: calls, bytes, time, algorithm and sleeps.",
     parse_stats, format_stats, false},
    {"STATS_FILE", "", "a file name", "Where rank 0 writes the statistics; standard error when not given.",
     parse_stats_file, format_stats_file, true},
    {"STRICT", "0", "0 | 1", "Makes an unknown VCOLL_ variable an error instead of a warning.", parse_strict,
     format_strict, true},
    {"TABLE", "auto", "auto | none | a file name",
     "The tuning table that rank 0 loads for all ranks (see vcoll tune). auto looks for vcoll/table.json in "
     "the user's configuration folder, /etc/vcoll/table.json and the installed one; none leaves the built-in "
     "rules.",
     parse_table, format_table, true},
    {"TOPOLOGY", "auto", "auto | flat | measure | numa:N l3:N core:N, or some of these",
     "What the ranks of a node share. auto: what the tuning table has measured here, otherwise what the "
     "kernel says "
     "of the CPUs that each rank may use; measure: groups found at MPI_Init by timing the ranks, for virtual "
     "machines that hide caches and NUMA nodes; flat: nothing. numa:2 l3:4 core:8 makes a topology up, of 2 "
     "NUMA nodes with 4 last caches each, each with 8 cores, on which the ranks of a machine come one after "
     "the other.",
     vc_param_parse_topology, vc_param_format_topology, false},
    {"TUNE", "off", "off | online",
     "online: a small share of the calls tries other algorithms, and the best one stays.", parse_tune,
     format_tune, false},
    {"TUNE_SAVE", "", "a file name",
     "With VCOLL_TUNE=online: rank 0 writes what was found there, as a table, when MPI is finalized.",
     parse_tune_save, format_tune_save, true},
    {"TUNE_SHARE", "8", "a whole number of 0..1000",
     "With VCOLL_TUNE=online: how many calls out of 1000 may be trials.", parse_tune_share, format_tune_share,
     false},
    {"VERBS_CREDITS", "16", "a whole number of 2..1024",
     "How many pieces of VCOLL_VERBS_SLOT bytes a rank may have under way to another, per communicator.",
     parse_verbs_credits, format_verbs_credits, false},
    {"VERBS_DEVICE", "", "the name of an RDMA device, e.g. mlx5_0 | near | best",
     "The RDMA device to use. When not given, or near: of the fastest devices with an active port (see vcoll "
     "info) "
     "each rank takes one that is nearest to its CPUs, and ranks of a node share them out. best: all ranks "
     "of a "
     "node take the first of the fastest.",
     parse_verbs_device, format_verbs_device, true},
    {"VERBS_GID_INDEX", "auto", "auto | a whole number of 0..255",
     "The entry of the port's GID table that is this rank's address. auto takes RoCE v2 with a routable "
     "address where there is one.",
     vc_param_parse_gid_index, vc_param_format_gid_index, true},
    {"VERBS_INLINE", "auto", "auto | a whole number of 0..1024",
     "How many bytes of a message, its header included, may stand in the work request itself. auto takes "
     "192, or "
     "what the device grants, and none where its library is known to ignore inline data.",
     vc_param_parse_inline, vc_param_format_inline, true},
    {"VERBS_LIBRARY", "libibverbs.so.1", "a file name, or a path",
     "The verbs library, opened when the verbs channel is first wanted.", parse_verbs_library,
     format_verbs_library, true},
    {"VERBS_PEERS", "0", "0 (as many as the device grants) | a whole number of 1..65535",
     "How many queue pairs a rank has at once. If it has more peers, connections that are not used are "
     "closed and "
     "opened again, and the MPI carries the messages of those that have no queue pair meanwhile.",
     parse_verbs_peers, format_verbs_peers, true},
    {"VERBS_PKEY", "auto", "auto | 0x0001..0xffff",
     "The InfiniBand partition key, as it stands in the port's table, the membership bit (0x8000) included. "
     "auto takes the first of full membership. All ranks' keys must be of one partition; otherwise messages "
     "go another "
     "way, and a line says so.",
     vc_param_parse_pkey, vc_param_format_pkey, true},
    {"VERBS_PORT", "0", "0 (the first active one) | a port number", "The port of the RDMA device.",
     parse_verbs_port, format_verbs_port, true},
    {"VERBS_REG_CACHE", "1", "0 | 1",
     "Keeps users' buffers registered with the RDMA device, so that large messages go without a copy. 0 "
     "copies "
     "them all.",
     parse_verbs_reg_cache, format_verbs_reg_cache, true},
    {"VERBS_SL", "0", "a whole number of 0..15", "The InfiniBand service level, or the RoCE priority.",
     parse_verbs_sl, format_verbs_sl, true},
    {"VERBS_SLOT", "8k", "a size of 1k..1m",
     "Size of the registered buffers that messages pass through in pieces, a small header included.",
     parse_verbs_slot, format_verbs_slot, false},
    {"VERBS_TC", "auto", "auto | a whole number of 0..255",
     "The traffic class of packets with a global route (RoCE). auto takes what the administrator has set for "
     "RDMA connections of the port, and 0 if that is nothing.",
     vc_param_parse_tc, vc_param_format_tc, true},
    {"VERBS_TIMEOUT", "4", "a whole number of seconds, 1..600",
     "How long the RDMA device tries to reach a peer before it counts as lost. The specification lets a "
     "device take "
     "up to four times as long.",
     parse_verbs_timeout, format_verbs_timeout, true},
    {"VERBS_ZCOPY_MIN", "64k", "a size",
     "Messages of at least this size go without a copy where buffers can be registered.",
     parse_verbs_zcopy_min, format_verbs_zcopy_min, false},
    {"WAIT", "auto", "auto | poll | event | hybrid",
     "How a rank waits for others: poll spins, event sleeps, hybrid spins for VCOLL_SPIN_US and then sleeps. "
     "auto decides from the CPUs the ranks really have and from what a wake-up costs.",
     parse_wait, format_wait, true},
    {"XPMEM", "1", "0 | 1",
     "Where CMA is possible and all ranks of the node have XPMEM (libxpmem.so.0 and its kernel module), "
     "single copies "
     "go through memory of other ranks that is mapped, without a system call for each.",
     parse_xpmem, format_xpmem, false},
};

const struct vc_param_def *vc_param_defs(int *n)
{
    *n = (int)(sizeof defs / sizeof defs[0]);
    return defs;
}

/* The final zero byte is hashed too, so that neighbours cannot trade characters. */
static uint64_t hash_text(uint64_t h, const char *text)
{
    return vc_hash(h, text, strlen(text) + 1);
}

uint64_t vc_params_fingerprint(const struct vc_params *p)
{
    char text[VC_PARAM_TEXT_MAX];
    snprintf(text, sizeof text, "%d.%d.%d", VCOLL_VERSION_MAJOR, VCOLL_VERSION_MINOR, VCOLL_VERSION_PATCH);
    uint64_t h = hash_text(VC_HASH_START, text);
    for (size_t i = 0; i < sizeof defs / sizeof defs[0]; i++) {
        if (defs[i].local)
            continue;
        defs[i].format(p, text, sizeof text);
        h = hash_text(hash_text(h, defs[i].name), text);
    }
    return h;
}
