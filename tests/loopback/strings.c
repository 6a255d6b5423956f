/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of values, and functions whose result is the same for all devices. */
#include "tests/loopback/internal.h"

#define NAME(table, i)                                                                                       \
    ((size_t)(i) < sizeof(table) / sizeof((table)[0]) && (table)[i] ? (table)[i] : "unknown")

const char *ibv_wc_status_str(enum ibv_wc_status status)
{
    static const char *const names[] = {[IBV_WC_SUCCESS] = "success",
                                        [IBV_WC_LOC_LEN_ERR] = "local length error",
                                        [IBV_WC_LOC_QP_OP_ERR] = "local QP operation error",
                                        [IBV_WC_LOC_EEC_OP_ERR] = "local EE context operation error",
                                        [IBV_WC_LOC_PROT_ERR] = "local protection error",
                                        [IBV_WC_WR_FLUSH_ERR] = "Work Request Flushed Error",
                                        [IBV_WC_MW_BIND_ERR] = "memory bind operation error",
                                        [IBV_WC_BAD_RESP_ERR] = "bad response error",
                                        [IBV_WC_LOC_ACCESS_ERR] = "local access error",
                                        [IBV_WC_REM_INV_REQ_ERR] = "remote invalid request error",
                                        [IBV_WC_REM_ACCESS_ERR] = "remote access error",
                                        [IBV_WC_REM_OP_ERR] = "remote operation error",
                                        [IBV_WC_RETRY_EXC_ERR] = "transport retry counter exceeded",
                                        [IBV_WC_RNR_RETRY_EXC_ERR] = "RNR retry counter exceeded",
                                        [IBV_WC_REM_ABORT_ERR] = "remote aborted error",
                                        [IBV_WC_FATAL_ERR] = "fatal error",
                                        [IBV_WC_RESP_TIMEOUT_ERR] = "response timeout error",
                                        [IBV_WC_GENERAL_ERR] = "general error"};
    return NAME(names, status);
}

const char *ibv_event_type_str(enum ibv_event_type event)
{
    static const char *const names[] = {[IBV_EVENT_CQ_ERR] = "CQ error",
                                        [IBV_EVENT_QP_FATAL] = "local work queue catastrophic error",
                                        [IBV_EVENT_QP_REQ_ERR] = "invalid request local work queue error",
                                        [IBV_EVENT_QP_ACCESS_ERR] = "local access violation work queue error",
                                        [IBV_EVENT_COMM_EST] = "communication established",
                                        [IBV_EVENT_SQ_DRAINED] = "send queue drained",
                                        [IBV_EVENT_DEVICE_FATAL] = "local catastrophic error",
                                        [IBV_EVENT_PORT_ACTIVE] = "port active",
                                        [IBV_EVENT_PORT_ERR] = "port error",
                                        [IBV_EVENT_SRQ_ERR] = "SRQ catastrophic error",
                                        [IBV_EVENT_SRQ_LIMIT_REACHED] = "SRQ limit reached",
                                        [IBV_EVENT_QP_LAST_WQE_REACHED] = "last WQE reached",
                                        [IBV_EVENT_GID_CHANGE] = "GID table change"};
    return NAME(names, event);
}

const char *ibv_node_type_str(enum ibv_node_type type)
{
    static const char *const names[] = {[IBV_NODE_CA] = "InfiniBand channel adapter",
                                        [IBV_NODE_SWITCH] = "InfiniBand switch",
                                        [IBV_NODE_ROUTER] = "InfiniBand router",
                                        [IBV_NODE_RNIC] = "iWARP NIC"};
    return NAME(names, type);
}

const char *ibv_port_state_str(enum ibv_port_state state)
{
    static const char *const names[] = {[IBV_PORT_NOP] = "no state change (NOP)",
                                        [IBV_PORT_DOWN] = "down",
                                        [IBV_PORT_INIT] = "init",
                                        [IBV_PORT_ARMED] = "armed",
                                        [IBV_PORT_ACTIVE] = "active",
                                        [IBV_PORT_ACTIVE_DEFER] = "active defer"};
    return NAME(names, state);
}

enum ibv_fork_status ibv_is_fork_initialized(void)
{
    lb_settings_load();
    return (enum ibv_fork_status)lb_lim.fork;
}
