#include "unit.h"

#include <stdio.h>

#include "session/notice.h"

static void test_each_once_in_order(void **state)
{
    struct notices notices = {0};

    (void)state;
    assert_null(notices_take(&notices));
    assert_int_equal(notices_add(&notices, "1", "clock", "The eggs are done."), ANTIPHON_OK);
    assert_int_equal(notices_add(&notices, "2", "clock", "차가 왔습니다"), ANTIPHON_OK);
    assert_int_equal(notices_add(&notices, "1", "clock", "The eggs are done."), ANTIPHON_OK);
    assert_int_equal(notices.n, 2);
    struct notice *notice = notices_take(&notices);
    assert_string_equal(notice->id, "1");
    notices_return(&notices, notice);
    assert_int_equal(notices.n, 2);
    notice = notices_take(&notices);
    assert_string_equal(notice->id, "1");
    free(notice);
    notice = notices_take(&notices);
    assert_string_equal(notice->text, "차가 왔습니다");
    free(notice);
    assert_null(notices_take(&notices));
    assert_int_equal(notices.n, 0);
}

static void test_bound(void **state)
{
    struct notices notices = {0};

    (void)state;
    for (int i = 0; i < NOTICE_MAX; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        assert_int_equal(notices_add(&notices, id, "p", "t"), ANTIPHON_OK);
    }
    assert_int_equal(notices_add(&notices, "more", "p", "t"), ANTIPHON_EBUSY);
    assert_int_equal(notices_add(&notices, "7", "p", "t"), ANTIPHON_OK);
    notices_deinit(&notices);
    assert_int_equal(notices.n, 0);
}

static void test_text(void **state)
{
    struct notices notices = {0};
    struct buf text;

    (void)state;
    buf_init(&text, 1000);
    assert_int_equal(notices_add(&notices, "1", "clock", "Tea."), ANTIPHON_OK);
    assert_int_equal(notice_print(notices.first, &text), ANTIPHON_OK);
    assert_string_equal(buf_text(&text), "[Notice of clock, not said by the user. Tell the user now, in the language "
                                         "of the conversation.] Tea.");
    buf_deinit(&text);
    notices_deinit(&notices);
}

static void test_no_memory(void **state)
{
    struct notices notices = {0};

    (void)state;
    alloc_fail_at(0);
    assert_int_equal(notices_add(&notices, "1", "p", "t"), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_null(notices.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once_in_order),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
