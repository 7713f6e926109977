#include "unit.h"

#include "session/tool_quota.h"

static struct tool_quota quota;
static struct buf why;

static int set_up(void **state)
{
    (void)state;
    quota = (struct tool_quota){0};
    buf_init(&why, 4096);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tool_quota_deinit(&quota);
    buf_deinit(&why);
    return 0;
}

static enum antiphon_status take(const struct agent_tool_policy *policy, uint64_t turn, unsigned open, uint64_t now)
{
    buf_reset(&why);
    return tool_quota_take(&quota, policy, "look", turn, open, now, &why);
}

static void nothing_is_limited_by_itself(void **state)
{
    const struct agent_tool_policy policy = {0};

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(take(&policy, 1, i, 5), ANTIPHON_OK);
    assert_null(quota.at);
}

static void calls_of_a_turn(void **state)
{
    const struct agent_tool_policy policy = {.calls_per_turn = 2};

    (void)state;
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_OK);
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_OK);
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_EBUSY);
    assert_non_null(strstr(buf_text(&why), "`look()` failed as it may be called 2 times in one turn"));
    assert_int_equal(take(&policy, 2, 0, 5), ANTIPHON_OK);
}

static void calls_of_a_minute(void **state)
{
    const struct agent_tool_policy policy = {.calls_per_minute = 3};

    (void)state;
    assert_int_equal(take(&policy, 1, 0, 1000), ANTIPHON_OK);
    assert_int_equal(take(&policy, 2, 0, 2000), ANTIPHON_OK);
    assert_int_equal(take(&policy, 3, 0, 50000), ANTIPHON_OK);
    assert_int_equal(take(&policy, 4, 0, 60999), ANTIPHON_EBUSY);
    assert_non_null(strstr(buf_text(&why), "3 times in a minute. It is available again in 1 seconds"));
    assert_int_equal(take(&policy, 4, 0, 61000), ANTIPHON_OK);
    assert_int_equal(take(&policy, 4, 0, 61500), ANTIPHON_EBUSY);
    assert_int_equal(take(&policy, 4, 0, 62000), ANTIPHON_OK);
    assert_int_equal(take(&policy, 4, 0, 62001), ANTIPHON_EBUSY);
}

static void calls_at_once(void **state)
{
    const struct agent_tool_policy policy = {.concurrency = 1, .calls_per_turn = 2};

    (void)state;
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_OK);
    assert_int_equal(take(&policy, 1, 1, 5), ANTIPHON_EBUSY);
    assert_non_null(strstr(buf_text(&why), "1 call of it is running already"));
    /* what was refused does not count */
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_OK);
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_EBUSY);
}

static void without_memory(void **state)
{
    const struct agent_tool_policy policy = {.calls_per_minute = 3};

    (void)state;
    alloc_fail_at(0);
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_int_equal(take(&policy, 1, 0, 5), ANTIPHON_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(nothing_is_limited_by_itself), TEST(calls_of_a_turn),
                                       TEST(calls_of_a_minute), TEST(calls_at_once), TEST(without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
