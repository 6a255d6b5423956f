/* SPDX-License-Identifier: BSD-3-Clause */
/* How a call runs, as text: taken, refused with the way out, and printed so that it can be read again. */
#include "tune/params/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void taken(enum vc_coll coll, const char *text, const char *canonical)
{
    struct vc_choice c, again;
    char buf[VC_CHOICE_TEXT];
    memset(&c, 0xff, sizeof c);
    if (vc_choice_parse(coll, text, &c) != VC_OK)
        fail_msg("%s: %s", text, vc_error_text());
    assert_string_equal(vc_choice_format(&c, buf, sizeof buf), canonical);
    assert_int_equal(vc_choice_parse(coll, buf, &again), VC_OK);
    assert_true(vc_choice_same(&c, &again));
}

static void refused(enum vc_coll coll, const char *text, const char *part)
{
    struct vc_choice c, before;
    memset(&c, 0x5a, sizeof c);
    memcpy(&before, &c, sizeof c);
    if (vc_choice_parse(coll, text, &c) != VC_ERR_INVAL)
        fail_msg("%s was taken", text);
    assert_memory_equal(&c, &before, sizeof c);
    if (!strstr(vc_error_text(), part))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, vc_error_text(), part);
}

static void words(void **state)
{
    (void)state;
    taken(VC_BCAST, "auto", "auto");
    taken(VC_BCAST, "native", "native");
    taken(VC_BCAST, "chain:segment=65536", "chain:segment=64k");
    taken(VC_ALLREDUCE, "two_level_multi:spin=40:leaders=2:wait=hybrid",
          "two_level_multi:leaders=2:wait=hybrid:spin=40");
    taken(VC_ALLREDUCE, "two_level_multi:channel=mpi:radix=004:segment=1m:leaders=2",
          "two_level_multi:radix=4:segment=1m:leaders=2:channel=mpi");
    taken(VC_BCAST, "shm:wait=EVENT", "shm:wait=event");
    taken(VC_BCAST, "chain:wait=auto", "chain:wait=auto");
    taken(VC_BCAST, "chain:wait=auto:spin=0", "chain:wait=auto:spin=0");
    taken(VC_BCAST, "chain:channel=verbs:wait=hybrid:spin=10000000",
          "chain:channel=verbs:wait=hybrid:spin=10000000");
    /* The longest of all. */
    taken(VC_ALLREDUCE,
          "two_level_multi:radix=1024:segment=18446744073709551615:leaders=4096:channel=verbs:wait=hybrid:"
          "spin=10000000",
          "two_level_multi:radix=1024:segment=18446744073709551615:leaders=4096:channel=verbs:wait=hybrid:"
          "spin=10000000");
}

static void mistakes(void **state)
{
    (void)state;
    refused(VC_BCAST, "", "Valid: auto, native");
    refused(VC_BCAST, "chian", "did you mean chain");
    refused(VC_BARRIER, "ring", "barrier has no algorithm");
    refused(VC_BCAST, "auto:wait=poll", "auto has no parameters");
    refused(VC_BCAST, "native:wait=poll", "no parameter \"wait\"; it takes none");
    refused(VC_BCAST, "shm:channel=mpi", "no parameter \"channel\"; it takes wait spin");
    refused(VC_BCAST, "chain:radix=2", "it takes segment channel wait spin");
    refused(VC_BCAST, "chain:weight=2", "no parameter \"weight\"");
    refused(VC_BCAST, "chain:segment", "name=value");
    refused(VC_BCAST, "chain:segment=0", "above zero");
    refused(VC_BCAST, "chain:segment=64k:segment=64k", "twice");
    refused(VC_BCAST, "chain:wait=hybird", "did you mean hybrid");
    refused(VC_BCAST, "chain:wait=", "Valid: auto, poll, event, hybrid");
    refused(VC_BCAST, "chain:channel=auto", "Valid: verbs, mpi");
    refused(VC_BCAST, "chain:channel=verb", "did you mean verbs");
    refused(VC_BCAST, "chain:spin=40", "wait=hybrid or wait=auto");
    refused(VC_BCAST, "chain:wait=poll:spin=40", "wait=hybrid or wait=auto");
    refused(VC_BCAST, "chain:wait=hybrid:spin=-1", "a number of 0..10000000");
    refused(VC_BCAST, "chain:wait=hybrid:spin=10000001", "a number of 0..10000000");
    refused(VC_ALLREDUCE, "two_level:radix=1", "a number of 2..1024");
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    refused(VC_BCAST, longest, "longer than any choice");
}

/* Everything that every algorithm takes, in all combinations, survives being printed. */
static void all_algorithms(void **state)
{
    static const char *const value[VC_OPTIONS] = {"3", "48k", "2", "mpi", "hybrid", "17"};
    (void)state;
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            for (unsigned set = 0; set < 1u << VC_OPTIONS; set++) {
                char text[2 * VC_CHOICE_TEXT];
                int n = snprintf(text, sizeof text, "%s", (*a)->name);
                for (int o = 0; o < VC_OPTIONS; o++)
                    if (set >> o & 1)
                        n += snprintf(text + n, sizeof text - (size_t)n, ":%s=%s",
                                      vc_choice_option_name((enum vc_choice_option)o), value[o]);
                bool valid = !(set & ~vc_choice_options(*a)) &&
                             !((set >> VC_OPTION_SPIN & 1) && !(set >> VC_OPTION_WAIT & 1));
                if (valid)
                    taken((enum vc_coll)c, text, text);
                else
                    refused((enum vc_coll)c, text, "");
            }
}

static void policies(void **state)
{
    struct vc_choice c;
    (void)state;
    assert_int_equal(vc_choice_parse(VC_BCAST, "chain", &c), VC_OK);
    assert_int_equal(c.policy, 0);
    assert_int_equal(vc_choice_parse(VC_BCAST, "chain:wait=auto", &c), VC_OK);
    assert_int_not_equal(c.policy, 0);
    assert_int_equal(vc_policy_mode(c.policy), VC_WAIT_AUTO);
    assert_int_equal(vc_policy_spin(c.policy), VC_POLICY_SPIN_DEFAULT);
    assert_int_equal(vc_choice_parse(VC_BCAST, "chain:wait=hybrid:spin=40", &c), VC_OK);
    assert_int_equal(vc_policy_mode(c.policy), VC_WAIT_HYBRID);
    assert_int_equal(vc_policy_spin(c.policy), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(all_algorithms),
        cmocka_unit_test(policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
