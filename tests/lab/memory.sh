# SPDX-License-Identifier: BSD-3-Clause
# Sourced: machines whose root lies in their own memory. What they need is packed into an image that the kernel unpacks with
# its initramfs: the programs of the lab itself, the MPI, and what --hold names, each with the libraries it is linked to.
# shellcheck shell=bash disable=SC2034,SC2154

lab_hold= # files of --hold

# What the scripts in guest/ and Open MPI's launcher run.
readonly lab_memory_programs=(awk basename bash cat chmod cp date dirname env ethtool find grep head hostname id insmod ip jq
    kill ln ls mkdir mkfifo modprobe mount mpirun mv nproc orted pkill ps rdma rm rmmod sed seq sh sleep sort ssh sshd stty
    sysctl tail timeout touch tr uname)
# Folders and files; what is missing is left out.
readonly lab_memory_files=(/etc/alternatives/awk /etc/iproute2 /etc/libibverbs.d /etc/modprobe.d /etc/openmpi /etc/passwd
    /etc/group /etc/protocols /etc/services /etc/ssh /usr/lib/openssh /usr/share/openmpi /usr/share/pmix
    /usr/lib/x86_64-linux-gnu/libibverbs /usr/lib/x86_64-linux-gnu/openmpi/lib /usr/lib/x86_64-linux-gnu/pmix2/lib/pmix)

# Whether the layer of packages, which lies above the host's files, has a file of this name; links lead to names in the guest.
in_layer() {
    [ -e "$lab_cache/layer$1" ] || [ -L "$lab_cache/layer$1" ]
}

# Each path of standard input as it is called where no folder on its way is a link, and what it leads to if it is a link.
true_names() {
    local path dir from
    local -A dirs
    while read -r path; do
        while [ -e "$path" ] || in_layer "$path"; do
            dir=${path%/*}/
            [ -n "${dirs[$dir]:-}" ] || dirs[$dir]=$(realpath -m "$dir")
            path=${dirs[$dir]%/}/${path##*/}
            echo "$path"
            from=$path
            ! in_layer "$path" || from=$lab_cache/layer$path
            [ -L "$from" ] || break
            from=$(readlink "$from")
            [[ $from = /* ]] || from=${path%/*}/$from
            path=$from
        done
    done
}

# The libraries that the files of standard input are linked to.
libraries_of() {
    local path from files=()
    while read -r path; do
        from=$path
        ! in_layer "$path" || from=$lab_cache/layer$path
        [ -f "$from" ] && [ "$(head -c 4 "$from" | tr -d '\0')" = $'\x7fELF' ] && files+=("$from")
    done
    LD_LIBRARY_PATH=$lab_cache/layer/usr/lib/x86_64-linux-gnu ldd "${files[@]}" 2> /dev/null |
        awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $1 !~ /:$/ { print $1 }' |
        sed "s|^$lab_cache/layer||" | sort -u
}

# Makes $lab_state/memory: the initramfs with that image in /image.
make_memory() {
    local root=$lab_state/memory.root name path list=$lab_state/memory.list
    rm -rf "$root"
    mkdir -p "$root"/{proc,sys,dev,run,tmp,root,usr/{bin,sbin,lib,lib64}} || return 1
    for name in bin sbin lib lib64; do
        ln -s "usr/$name" "$root/$name"
    done
    {
        for name in "${lab_memory_programs[@]}"; do
            for path in {/usr/bin,/usr/sbin,/bin,/sbin}/"$name"; do
                [ ! -e "$path" ] && ! in_layer "$path" || echo "$path"
            done
        done
        # shellcheck disable=SC2086
        printf '%s\n' /usr/bin/busybox /etc/ld.so.cache $lab_hold
        # The files of folders.
        for path in "${lab_memory_files[@]}"; do
            (cd "$lab_cache/layer" && find ".$path" ! -type d 2> /dev/null | sed 's/^\.//')
            find "$path" ! -type d 2> /dev/null
        done
        run_kmod modprobe -d "$lab_cache/layer" -S "$LAB_KERNEL" --show-depends igbvf |
            sed -n "s|^insmod $lab_cache/layer\(.*\)|\1|p"
        (cd "$lab_cache/layer" && find ./usr/lib/modules/"$LAB_KERNEL" -maxdepth 1 -type f | sed 's/^\.//')
    } | true_names | sort -u > "$list"
    libraries_of < "$list" | true_names > "$list.libraries"
    # The layer lies above the host's files.
    sort -u "$list" "$list.libraries" | while read -r path; do
        if in_layer "$path"; then echo "$lab_cache/layer/.$path"; else echo "/.$path"; fi
    done > "$list.from"
    for name in "$lab_cache/layer" ""; do
        sed -n "s|^$name/\./||p" "$list.from" | tar -C "$name/" -c -T - | tar -x -C "$root" || return 1
    done
    # The lab's own folder, under its name.
    mkdir -p "$root$lab_state/guest" && cp "$lab_dir"/guest/* "$root$lab_state/guest/" &&
        cp -p "$lab_state"/{guest.conf,key,key.pub} "$root$lab_state/" || return 1
    mkdir "$lab_state/memory.top" && mv "$root" "$lab_state/memory.top/image" &&
        (cd "$lab_state/memory.top" && find . | "$(layer_file bin/busybox)" cpio -o -H newc 2> /dev/null) > "$lab_state/memory.cpio" &&
        cat "$lab_initramfs" "$lab_state/memory.cpio" > "$lab_state/memory" || return 1
    rm -rf "$lab_state"/memory.{top,cpio,list,list.from,list.libraries}
}
