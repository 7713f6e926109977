/* pool - worker threads with a bounded job queue: tools, store queries. Submit never blocks.
 * Workers block all signals and carry the first 15 bytes of the pool's name. */
#ifndef BASE_POOL_H
#define BASE_POOL_H
#include "base/status.h"

struct pool_job {
    struct pool_job *next;
    /* [worker] Runs and frees the job. dropped: the pool is shutting down, only free. */
    void (*run)(struct pool_job *job, bool dropped);
};
struct pool;
enum antiphon_status pool_new(const char *name, unsigned threads, unsigned max_jobs,
                              struct pool **pool) MUST_CHECK;
/* Any thread. EBUSY: max_jobs are waiting; the job stays the caller's. */
enum antiphon_status pool_submit(struct pool *pool, struct pool_job *job) MUST_CHECK;
unsigned pool_waiting(struct pool *pool);
/* Drops waiting jobs, waits at most wait_ms for running ones; threads that do not end are left
 * behind (false), and the last of them to end frees the pool. Nobody else may use it any more. */
bool pool_free(struct pool *pool, unsigned wait_ms);
#endif
