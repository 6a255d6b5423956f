# SPDX-License-Identifier: BSD-3-Clause
# Sourced: what the lab is made of, fetched with apt from the mirrors this machine is configured with into a cache of
# the lab's own. Nothing is installed, nothing needs root.
#
# A directory $lab_cache for each version of this file and release of Debian, with in it
#
#   $lab_cache/qemu/       QEMU, when this machine's own has no SR-IOV network card
#   $lab_cache/layer/      kernel modules and programs that guests see on top of the host's root
#   $lab_cache/vmlinux     kernel
#   $lab_cache/initramfs.* drivers and guest/init, one for each version of the latter
#   $lab_cache/facts       shell variables: LAB_KERNEL, LAB_QEMU_VERSION, LAB_HAS_IGB
# shellcheck shell=bash disable=SC2034,SC2154

# Programs in the guests beyond what the host has.
readonly lab_guest_packages=(openssh-server openssh-client busybox-static kmod iproute2 ethtool ibverbs-utils
    ibverbs-providers)
# What init loads, dependencies are found out. igbvf is loaded later, see guest/setup.
readonly lab_modules=(virtio_pci virtio_net virtio_rng 9p 9pnet_virtio overlay crc32_generic crc32c_generic crc32_pclmul
    ib_uverbs rdma_ucm rdma_rxe igb e1000e)
# Kernel modules that no guest of the lab has a device for.
readonly lab_unused_modules=(drivers/gpu drivers/media drivers/staging drivers/iio drivers/scsi drivers/hid
    drivers/usb drivers/bluetooth drivers/net/wireless drivers/isdn drivers/mtd drivers/input drivers/video sound)

lab_apt=()
lab_apt_options=() # more of them, for another architecture than this machine's

# A private state for apt: this machine's sources, and, with "backports", those of its release from the same mirror.
apt_begin() {
    local dir=$lab_cache/apt site codename
    rm -rf "$dir"
    mkdir -p "$dir"/sources "$dir"/lists/partial "$dir"/archives/partial
    # Downloads are dropped to an own user where apt runs as root, who may not be able to write there.
    lab_apt=(-q -o Dir::Etc::sourceparts="$dir/sources" -o Dir::State::lists="$dir/lists"
        -o Dir::Cache::archives="$dir/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
        -o Debug::NoLocking=1 -o APT::Sandbox::User= -o APT::Install-Recommends=0 -o Acquire::Retries=3
        -o Acquire::http::Timeout=60 "${lab_apt_options[@]}")
    : > "$dir/status" # for those who give it as the list of what is installed: nothing
    find /etc/apt/sources.list.d -maxdepth 1 \( -name '*.list' -o -name '*.sources' \) \
        -exec cp -t "$dir/sources" {} + 2> /dev/null
    if [ "${1:-}" = backports ]; then
        # The mirror is asked of apt itself, so both formats of sources and all their options work.
        codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
        site=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(SITE)' 'Created-By: Packages' |
            awk -v c="$codename" '$1 == c && $2 == "main" { print $3; exit }')
        [ -n "$site" ] || return 1
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
        {
            printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$site" "$codename"
            [ ! -r $keyring ] || echo "Signed-By: $keyring"
        } > "$dir/sources/lab-backports.sources"
    fi
    quietly apt-get "${lab_apt[@]}" update
}

# The version that apt would take of a package; empty when there is none.
apt_version() {
    apt-get "${lab_apt[@]}" "${@:2}" -s install "$1" 2> /dev/null |
        awk -v p="$1" '$1 == "Inst" && $2 == p { gsub(/[(\[]/, ""); print ($3 ~ /\]$/) ? $4 : $3; exit }'
}

# Fetches packages, and all they need that this machine lacks, and unpacks them into a directory.
apt_unpack() {
    local dir=$1 package
    shift
    quietly apt-get "${lab_apt[@]}" -y --download-only install "$@" || return 1
    # The links of a merged /usr first: a real /lib in an upper layer would hide the host's.
    mkdir -p "$dir"/usr/{bin,sbin,lib,lib64}
    for package in bin sbin lib lib64; do
        ln -sfn "usr/$package" "$dir/$package"
    done
    for package in "$lab_cache"/apt/archives/*.deb; do
        [ -e "$package" ] || continue
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$dir" || return 1
        rm -f "$package"
    done
}

has_igb() {
    "$@" -device help 2> /dev/null | grep -q '"igb"'
}

fetch_qemu() {
    local version
    if command -v qemu-system-x86_64 > /dev/null && has_igb qemu-system-x86_64; then
        return
    fi
    say "fetching QEMU"
    version=$(apt_version qemu-system-x86)
    if [ -z "${VCOLL_LAB_NO_BACKPORTS:-}" ] && ! dpkg --compare-versions "${version:-0}" ge 1:8.0; then
        if apt_begin backports; then
            version=$(apt_version qemu-system-x86 -t "$(. /etc/os-release && echo "$VERSION_CODENAME")-backports")
            apt_unpack "$lab_cache/qemu" -t "$(. /etc/os-release && echo "$VERSION_CODENAME")-backports" \
                qemu-system-x86 && return
        fi
        complain "no QEMU in this release's backports: trying the release's own"
        apt_begin || return 1
    fi
    apt_unpack "$lab_cache/qemu" qemu-system-x86 ||
        { complain "cannot fetch QEMU (package qemu-system-x86)" && return 1; }
}

# The kernel proper out of a compressed image (its header says where it lies): emulated machines take many seconds to
# unpack it. What is compressed in an unknown way stays as it is.
unpack_kernel() {
    local sectors offset size
    sectors=$(od -An -tu1 -j 0x1f1 -N 1 "$1")
    read -r offset size < <(od -An -tu4 -j 0x248 -N 8 "$1")
    offset=$(((sectors + 1) * 512 + offset))
    { tail -c "+$((offset + 1))" "$1" | head -c "$size" | xz -dc > "$2"; } 2> /dev/null ||
        { tail -c "+$((offset + 1))" "$1" | head -c "$((size - 4))" | zstd -qdc > "$2"; } 2> /dev/null
    [ "$(head -c 4 "$2" | tail -c 3)" = ELF ] || cp "$1" "$2"
}

fetch_kernel() {
    local package deb dir=$lab_cache/kernel module kept modules
    package=$(apt-cache "${lab_apt[@]}" depends linux-image-amd64 2> /dev/null |
        awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
    [ -n "$package" ] || { complain "apt knows no package linux-image-amd64" && return 1; }
    mkdir -p "$dir"
    (cd "$lab_cache/apt/archives" && quietly apt-get "${lab_apt[@]}" download "$package") || return 1
    deb=("$lab_cache"/apt/archives/*.deb)
    dpkg-deb --fsys-tarfile "${deb[0]}" | tar -x --no-same-owner -C "$dir" || return 1
    rm -f "${deb[0]}"
    LAB_KERNEL=$(basename "$dir"/boot/vmlinuz-*)
    LAB_KERNEL=${LAB_KERNEL#vmlinuz-}
    unpack_kernel "$dir/boot/vmlinuz-$LAB_KERNEL" "$lab_cache/vmlinux" || return 1
    modules=$(find "$dir" -path "*/lib/modules/$LAB_KERNEL" -type d)
    for module in "${lab_unused_modules[@]}"; do
        rm -rf "${modules:?}/kernel/$module"
    done
    # Later releases compress them, which busybox need not understand.
    find "$modules" -name '*.ko.xz' -exec xz -d {} + || return 1
    find "$modules" -name '*.ko.zst' -exec zstd -q -d --rm {} + || return 1
    kept=$lab_cache/layer/usr/lib/modules
    mkdir -p "$kept"
    rm -rf "${kept:?}/$LAB_KERNEL"
    mv "$modules" "$kept"
    rm -rf "$dir"
    run_kmod depmod -b "$lab_cache/layer" "$LAB_KERNEL"
}

# depmod or modprobe, which are names of one program.
run_kmod() {
    (
        LD_LIBRARY_PATH=$lab_cache/layer/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
        export LD_LIBRARY_PATH
        exec -a "$1" "$(layer_file bin/kmod)" "${@:2}"
    )
}

# The initramfs: busybox, guest/init, and the drivers in the order in which they must be loaded. Not compressed:
# unpacking is what a guest without hardware virtualization is slow at.
make_initramfs() {
    local dir=$lab_initramfs.$$ module file
    mkdir -p "$dir"/root/{bin,modules}
    cp "$(layer_file bin/busybox)" "$dir/root/bin/" && cp "$lab_dir/guest/init" "$dir/root/init" || return 1
    chmod +x "$dir/root/init"
    for module in "${lab_modules[@]}"; do
        run_kmod modprobe -d "$lab_cache/layer" -S "$LAB_KERNEL" --show-depends "$module" || return 1
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$dir/files"
    while read -r file; do
        cp "$file" "$dir/root/modules/" || return 1
        echo "${file##*/}"
    done < "$dir/files" > "$dir/root/modules/order"
    grep -q rdma_rxe "$dir/root/modules/order" || { complain "this kernel has no rdma_rxe" && return 1; }
    (cd "$dir/root" && find . | "$(layer_file bin/busybox)" cpio -o -H newc 2> /dev/null) > "$dir/initramfs" || return 1
    mv "$dir/initramfs" "$lab_initramfs"
    rm -rf "$dir"
}

layer_file() {
    if [ -e "$lab_cache/layer/$1" ]; then
        echo "$lab_cache/layer/$1"
    else
        command -v "$(basename "$1")"
    fi
}

# Runs QEMU: the cached one with its own libraries and firmware, or the host's.
lab_qemu() {
    local q=$lab_cache/qemu
    if [ -x "$q/usr/bin/qemu-system-x86_64" ]; then
        LD_LIBRARY_PATH=$q/usr/lib/x86_64-linux-gnu:$q/lib/x86_64-linux-gnu exec "$q/usr/bin/qemu-system-x86_64" \
            -L "$q/usr/share/qemu" -L "$q/usr/share/seabios" -L "$q/usr/lib/ipxe/qemu" "$@"
    fi
    exec qemu-system-x86_64 "$@"
}

# Fills the cache.
fill_cache() {
    [ "$(dpkg --print-architecture 2> /dev/null)" = amd64 ] || die "the lab needs Debian on amd64"
    rm -rf "$lab_cache"
    mkdir "$lab_cache"
    say "fetching package lists (once; into $lab_cache)"
    apt_begin || die "apt cannot read its package lists"
    say "fetching what guests need"
    apt_unpack "$lab_cache/layer" "${lab_guest_packages[@]}" || die "cannot fetch ${lab_guest_packages[*]}"
    say "fetching a kernel"
    fetch_kernel || die "cannot fetch a kernel"
    fetch_qemu || die "cannot fetch QEMU"
    rm -rf "$lab_cache/apt"
    printf 'LAB_KERNEL=%q\nLAB_QEMU_VERSION=%q\nLAB_HAS_IGB=%q\n' "$LAB_KERNEL" \
        "$(lab_qemu --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')" \
        "$( (has_igb lab_qemu) && echo yes)" > "$lab_cache/facts.new"
    mv "$lab_cache/facts.new" "$lab_cache/facts"
}

# Caches of other versions that no lab uses.
drop_old_caches() {
    local dir lock
    for dir in "$lab_caches"/*/; do
        dir=${dir%/}
        [ "$dir" != "$lab_cache" ] && [ -e "$dir.lock" ] || continue
        (exec {lock}<> "$dir.lock" && flock -n "$lock" && rm -rf "$dir" "$dir.lock")
    done
}

# Fetches and builds what is missing; with "refresh", all of it anew. Afterwards $lab_cache is the directory, and
# $lab_lock a file descriptor with a shared lock: as long as a process has it, nobody replaces what is in there.
lab_prepare() {
    local key hash
    # shellcheck source=/dev/null
    key=$(. /etc/os-release && echo "$ID$VERSION_ID${VCOLL_LAB_NO_BACKPORTS:+-plain}")
    hash=$(sha256sum < "$lab_dir/packages.sh")
    lab_cache=$lab_caches/$key-${hash:0:12}
    mkdir -p "$lab_caches" || die "cannot write to $lab_caches (VCOLL_LAB_CACHE names another place)"
    exec {lab_lock}<> "$lab_cache.lock"
    flock -s "$lab_lock"
    if [ "${1:-}" = refresh ] || [ ! -e "$lab_cache/facts" ]; then
        flock -n "$lab_lock" || {
            say "waiting for another lab"
            flock "$lab_lock"
        }
        if [ "${1:-}" = refresh ] || [ ! -e "$lab_cache/facts" ]; then
            fill_cache
        fi
        flock -s "$lab_lock"
        drop_old_caches
    fi
    # shellcheck source=/dev/null
    . "$lab_cache/facts"
    hash=$(sha256sum < "$lab_dir/guest/init")
    lab_initramfs=$lab_cache/initramfs.${hash:0:12}
    [ -e "$lab_initramfs" ] || make_initramfs || die "cannot build the initramfs"
}
