# SPDX-License-Identifier: BSD-3-Clause
target_sources(vcoll_core PRIVATE
  copy/copy.c
  copy/variants.c
)
