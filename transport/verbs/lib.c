/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/lib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define DEFAULT_LIBRARY "libibverbs.so.1"

struct vc_ibv vc_ibv;

/* Where a function's address goes and under which name the library exports it. */
struct symbol {
    size_t offset;
    const char *name;
    bool optional;
};

#define MUST(f)                                                                                              \
    {                                                                                                        \
        offsetof(struct vc_ibv, f), "ibv_" #f, false                                                         \
    }
#define MAY(f, export)                                                                                       \
    {                                                                                                        \
        offsetof(struct vc_ibv, f), export, true                                                             \
    }

static const struct symbol symbols[] = {
    MUST(get_device_list),
    MUST(free_device_list),
    MUST(get_device_name),
    MUST(open_device),
    MUST(close_device),
    MUST(query_device),
    MUST(query_port),
    MUST(query_gid),
    MAY(query_gid_ex, "_ibv_query_gid_ex"),
    MUST(query_pkey),
    MUST(alloc_pd),
    MUST(dealloc_pd),
    MUST(reg_mr),
    MUST(dereg_mr),
    MUST(create_comp_channel),
    MUST(destroy_comp_channel),
    MUST(create_cq),
    MUST(destroy_cq),
    MUST(get_cq_event),
    MUST(ack_cq_events),
    MUST(create_qp),
    MUST(modify_qp),
    MUST(destroy_qp),
    MUST(create_srq),
    MUST(destroy_srq),
    MUST(get_async_event),
    MUST(ack_async_event),
    MUST(wc_status_str),
    MUST(event_type_str),
    MUST(port_state_str),
    MAY(is_fork_initialized, "ibv_is_fork_initialized"),
};

/* Every function pointer has the size of an address: POSIX, of dlsym. */
_Static_assert(sizeof(struct vc_ibv) == sizeof symbols / sizeof symbols[0] * sizeof(void *),
               "one symbol for each function");

static int load(const char *file)
{
    void *lib = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        const char *why = dlerror();
        bool standard = strcmp(file, DEFAULT_LIBRARY) == 0;
        return vc_fail(VC_ERR_UNSUPPORTED, "the verbs library cannot be opened: %.300s%s", why ? why : file,
                       standard ? " (it comes with rdma-core; on Debian: libibverbs1, ibverbs-providers)"
                                : " (VCOLL_VERBS_LIBRARY)");
    }
    struct vc_ibv found;
    memset(&found, 0, sizeof found);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        void *address = dlsym(lib, symbols[i].name);
        if (!address && !symbols[i].optional) {
            dlclose(lib);
            return vc_fail(VC_ERR_UNSUPPORTED, "%.300s is no verbs library that vcoll can use: it has no %s",
                           file, symbols[i].name);
        }
        memcpy((char *)&found + symbols[i].offset, &address, sizeof address);
    }
    vc_ibv = found;
    return VC_OK;
}

int vc_ibv_load(const char *path)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    int err = vc_ibv.get_device_list ? VC_OK : load(path && path[0] ? path : DEFAULT_LIBRARY);
    pthread_mutex_unlock(&lock);
    return err;
}

int vc_ibv_query_port(struct ibv_context *ctx, int port, struct ibv_port_attr *attr)
{
    memset(attr, 0, sizeof *attr);
    struct verbs_context *v = verbs_get_ctx_op(ctx, query_port);
    return v ? v->query_port(ctx, (uint8_t)port, attr, sizeof *attr)
             : vc_ibv.query_port(ctx, (uint8_t)port, (struct _compat_ibv_port_attr *)attr);
}
