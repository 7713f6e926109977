#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "session/event.h"

#define ACTIONS                                                                                    \
    "\"actions\":{\"state_delta\":{},\"artifact_delta\":{},\"requested_auth_configs\":{},"         \
    "\"requested_tool_confirmations\":{}},\"node_info\":{\"path\":\"\"},"

static char *printed(const struct event_stored *event)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_int_equal(event_stored_print(event, &out), ANTIPHON_OK);
    return buf_take(&out);
}

static void expect(const struct event_stored *event, const char *want)
{
    char *got = printed(event);
    cJSON *tree = NULL;

    assert_string_equal(got, want);
    assert_int_equal(json_parse(got, strlen(got), NULL, &tree, NULL), ANTIPHON_OK);
    cJSON_Delete(tree);
    free(got);
}

/* The rows below are as google-adk 2.13.0 stored them (tests/fixtures/wire/db/sqlite.rows.json). */

static void user_text(void **state)
{
    (void)state;
    expect(
        &(struct event_stored){.id = "91528edc-45ab-443f-81f9-b1ea05e65e4d",
                               .invocation_id = "e-544df176-2e31-4a6a-9b0a-240289d578fc",
                               .author = "user",
                               .timestamp = 1795367276.7946165,
                               .role = "user",
                               .text = "hello"},
        "{\"content\":{\"parts\":[{\"text\":\"hello\"}],\"role\":\"user\"},"
        "\"invocation_id\":\"e-544df176-2e31-4a6a-9b0a-240289d578fc\",\"author\":\"user\"," ACTIONS
        "\"id\":\"91528edc-45ab-443f-81f9-b1ea05e65e4d\",\"timestamp\":1795367276.7946165}");
}

static void output_transcript(void **state)
{
    (void)state;
    expect(&(struct event_stored){.id = "ed6bb6f5-5c92-4fef-afed-f9d72b8efc47",
                                  .invocation_id = "e-fbdf9d6c-1c9c-4eb7-9e3f-f8cd62288a8a",
                                  .author = "native_agent",
                                  .timestamp = 1795367279.630537,
                                  .output_transcript = "You said: hello",
                                  .has_partial = true},
           "{\"partial\":false,\"output_transcription\":{\"text\":\"You said: hello\","
           "\"finished\":true},\"invocation_id\":\"e-fbdf9d6c-1c9c-4eb7-9e3f-f8cd62288a8a\","
           "\"author\":\"native_agent\"," ACTIONS
           "\"id\":\"ed6bb6f5-5c92-4fef-afed-f9d72b8efc47\",\"timestamp\":1795367279.630537}");
}

static void input_transcript(void **state)
{
    (void)state;
    expect(&(struct event_stored){.id = "60fece5a",
                                  .invocation_id = "e-1",
                                  .author = "user",
                                  .timestamp = 1795367280.8733163,
                                  .input_transcript = "speech of 2000 ms",
                                  .has_partial = true},
           "{\"partial\":false,\"input_transcription\":{\"text\":\"speech of 2000 ms\","
           "\"finished\":true},\"invocation_id\":\"e-1\",\"author\":\"user\"," ACTIONS
           "\"id\":\"60fece5a\",\"timestamp\":1795367280.8733163}");
}

static void merged_text_with_grounding(void **state)
{
    static const char grounding[] =
        "{\n \"groundingChunks\": [{\"web\": {\"title\": \"example.com\", \"uri\": "
        "\"https://example.com/a\"}}],\n \"groundingSupports\": [{\"groundingChunkIndices\": [0], "
        "\"segment\": {\"endIndex\": 6, \"text\": \"Found:\"}}],\n \"searchEntryPoint\": "
        "{\"renderedContent\": \"<div class=\\\"chip\\\">suggestion</div>\"},\n "
        "\"webSearchQueries\": [\"고양이\"]}";

    (void)state;
    expect(&(struct event_stored){.id = "ce04d46d",
                                  .invocation_id = "e-8f67",
                                  .author = "search_agent",
                                  .timestamp = 1795367278.5855312,
                                  .role = "model",
                                  .text = "Found: 고양이.",
                                  .grounding = grounding,
                                  .has_partial = true},
           "{\"content\":{\"parts\":[{\"text\":\"Found: 고양이.\"}],\"role\":\"model\"},"
           "\"grounding_metadata\":{\"grounding_chunks\":[{\"web\":{\"title\":\"example.com\","
           "\"uri\":\"https://example.com/a\"}}],\"grounding_supports\":[{"
           "\"grounding_chunk_indices\":[0],\"segment\":{\"end_index\":6,\"text\":\"Found:\"}}],"
           "\"search_entry_point\":{\"rendered_content\":\"<div class=\\\"chip\\\">suggestion</div>"
           "\"},\"web_search_queries\":[\"고양이\"]},\"partial\":false,\"invocation_id\":"
           "\"e-8f67\",\"author\":\"search_agent\"," ACTIONS
           "\"id\":\"ce04d46d\",\"timestamp\":1795367278.5855312}");
}

static void usage(void **state)
{
    (void)state;
    expect(
        &(struct event_stored){.id = "2c",
                               .invocation_id = "e-8",
                               .author = "search_agent",
                               .timestamp = 1795367277.6152213,
                               .usage = "{\"candidatesTokenCount\":10,\"candidatesTokensDetails\":"
                                        "[{\"modality\":\"TEXT\",\"tokenCount\":10}],"
                                        "\"promptTokenCount\":102,\"totalTokenCount\":112}"},
        "{\"usage_metadata\":{\"candidates_token_count\":10,\"candidates_tokens_details\":"
        "[{\"modality\":\"TEXT\",\"token_count\":10}],\"prompt_token_count\":102,"
        "\"total_token_count\":112},\"invocation_id\":\"e-8\",\"author\":\"search_agent\"," ACTIONS
        "\"id\":\"2c\",\"timestamp\":1795367277.6152213}");
}

static void function_call_parts(void **state)
{
    (void)state;
    expect(
        &(struct event_stored){.id = "58",
                               .invocation_id = "e-4",
                               .author = "native_tools_agent",
                               .timestamp = 1795367285.4207156,
                               .role = "model",
                               .parts =
                                   "[{\"function_call\": {\"id\": \"function-call-1\", \"args\":"
                                   " {\"whatElse\": \"차\", \"n\": 12345678901234567890}, "
                                   "\"name\": \"remember\"}}]"},
        "{\"content\":{\"parts\":[{\"function_call\":{\"id\":\"function-call-1\",\"args\":"
        "{\"whatElse\":\"차\",\"n\":12345678901234567890},\"name\":\"remember\"}}],"
        "\"role\":\"model\"},\"invocation_id\":\"e-4\",\"author\":\"native_tools_agent\"," ACTIONS
        "\"id\":\"58\",\"timestamp\":1795367285.4207156}");
}

static void flags_and_errors(void **state)
{
    (void)state;
    expect(&(struct event_stored){.id = "a",
                                  .invocation_id = "",
                                  .author = "x",
                                  .timestamp = 1795367277,
                                  .turn_complete = true,
                                  .turn_complete_reason = "NEED_MORE_INPUT",
                                  .error_code = "SAFETY",
                                  .error_message = "no \"way\"\n",
                                  .interrupted = true,
                                  .has_partial = true,
                                  .partial = true},
           "{\"partial\":true,\"turn_complete\":true,\"turn_complete_reason\":\"NEED_MORE_INPUT\","
           "\"error_code\":\"SAFETY\",\"error_message\":\"no \\\"way\\\"\\n\",\"interrupted\":true,"
           "\"invocation_id\":\"\",\"author\":\"x\"," ACTIONS
           "\"id\":\"a\",\"timestamp\":1795367277.0}");
}

static void names_become_snake_case_at_every_depth(void **state)
{
    static const struct {
        const char *given, *want;
    } rows[] = {
        {"{}", "{}"},
        {"{\"a\":1}", "{\"a\":1}"},
        {"{\"already_snake\":1}", "{\"already_snake\":1}"},
        {"{\"sdkBlob\":\"camelCase: kept\"}", "{\"sdk_blob\":\"camelCase: kept\"}"},
        {"{\"toolURLContext\":[{\"aB\":{\"cD\":[\"eF\"]}}]}",
         "{\"tool_url_context\":[{\"a_b\":{\"c_d\":[\"eF\"]}}]}"},
        {"{\"aB\" \t\n: \"xY\" , \"cD\":\"zW:\"}", "{\"a_b\":\"xY\",\"c_d\":\"zW:\"}"},
        {"{\"k\":[\"aB\",\"cD\"]}", "{\"k\":[\"aB\",\"cD\"]}"},
        {"{\"q\\\"uO\\u00E9\":\"\\\\\"}", "{\"q\\\"u_o\\u00E9\":\"\\\\\"}"},
        {"{\"n\":[1e300,-0.10,9007199254740993 ,true , null]}",
         "{\"n\":[1e300,-0.10,9007199254740993,true,null]}"},
        {"{\"topK\":40,\"HTTPCode\":1,\"URL\":2}", "{\"top_k\":40,\"http_code\":1,\"url\":2}"},
        {"{\"snake_Camel\":1}", "{\"snake_camel\":1}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf want;
        buf_init(&want, 4096);
        buf_printf(&want,
                   "{\"usage_metadata\":%s,\"author\":\"m\"," ACTIONS
                   "\"id\":\"1\",\"timestamp\":1.5}",
                   rows[i].want);
        expect(
            &(struct event_stored){
                .id = "1", .author = "m", .timestamp = 1.5, .usage = rows[i].given},
            buf_text(&want));
        buf_deinit(&want);
    }
}

static void what_is_not_json_is_refused_and_leaves_out_alone(void **state)
{
    static const struct event_stored bad[] = {
        {.id = "1", .usage = "{\"a\":"},
        {.id = "1", .grounding = "nope"},
        {.id = "1", .parts = "[{}"},
        {.id = "1", .usage = ""},
        {.id = "1", .grounding = "{\"a\":\"\xff\"}"},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    assert_int_equal(buf_puts(&out, "before"), ANTIPHON_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(event_stored_print(&bad[i], &out), ANTIPHON_EINVAL);
        assert_string_equal(buf_text(&out), "before");
    }
    buf_deinit(&out);
}

static void too_little_room_is_told(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 64);
    assert_int_equal(event_stored_print(&(struct event_stored){.id = "1", .text = "hello"}, &out),
                     ANTIPHON_ETOOBIG);
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_text),
        cmocka_unit_test(output_transcript),
        cmocka_unit_test(input_transcript),
        cmocka_unit_test(merged_text_with_grounding),
        cmocka_unit_test(usage),
        cmocka_unit_test(function_call_parts),
        cmocka_unit_test(flags_and_errors),
        cmocka_unit_test(names_become_snake_case_at_every_depth),
        cmocka_unit_test(what_is_not_json_is_refused_and_leaves_out_alone),
        cmocka_unit_test(too_little_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
