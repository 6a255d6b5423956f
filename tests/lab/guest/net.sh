# SPDX-License-Identifier: BSD-3-Clause
# Sourced in a guest: the data network, from the virtual function to the RDMA device. Needs guest.conf's variables,
# $lab_vm, and a function `fail`.
# shellcheck shell=bash disable=SC2154

# Sets nic to the network device with this MAC address: $1 tells its kind.
find_nic() {
    local want mac try
    printf -v want '52:54:00:76:%02x:%02x' "$1" "$lab_vm"
    for ((try = 0; try < 300; try++)); do
        for nic in /sys/class/net/*; do
            { read -r mac < "$nic/address"; } 2> /dev/null
            nic=${nic##*/}
            [ "$mac" != "$want" ] || return 0
        done
        sleep 0.1
    done
    fail "there is no network card $want"
}

# Waits until the device has a link; 20 s must do.
wait_for_link() {
    local carrier try
    for ((try = 0; try < 200; try++)); do
        { read -r carrier < "/sys/class/net/$1/carrier"; } 2> /dev/null
        [ "$carrier" != 1 ] || return 0
        sleep 0.1
    done
    fail "$1 has no link"
}

# Makes the virtual function and leaves its name in $nic. Its driver comes last: a physical function that comes up
# afterwards forgets the addresses of its virtual ones, who are not told in time.
make_vf() {
    local pf=/sys/class/net/pf0/device try mac
    echo 1 > $pf/sriov_numvfs || fail "no virtual function"
    printf '%s\n' "link set pf0 mtu $LAB_MTU" "link set pf0 up" > /run/pf.batch
    ip -batch /run/pf.batch || fail "the physical function does not come up"
    wait_for_link pf0
    modprobe igbvf || fail "cannot load igbvf"
    for ((try = 0; try < 200; try++)); do
        for nic in $pf/virtfn0/net/*; do
            nic=${nic##*/}
            [ "$nic" = "*" ] || break 2
        done
        sleep 0.1
    done
    [ "$nic" != "*" ] || fail "the virtual function has no driver"
    printf -v mac '52:54:00:76:03:%02x' "$lab_vm"
    ip link set "$nic" address "$mac" || fail "the virtual function takes no address"
}

# Says something to the monitor of this machine's QEMU.
tell_qemu() {
    stty -F /dev/ttyS1 raw -echo
    # What echoed before that ends here.
    printf '\r%s\r' "$*" > /dev/ttyS1
}

# Takes the network card away, as a host does that is serviced. The driver lets it go when all programs have closed the
# RDMA device. False if it does not within $1 seconds.
unplug_nic() {
    local try
    : > /run/card.out
    tell_qemu device_del nic
    for ((try = 0; try < $1 * 5; try++)); do
        nic_is_here || return 0
        sleep 0.2
    done
    return 1
}

# Puts a card back that was taken away, and the data network on it.
plug_nic() {
    local mac
    printf -v mac '52:54:00:76:02:%02x' "$lab_vm"
    [ "$LAB_NIC" != igb ] || rmmod igbvf 2> /dev/null
    tell_qemu "device_add $LAB_NIC,id=nic,bus=rootport,netdev=data,romfile=,mac=$mac"
    find_nic 2
    [ "$LAB_NIC" != igb ] || ip link set "$nic" name pf0
    start_data_net
    rm -f /run/card.out
}

nic_is_here() {
    local slot
    for slot in /sys/bus/pci/devices/0000:01:*; do
        [ -e "$slot" ] && return 0
    done
    return 1
}

start_data_net() {
    local nic name=vf0
    if [ "$LAB_NIC" = igb ]; then
        make_vf
    else
        name=eth-data
        find_nic 2
    fi
    printf '%s\n' "link set $nic name $name" "link set $name mtu $LAB_MTU" \
        "addr add 10.77.0.$((lab_vm + 1))/24 dev $name" "link set $name up" > /run/data.batch
    ip -batch /run/data.batch || fail "$name does not come up with an MTU of $LAB_MTU"
    wait_for_link $name
    # Without a wish for moderation it is what the driver begins with; restoring it takes its value.
    [ -n "$LAB_RX_USECS" ] || LAB_RX_USECS=$(ethtool -c $name | awk '$1 == "rx-usecs:" { print $2 }')
    set_moderation $name || fail "$name does not take rx-usecs $LAB_RX_USECS"
    rdma link add rxe0 type rxe netdev $name || fail "cannot make an RDMA device on $name"
    printf 'LAB_NETDEV=%q LAB_RX_USECS=%q\n' $name "$LAB_RX_USECS" > /run/lab.env
}

set_moderation() {
    ethtool -C "$1" rx-usecs "$LAB_RX_USECS"
}

# Whether all is as start_data_net left it.
data_net_is_well() {
    local state='' mtu='' gid name=$1
    { read -r state < /sys/class/infiniband/rxe0/ports/1/state && read -r mtu < "/sys/class/net/$name/mtu"; } 2> /dev/null
    [[ $state = 4:* && $mtu = "$LAB_MTU" && -e /dev/infiniband/uverbs0 && ! -e /dev/infiniband/uverbs1 ]] || return 1
    for gid in 0 1 2 3; do
        { read -r gid < /sys/class/infiniband/rxe0/ports/1/gids/$gid; } 2> /dev/null
        [[ $gid != 0000:0000:0000:0000:0000:ffff:0a4d:* ]] || return 0
    done
    return 1
}

# Makes the data network as it was, whatever a program did to it; LAB_NETDEV and LAB_RX_USECS say what it was.
restore_data_net() {
    local dev try
    if [ -e /run/card.out ]; then
        # What had it open was ended a moment ago.
        for ((try = 0; try < 300; try++)); do
            nic_is_here || break
            sleep 0.1
        done
        plug_nic
    elif ! data_net_is_well "$LAB_NETDEV"; then
        for dev in /sys/class/infiniband/*; do
            [ ! -e "$dev" ] || rdma link delete "${dev##*/}"
        done
        if [ "$LAB_NIC" = igb ]; then
            echo 0 > /sys/class/net/pf0/device/sriov_numvfs
            rmmod igbvf
            ip link set pf0 down
        else
            ip addr flush dev "$LAB_NETDEV"
            ip link set "$LAB_NETDEV" down
        fi
        start_data_net
    fi
    set_moderation "$LAB_NETDEV"
}
