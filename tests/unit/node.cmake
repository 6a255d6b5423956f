# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_node test_node.c)
vc_unit_test(test_wait test_wait.c)
vc_unit_test(test_wait_src test_wait_src.c)
