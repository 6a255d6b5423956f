/* SPDX-License-Identifier: BSD-3-Clause */
/* The built-in rules that were made rows of C are those that the text says. */
#include "tune/table/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void rows_are_the_text(void **state)
{
    const char *text = vc_table_builtin_text();
    struct vc_table *parsed = NULL;
    (void)state;
    vc_table_builtin_rows(&vc_builtin_rows);
    const struct vc_table *t = vc_table_builtin();
    if (vc_table_parse(text, strlen(text), "built-in", &parsed) != VC_OK)
        fail_msg("%s", vc_error_text());
    assert_true(t->nrows > 60 && t->nrows == parsed->nrows);
    assert_true(t->checksum == parsed->checksum);
    assert_string_equal(t->origin, parsed->origin);
    assert_int_equal(t->ndevices, parsed->ndevices);
    assert_true(t->has_model == parsed->has_model && t->levels == parsed->levels);
    for (int i = 0; i < t->nrows; i++) {
        const struct vc_row *a = &t->row[i], *b = &parsed->row[i];
        assert_int_equal(a->coll, b->coll);
        assert_true(vc_row_keys_same(&a->keys, &b->keys));
        assert_true(a->bytes.min == b->bytes.min && a->bytes.max == b->bytes.max);
        assert_int_equal(a->commutative, b->commutative);
        assert_int_equal(a->builtin, b->builtin);
        assert_non_null(a->choice.alg);
        assert_true(vc_choice_same(&a->choice, &b->choice));
        assert_int_equal(a->index, b->index);
        assert_int_equal(a->placed, b->placed);
    }
    vc_table_free(parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_the_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
