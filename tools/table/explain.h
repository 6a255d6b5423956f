/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune explain`: what is asked, and its answers. */
#ifndef VC_TOOLS_TABLE_EXPLAIN_H
#define VC_TOOLS_TABLE_EXPLAIN_H

#include "tools/table/tool.h"

/** A call, or all sizes of it, on a communicator. */
struct explain_request {
    char *arg[2];
    const char *table; /**< NULL: the one in use */
    struct table_place place;
    struct vc_select_call call;
    bool sized; /**< --bytes was given */
    bool json;
    struct vc_params params;
    struct vc_table_doc file;
};

/** One call: rows, the one taken, what was measured near it. The exit code. */
int explain_call(const struct explain_request *r, const struct vc_topo_key *key);
/** All sizes: ranges and what runs. */
int explain_sizes(const struct explain_request *r, const struct vc_topo_key *key);

/** What is asked, in words and as JSON. */
void explain_question(const struct explain_request *r, const struct vc_topo_key *key);
json_t *explain_question_json(const struct explain_request *r, const struct vc_topo_key *key);
/** What the candidates took at a point of "measured" (NULL: there is none). */
void explain_measured(const struct explain_request *r, const struct vc_topo_key *key,
                      const struct vc_choice *runs, const json_t *point);

#endif
