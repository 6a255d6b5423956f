/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs while the library is built: writes the built-in rules as the rows that they are parsed to, so that no
 * process parses them (vc_table_builtin_rows()).
 */
#include "tune/table/table.h"

#include <inttypes.h>
#include <stdio.h>

static void print_range(const char *name, struct vc_range r)
{
    printf("        .%s = {%" PRIu64 "u, %" PRIu64 "u},\n", name, r.min, r.max);
}

static void print_row(const struct vc_row *r)
{
    const struct vc_choice *c = &r->choice;
    printf("    {.coll = %u,\n        .keys = {\n", (unsigned)r->coll);
    print_range("ranks", r->keys.ranks);
    print_range("nodes", r->keys.nodes);
    print_range("ppn", r->keys.ppn);
    printf("        .device = \"%s\", .bits = {", r->keys.device);
    for (int i = 0; i < VC_KEYS_MAX; i++)
        printf("%u, ", r->keys.bits[i]);
    printf("}},\n");
    print_range("bytes", r->bytes);
    printf("        .commutative = %d, .index = %d, .placed = %d,\n", r->commutative, r->index, r->placed);
    printf("        .choice = {.segment = %zu, .radix = %d, .leaders = %d, .policy = %" PRIu32
           ", .channel = %d}},\n",
           c->segment, c->radix, c->leaders, c->policy, c->channel);
}

int main(void)
{
    const struct vc_table *t = vc_table_builtin();
    if (t->nrows == 0 || t->ndevices > 0 || t->has_model || t->levels) {
        fprintf(stderr, "the built-in rules are not what rows of C can say\n");
        return 1;
    }
    printf("/* Made of builtin.json. */\n#include \"tune/table/table.h\"\n\nstatic const struct vc_row row[] "
           "= {\n");
    for (int i = 0; i < t->nrows; i++)
        print_row(&t->row[i]);
    printf("};\n\nstatic const char alg[][VC_TABLE_ALG] = {\n");
    for (int i = 0; i < t->nrows; i++)
        printf("    \"%s\",\n", t->row[i].choice.alg->name);
    printf("};\n\nconst struct vc_table_rows vc_builtin_rows = {row, alg, %d, %" PRIu64 "u};\n", t->nrows,
           t->checksum);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
