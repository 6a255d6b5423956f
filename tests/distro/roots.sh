# SPDX-License-Identifier: BSD-3-Clause
# run sources this file: makes and keeps the releases. $distro_cache, one directory for each release, has
#
#   minimal/     the system that debootstrap made; no command runs in it
#   root/        a copy of it, in which commands run
#   archives/    packages that were downloaded there
#   trees/N/     copies of source trees with their build directories, one for each path of a tree; N.list: the tree's files
#   lock         every process that uses root/ holds it shared
# shellcheck shell=bash disable=SC2154

# While a process holds the lock, no other process replaces the release.
lock_cache() {
    exec {distro_lock}<> "$distro_cache/lock" || die "cannot write to $distro_cache"
    flock -s "$distro_lock"
}

lock_alone() {
    flock -n "$distro_lock" || {
        say "waiting for others that run something in $suite"
        flock "$distro_lock"
    }
}

# Asks apt itself, so both formats of sources and all their options work.
find_mirror() {
    local codename site
    [ -z "$mirror" ] || { echo "$mirror" && return; }
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    site=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(SITE)' 'Created-By: Packages' 2> /dev/null |
        awk -v c="$codename" '$1 == c && $2 == "main" { print $3; exit }')
    # Package lists that were never fetched have no code name.
    [ -n "$site" ] || site=$(apt-get indextargets --format '$(COMPONENT) $(SITE)' 'Created-By: Packages' 2> /dev/null |
        awk '$1 == "main" { print $2; exit }')
    echo "$site"
}

# apt's settings here that it needs there, too: proxies, time limits, permission to use old lists of snapshots.
apt_settings() {
    apt-config dump | grep -E '^Acquire::' |
        grep -vE '^Acquire::(IndexTargets|Changelogs|cdrom|CompressionTypes|Languages|GzipIndexes)'
}

# debootstrap prints a line for each package. This prints one for each stage.
stages() {
    awk '
        { stage = $0 !~ /^I: / ? "" : $2 }
        stage == "Retrieving" { n++; next }
        stage == "Extracting" && !extracting { extracting = 1; print n " files downloaded; unpacking"; fflush() }
        stage == "Configuring" && !configuring { configuring = 1; print "configuring"; fflush() }' |
        while read -r line; do say "  $line"; done
}

debootstrap_minimal() {
    local site new=$distro_cache/minimal.new options=(--variant=minbase) proxy=
    site=$(find_mirror)
    [ -n "$site" ] || die "apt has no mirror here: --mirror URL names one"
    case $site in https:*) options+=(--include=ca-certificates) ;; esac
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    say "making a minimal $suite in $distro_cache (about 100 MB to download)"
    rm -rf "$new"
    http_proxy=${proxy:-${http_proxy:-}} LC_ALL=C debootstrap "${options[@]}" "$suite" "$new" "$site" 2>&1 |
        tee "$distro_cache/debootstrap.log" | stages
    if [ "${PIPESTATUS[0]}" != 0 ]; then
        tail -n 20 "$distro_cache/debootstrap.log" >&2
        rm -rf "$new"
        die "debootstrap cannot make $suite from this mirror (--mirror URL names another one)"
    fi
    rm -f "$new"/var/cache/apt/archives/*.deb
    rm -rf "$distro_cache/minimal"
    mv "$new" "$distro_cache/minimal"
}

# Makes root/: a copy of the minimal system with apt's settings, in which no daemon starts when its package is installed.
copy_minimal() {
    local new=$distro_root.new
    say "$suite: starting from the minimal system"
    rm -rf "$distro_root" "$new" "$distro_cache/trees"
    cp -a --reflink=auto "$distro_cache/minimal" "$new" && apt_settings > "$new/etc/apt/apt.conf.d/80host" &&
        printf '#!/bin/sh\nexit 101\n' > "$new/usr/sbin/policy-rc.d" && chmod +x "$new/usr/sbin/policy-rc.d" &&
        mv "$new" "$distro_root" || die "cannot copy the minimal system: is the disk full?"
}

# Makes the parts of a release that are missing or that --renew and --fresh ask for. Afterwards $distro_root can be entered.
make_root() {
    distro_root=$distro_cache/root
    if [ -z "$fresh$renew" ] && [ -d "$distro_root" ]; then
        return
    fi
    lock_alone
    if [ -n "$renew" ] || [ ! -d "$distro_cache/minimal" ]; then
        debootstrap_minimal
    fi
    if [ -n "$fresh$renew" ] || [ ! -d "$distro_root" ]; then
        copy_minimal
    fi
    mkdir -p "$distro_cache/archives/partial"
    flock -s "$distro_lock"
}

# The files of the tree, relative to it, each followed by a NUL.
tree_files() {
    if git -C "$tree" rev-parse --is-inside-work-tree > /dev/null 2>&1; then
        git -C "$tree" ls-files -z --cached --others --exclude-standard
    else
        (cd "$tree" && find . -path './build*' -prune -o \( -type f -o -type l \) -printf '%P\0')
    fi
}

# Brings the copy of the tree up to date. Files keep their times, so that only changed ones are built again. Afterwards $distro_tree
# is the directory.
copy_tree() {
    local name lock list
    name=$(printf %s "$tree" | sha256sum)
    distro_tree=$distro_cache/trees/${name:0:12}
    list=$distro_tree.list
    mkdir -p "$distro_tree"
    exec {lock}<> "$distro_tree.lock"
    flock "$lock"
    # What git lists and somebody deleted is no file.
    tree_files | (cd "$tree" && while IFS= read -r -d '' file; do
        [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"
    done) | LC_ALL=C sort -z > "$list.new" && [ -s "$list.new" ] || die "no files in $tree"
    if [ -e "$list" ]; then
        LC_ALL=C comm -z -23 "$list" "$list.new" | (cd "$distro_tree" && xargs -0 -r rm -f --)
    fi
    tar -C "$tree" --null --no-recursion -T "$list.new" -c | tar -x --no-same-owner -C "$distro_tree" ||
        die "cannot copy $tree"
    mv "$list.new" "$list"
    exec {lock}>&-
}
