/* Gauges, histograms and what belongs to one shard: their sums, bounds and text. */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metrics.h"

static struct buf out;

static const char *print(void)
{
    buf_reset(&out);
    assert_int_equal(metrics_print(&out), ANTIPHON_OK);
    return buf_text(&out);
}

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 1u << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_deinit(&out);
    return 0;
}

static void test_bounds(void **state)
{
    static const uint64_t first[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};

    (void)state;
    for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        assert_true(metrics_bound(i) == first[i]);
    assert_true(metrics_bound(METRICS_BOUNDS - 1) == 1u << 25);
    assert_int_equal(metrics_bucket(0), 0);
    for (unsigned i = 0; i < METRICS_BOUNDS; i++) {
        assert_int_equal(metrics_bucket(metrics_bound(i)), i);
        assert_int_equal(metrics_bucket(metrics_bound(i) + 1), i + 1);
    }
    assert_int_equal(metrics_bucket(UINT64_MAX), METRICS_BOUNDS);
}

/* Every value falls between the bound below and its own. */
static void test_every_bucket(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < 100000; value++) {
        unsigned bucket = metrics_bucket(value);
        assert_true(value <= metrics_bound(bucket));
        assert_true(!bucket || value > metrics_bound(bucket - 1));
    }
}

static void test_histogram(void **state)
{
    const char *text;

    (void)state;
    metrics_observe(HISTOGRAM_relay_up, 3);       /* below the first bound that is shown */
    metrics_observe(HISTOGRAM_relay_up, 12);
    metrics_observe(HISTOGRAM_relay_up, 13);
    metrics_observe(HISTOGRAM_relay_up, 90000000); /* beyond the last */
    assert_true(metrics_observed(HISTOGRAM_relay_up) == 4);
    text = print();
#define UP "antiphon_audio_relay_seconds"
    assert_non_null(strstr(text, "# TYPE " UP " histogram\n" UP "_bucket{direction=\"up\",le=\"8e-06\"} 1\n" UP
                                 "_bucket{direction=\"up\",le=\"1.2e-05\"} 2\n" UP
                                 "_bucket{direction=\"up\",le=\"1.6e-05\"} 3\n"));
    assert_non_null(strstr(text, UP "_bucket{direction=\"up\",le=\"16.777216\"} 3\n" UP
                                    "_bucket{direction=\"up\",le=\"+Inf\"} 4\n" UP
                                    "_sum{direction=\"up\"} 90.000028\n" UP "_count{direction=\"up\"} 4\n"));
    /* The other direction is of the same family, and one head is enough. */
    assert_non_null(strstr(text, UP "_count{direction=\"down\"} 0\n"));
    assert_null(strstr(strstr(text, "# TYPE " UP) + 1, "# TYPE " UP));
#undef UP
}

static void test_numbers_are_no_seconds(void **state)
{
    (void)state;
    metrics_observe(HISTOGRAM_store_batch_records, 5);
    assert_non_null(strstr(print(), "antiphon_store_batch_records_bucket{le=\"4\"} 0\n"
                                    "antiphon_store_batch_records_bucket{le=\"6\"} 1\n"));
    assert_non_null(strstr(print(), "antiphon_store_batch_records_sum 5\n"));
}

static void *add_two(void *unused)
{
    metrics_add(METRIC_sessions, 2);
    return unused;
}

/* One thread adds what another takes away. */
static void test_gauge(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, add_two, NULL), 0);
    pthread_join(thread, NULL);
    metrics_sub(METRIC_sessions, 1);
    assert_non_null(strstr(print(), "# TYPE antiphon_sessions gauge\nantiphon_sessions 1\n"));
    metrics_sub(METRIC_sessions, 2);
    assert_non_null(strstr(print(), "antiphon_sessions 0\n")); /* read too early: not 2^64 - 1 */
    metrics_add(METRIC_sessions, 1);
}

static pthread_barrier_t met, read_out;

static void *be_shard(void *number)
{
    metrics_name_shard(*(unsigned *)number);
    metrics_add(METRIC_loop_stalls, *(unsigned *)number + 1);
    metrics_observe(HISTOGRAM_loop_lag, 100);
    metrics_set(METRIC_loop_busy, clock_now_us() - 2000000);
    pthread_barrier_wait(&met);
    pthread_barrier_wait(&read_out);
    return NULL;
}

static void test_shards(void **state)
{
    unsigned numbers[2] = {0, 1};
    pthread_t thread[2];
    const char *text, *busy;

    (void)state;
    pthread_barrier_init(&met, NULL, 3);
    pthread_barrier_init(&read_out, NULL, 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, be_shard, &numbers[i]), 0);
    pthread_barrier_wait(&met);
    text = print();
    pthread_barrier_wait(&read_out);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_non_null(strstr(text, "antiphon_loop_stalls_total{shard=\"0\"} 1\n"));
    assert_non_null(strstr(text, "antiphon_loop_stalls_total{shard=\"1\"} 2\n"));
    assert_non_null(strstr(text, "antiphon_loop_lag_seconds_bucket{shard=\"1\",le=\"6.4e-05\"} 0\n"
                                 "antiphon_loop_lag_seconds_bucket{shard=\"1\",le=\"0.000128\"} 1\n"));
    busy = strstr(text, "antiphon_loop_busy_seconds{shard=\"0\"} ");
    assert_non_null(busy);
    assert_true(atof(strchr(busy, ' ')) >= 2);
    /* They are gone, and so are their lines. */
    assert_null(strstr(print(), "shard=\"0\""));
    pthread_barrier_destroy(&met);
    pthread_barrier_destroy(&read_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_every_bucket),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_numbers_are_no_seconds),
        cmocka_unit_test(test_gauge),
        cmocka_unit_test(test_shards),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
