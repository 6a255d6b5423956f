#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# doctor.sh CASE MPIRUN VCOLL LIBRARY FORBID: `vcoll doctor` on ranks of this machine, of which one is odd. How fast this
# machine is, or how busy, is not looked at.
case=$1 mpirun=$2 vcoll=$3 library=$4 forbid=$5
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
for v in $(env | sed -n 's/^\(VCOLL_[A-Za-z0-9_]*\)=.*/\1/p'); do [ "$v" = VCOLL_VERBS_LIBRARY ] || unset "$v"; done
HOME=$scratch XDG_CONFIG_HOME=$scratch
export HOME XDG_CONFIG_HOME

fail() {
    echo "FAILED: $*"
    cat "$scratch/out" "$scratch/err"
    exit 1
}

# expect CODE COMMAND...: runs it; standard output and error are kept.
expect() {
    want=$1
    shift
    timeout -k 5 60 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    got=$?
    [ $got = "$want" ] || fail "$*: exit code $got, not $want"
}
# has WORDS: on standard output, as one line, however it was wrapped.
has() {
    tr -s ' \r\n' ' ' <"$scratch/out" | grep -a -q -e "$1" || fail "no \"$1\""
}
lacks() {
    tr -s ' \r\n' ' ' <"$scratch/out" | grep -a -q -e "$1" && fail "\"$1\""
    return 0
}
has_line() {
    grep -a -q -e "$1" "$scratch/out" "$scratch/err"
}
# odd RANK COMMANDS WORDS...: a doctor of 3 ranks, of which one has run the commands before.
odd() {
    rank=$1 before=$2 code=$3
    shift 3
    expect "$code" "$mpirun" -n 3 sh -c "
        r=\${OMPI_COMM_WORLD_RANK:-\$PMIX_RANK}
        if [ \$r = $rank ]; then $before; fi
        exec \$f \"\$@\"" sh "$vcoll" doctor "$@"
}
# What this machine is like.
busy=cpu-quota,cpus,binding,yield,steal,busy,frequency,clock,timers,idle,table,moderation,shared-memory,kernel,platform,cpu
busy=$busy,open-files,locked-memory,userfaultfd,single-copy,ptrace-scope

case $case in
healthy)
    expect 0 "$mpirun" -n 2 "$vcoll" doctor --skip $busy
    has "^No problems on 1 node, 2 ranks"
    lacks "BROKEN"
    # With everything, whatever it finds here: JSON that agrees with the exit code.
    timeout -k 5 60 "$mpirun" -n 2 "$vcoll" doctor --json >"$scratch/out" 2>"$scratch/err" </dev/null
    code=$?
    python3 - "$scratch/out" $code <<'END' || fail "JSON"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["vcoll_doctor"] == 1 and d["exit"] == int(sys.argv[2]) and d["exit"] in (0, 1), d["exit"]
assert d["ranks"] == 2 and [n["ranks"] for n in d["nodes"]] == ["0-1"]
severities = [f["severity"] for f in d["findings"]]
assert d["count"] == {s: severities.count(s) for s in ("broken", "slow", "hint")}
assert d["verdict"] == next((s for s in ("broken", "slow", "hint") if s in severities), "ok")
results = {c["check"]: c["result"] for c in d["checks"]}
assert len(results) == len(d["checks"]) > 30 and results["silent"] == "ok" and results["mpi"] == "ok"
for f in d["findings"]:
    assert set(f) == {"check", "severity", "title", "what", "cost", "do", "ranks", "rank_count", "nodes"}, f
    assert results[f["check"]] != "ok" and len(f["nodes"]) == 1
END
    ;;
alone)
    expect 0 "$vcoll" doctor --only mpi,silent
    has "on 1 node, 1 rank"
    # The doctor starts mpirun itself.
    VCOLL_NODE_SPLIT=1 expect 1 "$vcoll" doctor -n 3 --only less --mpirun=--bind-to --mpirun=none
    has "^1 problem (slow) on 1 node, 3 ranks"
    has "every rank what VCOLL_NODE_SPLIT=1"
    ;;
settings)
    odd 1 "export VCOLL_SHM_BULK=64k VCOLL_WAIT=poll" 2 --only settings,local-settings
    has "BROKEN settings: .* rank 1 of 3 what ranks 0,2: defaults; rank 1: VCOLL_SHM_BULK=64k"
    has "HINT local-settings: .* rank 1 of 3 what ranks 0,2: defaults; rank 1: VCOLL_WAIT=poll"
    odd 2 "export VCOLL_WAIT=pol VCOLL_WIAT=1 VCOLL_DISABLE=1" 2 --only bad-settings,less
    has "BROKEN bad-settings: .* rank 2 of 3 what VCOLL_WAIT=pol: .* did you mean poll"
    has "HINT bad-settings: .* VCOLL_WIAT, did you mean VCOLL_WAIT"
    has "SLOW less: .* VCOLL_DISABLE=1"
    ;;
files)
    odd 1 "ulimit -n 40" 1 --only open-files,silent
    has "SLOW open-files: .* rank 1 of 3 what the limit is 40 files"
    # Who may lock memory without a limit, as root, is told nothing.
    drop=
    [ "$(id -u)" = 0 ] && drop="setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock"
    if $drop true; then
        VCOLL_VERBS_LIBRARY=$library odd 1 "ulimit -l 64; f=\"$drop\"" 1 --only locked-memory
        has "SLOW locked-memory: .* rank 1 of 3 what the limit is 64 KiB (ulimit -l), the buffers of a rank in this job need"
    fi
    ;;
sandbox)
    "$forbid" true || exit 77
    odd 1 "f=$forbid" 1 --only single-copy,ptrace-scope
    has "rank 1 of 3"
    has "SLOW \(single-copy\|ptrace-scope\): "
    VCOLL_VERBS_LIBRARY=$library odd 1 "f=$forbid" 1 --only userfaultfd
    has "SLOW userfaultfd: .* rank 1.* not permitted"
    ;;
library)
    # Another build, preloaded into one rank.
    cp "$(dirname "$vcoll")/../pmpi/libvcoll.so" "$scratch/libvcoll.so" || exit 77
    odd 2 "export LD_PRELOAD=$scratch/libvcoll.so" 2 --only library,settings,less
    has "BROKEN library: .* rank 2 of 3 what ranks 0-1: .*; rank 2: $scratch/libvcoll.so, preloaded"
    # Preloaded everywhere, together with something else: no finding.
    expect 0 "$mpirun" -n 2 -x LD_PRELOAD="$scratch/libvcoll.so:$(dirname "$vcoll")/../pmpi/libvcoll.so" "$vcoll" doctor \
        --only library,settings,less,silent --all
    has "$scratch/libvcoll.so, preloaded"
    ;;
path)
    VCOLL_VERBS_LIBRARY=$library VCOLL_NODE_SPLIT=1
    export VCOLL_VERBS_LIBRARY VCOLL_NODE_SPLIT
    expect 0 "$mpirun" -n 5 "$vcoll" doctor --all --only rdma-path,rdma-down,device,queue-pairs
    has "rdma-path 5 nodes, each reaches the next and a random one"
    has "queue-pairs loop0 grants [0-9]*, 20 are needed at most"
    VC_LOOPBACK="max_qp=15" expect 1 "$mpirun" -n 5 "$vcoll" doctor --only queue-pairs
    has "queue-pairs: RDMA connections .* loop0 grants 15 queue pairs for 5 ranks here: too few for most algorithms"
    VC_LOOPBACK="lost=1-2" expect 2 "$mpirun" -n 3 "$vcoll" doctor --only rdma-path,rdma-down,device
    has "^1 problem (broken)"
    has "ranks 1-2 of 3 what from rank 1 (.*, loop0) to rank 2 (.*, loop0): no message arrived within 2 s"
    VC_LOOPBACK="rank=2,memlock=1000" expect 2 "$mpirun" -n 3 "$vcoll" doctor --only rdma-path
    has "rank 2 of 3 what loop0 port 1 was opened, but"
    VC_LOOPBACK="rank=2,fail=ibv_modify_qp:2" expect 2 "$mpirun" -n 3 "$vcoll" doctor --only rdma-path
    has "broken"
    ;;
devices)
    VCOLL_VERBS_LIBRARY=$library
    export VCOLL_VERBS_LIBRARY
    VC_LOOPBACK="port=down" expect 2 "$mpirun" -n 2 "$vcoll" doctor --only rdma-path,rdma-down,device
    has "BROKEN rdma-down: .* every rank what loop0 port 1 is DOWN"
    VC_LOOPBACK="rank=1,port=down" expect 1 "$mpirun" -n 3 "$vcoll" doctor --only rdma-path,device
    has "SLOW device: .* rank 1 of 3 what ranks 0,2: loop, RoCE; rank 1: none (loop0 port 1 is DOWN"
    VC_LOOPBACK="rank=2,link=ib" expect 1 "$mpirun" -n 3 "$vcoll" doctor --only rdma-path,device
    has "ranks 0-1: loop, RoCE; rank 2: loop, InfiniBand"
    ;;
hosts)
    unshare -mu true 2>/dev/null || exit 77
    OMPI_MCA_btl=self,tcp
    export OMPI_MCA_btl
    # Names of their own, one memory: containers that share it. Then one that cannot be reached, as a clone of the machine.
    named='hostname node${OMPI_COMM_WORLD_RANK:-$PMIX_RANK}; exec $f "$@"'
    expect 0 "$mpirun" -n 3 unshare -u sh -c "$named" sh "$vcoll" doctor --only clones,containers --all
    has "several host names, one memory"
    if "$forbid" true; then
        f=$forbid expect 2 "$mpirun" -n 2 -x f unshare -u sh -c "$named" sh "$vcoll" doctor --only clones,containers
        has "BROKEN clones: .* every rank"
    fi
    # Each with a /dev/shm of its own.
    expect 1 "$mpirun" -n 4 unshare -mu sh -c "mount -t tmpfs tmpfs /dev/shm; $named" sh "$vcoll" doctor \
        --only clones,containers,rdma-path --all
    has "on 4 nodes, 4 ranks SLOW containers: .* every rank of every node"
    has "rdma-path no RDMA device to send over"
    # One that is too small.
    VCOLL_SHM_BACKING=shm expect 1 unshare -m sh -c 'mount -t tmpfs -o size=64k tmpfs /dev/shm; exec "$@"' sh \
        "$mpirun" -n 3 "$vcoll" doctor --only shared-memory
    has "SLOW shared-memory: .* a communicator of the 3 ranks here takes .*, which cannot be had"
    ;;
binding)
    # One CPU for all, where there are more.
    [ "$(nproc)" -gt 1 ] || exit 77
    cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
    expect 1 taskset -c "$cpu" "$mpirun" -n 2 "$vcoll" doctor --only binding,cpus
    has "^1 problem (slow)"
    has "SLOW binding: .* every rank what 2 ranks may use CPU $cpu alone"
    ;;
stopped)
    # Rank 1 stands still from the beginning, or from somewhere in the middle: the others come back, and say so.
    for after in 0 0.3; do
        timeout -k 5 40 "$mpirun" -n 3 sh -c "
            r=\${OMPI_COMM_WORLD_RANK:-\$PMIX_RANK}
            [ \$r = 1 ] && { echo \$\$ >$scratch/pid; (sleep $after; kill -STOP \$\$) & }
            exec \"\$@\"" sh "$vcoll" doctor --only silent --patience 1 >"$scratch/out" 2>"$scratch/err" </dev/null
        got=$?
        kill -KILL "$(cat "$scratch/pid")" 2>/dev/null # should mpirun not have
        # The doctor may have been done before; then it is mpirun alone that waits for that rank.
        [ $after != 0 ] && has_line "^No problems" && continue
        [ $got = 0 ] || [ $got = 124 ] || [ $got = 137 ] && fail "after $after s: exit code $got"
        has_line "silent: .*rank\|vcoll doctor: broken: rank [0-9-]* on" || fail "after $after s: nothing said"
    done
    ;;
*)
    fail "no case $case"
    ;;
esac
exit 0
