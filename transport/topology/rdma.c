/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/rdma.h"

#include "transport/topology/sysfile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS "/sys/class/infiniband"

static void read_port(const char *root, const char *dev, const char *number, struct vc_rdma_port *p)
{
    char text[64];
    p->number = atoi(number);
    /* "4: ACTIVE" */
    vc_sys_read(root, text, sizeof text, CLASS "/%s/ports/%s/state", dev, number);
    const char *word = strchr(text, ':');
    snprintf(p->state, sizeof p->state, "%.23s", word ? word + 1 + strspn(word + 1, " ") : text);
    vc_sys_read(root, p->link_layer, sizeof p->link_layer, CLASS "/%s/ports/%s/link_layer", dev, number);
    vc_sys_read(root, p->rate, sizeof p->rate, CLASS "/%s/ports/%s/rate", dev, number);
}

/* The kernel driver; "" unknown. */
static void find_driver(const char *root, const char *name, char *driver, size_t len)
{
    char bus[64];
    driver[0] = '\0';
    if (vc_sys_link_name(root, bus, sizeof bus, CLASS "/%s/device", name))
        vc_sys_link_name(root, driver, len, CLASS "/%s/device/driver", name);
    else if (vc_sys_exists(root, CLASS "/%s/parent", name))
        /* Only rxe has that file: the network interface it sits on. */
        snprintf(driver, len, "rdma_rxe");
    else if (strncmp(name, "siw", 3) == 0)
        snprintf(driver, len, "siw");
}

char *vc_rdma_model(const char *root, const char *dev, char *name, size_t len)
{
    find_driver(root, dev, name, len);
    if (strcmp(name, "rdma_rxe") == 0)
        snprintf(name, len, "rxe");
    if (!name[0]) {
        snprintf(name, len, "%s", dev);
        for (size_t n = strlen(name); n > 1 && strchr("0123456789_", name[n - 1]); n--)
            name[n - 1] = '\0';
    }
    return name;
}

int vc_rdma_traffic_class(const char *root, const char *dev, int port)
{
    char text[64];
    int tc = -1;
    long long tos;
    /* "Global tclass=106", and lines of rules that are for some peers only. */
    if (vc_sys_read(root, text, sizeof text, CLASS "/%s/tc/%d/traffic_class", dev, port) &&
        sscanf(text, "Global tclass=%d", &tc) == 1 && tc >= 0 && tc <= 255)
        return tc;
    if (vc_sys_number(root, &tos, "/sys/kernel/config/rdma_cm/%s/ports/%d/default_roce_tos", dev, port) &&
        tos >= 0 && tos <= 255)
        return (int)tos;
    return 0;
}

static void read_device(const char *root, const char *name, struct vc_rdma_dev *d)
{
    memset(d, 0, sizeof *d);
    snprintf(d->name, sizeof d->name, "%s", name);
    if (vc_sys_link_name(root, d->bdf, sizeof d->bdf, CLASS "/%s/device", name) && !strchr(d->bdf, ':'))
        d->bdf[0] = '\0'; /* not a PCI address: another bus */
    find_driver(root, name, d->driver, sizeof d->driver);
    if (!vc_sys_read(root, d->model, sizeof d->model, CLASS "/%s/hca_type", name))
        vc_sys_read(root, d->model, sizeof d->model, CLASS "/%s/board_id", name);
    vc_sys_read(root, d->firmware, sizeof d->firmware, CLASS "/%s/fw_ver", name);
    vc_sys_read(root, d->node_guid, sizeof d->node_guid, CLASS "/%s/node_guid", name);
    vc_sys_read(root, d->sys_image_guid, sizeof d->sys_image_guid, CLASS "/%s/sys_image_guid", name);
    struct vc_sys_names ports;
    vc_sys_list(root, &ports, CLASS "/%s/ports", name);
    for (int i = 0; i < ports.n && d->nports < VC_RDMA_PORTS; i++)
        read_port(root, name, ports.name[i], &d->port[d->nports++]);
}

int vc_rdma_scan(const char *root, struct vc_rdma_dev *devs, int max)
{
    struct vc_sys_names names;
    vc_sys_list(root, &names, CLASS);
    int n = names.n < max ? names.n : max;
    for (int i = 0; i < n; i++)
        read_device(root, names.name[i], &devs[i]);
    return n;
}
