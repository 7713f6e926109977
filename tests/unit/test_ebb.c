#include "unit.h"

#include "base/ebb.h"

/* Asked often enough with the same number; true if it was true at the last of these, and only then. */
static bool low_at_last(struct ebb *ebb, unsigned count)
{
    for (int i = 1; i < EBB_ASKED; i++)
        assert_false(ebb_low(ebb, count));
    return ebb_low(ebb, count);
}

static void few_are_never_worth_it(void **state)
{
    struct ebb ebb = {0};

    (void)state;
    assert_false(ebb_low(&ebb, EBB_MIN - 1));
    assert_false(low_at_last(&ebb, 0));
}

static void true_once_when_half_are_gone(void **state)
{
    struct ebb ebb = {0};

    (void)state;
    assert_false(ebb_low(&ebb, 1000));
    assert_false(low_at_last(&ebb, 501));
    assert_true(low_at_last(&ebb, 500));
    assert_false(low_at_last(&ebb, 251));
    assert_true(low_at_last(&ebb, 0));
    assert_false(low_at_last(&ebb, 0));
}

static void a_short_low_does_not_count(void **state)
{
    struct ebb ebb = {0};

    (void)state;
    assert_false(ebb_low(&ebb, 1000));
    for (int i = 1; i < EBB_ASKED; i++)
        assert_false(ebb_low(&ebb, 10));
    assert_false(ebb_low(&ebb, 900));
    assert_true(low_at_last(&ebb, 10));
}

static void a_new_flood_counts_anew(void **state)
{
    struct ebb ebb = {0};

    (void)state;
    assert_false(ebb_low(&ebb, EBB_MIN));
    assert_true(low_at_last(&ebb, 0));
    assert_false(ebb_low(&ebb, 400));
    assert_false(ebb_low(&ebb, 600));
    assert_false(low_at_last(&ebb, 400));
    assert_true(low_at_last(&ebb, 300));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_never_worth_it),
        cmocka_unit_test(true_once_when_half_are_gone),
        cmocka_unit_test(a_short_low_does_not_count),
        cmocka_unit_test(a_new_flood_counts_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
