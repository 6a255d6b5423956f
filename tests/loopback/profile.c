/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Profiles: the limits and oddities that drivers and libraries of real devices declare, so that vcoll's code
 * meets them. Not their timing.
 */
#include "tests/loopback/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *device; /* the device's name without its number */
    const char *settings;
} profiles[] = {
    {"mlx5-vf", "mlx5_",
     "link=ib,pkeys=7fff:8001:ffff,max_inline=988,max_qp_wr=32768,max_sge=16,max_srq_wr=16384,"
     "more_inline=1"},
    {"mana", "mana_",
     "max_srq=0,max_inline=4096,ignore_inline=1,cqmod=0,max_qp_wr=512,max_cqe=8192,max_sge=15,max_qp=1024"},
    {"erdma", "erdma_", "transport=iwarp"},
    {"erdma-roce", "erdma_",
     "max_srq=0,max_inline=96,negative=1,cqmod=0,max_qp_wr=8192,max_sge=6,max_recv_sge=1"},
    {"irdma-e810", "irdma", "max_srq=0,max_inline=101,cqmod=0,max_qp_wr=4063,max_sge=13,mtu=1024"},
    {"vmw-pvrdma", "vmw_pvrdma",
     "max_inline=4096,grant_inline=0,ignore_inline=1,cqmod=0,max_qp_wr=1024,max_cqe=4096,max_sge=4,"
     "max_srq_wr=256,mtu=1024"},
    {"bnxt", "bnxt_re",
     "max_inline=96,cqmod=0,max_qp_wr=65535,max_sge=6,max_cqe=4095,max_srq_wr=4096,mtu=1024"},
    {"efa", "efa_", "transport=efa"},
    {"siw", "siw", "transport=iwarp"},
    {"rxe", "rxe", "max_inline=512,cqmod=0,max_qp_wr=1048,max_cqe=32767,max_sge=16,endless_retry=1,mtu=1024"},
};

int lb_profile_set(struct lb_limits *l, const char *name)
{
    for (uint32_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (strcmp(name, profiles[i].name) != 0)
            continue;
        char copy[256], *save = NULL;
        snprintf(copy, sizeof(copy), "%s", profiles[i].settings);
        for (char *s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
            char *value = strchr(s, '=');
            *value++ = 0;
            if (lb_limit_set(l, s, value) != 0)
                abort(); /* a mistake in the table above */
        }
        l->profile = i + 1;
        return 0;
    }
    return EINVAL;
}

const char *lb_profile_device(const struct lb_limits *l)
{
    return l->profile ? profiles[l->profile - 1].device : "loop";
}
