/* proc - what /proc says of the server's process tree, of the cores, and of ourselves. */
#ifndef LOAD_PROC_H
#define LOAD_PROC_H
#include <stdbool.h>
#include <stdint.h>

#define PROC_MAX 64 /* processes of a tree; more are not seen */

struct proc_sample {
    uint64_t at_ns;
    uint64_t tree_ns;   /* CPU time of all threads of the tree that live now */
    uint64_t rss_bytes; /* resident, of the tree; shared pages count once a process */
    uint64_t anon_bytes; /* of them what is no file: heap and stacks */
    unsigned processes, threads;
    uint64_t own_ns;                      /* CPU time of this process */
    uint64_t core_busy_ns, core_steal_ns; /* of the server's core, or of all; 0: not known */
    unsigned cores;                       /* how many these are */
};

/* pid 0: nobody's tree. core -1: all cores. */
void proc_sample(int pid, int core, struct proc_sample *sample);

struct proc_use {
    double seconds;
    double tree; /* share of one core, 1 = all of it */
    double own;
    double foreign; /* what others took of the server's core(s); with core -1 neither the tree nor
                       we */
    double steal;
    uint64_t tree_ns;
};
struct proc_use proc_between(const struct proc_sample *from, const struct proc_sample *to,
                             int core);
/* Keeps the calling process (and what it starts) to one core. */
bool proc_pin(int core);
#endif
