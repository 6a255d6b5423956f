/* SPDX-License-Identifier: BSD-3-Clause */
/* Tries all devices and ports, and keeps the best one open. */
#include "transport/verbs/device.h"

#include "transport/topology/cpus.h"
#include "transport/topology/numa.h"
#include "transport/topology/rdma.h"
#include "transport/topology/sysfile.h"
#include "transport/verbs/near.h"
#include "transport/verbs/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum { MAX_DEVICES = 64, MAX_CANDIDATES = 64 };

struct scan {
    const struct vc_verbs_want *want;
    struct ibv_device **devices;
    int ndevices;
    struct vc_rdma_dev *sysfs; /* devices that sysfs knows */
    int nsysfs;
    struct vc_verbs_candidate *list;
    int n, max;
    struct vc_verbs_dev best; /* ctx NULL: none can be used */
    unsigned best_rate;
};

/* ---- one device ---- */

/* Drivers whose devices are programs on CPUs, of this system or of the hypervisor. */
static bool is_software(const struct scan *s, const char *name)
{
    static const char *const drivers[] = {"rdma_rxe", "siw", "vmw_pvrdma"};
    const struct vc_rdma_dev *d = NULL;
    for (int i = 0; i < s->nsysfs && !d; i++)
        if (strcmp(s->sysfs[i].name, name) == 0)
            d = &s->sysfs[i];
    if (!d) /* unknown to sysfs: the names that `rdma link add` is usually given */
        return strncmp(name, "rxe", 3) == 0 || strncmp(name, "siw", 3) == 0;
    for (size_t k = 0; k < sizeof drivers / sizeof drivers[0]; k++)
        if (strcmp(d->driver, drivers[k]) == 0)
            return true;
    /* Only rxe has this file. Older kernels put rxe below the network adapter, whose driver sysfs then shows.
     */
    return vc_sys_exists(NULL, "/sys/class/infiniband/%s/parent", name);
}

/* Both stay 0 without the extended query, and on devices without moderation. */
static void read_moderation(struct vc_verbs_dev *dev)
{
    struct ibv_device_attr_ex ex;
    memset(&ex, 0, sizeof ex);
    struct verbs_context *v = verbs_get_ctx_op(dev->ctx, query_device_ex);
    if (!v || !verbs_get_ctx_op(dev->ctx, modify_cq) ||
        v->query_device_ex(dev->ctx, NULL, &ex, sizeof ex) != 0)
        return;
    dev->cq_mod_count = ex.cq_mod_caps.max_cq_count;
    dev->cq_mod_period = ex.cq_mod_caps.max_cq_period;
}

/* Whether fork() copies pinned pages at once; of a release such as "5.10.0-28-amd64". */
static bool kernel_copies(void)
{
    struct utsname u;
    int major = 0, minor = 0;
    return uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 12));
}

static void read_fork_support(struct vc_verbs_dev *dev)
{
    if (vc_ibv.is_fork_initialized) {
        enum ibv_fork_status status = vc_ibv.is_fork_initialized();
        dev->fork_safe = status == IBV_FORK_UNNEEDED;
        dev->fork_breaks = status == IBV_FORK_DISABLED;
        return;
    }
    /* Older libraries cannot be asked. The variables that they read themselves are what can be seen. */
    dev->fork_safe = false;
    dev->fork_breaks = !kernel_copies() && !getenv("RDMAV_FORK_SAFE") && !getenv("IBV_FORK_SAFE");
}

/* The library of MANA grants inline data and then passes the addresses on, keys of zero and all. */
static bool ignores_inline(const char *name)
{
    char model[64];
    return strcmp(vc_rdma_model(NULL, name, model, sizeof model), "mana") == 0;
}

static int open_device(const struct scan *s, struct ibv_device *device, struct vc_verbs_dev *dev)
{
    memset(dev, 0, sizeof *dev);
    snprintf(dev->name, sizeof dev->name, "%s", vc_ibv.get_device_name(device));
    dev->software = is_software(s, dev->name);
    dev->ignores_inline = ignores_inline(dev->name);
    if (device->transport_type != IBV_TRANSPORT_IB)
        return vc_fail(VC_ERR_UNSUPPORTED, "%s is neither InfiniBand nor RoCE (%s)", dev->name,
                       device->transport_type == IBV_TRANSPORT_IWARP ? "iWARP" : "a transport of its own");
    dev->ctx = vc_ibv.open_device(device);
    if (!dev->ctx)
        return vc_fail(VC_ERR_SYS, "%s cannot be opened: %s%s", dev->name, strerror(errno),
                       errno == EACCES || errno == EPERM ? " (permissions of /dev/infiniband/uverbs*)"
                       : errno == ENOENT || errno == ENODEV
                           ? " (in a container, /dev/infiniband must be there too)"
                           : "");
    int rc = vc_ibv.query_device(dev->ctx, &dev->attr);
    if (rc != 0) {
        rc = vc_ibv_errno(rc);
        vc_ibv.close_device(dev->ctx);
        dev->ctx = NULL;
        return vc_fail(VC_ERR_SYS, "%s cannot be queried: %s", dev->name, strerror(rc));
    }
    read_moderation(dev);
    read_fork_support(dev);
    return VC_OK;
}

/* ---- all of them ---- */

static struct vc_verbs_candidate *add_candidate(struct scan *s, const struct vc_verbs_dev *dev, int port,
                                                int err, unsigned rate)
{
    if (s->n == s->max)
        return NULL;
    struct vc_verbs_candidate *c = &s->list[s->n++];
    memset(c, 0, sizeof *c);
    snprintf(c->device, sizeof c->device, "%s", dev->name);
    c->port = port;
    c->err = err;
    c->rate = rate;
    c->software = dev->software;
    if (err != VC_OK)
        snprintf(c->why, sizeof c->why, "%.319s", vc_error_text());
    return c;
}

/* Names compare by their numbers, mlx5_2 before mlx5_10; ports of one device come in ascending order. */
static bool better(const struct scan *s, const struct vc_verbs_dev *dev, unsigned rate)
{
    if (!s->best.ctx)
        return true;
    if (dev->software != s->best.software)
        return s->best.software;
    if (rate != s->best_rate)
        return rate > s->best_rate;
    return strverscmp(dev->name, s->best.name) < 0;
}

static void try_device(struct scan *s, struct ibv_device *device)
{
    struct vc_verbs_dev dev;
    int err = open_device(s, device, &dev);
    if (err != VC_OK) {
        add_candidate(s, &dev, 0, err, 0);
        return;
    }
    int ports = dev.attr.phys_port_cnt, first = s->want->port ? s->want->port : 1;
    int last = s->want->port ? s->want->port : ports;
    if (last > ports || ports == 0) {
        err = vc_fail(VC_ERR_INVAL, "VCOLL_VERBS_PORT=%d: %s has %d port%s", s->want->port, dev.name, ports,
                      ports == 1 ? "" : "s");
        add_candidate(s, &dev, 0, err, 0);
        last = 0;
    }
    for (int port = first; port <= last; port++) {
        struct vc_verbs_dev here = dev;
        unsigned rate = 0;
        err = vc_verbs_port_choose(s->want, &here, port, &rate);
        add_candidate(s, &here, port, err, rate);
        if (err != VC_OK || !better(s, &here, rate))
            continue;
        if (s->best.ctx && s->best.ctx != dev.ctx)
            vc_ibv.close_device(s->best.ctx);
        s->best = here;
        s->best_rate = rate;
    }
    if (dev.ctx != s->best.ctx)
        vc_ibv.close_device(dev.ctx);
}

static int no_such_device(const struct scan *s)
{
    char names[300] = "";
    for (int i = 0; i < s->ndevices && strlen(names) < sizeof names - 80; i++)
        vc_append(names, sizeof names, "%s%s", i ? ", " : "", vc_ibv.get_device_name(s->devices[i]));
    return vc_fail(VC_ERR_INVAL, "VCOLL_VERBS_DEVICE=%s: no such RDMA device; found: %s", s->want->device,
                   names);
}

/* Tries all devices that `want` admits. VC_OK: there was one, usable or not. */
static int scan(struct scan *s, const struct vc_verbs_want *want, struct vc_verbs_candidate *list, int max)
{
    memset(s, 0, sizeof *s);
    s->want = want;
    s->list = list;
    s->max = max;
    int err = vc_ibv_load(want->library);
    if (err != VC_OK)
        return err;
    bool named = want->device && want->device[0];
    errno = 0;
    s->devices = vc_ibv.get_device_list(&s->ndevices);
    if (!s->devices || s->ndevices <= 0) {
        int why = s->devices ? 0 : errno;
        if (s->devices)
            vc_ibv.free_device_list(s->devices);
        return vc_fail(VC_ERR_UNSUPPORTED, "%s%s%sthere is no RDMA device here%s%s%s",
                       named ? "VCOLL_VERBS_DEVICE=" : "", named ? want->device : "", named ? ": " : "",
                       why ? " (" : "",
                       why == ENOSYS ? "the kernel has no verbs"
                       : why         ? strerror(why)
                                     : "",
                       why ? ")" : "");
    }
    s->sysfs = calloc(MAX_DEVICES, sizeof *s->sysfs);
    if (s->sysfs)
        s->nsysfs = vc_rdma_scan(NULL, s->sysfs, MAX_DEVICES);
    bool found = false;
    for (int i = 0; i < s->ndevices; i++) {
        if (named && strcmp(vc_ibv.get_device_name(s->devices[i]), want->device) != 0)
            continue;
        found = true;
        try_device(s, s->devices[i]);
    }
    free(s->sysfs);
    err = found ? VC_OK : no_such_device(s);
    vc_ibv.free_device_list(s->devices);
    return err;
}

/* ---- near devices ---- */

/* Whether a rank takes the nearest of the fastest devices, or else the first of them; *any: `want` without
 * the word for it. */
static bool wants_near(const struct vc_verbs_want *want, struct vc_verbs_want *any)
{
    const char *device = want->device ? want->device : "";
    bool best = strcmp(device, VC_VERBS_BEST) == 0, near = !device[0] || strcmp(device, VC_VERBS_NEAR) == 0;
    *any = *want;
    if (best || near)
        any->device = NULL;
    return near;
}

/* Names the device that this process takes of those that can be used; "": there is none. */
static void choose_near(const struct vc_verbs_candidate *list, int n, int local, char *name, size_t len)
{
    struct vc_near_device devices[MAX_CANDIDATES];
    cpu_set_t cpus;
    int ndevices = 0;
    CPU_ZERO(&cpus);
    vc_cpus_allowed(&cpus);
    for (int i = 0; i < n && ndevices < MAX_CANDIDATES; i++) {
        const struct vc_verbs_candidate *c = &list[i];
        struct vc_near_device *last = ndevices > 0 ? &devices[ndevices - 1] : NULL;
        if (c->err != VC_OK)
            continue;
        if (last && strcmp(last->name, c->device) == 0) { /* the faster of its ports counts */
            last->rate = c->rate > last->rate ? c->rate : last->rate;
            continue;
        }
        devices[ndevices++] =
            (struct vc_near_device){.name = c->device,
                                    .software = c->software,
                                    .rate = c->rate,
                                    .distance = vc_numa_rdma_distance(NULL, c->device, &cpus)};
    }
    int at = vc_near_choose(devices, ndevices, local);
    snprintf(name, len, "%s", at < 0 ? "" : devices[at].name);
}

/* After a scan of all devices: puts the near one in the place of the best. `list` is what that scan has
 * found. */
static int open_near(struct scan *s, const struct vc_verbs_want *any, struct vc_verbs_candidate *list,
                     int max)
{
    char name[64];
    struct vc_verbs_want near = *any;
    choose_near(list, s->n, any->local, name, sizeof name);
    if (!name[0] || strcmp(name, s->best.name) == 0)
        return VC_OK;
    vc_verbs_dev_close(&s->best);
    near.device = name;
    int err = scan(s, &near, list, max);
    s->want = any;
    return err;
}

/* ---- what was wrong ---- */

/* Appends "; usable: mlx5_1 port 1" when others can be used than what was asked for. */
static void add_usable(const struct vc_verbs_want *want, struct vc_verbs_candidate *list, char *text,
                       size_t len)
{
    struct vc_verbs_want any = {.library = want->library, .gid_index = -1};
    struct scan s;
    if (scan(&s, &any, list, MAX_CANDIDATES) != VC_OK)
        return;
    vc_verbs_dev_close(&s.best);
    int shown = 0;
    for (int i = 0; i < s.n && shown < 6; i++)
        if (list[i].err == VC_OK)
            vc_append(text, len, "%s%s port %d", shown++ ? ", " : "; usable: ", list[i].device, list[i].port);
}

/* Why none can be used, in one line. A setting that several texts begin with ("VCOLL_VERBS_PORT=2: ") stands
 * there once. */
static int none_usable(const struct scan *s)
{
    char text[480];
    const char *colon = strstr(s->list[0].why, ": ");
    size_t same =
        strncmp(s->list[0].why, "VCOLL_", 6) == 0 && colon ? (size_t)(colon + 2 - s->list[0].why) : 0;
    bool asked = true, foreign = true;
    snprintf(text, sizeof text, "%s", s->list[0].why);
    for (int i = 0; i < s->n; i++) {
        const char *why = s->list[i].why;
        asked &= s->list[i].err == VC_ERR_INVAL;
        foreign &= s->list[i].err == VC_ERR_UNSUPPORTED;
        if (i == 0)
            continue;
        if (same && strncmp(why, s->list[0].why, same) == 0)
            why += same;
        if (strlen(text) + strlen(why) + 8 < sizeof text)
            vc_append(text, sizeof text, "; %s", why);
    }
    bool chosen = (s->want->device && s->want->device[0]) || s->want->port;
    if (chosen && !asked)
        add_usable(s->want, s->list, text, sizeof text);
    /* If vcoll supports none of these devices, whatever the settings, that is the same as having none. */
    return vc_fail(asked ? VC_ERR_INVAL : foreign ? VC_ERR_UNSUPPORTED : VC_ERR_SYS, "%s", text);
}

int vc_verbs_dev_open(const struct vc_verbs_want *want, struct vc_verbs_dev *dev)
{
    memset(dev, 0, sizeof *dev);
    struct vc_verbs_candidate *list = calloc(MAX_CANDIDATES, sizeof *list);
    if (!list)
        return vc_fail(VC_ERR_NOMEM, "out of memory while looking for RDMA devices");
    struct vc_verbs_want any;
    struct scan s;
    bool near = wants_near(want, &any);
    int err = scan(&s, &any, list, MAX_CANDIDATES);
    if (err == VC_OK && near)
        err = open_near(&s, &any, list, MAX_CANDIDATES);
    if (err == VC_OK && s.best.ctx)
        *dev = s.best;
    else if (err == VC_OK)
        err = none_usable(&s);
    free(list);
    return err;
}

int vc_verbs_survey(const struct vc_verbs_want *want, struct vc_verbs_candidate *list, int max, int *n)
{
    struct vc_verbs_want any;
    struct scan s;
    bool near = wants_near(want, &any), chosen = false;
    int err = scan(&s, &any, list, max);
    char name[64];
    *n = s.n;
    snprintf(name, sizeof name, "%s", s.best.name);
    if (err == VC_OK && near)
        choose_near(list, s.n, want->local, name, sizeof name);
    bool same = strcmp(name, s.best.name) == 0;
    for (int i = 0; err == VC_OK && i < s.n; i++) {
        struct vc_verbs_candidate *c = &list[i];
        if (c->err != VC_OK)
            continue;
        /* The ports of a device come in ascending order, and the first of its best ones is taken. */
        c->chosen = !chosen && strcmp(c->device, name) == 0 && (!same || c->port == s.best.port);
        chosen |= c->chosen;
        if (c->chosen)
            continue;
        if (c->software && !s.best.software)
            snprintf(c->why, sizeof c->why, "made of software, unlike %s", name);
        else if (c->rate < s.best_rate)
            snprintf(c->why, sizeof c->why, "slower than %s: %g against %g Gbit/s", name, c->rate / 10.0,
                     s.best_rate / 10.0);
        else if (near)
            snprintf(c->why, sizeof c->why, "no nearer than %s, or for other ranks of the node", name);
        else
            snprintf(c->why, sizeof c->why, "no better than %s, which comes first", name);
    }
    vc_verbs_dev_close(&s.best);
    return err;
}

void vc_verbs_dev_close(struct vc_verbs_dev *dev)
{
    if (dev->ctx)
        vc_ibv.close_device(dev->ctx);
    memset(dev, 0, sizeof *dev);
}
