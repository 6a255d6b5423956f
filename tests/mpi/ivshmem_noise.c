/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes random bytes into a file that ranks share as machines share memory, until it is killed. Even seeds:
 * only behind the tables. Begins when its third word is a file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLES ((size_t)64 << 10)

int main(int argc, char **argv)
{
    struct stat st;
    if (argc != 4)
        return 2;
    int fd = open(argv[1], O_RDWR);
    if (fd < 0 || fstat(fd, &st) != 0)
        return 1;
    size_t len = (size_t)st.st_size;
    volatile unsigned char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mem == MAP_FAILED)
        return 1;
    unsigned seed = (unsigned)strtoul(argv[2], NULL, 10), x = seed * 2654435761u + 1;
    size_t from = seed % 2 ? 0 : TABLES;
    alarm(60);
    while (access(argv[3], F_OK) != 0)
        usleep(1000);
    for (;;) {
        x = x * 1664525u + 1013904223u;
        size_t at = from + (x >> 3) % (len - from);
        x = x * 1664525u + 1013904223u;
        mem[at] = (unsigned char)(x >> 16);
        if (x >> 20 == 0)
            usleep(1);
    }
}
