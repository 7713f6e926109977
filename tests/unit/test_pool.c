#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/pool.h"

struct gate {
    sem_t started, open, ended;
    atomic_uint ran, dropped, signals;
    char name[16];
};

struct job {
    struct pool_job job; /* first */
    struct gate *gate;
    bool waits; /* for gate->open */
};

static void run(struct pool_job *base, bool dropped)
{
    struct job *job = (struct job *)base;
    struct gate *gate = job->gate;

    if (dropped) {
        atomic_fetch_add(&gate->dropped, 1);
        free(job);
        return;
    }
    if (job->waits) {
        sigset_t mask;
        pthread_sigmask(SIG_BLOCK, NULL, &mask);
        if (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGHUP))
            atomic_fetch_add(&gate->signals, 1);
        pthread_getname_np(pthread_self(), gate->name, sizeof(gate->name));
        sem_post(&gate->started);
        while (sem_wait(&gate->open))
            ;
    }
    free(job);
    atomic_fetch_add(&gate->ran, 1);
    sem_post(&gate->ended);
}

static void gate_init(struct gate *gate)
{
    memset(gate, 0, sizeof(*gate));
    sem_init(&gate->started, 0, 0);
    sem_init(&gate->open, 0, 0);
    sem_init(&gate->ended, 0, 0);
}

static struct job *make(struct gate *gate, bool waits)
{
    struct job *job = calloc(1, sizeof(*job));

    assert_non_null(job);
    *job = (struct job){{NULL, run}, gate, waits};
    return job;
}

static enum antiphon_status submit(struct pool *pool, struct gate *gate, bool waits)
{
    struct job *job = make(gate, waits);
    enum antiphon_status status = pool_submit(pool, &job->job);

    if (status)
        free(job);
    return status;
}

static void test_runs_everything(void **state)
{
    struct pool *pool = NULL;
    struct gate gate;

    (void)state;
    gate_init(&gate);
    assert_int_equal(pool_new("test", 4, 100000, &pool), ANTIPHON_OK);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(submit(pool, &gate, false), ANTIPHON_OK);
    for (unsigned i = 0; i < 10000; i++)
        sem_wait(&gate.ended);
    assert_int_equal(pool_waiting(pool), 0);
    pool_free(pool, 60000);
    assert_int_equal(atomic_load(&gate.ran), 10000);
    assert_int_equal(atomic_load(&gate.dropped), 0);
    pool_free(NULL, 0);
}

static void test_full(void **state)
{
    struct pool *pool = NULL;
    struct gate gate;

    (void)state;
    gate_init(&gate);
    assert_int_equal(pool_new("a name that is too long", 1, 2, &pool), ANTIPHON_OK);
    assert_int_equal(submit(pool, &gate, true), ANTIPHON_OK);
    sem_wait(&gate.started);
    assert_int_equal(submit(pool, &gate, false), ANTIPHON_OK);
    assert_int_equal(submit(pool, &gate, false), ANTIPHON_OK);
    assert_int_equal(submit(pool, &gate, false), ANTIPHON_EBUSY);
    assert_int_equal(pool_waiting(pool), 2);
    sem_post(&gate.open);
    for (unsigned i = 0; i < 3; i++)
        sem_wait(&gate.ended);
    assert_int_equal(submit(pool, &gate, false), ANTIPHON_OK);
    sem_wait(&gate.ended);
    pool_free(pool, 60000);
    assert_int_equal(atomic_load(&gate.ran), 4);
    assert_int_equal(atomic_load(&gate.signals), 0);
    assert_string_equal(gate.name, "a name that is ");
}

static void *open_gate(void *arg)
{
    struct gate *gate = arg;

    /* The waiting jobs are dropped while the running one still runs. */
    while (atomic_load(&gate->dropped) < 3)
        sched_yield();
    sem_post(&gate->open);
    return NULL;
}

static void test_free_drops_waiting_and_waits_for_running(void **state)
{
    struct pool *pool = NULL;
    struct gate gate;
    pthread_t opener;

    (void)state;
    gate_init(&gate);
    assert_int_equal(pool_new("test", 1, 10, &pool), ANTIPHON_OK);
    assert_int_equal(submit(pool, &gate, true), ANTIPHON_OK);
    sem_wait(&gate.started);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(submit(pool, &gate, false), ANTIPHON_OK);
    assert_int_equal(pthread_create(&opener, NULL, open_gate, &gate), 0);
    pool_free(pool, 60000);
    pthread_join(opener, NULL);
    assert_int_equal(atomic_load(&gate.ran), 1);
    assert_int_equal(atomic_load(&gate.dropped), 3);
}

static void test_free_leaves_a_stuck_worker_behind(void **state)
{
    static struct gate gate; /* outlives the test like the worker does */
    struct pool *pool = NULL;

    (void)state;
    gate_init(&gate);
    assert_int_equal(pool_new("test", 2, 10, &pool), ANTIPHON_OK);
    assert_int_equal(submit(pool, &gate, true), ANTIPHON_OK);
    sem_wait(&gate.started);
    pool_free(pool, 1);
    assert_int_equal(atomic_load(&gate.ran), 0);
    sem_post(&gate.open);
    sem_wait(&gate.ended);
    assert_int_equal(atomic_load(&gate.ran), 1);
}

static void test_without_memory(void **state)
{
    struct pool *pool = NULL;

    (void)state;
    alloc_fail_at(0);
    assert_int_equal(pool_new("test", 2, 10, &pool), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_null(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_everything),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_free_drops_waiting_and_waits_for_running),
        cmocka_unit_test(test_free_leaves_a_stuck_worker_behind),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
