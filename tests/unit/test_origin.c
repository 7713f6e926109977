/* Who may talk to us from a browser. */
#include "unit.h"

#include "auth/origin.h"

static void our_own_page_may(void **unused)
{
    (void)unused;
    assert_true(origin_allowed("", "127.0.0.1:8000", NULL)); /* no browser */
    assert_true(origin_allowed("http://127.0.0.1:8000", "127.0.0.1:8000", NULL));
    assert_true(origin_allowed("https://talk.example.org", "talk.example.org", NULL));
    assert_true(origin_allowed("HTTPS://Talk.Example.ORG", "talk.example.org", NULL));
    assert_true(origin_allowed("http://[::1]:8000", "[::1]:8000", NULL));
}

static void others_may_not(void **unused)
{
    static const char *const foreign[] = {
        "http://evil.example", "http://127.0.0.1:8001", "http://127.0.0.1", "http://127.0.0.1:8000.evil.example",
        "http://evil.example/127.0.0.1:8000", "http://x@127.0.0.1:8000", "null", "file://", "127.0.0.1:8000", "http://",
        "ws://127.0.0.1:8000", "http://127.0.0.1:8000/", "http:// 127.0.0.1:8000", "httpx://127.0.0.1:8000", "https:/",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (origin_allowed(foreign[i], "127.0.0.1:8000", NULL))
            fail_msg("%s was let in", foreign[i]);
    }
    /* without a Host there is nothing that could be ours */
    assert_false(origin_allowed("http://", "", NULL));
    assert_false(origin_allowed("http://a", "", NULL));
}

static void those_of_the_settings_may(void **unused)
{
    char app[] = "https://app.example.org", other[] = "http://other:3000";
    char *const more[] = {app, other, NULL};

    (void)unused;
    assert_true(origin_allowed("https://app.example.org", "127.0.0.1:8000", more));
    assert_true(origin_allowed("https://APP.example.org", "127.0.0.1:8000", more));
    assert_true(origin_allowed("http://other:3000", "", more));
    assert_true(origin_allowed("http://127.0.0.1:8000", "127.0.0.1:8000", more));
    assert_false(origin_allowed("http://app.example.org", "127.0.0.1:8000", more)); /* not the scheme */
    assert_false(origin_allowed("https://app.example.org:444", "127.0.0.1:8000", more));
    assert_false(origin_allowed("https://x.app.example.org", "127.0.0.1:8000", more));
}

static void what_is_loopback(void **unused)
{
    static const char *const yes[] = {"localhost", "LocalHost:8000", "127.0.0.1",  "127.0.0.1:80", "127.255.3.4",
                                      "::1",       "[::1]",          "[::1]:8000", "localhost:"};
    static const char *const no[] = {"", "0.0.0.0", "::", "[::]", "[::1", "[::1]x", "[::11]", "localhost.evil.example",
                                     "127.0.0.1.evil.example", "128.0.0.1", "127.1", "127.0.0.1.", "x127.0.0.1", ":8000",
                                     "10.0.0.1", "evil.example:127", "127.0.0.256", "[127.0.0.1]",
                                     "a-name-that-is-longer-than-any-loopback-name-could-be-and-then-some-more"};

    (void)unused;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (!origin_host_is_loopback(yes[i]))
            fail_msg("%s is loopback", yes[i]);
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (origin_host_is_loopback(no[i]))
            fail_msg("%s is not loopback", no[i]);
    }
}

static void names_that_turn_to_loopback_are_refused(void **unused)
{
    (void)unused;
    assert_true(origin_host_allowed("127.0.0.1:8000", true));
    assert_true(origin_host_allowed("", true)); /* HTTP/1.0 */
    assert_false(origin_host_allowed("rebound.example:8000", true));
    assert_true(origin_host_allowed("talk.example.org", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_page_may),
        cmocka_unit_test(others_may_not),
        cmocka_unit_test(those_of_the_settings_may),
        cmocka_unit_test(what_is_loopback),
        cmocka_unit_test(names_that_turn_to_loopback_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
