# SPDX-License-Identifier: BSD-3-Clause
# Runs on vm0: devices.sh PROGRAM. The tuner changes interrupt moderation of real network cards and puts it back, also when
# it is killed; a table's moderation is set while a program runs, and put back, too. PROGRAM makes collective calls.
# shellcheck shell=bash
program=$1
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}
usecs() {
    on "$1" "ethtool -c $LAB_NETDEV" | awk '$1 == "rx-usecs:" { print $2 }'
}
is() {
    local host now
    for host in $LAB_HOSTS; do
        now=$(usecs "$host")
        [ "$now" = "$1" ] || fail "$2: rx-usecs of $host is $now, not $1"
    done
}

# Only this machine has the settings of the test.
setup_after=${VCOLL_SETUP_AFTER:-1}
unset VCOLL_SETUP_AFTER
each ethtool -C "$LAB_NETDEV" rx-usecs 250
is 250 "before"
tried() {
    jq -e '.moderation | length >= 3 and any(.found) and any(.chosen) and any(.setting == "rx-usecs 50")' /tmp/devices.json > /dev/null
}
# On a busy host a budget may be used up before anything is proven, or before everything was tried.
for budget in 40 160 640; do
    timeout $((200 + 2 * budget)) vcoll tune run -n 2 --ranks 2 --devices allreduce --sizes 8 --budget ${budget}s -o /tmp/devices.json \
        --force > /tmp/devices.out 2>&1
    code=$?
    [ $code = 0 ] && tried && break
    if [ $code = 0 ]; then
        echo "with a budget of $budget s not all was tried: $(jq -c '[.moderation[].setting]' /tmp/devices.json)"
    elif ! grep 'nothing was measured' /tmp/devices.out; then
        break
    fi
done
[ "$code" = 0 ] || fail "tune run: $(tail -n 3 /tmp/devices.out)"
tried || fail "not tried: $(jq -c '.moderation' /tmp/devices.json | head -c 600)"
is 250 "after tune run"
vcoll tune validate /tmp/devices.json || fail "the table is not valid"

# Killed while another setting is in place: the guard puts it back.
vcoll tune run -n 2 --ranks 2 --devices allreduce --sizes 8 --budget 120s -o /tmp/killed.json --force > /tmp/killed.out 2>&1 &
tuner=$!
changed=
for _ in $(seq 100); do
    [ "$(usecs vm0)" = 250 ] || {
        changed=yes
        break
    }
    sleep 0.5
done
[ "$changed" ] || fail "nothing was changed: $(tail -n 3 /tmp/killed.out)"
each "pkill -KILL -x vcoll-tune || true"
wait $tuner
for _ in $(seq 40); do
    [ "$(usecs vm0) $(usecs vm1)" = "250 250" ] && break
    sleep 0.5
done
is 250 "after SIGKILL"

# A table that suggests something.
cat > /tmp/apply.json << 'END'
{"vcoll_table": 1, "rules": [{"algorithm": "builtin"}], "devices": [{"nodes": [2, null], "coalescing": {"rx-usecs": 50}}]}
END
export VCOLL_TABLE=/tmp/apply.json VCOLL_LOG=info VCOLL_SETUP_AFTER=$setup_after
VCOLL_COALESCING=apply ranks -x VCOLL_COALESCING=apply "$program" --seed 5 --iterations 200 > /tmp/apply.out 2>&1 &
job=$!
changed=
for _ in $(seq 200); do
    [ "$(usecs vm1)" != 50 ] || {
        changed=yes
        break
    }
    kill -0 $job 2> /dev/null || break
    sleep 0.2
done
wait $job || fail "the program failed: $(tail -n 5 /tmp/apply.out)"
[ "$changed" ] || fail "VCOLL_COALESCING=apply set nothing: $(grep -i coalesc /tmp/apply.out | head -n 3)"
is 250 "after VCOLL_COALESCING=apply"
VCOLL_COALESCING=suggest ranks -x VCOLL_COALESCING=suggest "$program" --seed 5 --iterations 20 > /tmp/suggest.out 2>&1 || fail "the program failed"
grep -q 'rx-usecs 50' /tmp/suggest.out || fail "nothing was suggested: $(head -n 5 /tmp/suggest.out)"
is 250 "after VCOLL_COALESCING=suggest"
each ethtool -C "$LAB_NETDEV" rx-usecs 3
exit $failed
