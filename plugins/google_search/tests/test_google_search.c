#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grounded.h"
#include "web.h"

static const char key[] = "\"api_key\":\"{{secret:api_key}}\"";

static void check_url(const char *base, bool vertex, const char *model, const char *expected)
{
    char *url = grounded_url(base, vertex, model);

    if (expected)
        assert_string_equal(url, expected);
    else
        assert_null(url);
    free(url);
}

static void urls(void **state)
{
    (void)state;
    check_url(NULL, false, "m-1",
              "https://generativelanguage.googleapis.com/v1beta/models/m-1:generateContent");
    check_url("", true, "m-1",
              "https://aiplatform.googleapis.com/v1/publishers/google/models/m-1:generateContent");
    check_url("http://127.0.0.1:9/x/", false, "m",
              "http://127.0.0.1:9/x/v1beta/models/m:generateContent");
    check_url("ws://h", false, "m", "http://h/v1beta/models/m:generateContent");
    check_url("wss://h", true, "m", "https://h/v1/publishers/google/models/m:generateContent");
    check_url(NULL, false, "../m", NULL);
    check_url(NULL, false, "", NULL);
}

static const char good[] =
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":\"It "
    "\"},{\"text\":\"rains.\"}]},"
    "\"groundingMetadata\":{\"webSearchQueries\":[\"rain\"],\"searchEntryPoint\":{"
    "\"renderedContent\":\"<b>\"},"
    "\"groundingChunks\":[{\"web\":{\"uri\":\"https://a\",\"title\":\"A\"}}],\"x\":1}}]}";

static struct web_answer answer(struct web *web, const struct web_asked *asked)
{
    struct web_answer *next = web->ctx;

    (void)asked;
    return *next;
}

static char *config(const char *more)
{
    static char text[300];

    (void)snprintf(text, sizeof(text), "{%s%s%s}", key, *more ? "," : "", more);
    return text;
}

static void searches(void **state)
{
    struct web_answer next = {0, 200, "", good, 0, NULL};
    struct web web = {.answer = answer, .ctx = &next};

    (void)state;
    web_open(&web, config("\"timeout_ms\":5000"));
    assert_string_equal(web.tools[0].native_feature, "google_search");
    assert_int_equal(web_call(&web, "google_search", "{\"query\":\"Does it \\\"rain\\\"?\"}"),
                     ANTIPHON_OK);
    assert_string_equal(
        web.text,
        "{\"answer\":\"It rains.\",\"groundingMetadata\":{\"webSearchQueries\":[\"rain\"],"
        "\"groundingChunks\":[{\"web\":{\"uri\":\"https://a\",\"title\":\"A\"}}]}}");
    assert_non_null(strstr(web.published, "\"renderedContent\":\"<b>\""));
    assert_string_equal(web.asked[0].method, "POST");
    assert_string_equal(
        web.asked[0].body,
        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Does it \\\"rain\\\"?\"}]}],"
        "\"tools\":[{\"googleSearch\":{}}]}");
    assert_non_null(strstr(web.asked[0].headers, "x-goog-api-key: {{secret:api_key}}\n"));
    assert_int_equal(web.asked[0].flags, 0);
    assert_int_equal(web.asked[0].timeout_ms, 5000);
    web_close(&web);
}

static void failures(void **state)
{
    static const struct {
        struct web_answer answer;
        enum antiphon_status status;
        const char *says;
    } all[] = {
        {{ANTIPHON_ETIMEOUT, 0, "", NULL, 0, "timeout"},
         ANTIPHON_ETIMEOUT,
         "cannot be reached: timeout"},
        {{0, 429, "", "{\"error\":{\"message\":\"Quota.\"}}", 0, NULL},
         ANTIPHON_EBUSY,
         "429: Quota."},
        {{0, 500, "", "<html>", 0, NULL}, ANTIPHON_EUNAVAILABLE, "500"},
        {{0, 200, "", "no", 0, NULL}, ANTIPHON_EPROTOCOL, "not JSON"},
        {{0, 200, "", "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}", 0, NULL},
         ANTIPHON_ENOTFOUND,
         "no answer: SAFETY"},
        {{0, 200, "", "{\"candidates\":[{\"finishReason\":\"RECITATION\"}]}", 0, NULL},
         ANTIPHON_ENOTFOUND,
         "RECITATION"},
        {{0, 200, "", "{\"candidates\":7}", 0, NULL}, ANTIPHON_ENOTFOUND, "no answer"},
    };
    struct web web = {.answer = answer};

    (void)state;
    web_open(&web, config(""));
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        web.ctx = (void *)(uintptr_t)&all[i].answer;
        assert_int_equal(web_call(&web, "google_search", "{\"query\":\"q\"}"), all[i].status);
        if (!strstr(web.text, all[i].says))
            fail_msg("'%s' is not in %s", all[i].says, web.text);
    }
    web_close(&web);
}

static void modes(void **state)
{
    struct web web = {.answer = answer};

    (void)state;
    web_open(&web, "{}"); /* no key: native or nothing */
    assert_null(web.tools[0].invoke);
    web_close(&web);
    web_open(&web, config("\"mode\":\"native\""));
    assert_null(web.tools[0].invoke);
    assert_non_null(web.tools[0].native_fragment);
    web_close(&web);
    web_open(&web, config("\"mode\":\"function\",\"vertex\":\"TRUE\""));
    assert_non_null(web.tools[0].invoke);
    assert_null(web.tools[0].native_feature);
    web_close(&web);
    assert_int_equal(web_try(&web, "{\"mode\":\"function\"}"), ANTIPHON_EINVAL);
    assert_non_null(strstr(web.why, "api_key"));
    web_close(&web);
    assert_int_equal(web_try(&web, config("\"model\":\"a/b\"")), ANTIPHON_EINVAL);
    web_close(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(searches),
        cmocka_unit_test(failures),
        cmocka_unit_test(modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
