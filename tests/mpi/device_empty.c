/* SPDX-License-Identifier: BSD-3-Clause */
/* A library that has the name of a driver, and none of its functions. */
__attribute__((visibility("default"))) int vc_standin_empty(void);
int vc_standin_empty(void)
{
    return 0;
}
