/* One connection through every order of events that the host may see. */
#include "support.h"

#include "conn.h"

#define KEY "AIzaSecretKey0123456789"

static const struct antiphon_plugin *plugin(void)
{
    return antiphon_plugin_v1();
}

static void *start(struct fake_host *fake, const char *config)
{
    void *state = NULL;
    char why[256] = "";
    fake_init(fake);
    if (plugin()->init(&fake->host, config, &state, why, sizeof why) != ANTIPHON_OK)
        fail_msg("init: %s", why);
    assert_true(fake->has_model);
    return state;
}

static void stop(struct fake_host *fake, void *state)
{
    plugin()->shutdown(state);
    fake_deinit(fake);
}

static char *run_of(const char *backend, const char *model, const char *more)
{
    cJSON *profile = profile_of(backend, model);
    char *json = cJSON_PrintUnformatted(profile);
    struct text out = {0};
    text_printf(
        &out,
        "{\"model\":\"%s\",\"modality\":\"AUDIO\",\"instruction\":\"Be kind.\",\"profile\":%s,"
        "\"input_transcription\":true,\"output_transcription\":true,"
        "\"deadlines\":{\"resolve_ms\":2000,\"connect_ms\":5000},\"max_message\":16777216%s}",
        model, json, more);
    free(json);
    cJSON_Delete(profile);
    return text_take(&out);
}

static void *open_run(struct fake_host *fake, void *state, const char *run)
{
    void *conn = NULL;
    char why[256] = "";
    if (fake->model.open(state, SINK, run, strlen(run), &conn, why, sizeof why) != ANTIPHON_OK)
        fail_msg("open: %s", why);
    return conn;
}

static void *open_model(struct fake_host *fake, void *state, const char *model, const char *more)
{
    char *run = run_of(fake->model.backend(state), model, more);
    void *conn = open_run(fake, state, run);
    free(run);
    return conn;
}

static const char developer[] = "{\"api_key\":\"" KEY "\"}";

static enum antiphon_status say(struct fake_host *fake, void *conn, const char *text)
{
    const struct antiphon_event event = {
        .struct_size = sizeof event, .type = ANTIPHON_EV_TEXT, .data = text, .len = strlen(text)};
    return fake->model.send(conn, &event);
}

static void test_talk(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer);
    void *conn = open_model(&fake, state, "gemini-3.8-live", ",\"resumption\":{\"enabled\":true}");
    (void)unused;
    assert_string_equal(fake.model.backend(state), "gemini_api");
    assert_string_equal(fake.url, "wss://generativelanguage.googleapis.com/ws/"
                                  "google.ai.generativelanguage.v1alpha.GenerativeService."
                                  "BidiGenerateContent");
    assert_string_equal(fake.headers, "Content-Type: application/json\n"
                                      "user-agent: antiphon/" GEMINI_LIVE_VERSION "\n"
                                      "x-goog-api-client: antiphon/" GEMINI_LIVE_VERSION "\n"
                                      "x-goog-api-key: " KEY "\n");
    assert_int_equal(fake.resolve_ms, 2000);
    assert_int_equal(fake.connect_ms, 5000);
    assert_int_equal(fake.max_message, 16777216);
    assert_int_equal(say(&fake, conn, "too early"), ANTIPHON_EUNAVAILABLE);
    assert_int_equal(fake.sent_n, 0);
    fake_opened(&fake);
    assert_int_equal(fake.sent_n, 1);
    assert_int_equal(fake.kinds[0], ANTIPHON_WS_CONTROL);
    assert_int_equal(say(&fake, conn, "too early"), ANTIPHON_EUNAVAILABLE);
    fake_message(&fake, "{\n  \"setupComplete\": {}\n}\n");
    assert_int_equal(fake.seen.n, 1);
    assert_int_equal(fake.seen.events[0].type, ANTIPHON_EV_READY);
    assert_int_equal(say(&fake, conn, "a \"b\"\n"), ANTIPHON_OK);
    assert_string_equal(fake.sent[1], "{\"realtimeInput\":{\"text\":\"a \\\"b\\\"\\n\"}}");
    fake_message(&fake, "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"hi\"}]},"
                        "\"turnComplete\":true},\"usageMetadata\":{\"responseTokenCount\":3}}");
    char *print = seen_print(&fake.seen);
    assert_string_equal(print,
                        "READY\nTEXT 'hi'\nUSAGE '{\"candidatesTokenCount\":3}'\nTURN_COMPLETE\n");
    free(print);
    fake.send_status = ANTIPHON_EBUSY;
    assert_int_equal(say(&fake, conn, "x"), ANTIPHON_EBUSY);
    fake.model.close(conn);
    assert_int_equal(fake.closes, 1);
    assert_int_equal(fake.close_code, 1000);
    stop(&fake, state);
}

/* A second setupComplete means nothing, and what comes before the first one is not passed on. */
static void test_ready_once(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer);
    void *conn = open_model(&fake, state, "gemini-3.8-live", "");
    (void)unused;
    fake_opened(&fake);
    fake_message(&fake, "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"early\"}]}}}");
    assert_int_equal(fake.seen.n, 0);
    fake_message(&fake, "{\"setupComplete\":{\"sessionId\":\"s\"}}");
    fake_message(&fake, "{\"setupComplete\":{}}");
    assert_int_equal(fake.seen.n, 1);
    fake.model.close(conn);
    stop(&fake, state);
}

static void test_history_before_ready(void **unused)
{
    static const char history[] = ",\"history\":[{\"role\":\"user\",\"parts\":[{\"text\":\"q\"}]},"
                                  "{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]}]";
    struct fake_host fake;
    void *state = start(&fake, developer);
    (void)unused;
    void *conn = open_model(&fake, state, "gemini-2.5-flash-native-audio-latest", history);
    fake_opened(&fake);
    assert_int_equal(fake.sent_n, 1);
    fake_message(&fake, "{\"setupComplete\":{}}");
    assert_int_equal(fake.sent_n, 2);
    assert_same_json(
        fake.sent[1],
        "{\"clientContent\":{\"turns\":[{\"role\":\"user\",\"parts\":[{\"text\":\"q\"}]},"
        "{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]}],\"turnComplete\":false}}",
        "history");
    assert_int_equal(fake.seen.n, 1);
    fake.model.close(conn);
    stop(&fake, state);
}

static void reply_within(struct fake_host *fake, const struct antiphon_event *event)
{
    if (event->type == ANTIPHON_EV_READY)
        assert_int_equal(say(fake, fake->conn, "from within"), ANTIPHON_OK);
}

static void test_send_from_within_emit(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer);
    (void)unused;
    fake.conn = open_model(&fake, state, "gemini-2.5-flash-native-audio-latest", "");
    fake.on_emit = reply_within;
    fake_opened(&fake);
    fake_message(&fake, "{\"setupComplete\":{}}");
    assert_int_equal(fake.sent_n, 2);
    assert_non_null(strstr(fake.sent[1], "\"turnComplete\":true"));
    fake.model.close(fake.conn);
    stop(&fake, state);
}

/* close() in every phase: the socket is closed if there is one, nothing is emitted. */
static void test_close_in_each_phase(void **unused)
{
    (void)unused;
    for (int phase = 0; phase < 5; phase++) {
        struct fake_host fake;
        void *state = start(&fake, developer);
        void *conn = open_model(&fake, state, "gemini-3.8-live", "");
        if (phase >= 1)
            fake_opened(&fake);
        if (phase == 2)
            fake_message(&fake, "{\"setupComplete\":{}}");
        if (phase >= 3)
            fake_ended(&fake, ANTIPHON_WS_OPEN, ANTIPHON_OK, 1008, 0,
                       "models/gemini-3.8-live is not found for API version v1alpha");
        if (phase == 4) {
            fake_answer(&fake, 0, 404, "", "");
            fake.model.wake(conn);
        }
        size_t events = fake.seen.n;
        fake.model.close(conn);
        assert_int_equal(fake.seen.n, events);
        assert_int_equal(fake.closes, phase <= 2);
        if (phase == 3)
            fake_answer(&fake, 0, 200, "", "{\"models\":[]}"); /* nobody waits any more */
        assert_int_equal(fake.wakes_n, phase == 4);
        stop(&fake, state);
    }
}

static void check_closed(const struct fake_host *fake, const char *name, int code, uint32_t flags)
{
    const struct antiphon_event *event = fake_event(fake, ANTIPHON_EV_CLOSED);
    assert_non_null(event);
    assert_string_equal(event->name, name);
    assert_int_equal(event->code, code);
    assert_int_equal(event->flags, flags);
    assert_true(event->len > 10);
    assert_true(strlen(event->detail) > 10);
    assert_null(strstr(seen_data(event), KEY));
    assert_null(strstr(event->detail, KEY));
    assert_null(strstr(fake->logged, KEY));
}

#define AGAIN (ANTIPHON_FLAG_MAY_RESUME | ANTIPHON_FLAG_MAY_RESTART)

static void test_refused_before_open(void **unused)
{
    static const struct {
        enum antiphon_ws_stage stage;
        enum antiphon_status status;
        int http;
        const char *name;
    } cases[] = {
        {ANTIPHON_WS_RESOLVE, ANTIPHON_EUNAVAILABLE, 0, "resolve_failed"},
        {ANTIPHON_WS_RESOLVE, ANTIPHON_ETIMEOUT, 0, "timeout"},
        {ANTIPHON_WS_CONNECT, ANTIPHON_EUNAVAILABLE, 0, "connect_failed"},
        {ANTIPHON_WS_TLS, ANTIPHON_EPROTOCOL, 0, "tls_failed"},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 404, "upgrade_refused"},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 403, "credentials"},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 503, "unavailable"},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 429, "quota"},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_host fake;
        void *state = start(&fake, developer);
        void *conn = open_model(&fake, state, "gemini-3.8-live", "");
        fake_ended(&fake, cases[i].stage, cases[i].status, 1006, cases[i].http, "because of " KEY);
        check_closed(&fake, cases[i].name, cases[i].http,
                     fake_event(&fake, ANTIPHON_EV_CLOSED)->flags);
        assert_int_equal(say(&fake, conn, "x"), ANTIPHON_EUNAVAILABLE);
        fake.model.close(conn);
        stop(&fake, state);
    }
}

static void test_open_fails_at_once(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer), *conn = NULL;
    char why[256] = "", *run = run_of("gemini_api", "gemini-3.8-live", "");
    (void)unused;
    fake.open_status = ANTIPHON_EBUSY;
    assert_int_equal(fake.model.open(state, SINK, run, strlen(run), &conn, why, sizeof why),
                     ANTIPHON_EUNAVAILABLE);
    assert_null(conn);
    assert_true(strlen(why) > 10);
    const char *bad[] = {"", "{", "[]", "{}", "{\"model\":\"\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            fake.model.open(state, SINK, bad[i], strlen(bad[i]), &conn, why, sizeof why),
            ANTIPHON_EINVAL);
    free(run);
    run = run_of("gemini_api", "gemini-3.8-live", ",\"live\":{\"vad\":7}");
    assert_int_equal(fake.model.open(state, SINK, run, strlen(run), &conn, why, sizeof why),
                     ANTIPHON_EINVAL);
    assert_string_equal(why, "live.vad: expected an object");
    free(run);
    assert_int_equal(fake.opens, 0);
    stop(&fake, state);
}

static void test_setup_cannot_be_sent(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer);
    void *conn = open_model(&fake, state, "gemini-3.8-live", "");
    (void)unused;
    fake.send_status = ANTIPHON_EBUSY;
    fake_opened(&fake);
    check_closed(&fake, "invalid_argument", 0, 0);
    assert_int_equal(fake.closes, 1);
    fake.model.close(conn);
    stop(&fake, state);
}

static void test_closed_by_server(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer);
    void *conn = open_model(&fake, state, "gemini-3.8-live", "");
    (void)unused;
    fake_opened(&fake);
    fake_ended(&fake, ANTIPHON_WS_OPEN, ANTIPHON_OK, 1007, 0,
               "API key not valid. Please pass a valid API key. " KEY "\n\x80");
    check_closed(&fake, "api_key_invalid", 1007, 0);
    assert_non_null(strstr(seen_data(fake_event(&fake, ANTIPHON_EV_CLOSED)),
                           "(1007: API key not valid. Please pass a valid API key. ***"));
    fake.model.close(conn);
    stop(&fake, state);
}

static void test_nonsense(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer);
    void *conn = open_model(&fake, state, "gemini-3.8-live", "");
    (void)unused;
    fake_opened(&fake);
    fake_message(&fake, "{\"setupComplete\":{}}");
    fake_message(&fake, "{\"serverContent\":");
    check_closed(&fake, "protocol", 0, AGAIN);
    assert_int_equal(fake.close_code, 1002);
    fake.model.close(conn);
    stop(&fake, state);
}

static void test_error_in_band(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, developer);
    void *conn = open_model(&fake, state, "gemini-3.8-live", "");
    (void)unused;
    fake_opened(&fake);
    fake_message(&fake, "{\"error\":{\"code\":429,\"message\":\"slow down\",\"status\":\"X\"}}");
    check_closed(&fake, "quota", 429, ANTIPHON_FLAG_BACK_OFF);
    assert_int_equal(fake.closes, 1);
    fake.model.close(conn);
    stop(&fake, state);
}

static const char not_found[] = "models/gone is not found for API version v1alpha, or is not "
                                "supported for bidiGenerateContent. Call ListMod";

static void test_model_not_found_asks(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, "{\"api_key\":\"" KEY "\",\"base_url\":\"http://127.0.0.1:9/p/\"}");
    void *conn = open_model(&fake, state, "gone", "");
    (void)unused;
    assert_string_equal(fake.url, "ws://127.0.0.1:9/p/ws/google.ai.generativelanguage.v1alpha."
                                  "GenerativeService.BidiGenerateContent");
    fake_opened(&fake);
    fake_ended(&fake, ANTIPHON_WS_OPEN, ANTIPHON_OK, 1008, 0, not_found);
    assert_int_equal(fake.seen.n, 0);
    assert_int_equal(fake.http_n, 1);
    assert_string_equal(fake.http[0].url, "http://127.0.0.1:9/p/v1beta/models?pageSize=1000");
    assert_string_equal(fake.http[0].headers, "x-goog-api-key: " KEY "\n");
    assert_int_equal(fake.http[0].flags, ANTIPHON_HTTP_ALLOW_PRIVATE);
    assert_true(fake.http[0].timeout_ms <= 2000);
    fake.model.wake(conn); /* nothing is settled yet */
    assert_int_equal(fake.seen.n, 0);
    fake_answer(&fake, 0, 200, "",
                "{\"models\":[{\"name\":\"models/a-live\",\"supportedGenerationMethods\":"
                "[\"countTokens\",\"bidiGenerateContent\"]},{\"name\":\"models/b\","
                "\"supportedGenerationMethods\":[\"generateContent\"]},{\"name\":\"models/c-live\","
                "\"supportedGenerationMethods\":[\"bidiGenerateContent\"]}]}");
    assert_int_equal(fake.wakes_n, 1);
    assert_int_equal(fake.wakes[0], SINK);
    fake.model.wake(conn);
    check_closed(&fake, "model_not_found", 1008, 0);
    const char *detail = fake_event(&fake, ANTIPHON_EV_CLOSED)->detail;
    assert_non_null(strstr(detail, "DEMO_AGENT_MODEL"));
    assert_non_null(strstr(detail, "This key can use: a-live, c-live."));
    fake.model.close(conn);
    stop(&fake, state);
}

static void test_model_not_found_without_list(void **unused)
{
    (void)unused;
    for (int how = 0; how < 4; how++) {
        struct fake_host fake;
        void *state = start(&fake, developer);
        void *conn = open_model(&fake, state, "gemini-2.0-flash-live-001", "");
        fake_opened(&fake);
        if (how == 0)
            fake.http_status = ANTIPHON_EBUSY;
        fake_ended(&fake, ANTIPHON_WS_OPEN, ANTIPHON_OK, 1008, 0, not_found);
        if (how == 1)
            fake_fail(&fake, 0, ANTIPHON_ETIMEOUT);
        if (how == 2)
            fake_answer(&fake, 0, 403, "", "{}");
        if (how == 3)
            fake_answer(&fake, 0, 200, "", "<html>");
        if (how)
            fake.model.wake(conn);
        check_closed(&fake, "model_not_found", 1008, 0);
        assert_non_null(strstr(fake_event(&fake, ANTIPHON_EV_CLOSED)->detail, "2025-12-09"));
        fake.model.close(conn);
        stop(&fake, state);
    }
}

/* ---- Vertex ---------------------------------------------------------------------------------- */

static const char vertex[] =
    "{\"vertex\":\"TRUE\",\"project\":\"my-proj\",\"location\":\"us-central1\","
    "\"metadata_host\":\"127.0.0.1:7\",\"quota_project\":\"payer\"}";
#define FLAVOR "HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\n"
#define MODEL  "gemini-live-2.5-flash-native-audio"

static void test_vertex_waits_for_token(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, vertex);
    void *conn = open_model(&fake, state, MODEL, "");
    (void)unused;
    assert_string_equal(fake.model.backend(state), "vertex");
    assert_int_equal(fake.opens, 0);
    assert_int_equal(fake.http_n, 1);
    assert_string_equal(
        fake.http[0].url,
        "http://127.0.0.1:7/computeMetadata/v1/instance/service-accounts/default/token"
        "?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform");
    assert_string_equal(fake.http[0].headers, "Metadata-Flavor: Google\n");
    fake.model.wake(conn); /* too early */
    assert_int_equal(fake.opens, 0);
    fake_answer(&fake, 0, 200, FLAVOR, "{\"access_token\":\"ya29.tok\",\"expires_in\":3599}");
    assert_int_equal(fake.wakes_n, 1);
    fake.model.wake(conn);
    assert_int_equal(fake.opens, 1);
    assert_string_equal(fake.url, "wss://us-central1-aiplatform.googleapis.com/ws/google.cloud."
                                  "aiplatform.v1beta1.LlmBidiService/BidiGenerateContent");
    assert_non_null(
        strstr(fake.headers, "Authorization: Bearer ya29.tok\nx-goog-user-project: payer\n"));
    fake_opened(&fake);
    assert_non_null(strstr(fake.sent[0],
                           "\"projects/my-proj/locations/us-central1/publishers/google/"
                           "models/" MODEL "\""));
    fake_ended(&fake, ANTIPHON_WS_OPEN, ANTIPHON_OK, 1008, 0,
               "Request had invalid authentication credentials. Expected OAuth 2 ya29.tok");
    check_closed(&fake, "credentials", 1008, AGAIN);
    assert_null(strstr(seen_data(fake_event(&fake, ANTIPHON_EV_CLOSED)), "ya29"));
    fake.model.close(conn);
    seen_clear(&fake.seen);
    conn = open_model(&fake, state, MODEL, ""); /* the refused token is not used again */
    assert_int_equal(fake.http_n, 2);
    fake.model.close(conn);
    fake_fail(&fake, 1, ANTIPHON_ECANCELLED);
    stop(&fake, state);
}

static void test_vertex_token_fails(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, vertex);
    void *conn = open_model(&fake, state, MODEL, "");
    (void)unused;
    fake_fail(&fake, 0, ANTIPHON_EUNAVAILABLE);
    fake.model.wake(conn);
    check_closed(&fake, "credentials", 0, AGAIN | ANTIPHON_FLAG_BACK_OFF);
    assert_int_equal(fake.opens, 0);
    fake.model.wake(conn); /* once is enough */
    fake.model.close(conn);
    stop(&fake, state);
}

static void test_vertex_token_is_kept(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, vertex);
    void *conn = open_model(&fake, state, MODEL, "");
    (void)unused;
    fake_answer(&fake, 0, 200, FLAVOR, "{\"access_token\":\"ya29.tok\",\"expires_in\":3600}");
    fake.model.close(conn);
    conn = open_model(&fake, state, MODEL, "");
    assert_int_equal(fake.opens, 1);
    assert_int_equal(fake.http_n, 1);
    fake.model.close(conn);
    fake.now_ms += 3400u * 1000; /* near its end: used, and a new one is fetched beside */
    conn = open_model(&fake, state, MODEL, "");
    assert_int_equal(fake.opens, 2);
    assert_int_equal(fake.http_n, 2);
    fake.model.close(conn);
    fake.now_ms += 300u * 1000; /* over: wait for the new one */
    conn = open_model(&fake, state, MODEL, "");
    assert_int_equal(fake.opens, 2);
    assert_int_equal(fake.http_n, 2);
    fake_answer(&fake, 1, 200, FLAVOR, "{\"access_token\":\"ya29.new\",\"expires_in\":3600}");
    fake.model.wake(conn);
    assert_int_equal(fake.opens, 3);
    assert_non_null(strstr(fake.headers, "Bearer ya29.new"));
    fake.model.close(conn);
    stop(&fake, state);
}

static void test_vertex_project_from_metadata(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, "{\"vertex\":true,\"metadata_host\":\"127.0.0.1:7\","
                               "\"quota_project\":\"payer\"}");
    void *conn = open_model(&fake, state, MODEL, "");
    (void)unused;
    fake_answer(&fake, 0, 200, FLAVOR, "{\"access_token\":\"ya29.tok\",\"expires_in\":3600}");
    assert_int_equal(fake.wakes_n, 0);
    assert_string_equal(fake.http[1].url,
                        "http://127.0.0.1:7/computeMetadata/v1/project/project-id");
    fake_answer(&fake, 1, 200, FLAVOR, "found-proj");
    fake.model.wake(conn);
    fake_opened(&fake);
    assert_non_null(strstr(fake.sent[0], "projects/found-proj/locations/global/"));
    fake.model.close(conn);
    stop(&fake, state);
}

/* The runtime ends while a request is under way. */
static void test_shutdown_with_request(void **unused)
{
    struct fake_host fake;
    void *state = start(&fake, vertex);
    void *conn = open_model(&fake, state, MODEL, "");
    (void)unused;
    fake.model.close(conn);
    plugin()->shutdown(state);
    fake_answer(&fake, 0, 200, FLAVOR, "{\"access_token\":\"ya29.tok\",\"expires_in\":3600}");
    assert_int_equal(fake.wakes_n, 0);
    fake_deinit(&fake);
}

static void test_init_says_what_is_missing(void **unused)
{
    static const struct {
        const char *config, *piece;
    } cases[] = {
        {"{}", "no Gemini credentials: set GOOGLE_API_KEY (https://aistudio.google.com/apikey)"},
        {"{\"api_key\":\"\",\"vertex\":\"false\"}", "or start with --demo"},
        {"{\"api_key\":\"a b\"}", "has a space"},
        {"{\"api_key\":\"k\",\"base_url\":\"ftp://x\"}", "GOOGLE_GEMINI_BASE_URL must be"},
        {"{\"vertex\":\"1\",\"project\":\"p\",\"location\":\"a/b\"}",
         "GOOGLE_CLOUD_LOCATION must be"},
        {"{\"vertex\":\"1\",\"project\":\"p\",\"credentials\":\"/no/such.json\"}",
         "credentials file /no/such.json: No such file"},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_host fake;
        void *state = NULL;
        char why[256] = "";
        fake_init(&fake);
        assert_true(plugin()->init(&fake.host, cases[i].config, &state, why, sizeof why) < 0);
        if (!strstr(why, cases[i].piece))
            fail_msg("%s: %s", cases[i].config, why);
        assert_null(state);
        fake_deinit(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_ready_once),
        cmocka_unit_test(test_history_before_ready),
        cmocka_unit_test(test_send_from_within_emit),
        cmocka_unit_test(test_close_in_each_phase),
        cmocka_unit_test(test_refused_before_open),
        cmocka_unit_test(test_open_fails_at_once),
        cmocka_unit_test(test_setup_cannot_be_sent),
        cmocka_unit_test(test_closed_by_server),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_error_in_band),
        cmocka_unit_test(test_model_not_found_asks),
        cmocka_unit_test(test_model_not_found_without_list),
        cmocka_unit_test(test_vertex_waits_for_token),
        cmocka_unit_test(test_vertex_token_fails),
        cmocka_unit_test(test_vertex_token_is_kept),
        cmocka_unit_test(test_vertex_project_from_metadata),
        cmocka_unit_test(test_shutdown_with_request),
        cmocka_unit_test(test_init_says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
