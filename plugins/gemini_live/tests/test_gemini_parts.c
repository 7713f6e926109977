/* The small parts: text, base64, reading JSON in place, trees, the backend, the schema of tools. */
#include "support.h"

#include "b64.h"
#include "backend.h"
#include "catalog.h"
#include "encode.h"
#include "history.h"
#include "openapi.h"
#include "reader.h"
#include "setup.h"
#include "tree.h"

/* ---- text and base64 ------------------------------------------------------------------------- */

static void expect_json(const char *data, size_t len, const char *wanted)
{
    struct text text = {0};
    text_json(&text, data, len);
    assert_string_equal(text.data, wanted);
    text_free(&text);
}

static void test_text(void **unused)
{
    struct text text = {0};
    (void)unused;
    expect_json("", 0, "\"\"");
    expect_json("a\"\\\n\t\x01z", 7, "\"a\\\"\\\\\\n\\u0009\\u0001z\"");
    expect_json("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    expect_json("\xc3(\xed\xa0\x80\xf5", 6,
                "\"\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    text_url(&text, "1//r t:\xc3");
    assert_string_equal(text.data, "1%2F%2Fr%20t%3A%C3");
    text_add(&text, NULL, 0);
    assert_false(text.failed);
    static char huge[1];
    text_add(&text, huge, TEXT_MAX_BYTES);
    assert_true(text.failed);
    assert_null(text_take(&text));
}

static void test_b64(void **unused)
{
    static const struct {
        const char *text;
        enum b64_form form;
        size_t bytes;
    } cases[] = {
        {"", B64_STANDARD, 0},     {"AA==", B64_STANDARD, 1},  {"AAA=", B64_STANDARD, 2},
        {"AAAA", B64_STANDARD, 3}, {"+/+/", B64_STANDARD, 3},  {"-_-_", B64_OTHER, 3},
        {"AA", B64_OTHER, 1},      {"AAA", B64_OTHER, 2},      {"AB==", B64_OTHER, 1},
        {"AAB=", B64_OTHER, 2},    {"A", B64_BAD, 0},          {"A===", B64_BAD, 0},
        {"=", B64_BAD, 0},         {"==", B64_BAD, 0},         {"AA=", B64_BAD, 0},
        {"A=AA", B64_BAD, 0},      {"AAAA=", B64_BAD, 0},      {"AA AA", B64_BAD, 0},
        {"AAA\x80", B64_BAD, 0},   {"AAAAAA==AA", B64_BAD, 0},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes = 99;
        if (b64_check(cases[i].text, strlen(cases[i].text), &bytes) != cases[i].form ||
            bytes != cases[i].bytes)
            fail_msg("%s", cases[i].text);
    }
    for (size_t n = 0; n < 300; n++) {
        unsigned char in[300], out[300];
        char text[404];
        size_t bytes;
        for (size_t i = 0; i < n; i++)
            in[i] = (unsigned char)(i * 37 + n);
        b64_encode(in, n, text);
        assert_int_equal(strlen(text), b64_encoded_len(n));
        assert_int_equal(b64_check(text, strlen(text), &bytes), B64_STANDARD);
        assert_int_equal(bytes, n);
        assert_int_equal(b64_decode(text, strlen(text), out), n);
        assert_memory_equal(in, out, n);
        size_t len = b64_encode_url(in, n, text);
        assert_int_equal(b64_decode(text, len, out), n);
        assert_memory_equal(in, out, n);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct value checked(const char *json)
{
    struct value value;
    size_t where;
    if (!reader_check(json, strlen(json), &value, &where))
        fail_msg("refused at %zu: %s", where, json);
    return value;
}

static void test_reader(void **unused)
{
    struct value v =
        checked(" { \"a\" : [ 1 , \"x\\\"]\" , { } , [ ] , -1.5e+3 ] , \"b_c\":\"\\u00e9\", "
                "\"n\":null,\"t\":true } \n");
    struct value item, list = reader_get(v, "a", NULL);
    struct reader r = reader_open(list);
    static const char *const items[] = {"1", "\"x\\\"]\"", "{ }", "[ ]", "-1.5e+3"};
    (void)unused;
    for (size_t i = 0; i < 5; i++) {
        assert_true(reader_element(&r, &item));
        assert_int_equal(item.n, strlen(items[i]));
        assert_memory_equal(item.p, items[i], item.n);
    }
    assert_false(reader_element(&r, &item));
    struct text text = {0};
    assert_true(reader_string(reader_get(v, "bC", "b_c"), &text));
    assert_string_equal(text.data, "\xc3\xa9");
    text_free(&text);
    assert_true(reader_is_null(reader_get(v, "n", NULL)));
    assert_true(reader_is_null(reader_get(v, "no", NULL)));
    assert_true(reader_is_true(reader_get(v, "t", NULL)));
    assert_null(reader_get(list, "a", NULL).p);
    r = reader_open(reader_get(v, "t", NULL));
    assert_false(reader_element(&r, &item));
}

static void test_reader_numbers(void **unused)
{
    static const struct {
        const char *json;
        bool ok;
        int64_t number;
    } cases[] = {{"5", true, 5},     {"\"5\"", true, 5},  {"-7", true, -7},
                 {"40.0", true, 40}, {"\"x\"", false, 0}, {"\"\"", false, 0},
                 {"true", false, 0}, {"[1]", false, 0},   {"\"5x\"", false, 0}};
    int64_t number;
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        number = 0;
        assert_int_equal(reader_int(checked(cases[i].json), &number), cases[i].ok);
        if (cases[i].ok)
            assert_int_equal(number, cases[i].number);
    }
    assert_false(reader_int((struct value){NULL, 0}, &number));
}

static void test_reader_depth(void **unused)
{
    char json[2 * READER_MAX_DEPTH + 3];
    struct value value;
    size_t where;
    (void)unused;
    for (size_t depth = READER_MAX_DEPTH; depth <= READER_MAX_DEPTH + 1; depth++) {
        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        assert_int_equal(reader_check(json, 2 * depth, &value, &where), depth == READER_MAX_DEPTH);
    }
    assert_int_equal(where, READER_MAX_DEPTH);
}

/* ---- backend --------------------------------------------------------------------------------- */

static void expect_backend(const char *json, const char *name, const char *url,
                           const char *resource)
{
    cJSON *config = cJSON_Parse(json);
    struct backend backend;
    struct text got = {0}, model = {0};
    char why[256] = "";
    if (backend_init(&backend, config, why, sizeof why) != ANTIPHON_OK)
        fail_msg("%s: %s", json, why);
    backend_live_url(&backend, NULL, &got);
    backend_model(&backend, "found", "m", &model);
    assert_string_equal(backend_name(&backend), name);
    assert_string_equal(got.data, url);
    assert_string_equal(model.data, resource);
    text_free(&got);
    text_free(&model);
    backend_deinit(&backend);
    cJSON_Delete(config);
}

#define G "ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent"
#define V "ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"

static void test_backends(void **unused)
{
    (void)unused;
    expect_backend("{\"api_key\":\"k\"}", "gemini_api",
                   "wss://generativelanguage.googleapis.com/" G, "models/m");
    expect_backend("{\"api_key\":\"auth_tokens/t\"}", "gemini_api",
                   "wss://generativelanguage.googleapis.com/" G "Constrained", "models/m");
    expect_backend("{\"api_key\":\"k\",\"api_version\":\"v1\"}", "gemini_api",
                   "wss://generativelanguage.googleapis.com/"
                   "ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent",
                   "models/m");
    expect_backend("{\"api_key\":\"k\",\"base_url\":\"http://h:1\"}", "gemini_api", "ws://h:1/" G,
                   "models/m");
    expect_backend("{\"api_key\":\"k\",\"base_url\":\"ws://h:1/p//\"}", "gemini_api",
                   "ws://h:1/p/" G, "models/m");
    expect_backend("{\"api_key\":\"k\",\"base_url\":\"HTTPS://h\"}", "gemini_api", "wss://h/" G,
                   "models/m");
    expect_backend("{\"api_key\":\"k\",\"base_url\":\"wss://h/a/b\",\"vertex\":\"false\"}",
                   "gemini_api", "wss://h/a/b/" G, "models/m");
    expect_backend(
        "{\"vertex\":\"TRUE\",\"project\":\"p\",\"location\":\"europe-west4\",\"api_key\":\"k\"}",
        "vertex", "wss://europe-west4-aiplatform.googleapis.com/" V,
        "projects/p/locations/europe-west4/publishers/google/models/m");
    expect_backend("{\"vertex\":\"1\",\"project\":\"p\"}", "vertex",
                   "wss://aiplatform.googleapis.com/" V,
                   "projects/p/locations/global/publishers/google/models/m");
    expect_backend("{\"vertex\":true,\"project\":\"p\",\"location\":\"eu\"}", "vertex",
                   "wss://aiplatform.eu.rep.googleapis.com/" V,
                   "projects/p/locations/eu/publishers/google/models/m");
    expect_backend("{\"vertex\":true,\"api_key\":\"AQ.k\",\"location\":\"us-central1\"}", "vertex",
                   "wss://aiplatform.googleapis.com/" V, "publishers/google/models/m");
    expect_backend("{\"vertex\":true,\"vertex_base_url\":\"http://proxy:8\"}", "vertex",
                   "ws://proxy:8/", "publishers/google/models/m");
    expect_backend("{\"vertex\":true,\"vertex_base_url\":\"http://h:8\",\"credentials\":\"/f\"}",
                   "vertex", "ws://h:8/" V,
                   "projects/found/locations/global/publishers/google/models/m");
    expect_backend("{\"vertex\":true}", "vertex", "wss://aiplatform.googleapis.com/" V,
                   "projects/found/locations/global/publishers/google/models/m");
    expect_backend("{\"vertex\":true,\"location\":\"us-east1\"}", "vertex",
                   "wss://us-east1-aiplatform.googleapis.com/" V,
                   "projects/found/locations/us-east1/publishers/google/models/m");
}

static void expect_model(const char *config_json, const char *model, const char *wanted)
{
    cJSON *config = cJSON_Parse(config_json);
    struct backend backend;
    struct text got = {0};
    char why[256];
    assert_int_equal(backend_init(&backend, config, why, sizeof why), ANTIPHON_OK);
    backend_model(&backend, NULL, model, &got);
    assert_string_equal(got.data, wanted);
    text_free(&got);
    backend_deinit(&backend);
    cJSON_Delete(config);
}

static void test_model_resources(void **unused)
{
    static const char key[] = "{\"api_key\":\"k\"}",
                      cloud[] = "{\"vertex\":true,\"project\":\"p\",\"location\":\"l\"}";
    (void)unused;
    expect_model(key, "models/x", "models/x");
    expect_model(key, "tunedModels/x", "tunedModels/x");
    expect_model(cloud, "models/x", "models/x");
    expect_model(cloud, "publishers/a/models/x", "projects/p/locations/l/publishers/a/models/x");
    expect_model(cloud, "a/x", "projects/p/locations/l/publishers/a/models/x");
    expect_model(cloud, "projects/q/locations/l/endpoints/1", "projects/q/locations/l/endpoints/1");
}

static void test_bad_configuration(void **unused)
{
    static const char *const bad[] = {
        "{}",
        "{\"api_key\":\"\"}",
        "{\"api_key\":\"k\\n\"}",
        "{\"api_key\":\"k\",\"base_url\":\"h:1\"}",
        "{\"api_key\":\"k\",\"base_url\":\"http://\"}",
        "{\"api_key\":\"k\",\"base_url\":\"http:///x\"}",
        "{\"api_key\":\"k\",\"base_url\":\"http://h?x=1\"}",
        "{\"api_key\":\"k\",\"base_url\":\"http://u@h\"}",
        "{\"api_key\":\"k\",\"base_url\":\"http://h/ x\"}",
        "{\"api_key\":\"k\",\"api_version\":\"v1/../x\"}",
        "{\"vertex\":true,\"project\":\"a/b\"}",
        "{\"vertex\":true,\"location\":\"evil.com/\"}",
        "{\"vertex\":true,\"vertex_base_url\":\"x\"}",
    };
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cJSON *config = cJSON_Parse(bad[i]);
        struct backend backend;
        char why[256] = "";
        if (backend_init(&backend, config, why, sizeof why) != ANTIPHON_EINVAL || strlen(why) < 20)
            fail_msg("%s: %s", bad[i], why);
        cJSON_Delete(config);
    }
    assert_true(backend_is_loopback("http://127.0.0.1:8/x"));
    assert_true(backend_is_loopback("http://localhost/x"));
    assert_true(backend_is_loopback("http://[::1]:8"));
    assert_false(backend_is_loopback("http://127.0.0.1.evil.com"));
    assert_false(backend_is_loopback("http://localhost.evil.com"));
    assert_false(backend_is_loopback("nothing"));
}

/* ---- schemas of tools ------------------------------------------------------------------------ */

static void expect_openapi(const char *schema, const char *wanted)
{
    cJSON *tree = cJSON_Parse(schema), *got = openapi_from(tree);
    char *text = cJSON_PrintUnformatted(got);
    assert_same_json(text, wanted, schema);
    free(text);
    cJSON_Delete(got);
    cJSON_Delete(tree);
}

static void test_openapi(void **unused)
{
    (void)unused;
    expect_openapi(
        "{\"type\":\"object\",\"$schema\":\"x\",\"additionalProperties\":false,\"properties\":"
        "{\"a\":{\"type\":\"string\",\"default\":\"x\",\"format\":\"uri\",\"minLength\":1},"
        "\"b\":{\"type\":\"number\",\"format\":\"double\",\"minimum\":0.5}},"
        "\"required\":[\"a\",\"gone\"]}",
        "{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\",\"minLength\":1},"
        "\"b\":{\"type\":\"NUMBER\",\"format\":\"double\",\"minimum\":0.5}},"
        "\"required\":[\"a\"]}");
    expect_openapi("{\"type\":[\"string\",\"null\"]}", "{\"type\":\"STRING\",\"nullable\":true}");
    expect_openapi("{\"type\":[\"string\",\"integer\"]}",
                   "{\"anyOf\":[{\"type\":\"STRING\"},{\"type\":\"INTEGER\"}]}");
    expect_openapi("{\"type\":\"null\"}", "{\"type\":\"STRING\",\"nullable\":true}");
    expect_openapi("{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}],\"description\":\"d\"}",
                   "{\"type\":\"INTEGER\",\"nullable\":true,\"description\":\"d\"}");
    expect_openapi("{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"boolean\"}]}",
                   "{\"anyOf\":[{\"type\":\"INTEGER\"},{\"type\":\"BOOLEAN\"}]}");
    expect_openapi("{\"enum\":[\"a\",null,\"b\"]}",
                   "{\"type\":\"STRING\",\"enum\":[\"a\",\"b\"],\"nullable\":true}");
    expect_openapi("{\"enum\":[1,2]}", "{\"type\":\"NUMBER\"}");
    expect_openapi("{\"const\":\"a\"}", "{\"type\":\"STRING\",\"enum\":[\"a\"]}");
    expect_openapi("{\"const\":1}", "{\"type\":\"NUMBER\"}");
    expect_openapi("{\"const\":true}", "{\"type\":\"BOOLEAN\"}");
    expect_openapi("{\"type\":\"array\"}", "{\"type\":\"ARRAY\",\"items\":{\"type\":\"STRING\"}}");
    expect_openapi("{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
                   "{\"type\":\"ARRAY\",\"items\":{\"type\":\"INTEGER\"}}");
    expect_openapi("{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
                   "\"required\":[\"a\"]},{\"properties\":{\"b\":{\"type\":\"integer\"}}}]}",
                   "{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\"},"
                   "\"b\":{\"type\":\"INTEGER\"}},\"required\":[\"a\"]}");
    expect_openapi(
        "{\"type\":\"object\",\"properties\":{\"p\":{\"$ref\":\"#/$defs/P\",\"title\":\"t\"}},"
        "\"$defs\":{\"P\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"number\"}}}}}",
        "{\"type\":\"OBJECT\",\"properties\":{\"p\":{\"type\":\"OBJECT\",\"title\":\"t\","
        "\"properties\":{\"x\":{\"type\":\"NUMBER\"}}}}}");
}

/* A schema that refers to itself ends, and so does one that multiplies. */
static void test_openapi_is_bounded(void **unused)
{
    static const char *const schemas[] = {
        "{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}}}",
        ("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"},\"b\":{\"$ref\":\"#\"},\"c\":{"
         "\"$ref\":\"#\"}}}"),
        "{\"$ref\":\"#\"}",
        "{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}",
        "{\"$ref\":\"#/no/such\"}",
        "{\"$ref\":\"http://elsewhere\"}",
    };
    (void)unused;
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        cJSON *tree = cJSON_Parse(schemas[i]), *got = openapi_from(tree);
        char *text = cJSON_PrintUnformatted(got);
        assert_true(!text || strlen(text) < 1000000);
        free(text);
        cJSON_Delete(got);
        cJSON_Delete(tree);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void test_bad_settings(void **unused)
{
    static const char *const bad[] = {"{\"voice\":1}",
                                      "{\"language\":1}",
                                      "{\"vad\":true}",
                                      "{\"setup\":[]}",
                                      "{\"vad\":{\"start_sensitivity\":1}}",
                                      "{\"compression\":1}",
                                      "{\"vad\":{\"prefix_padding_ms\":\"x\"}}",
                                      "{\"thinking\":[]}"};
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cJSON *run = cJSON_Parse("{\"model\":\"m\"}");
        char why[128] = "", *message = NULL;
        cJSON_AddItemToObject(run, "live", cJSON_Parse(bad[i]));
        assert_int_equal(setup_message(run, "models/m", &message, why, sizeof why),
                         ANTIPHON_EINVAL);
        assert_int_equal(strncmp(why, "live.", 5), 0);
        assert_null(message);
        cJSON_Delete(run);
    }
}

static void test_long_history_is_cut(void **unused)
{
    cJSON *run = cJSON_Parse("{\"model\":\"m\",\"profile\":{\"history\":\"client_content\"}}");
    cJSON *turns = cJSON_AddArrayToObject(run, "history");
    char words[2001], *message = NULL;
    (void)unused;
    memset(words, 'w', 2000);
    words[2000] = '\0';
    for (int i = 0; i < 400; i++) {
        cJSON *turn = cJSON_CreateObject(), *parts = cJSON_CreateArray(),
              *part = cJSON_CreateObject();
        cJSON_AddStringToObject(turn, "role", i % 2 ? "model" : "user");
        cJSON_AddStringToObject(part, "text", i == 399 ? "the last" : words);
        cJSON_AddItemToArray(parts, part);
        cJSON_AddItemToObject(turn, "parts", parts);
        cJSON_AddItemToArray(turns, turn);
    }
    assert_int_equal(history_message(run, &message), ANTIPHON_OK);
    assert_true(strlen(message) < HISTORY_MAX_BYTES + 1000);
    assert_true(strlen(message) > HISTORY_MAX_BYTES / 2);
    assert_non_null(strstr(message, "{\"turns\":[{\"role\":\"user\""));
    assert_non_null(strstr(message, "the last"));
    free(message);
    cJSON_Delete(run);
}

static void test_bad_events(void **unused)
{
    static const char *const results[] = {
        "", "{}", "[1]", "[{}]", "[{\"name\":1}]", "[{\"name\":\"f\"}", "x"};
    const struct encode_style style = {0};
    struct encode_message message;
    (void)unused;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        const struct antiphon_event event = {.struct_size = sizeof event,
                                             .type = ANTIPHON_EV_TOOL_RESULTS,
                                             .data = results[i],
                                             .len = strlen(results[i])};
        assert_int_equal(encode_event(&style, &event, &message), ANTIPHON_EINVAL);
        encode_free(&message);
    }
    const struct antiphon_event event = {.struct_size = sizeof event, .type = ANTIPHON_EV_READY};
    assert_int_equal(encode_event(&style, &event, &message), ANTIPHON_EINVAL);
    encode_free(&message);
}

static void test_signals(void **unused)
{
    static const struct {
        enum antiphon_event_type type;
        const char *wanted;
    } cases[] = {
        {ANTIPHON_EV_ACTIVITY_START, "{\"realtimeInput\":{\"activityStart\":{}}}"},
        {ANTIPHON_EV_ACTIVITY_END, "{\"realtimeInput\":{\"activityEnd\":{}}}"},
        {ANTIPHON_EV_AUDIO_END, "{\"realtimeInput\":{\"audioStreamEnd\":true}}"},
    };
    const struct encode_style style = {0};
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct antiphon_event event = {.struct_size = sizeof event, .type = cases[i].type};
        struct encode_message message;
        assert_int_equal(encode_event(&style, &event, &message), ANTIPHON_OK);
        assert_int_equal(message.n, 1);
        assert_int_equal(message.kind, ANTIPHON_WS_CONTROL);
        assert_memory_equal(message.parts[0].data, cases[i].wanted, message.parts[0].len);
        assert_int_equal(message.parts[0].len, strlen(cases[i].wanted));
        encode_free(&message);
    }
}

/* Raw sound is encoded, base64 is passed on without a copy; both may be dropped when the line is
 * slow. */
static void test_audio_in(void **unused)
{
    static const char pcm[] = "\0\0\xff\x7f", base64[] = "AAD/fw==";
    const struct encode_style style = {0};
    struct antiphon_event event = {
        .struct_size = sizeof event, .type = ANTIPHON_EV_AUDIO, .data = pcm, .len = 4};
    struct encode_message message;
    (void)unused;
    assert_int_equal(encode_event(&style, &event, &message), ANTIPHON_OK);
    assert_int_equal(message.kind, ANTIPHON_WS_AUDIO);
    assert_memory_equal(message.parts[1].data, base64, 8);
    encode_free(&message);
    event.data = base64;
    event.len = 8;
    event.encoding = ANTIPHON_BASE64;
    event.sample_rate = 24000;
    assert_int_equal(encode_event(&style, &event, &message), ANTIPHON_OK);
    assert_ptr_equal(message.parts[1].data, base64);
    assert_non_null(strstr(message.parts[0].data, "audio/pcm;rate=24000"));
    encode_free(&message);
}

static void test_catalog_ids(void **unused)
{
    struct text out = {0}, listing = {0};
    (void)unused;
    text_puts(&listing, "{\"models\":[");
    for (int i = 0; i < 50; i++)
        text_printf(
            &listing,
            "%s{\"name\":\"models/m%d\",\"supportedGenerationMethods\":[\"bidiGenerateContent\"]}",
            i ? "," : "", i);
    text_puts(&listing, "]}");
    catalog_ids(listing.data, listing.len, &out);
    assert_non_null(strstr(out.data, "m0, m1, "));
    assert_non_null(strstr(out.data, "m23"));
    assert_null(strstr(out.data, "m24"));
    text_free(&out);
    text_free(&listing);
    static const char odd[] =
        "{\"models\":[1,{\"name\":\"models/<b>\",\"supportedGenerationMethods\":"
        "[\"bidiGenerateContent\"]},{\"name\":\"a\",\"supportedGenerationMethods\":"
        "[\"bidiGenerateContent\"]},{\"supportedGenerationMethods\":[7]}]}";
    catalog_ids(odd, sizeof odd - 1, &out);
    assert_string_equal(out.data, "a");
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_b64),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_numbers),
        cmocka_unit_test(test_reader_depth),
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_model_resources),
        cmocka_unit_test(test_bad_configuration),
        cmocka_unit_test(test_openapi),
        cmocka_unit_test(test_openapi_is_bounded),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_long_history_is_cut),
        cmocka_unit_test(test_bad_events),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_audio_in),
        cmocka_unit_test(test_catalog_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
