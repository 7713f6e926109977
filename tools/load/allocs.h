/* allocs - how often the threads of the server's loops ask for memory, and from where. preload/allocs_preload.c, which
 * `load --allocs` puts into the server with LD_PRELOAD, counts into a file that both sides map; the server's side needs
 * no more than that, so it is the program that users run. Only threads whose name begins with "shard" count. */
#ifndef LOAD_ALLOCS_H
#define LOAD_ALLOCS_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ALLOCS_ENV   "LOAD_ALLOCS"
#define ALLOCS_SLOTS 8192 /* places that ask; beyond: counted without a place */

/* The file. Zero at first. */
struct allocs_page {
    _Atomic(int) owner; /* process that counts: the first one that maps it, and not what it starts */
    _Atomic(uint64_t) elsewhere;
    struct {
        _Atomic(uint64_t) caller, count;
    } slot[ALLOCS_SLOTS];
};

/* Whose code it was that asked, by the file that it is in. */
enum allocs_part {
    ALLOCS_OWN, /* the program, its plugins, libc and whatever is not named here */
    ALLOCS_LWS, ALLOCS_TLS, ALLOCS_UV, ALLOCS_PARTS
};

struct allocs {
    struct allocs_page *page; /* NULL: nothing is counted */
    uint64_t before[ALLOCS_SLOTS], before_elsewhere;
    uint64_t count[ALLOCS_PARTS]; /* between allocs_begin() and allocs_end() */
    char file[64];
};
/* Creates the file and sets ALLOCS_ENV for processes that are started from now on. */
bool allocs_open(struct allocs *allocs);
void allocs_begin(struct allocs *allocs);
/* While the process lives: places are named by its /proc/PID/maps. Our own ones are printed to out. */
void allocs_end(struct allocs *allocs, int pid, FILE *out);
void allocs_close(struct allocs *allocs);

/* Pure: part of a file by its path. */
enum allocs_part allocs_part_of(const char *path);
#endif
