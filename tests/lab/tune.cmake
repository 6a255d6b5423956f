# SPDX-License-Identifier: BSD-3-Clause
#
# The tuner on real network cards.
if(TARGET vcoll-tune)
  vc_lab_test(tune.devices VMS 2 RANKS 2 TIMEOUT 2700 ENV ${_preload} VCOLL_SETUP_AFTER=1
    SCRIPT tune/devices.sh $<TARGET_FILE:differential>)
endif()
