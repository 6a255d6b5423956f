/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_odd [sealed RANK | blind]: collectives, checked, where one rank is odd: what law_odd.sh makes it, or
 * `sealed`: no other process may look into it, as with programs that keep secrets; `blind`: process numbers
 * mean nothing between them, so that nobody may reach for another's descriptors. Rank 0 prints "ok", and
 * whether vcoll is active, which must be the same on all ranks.
 */
#include "fault.h"
#include "law.h"

#include "include/vcoll/vcoll.h"

#include <linux/capability.h>
#include <locale.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* The right to trace whom one likes is above it. */
static void drop_tracing(void)
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    if (syscall(SYS_capget, &h, d) != 0)
        return;
    d[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective &= ~CAP_TO_MASK(CAP_SYS_PTRACE);
    d[CAP_TO_INDEX(CAP_SYS_PTRACE)].permitted &= ~CAP_TO_MASK(CAP_SYS_PTRACE);
    syscall(SYS_capset, &h, d);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {1, 100, 5000, 60000};
    int rank, size;
    const char *me = getenv("OMPI_COMM_WORLD_RANK");
    if (!me)
        me = getenv("PMIX_RANK");
    setlocale(LC_ALL, "");
    if (argc > 2 && strcmp(argv[1], "sealed") == 0) {
        drop_tracing();
        if (me && strcmp(me, argv[2]) == 0)
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    MPI_Init(&argc, &argv);
    law_watchdog(60);
    law_stage = "six collectives";
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm reversed, world = MPI_COMM_WORLD;
    MPI_Comm_split(MPI_COMM_WORLD, 0, size - rank, &reversed);
    for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        long bad = law_six(world, sizes[s], (int)s) + law_six(reversed, sizes[s], (int)s + 1);
        LAW_CHECK(bad == 0, "%ld wrong elements, size %d", bad, sizes[s]);
    }
    if (argc > 1 && strcmp(argv[1], "blind") == 0)
        LAW_CHECK(vc_fault_reached() == 0, "%ld descriptors of other processes opened", vc_fault_reached());
    int (*describe)(const void *, struct vcoll_comm_info *);
    int (*native)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    struct vcoll_comm_info info = {0};
    *(void **)&describe = dlsym(RTLD_DEFAULT, "vcoll_comm_describe");
    *(void **)&native = law_native("Allreduce", NULL);
    LAW_CHECK(describe && native, "there is no vcoll in this process");
    describe(&world, &info);
    int mine[4] = {info.active, -info.active, info.nodes, -info.nodes}, most[4];
    native(mine, most, 4, MPI_INT, MPI_MAX, world);
    LAW_CHECK(most[0] == -most[1] && most[2] == -most[3], "rank %d: active %d, %d nodes; others differ", rank,
              info.active, info.nodes);
    if (rank == 0)
        printf("ok %s, %d nodes\n", info.active ? "active" : info.why_not, info.nodes);
    MPI_Comm_free(&reversed);
    MPI_Finalize();
    return 0;
}
