#include "base/pool.h"
#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/banned.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;    /* a job came, or stopping */
    pthread_cond_t changed; /* live became 0 */
    /* below: under lock */
    struct pool_job *first, **last; /* owned: waiting jobs, oldest first */
    unsigned waiting, max_jobs;
    unsigned live;  /* workers that may still touch the pool */
    bool stopping;  /* no more jobs */
    bool abandoned; /* pool_free() has gone: the last worker frees */
    /* below: constant after pool_new() */
    char name[16]; /* the kernel keeps 15 bytes of a thread's name */
    unsigned threads;
    pthread_t thread[];
};

static void destroy(struct pool *pool)
{
    pthread_cond_destroy(&pool->changed);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* With the lock: the oldest job, waiting for one. NULL: the pool stops. */
static struct pool_job *next_job(struct pool *pool)
{
    while (!pool->first && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    struct pool_job *job = pool->first;
    if (!job)
        return NULL;
    pool->first = job->next;
    if (!pool->first)
        pool->last = &pool->first;
    pool->waiting--;
    return job;
}

static void *worker_main(void *arg)
{
    struct pool *pool = arg;
    struct pool_job *job;

    pthread_setname_np(pthread_self(), pool->name);
    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool))) {
        pthread_mutex_unlock(&pool->lock);
        job->run(job, false);
        pthread_mutex_lock(&pool->lock);
    }
    bool last_one = --pool->live == 0;
    bool abandoned = pool->abandoned;
    if (last_one)
        pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    if (last_one && abandoned)
        destroy(pool);
    return NULL;
}

static enum antiphon_status start_workers(struct pool *pool, unsigned threads)
{
    sigset_t all, before;
    enum antiphon_status status = ANTIPHON_OK;

    /* A new thread inherits the mask, so there is no moment in which a worker takes a signal. */
    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&pool->lock);
    while (pool->threads < threads && !status) {
        if (pthread_create(&pool->thread[pool->threads], NULL, worker_main, pool))
            status = ANTIPHON_EUNAVAILABLE;
        else
            pool->live = ++pool->threads;
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

enum antiphon_status pool_new(const char *name, unsigned threads, unsigned max_jobs,
                              struct pool **pool)
{
    struct pool *made = calloc(1, sizeof(*made) + threads * sizeof(made->thread[0]));
    pthread_condattr_t attr;

    if (!made)
        return ANTIPHON_ENOMEM;
    snprintf(made->name, sizeof(made->name), "%s", name);
    made->max_jobs = max_jobs;
    made->last = &made->first;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &attr);
    pthread_condattr_destroy(&attr);
    enum antiphon_status status = start_workers(made, threads);
    if (status) {
        pool_free(made, 1000);
        return status;
    }
    *pool = made;
    return ANTIPHON_OK;
}

enum antiphon_status pool_submit(struct pool *pool, struct pool_job *job)
{
    enum antiphon_status status = ANTIPHON_OK;

    pthread_mutex_lock(&pool->lock);
    if (pool->stopping) {
        status = ANTIPHON_EUNAVAILABLE;
    } else if (pool->waiting >= pool->max_jobs) {
        status = ANTIPHON_EBUSY;
    } else {
        job->next = NULL;
        *pool->last = job;
        pool->last = &job->next;
        pool->waiting++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return status;
}

unsigned pool_waiting(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    unsigned waiting = pool->waiting;
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

/* With the lock: refuses new jobs and answers the chain of those that wait. */
static struct pool_job *stop(struct pool *pool)
{
    struct pool_job *jobs = pool->first;

    pool->first = NULL;
    pool->last = &pool->first;
    pool->waiting = 0;
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    return jobs;
}

static void drop_jobs(struct pool_job *job)
{
    while (job) {
        struct pool_job *next = job->next;
        job->run(job, true);
        job = next;
    }
}

/* With the lock: whether all workers have ended in time. */
static bool wait_for_workers(struct pool *pool, unsigned wait_ms)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (pool->live && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
    return pool->live == 0;
}

bool pool_free(struct pool *pool, unsigned wait_ms)
{
    if (!pool)
        return true;
    pthread_mutex_lock(&pool->lock);
    struct pool_job *jobs = stop(pool);
    pthread_mutex_unlock(&pool->lock);
    drop_jobs(jobs);

    pthread_mutex_lock(&pool->lock);
    bool ended = wait_for_workers(pool, wait_ms);
    /* While there is a worker the pool is its to free, so the ids are used before the lock goes. */
    for (unsigned i = 0; i < pool->threads && !ended; i++)
        pthread_detach(pool->thread[i]);
    pool->abandoned = !ended;
    pthread_mutex_unlock(&pool->lock);
    if (!ended)
        return false;
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    destroy(pool);
    return true;
}
