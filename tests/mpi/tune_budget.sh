# SPDX-License-Identifier: BSD-3-Clause
# tuner OUT ERR <words...>: runs $tune. While other programs work a budget may last for nothing: then it gets a larger one, twice at
# most. It also does where $whole is set, and something was not reached. Returns the tuner's status.
tuner() {
    to=$1 errors=$2 tries=0
    shift 2
    starved='give it more --budget'
    [ -z "$whole" ] || starved="$starved\\|not reached"
    while timeout -k 5 150 "$tune" "$@" > "$to" 2> "$errors" && status=0 || status=$?; do
        command grep -aq -e "$starved" "$to" "$errors" && [ $tries -lt 2 ] || return $status
        n=$# last=
        while [ $n -gt 0 ]; do
            word=$1
            shift
            [ "$last" != --budget ] || word=$((${word%s} * 5))s
            set -- "$@" "$word"
            last=$word n=$((n - 1))
        done
        tries=$((tries + 1))
    done
}
