/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/fuzz_verbs.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QPS = 16, RECVS = 512, DONE = 4096 };

#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "not true: %s\n", #cond);                                                        \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* First in, first out. */
struct recvs {
    struct ibv_recv_wr wr[RECVS];
    struct ibv_sge sge[RECVS];
    unsigned head, tail;
};

struct done {
    struct ibv_wc wc[DONE];
    unsigned head, tail;
};

struct qp {
    struct ibv_qp ib;
    uint32_t inlined;
    uint64_t last; /* work request */
    bool sent;
    struct recvs recvs;
};

static struct {
    bool srq;
    uint32_t inlined;
    int alive, ncq;
    struct verbs_context ctx;
    struct ibv_device dev;
    struct ibv_pd pd;
    struct ibv_comp_channel events;
    struct ibv_cq cq[2];
    struct done done[2];
    struct ibv_srq ibsrq;
    struct recvs shared;
    struct qp *qp[QPS];
    int nqp;
    enum ibv_event_type event[8];
    int nevents;
} d;

static struct ibv_device **get_device_list(int *num)
{
    struct ibv_device **list = calloc(2, sizeof(struct ibv_device *));
    MUST(list);
    list[0] = &d.dev;
    *num = 1;
    return list;
}

static void free_device_list(struct ibv_device **list)
{
    free(list);
}

static const char *get_device_name(struct ibv_device *dev)
{
    return dev->name;
}

static struct qp *qp_of(uint32_t qpn)
{
    return d.nqp > 0 ? d.qp[qpn % (unsigned)d.nqp] : NULL;
}

static void complete(int cq, const struct ibv_wc *wc)
{
    struct done *q = &d.done[cq];
    MUST(q->tail - q->head < DONE);
    q->wc[q->tail++ % DONE] = *wc;
}

static int poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc)
{
    struct done *q = &d.done[cq - d.cq];
    int got = 0;
    while (got < n && q->head != q->tail)
        wc[got++] = q->wc[q->head++ % DONE];
    return got;
}

static int req_notify_cq(struct ibv_cq *cq, int solicited)
{
    (void)cq, (void)solicited;
    return 0;
}

/* Reads all that is sent, so that what is not there shows. */
static int post_send(struct ibv_qp *ib, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
    struct qp *q = (struct qp *)(void *)ib;
    static volatile unsigned sum;
    for (; wr; wr = wr->next) {
        uint32_t bytes = 0;
        *bad = wr;
        for (int i = 0; i < wr->num_sge; i++) {
            const unsigned char *p = (const unsigned char *)(uintptr_t)wr->sg_list[i].addr;
            for (uint32_t k = 0; k < wr->sg_list[i].length; k++)
                sum += p[k];
            bytes += wr->sg_list[i].length;
            MUST((wr->send_flags & IBV_SEND_INLINE) || wr->sg_list[i].lkey != 0);
        }
        MUST(!(wr->send_flags & IBV_SEND_INLINE) || bytes <= q->inlined);
        q->last = wr->wr_id;
        q->sent = true;
        if (wr->send_flags & IBV_SEND_SIGNALED)
            complete(1, &(struct ibv_wc){.wr_id = wr->wr_id, .qp_num = ib->qp_num});
    }
    return 0;
}

static int post_recvs(struct recvs *r, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
    for (; wr; wr = wr->next) {
        *bad = wr;
        if (r->tail - r->head == RECVS)
            return ENOMEM;
        r->wr[r->tail % RECVS] = *wr;
        r->sge[r->tail++ % RECVS] = *wr->sg_list;
    }
    return 0;
}

static int post_recv(struct ibv_qp *ib, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
    return post_recvs(&((struct qp *)(void *)ib)->recvs, wr, bad);
}

static int post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
    (void)srq;
    return post_recvs(&d.shared, wr, bad);
}

static int query_port(struct ibv_context *ctx, uint8_t port, struct ibv_port_attr *a, size_t len)
{
    (void)ctx, (void)port;
    struct ibv_port_attr all = {.state = IBV_PORT_ACTIVE,
                                .link_layer = IBV_LINK_LAYER_ETHERNET,
                                .active_mtu = IBV_MTU_4096,
                                .max_msg_sz = 1 << 20,
                                .gid_tbl_len = 1,
                                .pkey_tbl_len = 1};
    memcpy(a, &all, len < sizeof all ? len : sizeof all);
    return 0;
}

static int query_old_port(struct ibv_context *ctx, uint8_t port, struct _compat_ibv_port_attr *a)
{
    return query_port(ctx, port, (struct ibv_port_attr *)(void *)a, offsetof(struct ibv_port_attr, flags));
}

static struct ibv_context *open_device(struct ibv_device *dev)
{
    memset(&d.ctx, 0, sizeof d.ctx);
    d.ctx.sz = sizeof d.ctx;
    d.ctx.query_port = query_port;
    d.ctx.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
    d.ctx.context.device = dev;
    d.ctx.context.num_comp_vectors = 1;
    d.ctx.context.ops = (struct ibv_context_ops){.poll_cq = poll_cq,
                                                 .req_notify_cq = req_notify_cq,
                                                 .post_send = post_send,
                                                 .post_recv = post_recv,
                                                 .post_srq_recv = post_srq_recv};
    d.ctx.context.async_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    d.alive++;
    return &d.ctx.context;
}

static int close_device(struct ibv_context *ctx)
{
    close(ctx->async_fd);
    d.alive--;
    return 0;
}

static int query_device(struct ibv_context *ctx, struct ibv_device_attr *a)
{
    (void)ctx;
    *a = (struct ibv_device_attr){.phys_port_cnt = 1,
                                  .max_qp = QPS,
                                  .max_qp_wr = 64,
                                  .max_cqe = 1024,
                                  .max_srq = d.srq,
                                  .max_srq_wr = 256};
    return 0;
}

static int query_gid(struct ibv_context *ctx, uint8_t port, int index, union ibv_gid *gid)
{
    static const uint8_t raw[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    (void)ctx, (void)port, (void)index;
    memcpy(gid->raw, raw, sizeof raw);
    return 0;
}

static int query_gid_ex(struct ibv_context *ctx, uint32_t port, uint32_t index, struct ibv_gid_entry *entry,
                        uint32_t flags, size_t len)
{
    (void)flags, (void)len;
    entry->gid_type = IBV_GID_TYPE_ROCE_V2;
    return query_gid(ctx, (uint8_t)port, (int)index, &entry->gid);
}

static int query_pkey(struct ibv_context *ctx, uint8_t port, int index, __be16 *pkey)
{
    (void)ctx, (void)port, (void)index;
    *pkey = htobe16(0xffff);
    return 0;
}

static struct ibv_pd *alloc_pd(struct ibv_context *ctx)
{
    d.pd.context = ctx;
    d.alive++;
    return &d.pd;
}

static int dealloc_pd(struct ibv_pd *pd)
{
    (void)pd;
    d.alive--;
    return 0;
}

static struct ibv_mr *reg_mr(struct ibv_pd *pd, void *addr, size_t len, int access)
{
    struct ibv_mr *mr = calloc(1, sizeof *mr);
    (void)access;
    MUST(mr);
    *mr = (struct ibv_mr){.pd = pd, .addr = addr, .length = len, .lkey = 1, .rkey = 2};
    d.alive++;
    return mr;
}

static int dereg_mr(struct ibv_mr *mr)
{
    d.alive--;
    free(mr);
    return 0;
}

static struct ibv_comp_channel *create_comp_channel(struct ibv_context *ctx)
{
    d.events = (struct ibv_comp_channel){.context = ctx, .fd = open("/dev/null", O_RDWR | O_CLOEXEC)};
    d.alive++;
    return &d.events;
}

static int destroy_comp_channel(struct ibv_comp_channel *ch)
{
    close(ch->fd);
    d.alive--;
    return 0;
}

static struct ibv_cq *create_cq(struct ibv_context *ctx, int cqe, void *cq_context,
                                struct ibv_comp_channel *ch, int vector)
{
    (void)cqe, (void)cq_context, (void)ch, (void)vector;
    struct ibv_cq *cq = &d.cq[d.ncq++ % 2];
    cq->context = ctx;
    d.alive++;
    return cq;
}

static int destroy_cq(struct ibv_cq *cq)
{
    (void)cq;
    d.alive--;
    return 0;
}

static int get_cq_event(struct ibv_comp_channel *ch, struct ibv_cq **cq, void **cq_context)
{
    (void)ch, (void)cq, (void)cq_context;
    return -1;
}

static void ack_cq_events(struct ibv_cq *cq, unsigned int n)
{
    (void)cq, (void)n;
}

static struct ibv_qp *create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
    if (d.nqp == QPS) {
        errno = ENOMEM;
        return NULL;
    }
    struct qp *q = calloc(1, sizeof *q);
    MUST(q);
    if (attr->cap.max_inline_data > d.inlined)
        attr->cap.max_inline_data = d.inlined;
    q->inlined = attr->cap.max_inline_data;
    q->ib.context = pd->context;
    q->ib.qp_num = (uint32_t)d.nqp;
    d.qp[d.nqp++] = q;
    d.alive++;
    return &q->ib;
}

/* Checks what comes from a peer's hello, as the kernel does. */
static int modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *a, int mask)
{
    (void)qp;
    return (mask & IBV_QP_PATH_MTU) && (a->path_mtu < IBV_MTU_256 || a->path_mtu > IBV_MTU_4096) ? EINVAL : 0;
}

static int destroy_qp(struct ibv_qp *ib)
{
    d.qp[ib->qp_num] = NULL;
    free(ib);
    d.alive--;
    return 0;
}

static struct ibv_srq *create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
    (void)attr;
    d.ibsrq.context = pd->context;
    d.alive++;
    return &d.ibsrq;
}

static int destroy_srq(struct ibv_srq *srq)
{
    (void)srq;
    d.alive--;
    return 0;
}

static int get_async_event(struct ibv_context *ctx, struct ibv_async_event *ev)
{
    (void)ctx;
    if (d.nevents == 0)
        return -1;
    memset(ev, 0, sizeof *ev);
    ev->event_type = d.event[--d.nevents];
    return 0;
}

static void ack_async_event(struct ibv_async_event *ev)
{
    (void)ev;
}

static const char *status_text(enum ibv_wc_status status)
{
    (void)status;
    return "failed";
}

static const char *event_text(enum ibv_event_type type)
{
    (void)type;
    return "happened";
}

void fuzz_device_reset(bool srq, uint32_t inlined)
{
    memset(&d, 0, sizeof d);
    d.srq = srq;
    d.inlined = inlined;
    d.dev.transport_type = IBV_TRANSPORT_IB;
    strcpy(d.dev.name, "fuzz0");
    vc_ibv = (struct vc_ibv){
        .get_device_list = get_device_list,
        .free_device_list = free_device_list,
        .get_device_name = get_device_name,
        .open_device = open_device,
        .close_device = close_device,
        .query_device = query_device,
        .query_port = query_old_port,
        .query_gid = query_gid,
        .query_gid_ex = query_gid_ex,
        .query_pkey = query_pkey,
        .alloc_pd = alloc_pd,
        .dealloc_pd = dealloc_pd,
        .reg_mr = reg_mr,
        .dereg_mr = dereg_mr,
        .create_comp_channel = create_comp_channel,
        .destroy_comp_channel = destroy_comp_channel,
        .create_cq = create_cq,
        .destroy_cq = destroy_cq,
        .get_cq_event = get_cq_event,
        .ack_cq_events = ack_cq_events,
        .create_qp = create_qp,
        .modify_qp = modify_qp,
        .destroy_qp = destroy_qp,
        .create_srq = create_srq,
        .destroy_srq = destroy_srq,
        .get_async_event = get_async_event,
        .ack_async_event = ack_async_event,
        .wc_status_str = status_text,
        .event_type_str = event_text,
    };
}

static bool next_recv(uint32_t qpn, struct ibv_wc *wc, struct ibv_sge *into)
{
    struct qp *q = qp_of(qpn);
    struct recvs *r = d.srq ? &d.shared : q ? &q->recvs : NULL;
    if (!q || r->head == r->tail)
        return false;
    *into = r->sge[r->head % RECVS];
    *wc = (struct ibv_wc){.wr_id = r->wr[r->head++ % RECVS].wr_id, .qp_num = q->ib.qp_num};
    return true;
}

bool fuzz_device_message(uint32_t qpn, const void *data, size_t len)
{
    struct ibv_wc wc;
    struct ibv_sge into;
    if (!next_recv(qpn, &wc, &into))
        return false;
    wc.opcode = IBV_WC_RECV;
    wc.byte_len = (uint32_t)(len < into.length ? len : into.length);
    /* So that bytes of an earlier message are not taken for bytes of this one. */
    memset((void *)(uintptr_t)into.addr, 0xa5, into.length);
    memcpy((void *)(uintptr_t)into.addr, data, wc.byte_len);
    complete(0, &wc);
    return true;
}

bool fuzz_device_write(uint32_t qpn, uint32_t imm)
{
    struct ibv_wc wc;
    struct ibv_sge into;
    if (!next_recv(qpn, &wc, &into))
        return false;
    wc.opcode = IBV_WC_RECV_RDMA_WITH_IMM;
    wc.imm_data = htobe32(imm);
    complete(0, &wc);
    return true;
}

void fuzz_device_fail(uint32_t qpn, enum ibv_wc_status status)
{
    struct qp *q = qp_of(qpn);
    if (q && q->sent)
        complete(1, &(struct ibv_wc){.wr_id = q->last, .status = status, .qp_num = q->ib.qp_num});
}

void fuzz_device_event(enum ibv_event_type type)
{
    if (d.nevents < 8)
        d.event[d.nevents++] = type;
}

int fuzz_device_alive(void)
{
    return d.alive;
}
