/* Server messages as events: every key, odd layouts, and what the real server's clients recorded.
 */
#include "support.h"

#include <dirent.h>

#include "b64.h"
#include "decode.h"

struct run {
    struct decode decode;
    struct seen seen;
    struct decode_error error;
    size_t where;
};

static enum antiphon_status feed(struct run *run, const char *json, size_t n)
{
    char *exact = malloc(n ? n : 1); /* exact size, so that reading beyond it is found */
    memcpy(exact, json, n);
    enum antiphon_status status =
        decode_message(&run->decode, exact, n, seen_add, &run->seen, &run->error, &run->where);
    free(exact);
    return status;
}

/* What the message turns into, after `run` has seen others. */
static void expect_more(struct run *run, const char *json, const char *wanted)
{
    if (feed(run, json, strlen(json)) != ANTIPHON_OK)
        fail_msg("refused at byte %zu: %s", run->where, json);
    char *got = seen_print(&run->seen);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s\n got:\n%s wanted:\n%s", json, got, wanted);
    free(got);
    seen_clear(&run->seen);
}

static void expect(const char *json, const char *wanted)
{
    struct run run = {0};
    expect_more(&run, json, wanted);
}

static void test_keys(void **unused)
{
    (void)unused;
    expect("{\"setupComplete\":{}}", "READY\n");
    expect("{\"setupComplete\":{\"sessionId\":\"x\"}}", "READY\n");
    expect("{\"setupComplete\":null}", "");
    expect("{\"serverContent\":{}}", "");
    expect("{\"serverContent\":{\"modelTurn\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hi\"}]}}}",
           "TEXT 'Hi'\n");
    expect("{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"Plan\",\"thought\":true},"
           "{\"text\":\"\"},{\"text\":\"A\",\"thought\":false,\"thoughtSignature\":\"AA==\"}]}}}",
           "TEXT 'Plan' thought\nTEXT 'A'\n");
    expect("{\"serverContent\":{\"generationComplete\":true}}", "GENERATION_COMPLETE\n");
    expect("{\"serverContent\":{\"turnComplete\":true}}", "TURN_COMPLETE\n");
    expect("{\"serverContent\":{\"turnComplete\":false,\"interrupted\":false}}", "");
    expect(
        "{\"serverContent\":{\"turnComplete\":true,\"turnCompleteReason\":\"RESPONSE_REJECTED\"}}",
        "TURN_COMPLETE name=RESPONSE_REJECTED\n");
    expect("{\"serverContent\":{\"interrupted\":true}}", "INTERRUPTED\n");
    expect("{\"serverContent\":{\"turnComplete\":true,\"interactionStatus\":\"IN_PROGRESS\"}}", "");
    expect("{\"serverContent\":{\"turnComplete\":true,\"interactionStatus\":\"IDLE\"}}",
           "TURN_COMPLETE\n");
    expect("{\"serverContent\":{\"waitingForInput\":true,\"interimInputTranscription\":{\"text\":"
           "\"x\"},"
           "\"urlContextMetadata\":{\"urlMetadata\":[]}}}",
           "");
    expect("{\"serverContent\":{\"groundingMetadata\":{\"webSearchQueries\":[\"q\"]}}}",
           "GROUNDING '{\"webSearchQueries\":[\"q\"]}'\n");
    expect("{\"toolCallCancellation\":{\"ids\":[\"a\",\"\",7,\"b\"]}}",
           "CANCEL id=a\nCANCEL id=b\n");
    expect("{\"voiceActivity\":{\"type\":\"ACTIVITY_START\",\"audioOffset\":\"1.2s\"}}",
           "VOICE name=ACTIVITY_START\n");
    expect("{\"voiceActivity\":{\"voiceActivityType\":\"ACTIVITY_END\"}}",
           "VOICE name=ACTIVITY_END\n");
    expect("{\"voiceActivity\":{\"type\":\"SOMETHING\"}}", "");
    expect("{\"voiceActivityDetectionSignal\":{\"vadSignalType\":\"VAD_SIGNAL_TYPE_SOS\"}}",
           "VOICE name=ACTIVITY_START\n");
    expect("{\"voiceActivityDetectionSignal\":{\"vadSignalType\":\"VAD_SIGNAL_TYPE_EOS\"}}",
           "VOICE name=ACTIVITY_END\n");
    expect("{}", "");
    expect("{\"somethingNew\":{\"a\":1}}", "");
}

static void test_transcripts(void **unused)
{
    struct run run = {.decode = {.whole_input = true}};
    (void)unused;
    expect("{\"serverContent\":{\"inputTranscription\":{\"text\":\" a\",\"languageCode\":\"en\"}}}",
           "INPUT ' a'\n");
    expect("{\"serverContent\":{\"outputTranscription\":{\"text\":\" b\",\"finished\":false}}}",
           "OUTPUT ' b'\n");
    expect("{\"serverContent\":{\"outputTranscription\":{\"finished\":true}}}", "OUTPUT final\n");
    expect("{\"serverContent\":{\"inputTranscription\":{}}}", "");
    expect_more(&run, "{\"serverContent\":{\"inputTranscription\":{\"text\":\"all\"}}}",
                "INPUT 'all' final\n");
    expect_more(&run, "{\"serverContent\":{\"outputTranscription\":{\"text\":\"bit\"}}}",
                "OUTPUT 'bit'\n");
}

static void test_code(void **unused)
{
    (void)unused;
    expect("{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"executableCode\":{\"language\":"
           "\"PYTHON\","
           "\"code\":\"f()\"}},{\"codeExecutionResult\":{\"outcome\":\"OUTCOME_OK\"}}]}}}",
           "CODE '{\"language\":\"PYTHON\",\"code\":\"f()\"}' name=executableCode\n"
           "CODE '{\"outcome\":\"OUTCOME_OK\"}' name=codeExecutionResult\n");
}

static void test_tool_calls(void **unused)
{
    struct run run = {0};
    (void)unused;
    expect("{\"toolCall\":{\"functionCalls\":[{\"id\":\"c1\",\"name\":\"f\",\"args\":{\"city\":"
           "\"Seoul\"}},"
           "{\"id\":\"c2\",\"name\":\"g\"},{\"id\":\"c3\"},{\"name\":\"h\",\"args\":null}]}}",
           "CALL '{\"city\":\"Seoul\"}' id=c1 name=f 0/3\nCALL '{}' id=c2 name=g 1/3\n"
           "CALL '{}' name=h 2/3\n");
    /* In a turn of the model, with or without a toolCall of the same id. */
    expect("{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"Let me look.\"},{\"functionCall\":{\"id\":\"c1\","
           "\"name\":\"f\",\"args\":{\"n\":1}}},{\"functionCall\":{\"id\":\"c2\"}},{\"function_call\":7}]}},"
           "\"toolCall\":{\"functionCalls\":[{\"id\":\"c1\",\"name\":\"f\",\"args\":{\"n\":1}}]}}",
           "TEXT 'Let me look.'\nCALL '{\"n\":1}' id=c1 name=f 0/1\nCALL '{\"n\":1}' id=c1 name=f 0/1\n");
    /* Numbers keep every digit. */
    const char *json = "{\"toolCall\":{\"functionCalls\":[{\"name\":\"f\",\"args\":{\"n\":"
                       "9007199254740993,\"x\":0.30000000000000004}}]}}";
    assert_int_equal(feed(&run, json, strlen(json)), ANTIPHON_OK);
    assert_string_equal(seen_data(&run.seen.events[0]),
                        "{\"n\":9007199254740993,\"x\":0.30000000000000004}");
    seen_clear(&run.seen);
}

static void test_usage(void **unused)
{
    (void)unused;
    expect("{\"usageMetadata\":{\"promptTokenCount\":5,\"responseTokenCount\":7,"
           "\"totalTokenCount\":12,"
           "\"responseTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":7}],"
           "\"serviceTier\":\"standard\"}}",
           "USAGE '{\"promptTokenCount\":5,\"candidatesTokenCount\":7,\"totalTokenCount\":12,"
           "\"candidatesTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":7}],"
           "\"serviceTier\":\"standard\"}'\n");
    expect("{\"usageMetadata\":{\"candidatesTokenCount\":7,\"trafficType\":\"ON_DEMAND\"}}",
           "USAGE '{\"candidatesTokenCount\":7,\"trafficType\":\"ON_DEMAND\"}'\n");
    expect("{\"usageMetadata\":{}}", "");
}

static void test_resumption_and_go_away(void **unused)
{
    (void)unused;
    expect("{\"sessionResumptionUpdate\":{\"newHandle\":\"h/1+\",\"resumable\":true,"
           "\"lastConsumedClientMessageIndex\":\"42\"}}",
           "RESUMPTION 'h/1+' resumable\n");
    expect("{\"sessionResumptionUpdate\":{}}", "RESUMPTION\n");
    expect("{\"sessionResumptionUpdate\":{\"newHandle\":\"h\"}}", "RESUMPTION\n");
    expect("{\"sessionResumptionUpdate\":{\"newHandle\":\"\",\"resumable\":true}}", "RESUMPTION\n");
    expect("{\"goAway\":{\"timeLeft\":\"50s\"}}", "GO_AWAY 50000ms\n");
    expect("{\"goAway\":{\"timeLeft\":\"1.500s\"}}", "GO_AWAY 1500ms\n");
    expect("{\"goAway\":{\"timeLeft\":\"0.0509s\"}}", "GO_AWAY 50ms\n");
    expect("{\"goAway\":{}}", "GO_AWAY\n");
    expect("{\"goAway\":{\"timeLeft\":\"soon\"}}", "GO_AWAY\n");
    expect("{\"goAway\":{\"timeLeft\":\"99999999999999999999s\"}}", "GO_AWAY\n");
}

/* Content first, flags last, whatever the order of the keys. */
static void test_everything_at_once(void **unused)
{
    (void)unused;
    expect(
        "{\"goAway\":{\"timeLeft\":\"9s\"},\"sessionResumptionUpdate\":{},"
        "\"usageMetadata\":{\"totalTokenCount\":1},\"toolCallCancellation\":{\"ids\":[\"x\"]},"
        "\"toolCall\":{\"functionCalls\":[{\"id\":\"c\",\"name\":\"f\"}]},"
        "\"serverContent\":{\"turnComplete\":true,\"interrupted\":true,\"generationComplete\":true,"
        "\"outputTranscription\":{\"text\":\"C\"},\"inputTranscription\":{\"text\":\"I\"},"
        "\"groundingMetadata\":{},\"modelTurn\":{\"parts\":[{\"text\":\"A\"},{\"inlineData\":"
        "{\"mimeType\":\"audio/pcm\",\"data\":\"AAAA/w==\"}},{\"text\":\"B\"}]}},"
        "\"setupComplete\":{},\"voiceActivity\":{\"type\":\"ACTIVITY_END\"}}",
        "READY\nTEXT 'A'\nAUDIO 24000 b64 8\nTEXT 'B'\nINPUT 'I'\nOUTPUT 'C'\nGROUNDING '{}'\n"
        "CALL '{}' id=c name=f 0/1\nCANCEL id=x\nVOICE name=ACTIVITY_END\n"
        "USAGE '{\"totalTokenCount\":1}'\nGENERATION_COMPLETE\nINTERRUPTED\nTURN_COMPLETE\n"
        "RESUMPTION\nGO_AWAY 9000ms\n");
}

static void test_text_is_resolved(void **unused)
{
    (void)unused;
    expect("{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":"
           "\"\\u00e9\\ud83d\\ude00 \\\"q\\\" \\/ \\t\\ud800x\\u0000\"}]}}}",
           "TEXT '\xc3\xa9\xf0\x9f\x98\x80 \"q\" / \t\xef\xbf\xbdx\xef\xbf\xbd'\n");
    expect("{\"server\\u0043ontent\":{\"turnComplete\":true}}", "TURN_COMPLETE\n");
}

static void test_wrong_types_are_passed_over(void **unused)
{
    (void)unused;
    expect("{\"serverContent\":7,\"toolCall\":[],\"usageMetadata\":\"x\",\"goAway\":false}",
           "GO_AWAY\n");
    expect("{\"serverContent\":{\"modelTurn\":{\"parts\":{\"text\":\"x\"}}}}", "");
    expect("{\"serverContent\":{\"modelTurn\":{\"parts\":[1,null,\"x\",[],{\"text\":1},{"
           "\"inlineData\":"
           "\"x\"},{\"executableCode\":1}]}}}",
           "");
    expect("{\"serverContent\":{\"turnComplete\":\"true\",\"inputTranscription\":\"x\","
           "\"groundingMetadata\":[]}}",
           "");
    expect("{\"toolCall\":{\"functionCalls\":[1,{\"name\":7},{\"name\":\"\"}]}}", "");
}

static void test_nonsense(void **unused)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "x",
                                      "[]",
                                      "\"a\"",
                                      "1",
                                      "null",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":1}x",
                                      "{\"a\":01}",
                                      "{\"a\":\"\x80\"}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":\"\\u12g4\"}",
                                      "{\"serverContent\":{\"turnComplete\":true}"};
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct run run = {0};
        if (feed(&run, bad[i], strlen(bad[i])) != ANTIPHON_EPROTOCOL)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(run.seen.n, 0);
    }
}

static void test_depth_and_size(void **unused)
{
    struct run run = {0};
    size_t n = 10000;
    char *deep = malloc(n + 1);
    (void)unused;
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', n - 5);
    assert_int_equal(feed(&run, deep, n), ANTIPHON_EPROTOCOL);
    free(deep);
    char *big = malloc(DECODE_MAX_BYTES + 1);
    memset(big, ' ', DECODE_MAX_BYTES + 1);
    assert_int_equal(decode_message(&run.decode, big, DECODE_MAX_BYTES + 1, seen_add, &run.seen,
                                    &run.error, &run.where),
                     ANTIPHON_ETOOBIG);
    memcpy(big + DECODE_MAX_BYTES - 20, "{\"setupComplete\":{}}", 20);
    assert_int_equal(decode_message(&run.decode, big, DECODE_MAX_BYTES, seen_add, &run.seen,
                                    &run.error, &run.where),
                     ANTIPHON_OK);
    assert_int_equal(run.seen.n, 1);
    free(big);
    seen_clear(&run.seen);
}

static void test_error_objects(void **unused)
{
    static const struct {
        const char *json;
        bool found;
        int code;
        const char *message;
    } cases[] = {
        {"{\"error\":{\"code\":403,\"message\":\"no\",\"status\":\"X\"}}", true, 403, "no"},
        {"{\"error\":\"bad\"}", true, 0, "bad"},
        {"{\"code\":500,\"message\":\"oops\"}", true, 500, "oops"},
        {"{\"message\":\"hello\"}", false, 0, ""},
        {"{\"error\":7}", false, 0, ""},
        {"{\"error\":{\"code\":\"401\"}}", true, 401, ""},
        {"{\"serverContent\":{},\"error\":{\"code\":1}}", false, 0, ""},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run run = {0};
        assert_int_equal(feed(&run, cases[i].json, strlen(cases[i].json)), ANTIPHON_OK);
        assert_int_equal(run.error.found, cases[i].found);
        if (cases[i].found) {
            assert_int_equal(run.error.code, cases[i].code);
            assert_string_equal(run.error.message, cases[i].message);
        }
    }
}

/* ---- audio ----------------------------------------------------------------------------------- */

static char *audio_message(const char *mime, const char *data)
{
    struct text out = {0};
    text_printf(
        &out,
        "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"%s\","
        "\"data\":\"%s\"}}]}}}",
        mime, data);
    return text_take(&out);
}

static void expect_audio(struct run *run, const char *mime, const char *data, const char *wanted)
{
    char *json = audio_message(mime, data);
    expect_more(run, json, wanted);
    free(json);
}

static void test_audio_forms(void **unused)
{
    struct run run = {0};
    (void)unused;
    expect_audio(&run, "audio/pcm;rate=24000", "AAAA/w==", "AUDIO 24000 b64 8\n");
    expect_audio(&run, "audio/pcm", "AAAA/w==", "AUDIO 24000 b64 8\n");
    expect_audio(&run, "audio/pcm;rate=16000", "AAAA/w==", "AUDIO 16000 b64 8\n");
    expect_audio(&run, "audio/pcm; channels=1; rate=8000", "AAAA/w==", "AUDIO 8000 b64 8\n");
    expect_audio(&run, "audio/pcm;rate=0", "AAAA/w==", "AUDIO 24000 b64 8\n");
    expect_audio(&run, "audio/pcm;rate=24000", "AAAA_w==", "AUDIO 24000 raw 4\n"); /* URL-safe */
    expect_audio(&run, "audio/pcm;rate=24000", "AAAA/w", "AUDIO 24000 raw 4\n");   /* no padding */
    expect_audio(&run, "audio/pcm;rate=24000", "AAAA\\/w==", "AUDIO 24000 b64 8\n");
    expect_audio(&run, "audio/pcm;rate=24000", "", "");
    assert_int_equal(run.decode.skipped, 0);
    expect_audio(&run, "audio/pcm;rate=24000", "AAA!", "");
    expect_audio(&run, "audio/pcm;rate=24000", "AAAAA", "");
    expect_audio(&run, "audio/pcmx", "AAAA", "");
    expect_audio(&run, "video/mp4", "AAAA", "");
    assert_true(run.decode.skipped >= 4);
}

static void test_odd_bytes_are_carried(void **unused)
{
    struct run run = {0};
    (void)unused;
    char *json = audio_message("audio/pcm;rate=24000", "AQID"); /* 1 2 3 */
    expect_more(&run, json, "AUDIO 24000 raw 2\n");
    free(json);
    json = audio_message("audio/pcm;rate=24000", "BAUG"); /* 4 5 6 */
    assert_int_equal(feed(&run, json, strlen(json)), ANTIPHON_OK);
    assert_memory_equal(run.seen.events[0].data, "\3\4\5\6", 4);
    seen_clear(&run.seen);
    free(json);
    assert_false(run.decode.odd);
    expect_audio(&run, "audio/pcm;rate=24000", "AQ==", ""); /* one byte: nothing to say yet */
    assert_true(run.decode.odd);
    expect_more(&run, "{\"serverContent\":{\"interrupted\":true}}", "INTERRUPTED\n");
    assert_false(run.decode.odd); /* it belongs to nothing any more */
    expect_audio(&run, "audio/pcm;rate=24000", "AQI=", "AUDIO 24000 b64 4\n");
}

/* The layout with data in the place of its "@". */
static char *filled(const char *layout, const char *data)
{
    struct text out = {0};
    size_t at = strcspn(layout, "@");
    text_add(&out, layout, at);
    text_puts(&out, data);
    text_puts(&out, layout + at + 1);
    return text_take(&out);
}

/* The fast path and the slow one agree, in every layout, and pass the very bytes on. */
static void test_audio_layouts(void **unused)
{
    static const char *const layouts[] = {
        "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      \"parts\": [\n        {\n"
        "          \"inlineData\": {\n            \"mimeType\": \"audio/pcm;rate=24000\",\n"
        "            \"data\": \"@\"\n          }\n        }\n      ]\n    }\n  }\n}\n",
        "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      \"role\": \"model\",\n      "
        "\"parts\": [\n"
        "        {\n          \"inlineData\": {\n            \"mimeType\": "
        "\"audio/pcm;rate=24000\",\n"
        "            \"data\": \"@\"\n          }\n        }\n      ]\n    }\n  }\n}\n",
        "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"inlineData\":{\"mimeType\":"
        "\"audio/pcm;rate=24000\",\"data\":\"@\"}}]}}}",
        "{\"serverContent\":{\"modelTurn\":{\"role\":\"model\",\"parts\":[{\"inlineData\":{"
        "\"mimeType\":"
        "\"audio/pcm;rate=24000\",\"data\":\"@\"}}]}}}",
        " {\"serverContent\" : {\"modelTurn\":{\"parts\":[{\"inlineData\":{\"data\":\"@\","
        "\"mimeType\":\"audio/pcm;rate=24000\"}}]}}}",
        "{\"server_content\":{\"model_turn\":{\"parts\":[{\"inline_data\":{\"mime_type\":"
        "\"audio/pcm;rate=24000\",\"data\":\"@\"}}]}}}",
    };
    unsigned char pcm[4800];
    char text[6404];
    (void)unused;
    for (size_t i = 0; i < sizeof pcm; i++)
        pcm[i] = (unsigned char)(i * 7 + i / 256);
    b64_encode(pcm, sizeof pcm, text);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        struct run run = {0};
        char *json = filled(layouts[i], text);
        assert_int_equal(feed(&run, json, strlen(json)), ANTIPHON_OK);
        assert_int_equal(run.seen.n, 1);
        assert_int_equal(run.seen.events[0].encoding, ANTIPHON_BASE64);
        assert_string_equal(seen_data(&run.seen.events[0]), text);
        seen_clear(&run.seen);
        /* Something that only looks like it: a quote within, then other members. */
        free(json);
        json = filled(layouts[i], "AAAAAAAA\",\"x\":\"AAAA");
        assert_int_equal(feed(&run, json, strlen(json)), ANTIPHON_OK);
        assert_int_equal(run.seen.events[0].len, 8);
        seen_clear(&run.seen);
        free(json);
    }
}

/* ---- recordings ------------------------------------------------------------------------------ */

/* The recordings name long base64 by its length: put sound of that length in its place. */
static char *with_audio(const char *data)
{
    struct text out = {0};
    const char *p = data, *mark;
    while ((mark = strstr(p, "{\"$b64\":"))) {
        const char *bytes = strstr(mark, "\"bytes\":"), *end = strstr(mark, "}}");
        size_t n = (size_t)strtoul(bytes + 8, NULL, 10);
        unsigned char *pcm = calloc(1, n + 1);
        char *text = malloc(b64_encoded_len(n) + 1);
        b64_encode(pcm, n, text);
        text_add(&out, p, (size_t)(mark - p));
        text_printf(&out, "\"%s\"", text);
        free(text);
        free(pcm);
        p = end + 2;
    }
    text_puts(&out, p);
    return text_take(&out);
}

/* "serverContent" -> "server_content", at every level. */
static void to_snake(cJSON *tree)
{
    cJSON *item;
    cJSON_ArrayForEach (item, tree) {
        to_snake(item);
        struct text name = {0};
        for (const char *p = item->string; p && *p; p++) {
            if (*p >= 'A' && *p <= 'Z')
                text_printf(&name, "_%c", *p + 32);
            else
                text_add(&name, p, 1);
        }
        if (item->string) {
            cJSON_free(item->string);
            item->string = text_take(&name);
        }
    }
}

static char *decoded(const char *json)
{
    struct run run = {0};
    if (feed(&run, json, strlen(json)) != ANTIPHON_OK || run.decode.skipped || run.error.found)
        fail_msg("not understood: %s", json);
    char *print = seen_print(&run.seen);
    seen_clear(&run.seen);
    return print;
}

/* One recorded message: understood, and the same in other layouts and spellings. */
static void check_recorded(const char *json, unsigned *kinds)
{
    cJSON *tree = cJSON_Parse(json);
    char *compact = cJSON_PrintUnformatted(tree);
    char *a = decoded(json), *b = decoded(compact);
    assert_string_equal(a, b);
    assert_true(strlen(a) > 0);
    free(b);
    bool has_json =
        strstr(a, "GROUNDING") || strstr(a, "USAGE") || strstr(a, "CALL") || strstr(a, "CODE");
    if (!has_json) { /* what is passed on as it is keeps its spelling */
        to_snake(tree);
        char *snake = cJSON_PrintUnformatted(tree);
        b = decoded(snake);
        assert_string_equal(a, b);
        free(b);
        free(snake);
    }
    for (const char *p = "TEXT\0AUDIO\0READY\0INPUT\0OUTPUT\0CALL\0CANCEL\0GROUNDING\0CODE\0USAGE\0"
                         "GENERATION\0TURN\0INTERRUPTED\0RESUMPTION\0GO_AWAY\0";
         *p; p += strlen(p) + 1)
        if (strstr(a, p))
            *kinds |= 1u << (p[0] + p[1] + p[2]) % 31;
    free(a);
    free(compact);
    cJSON_Delete(tree);
}

static unsigned check_file(const char *path, unsigned *kinds)
{
    unsigned n = 0;
    char *text = read_file(path), *next;
    for (char *line = text; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        cJSON *record = cJSON_Parse(line);
        const char *link = cJSON_GetStringValue(cJSON_GetObjectItem(record, "link"));
        const char *dir = cJSON_GetStringValue(cJSON_GetObjectItem(record, "dir"));
        const char *type = cJSON_GetStringValue(cJSON_GetObjectItem(record, "type"));
        const char *data = cJSON_GetStringValue(cJSON_GetObjectItem(record, "data"));
        if (link && dir && type && data && strcmp(link, "upstream") == 0 &&
            strcmp(dir, "in") == 0 && (strcmp(type, "binary") == 0 || strcmp(type, "text") == 0)) {
            char *json = with_audio(data);
            check_recorded(json, kinds);
            free(json);
            n++;
        }
        cJSON_Delete(record);
    }
    free(text);
    return n;
}

static unsigned check_folder(const char *folder, unsigned *kinds)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    unsigned n = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char path[512];
        size_t len = strlen(entry->d_name);
        if (len < 6 || strcmp(entry->d_name + len - 6, ".jsonl") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        n += check_file(path, kinds);
    }
    closedir(dir);
    return n;
}

static void test_recordings(void **unused)
{
    unsigned kinds = 0, n;
    (void)unused;
    n = check_folder(FIXTURES_DIR "/wire/seed", &kinds);
    n += check_folder(FIXTURES_DIR "/wire/seed/tools", &kinds);
    assert_true(n > 500);
    assert_true(__builtin_popcount(kinds) >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_tool_calls),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_resumption_and_go_away),
        cmocka_unit_test(test_everything_at_once),
        cmocka_unit_test(test_text_is_resolved),
        cmocka_unit_test(test_wrong_types_are_passed_over),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_depth_and_size),
        cmocka_unit_test(test_error_objects),
        cmocka_unit_test(test_audio_forms),
        cmocka_unit_test(test_odd_bytes_are_carried),
        cmocka_unit_test(test_audio_layouts),
        cmocka_unit_test(test_recordings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
