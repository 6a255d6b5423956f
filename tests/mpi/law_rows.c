/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows of calls of the same kind, which are led to the plan of the last one, between calls of other sizes and
 * roots, which change that plan or put others into its place.
 */
#include "law.h"

enum { KINDS = 12, ROW = 4 };

int main(int argc, char **argv)
{
    static const int longs[KINDS] = {1, 1000, 3, 40, 20000, 2, 7, 300, 5000, 64, 9, 12};
    int size;
    MPI_Init(&argc, &argv);
    law_watchdog(100);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int k = 0; k < KINDS; k++) {
        for (int i = 0; i < ROW; i++)
            LAW_CHECK(law_six(MPI_COMM_WORLD, longs[k], k) == 0, "call %d of %d longs", i, longs[k]);
        /* One of another size and root, of an earlier size, and the row again. */
        LAW_CHECK(law_six(MPI_COMM_WORLD, longs[(k + 1) % KINDS], k + 1) == 0, "after a row of %d longs",
                  longs[k]);
        LAW_CHECK(law_six(MPI_COMM_WORLD, longs[k / 2], k) == 0, "of an earlier size than %d longs",
                  longs[k]);
        LAW_CHECK(law_six(MPI_COMM_WORLD, longs[k], k + 1) == 0, "%d longs with another root", longs[k]);
        for (int i = 0; i < ROW; i++)
            LAW_CHECK(law_six(MPI_COMM_WORLD, longs[k], k) == 0, "the row of %d longs again", longs[k]);
    }
    MPI_Finalize();
    return 0;
}
