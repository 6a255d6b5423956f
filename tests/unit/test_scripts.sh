#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What scripts/install-deps and scripts/demo say and return, with an apt-get, an mpirun and a vcoll that only tell; and the
# words of tests/distro/run. test_scripts.sh <source directory>
source=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

fail() {
    echo "FAILED: $*"
    sed 's/^/    /' "$dir/out" | tail -n 12
    failed=1
}

# expect <status> <command...>: its output to out.
expect() {
    want=$1
    shift
    "$@" > "$dir/out" 2>&1 < /dev/null
    got=$?
    [ $got = "$want" ] || fail "$*: ended with $got, not $want"
}
says() { grep -q -e "$1" "$dir/out" || fail "no '$1' in:"; }

# fake <name>: a program of that name, from standard input.
mkdir "$dir/bin" "$dir/tree"
fake() {
    { echo '#!/bin/sh' && cat; } > "$dir/bin/$1" && chmod +x "$dir/bin/$1"
}
export PATH="$dir/bin:$PATH"

# ---- install-deps: how much, before it starts; and how far ----
echo 'echo unknown' | fake dpkg-query
# sudo, for those who are not root.
echo 'exec "$@"' | fake sudo
fake apt-get << 'END'
case "$*" in
*update*) echo 'Get:1 some lists' ;;
*install*)
    [ -z "$BROKEN" ] || { echo 'E: the disk is full' && exit 100; }
    echo '2 upgraded, 139 newly installed, 0 to remove and 3 not upgraded.'
    echo 'Need to get 203 MB/210 MB of archives.'
    echo 'After this operation, 839 MB of additional disk space will be used.'
    for i in $(seq 141); do echo "Get:$i x"; done
    for i in $(seq 141); do echo "Unpacking x$i"; done
    for i in $(seq 141); do echo "Setting up x$i"; done
    ;;
esac
END
expect 0 "$source/scripts/install-deps" build demo
says '^  missing: gcc .* quantum-espresso'
says '^  141 packages: 203 MB to download (of 210 MB), 839 MB more on disk$'
says '^  set up 141 of 141$'
[ "$(wc -l < "$dir/out")" -le 8 ] || fail "many lines where nobody looks"
BROKEN=1 expect 1 "$source/scripts/install-deps" build
says 'the disk is full' && says 'apt-get install failed'
echo 'echo installed' | fake dpkg-query
expect 0 "$source/scripts/install-deps"
[ ! -s "$dir/out" ] || fail "something to say where all is there:"
expect 2 "$source/scripts/install-deps" nonsense

# ---- demo: a limit inside a run ----
mkdir -p "$dir/tree/build-release/tools"
cp -r "$source/scripts" "$dir/tree/scripts"
: | fake cmake
# As many energies as its file says, and then no end, unless there are 20.
cat > "$dir/app" << 'END'
for i in $(seq "$(cat "$1")"); do echo "!    total energy              =     -15.$i Ry"; done
[ "$(cat "$1")" = 20 ] || { printf '!    total energy    = -1' && exec sleep 100; }
echo '   JOB DONE.'
[ -z "$VCOLL_STATS_FILE" ] || echo '{"collectives": {"bcast": {"calls": 1, "taken_over": 1, "seconds": 1, "sizes": []}}}' > "$VCOLL_STATS_FILE"
END
echo "exec sh $dir/app $dir/native" | fake mpirun
printf '#!/bin/sh\n[ "$1" = run ] || exit 0\nexec sh %s %s\n' "$dir/app" "$dir/vcoll" > "$dir/tree/build-release/tools/vcoll"
chmod +x "$dir/tree/build-release/tools/vcoll"
if command -v jq > /dev/null; then
    echo 20 > "$dir/native" && echo 20 > "$dir/vcoll"
    expect 0 "$dir/tree/scripts/demo" -r 2 -t 20
    says '  2 of 2  native .* s   vcoll .* s' && says 'vcoll2: 20 energies' && says 'wall-clock seconds' && says '^  bcast '
    echo 3 > "$dir/native"
    expect 0 "$dir/tree/scripts/demo" -r 2 -t 1
    says '1 of 2  native 3 of 20 steps in 1 s   vcoll .* s' && says 'no more pairs' && says 'CPUs are busy' && says 'vcoll1: 3 energies'
    echo 0 > "$dir/native" && echo 0 > "$dir/vcoll"
    expect 1 "$dir/tree/scripts/demo" -t 1
    says 'nothing to compare.*-n 2'
fi
expect 2 "$dir/tree/scripts/demo" -t soon

# ---- tests/distro/run: words, before anything is made ----
export VCOLL_DISTRO_CACHE="$dir/cache"
expect 0 "$source/tests/distro/run" --help
says 'Exit status'
for words in "" buster "--fresh" "-e trixie" "-e 1=2 trixie" "--nonsense trixie" "--tree"; do
    # shellcheck disable=SC2086
    expect 2 "$source/tests/distro/run" $words
    says 'help explains'
done
[ ! -e "$dir/cache" ] || fail "something was made"
[ $failed = 0 ] && echo "all passed"
exit $failed
