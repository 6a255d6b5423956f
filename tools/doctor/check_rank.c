/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rank is by itself: settings, limits, what a sandbox forbids it. */
#include "tools/doctor/checks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    FILES_FREE = 64,   /* descriptors that MPI, devices and connections of a rank may still need */
    FILES_LIMIT = 256, /* under which connections of a larger job run short */
    SLACK_NS = 100000, /* twice the kernel's default */
    TIMER_NS = 1000,   /* high resolution timers say 1 */
};
static const unsigned long long plenty =
    64ull << 20; /* locked memory that registrations of long messages fit into */

void doc_check_bad_settings(const struct doc_rank *r, struct doc_out *out)
{
    if (r->report.error[0])
        doc_say(out, DOC_BROKEN, NULL, "%s", r->report.error);
    for (const char *w = r->report.warnings; *w;) {
        int len = (int)strcspn(w, "\n");
        doc_say(out, r->params.strict ? DOC_BROKEN : DOC_HINT, NULL, "%.*s", len, w);
        w += len + (w[len] == '\n');
    }
}

void doc_check_less(const struct doc_rank *r, struct doc_out *out)
{
    const struct vc_params *p = &r->params;
    if (p->disable)
        doc_say(out, DOC_SLOW, "unset VCOLL_DISABLE", "VCOLL_DISABLE=1: vcoll takes nothing over");
    if (p->node_split > 0)
        doc_say(out, DOC_SLOW, "unset VCOLL_NODE_SPLIT",
                "VCOLL_NODE_SPLIT=%d, a setting for tests: ranks of one machine count as several nodes",
                p->node_split);
    if (!(p->channels & VC_CHAN_SHM))
        doc_say(out, DOC_SLOW, "unset VCOLL_CHANNELS",
                "VCOLL_CHANNELS has no shm: ranks of one machine send messages instead of sharing memory");
    if (!p->cma)
        doc_say(out, DOC_HINT, "unset VCOLL_CMA",
                "VCOLL_CMA=0: long messages of one machine are copied twice");
    if (p->shm_bulk == 0)
        doc_say(out, DOC_HINT, "unset VCOLL_SHM_BULK",
                "VCOLL_SHM_BULK=0: messages of medium size have no slots in shared memory");
}

void doc_check_no_library(const struct doc_rank *r, struct doc_out *out)
{
    if (!r->library_found)
        doc_say(out, DOC_BROKEN, NULL,
                "there is no libvcoll.so beside the installed command, nor in LD_PRELOAD");
    else
        doc_say(out, DOC_OK, NULL, "%s", r->same[DOC_SAME_LIBRARY]);
}

void doc_check_open_files(const struct doc_rank *r, struct doc_out *out)
{
    if (r->nofile == 0) {
        doc_say(out, DOC_OK, NULL, "no limit");
        return;
    }
    unsigned long long room =
        r->nofile > (unsigned long long)r->open_files ? r->nofile - (unsigned)r->open_files : 0;
    if (room < FILES_FREE)
        doc_say(out, DOC_SLOW, NULL,
                "the limit is %llu files (ulimit -n), and fewer than %d of them are left", r->nofile,
                FILES_FREE);
    else if (r->nofile < FILES_LIMIT)
        doc_say(out, DOC_HINT, NULL, "the limit is only %llu files (ulimit -n)", r->nofile);
    else
        doc_say(out, DOC_OK, NULL, "%d of %llu are open", r->open_files, r->nofile);
}

void doc_check_locked_memory(const struct doc_rank *r, struct doc_out *out)
{
    char limit[32], need[32];
    doc_bytes(r->lock_limit, limit, sizeof limit);
    doc_bytes(r->lock_need, need, sizeof need);
    if (!r->verbs_usable)
        doc_say(out, DOC_OK, NULL, "no RDMA device needs any");
    else if (r->lock_any)
        doc_say(out, DOC_OK, NULL, "no limit; the buffers of a rank need %s", need);
    else if (r->lock_limit < r->lock_need)
        doc_say(out, DOC_SLOW, NULL, "the limit is %s (ulimit -l), the buffers of a rank in this job need %s",
                limit, need);
    else if (r->lock_limit < r->lock_need + plenty)
        doc_say(out, DOC_HINT, NULL,
                "the limit is %s (ulimit -l): enough for the buffers (%s), little for long messages that are "
                "sent without a copy",
                limit, need);
    else
        doc_say(out, DOC_OK, NULL, "the limit is %s, the buffers of a rank need %s", limit, need);
}

/* Yama permits a process to look into its descendants alone, or nobody. */
static bool scope_forbids(const struct doc_rank *r)
{
    return r->ptrace_scope > 0 && r->cma == DOC_CMA_FAILS && r->cma_errno == EPERM;
}

void doc_check_single_copy(const struct doc_rank *r, struct doc_out *out)
{
    if (!r->params.cma || r->cma == DOC_CMA_UNTRIED || scope_forbids(r)) /* told by less, ptrace-scope */
        return;
    if (r->cma == DOC_CMA_OTHER_NAMESPACE)
        doc_say(out, DOC_SLOW, "start the containers of one machine with --pid=host",
                "the neighbour lives in another pid namespace: it cannot be reached by its number");
    else if (r->cma == DOC_CMA_FAILS && r->cma_errno == ENOSYS)
        doc_say(
            out, DOC_SLOW, NULL,
            "process_vm_readv is not there (%s): a sandbox, or a kernel without CONFIG_CROSS_MEMORY_ATTACH",
            strerror(r->cma_errno));
    else if (r->cma == DOC_CMA_FAILS)
        doc_say(out, DOC_SLOW, NULL,
                "%s: a seccomp profile, another user, or a process that may not be dumped forbids it",
                strerror(r->cma_errno));
    else
        doc_say(out, DOC_OK, NULL,
                r->cma_alone ? "works, on the own memory (there is no neighbour)" : "works");
}

void doc_check_ptrace_scope(const struct doc_rank *r, struct doc_out *out)
{
    if (scope_forbids(r))
        doc_say(out, DOC_SLOW, NULL,
                "kernel.yama.ptrace_scope is %d: a rank may not read its neighbour's memory",
                r->ptrace_scope);
    else if (r->ptrace_scope > 0)
        doc_say(out, DOC_OK, NULL, "kernel.yama.ptrace_scope is %d, and does not forbid it here",
                r->ptrace_scope);
    else
        doc_say(out, DOC_OK, NULL, r->ptrace_scope < 0 ? "this kernel has no Yama" : "0");
}

void doc_check_userfaultfd(const struct doc_rank *r, struct doc_out *out)
{
    if (r->regcache)
        doc_say(out, DOC_OK, NULL, "works");
    else if (!r->verbs_usable)
        doc_say(out, DOC_OK, NULL, "not there, but no RDMA device needs it (%s)", r->regcache_why);
    else if (!r->params.verbs_reg_cache)
        doc_say(out, DOC_HINT, "unset VCOLL_VERBS_REG_CACHE", "%s", r->regcache_why);
    else
        doc_say(out, DOC_SLOW, NULL, "%s", r->regcache_why);
}

void doc_check_timers(const struct doc_rank *r, struct doc_out *out)
{
    if (r->timer_ns > TIMER_NS)
        doc_say(out, DOC_SLOW, NULL, "timers come in steps of %.3g ms: high resolution timers are off",
                (double)r->timer_ns / 1e6);
    if (r->timer_slack_ns > SLACK_NS)
        doc_say(out, DOC_SLOW, NULL, "the timer slack is %.3g ms: sleeps may be so much longer",
                (double)r->timer_slack_ns / 1e6);
    if (r->timer_ns <= TIMER_NS && r->timer_slack_ns <= SLACK_NS)
        doc_say(out, DOC_OK, NULL, "resolution %lld ns, slack %.3g us", r->timer_ns,
                (double)r->timer_slack_ns / 1e3);
}
