# SPDX-License-Identifier: BSD-3-Clause
if(TARGET vcoll_doctor_parts)
  vc_unit_test(test_doctor test_doctor.c doctor_job.c doctor_node.c doctor_rank.c doctor_rig.c)
  target_link_libraries(test_doctor PRIVATE vcoll_doctor_parts)
endif()
