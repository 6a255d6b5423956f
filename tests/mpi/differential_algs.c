/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints what can be forced: "collective algorithm restrictions parameters", one line each, the last two as
 * numbers. */
#include "coll/registry.h"

#include <stdio.h>

int main(void)
{
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            printf("%s %s %u %u\n", vc_coll_name((enum vc_coll)c), (*a)->name, (*a)->restrictions,
                   (*a)->params);
    return 0;
}
