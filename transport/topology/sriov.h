/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SR-IOV needs: an I/O MMU in the CPU (Intel VT-d, AMD-Vi, ARM SMMU), Alternative Routing-ID
 * Interpretation on the PCI bus, and a network adapter that has it, with virtual functions switched on. A
 * guest sees little of that; then the honest answer is that it cannot be told from there.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_SRIOV_H
#define VC_TRANSPORT_TOPOLOGY_SRIOV_H

#include "transport/topology/platform.h"

enum vc_finding { VC_FINDING_FOUND, VC_FINDING_MISSING, VC_FINDING_UNKNOWN };

struct vc_requirement {
    const char *key;  /**< stable, for machines: "iommu", "ari", "nic", "vfs" */
    const char *name; /**< for people */
    enum vc_finding finding;
    char reason[256]; /**< one line: what was seen, or what to do */
};

#define VC_SRIOV_REQUIREMENTS 4

/** Checks them all. `nics` are those of vc_nics_scan(), `root` as in sysfile.h. */
void vc_sriov_check(const char *root, const struct vc_platform *platform, const struct vc_nic *nics,
                    int nnics, struct vc_requirement out[VC_SRIOV_REQUIREMENTS]);

/** "found", "missing", "cannot be told from here". Static storage. */
const char *vc_finding_text(enum vc_finding finding);

#endif
