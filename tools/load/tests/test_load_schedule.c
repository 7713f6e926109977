#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "hist.h"
#include "schedule.h"

#define MS ((uint64_t)1000000)

static void test_every_40_ms(void **state)
{
    struct schedule schedule;
    uint64_t due;

    (void)state;
    schedule_init(&schedule, 1000, 640, 16000);
    assert_false(schedule_take(&schedule, 999, &due));
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t at = 1000 + i * 40 * MS;
        assert_int_equal(schedule_next(&schedule), at);
        assert_false(schedule_take(&schedule, at - 1, &due));
        assert_true(schedule_take(&schedule, at, &due));
        assert_int_equal(due, at);
    }
}

/* A period that is no whole number of nanoseconds keeps its pace for a year. */
static void test_does_not_drift(void **state)
{
    struct schedule schedule;
    uint64_t year = 365u * 86400u;

    (void)state;
    schedule_init(&schedule, 0, 512, 44100);
    assert_int_equal(schedule_due(&schedule, 44100), 512u * 1000u * MS);
    /* 44100 of them take 512 s exactly. */
    assert_int_equal(schedule_due(&schedule, year / 512 * 44100), year / 512 * 512 * 1000 * MS);
    assert_int_equal(schedule_due(&schedule, year / 512 * 44100 + 1) -
                         schedule_due(&schedule, year / 512 * 44100),
                     512u * 1000u * MS / 44100);
}

/* The sender was held up for a second: everything is still due when it was due, so that the waiting
 * is counted with each. */
static void test_late_sends_count_from_when_they_were_due(void **state)
{
    static struct hist late;
    struct schedule schedule;
    uint64_t due, now = 1000 * MS, n = 0;

    (void)state;
    hist_reset(&late);
    schedule_init(&schedule, 0, 10, 1000);
    while (schedule_take(&schedule, now, &due)) {
        assert_int_equal(due, n * 10 * MS);
        hist_record(&late, (int64_t)(now - due));
        n++;
    }
    assert_int_equal(n, 101);
    assert_int_equal(late.max, 1000 * MS);
    uint64_t median = hist_quantile(&late, 0.5);
    assert_true(median >= 500 * MS && median < 505 * MS);
}

static void test_ends(void **state)
{
    struct schedule schedule;
    uint64_t due;

    (void)state;
    schedule_init(&schedule, 0, 1, 1000);
    schedule.end_ns = 2 * MS;
    assert_true(schedule_take(&schedule, 10 * MS, &due));
    assert_true(schedule_take(&schedule, 10 * MS, &due));
    assert_false(schedule_take(&schedule, 10 * MS, &due));
    assert_true(schedule_next(&schedule) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_40_ms),
        cmocka_unit_test(test_does_not_drift),
        cmocka_unit_test(test_late_sends_count_from_when_they_were_due),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
