/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll doctor`: each check where it fires and where it does not. */
#include "doctor_rig.h"

int main(void)
{
    const struct CMUnitTest seen[] = {cmocka_unit_test(rig_all_seen)};
    int failed = _cmocka_run_group_tests("doctor_rank", doctor_rank_tests, doctor_rank_ntests, NULL, NULL);
    failed += _cmocka_run_group_tests("doctor_node", doctor_node_tests, doctor_node_ntests, NULL, NULL);
    failed += _cmocka_run_group_tests("doctor_job", doctor_job_tests, doctor_job_ntests, NULL, NULL);
    return failed + _cmocka_run_group_tests("doctor_all", seen, 1, NULL, NULL);
}
