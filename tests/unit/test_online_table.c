/* SPDX-License-Identifier: BSD-3-Clause */
/* What online tuning saves is a table. */
#include "tests/unit/online_rig.h"
#include "coll/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct seen {
    int rows;
    enum vc_coll coll;
    size_t max;
    bool commutative;
};

static void see(void *arg, enum vc_coll coll, size_t bytes_min, size_t bytes_max, bool commutative,
                const struct vc_choice *choice, double gain, long trials)
{
    struct seen *s = arg;
    if (s->rows && coll == s->coll && commutative == s->commutative)
        assert_true(bytes_min > s->max);
    else
        assert_true(!s->rows || coll > s->coll || (coll == s->coll && s->commutative && !commutative));
    assert_true(bytes_max >= bytes_min && choice->alg->coll == coll && gain > 0.5 && trials > 0);
    *s = (struct seen){s->rows + 1, coll, bytes_max, commutative};
}

/* Knows something of all collectives. */
static struct world *learned(void)
{
    static const size_t sizes[] = {0, 8, 9, 1000, 65536, 65537, 1 << 30};
    struct world *w = begin("ring", 0.5, by_hash);
    for (int i = 0; i < 3000; i++)
        for (int coll = 0; coll < VC_COLL_COUNT; coll++)
            for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
                bool other = i % 4 == 0 && vc_coll_reduces((enum vc_coll)coll) && k == 1;
                if ((coll == VC_BARRIER) == (k == 0))
                    call(w, (enum vc_coll)coll, sizes[k], !other);
            }
    return w;
}

static void rows_are_in_order(void **state)
{
    (void)state;
    struct world *w = learned();
    struct seen s = {0};
    vc_online_each(w->o[0], see, &s);
    /* Where there is no size, or only some ranks know it, one row is for all. */
    int least = 0;
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        least += coll != VC_BARRIER && vc_coll_info[coll].sizes_known ? 3 : 1;
    assert_in_range(s.rows, least, 7 * VC_COLL_COUNT);
    end(w);
}

/* The choice of the first row that holds. */
static const struct vc_row *lookup(const struct vc_table *t, enum vc_coll coll, size_t bytes,
                                   bool commutative)
{
    for (int i = 0; i < t->nrows; i++) {
        const struct vc_row *r = &t->row[i];
        if (r->coll == coll && bytes >= r->bytes.min && bytes <= r->bytes.max &&
            (r->commutative == VC_ANY || (r->commutative == VC_YES) == commutative) &&
            vc_row_keys_match(&r->keys, &rig_key))
            return r;
    }
    return NULL;
}

struct comparing {
    const struct vc_table *table;
    int rows;
};

static void in_table(void *arg, enum vc_coll coll, size_t bytes_min, size_t bytes_max, bool commutative,
                     const struct vc_choice *choice, double gain, long trials)
{
    struct comparing *c = arg;
    (void)gain;
    (void)trials;
    for (int i = 0; i < 2; i++) {
        const struct vc_row *r = lookup(c->table, coll, i ? bytes_max : bytes_min, commutative);
        assert_non_null(r);
        assert_false(r->builtin);
        assert_true(vc_choice_same(&r->choice, choice));
    }
    c->rows++;
}

static void table_is_valid(void **state)
{
    (void)state;
    struct world *w = learned();
    struct vc_online_book book = {0};
    vc_online_book_add(&book, &rig_key, w->o[0]);
    int rows = book.n;
    assert_true(rows > 0);
    /* The same communicator again, and one of other ranks. */
    vc_online_book_add(&book, &rig_key, w->o[1]);
    assert_int_equal(book.n, rows);
    struct vc_topo_key other = rig_key;
    other.size = other.max_ppn = 5;
    other.have_verbs = true;
    vc_online_book_add(&book, &other, w->o[0]);
    assert_int_equal(book.n, 2 * rows);

    char *text = vc_online_book_text(&book);
    struct vc_table *t;
    assert_non_null(text);
    if (vc_table_parse(text, strlen(text), "online", &t) != VC_OK)
        fail_msg("%s\n%s", vc_error_text(), text);
    struct comparing c = {.table = t};
    vc_online_each(w->o[0], in_table, &c);
    assert_int_equal(c.rows, rows);
    vc_table_free(t);
    /* The checksum is checked. */
    char *digit = strstr(text, "fnv1a64:");
    assert_non_null(digit);
    digit[10] = digit[10] == '0' ? '1' : '0';
    assert_int_equal(vc_table_parse(text, strlen(text), "online", &t), VC_ERR_INVAL);
    free(text);
    vc_online_book_free(&book);
    end(w);
}

static void table_is_written_whole(void **state)
{
    (void)state;
    char dir[] = "/tmp/vc_online.XXXXXX", path[64], cmd[96];
    assert_non_null(mkdtemp(dir));
    struct world *w = learned();
    struct vc_online_book book = {0};
    vc_online_book_add(&book, &rig_key, w->o[0]);
    snprintf(path, sizeof path, "%s/table.json", dir);
    for (int i = 0; i < 2; i++) /* new, and over an old one */
        assert_int_equal(vc_online_book_write(&book, path), VC_OK);
    char *text;
    size_t len;
    struct vc_table *t;
    assert_int_equal(vc_table_read(path, &text, &len), VC_OK);
    if (vc_table_parse(text, len, path, &t) != VC_OK)
        fail_msg("%s", vc_error_text());
    vc_table_free(t);
    free(text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing else is left there */
    snprintf(cmd, sizeof cmd, "%s/no/such/folder", dir);
    assert_int_equal(vc_online_book_write(&book, cmd), VC_ERR_SYS);
    assert_non_null(strstr(vc_error_text(), "no/such/folder"));
    vc_online_book_free(&book);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_in_order),
        cmocka_unit_test(table_is_valid),
        cmocka_unit_test(table_is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
