# SPDX-License-Identifier: BSD-3-Clause
# Runs on vm0: fall_back.sh PROGRAM HOW. One machine cannot use verbs; the program's results are right all the same, over
# the MPI, and one line says why. HOW:
#   memlock  too little memory may be locked, on vm1 only
#   nogid    the device of vm1 has no GID
#   device   VCOLL_VERBS_DEVICE names none
# shellcheck shell=bash
program=$1 how=$2
out=/tmp/fall_back.out
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}
# All ranks have the same channels, and memory of the host is not among them.
export VCOLL_CHANNELS=shm,verbs,mpi
all() {
    ranks -x VCOLL_CHANNELS "$@"
}
case $how in
memlock)
    # A limit binds only who may not lock memory at will.
    cat > /tmp/limited << 'EOF'
#!/bin/bash
[ "$(hostname)" = vm1 ] || exec "$@"
ulimit -l 64
exec setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock "$@"
EOF
    chmod +x /tmp/limited
    ssh vm1 'cat > /tmp/limited && chmod +x /tmp/limited' < /tmp/limited
    all /tmp/limited "$program" --seed 5 --iterations 25 > $out 2>&1 || fail "wrong results"
    expected='locked memory is 64 KiB'
    ;;
nogid)
    on vm1 "ip link set $LAB_NETDEV down; ip addr flush dev $LAB_NETDEV; sysctl -qw net.ipv6.conf.$LAB_NETDEV.disable_ipv6=1"
    on vm1 "ibv_devinfo -v -d $LAB_RDMA | grep -E 'GID|state'"
    OMPI_MCA_btl_tcp_if_include=ctl0 all -x OMPI_MCA_btl_tcp_if_include=10.78.0.0/24 "$program" --seed 5 --iterations 25 > $out 2>&1 ||
        fail "wrong results"
    expected='DOWN\|GID'
    ;;
device)
    VCOLL_VERBS_DEVICE=mlx5_7 all -x VCOLL_VERBS_DEVICE=mlx5_7 "$program" --seed 5 --iterations 25 > $out 2>&1 || fail "wrong results"
    expected="no such RDMA device; found: $LAB_RDMA"
    ;;
esac
cat $out
[ "$(grep -c 'verbs cannot be used' $out)" = 1 ] || fail "not one line about it"
grep 'verbs cannot be used' $out | grep -q "$expected" || fail "the line does not say why"
exit $failed
