# SPDX-License-Identifier: BSD-3-Clause
# Sourced: commands in the guests of a lab that is up.
# shellcheck shell=bash disable=SC2034,SC2154

lab_ssh_pid=

# Runs ssh to vm0. Beginning a connection takes seconds in emulated machines: one is kept open, and serves all while it
# lasts. Its socket is named from the lab's directory, as names of sockets must be short.
lab_ssh() {
    local port
    read_number port "$lab_state/port"
    cd "$lab_state" && exec ssh -p "$port" -i key -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes \
        -o KexAlgorithms=curve25519-sha256 -o ControlPath=./ssh -o ConnectTimeout=120 -o ServerAliveInterval=30 \
        -o ServerAliveCountMax=10 "$@"
}

# Opens that connection. It ends with vm0.
open_ssh() {
    (lab_ssh -o ControlMaster=yes -o ConnectionAttempts=3 -N -f root@127.0.0.1) < /dev/null > "$lab_state/ssh.log" 2>&1 ||
        {
            complain "vm0 does not answer ssh: $(tail -n 1 "$lab_state/ssh.log")"
            return 1
        }
}

# Runs a bash script on vm0, with nothing to read.
in_vm0() {
    (lab_ssh root@127.0.0.1 "bash -c $(printf %q "$1")") < /dev/null
}

# The directory of a lab that is up.
use_state() {
    lab_state=$(cd "$1" 2> /dev/null && pwd -P) && [ -e "$lab_state/guest.conf" ] || die "$1: no lab is up there"
    # shellcheck disable=SC1091
    . "$lab_state/guest.conf" && . "$lab_state/lab.conf"
}

# The directory of a lab that is to come up; an earlier one there is ended.
use_new_state() {
    if [ -e "$1/guest.conf" ]; then
        (use_state "$1" && stop_lab)
        rm -rf "$1"
    fi
    mkdir -p "$(dirname "$1")" && mkdir "$1" || die "$1: must be a new directory"
    lab_state=$(cd "$1" && pwd -P)
}

# Ends what an earlier program left behind, and forgets what guests remember of the host's files: they may have changed.
tidy_guests() {
    local vm
    [ -e "$lab_state/used" ] || return 0
    for ((vm = 0; vm < LAB_VMS; vm++)); do
        vm_runs "$vm" || return 1
    done
    in_vm0 "exec bash $lab_state/guest/tidy all"
}

# Runs what the options and the words say on vm0; the exit code is the program's.
run_program() {
    local line name words vm input ticker ended broken='' code deadline status server='' names=() own=()
    if [ -n "$lab_shell" ]; then
        words=(shell)
    elif [ -n "$lab_script" ]; then
        words=(script "$lab_script" "$@")
    else
        words=(program "$@")
    fi
    for name in $(compgen -e VCOLL_); do
        [[ $name = VCOLL_LAB_* ]] || lab_pass+=("$name=${!name}")
    done
    for name in "${lab_pass[@]}"; do
        # What is preloaded is for the ranks alone, not for the shells, ssh and mpirun that start them.
        if [[ $name = LD_PRELOAD=* ]]; then
            own+=("LAB_$name")
        else
            own+=("$name") names+=("${name%%=*}")
        fi
    done
    line="cd $(printf %q "$PWD") 2> /dev/null || cd /; export"
    for name in LAB_VMS="$LAB_VMS" LAB_RANKS="${lab_ranks:-$LAB_VMS}" LAB_BUILD="$lab_build" LAB_TIMEOUT="$lab_timeout" \
        LAB_PASS="$(printf '%s\n' "${names[@]}" | sort -u | tr '\n' ' ')" "${own[@]}"; do
        line+=" $(printf %q "$name")"
    done
    line+="; exec bash $lab_state/guest/program"
    for name in "${words[@]}"; do
        line+=" $(printf %q "$name")"
    done
    : > "$lab_state/used"
    if [ -n "$lab_shell" ]; then
        (lab_ssh -t root@127.0.0.1 "$line")
        return
    fi
    if [ -n "$lab_hold" ]; then
        serve_migrations < /dev/null > "$lab_state/migrations" 2>&1 &
        server=$!
    fi
    if [ -n "$lab_stdin" ]; then exec {input}<&0; else exec {input}< /dev/null; fi
    (lab_ssh root@127.0.0.1 "$line") <&"$input" &
    lab_ssh_pid=$!
    # The guests end a program that takes too long; this is for guests that cannot any more.
    deadline=$((SECONDS + lab_timeout + 120))
    while :; do
        sleep 2 > /dev/null 2>&1 &
        ticker=$!
        wait -n -p ended "$lab_ssh_pid" "$ticker"
        code=$?
        if [ "$ended" = "$lab_ssh_pid" ]; then
            kill "$ticker" 2> /dev/null
            break
        fi
        for ((vm = 0; vm < LAB_VMS; vm++)); do
            vm_runs "$vm" || broken="vm$vm is gone"
        done
        ((lab_timeout == 0 || SECONDS < deadline)) || broken="vm0 does not end the program"
        if [ -n "$broken" ]; then
            complain "$broken"
            kill "$lab_ssh_pid" 2> /dev/null
            code=$LAB_BROKEN
            break
        fi
    done
    exec {input}<&-
    wait "$lab_ssh_pid" 2> /dev/null
    lab_ssh_pid=
    [ -z "$server" ] || { kill "$server" && wait "$server"; } 2> /dev/null
    if [ "$code" = 255 ]; then
        # That may be ssh's word or the program's.
        status=$(in_vm0 'cat /run/lab.status')
        [ "$status" = 255 ] || {
            complain "the connection to vm0 broke"
            code=$LAB_BROKEN
        }
    fi
    [ "$code" != 124 ] || complain "ended after $lab_timeout s (--timeout)"
    return "$code"
}
