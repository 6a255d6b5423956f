# SPDX-License-Identifier: BSD-3-Clause
# Sourced: starts the virtual machines of a lab, waits for them, and ends them. A lab is a directory ($lab_state):
#
#   guest.conf     what the guests are to know (LAB_ variables)
#   lab.conf       the rest of what is needed to boot the same lab again (lab_ variables)
#   guest          link to guest/ here, which they run
#   key, key.pub   for ssh into them
#   port           TCP port of 127.0.0.1 that leads to vm0's sshd
#   vmI.console    what guest I printed
#   vmI.qemu       what its QEMU printed
#   vmI.pid, vmI.watch   its process, and the process that limits its life
#   vmI.next.N.*, vmI.old.* what a QEMU has that takes a machine over
#   memory     initramfs of machines whose root lies in their memory
#   vmI.monitor, vmI.orders   sockets of its QEMU's monitor: for people, and for the guest, whose /dev/ttyS1 leads there
#   ctl.*, data.*  sockets that join the guests
#   shared.*       memory that guests share
# shellcheck shell=bash disable=SC2034,SC2154

# Longest life of a machine, in seconds: should all else fail, none is left behind for ever.
lab_lifetime=14400

# The guests on a memory of their own each, and on two networks: ctl for ssh, data for the card with virtual functions.
# Frames travel over sockets in the lab's directory, so nothing of it is seen on the host's network. Two guests are
# joined directly; of more, the first one's QEMU is the hub.
network_args() {
    local vm=$1 net=$2 next=$3 peer
    if ((LAB_VMS == 2)); then
        args+=(-netdev "dgram,id=$net,local.type=unix,local.path=$net.$vm$next,remote.type=unix,remote.path=$net.$((1 - vm))")
    elif ((vm > 0)); then
        args+=(-netdev "stream,id=$net,server=off,addr.type=unix,addr.path=$net.$vm")
    else
        local hub=1
        [ "$net" = ctl ] || hub=2
        args+=(-netdev "hubport,id=$net,hubid=$hub")
        for ((peer = 1; peer < LAB_VMS; peer++)); do
            args+=(-netdev "stream,id=$net$peer,server=on,addr.type=unix,addr.path=$net.$peer")
            args+=(-netdev "hubport,id=$net-hub$peer,hubid=$hub,netdev=$net$peer")
        done
    fi
}

mac() {
    printf '52:54:00:76:%02x:%02x' "$1" "$2"
}

# Sets args to QEMU's words for guest $1; with $2=.next.NUMBER for a process that takes it over.
qemu_args() {
    local vm=$1 next=${2:-} root=local,readonly=on,security_model=none,multidevs=remap own=vm$1${2:-}
    local initramfs=${lab_hold:+$lab_state/memory}
    local kernel="console=ttyS0 quiet panic=-1 oops=panic mitigations=off nowatchdog tsc=reliable"
    kernel+=" random.trust_cpu=on net.ifnames=0"
    args=(-name "vm$vm" -machine q35 -no-user-config -nodefaults -display none -no-reboot
        -smp "$lab_cpus" -m "$lab_mem" -pidfile "$own.pid"
        -chardev "file,id=console,path=vm$vm.console,append=on" -serial chardev:console
        -monitor "unix:$own.monitor,server=on,wait=off"
        -chardev "socket,id=orders,path=$own.orders,server=on,wait=off" -mon chardev=orders
        -chardev "socket,id=ordering,path=$own.orders" -serial chardev:ordering
        -kernel "$lab_cache/vmlinux" -initrd "${initramfs:-$lab_initramfs}"
        -append "$kernel lab.state=$lab_state lab.vm=$vm"
        -device "virtio-rng-pci")
    [ -n "$lab_hold" ] || args+=(
        -fsdev "$root,id=root,path=/" -device "virtio-9p-pci,fsdev=root,mount_tag=root"
        -fsdev "$root,id=layer,path=$lab_cache/layer" -device "virtio-9p-pci,fsdev=layer,mount_tag=layer")
    if [ "$lab_accel" = kvm ]; then
        args+=(-accel kvm -cpu host)
    else
        args+=(-accel "tcg,thread=multi,tb-size=128" -cpu "max,la57=off")
    fi
    if [ -n "$LAB_SHARE" ]; then
        args+=(-fsdev "local,security_model=none,id=share,path=$LAB_SHARE" -device "virtio-9p-pci,fsdev=share,mount_tag=share")
    fi
    if ((lab_ivshmem > 0)); then
        args+=(-object "memory-backend-file,id=shared,share=on,size=64M,mem-path=shared.$((vm / lab_ivshmem))"
            -device "ivshmem-plain,memdev=shared")
    fi
    network_args "$vm" ctl "$next"
    args+=(-device "virtio-net-pci,netdev=ctl,romfile=,mac=$(mac 1 "$vm")")
    network_args "$vm" data "$next"
    args+=(-device "pcie-root-port,id=rootport")
    # A card that was taken out is not there.
    [ -n "${lab_no_card:-}" ] || args+=(-device "$LAB_NIC,id=nic,bus=rootport,netdev=data,romfile=,mac=$(mac 2 "$vm")")
    if ((vm == 0)); then
        args+=(-netdev "user,id=host,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:$lab_port-10.0.2.15:22"
            -device "virtio-net-pci,netdev=host,romfile=,mac=$(mac 4 0)")
    fi
}

# Starts guest $1.
start_vm() {
    local args
    qemu_args "$1"
    : > "$lab_state/vm$1.console"
    start_qemu "vm$1"
}

# Starts QEMU with the words in args, in the lab's directory, where the names of sockets stay short; $1 is its own name.
start_qemu() {
    local own=$1
    rm -f "$lab_state/$own".{pid,monitor,orders}
    (
        cd "$lab_state" || exit 1
        # Own session: an interrupt from the terminal reaches the lab's command alone, which then ends the machines.
        # A lab of one command ends with it, even when it is killed.
        ulimit -n "$(ulimit -H -n)"
        # The lock of tests/lab/exec is not the machine's.
        [ -z "${turn:-}" ] || exec {turn}>&-
        guard=(timeout -k 10 "$lab_lifetime")
        [ -z "${lab_dies_with_me:-}" ] || guard=(setpriv --pdeathsig TERM "${guard[@]}")
        export -f lab_qemu
        export lab_cache
        exec setsid "${guard[@]}" bash -c 'lab_qemu "$@"' qemu "${args[@]}"
    ) < /dev/null > "$lab_state/$own.qemu" 2>&1 &
    echo $! > "$lab_state/$own.watch"
    disown
}

# Ends guest $1.
stop_vm() {
    local watch
    for watch in "$lab_state/vm$1".next.*.watch; do
        watch=${watch##*/}
        stop_qemu "${watch%.watch}"
    done
    stop_qemu "vm$1"
    rm -f "$lab_state"/{ctl,data}."$1" "$lab_state/ssh"
}

# Ends the QEMU that is called $1, if there is one.
stop_qemu() {
    local own=$1 watch pid try
    [ -e "$lab_state/$own.watch" ] || return 0
    read_number watch "$lab_state/$own.watch"
    read_number pid "$lab_state/$own.pid"
    is_ours "$watch" && kill "$watch" 2> /dev/null
    for ((try = 0; try < 50; try++)); do
        is_ours "$watch" || is_ours "$pid" || break
        sleep 0.1
    done
    is_ours "$pid" && kill -9 "$pid" 2> /dev/null
    is_ours "$watch" && kill -9 "$watch" 2> /dev/null
    rm -f "$lab_state/$own".{watch,pid,monitor,orders}
}

# Numbers of processes are used again: ours are told by their directory.
is_ours() {
    alive "${1:-}" && [ "/proc/$1/cwd" -ef "$lab_state" ]
}

vm_runs() {
    local watch
    read_number watch "$lab_state/vm$1.watch"
    is_ours "$watch"
}

# The beginning and the end of what each guest said.
show_consoles() {
    local vm file
    for ((vm = 0; vm < LAB_VMS; vm++)); do
        for file in "$lab_state/vm$vm.qemu" "$lab_state/vm$vm.console"; do
            [ -s "$file" ] || continue
            printf -- '--- vm%s: what its %s said\n' "$vm" "${file##*.}"
            tr -d '\r' < "$file" | sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g' | awk '
                { line[NR] = $0 }
                END { for (i = 1; i <= NR; i++)
                          if (NR <= 80 || i <= 30 || i > NR - 50) print line[i]; else if (i == 31) print "..." }'
        done
    done >&2
}

# A TCP port of 127.0.0.1 that nobody uses at this moment.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' $port) " /proc/net/tcp /proc/net/tcp6 2> /dev/null || break
    done
    echo $port
}

# One attempt at all guests. 0 when all are ready; 1, with a word on why, otherwise.
try_boot() {
    local vm ready deadline=$((SECONDS + lab_boot_limit)) why
    lab_port=$(free_port)
    echo "$lab_port" > "$lab_state/port"
    rm -f "$lab_state"/{ctl,data,shared}.*
    for ((vm = 0; vm < LAB_VMS; vm++)); do
        start_vm "$vm"
        # The others connect to the first one's hub.
        if ((vm == 0 && LAB_VMS > 2)); then
            until [ -S "$lab_state/data.$((LAB_VMS - 1))" ] || ! vm_runs 0 || ((SECONDS > deadline)); do sleep 0.1; done
        fi
    done
    while :; do
        ready=0
        for ((vm = 0; vm < LAB_VMS; vm++)); do
            if grep -q '^LAB-READY' "$lab_state/vm$vm.console"; then
                ready=$((ready + 1))
            elif why=$(grep -o 'LAB-FAILED.*\|Kernel panic.*' "$lab_state/vm$vm.console"); then
                complain "vm$vm does not boot: ${why#LAB-FAILED }"
                return 1
            elif (($(grep -c 'rcu: INFO: .*stall' "$lab_state/vm$vm.console") > 1)); then
                complain "vm$vm hangs"
                return 1
            fi
            if ! vm_runs "$vm"; then
                complain "vm$vm's QEMU ended: $(tail -n 1 "$lab_state/vm$vm.qemu")"
                return 1
            fi
        done
        ((ready < LAB_VMS)) || return 0
        if ((SECONDS > deadline)); then
            complain "$ready of $LAB_VMS virtual machines were ready after $lab_boot_limit s"
            return 1
        fi
        sleep 0.2
    done
}

# Whether KVM boots an ordinary kernel here: its device alone does not tell, some nested ones only run kernels made for
# them. Tried once for each boot of this machine.
probe_kvm() {
    local dir file=$lab_caches/kvm id try pid
    [ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
    id=$(cat /proc/sys/kernel/random/boot_id)
    if ! grep -q "^$id " "$file" 2> /dev/null; then
        say "trying KVM"
        dir=$(mktemp -d)
        (lab_qemu -machine q35 -no-user-config -nodefaults -display none -no-reboot -accel kvm -cpu host -m 256 \
            -smp 2 -chardev "file,id=c,path=$dir/console" -serial chardev:c -kernel "$lab_cache/vmlinux" \
            -initrd "$lab_initramfs" -append "console=ttyS0 panic=-1 lab.probe=1") \
            < /dev/null > "$dir/qemu" 2>&1 &
        pid=$!
        for ((try = 0; try < 200; try++)); do
            alive $pid && ! grep -q LAB-PROBE "$dir/console" 2> /dev/null || break
            sleep 0.1
        done
        if grep -q LAB-PROBE "$dir/console" 2> /dev/null; then
            echo "$id works" > "$file"
        else
            echo "$id fails" > "$file"
        fi
        kill -9 $pid 2> /dev/null
        wait $pid 2> /dev/null
        rm -rf "$dir"
    fi
    grep -q "^$id works" "$file"
}

choose_accel() {
    case $lab_accel in
    auto)
        if probe_kvm; then lab_accel=kvm; else lab_accel=tcg; fi
        ;;
    kvm) [ -w /dev/kvm ] || die "--accel kvm: /dev/kvm cannot be written to" ;;
    esac
}

# write_variables FILE NAME...: for a shell to read again.
write_variables() {
    local name
    for name in "${@:2}"; do
        printf '%s=%q\n' "$name" "${!name}"
    done > "$1"
}

# Boots the lab that the options describe into $lab_state.
boot_lab() {
    local attempt began=$SECONDS
    [[ $lab_state$lab_caches != *[[:space:],]* ]] || die "paths with blanks or commas do not work: $lab_state, $lab_caches"
    lab_prepare
    choose_accel
    if [ "$LAB_NIC" = auto ]; then
        LAB_NIC=igb
        if [ -z "$LAB_HAS_IGB" ]; then
            LAB_NIC=e1000e
            complain "QEMU $LAB_QEMU_VERSION has no SR-IOV network card: e1000e without virtual functions instead"
        fi
    fi
    ln -sfn "$lab_dir/guest" "$lab_state/guest"
    [ -e "$lab_state/key" ] || ssh-keygen -q -t ed25519 -N '' -C vcoll-lab -f "$lab_state/key" ||
        die "ssh-keygen fails (package openssh-client)"
    write_variables "$lab_state/guest.conf" LAB_VMS LAB_NIC LAB_MTU LAB_RX_USECS LAB_SHARE
    write_variables "$lab_state/lab.conf" lab_cpus lab_mem lab_accel lab_boot_limit lab_lifetime lab_ivshmem lab_hold
    [ -z "$lab_hold" ] || make_memory || die "cannot pack what machines hold in their memory"
    for attempt in 1 2 3; do
        say "booting $LAB_VMS virtual machine(s), $lab_cpus CPUs and $lab_mem MiB each${lab_hold:+, root in memory} ($lab_accel, $LAB_NIC, Linux $LAB_KERNEL)"
        if try_boot && open_ssh; then
            say "ready, $((SECONDS - began)) s"
            return 0
        fi
        show_consoles
        stop_lab
        ((attempt == 3)) || say "trying again"
    done
    return 1
}

stop_lab() {
    local vm pids=()
    for ((vm = 0; vm < LAB_VMS; vm++)); do
        stop_vm "$vm" &
        pids+=($!)
    done
    wait "${pids[@]}"
}
