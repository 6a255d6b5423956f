# SPDX-License-Identifier: BSD-3-Clause
# Runs on vm0: outlive.sh PROGRAM HOW TIMES. A program outlives, with right results and bounded pauses, that vm1's device goes
# and comes back, so many times. HOW is one of
#   delete  rdma link delete and add: the driver tells nobody, and waits until all have closed the device
#   down    the interface goes down and up
#   unplug  the network card is taken out of the machine, and its functions with it, and put back
#   migrate likewise, and the machine goes on in another process of the host meanwhile
# shellcheck shell=bash
program=$1 how=$2 times=$3
dir=/tmp/outlive
pause=30 # seconds that a call may take at most
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}
rounds() {
    local n=0
    { read -r n < $dir/rounds; } 2> /dev/null
    echo "$n"
}
# Waits until the program has done $1 rounds more.
go_on() {
    local goal=$(($(rounds) + $1)) try
    for ((try = 0; try < 5 * 2 * pause; try++)); do
        if (($(rounds) >= goal)); then
            echo "$SECONDS s: $2: $(rounds) rounds"
            return 0
        fi
        kill -0 "$job" 2> /dev/null || break
        sleep 0.2
    done
    fail "$2: $1 rounds were not done within $((2 * pause)) s"
    return 1
}
# A path is tried again later and later, and a link takes a while to come up.
until_back() {
    local try
    for ((try = 0; try < 5 * 2 * pause; try++)); do
        if grep -q 'the RDMA path to process [0-9]* is back' $dir/err; then
            echo "$SECONDS s: a path is back"
            return 0
        fi
        kill -0 "$job" 2> /dev/null || return 0 # which is told elsewhere
        sleep 0.2
    done
    fail "no path was back within $((2 * pause)) s"
}
# Both say whether it was done; a device that programs do not close is not let go, and who waits for that cannot be killed.
take() {
    case $how in
    delete) on vm1 "rdma link delete $LAB_RDMA > /dev/null 2>&1 < /dev/null & for ((i = 0; i < 200; i++)); do
        [ -e /proc/\$! ] || exit 0; sleep 0.2; done; exit 1" ;;
    down) on vm1 "ip link set $LAB_NETDEV down" ;;
    unplug | migrate) on vm1 "$card out 40" ;;
    esac
}
give_back() {
    case $how in
    delete) on vm1 "rdma link add $LAB_RDMA type rxe netdev $LAB_NETDEV" ;;
    down) on vm1 "ip link set $LAB_NETDEV up" ;;
    unplug) on vm1 "$card in" ;;
    migrate)
        migrate vm1 || return
        go_on 3 "after the migration, time $i" || return
        on vm1 "$card in"
        ;;
    esac
}

card=$(dirname "$BASH_ENV")/card
# Links of machines that have just been started may still be down.
on vm1 "for ((i = 0; i < 100; i++)); do grep -q ACTIVE /sys/class/infiniband/$LAB_RDMA/ports/1/state && exit 0; sleep 0.2; done; exit 1" ||
    fail "the port of vm1 is not up"
# The MPI has a network that stays.
export OMPI_MCA_btl_tcp_if_include=10.78.0.0/24
export VCOLL_STATS=json VCOLL_STATS_FILE=$dir/stats VCOLL_LOG=info
# On a host that others keep busy the software device may not bring a message in the two seconds in which paths are proven. Then
# there is no path that could be lost.
for ((start = 1; start <= 4; start++)); do
    rm -rf $dir
    mkdir $dir
    ranks -x VCOLL_STATS -x VCOLL_STATS_FILE -x VCOLL_LOG "$program" $dir > $dir/out 2> $dir/err &
    job=$!
    go_on 5 "at first" || break
    proof=$(grep -m 1 'verbs cannot be used' $dir/err) || break
    ((start < 4)) || break
    echo "start $start: ${proof:0:300}: once more"
    touch $dir/stop
    wait "$job" || fail "the program ended with $?"
done
stuck=
for ((i = 1; i <= times && !failed; i++)); do
    go_on 3 "before time $i" || break
    take || stuck=yes
    go_on 3 "after the device went, time $i" || break
    [ ! "$stuck" ] || break
    give_back || fail "time $i: the device did not come back"
done
[ $failed = 1 ] || [ "$stuck" ] || until_back
[ $failed = 1 ] || go_on 5 "at last"
touch $dir/stop
wait "$job" || fail "the program ended with $?"
cat $dir/out
grep -v 'shares CPUs\|CPU of its own\|levels of rank' $dir/err | head -n 40 | sed 's/^/  /'

grep -q WRONG $dir/out && fail "a wrong result"
awk -v bound=$pause '/longest call/ { seen = 1; for (i = 1; i < NF; i++) if ($i == "call") bad = $(i + 1) > bound }
    END { exit bad || !seen }' $dir/out || fail "a call took more than $pause s"
paths=$(jq -c .paths $dir/stats) || fail "no statistics"
echo "paths: $paths"
jq -e '.paths.lost > 0' $dir/stats > /dev/null || fail "no path was lost"
[ "$how" != delete ] || grep -q 'was removed' $dir/err || fail "nobody named the cause"
[ ! "$stuck" ] || fail "the device was not let go: programs have it open"
[ "$stuck" ] || jq -e '.paths.regained > 0' $dir/stats > /dev/null || fail "no path was regained"
exit $failed
