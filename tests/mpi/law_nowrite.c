/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_nowrite: one rank may read the others' memory and not write it, as under a seccomp profile that forbids
 * process_vm_writev alone. Single copy must not be agreed then, or else a reduction fails in its middle.
 */
#include "law.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int forbid_writing(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {1, 40000, 150000};
    int rank, size, failed = 0;
    MPI_Init(&argc, &argv);
    law_watchdog(60);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == size - 1)
        failed = forbid_writing();
    MPI_Bcast(&failed, 1, MPI_INT, size - 1, MPI_COMM_WORLD);
    for (unsigned s = 0; !failed && s < sizeof sizes / sizeof sizes[0]; s++) {
        law_stage = "six collectives";
        long bad = law_six(MPI_COMM_WORLD, sizes[s], 1);
        LAW_CHECK(bad == 0, "%ld wrong elements, size %d", bad, sizes[s]);
    }
    if (rank == 0)
        printf("%s\n", failed ? "no seccomp here" : "ok");
    MPI_Finalize();
    return failed ? 77 : 0;
}
