# SPDX-License-Identifier: BSD-3-Clause
# `vcoll tune` without measuring: each verb with good and bad input, merging and comparing there and back, and what is
# handed to vcoll-tune (a made-up one).
if(TARGET vcoll-tool)
  add_test(NAME unit.tool_tune
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_tool_tune.sh $<TARGET_FILE:vcoll-tool>)
  set_tests_properties(unit.tool_tune PROPERTIES LABELS unit TIMEOUT 120)
endif()
