/* SPDX-License-Identifier: BSD-3-Clause */
/* The guard process, and its other end. */
#include "tune/search/guard.h"

#include "transport/base.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum op { HOLD, RESTORE };
struct request {
    enum op op;
    char netdev[VC_NETDEV_NAME];
};
struct reply {
    int rc, error;
    char text[512];
    struct vc_coalesce before;
};

struct vc_guard {
    const struct vc_guard_env *env;
    pid_t pid;
    int sock;
    struct vc_restore held; /* this process's copy; saved.active: the guard holds it, too */
};

static const struct vc_netlink *way(const struct vc_guard_env *env)
{
    return env ? env->nl : NULL;
}

/* ---- the guard process ---- */

struct guard {
    const struct vc_guard_env *env;
    int lock;
    char path[PATH_MAX];
    struct vc_restore held;
};

static void unlock(struct guard *g)
{
    if (g->lock >= 0)
        close(g->lock);
    g->lock = -1;
}

static int guard_hold(struct guard *g, const char *netdev)
{
    if (g->held.saved.active)
        return strcmp(netdev, g->held.saved.netdev) == 0
                   ? VC_OK
                   : vc_fail(VC_ERR_INVAL, "%s is guarded already, %s cannot be, too", g->held.saved.netdev,
                             netdev);
    char said[256];
    int rc = vc_restore_name(g->env, g->path, sizeof g->path);
    /* Left-overs are put back first, or the values found now would be noted as the user's. */
    if (rc == VC_OK)
        rc = vc_restore_lock(g->env, g->path, said, sizeof said, &g->lock);
    if (rc >= 0)
        rc = vc_coalesce_save(way(g->env), netdev, &g->held.saved);
    g->held.guard = getpid();
    if (rc == VC_OK) {
        rc = vc_restore_write(g->path, &g->held);
        g->held.saved.active = rc == VC_OK;
    }
    if (rc != VC_OK)
        unlock(g);
    return rc;
}

static int guard_restore(struct guard *g)
{
    if (!g->held.saved.active)
        return VC_OK;
    int rc = vc_restore_put_back(g->env, g->path, &g->held.saved);
    if (rc == VC_OK) /* otherwise the file stays: the next run tries again */
        unlock(g);
    return rc;
}

static void answer(struct guard *g, int sock, const struct request *q)
{
    struct reply a = {0};
    a.rc = q->op == HOLD ? guard_hold(g, q->netdev) : guard_restore(g);
    a.error = errno;
    if (a.rc != VC_OK)
        snprintf(a.text, sizeof a.text, "%s", vc_error_text());
    a.before = g->held.saved.before;
    (void)!send(sock, &a, sizeof a, MSG_NOSIGNAL);
}

/* Nothing of the tuner's stays open: whoever started it waits for the ends of its pipes. */
static int leave_everything(int sock)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* Out of the way of the numbers that are wanted now. */
    sock = fcntl(sock, F_DUPFD_CLOEXEC, 10);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    dup2(sock, 3);
    closefrom(4);
    (void)!chdir("/"); /* or a file system stays busy for as long as the tuner runs */
    return 3;
}

static _Noreturn void guard_main(const struct vc_guard_env *env, int sock, pid_t tuner)
{
    struct guard g = {.env = env, .lock = -1};
    prctl(PR_SET_NAME, "vcoll-guard");
    sock = leave_everything(sock);
    /* The socket's end tells of the tuner's, unless another process has a copy of its end. */
    struct pollfd wait[2] = {{.fd = sock, .events = POLLIN},
                             {.fd = (int)syscall(SYS_pidfd_open, tuner, 0), .events = POLLIN}};
    while (getppid() == tuner) {
        struct request q;
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            break;
        if (wait[1].fd >= 0 && wait[1].revents)
            break;
        ssize_t n = recv(sock, &q, sizeof q, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n != sizeof q)
            break;
        q.netdev[sizeof q.netdev - 1] = '\0';
        answer(&g, sock, &q);
    }
    _exit(guard_restore(&g) == VC_OK ? 0 : 1);
}

/* ---- the tuner's end ---- */

struct vc_guard *vc_guard_open(const struct vc_guard_env *env)
{
    int pair[2];
    pid_t self = getpid();
    struct vc_guard *g = calloc(1, sizeof *g);
    if (!g || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        vc_fail(VC_ERR_SYS, "cannot start the process that guards devices: %s", strerror(errno));
        free(g);
        return NULL;
    }
    g->env = env;
    g->sock = pair[0];
    g->pid = fork();
    if (g->pid == 0) {
        close(pair[0]);
        guard_main(env, pair[1], self);
    }
    close(pair[1]);
    if (g->pid > 0)
        return g;
    vc_fail(VC_ERR_SYS, "cannot start the process that guards devices: %s", strerror(errno));
    close(pair[0]);
    free(g);
    return NULL;
}

pid_t vc_guard_pid(const struct vc_guard *g)
{
    return g->pid;
}

/* False when the guard is gone. */
static bool ask(struct vc_guard *g, enum op op, const char *netdev, struct reply *a)
{
    struct request q = {.op = op};
    ssize_t n;
    snprintf(q.netdev, sizeof q.netdev, "%s", netdev);
    do {
        n = send(g->sock, &q, sizeof q, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    while (n == sizeof q) {
        n = recv(g->sock, a, sizeof *a, 0);
        if (n == sizeof *a)
            return true;
        n = n < 0 && errno == EINTR ? (ssize_t)sizeof q : 0;
    }
    return false;
}

static int verdict(const struct reply *a)
{
    errno = a->error;
    return a->rc == VC_OK ? VC_OK : vc_fail(a->rc, "%s", a->text);
}

int vc_guard_hold(struct vc_guard *g, const char *netdev, struct vc_coalesce *before)
{
    struct reply a;
    if (strlen(netdev) >= VC_NETDEV_NAME)
        return vc_fail(VC_ERR_INVAL, "there is no network interface %.64s...", netdev);
    if (!ask(g, HOLD, netdev, &a))
        return vc_fail(VC_ERR_SYS, "the process that guards %s is gone: nothing is changed without it",
                       netdev);
    if (verdict(&a) != VC_OK)
        return a.rc;
    g->held.saved = (struct vc_coalesce_saved){.active = true, .owner = getpid(), .before = a.before};
    snprintf(g->held.saved.netdev, sizeof g->held.saved.netdev, "%s", netdev);
    *before = a.before;
    return VC_OK;
}

/* Fields that a driver moves by itself, given its switches. */
static unsigned moving(const struct vc_coalesce *c)
{
    unsigned has = 0;
    if (vc_coalesce_has(c, VC_COALESCE_ADAPTIVE_RX) && c->value[VC_COALESCE_ADAPTIVE_RX])
        has |= 1u << VC_COALESCE_RX_USECS | 1u << VC_COALESCE_RX_FRAMES;
    if (vc_coalesce_has(c, VC_COALESCE_ADAPTIVE_TX) && c->value[VC_COALESCE_ADAPTIVE_TX])
        has |= 1u << VC_COALESCE_TX_USECS | 1u << VC_COALESCE_TX_FRAMES;
    return has;
}

int vc_guard_set(struct vc_guard *g, const struct vc_coalesce *want, struct vc_coalesce *now)
{
    if (!g->held.saved.active)
        return vc_fail(VC_ERR_INVAL, "no device is guarded: nothing is changed without that");
    struct vc_coalesce all = g->held.saved.before, there;
    all.has &= ~moving(&all);
    for (int f = 0; f < VC_COALESCE_FIELDS; f++)
        if (vc_coalesce_has(want, (enum vc_coalesce_field)f))
            vc_coalesce_put(&all, (enum vc_coalesce_field)f, want->value[f]);
    int rc = vc_coalesce_set(way(g->env), g->held.saved.netdev, &all, NULL, &there);
    if (rc < 0)
        return rc;
    if (now)
        *now = there;
    /* The driver may round the fields that were not asked for. */
    for (int f = 0; f < VC_COALESCE_FIELDS && rc == VC_COALESCE_ROUNDED; f++)
        if (vc_coalesce_has(want, (enum vc_coalesce_field)f) && want->value[f] != there.value[f])
            return VC_COALESCE_ROUNDED;
    return VC_OK;
}

int vc_guard_restore(struct vc_guard *g)
{
    struct reply a;
    char path[PATH_MAX];
    if (!g->held.saved.active)
        return VC_OK;
    int rc;
    if (ask(g, RESTORE, "", &a)) {
        rc = verdict(&a);
    } else {
        rc = vc_restore_name(g->env, path, sizeof path);
        if (rc == VC_OK)
            rc = vc_restore_put_back(g->env, path, &g->held.saved);
    }
    if (rc == VC_OK)
        g->held.saved.active = false;
    return rc;
}

void vc_guard_close(struct vc_guard *g)
{
    if (!g)
        return;
    close(g->sock);
    while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(g);
}
