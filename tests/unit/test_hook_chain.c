/* Which hook is asked next, for every answer. */
#include "unit.h"

#include "session/hook_chain.h"

#define AT ANTIPHON_HOOK_AT
#define TEXT ANTIPHON_HOOK_USER_TEXT
#define TOOL ANTIPHON_HOOK_BEFORE_TOOL

static struct registry_hook hook(const char *name, uint32_t points, uint32_t flags)
{
    return (struct registry_hook){.plugin = "p", .hook = {.name = name, .points = points, .flags = flags}};
}

static void test_first_opinion_decides(void **state)
{
    const struct registry_hook hooks[] = {hook("tool", AT(TOOL), 0), hook("a", AT(TEXT), 0),
                                          hook("watch", AT(TEXT), ANTIPHON_HOOK_WATCH),
                                          hook("b", AT(TEXT) | AT(TOOL), 0), hook("c", AT(TEXT), 0)};
    struct hook_chain chain;

    (void)state;
    assert_string_equal(hook_chain_begin(&chain, hooks, 5, TEXT)->hook.name, "a");
    assert_string_equal(hook_chain_answer(&chain, ANTIPHON_PASS)->hook.name, "b");
    assert_null(hook_chain_answer(&chain, ANTIPHON_REWRITE));
    assert_int_equal(chain.verdict, ANTIPHON_REWRITE);
    assert_null(hook_chain_answer(&chain, ANTIPHON_REFUSE)); /* it is over */
    assert_int_equal(chain.verdict, ANTIPHON_REWRITE);

    assert_string_equal(hook_chain_begin(&chain, hooks, 5, TEXT)->hook.name, "a");
    assert_string_equal(hook_chain_answer(&chain, ANTIPHON_PASS)->hook.name, "b");
    assert_string_equal(hook_chain_answer(&chain, ANTIPHON_PASS)->hook.name, "c");
    assert_null(hook_chain_answer(&chain, ANTIPHON_PASS));
    assert_int_equal(chain.verdict, ANTIPHON_PASS);

    assert_string_equal(hook_chain_begin(&chain, hooks, 5, TOOL)->hook.name, "tool");
    assert_null(hook_chain_answer(&chain, ANTIPHON_ANSWER));
    assert_int_equal(chain.verdict, ANTIPHON_ANSWER);
}

static void test_failures(void **state)
{
    const struct registry_hook hooks[] = {hook("open", AT(TEXT), 0), hook("closed", AT(TEXT), ANTIPHON_HOOK_FAIL_CLOSED),
                                          hook("last", AT(TEXT), 0)};
    struct hook_chain chain;
    bool closed = true;

    (void)state;
    assert_string_equal(hook_chain_begin(&chain, hooks, 3, TEXT)->hook.name, "open");
    assert_string_equal(hook_chain_fail(&chain, &closed)->hook.name, "closed");
    assert_false(closed);
    assert_null(hook_chain_fail(&chain, &closed));
    assert_true(closed);
    assert_int_equal(chain.verdict, ANTIPHON_REFUSE);
    assert_null(hook_chain_fail(&chain, &closed));
    assert_false(closed);

    assert_string_equal(hook_chain_begin(&chain, hooks + 2, 1, TEXT)->hook.name, "last");
    assert_null(hook_chain_fail(&chain, &closed));
    assert_false(closed);
    assert_int_equal(chain.verdict, ANTIPHON_PASS);
}

static void test_nobody_looks(void **state)
{
    const struct registry_hook hooks[] = {hook("watch", AT(TEXT), ANTIPHON_HOOK_WATCH), hook("tool", AT(TOOL), 0)};
    struct hook_chain chain;

    (void)state;
    assert_null(hook_chain_begin(&chain, hooks, 2, TEXT));
    assert_int_equal(chain.verdict, ANTIPHON_PASS);
    assert_null(hook_chain_begin(&chain, hooks, 0, TOOL));
    assert_true(hook_looks(&hooks[0], TEXT, true));
    assert_false(hook_looks(&hooks[0], TEXT, false));
    assert_false(hook_looks(&hooks[0], TOOL, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_opinion_decides),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_nobody_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
