# SPDX-License-Identifier: BSD-3-Clause
# Commands over all machines, for scripts on vm0.
# shellcheck shell=bash

# mpirun's words for LAB_RANKS ranks over all machines, in `ranks_words`.
ranks_words() {
    local name
    ranks_words=(mpirun -n "$LAB_RANKS" -x PATH)
    for name in $LAB_PASS; do
        ranks_words+=(-x "$name")
    done
    [ -z "${LAB_LD_PRELOAD:-}" ] || ranks_words+=(-x "LD_PRELOAD=$LAB_LD_PRELOAD")
}

# ranks [mpirun's options] PROGRAM [arguments]
ranks() {
    local ranks_words
    ranks_words
    "${ranks_words[@]}" "$@"
}

# on vmI COMMAND: in one machine, by its shell.
on() {
    local host=$1
    shift
    ssh -n "$host" "$@"
}

# each COMMAND: in all machines at once, by their shells; fails when it fails in one.
each() {
    local host pids=() pid code=0
    for host in $LAB_HOSTS; do
        ssh -n "$host" "$@" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || code=$?
    done
    return $code
}

# Ends all processes of this machine that came in over ssh, but for this one and those it came from.
end_sessions() {
    local keep=" " pid=$$ name value file
    while ((pid > 1)); do
        keep+="$pid "
        while read -r name value; do
            [ "$name" != PPid: ] || pid=$value
        done < "/proc/$pid/status"
    done
    for file in $(grep -lz '^LAB_SESSION=' /proc/[0-9]*/environ 2> /dev/null); do
        file=${file%/environ}
        pid=${file#/proc/}
        [[ $keep = *" $pid "* ]] || kill -9 "$pid" 2> /dev/null
    done
}

# migrate vmI: the machine goes on in another process of the host's QEMU, and the host says how long it stood still. Its
# network card must be out (guest/card); the root of all machines must lie in their memory.
migrate() {
    local try code=1 line
    rm -f /run/lab.migrated
    [ -p /run/lab.migrate ] || {
        echo "this lab cannot migrate machines: their root does not lie in memory"
        return 1
    }
    echo "$1" > /run/lab.migrate
    for ((try = 0; try < 900; try++)); do
        if [ -e /run/lab.migrated ]; then
            while read -r line; do
                if [[ $line = status* ]]; then code=${line#status }; else echo "$line"; fi
            done < /run/lab.migrated
            return "$code"
        fi
        sleep 0.2
    done
    echo "the host does not answer"
    return 1
}
