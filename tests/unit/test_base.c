/* The small things of base/: clock, id, metrics, embed. */
#include "unit.h"

#include <pthread.h>

#include <time.h>

#include "base/clock.h"
#include "base/embed.h"
#include "base/id.h"
#include "base/metrics.h"

static void test_clock(void **state)
{
    uint64_t us = clock_now_us(), ms = clock_now_ms();

    (void)state;
    assert_true(ms >= us / 1000);
    assert_true(clock_now_us() >= us);
    double wall = clock_wall();
    assert_true(wall - (double)time(NULL) < 2 && (double)time(NULL) - wall < 2);
}

static void test_uuid(void **state)
{
    char seen[200][ID_UUID_SIZE];

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        id_uuid(seen[i]);
        assert_int_equal(strlen(seen[i]), 36);
        assert_int_equal(strspn(seen[i], "0123456789abcdef-"), 36);
        assert_true(seen[i][8] == '-' && seen[i][13] == '-' && seen[i][18] == '-' &&
                    seen[i][23] == '-');
        assert_int_equal(seen[i][14], '4');
        assert_non_null(strchr("89ab", seen[i][19]));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
}

static void test_metrics(void **state)
{
    struct buf out;

    (void)state;
    uint64_t before = metrics_get(METRIC_turns);
    metrics_add(METRIC_turns, 3);
    metrics_add(METRIC_turns, UINT64_C(1) << 40);
    assert_true(metrics_get(METRIC_turns) == before + 3 + (UINT64_C(1) << 40));
    buf_init(&out, 1 << 16);
    assert_int_equal(metrics_print(&out), ANTIPHON_OK);
    assert_non_null(strstr(out.data, "# HELP antiphon_turns_total Turns completed\n"
                                     "# TYPE antiphon_turns_total counter\n"
                                     "antiphon_turns_total 1099511627779\n"));
    assert_int_equal(out.data[out.len - 1], '\n');
    buf_deinit(&out);
    buf_init(&out, 100);
    assert_int_equal(metrics_print(&out), ANTIPHON_ETOOBIG);
    buf_deinit(&out);
}

static void *count_1000(void *unused)
{
    for (int i = 0; i < 1000; i++)
        metrics_add(METRIC_turns, 1);
    return unused;
}

/* What threads counted stays when they are gone, and those that run are heard. */
static void test_metrics_of_threads(void **state)
{
    uint64_t before = metrics_get(METRIC_turns);
    pthread_t thread[8];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, count_1000, NULL), 0);
        count_1000(NULL);
        assert_true(metrics_get(METRIC_turns) >= before + 1000);
        for (int i = 0; i < 8; i++)
            pthread_join(thread[i], NULL);
        before += 9000;
        assert_true(metrics_get(METRIC_turns) == before);
    }
}

static void test_embed(void **state)
{
    (void)state;
    assert_null(embed_find("no such file"));
    for (const struct embed *file = embed_files; file->name; file++) {
        assert_ptr_equal(embed_find(file->name), file);
        assert_int_equal(file->data[file->len], '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_metrics_of_threads),
        cmocka_unit_test(test_embed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
