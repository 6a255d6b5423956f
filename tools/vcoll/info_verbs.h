/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info`: what the verbs channel would use here, and what it can do. */
#ifndef VC_TOOLS_VCOLL_INFO_VERBS_H
#define VC_TOOLS_VCOLL_INFO_VERBS_H

#include "transport/verbs/verbs.h"
#include "tune/params/params.h"
#include <jansson.h>

enum { INFO_VERBS_CANDIDATES = 32, INFO_VERBS_RANKS = 1024 };

struct info_verbs {
    char library[256];
    bool wanted;     /**< VCOLL_CHANNELS has it */
    int err;         /**< VC_OK: dev was chosen (its ctx is closed) */
    char error[512]; /**< when not */
    struct vc_verbs_dev dev;
    struct vc_verbs_candidate list[INFO_VERBS_CANDIDATES];
    int n;
    bool regcache; /**< buffers can be registered and kept so */
    char regcache_why[512];
    struct vc_verbs_need need;     /**< of a rank among INFO_VERBS_RANKS */
    bool lock_any;                 /**< no limit of locked memory */
    unsigned long long lock_limit; /**< bytes, when there is one */
};

/** Loads the library, and opens and closes devices. Cannot fail: what is wrong is part of the answer. */
void info_verbs_gather(const struct vc_params *params, struct info_verbs *out);

/** Calls `line` for each paragraph, with its label. */
void info_verbs_text(const struct info_verbs *v, void (*line)(const char *label, const char *fmt, ...));
json_t *info_verbs_json(const struct info_verbs *v);

#endif
