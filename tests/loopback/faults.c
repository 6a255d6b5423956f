/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults of VC_LOOPBACK and vc_loopback_inject(). */
#include "tests/loopback/internal.h"

#include <stdlib.h>

enum { FAILS = 16 };
enum { CUT, PORTERR, PORTUP, DEVFATAL, REMOVED, SRQERR, MOVED, TIMES };
static const char *const time_names[TIMES] = {"cut",     "porterr", "portup", "devfatal",
                                              "removed", "srqerr",  "moved"};

struct lb_faults {
    bool reset;
    int n_fails;
    struct {
        enum lb_fn fn;
        uint32_t nth; /* 0: always */
        int err;
        uint32_t calls;
    } fail[FAILS];
    bool has_memlock;
    uint64_t memlock;
    uint32_t wcerr_status, wcerr_at, qperr_at, rnr_every, drop_every, sends, rnr_sends;
    uint64_t delay_ns, jitter_ns;
    uint64_t at[TIMES]; /* ns after opening the device, LB_NEVER: not asked for */
    uint64_t plugged;   /* ns after it was removed, LB_NEVER: not asked for */
};

uint32_t lb_hot;
static struct lb_faults now_faults = {
    .at = {LB_NEVER, LB_NEVER, LB_NEVER, LB_NEVER, LB_NEVER, LB_NEVER, LB_NEVER}, .plugged = LB_NEVER};
static uint64_t removed_ns; /* when */
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t seed = 0x9e3779b9u;

#define LB_FN_NAME(name) #name,
static const char *const fn_names[] = {LB_FUNCTIONS(LB_FN_NAME)};

static const struct {
    const char *name;
    int value;
} errnos[] = {{"EPERM", EPERM},          {"EIO", EIO},       {"EAGAIN", EAGAIN}, {"ENOMEM", ENOMEM},
              {"EACCES", EACCES},        {"EFAULT", EFAULT}, {"EBUSY", EBUSY},   {"ENODEV", ENODEV},
              {"EINVAL", EINVAL},        {"EMFILE", EMFILE}, {"ENOSPC", ENOSPC}, {"ENOSYS", ENOSYS},
              {"EOPNOTSUPP", EOPNOTSUPP}};

struct lb_faults *lb_faults_new(void)
{
    struct lb_faults *f = calloc(1, sizeof(*f));
    for (int i = 0; f && i < TIMES; i++)
        f->at[i] = LB_NEVER;
    if (f)
        f->plugged = LB_NEVER;
    return f;
}

static int add_fail(struct lb_faults *f, char *value)
{
    char *save = NULL, *name = strtok_r(value, ":", &save), *nth, *err, *end;
    if (!name || f->n_fails == FAILS)
        return EINVAL;
    if (name[0] == '_')
        name++;
    if (strncmp(name, "ibv_", 4) == 0)
        name += 4;
    int fn = 0;
    while (fn < LB_FN_COUNT && strcmp(fn_names[fn], name) != 0)
        fn++;
    if (fn == LB_FN_COUNT)
        return EINVAL;
    uint32_t n = 1;
    int e = fn == LB_FN_reg_mr ? ENOMEM : EIO;
    if ((nth = strtok_r(NULL, ":", &save))) {
        n = strcmp(nth, "all") == 0 ? 0 : (uint32_t)strtoul(nth, &end, 0);
        if (n != 0 && *end)
            return EINVAL;
    }
    if ((err = strtok_r(NULL, ":", &save))) {
        e = (int)strtol(err, &end, 0);
        if (end == err) {
            for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
                if (strcmp(err, errnos[i].name) == 0)
                    e = errnos[i].value;
            }
        }
        if (e == 0)
            return EINVAL;
    }
    f->fail[f->n_fails].fn = (enum lb_fn)fn;
    f->fail[f->n_fails].nth = n;
    f->fail[f->n_fails++].err = e;
    return 0;
}

static int add_wcerr(struct lb_faults *f, char *value)
{
    char *at = strchr(value, '@'), *end;
    f->wcerr_at = 1;
    if (at) {
        *at++ = 0;
        f->wcerr_at = (uint32_t)strtoul(at, &end, 0);
        if (end == at || *end || !f->wcerr_at)
            return EINVAL;
    }
    f->wcerr_status = (uint32_t)strtoul(value, &end, 0);
    return end == value || *end || !f->wcerr_status || f->wcerr_status > IBV_WC_TM_RNDV_INCOMPLETE ? EINVAL
                                                                                                   : 0;
}

int lb_faults_set(struct lb_faults *f, const char *key, char sep, char *value)
{
    if (strcmp(key, "reset") == 0) {
        f->reset = true;
        return sep ? EINVAL : 0;
    }
    if (sep == '=' && strcmp(key, "fail") == 0)
        return add_fail(f, value);
    if (sep == '=' && strcmp(key, "wcerr") == 0)
        return add_wcerr(f, value);
    char *end;
    unsigned long long n = strtoull(value, &end, 0);
    if (end == value || *end)
        return EINVAL;
    if (sep == '@') {
        for (int i = 0; i < TIMES; i++) {
            if (strcmp(key, time_names[i]) == 0) {
                f->at[i] = n * 1000000u;
                return 0;
            }
        }
        if (strcmp(key, "plugged") == 0) {
            f->plugged = n * 1000000u;
            return 0;
        }
        if (strcmp(key, "qperr") != 0 || !n)
            return EINVAL;
        f->qperr_at = (uint32_t)n;
        return 0;
    }
    if (strcmp(key, "memlock") == 0) {
        f->has_memlock = true;
        f->memlock = n;
    } else if (strcmp(key, "delay_us") == 0) {
        f->delay_ns = n * 1000;
    } else if (strcmp(key, "reorder") == 0) {
        /* 1 means the default spread; more is the spread in microseconds. */
        f->jitter_ns = n == 1 ? 100000 : n * 1000;
    } else if (strcmp(key, "rnr") == 0) {
        f->rnr_every = (uint32_t)n;
    } else if (strcmp(key, "drop") == 0) {
        f->drop_every = (uint32_t)n;
    } else {
        return EINVAL;
    }
    return 0;
}

static void set_hot(void)
{
    struct lb_faults *f = &now_faults;
    uint32_t hot = lb_hot & (LB_HOT_REMOVED | LB_HOT_CUT | LB_HOT_DEAD);
    hot |= f->n_fails ? LB_HOT_FAIL : 0;
    hot |= f->wcerr_at || f->qperr_at || f->rnr_every || f->drop_every ? LB_HOT_SEND : 0;
    hot |= f->delay_ns || f->jitter_ns ? LB_HOT_DELAY : 0;
    __atomic_store_n(&lb_hot, hot, __ATOMIC_RELEASE);
}

void lb_faults_commit(const struct lb_faults *f, bool replace)
{
    pthread_mutex_lock(&fault_lock);
    struct lb_faults *t = &now_faults;
    if (replace || f->reset) {
        *t = *f;
        __atomic_store_n(&lb_hot, 0, __ATOMIC_RELEASE);
        for (int d = 0; lb && d < LB_DEVS; d++)
            __atomic_store_n(&lb->seg->dev[d].removed, 0, __ATOMIC_RELEASE);
    } else {
        for (int i = 0; i < f->n_fails && t->n_fails < FAILS; i++)
            t->fail[t->n_fails++] = f->fail[i];
        if (f->has_memlock) {
            t->has_memlock = true;
            t->memlock = f->memlock;
        }
        if (f->wcerr_at) {
            t->wcerr_at = f->wcerr_at + t->sends;
            t->wcerr_status = f->wcerr_status;
        }
        if (f->qperr_at)
            t->qperr_at = f->qperr_at + t->sends;
        t->plugged = f->plugged != LB_NEVER ? f->plugged : t->plugged;
        t->rnr_every = f->rnr_every ? f->rnr_every : t->rnr_every;
        t->drop_every = f->drop_every ? f->drop_every : t->drop_every;
        t->delay_ns = f->delay_ns ? f->delay_ns : t->delay_ns;
        t->jitter_ns = f->jitter_ns ? f->jitter_ns : t->jitter_ns;
    }
    /* Kept relative to the opening of the device. */
    uint64_t since = lb && !replace ? lb_now() - lb->opened_ns : 0;
    for (int i = 0; i < TIMES; i++) {
        if (f->at[i] != LB_NEVER)
            t->at[i] = f->at[i] + since;
    }
    t->reset = false;
    set_hot();
    pthread_mutex_unlock(&fault_lock);
}

void lb_faults_plug(void)
{
    pthread_mutex_lock(&fault_lock);
    uint64_t after = now_faults.plugged;
    if ((lb_hot & LB_HOT_REMOVED) && after != LB_NEVER &&
        lb_now() >= __atomic_load_n(&removed_ns, __ATOMIC_ACQUIRE) + after) {
        now_faults.plugged = LB_NEVER;
        for (int d = 0; lb && d < LB_DEVS; d++)
            __atomic_store_n(&lb->seg->dev[d].removed, 0, __ATOMIC_RELEASE);
        __atomic_fetch_or(&lb_hot, LB_HOT_DEAD, __ATOMIC_RELEASE);
        __atomic_fetch_and(&lb_hot, ~(uint32_t)LB_HOT_REMOVED, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&fault_lock);
}

bool lb_faults_timed(void)
{
    bool any = false;
    pthread_mutex_lock(&fault_lock);
    for (int i = 0; i < TIMES; i++)
        any = any || now_faults.at[i] != LB_NEVER;
    pthread_mutex_unlock(&fault_lock);
    return any;
}

int lb_fault_slow(enum lb_fn fn)
{
    int err = 0;
    /* Completions of a removed device can still be polled, and the device closed. */
    if ((__atomic_load_n(&lb_hot, __ATOMIC_RELAXED) & LB_HOT_REMOVED) && fn != LB_FN_poll_cq &&
        fn != LB_FN_close_device && fn != LB_FN_get_device_list && fn != LB_FN_get_async_event)
        return EIO;
    pthread_mutex_lock(&fault_lock);
    for (int i = 0; i < now_faults.n_fails; i++) {
        if (now_faults.fail[i].fn != fn)
            continue;
        uint32_t call = ++now_faults.fail[i].calls;
        if (now_faults.fail[i].nth == 0 || now_faults.fail[i].nth == call)
            err = now_faults.fail[i].err;
    }
    pthread_mutex_unlock(&fault_lock);
    if (err)
        LB_COUNT(faults, 1);
    return err;
}

void lb_fault_mark(struct lb_send *op)
{
    struct lb_faults *f = &now_faults;
    pthread_mutex_lock(&fault_lock);
    f->sends++;
    bool takes_recv = op->opcode == IBV_WR_SEND || op->opcode == IBV_WR_SEND_WITH_IMM ||
                      op->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
    if (takes_recv)
        f->rnr_sends++;
    if (f->wcerr_at && f->sends == f->wcerr_at) {
        op->mark = LB_MARK_WCERR;
        op->mark_arg = f->wcerr_status;
    } else if (f->qperr_at && f->sends == f->qperr_at) {
        op->mark = LB_MARK_QPERR;
    } else if (f->rnr_every && takes_recv && f->rnr_sends % f->rnr_every == 0) {
        op->mark = LB_MARK_RNR;
    } else if (f->drop_every && f->sends % f->drop_every == 0) {
        op->mark = LB_MARK_DROP;
    }
    pthread_mutex_unlock(&fault_lock);
    if (op->mark)
        LB_COUNT(faults, 1);
}

uint64_t lb_fault_delay(void)
{
    uint64_t d;
    pthread_mutex_lock(&fault_lock);
    d = now_faults.delay_ns;
    if (now_faults.jitter_ns) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        d += seed % now_faults.jitter_ns;
    }
    pthread_mutex_unlock(&fault_lock);
    return d;
}

bool lb_memlock_exceeded(uint64_t mr_bytes)
{
    bool exceeded;
    pthread_mutex_lock(&fault_lock);
    exceeded = now_faults.has_memlock && mr_bytes > now_faults.memlock;
    pthread_mutex_unlock(&fault_lock);
    if (exceeded)
        LB_COUNT(faults, 1);
    return exceeded;
}

/* All queue pairs of the process fail and flush what they have. */
static void fail_qps(void)
{
    pthread_mutex_lock(&lb->lock);
    for (int i = 0; i < LB_QPS; i++) {
        struct lb_qp *qp = lb->qp[i];
        if (!qp)
            continue;
        pthread_mutex_lock(&qp->sq_lock);
        if (lb_state(qp->s) != IBV_QPS_RESET)
            lb_qp_error(qp);
        pthread_mutex_unlock(&qp->sq_lock);
    }
    pthread_mutex_unlock(&lb->lock);
}

static void raise_everywhere(enum ibv_event_type type, uint32_t arg)
{
    for (uint32_t i = 0; i < LB_CTXS; i++)
        lb_async_raise(lb->seg, i, type, arg);
}

static void set_port(uint32_t up)
{
    for (int d = 0; d < LB_DEVS; d++)
        __atomic_store_n(&lb->seg->dev[d].port_up, up, __ATOMIC_RELEASE);
    raise_everywhere(up ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR, 1);
}

static void fail_srqs(void)
{
    pthread_mutex_lock(&lb->lock);
    for (uint32_t i = 0; i < LB_SRQS; i++)
        if (lb->srq[i])
            lb_async_raise(lb->seg, lb->srq[i]->s->ctx, IBV_EVENT_SRQ_ERR, i);
    pthread_mutex_unlock(&lb->lock);
}

/* As by another subnet manager or another address from DHCP: the old LID and routable GIDs exist no longer.
 */
static void move_ports(void)
{
    for (int d = 0; d < LB_DEVS; d++) {
        struct lb_shm_dev *s = &lb->seg->dev[d];
        s->lid = s->lid ? s->lid + 0x100 : 0;
        for (int i = 0; i < LB_GIDS; i++)
            if (s->gid[i].raw[12] == 10)
                s->gid[i].raw[13]++;
    }
    raise_everywhere(lb_lim.link == IBV_LINK_LAYER_INFINIBAND ? IBV_EVENT_LID_CHANGE : IBV_EVENT_GID_CHANGE,
                     1);
}

/* Whether this fault is due; if so it is taken off. *next: when the next one is. */
static bool due(int which, uint64_t now, uint64_t *next)
{
    bool yes = false;
    pthread_mutex_lock(&fault_lock);
    uint64_t at = now_faults.at[which];
    if (at != LB_NEVER) {
        at += lb->opened_ns;
        yes = now >= at;
        if (yes)
            now_faults.at[which] = LB_NEVER;
        else if (at < *next)
            *next = at;
    }
    pthread_mutex_unlock(&fault_lock);
    if (yes)
        LB_COUNT(faults, 1);
    return yes;
}

uint64_t lb_faults_run(uint64_t now)
{
    uint64_t next = LB_NEVER;
    if (due(CUT, now, &next))
        __atomic_fetch_or(&lb_hot, LB_HOT_CUT, __ATOMIC_RELEASE);
    if (due(PORTERR, now, &next))
        set_port(0);
    if (due(PORTUP, now, &next))
        set_port(1);
    if (due(SRQERR, now, &next))
        fail_srqs();
    if (due(MOVED, now, &next))
        move_ports();
    if (due(DEVFATAL, now, &next)) {
        raise_everywhere(IBV_EVENT_DEVICE_FATAL, 0);
        fail_qps();
    }
    if (due(REMOVED, now, &next)) {
        __atomic_store_n(&removed_ns, now, __ATOMIC_RELEASE);
        for (int i = 0; i < LB_CTXS; i++)
            if (lb->ctx[i])
                __atomic_store_n(&lb->ctx[i]->dead, 1, __ATOMIC_RELAXED);
        for (int d = 0; d < LB_DEVS; d++)
            __atomic_store_n(&lb->seg->dev[d].removed, 1, __ATOMIC_RELEASE);
        __atomic_fetch_or(&lb_hot, LB_HOT_REMOVED, __ATOMIC_RELEASE);
        raise_everywhere(IBV_EVENT_DEVICE_FATAL, 0);
        fail_qps();
        lb_channels_close();
    }
    return next;
}
