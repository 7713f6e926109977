#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../wire_frames.h"
#include "base/embed.h"
#include "base/jschema.h"
#include "base/json.h"
#include "frontend/wire_v1.h"

static const struct frame_context context = {.turn = 3, .seq = 9, .audio = CLIENT_AUDIO_BASE64};

static struct jschema *schema;

static int schema_load(void **state)
{
    const struct embed *file = embed_find("wire.schema.json");
    struct err err = {0};

    (void)state;
    assert_non_null(file);
    if (jschema_new("wire", file->data, &schema, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int schema_unload(void **state)
{
    (void)state;
    jschema_free(schema);
    return 0;
}

static void report(void *ctx, const char *path, const char *message)
{
    print_error("%s: %s: %s\n", (const char *)ctx, path, message);
}

static bool is_in_schema(char *text, size_t len)
{
    cJSON *tree = NULL;

    assert_int_equal(json_parse(text, len, NULL, &tree, NULL), ANTIPHON_OK);
    enum antiphon_status status = jschema_check(schema, tree, 0, report, text);
    cJSON_Delete(tree);
    return status == ANTIPHON_OK;
}

/* ---- from the client ----------------------------------------------------------------------------
 */

static void messages_are_taken(void **state)
{
    static const struct {
        const char *message;
        enum client_input_type type;
        const char *data, *mime;
        uint64_t turn;
        int64_t ms;
    } rows[] = {
        {"{\"mime_type\":\"text/plain\",\"data\":\"hi\"}", CLIENT_TEXT, "hi", NULL, 0, 0},
        {"{\"mime_type\":\"text/plain\",\"data\":\"hi\",\"type\":\"stop\"}", CLIENT_TEXT, "hi",
         NULL, 0, 0},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"AAA=\"}", CLIENT_AUDIO, "AAA=", NULL, 0, 0},
        {"{\"mime_type\":\"image/jpeg\",\"data\":\"_-8\"}", CLIENT_IMAGE, "/+8=", "image/jpeg", 0,
         0},
        {"{\"mime_type\":\"image/png\",\"data\":\"AAAA\"}", CLIENT_IMAGE, "AAAA", "image/png", 0,
         0},
        {"{\"type\":\"stop\"}", CLIENT_STOP, "", NULL, 0, 0},
        {"{\"type\":\"activity_start\",\"x\":{}}", CLIENT_ACTIVITY_START, "", NULL, 0, 0},
        {"{\"type\":\"activity_end\"}", CLIENT_ACTIVITY_END, "", NULL, 0, 0},
        {"{\"type\":\"audio_end\"}", CLIENT_AUDIO_END, "", NULL, 0, 0},
        {"{\"type\":\"confirm\",\"nonce\":\"ab\",\"allow\":false}", CLIENT_CONFIRM, "ab", NULL, 0, 0},
        {"{\"type\":\"played\",\"turn\":7,\"ms\":1200}", CLIENT_PLAYED, "", NULL, 7, 1200},
        {"{\"type\":\"played\",\"turn\":0,\"ms\":0.5}", CLIENT_PLAYED, "", NULL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_input in;
        wire_input_parse(&in, &wire_v1, false, rows[i].message, strlen(rows[i].message));
        if (in.status)
            fail_msg("%s: %s (%s)", rows[i].message, in.fault.code, in.fault.message);
        assert_int_equal(in.input.type, rows[i].type);
        assert_int_equal(in.input.len, strlen(rows[i].data));
        assert_memory_equal(in.input.data ? in.input.data : "", rows[i].data, in.input.len);
        assert_int_equal(in.input.turn, rows[i].turn);
        assert_int_equal(in.input.played_ms, rows[i].ms);
        if (rows[i].mime)
            assert_string_equal(in.input.mime, rows[i].mime);
        else
            assert_null(in.input.mime);
        wire_input_free(&in);
    }
}

static void binary_frames_are_pcm(void **state)
{
    struct wire_input in;

    (void)state;
    wire_input_parse(&in, &wire_v1, true, "\0\1\2\3", 4);
    assert_int_equal(in.status, ANTIPHON_OK);
    assert_int_equal(in.input.type, CLIENT_AUDIO);
    assert_int_equal(in.input.encoding, ANTIPHON_RAW);
    assert_int_equal(in.input.pcm_bytes, 4);
    assert_ptr_equal(in.input.data, in.message);
    wire_input_free(&in);
    wire_input_parse(&in, &wire_v1, true, "\0\1\2", 3);
    assert_int_equal(in.status, ANTIPHON_EINVAL);
    assert_string_equal(in.fault.code, "bad_audio");
    wire_input_free(&in);
}

static void bad_frames_are_told_apart(void **state)
{
    static const struct {
        const char *message, *code;
    } rows[] = {
        {"{\"type\":", "bad_json"},
        {"[]", "bad_frame"},
        {"{}", "bad_frame"},
        {"{\"type\":\"dance\"}", "bad_frame"},
        {"{\"type\":5}", "bad_frame"},
        {"{\"type\":\"played\"}", "bad_frame"},
        {"{\"type\":\"played\",\"turn\":1}", "bad_frame"},
        {"{\"type\":\"played\",\"turn\":-1,\"ms\":1}", "bad_frame"},
        {"{\"type\":\"played\",\"turn\":1,\"ms\":\"1\"}", "bad_frame"},
        {"{\"type\":\"played\",\"turn\":1e300,\"ms\":1}", "bad_frame"},
        {"{\"type\":\"confirm\"}", "bad_frame"},
        {"{\"type\":\"confirm\",\"nonce\":\"\",\"allow\":true}", "bad_frame"},
        {"{\"type\":\"confirm\",\"nonce\":5,\"allow\":true}", "bad_frame"},
        {"{\"type\":\"confirm\",\"nonce\":\"ab\",\"allow\":\"true\"}", "bad_frame"},
        {"{\"type\":\"confirm\",\"nonce\":\"ab\",\"allow\":1}", "bad_frame"},
        {"{\"mime_type\":null,\"data\":\"x\"}", "bad_frame"},
        {"{\"mime_type\":\"image/gif\",\"data\":\"AAAA\"}", "bad_mime"},
        {"{\"mime_type\":\"image/jpeg\",\"data\":\"A\"}", "bad_data"},
        {"{\"mime_type\":\"image/jpeg\"}", "bad_data"},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"AAAA\"}", "bad_audio"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_input in;
        wire_input_parse(&in, &wire_v1, false, rows[i].message, strlen(rows[i].message));
        if (in.status != ANTIPHON_EINVAL)
            fail_msg("taken, but should be %s: %s", rows[i].code, rows[i].message);
        assert_string_equal(in.fault.code, rows[i].code);
        assert_non_null(in.fault.hint);
        wire_input_free(&in);
    }
}

/* ---- to the client ------------------------------------------------------------------------------
 */

struct row {
    unsigned type;
    uint32_t flags;
    const char *id, *name, *detail, *data, *want;
};

static struct antiphon_event event_of(const struct row *row)
{
    struct antiphon_event event = EVENT_INIT(row->type);

    event.flags = row->flags;
    event.id = row->id;
    event.name = row->name;
    event.detail = row->detail;
    event.data = row->data;
    event.len = row->data ? strlen(row->data) : 0;
    return event;
}

#define END(t) ",\"type\":\"" t "\",\"turn\":3,\"seq\":9}"

#define HELLO                                                                                      \
    "{\"protocol\":\"antiphon.v1\",\"session\":\"a_7\",\"user\":\"7\",\"agent\":{\"name\":\"a\","  \
    "\"description\":\"\"},\"agents\":[{\"folder\":\"f\",\"name\":\"a\",\"description\":\"\"}],"   \
    "\"model\":\"m\",\"demo\":true,\"demo_hint\":\"set it\",\"audio\":{\"in_rate\":16000,"         \
    "\"out_rate\":24000},\"modality\":\"AUDIO\",\"version\":\"0.1.0\"}"
#define HISTORY                                                                                    \
    "[{\"role\":\"user\",\"text\":\"hi\",\"time\":1.5},{\"role\":\"model\",\"text\":\"Hel\","      \
    "\"interrupted\":true,\"grounding\":{}}]"

static const struct row rows[] = {
    {ANTIPHON_EV_TEXT, 0, NULL, NULL, NULL, "Hel",
     "{\"mime_type\":\"text/plain\",\"data\":\"Hel\",\"role\":\"model\"" END("text")},
    {ANTIPHON_EV_TEXT, 0, NULL, NULL, NULL, "", NULL},
    {ANTIPHON_EV_TEXT, ANTIPHON_FLAG_THOUGHT, NULL, NULL, NULL, "h\"m",
     "{\"thought\":\"h\\\"m\"" END("thought")},
    {ANTIPHON_EV_INPUT_TRANSCRIPT, 0, NULL, NULL, NULL, "wea",
     "{\"mime_type\":\"text/plain\",\"data\":\"wea\",\"is_transcript\":true,\"role\":\"user\","
     "\"final\":false" END("transcript")},
    {ANTIPHON_EV_INPUT_TRANSCRIPT, ANTIPHON_FLAG_FINAL, NULL, NULL, NULL, NULL,
     "{\"mime_type\":\"text/plain\",\"data\":\"\",\"is_transcript\":true,\"role\":\"user\","
     "\"final\":true" END("transcript")},
    {ANTIPHON_EV_OUTPUT_TRANSCRIPT, 0, NULL, NULL, NULL, "Hi",
     "{\"mime_type\":\"text/plain\",\"data\":\"Hi\",\"is_transcript\":true,\"role\":\"model\","
     "\"final\":false" END("transcript")},
    {ANTIPHON_EV_OUTPUT_TRANSCRIPT, 0, NULL, NULL, NULL, "", NULL},
    {ANTIPHON_EV_TURN_COMPLETE, 0, NULL, NULL, NULL, NULL,
     "{\"turn_complete\":true,\"interrupted\":null,\"saved\":true" END("turn_complete")},
    {ANTIPHON_EV_TURN_COMPLETE, EVENT_FLAG_NOT_SAVED, NULL, "NEED_MORE_INPUT", NULL, NULL,
     "{\"turn_complete\":true,\"interrupted\":null,\"reason\":\"NEED_MORE_INPUT\","
     "\"saved\":false" END("turn_complete")},
    {ANTIPHON_EV_TURN_COMPLETE, 0, NULL, "\"}{", NULL, NULL,
     "{\"turn_complete\":true,\"interrupted\":null,\"saved\":true" END("turn_complete")},
    {ANTIPHON_EV_INTERRUPTED, 0, NULL, NULL, NULL, NULL,
     "{\"turn_complete\":null,\"interrupted\":true" END("interrupted")},
    {EVENT_HELLO, 0, NULL, NULL, NULL, HELLO, "{\"hello\":" HELLO END("hello")},
    {EVENT_HISTORY, 0, NULL, NULL, NULL, HISTORY, "{\"history\":" HISTORY END("history")},
    {EVENT_STATE, 0, NULL, "live", NULL, NULL, "{\"state\":\"live\"" END("state")},
    {EVENT_TAKEN_OVER, 0, NULL, NULL, NULL, NULL, "{\"taken_over\":true" END("taken_over")},
    {EVENT_ACTIVE, 0, NULL, NULL, NULL, NULL, "{\"active\":true" END("active")},
    {EVENT_USER_TEXT, 0, NULL, NULL, NULL, "안녕", "{\"user_text\":\"안녕\"" END("user_text")},
    {EVENT_TOOL, 0, "fc-1", "get_time", "running", NULL,
     "{\"tool\":{\"id\":\"fc-1\",\"name\":\"get_time\",\"state\":\"running\"}" END("tool")},
    {EVENT_TOOL, 0, "fc-1", "get_time", "progress", "half way",
     "{\"tool\":{\"id\":\"fc-1\",\"name\":\"get_time\",\"state\":\"progress\","
     "\"text\":\"half way\"}" END("tool")},
    {ANTIPHON_EV_GROUNDING, 0, NULL, NULL, NULL, "{\"webSearchQueries\":[\"x\"]}",
     "{\"grounding\":{\"webSearchQueries\":[\"x\"]}" END("grounding")},
    {ANTIPHON_EV_USAGE, 0, NULL, NULL, NULL, "{\"totalTokenCount\":5}",
     "{\"usage\":{\"totalTokenCount\":5}" END("usage")},
    {EVENT_ERROR, EVENT_FLAG_ENDS_TALK, NULL, "quota", "Wait.", "Used up.",
     "{\"error\":{\"code\":\"quota\",\"message\":\"Used up.\",\"hint\":\"Wait.\","
     "\"retryable\":false}" END("error")},
    {EVENT_TOOL, 0, "fc-1", "pay", "undone", NULL,
     "{\"tool\":{\"id\":\"fc-1\",\"name\":\"pay\",\"state\":\"undone\"}" END("tool")},
    {EVENT_PLUGIN, 0, "fc-1", "countdown", "clock", "{\"seconds\":300}",
     "{\"plugin\":{\"name\":\"clock\",\"event\":\"countdown\",\"call\":\"fc-1\",\"data\":{\"seconds\":300}}" END(
         "plugin")},
    {EVENT_CONFIRM, 0, NULL, NULL, NULL,
     "{\"id\":\"fc-1\",\"tool\":\"pay\",\"args\":{\"n\":1},\"nonce\":\"00112233445566778899aabbccddeeff\","
     "\"expires_ms\":60000}",
     "{\"confirm\":{\"id\":\"fc-1\",\"tool\":\"pay\",\"args\":{\"n\":1},\"nonce\":"
     "\"00112233445566778899aabbccddeeff\",\"expires_ms\":60000}" END("confirm")},
    {ANTIPHON_EV_GROUNDING, 0, NULL, NULL, NULL, NULL, NULL},
    {ANTIPHON_EV_GENERATION_COMPLETE, 0, NULL, NULL, NULL, NULL, NULL},
    {ANTIPHON_EV_VOICE_ACTIVITY, 0, NULL, "ACTIVITY_START", NULL, NULL, NULL},
    {ANTIPHON_EV_RESUMPTION, 0, NULL, NULL, NULL, "handle", NULL},
    {ANTIPHON_EV_TOOL_CALL, 0, "x", "y", NULL, "{}", NULL},
    {ANTIPHON_EV_CLOSED, 0, NULL, NULL, NULL, NULL, NULL},
    {9999, 0, NULL, NULL, NULL, NULL, NULL},
};

static void every_event_becomes_a_frame_of_the_schema(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct antiphon_event event = event_of(&rows[i]);
        struct wire_frames frames;
        wire_frames_encode(&frames, &wire_v1, &event, &context);
        assert_int_equal(frames.n, rows[i].want ? 1 : 0);
        if (rows[i].want) {
            assert_string_equal(frames.frame[0].data, rows[i].want);
            assert_int_equal(frames.frame[0].kind, FRAME_CONTROL);
            assert_true(is_in_schema(frames.frame[0].data, frames.frame[0].len));
        }
        wire_frames_free(&frames);
    }
}

static void the_schema_refuses_other_frames(void **state)
{
    static const char *const others[] = {
        "{}",
        "[]",
        "{\"type\":\"text\"}",
        "{\"state\":\"odd\",\"type\":\"state\",\"turn\":1,\"seq\":1}",
        "{\"taken_over\":true,\"type\":\"taken_over\",\"turn\":-1,\"seq\":1}",
        "{\"mime_type\":\"text/html\",\"data\":\"x\"}",
        "{\"type\":\"confirm\",\"nonce\":\"ab\"}",
        "{\"confirm\":{\"id\":\"x\",\"tool\":\"t\",\"args\":{},\"nonce\":\"ab\",\"expires_ms\":1},\"type\":\"confirm\","
        "\"turn\":1,\"seq\":1}",
        "{\"type\":\"played\",\"turn\":1}"};
    static const char *const client[] = {"{\"mime_type\":\"text/plain\",\"data\":\"x\"}",
                                         "{\"type\":\"stop\"}",
                                         "{\"type\":\"played\",\"turn\":1,\"ms\":20}",
                                         "{\"type\":\"audio_end\"}",
                                         "{\"type\":\"confirm\",\"nonce\":\"ab\",\"allow\":true}",
                                         "{\"mime_type\":\"audio/pcm\",\"data\":\"AAA=\"}",
                                         "{\"mime_type\":\"image/jpeg\",\"data\":\"AAAA\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cJSON *tree = cJSON_Parse(others[i]);
        assert_int_equal(jschema_check(schema, tree, 0, NULL, NULL), ANTIPHON_EINVAL);
        cJSON_Delete(tree);
    }
    for (size_t i = 0; i < sizeof(client) / sizeof(client[0]); i++) {
        cJSON *tree = cJSON_Parse(client[i]);
        assert_int_equal(jschema_check(schema, tree, 0, report, (void *)(uintptr_t)client[i]),
                         ANTIPHON_OK);
        cJSON_Delete(tree);
    }
}

static struct antiphon_event audio_of(const void *data, size_t len, enum antiphon_encoding encoding)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_AUDIO);

    event.data = data;
    event.len = len;
    event.encoding = encoding;
    return event;
}

static void audio_as_json(void **state)
{
    static const char want[] = "{\"mime_type\":\"audio/pcm\",\"data\":\"+/8=\"" END("audio");
    struct antiphon_event events[] = {audio_of("+/8=", 4, ANTIPHON_BASE64),
                                      audio_of("\xFB\xFF", 2, ANTIPHON_RAW)};
    struct wire_frames frames;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        wire_frames_encode(&frames, &wire_v1, &events[i], &context);
        assert_int_equal(frames.n, 1);
        assert_string_equal(frames.frame[0].data, want);
        assert_int_equal(frames.frame[0].kind, FRAME_AUDIO);
        assert_true(is_in_schema(frames.frame[0].data, frames.frame[0].len));
        if (i == 0)
            assert_ptr_equal(frames.frame[0].second, events[i].data);
        wire_frames_free(&frames);
    }
}

static void audio_as_binary(void **state)
{
    static const uint8_t want[] = {1, 1, 0, 0, 0x04, 0x03, 0x02, 0x01, 0xFB, 0xFF};
    const struct frame_context binary = {.turn = 0x01020304, .audio = CLIENT_AUDIO_BINARY};
    struct antiphon_event events[] = {audio_of("+/8=", 4, ANTIPHON_BASE64),
                                      audio_of("\xFB\xFF", 2, ANTIPHON_RAW)};
    struct wire_frames frames;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        wire_frames_encode(&frames, &wire_v1, &events[i], &binary);
        assert_int_equal(frames.n, 1);
        assert_true(frames.frame[0].binary);
        assert_int_equal(frames.frame[0].kind, FRAME_AUDIO);
        assert_int_equal(frames.frame[0].len, sizeof(want));
        assert_memory_equal(frames.frame[0].data, want, sizeof(want));
        wire_frames_free(&frames);
    }
}

static void audio_left_out(void **state)
{
    const struct frame_context off = {.audio = CLIENT_AUDIO_OFF},
                               binary = {.audio = CLIENT_AUDIO_BINARY};
    struct antiphon_event good = audio_of("+/8=", 4, ANTIPHON_BASE64),
                          bad = audio_of("!!!!", 4, ANTIPHON_BASE64),
                          empty = audio_of("", 0, ANTIPHON_RAW);
    struct wire_frames frames;

    (void)state;
    wire_frames_encode(&frames, &wire_v1, &good, &off);
    assert_int_equal(frames.n, 0);
    wire_frames_encode(&frames, &wire_v1, &bad, &binary);
    assert_int_equal(frames.n, 0);
    wire_frames_encode(&frames, &wire_v1, &empty, &binary);
    assert_int_equal(frames.n, 0);
}

static void numbers_up_to_their_limit(void **state)
{
    const struct frame_context large = {.turn = UINT64_MAX, .seq = UINT64_MAX};
    const struct row row = {.type = ANTIPHON_EV_TURN_COMPLETE,
                            .name = "A_REASON_OF_FORTY_SEVEN_LETTERS_WHICH_IS_THE_47",
                            .flags = EVENT_FLAG_NOT_SAVED};
    struct antiphon_event event = event_of(&row);
    struct wire_frames frames;

    (void)state;
    wire_frames_encode(&frames, &wire_v1, &event, &large);
    assert_string_equal(frames.frame[0].data,
                        "{\"turn_complete\":true,\"interrupted\":null,\"reason\":"
                        "\"A_REASON_OF_FORTY_SEVEN_LETTERS_WHICH_IS_THE_47\",\"saved\":false,"
                        "\"type\":\"turn_complete\",\"turn\":18446744073709551615,"
                        "\"seq\":18446744073709551615}");
    wire_frames_free(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_taken),
        cmocka_unit_test(binary_frames_are_pcm),
        cmocka_unit_test(bad_frames_are_told_apart),
        cmocka_unit_test(every_event_becomes_a_frame_of_the_schema),
        cmocka_unit_test(the_schema_refuses_other_frames),
        cmocka_unit_test(audio_as_json),
        cmocka_unit_test(audio_as_binary),
        cmocka_unit_test(audio_left_out),
        cmocka_unit_test(numbers_up_to_their_limit),
    };
    return cmocka_run_group_tests(tests, schema_load, schema_unload);
}
