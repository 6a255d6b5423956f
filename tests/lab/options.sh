# SPDX-License-Identifier: BSD-3-Clause
# Sourced: the options that the lab's commands share, and their help.
# shellcheck shell=bash disable=SC2034,SC2154

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=tests/lab/common.sh
. "$lab_dir/common.sh"
# shellcheck source=tests/lab/packages.sh
. "$lab_dir/packages.sh"
# shellcheck source=tests/lab/boot.sh
. "$lab_dir/boot.sh"
# shellcheck source=tests/lab/guests.sh
. "$lab_dir/guests.sh"
# shellcheck source=tests/lab/memory.sh
. "$lab_dir/memory.sh"
# shellcheck source=tests/lab/migrate.sh
. "$lab_dir/migrate.sh"
# shellcheck source=tests/lab/load.sh
. "$lab_dir/load.sh"

LAB_VMS=2
LAB_NIC=auto
LAB_MTU=4400
LAB_RX_USECS=
LAB_SHARE=
lab_ivshmem=0
lab_cpus=2
lab_mem=
lab_accel=auto
lab_boot_limit=300
lab_build=
lab_ranks=
lab_timeout=600
lab_script=
lab_shell=
lab_stdin=
lab_keep=
lab_vm=0
lab_pass=()

readonly LAB_HELP_MACHINES='The machines:
  -v, --vms N           virtual machines, 1 to 4 (default 2)
      --cpus N          CPUs of each, at least 2 (default 2)
      --mem MIB         memory of each (default 1024, or 768 where there are four)
      --rx-usecs N      interrupt moderation of the data card, as by `ethtool -C ... rx-usecs N`
      --mtu N           of the data network (default 4400, so that RDMA packets carry 4096 bytes)
      --ivshmem N       each N machines share memory of 64 MiB, as an ivshmem-plain device (default 0: none do)
      --hold FILE           the root of the machines lies in their own memory, with the lab'\''s programs, the MPI, and this
                        program, library or script (may be repeated); they see no other file of the host, and scripts can
                        migrate them
      --nic NAME        igb (SR-IOV) or e1000e (no virtual functions); by default what QEMU has
      --accel NAME      kvm or tcg (emulation); by default KVM if an ordinary kernel really boots on it
      --share DIR       a directory that guests may write to, at the same path; all else of the host they can only
                        read, and what they write elsewhere is gone with them
      --boot-limit S    seconds that an attempt to boot may take (default 300; there are three attempts)'

readonly LAB_HELP_PROGRAM='The program:
  -n, --ranks N         ranks in all, spread over the machines in blocks (default: one on each machine)
  -c, --script TEXT     run this bash script on vm0 instead of a program under mpirun; further words are its $1, $2, ...
      --shell           an interactive shell on vm0
  -b, --build DIR       the build directory (or install prefix) whose programs are on PATH (default: build)
  -x, -e NAME[=VALUE]   set a variable for the program; those named VCOLL_... are passed on anyway;
                        LD_PRELOAD reaches the ranks alone
  -i, --stdin           let the program read standard input
  -t, --timeout S       end the program after so many seconds (default 600; 0: never)'

readonly LAB_HELP_SAID='What is said:
  -q, --quiet           no progress, errors alone
      --verbose         the consoles of the machines at the end, too
  -h, --help            this text'

# Takes one option off the command line: sets `taken` to the number of words. False when $1 is none of those that the
# command takes; its kinds stand in $lab_takes (machines, program).
take_option() {
    local value="${2:-}"
    taken=2
    case $1 in
    -q | --quiet) lab_quiet=1 taken=1 && return ;;
    --verbose) lab_verbose=1 taken=1 && return ;;
    esac
    if [[ $lab_takes = *machines* ]]; then
        case $1 in
        -v | --vms) whole_number "$value" 1 $LAB_MAX_VMS "$1" && LAB_VMS=$value && return ;;
        --cpus) whole_number "$value" 2 64 "$1" && lab_cpus=$value && return ;;
        --mem) whole_number "$value" 256 65536 "$1" && lab_mem=$value && return ;;
        --rx-usecs) whole_number "$value" 0 10000 "$1" && LAB_RX_USECS=$value && return ;;
        --ivshmem) whole_number "$value" 0 $LAB_MAX_VMS "$1" && lab_ivshmem=$value && return ;;
        --hold)
            [ -f "$value" ] || usage_error "--hold $value: no such file"
            lab_hold+=" $(realpath -s "$value")" && return
            ;;
        --mtu) whole_number "$value" 576 9216 "$1" && LAB_MTU=$value && return ;;
        --lifetime)
            [[ $lab_takes = *lifetime* ]] || return 1
            whole_number "$value" 60 864000 "$1" && lab_lifetime=$value && return
            ;;
        --boot-limit) whole_number "$value" 1 86400 "$1" && lab_boot_limit=$value && return ;;
        --nic)
            [[ $value =~ ^(auto|igb|e1000e)$ ]] || usage_error "--nic $value: must be igb or e1000e"
            LAB_NIC=$value && return
            ;;
        --accel)
            [[ $value =~ ^(auto|kvm|tcg)$ ]] || usage_error "--accel $value: must be auto, kvm or tcg"
            lab_accel=$value && return
            ;;
        --share)
            [ -d "$value" ] || usage_error "--share $value: no such directory"
            LAB_SHARE=$(cd "$value" && pwd -P) && return
            ;;
        esac
    fi
    if [[ $lab_takes = *program* ]]; then
        case $1 in
        -n | --ranks) whole_number "$value" 1 4096 "$1" && lab_ranks=$value && return ;;
        -t | --timeout) whole_number "$value" 0 86400 "$1" && lab_timeout=$value && return ;;
        -i | --stdin) lab_stdin=1 taken=1 && return ;;
        --again) whole_number "$value" 0 9 "$1" && lab_again=$value && return ;;
        --shell) lab_shell=1 taken=1 && return ;;
        -b | --build)
            [ -d "$value" ] || usage_error "--build $value: no such directory"
            lab_build=$(cd "$value" && pwd -P) && return
            ;;
        -c | --script)
            [ $# -ge 2 ] || usage_error "$1 needs a script"
            lab_script=$value && return
            ;;
        -x | -e)
            [[ $value =~ ^[A-Za-z_][A-Za-z0-9_]*(=|$) ]] || usage_error "$1 $value: must be NAME or NAME=VALUE"
            [[ $value = *=* ]] || value=$value=${!value-}
            lab_pass+=("$value") && return
            ;;
        esac
    fi
    return 1
}

# Splits the command line: options go to their variables, what is left to `rest`.
parse_options() {
    local taken
    rest=()
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help)
            lab_help
            exit 0
            ;;
        --)
            shift
            rest+=("$@")
            break
            ;;
        -?*)
            # --option=value and -n4 are two words each.
            if [[ $1 = --*=* ]]; then
                set -- "${1%%=*}" "${1#*=}" "${@:2}"
            elif [[ $1 =~ ^-[vnbctxe]. ]]; then
                set -- "${1:0:2}" "${1:2}" "${@:2}"
            fi
            take_option "$@" || usage_error "unknown option $1"
            (($# >= taken)) || usage_error "$1 needs a value"
            shift "$taken"
            ;;
        *)
            # Words of the lab come before those of the program.
            rest+=("$@")
            break
            ;;
        esac
    done
}

finish_options() {
    [ -n "$lab_mem" ] || lab_mem=$((LAB_VMS > 3 ? 768 : 1024))
    [ -n "$lab_build" ] || lab_build=$lab_dir/../../build
    lab_build=$(cd "$lab_build" 2> /dev/null && pwd -P) || lab_build=
}
