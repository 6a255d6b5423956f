/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/info.h"

#include <string.h>

/* The sides of a row. */
/* clang-format off */
#define NOTHING      {VC_EXTENT_NONE, false}
#define ONE          {VC_EXTENT_ONE, false}
#define EACH         {VC_EXTENT_EACH, false}
#define ONE_AT_ROOT  {VC_EXTENT_ONE, true}
#define EACH_AT_ROOT {VC_EXTENT_EACH, true}
/* clang-format on */

const struct vc_coll_info vc_coll_info[VC_COLL_COUNT] = {
#define VC_COLL_ROW(coll, ...) [coll] = {__VA_ARGS__},
#include "coll/coll.list"
#undef VC_COLL_ROW
};

const char *vc_coll_name(enum vc_coll coll)
{
    return (unsigned)coll < VC_COLL_COUNT ? vc_coll_info[coll].name : NULL;
}

void vc_coll_words(const char *words[VC_COLL_COUNT + 1])
{
    for (int i = 0; i < VC_COLL_COUNT; i++)
        words[i] = vc_coll_info[i].name;
    words[VC_COLL_COUNT] = NULL;
}

int vc_coll_by_name(const char *name)
{
    for (int i = 0; i < VC_COLL_COUNT; i++)
        if (strcmp(vc_coll_info[i].name, name) == 0)
            return i;
    return -1;
}
