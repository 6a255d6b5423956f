# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced by the test scripts: a scratch directory that goes away, and words to fail with.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/vc_law.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP

# Messages of Open MPI 5's launcher contain NUL bytes.
grep() { command grep -a "$@"; }

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

skip() {
    echo "SKIP: $*"
    exit 77
}
