# SPDX-License-Identifier: BSD-3-Clause
# Sourced by options.sh: how much of this machine's CPUs others had while a program ran.
# shellcheck shell=bash disable=SC2034,SC2154

readonly LAB_BUSY=50 # hundredths of a CPU that others have on a busy machine
lab_again=0

# What the lab's machines and all processes have used, in ticks: "OWN ALL".
cpu_ticks() {
    local vm pid stat fields own=0 name user nice system idle wait irq soft steal
    for ((vm = 0; vm < LAB_VMS; vm++)); do
        read_number pid "$lab_state/vm$vm.pid"
        { [ -n "$pid" ] && read -r stat < "/proc/$pid/stat"; } 2> /dev/null || continue
        # The name may hold blanks; behind it utime and stime are the 12th and 13th.
        read -ra fields <<< "${stat##*) }"
        own=$((own + fields[11] + fields[12]))
    done
    # Stolen: other machines on the same host have it.
    read -r name user nice system idle wait irq soft steal _ < /proc/stat
    echo "$own $((user + nice + system + irq + soft + steal))"
}

note_load() {
    read -r lab_own_then lab_all_then <<< "$(cpu_ticks)"
    lab_load_since=${EPOCHREALTIME/[.,]/}
}

# Hundredths of a CPU that others have had since note_load.
load_of_others() {
    local own all us
    read -r own all <<< "$(cpu_ticks)"
    us=$((${EPOCHREALTIME/[.,]/} - lab_load_since))
    ((us > 0)) || us=1
    # A machine that was booted anew meanwhile counts from 0.
    own=$((own > lab_own_then ? own - lab_own_then : 0))
    echo $(((all - lab_all_then - own) * 100 * 1000000 / $(getconf CLK_TCK) / us))
}
