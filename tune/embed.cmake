# SPDX-License-Identifier: BSD-3-Clause
#
# Makes a C file of a text file: cmake -DIN=... -DOUT=... -DNAME=... -P embed.cmake
file(READ ${IN} _hex HEX)
string(REGEX REPLACE "(................................................)" "\\1\n" _hex "${_hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," _hex "${_hex}")
file(WRITE ${OUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = {\n${_hex}0};\n")
