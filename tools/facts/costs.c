/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/facts/facts.h"

#include "transport/shm/segment.h"

bool facts_costs(struct vc_costs_file *out)
{
    struct vc_os_id os;
    char dir[256];
    vc_os_id_get(&os);
    vc_costs_dir(dir, sizeof dir);
    return vc_costs_newest(dir, os.boot_id, out);
}
