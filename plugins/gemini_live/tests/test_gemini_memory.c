/* Every allocation fails once: nothing leaks, nothing is emitted or sent by half. */
#include "support.h"

#include "alloc.h"
#include "conn.h"
#include "decode.h"
#include "encode.h"
#include "history.h"
#include "setup.h"

static cJSON *golden(void)
{
    char *text = read_file(FIXTURES_DIR "/gemini/api-2.5-native.json");
    cJSON *tree = cJSON_Parse(text), *run = cJSON_DetachItemFromObject(tree, "run");
    cJSON_AddStringToObject(run, "model", "gemini-2.5-flash-native-audio-latest");
    cJSON_AddItemToObject(run, "profile",
                          profile_of("gemini_api", "gemini-2.5-flash-native-audio-latest"));
    cJSON_Delete(tree);
    free(text);
    return run;
}

static void test_setup(void **unused)
{
    cJSON *run = golden();
    char why[128], *whole = NULL, *message = NULL;
    unsigned n = 0;
    enum antiphon_status status;
    (void)unused;
    assert_int_equal(setup_message(run, "models/m", &whole, why, sizeof why), ANTIPHON_OK);
    for (;; n++) {
        alloc_fail_at(n);
        status = setup_message(run, "models/m", &message, why, sizeof why);
        if (!alloc_has_failed())
            break;
        /* The one growth of cJSON's printer may fail and be made up for. */
        if (status == ANTIPHON_OK)
            assert_string_equal(message, whole);
        else
            assert_int_equal(status, ANTIPHON_ENOMEM);
        if (status == ANTIPHON_OK)
            free(message);
        message = NULL;
    }
    assert_int_equal(status, ANTIPHON_OK);
    assert_true(n > 100);
    free(message);
    for (n = 0; alloc_fail_at(n), status = history_message(run, &message), alloc_has_failed();
         n++) {
        assert_int_equal(status, ANTIPHON_ENOMEM);
        assert_null(message);
    }
    free(message);
    free(whole);
    cJSON_Delete(run);
}

static void count_event(void *ctx, const struct antiphon_event *event)
{
    (void)event;
    ++*(unsigned *)ctx;
}

static void test_decode(void **unused)
{
    static const char json[] =
        "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"a\"},{\"inlineData\":{"
        "\"mimeType\":"
        "\"audio/pcm\",\"data\":\"AA==\"}}]},\"turnComplete\":true,\"turnCompleteReason\":\"X\","
        "\"inputTranscription\":{\"text\":\"b\"}},\"toolCall\":{\"functionCalls\":[{\"id\":\"1\","
        "\"name\":"
        "\"f\"}]},\"toolCallCancellation\":{\"ids\":[\"1\"]},\"usageMetadata\":{\"a\":1},"
        "\"sessionResumptionUpdate\":{\"newHandle\":\"h\",\"resumable\":true}}";
    unsigned n, events;
    enum antiphon_status status;
    (void)unused;
    for (n = 0;; n++) {
        struct decode decode = {0};
        struct decode_error error;
        size_t where;
        events = 0;
        alloc_fail_at(n);
        status =
            decode_message(&decode, json, sizeof json - 1, count_event, &events, &error, &where);
        if (!alloc_has_failed())
            break;
        assert_int_equal(status, ANTIPHON_ENOMEM);
    }
    assert_int_equal(status, ANTIPHON_OK);
    assert_int_equal(events, 7);
    assert_true(n >= 8);
}

static void test_encode(void **unused)
{
    const struct encode_style style = {0};
    static const char sound[ENCODE_ROOM_BYTES]; /* longer than its base64 has room for in the message */
    const struct antiphon_event events[] = {
        {.struct_size = sizeof *events, .type = ANTIPHON_EV_TEXT, .data = "x", .len = 1},
        {.struct_size = sizeof *events, .type = ANTIPHON_EV_AUDIO, .data = sound, .len = sizeof sound},
        {.struct_size = sizeof *events, .type = ANTIPHON_EV_AUDIO, .data = sound, .len = 2, .sample_rate = 8000},
        {.struct_size = sizeof *events,
         .type = ANTIPHON_EV_TOOL_RESULTS,
         .data = "[{\"name\":\"f\",\"response\":{}}]",
         .len = 28},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct encode_message message;
        unsigned n = 0;
        enum antiphon_status status;
        for (;; n++) {
            alloc_fail_at(n);
            status = encode_event(&style, &events[i], &message);
            encode_free(&message);
            if (!alloc_has_failed())
                break;
            assert_int_equal(status, ANTIPHON_ENOMEM);
        }
        assert_int_equal(status, ANTIPHON_OK);
        assert_true(n > 0);
    }
}

/* Every frame of a client that sends samples: 200 ms, the longest that are joined. */
static void test_audio_needs_no_memory(void **unused)
{
    static const char sound[6400];
    const struct encode_style styles[] = {{0}, {.media_chunks = true}};
    const struct antiphon_event event = {.struct_size = sizeof event,
                                         .type = ANTIPHON_EV_AUDIO,
                                         .data = sound,
                                         .len = sizeof sound,
                                         .sample_rate = 16000};
    struct encode_message message;
    (void)unused;
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        alloc_fail_at(0);
        assert_int_equal(encode_event(&styles[i], &event, &message), ANTIPHON_OK);
        assert_false(alloc_has_failed());
        assert_int_equal(message.n, 3);
        assert_int_equal(message.parts[1].len, 8536);
        encode_free(&message);
    }
}

/* From init to the end of a connection. Allocations of the fake host are not counted. */
static void test_init_and_open(void **unused)
{
    static const char config[] = "{\"vertex\":true,\"project\":\"p\",\"metadata_host\":\"h\"}";
    cJSON *run = golden();
    char *json = cJSON_PrintUnformatted(run);
    (void)unused;
    for (unsigned n = 0, done = 0; !done; n++) {
        struct fake_host fake;
        void *state = NULL, *conn = NULL;
        char why[256] = "";
        fake_init(&fake);
        alloc_fail_at(n);
        enum antiphon_status status =
            antiphon_plugin_v1()->init(&fake.host, config, &state, why, sizeof why);
        if (status == ANTIPHON_OK)
            status = fake.model.open(state, SINK, json, strlen(json), &conn, why, sizeof why);
        done = !alloc_has_failed();
        if (status != ANTIPHON_OK) {
            assert_true(strlen(why) > 5);
            assert_null(conn);
        }
        if (conn)
            fake.model.close(conn);
        if (fake.http_n)
            fake_fail(&fake, 0, ANTIPHON_ECANCELLED);
        if (state)
            antiphon_plugin_v1()->shutdown(state);
        fake_deinit(&fake);
    }
    free(json);
    cJSON_Delete(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setup),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_audio_needs_no_memory),
        cmocka_unit_test(test_init_and_open),
    };
    alloc_hook_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
