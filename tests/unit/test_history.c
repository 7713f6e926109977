/* What a fresh connection is told of the talk so far: from events as ADK and we store them. */
#include "unit.h"

#include <stdio.h>

#include "base/json.h"
#include "session/event.h"
#include "session/history.h"

static struct history *history;

static int set_up(void **state)
{
    (void)state;
    return history_new(100, &history);
}

static int tear_down(void **state)
{
    (void)state;
    history_free(history);
    history = NULL;
    return 0;
}

static uint64_t add(const char *event)
{
    uint64_t item = 99;

    assert_int_equal(history_add(history, event, strlen(event), &item), ANTIPHON_OK);
    return item;
}

/* Good until the next call. */
static const char *printed(enum antiphon_status (*print)(const struct history *, struct buf *))
{
    static char text[65536];
    struct buf out;

    buf_init(&out, sizeof(text) - 1);
    assert_int_equal(print(history, &out), ANTIPHON_OK);
    snprintf(text, sizeof(text), "%s", buf_text(&out));
    buf_deinit(&out);
    return text;
}

static enum antiphon_status print_all(const struct history *all, struct buf *out)
{
    return history_print_model(all, 0, out);
}

#define TOLD(want) assert_string_equal(printed(print_all), want)
#define SHOWN(want) assert_string_equal(printed(history_print_client), want)

#define USER(text) "{\"content\":{\"parts\":[{\"text\":\"" text "\"}],\"role\":\"user\"},\"author\":\"user\",\"timestamp\":1.5}"
#define MODEL(text) "{\"content\":{\"parts\":[{\"text\":\"" text "\"}],\"role\":\"model\"},\"author\":\"a\",\"timestamp\":2.25}"
#define CALL(id, name) "{\"function_call\":{" id "\"args\":{\"x\":1},\"name\":\"" name "\"}}"
#define RESPONSE(id, name) "{\"function_response\":{" id "\"name\":\"" name "\",\"response\":{\"y\":[2]}}}"
#define PARTS(role, parts) "{\"content\":{\"parts\":[" parts "],\"role\":\"" role "\"}}"

static void nothing_was_said(void **unused)
{
    (void)unused;
    assert_true(history_empty(history));
    TOLD("[]");
    SHOWN("[]");
    history_hide(history, 0, true);
    history_hide(history, 77, true);
}

static void text_of_both(void **unused)
{
    (void)unused;
    add(USER("hello"));
    add(MODEL("hi \\\"there\\\" \\n \xec\xa0\x80"));
    assert_false(history_empty(history));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"hello\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"hi \\\"there\\\" \\n \xec\xa0\x80\"}]}]");
    SHOWN("[{\"role\":\"user\",\"text\":\"hello\",\"time\":1.500},"
          "{\"role\":\"model\",\"text\":\"hi \\\"there\\\" \\n \xec\xa0\x80\",\"time\":2.250}]");
}

static void neighbours_of_one_role_are_merged(void **unused)
{
    (void)unused;
    add(USER("one"));
    add(USER("two"));
    add(MODEL("three"));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"one\"},{\"text\":\"two\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"three\"}]}]");
}

static void transcripts_count_as_what_was_said(void **unused)
{
    (void)unused;
    add("{\"partial\":false,\"input_transcription\":{\"text\":\"heard\",\"finished\":true},\"author\":\"user\"}");
    add("{\"inputTranscription\":{\"text\":\"again\"}}");
    add("{\"partial\":false,\"output_transcription\":{\"text\":\"said\",\"finished\":true},\"author\":\"a\","
        "\"interrupted\":true,\"timestamp\":3}");
    assert_int_equal(add("{\"output_transcription\":{\"text\":\"\"}}"), 0);
    assert_int_equal(add("{\"output_transcription\":{\"finished\":true}}"), 0);
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"heard\"},{\"text\":\"again\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"said\"}]}]");
    SHOWN("[{\"role\":\"user\",\"text\":\"heard\",\"time\":0.000},{\"role\":\"user\",\"text\":\"again\",\"time\":0.000},"
          "{\"role\":\"model\",\"text\":\"said\",\"time\":3.000,\"interrupted\":true}]");
}

/* Valid JSON, but hundreds of digits for the client and later than everything for the model. */
static void a_time_that_no_clock_tells_is_not_known(void **unused)
{
    static const char *const times[] = {"1795367279e123", "1e308", "-1e308", "-5", "1e11", "\"soon\"", "null"};
    char event[200];

    (void)unused;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        snprintf(event, sizeof(event), "{\"output_transcription\":{\"text\":\"x\"},\"timestamp\":%s}", times[i]);
        add(event);
        SHOWN("[{\"role\":\"model\",\"text\":\"x\",\"time\":0.000}]");
        assert_false(history_has(history, 1));
        assert_true(history_has(history, 0));
        tear_down(NULL);
        assert_int_equal(set_up(NULL), 0);
    }
    add("{\"output_transcription\":{\"text\":\"x\"},\"timestamp\":99999999999}");
    SHOWN("[{\"role\":\"model\",\"text\":\"x\",\"time\":99999999999.000}]");
}

/* What a client gets can be read back with the limits that are ours. */
static void grounding_may_not_be_endlessly_deep(void **unused)
{
    char event[300];
    static const char lists[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", ends[] = "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";

    (void)unused;
    for (int depth = 1; depth <= 30; depth++) {
        cJSON *tree = NULL;
        snprintf(event, sizeof(event),
                 "{\"output_transcription\":{\"text\":\"x\"},\"grounding_metadata\":{\"a\":%.*s%.*s}}", depth, lists,
                 depth, ends);
        add(event);
        const char *shown = printed(history_print_client);
        assert_int_equal(json_parse(shown, strlen(shown), NULL, &tree, NULL), ANTIPHON_OK);
        assert_int_equal(cJSON_HasObjectItem(tree->child, "grounding"), depth < 16);
        cJSON_Delete(tree);
        tear_down(NULL);
        assert_int_equal(set_up(NULL), 0);
    }
}

static void what_is_left_out(void **unused)
{
    (void)unused;
    assert_int_equal(add("{\"turn_complete\":true}"), 0);
    assert_int_equal(add("{\"usage_metadata\":{\"total_token_count\":3}}"), 0);
    assert_int_equal(add("{\"content\":{\"parts\":[{\"text\":\"half\"}],\"role\":\"model\"},\"partial\":true}"), 0);
    assert_int_equal(add("{\"output_transcription\":{\"text\":\"half\"},\"partial\":true}"), 0);
    assert_int_equal(add(PARTS("model", "{\"text\":\"secret\",\"thought\":true}")), 0);
    assert_int_equal(add(PARTS("user", "{\"inline_data\":{\"data\":\"AAAA\",\"mime_type\":\"audio/pcm\"}}")), 0);
    assert_int_equal(add(PARTS("model", "{\"file_data\":{\"file_uri\":\"artifact://x\"}}")), 0);
    assert_int_equal(add("{\"content\":null}"), 0);
    assert_int_equal(add("{\"content\":{\"parts\":{}}}"), 0);
    assert_int_equal(add("{\"content\":{\"parts\":[7,null,\"x\",{\"text\":5}]}}"), 0);
    assert_int_equal(add("[]"), 0);
    assert_true(history_empty(history));
    add(PARTS("model", "{\"text\":\"**Planning**\",\"thought\":true},{\"text\":\"Done\",\"thought\":false},{\"text\":\".\"}"));
    TOLD("[{\"role\":\"model\",\"parts\":[{\"text\":\"Done.\"}]}]");
}

static void what_is_no_event(void **unused)
{
    static const char *const bad[] = {"", "{", "nothing", "{}{}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}"};
    uint64_t item;

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        item = 99;
        assert_int_equal(history_add(history, bad[i], strlen(bad[i]), &item), ANTIPHON_EINVAL);
        assert_int_equal(item, 0);
    }
    assert_true(history_empty(history));
}

static void calls_with_their_responses(void **unused)
{
    (void)unused;
    add(USER("go"));
    add(PARTS("model", CALL("\"id\":\"c1\",", "f") "," CALL("\"id\":\"c2\",", "g")));
    add(PARTS("user", RESPONSE("\"id\":\"c1\",", "f") "," RESPONSE("\"id\":\"c2\",", "g")));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"go\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"c1\",\"name\":\"f\",\"args\":{\"x\":1}}},"
         "{\"functionCall\":{\"id\":\"c2\",\"name\":\"g\",\"args\":{\"x\":1}}}]},"
         "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"c1\",\"name\":\"f\",\"response\":{\"y\":[2]}}},"
         "{\"functionResponse\":{\"id\":\"c2\",\"name\":\"g\",\"response\":{\"y\":[2]}}}]}]");
    /* they are nothing for a page */
    SHOWN("[{\"role\":\"user\",\"text\":\"go\",\"time\":1.500}]");
}

static void halves_are_left_out(void **unused)
{
    (void)unused;
    add(PARTS("model", CALL("\"id\":\"never answered\",", "f")));
    add(PARTS("user", RESPONSE("\"id\":\"never called\",", "f")));
    add(PARTS("user", RESPONSE("\"id\":\"late call\",", "f"))); /* the answer before the question */
    add(PARTS("model", CALL("\"id\":\"late call\",", "f")));
    add(PARTS("model", "{\"function_call\":{\"id\":\"nameless\"}}"));
    assert_false(history_empty(history));
    TOLD("[]");
    add(USER("hello"));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"hello\"}]}]");
}

static void calls_without_id_pair_by_name(void **unused)
{
    (void)unused;
    add(PARTS("model", CALL("", "f")));
    add(PARTS("user", RESPONSE("", "f")));
    add(PARTS("model", CALL("", "g")));
    TOLD("[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"x\":1}}}]},"
         "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"y\":[2]}}}]}]");
}

static void arguments_may_be_missing(void **unused)
{
    (void)unused;
    add(PARTS("model", "{\"functionCall\":{\"id\":\"1\",\"name\":\"f\"}}"));
    add(PARTS("user", "{\"functionResponse\":{\"id\":\"1\",\"name\":\"f\"}}"));
    TOLD("[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"1\",\"name\":\"f\",\"args\":{}}}]},"
         "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"1\",\"name\":\"f\",\"response\":{}}}]}]");
}

static void text_stays_where_it_was_beside_a_call(void **unused)
{
    (void)unused;
    add(PARTS("model", "{\"text\":\"Let me \"},{\"text\":\"see.\"}," CALL("\"id\":\"1\",", "f") ",{\"text\":\"Wait.\"}"));
    add(PARTS("user", RESPONSE("\"id\":\"1\",", "f")));
    TOLD("[{\"role\":\"model\",\"parts\":[{\"text\":\"Let me see.\"},"
         "{\"functionCall\":{\"id\":\"1\",\"name\":\"f\",\"args\":{\"x\":1}}},{\"text\":\"Wait.\"}]},"
         "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"1\",\"name\":\"f\",\"response\":{\"y\":[2]}}}]}]");
}

static void hidden_text_is_not_told_but_shown(void **unused)
{
    (void)unused;
    add(USER("first"));
    uint64_t item = add(USER("under way"));
    assert_int_not_equal(item, 0);
    history_hide(history, item, true);
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"first\"}]}]");
    SHOWN("[{\"role\":\"user\",\"text\":\"first\",\"time\":1.500},{\"role\":\"user\",\"text\":\"under way\",\"time\":1.500}]");
    history_hide(history, item, false);
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"first\"},{\"text\":\"under way\"}]}]");
}

static enum antiphon_status print_since_two(const struct history *all, struct buf *out)
{
    return history_print_model(all, 2, out);
}

static void what_was_said_after_a_moment(void **unused)
{
    (void)unused;
    add(PARTS("user", "{\"text\":\"without a time\"}"));
    add(USER("early"));
    assert_false(history_has(history, 2));
    assert_true(history_has(history, 1));
    assert_true(history_has(history, 0));
    assert_string_equal(printed(print_since_two), "[]");
    uint64_t item = add("{\"content\":{\"parts\":[{\"text\":\"late\"}],\"role\":\"user\"},\"timestamp\":2.001}");
    assert_true(history_has(history, 2));
    assert_string_equal(printed(print_since_two), "[{\"role\":\"user\",\"parts\":[{\"text\":\"late\"}]}]");
    history_hide(history, item, true);
    assert_false(history_has(history, 2));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"without a time\"},{\"text\":\"early\"}]}]");
}

static void the_oldest_are_forgotten(void **unused)
{
    char event[256];

    (void)unused;
    add(PARTS("model", CALL("\"id\":\"old\",", "f")));
    add(PARTS("user", RESPONSE("\"id\":\"old\",", "f")));
    uint64_t first = add(USER("first"));
    for (unsigned i = 0; i < 98; i++) {
        snprintf(event, sizeof(event), USER("n%u"), i);
        add(event);
    }
    /* the call fell out, so its response is not told either */
    assert_non_null(strstr(printed(print_all), "[{\"role\":\"user\",\"parts\":[{\"text\":\"first\"},{\"text\":\"n0\"}"));
    add(USER("last"));
    add(USER("very last"));
    assert_null(strstr(printed(print_all), "first"));
    history_hide(history, first, true); /* gone: nothing happens */
    assert_non_null(strstr(printed(print_all), "{\"text\":\"n0\"}"));
    assert_non_null(strstr(printed(print_all), "{\"text\":\"very last\"}"));
}

static void at_least_one_is_kept(void **unused)
{
    (void)unused;
    history_free(history);
    assert_int_equal(history_new(0, &history), ANTIPHON_OK);
    add(USER("a"));
    add(USER("b"));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"b\"}]}]");
}

static void printing_has_a_bound(void **unused)
{
    struct buf out;

    (void)unused;
    add(USER("hello"));
    buf_init(&out, 20);
    assert_int_equal(history_print_model(history, 0, &out), ANTIPHON_ETOOBIG);
    buf_reset(&out);
    assert_int_equal(history_print_client(history, &out), ANTIPHON_ETOOBIG);
    buf_deinit(&out);
}

/* What we store ourselves is read back. */
static void our_own_events(void **unused)
{
    struct event_stored event = {.id = "1", .invocation_id = "e-1", .author = "user", .timestamp = 7, .role = "user",
                                 .text = "hello"};
    struct buf text;

    (void)unused;
    buf_init(&text, 65536);
    assert_int_equal(event_stored_print(&event, &text), ANTIPHON_OK);
    add(buf_text(&text));
    event = (struct event_stored){.id = "2", .invocation_id = "e-1", .author = "a", .timestamp = 8,
                                  .output_transcript = "half an ans", .has_partial = true, .interrupted = true};
    buf_reset(&text);
    assert_int_equal(event_stored_print(&event, &text), ANTIPHON_OK);
    add(buf_text(&text));
    event = (struct event_stored){.id = "3", .invocation_id = "e-1", .author = "a", .timestamp = 9, .turn_complete = true};
    buf_reset(&text);
    assert_int_equal(event_stored_print(&event, &text), ANTIPHON_OK);
    assert_int_equal(add(buf_text(&text)), 0);
    buf_deinit(&text);
    SHOWN("[{\"role\":\"user\",\"text\":\"hello\",\"time\":7.000},"
          "{\"role\":\"model\",\"text\":\"half an ans\",\"time\":8.000,\"interrupted\":true}]");
}

/* ---- recorded databases ---- */

static cJSON *read_rows(const char *name)
{
    static const struct json_limits limits = {.max_bytes = 4u << 20, .max_tokens = 1u << 18};
    char path[512];
    struct buf text;
    cJSON *tree = NULL;

    snprintf(path, sizeof(path), FIXTURES_DIR "/wire/db/%s.rows.json", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    buf_init(&text, 4u << 20);
    for (int c; (c = fgetc(file)) != EOF;) {
        char byte = (char)c;
        assert_int_equal(buf_append(&text, &byte, 1), ANTIPHON_OK);
    }
    fclose(file);
    assert_int_equal(json_parse(text.data, text.len, &limits, &tree, NULL), ANTIPHON_OK);
    buf_deinit(&text);
    return tree;
}

/* Roles alternate, and every part is of a kind that its role may have. */
static unsigned check_told(const char *told)
{
    const cJSON *content, *part;
    const char *before = "";
    cJSON *tree = NULL;
    unsigned parts = 0;

    assert_int_equal(json_parse(told, strlen(told), NULL, &tree, NULL), ANTIPHON_OK);
    cJSON_ArrayForEach(content, tree)
    {
        const char *role = json_get_string(content, "role");
        assert_non_null(role);
        assert_string_not_equal(role, before);
        before = role;
        cJSON_ArrayForEach(part, json_get(content, "parts"))
        {
            bool user = strcmp(role, "user") == 0;
            assert_true(json_get_string(part, "text") || json_get(part, user ? "functionResponse" : "functionCall"));
            parts++;
        }
    }
    cJSON_Delete(tree);
    return parts;
}

/* All events of one recorded session; the number of parts that are told. */
static unsigned replay(const cJSON *rows, const char *app, const char *user, const char *session)
{
    const cJSON *row;

    history_free(history);
    assert_int_equal(history_new(500, &history), ANTIPHON_OK);
    cJSON_ArrayForEach(row, json_get(json_get(rows, "tables"), "events"))
    {
        if (strcmp(json_get_string(row, "app_name"), app) == 0 && strcmp(json_get_string(row, "user_id"), user) == 0 &&
            strcmp(json_get_string(row, "session_id"), session) == 0)
            add(json_get_string(row, "event_data"));
    }
    return check_told(printed(print_all));
}

static void recorded_talk_with_tools(void **unused)
{
    cJSON *rows = read_rows("sqlite");

    (void)unused;
    assert_int_equal(replay(rows, "native_tools", "bob", "live-tools"), 10);
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"tooltc remember {\\\"what\\\":\\\"차\\\"}\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"function-call-1000000000000000001\",\"name\":"
         "\"remember\",\"args\":{\"what\":\"차\"}}}]},"
         "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"function-call-1000000000000000001\",\"name\":"
         "\"remember\",\"response\":{\"status\":\"ok\",\"remembered\":\"차\"}}}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"Tool said: {\\\"status\\\":\\\"ok\\\",\\\"remembered\\\":\\\"차\\\"}\"}]},"
         "{\"role\":\"user\",\"parts\":[{\"text\":\"tooltc get_time {\\\"city\\\":\\\"Seoul\\\"} get_time "
         "{\\\"city\\\":\\\"부산\\\"}\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"function-call-1000000000000000002\",\"name\":"
         "\"get_time\",\"args\":{\"city\":\"Seoul\"}}},{\"functionCall\":{\"id\":\"function-call-1000000000000000003\","
         "\"name\":\"get_time\",\"args\":{\"city\":\"부산\"}}}]},"
         "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"function-call-1000000000000000002\",\"name\":"
         "\"get_time\",\"response\":{\"status\":\"ok\",\"city\":\"Seoul\",\"time\":\"12:34\"}}},{\"functionResponse\":{"
         "\"id\":\"function-call-1000000000000000003\",\"name\":\"get_time\",\"response\":{\"status\":\"ok\",\"city\":"
         "\"부산\",\"time\":\"12:34\"}}}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"Tool said: {\\\"status\\\":\\\"ok\\\",\\\"city\\\":\\\"부산\\\","
         "\\\"time\\\":\\\"12:34\\\"}\"}]}]");
    cJSON_Delete(rows);
}

static void recorded_talk_by_voice(void **unused)
{
    cJSON *rows = read_rows("sqlite");

    (void)unused;
    assert_int_equal(replay(rows, "native_search", "alice", "live-voice"), 6);
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"hello\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"You said: hello\"}]},"
         "{\"role\":\"user\",\"parts\":[{\"text\":\"speech of 2000 ms\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"I heard about 2 seconds.\"}]},"
         "{\"role\":\"user\",\"parts\":[{\"text\":\"think\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"Thought through.\"}]}]");
    assert_int_equal(replay(rows, "native_search", "alice", "live-voice-saved"), 2);
    cJSON_Delete(rows);
}

static void every_recorded_session(void **unused)
{
    static const char *const files[] = {"sqlite", "sqlite-aiosqlite"};
    static const struct {
        const char *app, *user, *session;
        unsigned parts;
    } sessions[] = {{"py_tools", "alice", "alice-1", 18}, {"py_tools", "alice", "alice-patched", 0},
                    {"py_tools", "bob", "bob-1", 7},      {"py_tools", "bob", "bob-restored", 2},
                    {"yaml_search", "alice", "alice-1", 3}, {"yaml_search", "bob", "live-text", 8}};

    (void)unused;
    for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
        cJSON *rows = read_rows(files[f]);
        for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
            unsigned parts = replay(rows, sessions[i].app, sessions[i].user, sessions[i].session);
            if (parts != sessions[i].parts)
                fail_msg("%s %s: %u parts, not %u: %s", files[f], sessions[i].session, parts, sessions[i].parts,
                         printed(print_all));
            assert_null(strstr(printed(print_all), "Planning"));
        }
        cJSON_Delete(rows);
    }
}

static void memory_runs_out(void **unused)
{
    static const char event[] = PARTS("model", "{\"text\":\"a\"}," CALL("\"id\":\"1\",", "f"));
    enum antiphon_status status;
    unsigned n;

    (void)unused;
    alloc_hook_cjson();
    for (n = 0; alloc_fail_at(n), status = history_add(history, event, sizeof(event) - 1, NULL), alloc_has_failed(); n++)
        assert_int_not_equal(status, ANTIPHON_OK);
    assert_int_equal(status, ANTIPHON_OK);
    assert_true(n > 5);
    struct history *made = NULL;
    for (n = 0; alloc_fail_at(n), status = history_new(5, &made), alloc_has_failed(); n++)
        assert_int_equal(status, ANTIPHON_ENOMEM);
    assert_int_equal(n, 1);
    history_free(made);
}

static void older(const char *event)
{
    assert_int_equal(history_add_older(history, event, strlen(event)), ANTIPHON_OK);
}

static void what_is_loaded_comes_before_what_was_typed_meanwhile(void **unused)
{
    (void)unused;
    uint64_t item = add(USER("three"));
    history_hide(history, item, true);
    older(USER("one"));
    older(MODEL("two"));
    history_hide(history, item, false);
    add(MODEL("four"));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"one\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"two\"}]},"
         "{\"role\":\"user\",\"parts\":[{\"text\":\"three\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"four\"}]}]");
}

static void what_is_loaded_does_not_push_out_what_is_newer(void **unused)
{
    (void)unused;
    history_free(history);
    assert_int_equal(history_new(3, &history), ANTIPHON_OK);
    add(USER("three"));
    add(MODEL("four"));
    older(USER("one"));
    older(MODEL("two"));
    TOLD("[{\"role\":\"model\",\"parts\":[{\"text\":\"two\"}]},{\"role\":\"user\",\"parts\":[{\"text\":\"three\"}]},"
         "{\"role\":\"model\",\"parts\":[{\"text\":\"four\"}]}]");
    add(USER("five"));
    older(MODEL("lost"));
    TOLD("[{\"role\":\"user\",\"parts\":[{\"text\":\"three\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"four\"}]},"
         "{\"role\":\"user\",\"parts\":[{\"text\":\"five\"}]}]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void what_comes_late_goes_where_it_was_said(void **state)
{
    static const char *const events[] = {
        "{\"timestamp\":10,\"content\":{\"role\":\"user\",\"parts\":[{\"text\":\"one\"}]}}",
        "{\"timestamp\":30,\"content\":{\"role\":\"user\",\"parts\":[{\"text\":\"three\"}]}}",
        "{\"timestamp\":20,\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"two\"}]}}",
        "{\"timestamp\":40,\"author\":\"clock\",\"content\":{\"role\":\"user\",\"parts\":[{\"text\":\"unsaid\"}]}}",
    };
    struct history *talk = NULL;
    uint64_t item = 0;
    struct buf out;

    (void)state;
    assert_int_equal(history_new(10, &talk), ANTIPHON_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(history_add_late(talk, events[i], strlen(events[i]), &item), ANTIPHON_OK);
    buf_init(&out, 4096);
    assert_int_equal(history_print_model(talk, 0, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), "[{\"role\":\"user\",\"parts\":[{\"text\":\"one\"}]},{\"role\":\"model\","
                                        "\"parts\":[{\"text\":\"two\"}]},{\"role\":\"user\",\"parts\":[{\"text\":"
                                        "\"three\"},{\"text\":\"unsaid\"}]}]");
    buf_reset(&out);
    assert_int_equal(history_print_client(talk, &out), ANTIPHON_OK);
    assert_null(strstr(buf_text(&out), "unsaid")); /* a plugin's words to the model */
    buf_deinit(&out);
    history_free(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_was_said),
        TEST(text_of_both),
        TEST(neighbours_of_one_role_are_merged),
        TEST(transcripts_count_as_what_was_said),
        TEST(a_time_that_no_clock_tells_is_not_known),
        TEST(grounding_may_not_be_endlessly_deep),
        TEST(what_is_left_out),
        TEST(what_is_no_event),
        TEST(calls_with_their_responses),
        TEST(halves_are_left_out),
        TEST(calls_without_id_pair_by_name),
        TEST(arguments_may_be_missing),
        TEST(text_stays_where_it_was_beside_a_call),
        TEST(hidden_text_is_not_told_but_shown),
        TEST(what_was_said_after_a_moment),
        TEST(what_is_loaded_comes_before_what_was_typed_meanwhile),
        TEST(what_is_loaded_does_not_push_out_what_is_newer),
        TEST(the_oldest_are_forgotten),
        TEST(what_comes_late_goes_where_it_was_said),
        TEST(at_least_one_is_kept),
        TEST(printing_has_a_bound),
        TEST(our_own_events),
        TEST(recorded_talk_with_tools),
        TEST(recorded_talk_by_voice),
        TEST(every_recorded_session),
        TEST(memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
