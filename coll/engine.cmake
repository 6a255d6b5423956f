# SPDX-License-Identifier: BSD-3-Clause
target_sources(vcoll_core PRIVATE
  engine.c
)
