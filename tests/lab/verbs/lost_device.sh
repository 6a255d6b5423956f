# SPDX-License-Identifier: BSD-3-Clause
# Runs on vm0: lost_device.sh PROGRAM HOW, with HOW one of
#   delete  rdma link delete on vm1: the driver tells nobody, and waits until all have closed the device
#   down    the interface of vm1 goes down
# shellcheck shell=bash
program=$1 how=$2 late=14
out=/tmp/lost_device.out

ranks "$program" $late > $out 2> $out.err &
job=$!
for ((i = 0; i < 1200; i++)); do
    grep -q '^asleep' $out && break
    kill -0 $job 2> /dev/null || break
    sleep 0.1
done
sleep 2
lost=$SECONDS
case $how in
delete) on vm1 "rdma link delete $LAB_RDMA" & ;;
down) on vm1 "ip link set $LAB_NETDEV down" & ;;
esac
taker=$!
wait $job
ended=$((SECONDS - lost))
wait $taker
cat $out
sed 's/^/  /' $out.err

failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}
grep -q 'WRONG' $out && fail "a wrong result"
# A rank whose messages had come before the interface went down may be through, rightly; not so those that wait for it.
must=0
[ $how = delete ] && must=$((LAB_RANKS - 1))
[ $how = down ] && must=$((LAB_RANKS / 2 - 1))
for ((rank = 0; rank <= must; rank++)); do
    grep -q "^rank $rank: error after" $out || fail "rank $rank did not notice"
done
# Those who waited: 2 s until the loss, 10 s to notice; the late one waits for nothing but that.
awk -v bound=13 '/error after/ { if ($5 > bound) bad = 1 } END { exit bad }' $out || fail "it took a rank more than 10 s"
[ $ended -lt 120 ] || fail "the job took $ended s to end"
grep -q "$LAB_RDMA" $out.err || fail "nobody named the device"
[ $how = delete ] && { grep -q 'was removed' $out.err || fail "nobody named the cause"; }
[ $how = down ] && { grep -qi 'port\|reached' $out.err || fail "nobody named the cause"; }
[ $how = down ] && on vm1 "ip link set $LAB_NETDEV up"
exit $failed
