#include "unit.h"

#include <semaphore.h>

#include "base/alarm.h"

/* What was called, in order. */
struct calls {
    sem_t called;
    int order[8];
    int n;
};

struct ring {
    struct calls *calls;
    int id;
};

static void on_alarm(void *ctx)
{
    struct ring *ring = ctx;

    ring->calls->order[ring->calls->n++] = ring->id;
    sem_post(&ring->calls->called);
}

static void wait_one(struct calls *calls)
{
    while (sem_wait(&calls->called) != 0)
        ;
}

struct fixture {
    struct pool *pool;
    struct alarms *alarms;
    struct calls calls;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    sem_init(&f->calls.called, 0, 0);
    assert_int_equal(pool_new("test", 1, 8, &f->pool), ANTIPHON_OK);
    assert_int_equal(alarms_new(f->pool, &f->alarms), ANTIPHON_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    alarms_free(f->alarms);
    pool_free(f->pool, 1000);
    sem_destroy(&f->calls.called);
    free(f);
    return 0;
}

static void test_in_order_of_time(void **state)
{
    struct fixture *f = *state;
    struct ring rings[4] = {{&f->calls, 1}, {&f->calls, 2}, {&f->calls, 3}, {&f->calls, 4}};
    uint64_t number = 0, last = 0;

    assert_int_equal(alarm_start(f->alarms, "a", 60, on_alarm, &rings[2], &number), ANTIPHON_OK);
    assert_true(number > last);
    last = number;
    assert_int_equal(alarm_start(f->alarms, "b", 0, on_alarm, &rings[0], &number), ANTIPHON_OK);
    assert_true(number > last);
    assert_int_equal(alarm_start(f->alarms, "a", 90, on_alarm, &rings[3], &number), ANTIPHON_OK);
    assert_int_equal(alarm_start(f->alarms, "a", 30, on_alarm, &rings[1], &number), ANTIPHON_OK);
    for (int i = 0; i < 4; i++)
        wait_one(&f->calls);
    for (int i = 0; i < 4; i++)
        assert_int_equal(f->calls.order[i], i + 1);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct ring ring = {&f->calls, 1}, other = {&f->calls, 2};
    uint64_t number = 0, gone = 0;

    assert_int_equal(alarm_start(f->alarms, "a", 20, on_alarm, &ring, &gone), ANTIPHON_OK);
    assert_false(alarm_cancel(f->alarms, "b", gone)); /* not its own */
    assert_true(alarm_cancel(f->alarms, "a", gone));
    assert_false(alarm_cancel(f->alarms, "a", gone));
    assert_int_equal(alarm_start(f->alarms, "a", 40, on_alarm, &other, &number), ANTIPHON_OK);
    wait_one(&f->calls);
    assert_int_equal(f->calls.n, 1);
    assert_int_equal(f->calls.order[0], 2);
    assert_false(alarm_cancel(f->alarms, "a", number));
}

static void test_bounds(void **state)
{
    struct fixture *f = *state;
    struct ring ring = {&f->calls, 1};
    uint64_t number = 0, first = 0;

    for (int i = 0; i < ALARM_MAX_PER_OWNER; i++) {
        assert_int_equal(alarm_start(f->alarms, "a", i % 2 ? UINT64_MAX : 3600000, on_alarm, &ring, &number),
                         ANTIPHON_OK);
        first = first ? first : number;
    }
    assert_int_equal(alarm_start(f->alarms, "a", 1, on_alarm, &ring, &number), ANTIPHON_EBUSY);
    assert_int_equal(alarm_start(f->alarms, "b", 3600000, on_alarm, &ring, &number), ANTIPHON_OK);
    assert_true(alarm_cancel(f->alarms, "a", first));
    assert_int_equal(alarm_start(f->alarms, "a", 3600000, on_alarm, &ring, &number), ANTIPHON_OK);
    assert_int_equal(f->calls.n, 0);
}

/* A job that holds the only worker until it is let go. */
struct hold {
    struct pool_job job;
    sem_t started, go;
};

static void run_hold(struct pool_job *job, bool dropped)
{
    struct hold *hold = (struct hold *)job;

    sem_post(&hold->started);
    while (!dropped && sem_wait(&hold->go) != 0)
        ;
}

static void do_nothing(struct pool_job *job, bool dropped)
{
    (void)job, (void)dropped;
}

static void test_full_pool(void **state)
{
    struct fixture *f = *state;
    struct hold hold = {.job = {.run = run_hold}};
    struct pool_job fillers[8];
    struct ring ring = {&f->calls, 7};
    uint64_t number = 0;

    sem_init(&hold.started, 0, 0);
    sem_init(&hold.go, 0, 0);
    assert_int_equal(pool_submit(f->pool, &hold.job), ANTIPHON_OK);
    while (sem_wait(&hold.started) != 0)
        ;
    for (int i = 0; i < 8; i++) {
        fillers[i] = (struct pool_job){.run = do_nothing};
        assert_int_equal(pool_submit(f->pool, &fillers[i]), ANTIPHON_OK);
    }
    assert_int_equal(alarm_start(f->alarms, "a", 0, on_alarm, &ring, &number), ANTIPHON_OK);
    sem_post(&hold.go);
    wait_one(&f->calls); /* whether it met a full pool or not */
    assert_int_equal(f->calls.order[0], 7);
    sem_destroy(&hold.started);
    sem_destroy(&hold.go);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_in_order_of_time),
        T(test_cancel),
        T(test_bounds),
        T(test_full_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
