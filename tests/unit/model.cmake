# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_model test_model.c)
vc_unit_test(test_defaults test_defaults.c)
vc_unit_test(test_model_tree test_model_tree.c)
vc_unit_test(test_model_cluster test_model_cluster.c)
vc_unit_test(test_model_noise test_model_noise.c)
