/* JSON as the server writes it, base64, and the proto rules for what clients send. */
#include "shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *normalised(const char *text, bool vertex, struct bytes *reason)
{
    struct bytes out = {0};
    cJSON *message = json_parse(text, strlen(text));
    assert_non_null(message);
    bytes_reset(reason);
    if (shape_normalise(message, shape_client_message, vertex, reason))
        json_write(&out, message, (struct json_style){.compact = true});
    cJSON_Delete(message);
    return bytes_take(&out);
}

static void keys_are_renamed_but_not_the_users(void **state)
{
    struct bytes reason = {0};
    (void)state;
    char *out = normalised(
        "{\"tool_response\":{\"function_responses\":[{\"id\":\"1\",\"will_continue\":null,"
        "\"response\":{\"my_key\":{\"a_b\":1}}}]}}",
        false, &reason);
    assert_string_equal(out, "{\"toolResponse\":{\"functionResponses\":[{\"id\":\"1\",\"response\":"
                             "{\"my_key\":{\"a_b\":1}}}]}}");
    free(out);
    out = normalised("{\"setup\":{\"tools\":{\"google_search\":{}},\"session_resumption\":{}}}",
                     false, &reason);
    assert_string_equal(out, "{\"setup\":{\"tools\":[{\"googleSearch\":{}}],"
                             "\"sessionResumption\":{}}}");
    free(out);
    bytes_free(&reason);
}

static void refusals_name_the_place(void **state)
{
    static const char *const cases[][2] = {
        {"{\"set_up\":{}}",
         "Invalid JSON payload received. Unknown name \"set_up\": Cannot find field."},
        {"{\"setup\":{\"tools\":[{},{\"functionDeclarations\":[{\"x\":1}]}]}}",
         "Invalid JSON payload received. Unknown name \"x\" at "
         "'setup.tools[1].function_declarations[0]': Cannot find field."},
        {"{\"realtimeInput\":{\"audio\":{\"data\":\"AA*A\"}}}",
         "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), \"AA*A\""},
        {"{\"clientContent\":{\"turns\":[5]}}",
         "Invalid value at 'client_content.turns[0]' (TYPE_MESSAGE), 5"},
        {"{\"setup\":{\"generationConfig\":{\"seed\":2147483648}}}",
         "Invalid value at 'setup.generation_config.seed' (TYPE_INT32), 2147483648"},
        {"{\"setup\":{\"generationConfig\":{\"seed\":\"99999999999999999999\"}}}",
         "Invalid value at 'setup.generation_config.seed' (TYPE_INT32), \"99999999999999999999\""},
        {"{\"setup\":{\"realtimeInputConfig\":{\"automaticActivityDetection\":{"
         "\"silenceDurationMs\":1.5}}}}",
         "Invalid value at 'setup.realtime_input_config.automatic_activity_detection."
         "silence_duration_ms' (TYPE_INT32), 1.5"},
        {"{\"setup\":{\"sessionResumption\":{\"transparent\":true}}}",
         "Invalid JSON payload received. Unknown name \"transparent\" at "
         "'setup.session_resumption': Cannot find field."}};
    struct bytes reason = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        free(normalised(cases[i][0], false, &reason));
        assert_string_equal(bytes_str(&reason), cases[i][1]);
    }
    const char *vertex = cases[sizeof cases / sizeof *cases - 1][0];
    char *out = normalised(vertex, true, &reason);
    assert_string_equal(out, vertex);
    free(out);
    bytes_free(&reason);
}

static void writing_is_what_the_server_writes(void **state)
{
    struct bytes out = {0};
    const char *text =
        "{\"a\":[1,2.5,1e300,-0.1],\"b\":{},\"c\":[],\"d\":\"\\n\\u00e9\\ud83d\\ude00\"}";
    cJSON *value = json_parse(text, strlen(text));
    (void)state;
    json_write(&out, value, (struct json_style){0});
    assert_string_equal(
        out.data, "{\n  \"a\": [\n    1,\n    2.5,\n    1e+300,\n    -0.1\n  ],\n"
                  "  \"b\": {},\n  \"c\": [],\n  \"d\": \"\\n\xC3\xA9\xF0\x9F\x98\x80\"\n}\n");
    bytes_reset(&out);
    json_write(&out, json_at(value, "d"), (struct json_style){.compact = true, .ascii = true});
    assert_string_equal(out.data, "\"\\n\\u00e9\\ud83d\\ude00\"");
    cJSON_Delete(value);
    bytes_free(&out);
}

static void what_is_not_json_is_not_read(void **state)
{
    char deep[5000];
    (void)state;
    memset(deep, '[', sizeof deep);
    assert_null(json_parse(deep, sizeof deep));
    assert_null(json_parse("{} {}", 5));
    assert_null(json_parse("\"\xFF\"", 3));
    assert_null(json_parse("", 0));
}

static void base64_both_ways(void **state)
{
    static const char *const good[] = {"-_-_", "+/+/", "AA==", "AA", "AAA=", "AAA", ""};
    static const char *const bad[] = {"A", "A*AA", "AA=A", "AAAAA"};
    struct bytes out = {0}, again = {0};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(bytes_unbase64(&out, good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t before = out.len;
        assert_false(bytes_unbase64(&out, bad[i], strlen(bad[i])));
        assert_int_equal(out.len, before);
    }
    for (size_t len = 0; len <= out.len; len++) {
        struct bytes text = {0};
        bytes_base64(&text, out.data, len);
        bytes_reset(&again);
        assert_true(bytes_unbase64(&again, bytes_str(&text), text.len));
        assert_int_equal(again.len, len);
        if (len)
            assert_memory_equal(again.data, out.data, len);
        bytes_free(&text);
    }
    bytes_free(&out);
    bytes_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_renamed_but_not_the_users),
        cmocka_unit_test(refusals_name_the_place),
        cmocka_unit_test(writing_is_what_the_server_writes),
        cmocka_unit_test(what_is_not_json_is_not_read),
        cmocka_unit_test(base64_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
