# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_two_level test_two_level.c)
