#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hist.h"

#define MANY 100000

static struct hist hist, other;

static int reset(void **state)
{
    (void)state;
    hist_reset(&hist);
    hist_reset(&other);
    return 0;
}

static void test_empty_is_zero(void **state)
{
    (void)state;
    assert_int_equal(hist_quantile(&hist, 0.5), 0);
    assert_int_equal(hist_quantile(&hist, 1), 0);
    assert_true(hist_mean(&hist) == 0);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < (int)HIST_STEPS; i++)
        hist_record(&hist, i);
    for (unsigned i = 1; i <= HIST_STEPS; i++)
        assert_int_equal(hist_quantile(&hist, (double)i / HIST_STEPS), i - 1);
}

/* Every single value comes back at most 1/HIST_STEPS too high and never too low. */
static void test_error_is_bounded(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < (uint64_t)1 << HIST_MAX_BITS; value += value / 37 + 1) {
        hist_reset(&hist);
        hist_record(&hist, (int64_t)value);
        hist_record(&hist, (int64_t)value * 2); /* or max would hide the bucket's end */
        uint64_t got = hist_quantile(&hist, 0.5);
        assert_true(got >= value);
        assert_true(got - value <= value / HIST_STEPS + 1);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void test_quantiles_agree_with_sorting(void **state)
{
    static const double qs[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1};
    static uint64_t values[MANY];
    uint64_t random = 42;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        values[i] = (random >> 33) % 1000 ? (random >> 40) % 1000000 : 1000000000 + (random >> 50);
        hist_record(&hist, (int64_t)values[i]);
    }
    qsort(values, MANY, sizeof(values[0]), compare);
    for (size_t i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
        uint64_t exact = values[(size_t)(qs[i] * MANY + 0.5) - 1],
                 got = hist_quantile(&hist, qs[i]);
        assert_true(got >= exact);
        assert_true(got - exact <= exact / HIST_STEPS + 1);
    }
    assert_int_equal(hist_quantile(&hist, 1), values[MANY - 1]);
    assert_int_equal(hist.max, values[MANY - 1]);
    assert_int_equal(hist.min, values[0]);
}

static void test_extremes(void **state)
{
    (void)state;
    hist_record(&hist, -5);
    assert_int_equal(hist_quantile(&hist, 1), 0);
    hist_record(&hist, INT64_MAX);
    assert_int_equal(hist_quantile(&hist, 1), INT64_MAX);
    assert_int_equal(hist.count, 2);
}

static void test_merge(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        hist_record(&hist, i);
        hist_record(&other, 100 + i);
    }
    hist_merge(&hist, &other);
    assert_int_equal(hist.count, 200);
    assert_int_equal(hist_quantile(&hist, 0.5), 99);
    assert_int_equal(hist.max, 199);
    assert_true(hist_mean(&hist) == 99.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_empty_is_zero, reset),
        cmocka_unit_test_setup(test_small_values_are_exact, reset),
        cmocka_unit_test_setup(test_error_is_bounded, reset),
        cmocka_unit_test_setup(test_quantiles_agree_with_sorting, reset),
        cmocka_unit_test_setup(test_extremes, reset),
        cmocka_unit_test_setup(test_merge, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
