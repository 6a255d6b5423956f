# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_node test_node.c node_rig.c)
vc_unit_test(test_node_tree test_node_tree.c node_rig.c node_levels.c)
vc_unit_test(test_wait test_wait.c)
vc_unit_test(test_wait_src test_wait_src.c)
