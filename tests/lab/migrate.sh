# SPDX-License-Identifier: BSD-3-Clause
# Sourced: a machine goes on in another process of QEMU on this host while it runs. Its root must lie in its own memory
# (--hold). vm0 cannot: ssh enters through its process.
# shellcheck shell=bash disable=SC2034,SC2154

# Seconds that a migration may take. Under emulation a machine's memory is copied in some seconds.
readonly lab_migration_limit=120

# Says $2 to the monitor of the QEMU that is called $1, and prints what it answers.
ask_monitor() {
    (cd "$lab_state" && perl -MIO::Socket::UNIX -e '
        alarm 30;
        my $s = IO::Socket::UNIX->new(Peer => "$ARGV[0].monitor") or die "no monitor: $!\n";
        sub answer { my $all = ""; while ($all !~ /\(qemu\) $/) { sysread($s, $all, 4096, length $all) or last } $all }
        answer();
        print $s "$ARGV[1]\n";
        $s->flush();
        my $said = answer();
        $said =~ s/^.*?\n//s;     # what was said to it comes back first
        $said =~ s/\(qemu\) $//;
        $said =~ s/\r//g;
        print $said;' "$1" "$2")
}

# Waits until the migration of the QEMU that is called $1 has ended, for $2 seconds at most, and prints what its monitor says of
# that. Once it is completed, the new process gets the frames: $3 and further are pairs of names, new and old, of the sockets
# that they come to. One process does all that, because starting one takes a second on a busy host, and what gets no frames for
# that long waits for twice as long: TCP repeats later and later.
watch_migration() {
    (cd "$lab_state" && perl -MIO::Socket::UNIX -MTime::HiRes=time,sleep -e '
        my ($own, $limit, @names) = @ARGV;
        alarm $limit + 30;
        my $s = IO::Socket::UNIX->new(Peer => "$own.monitor") or die "no monitor: $!\n";
        sub answer { my $all = ""; while ($all !~ /\(qemu\) $/) { sysread($s, $all, 4096, length $all) or last } $all }
        answer();
        my ($said, $before, $end) = ("", time, time + $limit);
        while (1) {
            my $asked = time;
            print $s "info migrate\n";
            $s->flush();
            $said = answer();
            $said =~ s/\r//g;
            $said =~ s/\(qemu\) $//;
            last if $said eq "" || $said =~ /tatus: (completed|failed|cancelled)/ || time > $end;
            $before = $asked;
            sleep 0.02;
        }
        if ($said =~ /tatus: completed/) {
            while (my ($new, $old) = splice @names, 0, 2) { rename $new, $old or warn "$new: $!\n" }
            $said .= sprintf "frames: %d ms\n", 1000 * (time - $before);
        }
        print $said;' "$@")
}

# Moves guest $1 to a new process, and prints how long it stood still, or why it stays where it is.
migrate_vm() {
    local vm=$1 args lab_no_card='' said status='' since=$SECONDS next=.next.$EPOCHSECONDS began=${EPOCHREALTIME/[.,]/} file watch
    if ((vm == 0 || vm >= LAB_VMS || LAB_VMS != 2)); then
        echo "vm$vm cannot be migrated: only vm1 of two machines can"
        return 1
    fi
    lab_prepare
    ask_monitor "vm$vm" "qom-list /machine/peripheral" | grep -q '^nic ' || lab_no_card=yes
    # A process takes the files of its names away when it ends: each has names of its own.
    qemu_args "$vm" "$next"
    args+=(-incoming "unix:vm$vm.stream")
    start_qemu "vm$vm$next"
    read_number watch "$lab_state/vm$vm$next.watch"
    until [ -S "$lab_state/vm$vm.stream" ]; do
        if ! alive "$watch" || ((SECONDS - since > 30)); then
            echo "the second QEMU does not start: $(tail -n 1 "$lab_state/vm$vm$next.qemu")"
            stop_qemu "vm$vm$next"
            return 1
        fi
        sleep 0.1
    done
    # As fast as it goes: it is this machine's memory.
    ask_monitor "vm$vm" "migrate_set_parameter max-bandwidth 4G" > /dev/null
    said=$(ask_monitor "vm$vm" "migrate -d unix:vm$vm.stream")
    [ -n "$said" ] || status=$(watch_migration "vm$vm" $lab_migration_limit "ctl.$vm$next" "ctl.$vm" "data.$vm$next" "data.$vm")
    if [[ $status != *"tatus: completed"* ]]; then
        ask_monitor "vm$vm" migrate_cancel > /dev/null
        echo "vm$vm stays where it is: ${said:-$status}"
        grep -v 'has no peer' "$lab_state/vm$vm$next.qemu"
        stop_qemu "vm$vm$next"
        rm -f "$lab_state/vm$vm.stream"
        return 1
    fi
    # The machine always has a process; the old one takes the files of its names away when it ends.
    for file in pid watch; do
        cp "$lab_state/vm$vm.$file" "$lab_state/vm$vm.old.$file"
    done
    mv "$lab_state/vm$vm$next.watch" "$lab_state/vm$vm.watch"
    stop_qemu "vm$vm.old"
    for file in pid qemu monitor orders; do
        mv "$lab_state/vm$vm$next.$file" "$lab_state/vm$vm.$file"
    done
    rm -f "$lab_state/vm$vm.stream"
    echo "vm$vm went on in another process after $(((${EPOCHREALTIME/[.,]/} - began) / 1000)) ms," \
        "$(awk '/downtime:/ && !/expected/ { print $2 }' <<< "$status") ms of it not running, and got frames within" \
        "$(awk '/^frames:/ { print $2 }' <<< "$status") ms;" \
        "$(awk '/transferred ram:/ { printf "%.0f", $3 / 1024 }' <<< "$status") MiB were copied"
}

# While a program runs: does what scripts in the machines ask for by `migrate` (guest/functions.sh).
serve_migrations() {
    local what
    while read -r what; do
        {
            migrate_vm "${what#vm}"
            echo "status $?"
        } 2>&1 | (lab_ssh root@127.0.0.1 "cat > /run/lab.migrated.next && mv /run/lab.migrated.next /run/lab.migrated")
    done < <(in_vm0 "rm -f /run/lab.migrate; mkfifo /run/lab.migrate; exec cat <> /run/lab.migrate")
}
