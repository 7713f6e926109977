#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "message.h"
#include "web.h"

static void check_schema(const char *schema, const char *expected)
{
    cJSON *tree = cJSON_Parse(schema);
    char *text = message_schema(tree);

    assert_string_equal(text, expected);
    cJSON_free(text);
    cJSON_Delete(tree);
}

static void schemas(void **state)
{
    (void)state;
    check_schema("{\"$schema\":\"x\",\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                 "\"string\",\"pattern\":\"\\\\d\","
                 "\"default\":\"1\",\"description\":\"A\"}},\"required\":[\"a\",\"b\"],"
                 "\"additionalProperties\":false}",
                 "{\"properties\":{\"a\":{\"description\":\"A\",\"type\":\"string\"}},\"required\":"
                 "[\"a\"],\"type\":\"object\"}");
    check_schema("{\"$defs\":{\"x\":{\"enum\":[1,2]}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
                 "x\"},\"b\":{\"oneOf\":[{\"type\":\"null\"},"
                 "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/"
                 "x\"}}]},\"c\":{\"enum\":[{}]},\"d\":true}}",
                 "{\"properties\":{\"a\":{\"enum\":[1,2]},\"b\":{\"anyOf\":[{\"type\":\"null\"},"
                 "{\"type\":\"array\",\"items\":{\"enum\":[1,2]}}]},\"c\":{},\"d\":{}},\"type\":"
                 "\"object\"}");
    check_schema("{\"additionalProperties\":{\"type\":\"string\"}}",
                 "{\"additionalProperties\":true,\"type\":\"object\"}");
    check_schema("7", "{\"type\":\"object\"}");
    /* References in a circle end somewhere. */
    cJSON *tree = cJSON_Parse(
        "{\"properties\":{\"a\":{\"$ref\":\"#\"},\"b\":{\"$ref\":\"#/properties/b\"}}}");
    char *text = message_schema(tree);
    assert_non_null(text);
    cJSON_free(text);
    assert_false(message_wants_headers(tree));
    cJSON_Delete(tree);
}

static void check_result(const char *result, const char *expected, const char *says)
{
    char why[MESSAGE_MAX_WHY] = "";
    cJSON *tree = cJSON_Parse(result), *made = message_result(tree, why, sizeof(why));
    char *text = made ? cJSON_PrintUnformatted(made) : NULL;

    if (expected)
        assert_string_equal(text, expected);
    else
        assert_null(text);
    assert_string_equal(why, says);
    cJSON_free(text);
    cJSON_Delete(made);
    cJSON_Delete(tree);
}

static void results(void **state)
{
    (void)state;
    check_result("{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\",\"data\":"
                 "\"AAAA\",\"mimeType\":\"image/png\"}]}",
                 "{\"text\":\"a\\n[image, image/png, 3 bytes, cannot be shown here]\"}", "");
    check_result(
        "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"x:1\",\"text\":\"T\"}},"
        "{\"type\":\"resource\",\"resource\":{\"uri\":\"x:2\",\"blob\":\"AA\"}},{\"type\":"
        "\"resource_link\",\"uri\":\"x:3\",\"name\":\"N\"}]}",
        "{\"text\":\"T\\n[a file, of unknown type, cannot be read here: x:2]\\n[see N: x:3]\"}",
        "");
    check_result("{\"content\":[],\"structuredContent\":{\"b\":1}}", "{\"b\":1}", "");
    check_result("{\"content\":[{\"type\":\"text\",\"text\":\"No.\"}],\"isError\":true}", NULL,
                 "No.");
    check_result("{\"isError\":true}", NULL, "the tool failed and does not say why");
    check_result("{\"resultType\":\"input_required\"}", NULL,
                 "the tool wants to ask something back, which is not possible here");
}

static void count(void *ctx, const cJSON *message)
{
    (void)message;
    ++*(int *)ctx;
}

static void check_find(const char *text, bool found, int expected)
{
    int others = 0;
    cJSON *message = message_find(text, strlen(text), 7, count, &others);

    assert_int_equal(message != NULL, found);
    assert_int_equal(others, expected);
    cJSON_Delete(message);
}

static void answers(void **state)
{
    (void)state;
    check_find("{\"id\":7,\"result\":{}}", true, 0);
    check_find("[{\"id\":6},{\"id\":7}]", true, 0);
    check_find("{\"id\":8,\"result\":{}}", false, 1);
    check_find("nonsense", false, 0);
    check_find("[{\"id\":1e300},{\"id\":-1e300},{\"id\":7.5},{\"id\":\"7\"},{\"id\":null}]", false, 0);
    check_find("{\"id\":1e300}", false, 1);
}

static void check_answer(const char *question, const char *expected)
{
    cJSON *tree = cJSON_Parse(question);
    char *text = message_answer(tree);

    assert_true(message_is_question(tree));
    assert_string_equal(text, expected);
    cJSON_free(text);
    cJSON_Delete(tree);
}

static void questions(void **state)
{
    (void)state;
    check_answer("{\"id\":\"a\",\"method\":\"ping\"}",
                 "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{}}");
    check_answer("{\"id\":1,\"method\":\"sampling/createMessage\"}",
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"Method "
                 "not found\"}}");
    cJSON *progress =
        cJSON_Parse("{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,"
                    "\"message\":\"half\"}}");
    assert_false(message_is_question(progress));
    assert_string_equal(message_progress(progress, 3), "half");
    assert_null(message_progress(progress, 4));
    cJSON_Delete(progress);
}

/* ---- streams of events ------------------------------------------------------------------------
 */

struct told {
    char text[400];
};

static void tell(void *ctx, const char *data, size_t len)
{
    struct told *told = ctx;

    assert_int_equal(strlen(data), len);
    (void)snprintf(told->text + strlen(told->text), sizeof(told->text) - strlen(told->text), "<%s>",
                   data);
}

/* In pieces of every size there is. */
static void check_events(const char *stream, const char *expected, const char *id,
                         uint32_t retry_ms)
{
    for (size_t piece = 1; piece <= strlen(stream); piece++) {
        struct events events = {0};
        struct told told = {0};
        for (size_t at = 0; at < strlen(stream); at += piece) {
            size_t left = strlen(stream) - at;
            assert_true(
                events_feed(&events, stream + at, left < piece ? left : piece, tell, &told));
        }
        events_end(&events, tell, &told);
        assert_string_equal(told.text, expected);
        assert_string_equal(events.id, id);
        assert_int_equal(events.retry_ms, retry_ms);
        events_free(&events);
    }
}

static void streams(void **state)
{
    (void)state;
    check_events("data: a\n\ndata: b\n\n", "<a><b>", "", 0);
    check_events("data: a\r\ndata: b\r\n\r\n", "<a\nb>", "", 0);
    check_events("data:a\rdata:  b\r\r", "<a\n b>", "", 0);
    check_events(": hi\n\nevent: message\nid: 7\ndata: {}\n\n", "<{}>", "7", 0);
    check_events("id: 1\ndata:\n\nid: 2\nretry: 250\n\n", "<>", "2", 250);
    check_events("retry: x\nretry: 123456789\nid\ndata\n\n", "<>", "", 0);
    check_events("data: the end", "<the end>", "", 0);
    check_events("id: 3\n", "", "", 0); /* an event that never ended has no id */
}

static void long_stream(void **state)
{
    struct events events = {0};
    struct told told = {0};
    char piece[4096];
    bool fed = true;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    for (size_t n = 0; n <= EVENTS_MAX_DATA && fed; n += sizeof(piece))
        fed = events_feed(&events, piece, sizeof(piece), tell, &told);
    assert_false(fed);
    events_free(&events);
}

/* ---- a server over HTTP ---------------------------------------------------------------------- */

struct fake {
    bool newer;
    bool lost; /* it has forgotten the session, once */
    char body[600];
};

static const char tools_json[] = "{\"tools\":[{\"name\":\"add.up\",\"description\":\"Adds.\","
                                 "\"annotations\":{\"readOnlyHint\":true},"
                                 "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"a\":{"
                                 "\"type\":\"number\"}}}},{\"name\":\"other\"}]}";

static const char *result_for(const struct fake *fake, const char *method)
{
    if (!strcmp(method, "tools/list"))
        return tools_json;
    if (!strcmp(method, "server/discover") && fake->newer)
        return "{\"supportedVersions\":[\"2026-07-28\"]}";
    if (!strcmp(method, "initialize") && !fake->newer)
        return "{\"protocolVersion\":\"2025-06-18\"}";
    if (!strcmp(method, "tools/call"))
        return "{\"content\":[{\"type\":\"text\",\"text\":\"3\"}]}";
    return NULL;
}

static struct web_answer serve(struct web *web, const struct web_asked *asked)
{
    struct fake *fake = web->ctx;
    cJSON *message = cJSON_Parse(asked->body);
    const char *method = cJSON_GetStringValue(cJSON_GetObjectItem(message, "method"));
    const cJSON *id = cJSON_GetObjectItem(message, "id");
    const char *result = method ? result_for(fake, method) : NULL;
    struct web_answer answer = {0, 400, "", "{}", 0, NULL};
    bool inside =
        method && strcmp(method, "server/discover") != 0 && strcmp(method, "initialize") != 0;

    if (inside)
        assert_int_equal(strstr(asked->headers, "Mcp-Session-Id: s-1\n") != NULL, !fake->newer);
    if (!id) {
        answer.http_status = 202;
    } else if (inside && fake->lost) {
        fake->lost = false;
        answer.http_status = 404;
    } else if (result) {
        (void)snprintf(fake->body, sizeof(fake->body),
                       "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":%s}\n\n",
                       id->valueint, result);
        answer = (struct web_answer){
            0,          200, "Content-Type: text/event-stream\r\nMcp-Session-Id: s-1\r\n",
            fake->body, 0,   NULL};
    }
    cJSON_Delete(message);
    return answer;
}

static const char one_server[] = "{\"servers\":[{\"name\":\"m\",\"url\":\"http://m/"
                                 "mcp\",\"tools\":[\"add.up\"],\"authorization\":\"Bearer T\"}]}";

static void older_server(void **state)
{
    struct fake fake = {0};
    struct web web = {.answer = serve, .ctx = &fake};

    (void)state;
    web_open(&web, one_server);
    assert_int_equal(web.tools_n, 2); /* and the set */
    assert_string_equal(web.tools[0].name, "m");
    assert_int_equal(web.tools[0].flags, ANTIPHON_TOOL_SET);
    assert_string_equal(web.tools[1].set, "m");
    assert_string_equal(web.tools[1].name, "m_add.up");
    assert_string_equal(web.tools[1].params_schema,
                        "{\"properties\":{\"a\":{\"type\":\"number\"}},\"type\":\"object\"}");
    assert_int_equal(web.tools[1].flags, ANTIPHON_TOOL_READ_ONLY);
    assert_int_equal(web_call(&web, "m_add.up", "{\"a\":1}"), ANTIPHON_OK);
    assert_string_equal(web.text, "{\"text\":\"3\"}");
    const struct web_asked *last = &web.asked[web.asked_n - 1];
    assert_non_null(strstr(last->body, "\"name\":\"add.up\",\"arguments\":{\"a\":1}"));
    assert_non_null(strstr(last->headers, "MCP-Protocol-Version: 2025-06-18\n"));
    assert_non_null(strstr(last->headers, "Authorization: Bearer T\n"));
    assert_null(strstr(last->headers, "Mcp-Method"));
    /* The session is lost: this call fails, the next opens another. */
    fake.lost = true;
    assert_int_equal(web_call(&web, "m_add.up", "{}"), ANTIPHON_EPROTOCOL);
    web.now_ms += 2000;
    assert_int_equal(web_call(&web, "m_add.up", "{}"), ANTIPHON_OK);
    web_close(&web);
}

static void newer_server(void **state)
{
    struct fake fake = {.newer = true};
    struct web web = {.answer = serve, .ctx = &fake};

    (void)state;
    web_open(&web, one_server);
    assert_int_equal(web_call(&web, "m_add.up", "{\"a\":1}"), ANTIPHON_OK);
    assert_int_equal(web.asked_n, 3); /* discover, list, call */
    const struct web_asked *last = &web.asked[2];
    assert_non_null(
        strstr(last->headers,
               "MCP-Protocol-Version: 2026-07-28\nMcp-Method: tools/call\nMcp-Name: add.up\n"));
    assert_non_null(
        strstr(last->body, "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\""));
    assert_null(strstr(last->headers, "Mcp-Session-Id"));
    web_close(&web);
}

static struct web_answer unreachable(struct web *web, const struct web_asked *asked)
{
    (void)web, (void)asked;
    return (struct web_answer){ANTIPHON_EUNAVAILABLE, 0, NULL, NULL, 0, "no route"};
}

static void check_refused(const char *config, const char *says)
{
    struct web web = {.answer = unreachable, .runs = true};

    assert_int_not_equal(web_try(&web, config), ANTIPHON_OK);
    if (!strstr(web.why, says))
        fail_msg("'%s' is not in '%s'", says, web.why);
    web_close(&web);
}

static void no_server(void **state)
{
    struct web web = {.answer = unreachable, .runs = true};

    (void)state;
    check_refused("{\"servers\":[{\"name\":\"m\"}]}", "m: give either command or url");
    check_refused("{\"servers\":[{\"name\":\"m\",\"url\":\"http://m\",\"command\":[\"x\"]}]}",
                  "either");
    check_refused(one_server, "m: no route");
    check_refused("{\"servers\":[{\"name\":\"m\",\"command\":[\"/nowhere/x\"]}]}",
                  "m: cannot start /nowhere/x: No such file");
    check_refused("{\"servers\":[{\"name\":\"m\",\"command\":[\"/bin/false\"]}]}",
                  "m: its process has ended");
    web_open(&web, "{\"servers\":[{\"name\":\"m\",\"url\":\"http://m\",\"optional\":true}]}");
    assert_int_equal(web.tools_n, 1); /* the set, without a tool */
    assert_true(web_logged(&web, "m is left out until it is there: no route"));
    assert_int_equal(web.timers, 1);
    web_close(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas),      cmocka_unit_test(results),
        cmocka_unit_test(answers),      cmocka_unit_test(questions),
        cmocka_unit_test(streams),      cmocka_unit_test(long_stream),
        cmocka_unit_test(older_server), cmocka_unit_test(newer_server),
        cmocka_unit_test(no_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
