#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs and uses what was installed: test_install.sh <cmake> <build directory> <C compiler>
cmake=$1
build=$2
cc=$3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

fail() {
    echo "FAILED: $*"
    [ -s "$dir/log" ] && tail -n 20 "$dir/log"
    exit 1
}
try() { "$@" >"$dir/log" 2>&1 || fail "$*"; }

try "$cmake" --install "$build" --prefix "$dir/first"
# The prefix of the build was another one, and a package may be moved once more.
mv "$dir/first" "$dir/tree"
for file in bin/vcoll include/vcoll/vcoll.h share/man/man1/vcoll.1 share/man/man7/vcoll.7; do
    [ -f "$dir/tree/$file" ] || fail "$file was not installed"
done
lib=$(find "$dir/tree" -name libvcoll.so)
[ -n "$lib" ] || fail "libvcoll.so was not installed"
try "$dir/tree/bin/vcoll" info --params
if [ -e "$dir/tree/libexec/vcoll/vcoll-bench" ]; then
    try "$dir/tree/bin/vcoll" bench --help
    try "$dir/tree/bin/vcoll" doctor --list
    try "$dir/tree/bin/vcoll" sim node --ranks 4
fi

cat >"$dir/app.c" <<'EOF'
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include "vcoll/vcoll.h"
int main(void)
{
    /* Through vcoll, because it stands before the MPI library. */
    return MPI_Barrier == NULL || strcmp(vcoll_version(), EXPECTED) != 0;
}
EOF
version=$("$dir/tree/bin/vcoll" --version | sed 's/vcoll //')

pc=$(find "$dir/tree" -name vcoll.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
[ "$(pkg-config --modversion vcoll)" = "$version" ] || fail "pkg-config: version $(pkg-config --modversion vcoll)"
# shellcheck disable=SC2046
try env OMPI_CC="$cc" mpicc "-DEXPECTED=\"$version\"" $(pkg-config --cflags vcoll) "$dir/app.c" -o "$dir/app-pc" \
    $(pkg-config --libs vcoll)
try env LD_LIBRARY_PATH="$(dirname "$lib")" "$dir/app-pc"
readelf -d "$dir/app-pc" | grep NEEDED | head -n 1 | grep -q libvcoll || fail "libvcoll is not the first library"

mkdir "$dir/project"
cat >"$dir/project/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES C)
find_package(vcoll $version REQUIRED)
add_executable(app $dir/app.c)
target_compile_definitions(app PRIVATE EXPECTED="$version")
target_link_libraries(app PRIVATE vcoll::vcoll)
EOF
# With the build program of this build: another one need not be installed.
generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$build/CMakeCache.txt")
program=$(sed -n 's/^CMAKE_MAKE_PROGRAM:[A-Z]*=//p' "$build/CMakeCache.txt")
try "$cmake" -G "$generator" -DCMAKE_MAKE_PROGRAM="$program" -S "$dir/project" -B "$dir/project/build" \
    -DCMAKE_PREFIX_PATH="$dir/tree" -DCMAKE_C_COMPILER="$cc"
try "$cmake" --build "$dir/project/build"
try "$dir/project/build/app"
readelf -d "$dir/project/build/app" | grep NEEDED | head -n 1 | grep -q libvcoll ||
    fail "libvcoll is not the first library with CMake"

# An unmodified program, run by the installed command.
cat >"$dir/plain.c" <<'EOF'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <mpi.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    int one = 1, sum = 0, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < 8; i++)
        MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Finalize();
    if (!dlsym(RTLD_DEFAULT, "vcoll_version") || sum != 2 || size != 2)
        return 1;
    return argc > 1 ? atoi(argv[1]) : 0;
}
EOF
try env OMPI_CC="$cc" mpicc "$dir/plain.c" -o "$dir/plain" -ldl
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl=self,vader OMPI_MCA_plm=isolated
OMPI_MCA_oob_tcp_if_include=lo
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_btl OMPI_MCA_plm OMPI_MCA_oob_tcp_if_include
try "$dir/tree/bin/vcoll" run --oversubscribe --bind-to none -n 2 "$dir/plain"
# Where mpirun itself knows ":": that of Debian 13 (5.0.7) crashes on it.
if mpirun --oversubscribe -n 1 true : -n 1 true >/dev/null 2>&1; then
    try "$dir/tree/bin/vcoll" run --oversubscribe --bind-to none -n 1 "$dir/plain" : -n 1 "$dir/plain"
else
    echo "mpirun cannot do ':' here: not tried with vcoll run"
fi
"$dir/tree/bin/vcoll" run --oversubscribe --bind-to none -n 2 "$dir/plain" 5 >"$dir/log" 2>&1
[ $? = 5 ] || fail "vcoll run does not return mpirun's exit code"
echo "all good"
