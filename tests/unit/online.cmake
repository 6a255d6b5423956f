# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_online test_online.c online_rig.c)
vc_unit_test(test_online_table test_online_table.c online_rig.c)
