#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The completion for bash: test_completion.sh <vcoll> <source directory>
# shellcheck disable=SC2034
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
ln -s "$(readlink -f "$1")" "$dir/vcoll"
export PATH="$dir:$PATH"
# shellcheck source=packaging/completion/vcoll
. "$2/packaging/completion/vcoll"
failed=0

# offers WORDS EXPECTED: what the last of the words is completed to, sorted.
offers() {
    local got
    # The last word may be empty.
    mapfile -t COMP_WORDS <<< "${1// /$'\n'}"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _vcoll
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' ')
    [ "$got" = "$2" ] || { echo "FAILED: '$1' offers '$got', not '$2'" && failed=1; }
}

complete -p vcoll | grep -q -- '-F _vcoll' || { echo "FAILED: nothing is registered" && failed=1; }
offers "vcoll d" doctor
offers "vcoll sim n" node
offers "vcoll sim c" cluster
offers "vcoll sim cluster --tu" --tune
offers "vcoll sim node --ta" --table
offers "vcoll --h" --help
offers "vcoll tune v" validate
offers "vcoll tune run --bu" --budget
offers "vcoll tune run --ranks 2 allr" allreduce
offers "vcoll bench --sizes 8 b" "barrier bcast"
offers "vcoll info --pl" --platform
# Words of mpirun and of the program: files alone.
cd "$dir" || exit 1
: > "app one"
offers "vcoll run -n 2 bench app" "app one"
offers "vcoll report app" "app one"
[ $failed = 0 ] && echo "all passed"
exit $failed
