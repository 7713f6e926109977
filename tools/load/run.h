/* run - one measurement from its beginning to its end. */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H
#include "allocs.h"
#include "proc.h"
#include "scrape.h"
#include "world.h"

struct result {
    struct counts counts;
    uint64_t start_ns;                    /* of the server; 0: it ran already */
    struct proc_sample empty;             /* before the first client */
    struct proc_sample from, to;          /* the window */
    struct proc_sample after;             /* when all clients had been gone for a while */
    struct scrape scrape_from, scrape_to; /* its own counters, at the same times */
    struct allocs allocs;                 /* in the window */
    struct proc_sample cycle[OPTIONS_MAX_CYCLES];   /* at the same point of every cycle */
    uint64_t lives_left;                  /* connections to the model that were still open then */
    uint64_t open;                        /* clients that came up */
};

/* False: why says what; result is filled otherwise. */
bool run(const struct options *options, struct result *result, char *why, size_t why_size);
#endif
