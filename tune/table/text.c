/* SPDX-License-Identifier: BSD-3-Clause */
/* What is broadcast of a table, and what its checksum is taken over. */
#include "tune/table/parts.h"

#include <stdlib.h>
#include <string.h>

/* The same that vc_table_parse() accepts as JSON, so that the two never disagree. */
static json_t *parse_text(const char *text, size_t len)
{
    json_t *root = len <= VC_TABLE_MAX ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (root && !json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

static char *sorted_text(const json_t *root)
{
    return json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
}

/* Rows without what was measured for them. */
static void strip_rows(json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) json_object_del(row, "measured");
}

char *vc_table_strip(const char *text, size_t len)
{
    static const char *const not_looked_at[] = {"$schema",  "checksum",   "provenance", "model",
                                                "measured", "moderation", NULL};
    json_t *root = parse_text(text, len);
    if (!root)
        return NULL;
    for (int i = 0; not_looked_at[i]; i++)
        json_object_del(root, not_looked_at[i]);
    strip_rows(json_object_get(root, "rules"));
    strip_rows(json_object_get(root, "devices"));
    json_object_del(json_object_get(root, "levels"), "measured");
    char *stripped = sorted_text(root);
    json_decref(root);
    return stripped;
}

char *vc_tab_canonical(json_t *root)
{
    json_t *copy = json_copy(root); /* its members stay the same objects */
    if (!copy)
        return NULL;
    json_object_del(copy, "checksum");
    char *text = sorted_text(copy);
    json_decref(copy);
    return text;
}

char *vc_table_canonical(const char *text, size_t len)
{
    json_t *root = parse_text(text, len);
    char *canonical = root ? vc_tab_canonical(root) : NULL;
    json_decref(root);
    return canonical;
}

uint64_t vc_table_checksum(const char *canonical)
{
    return vc_hash(VC_HASH_START, canonical, strlen(canonical));
}
