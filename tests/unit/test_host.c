/* The host functions, called as a plugin would, without a shared object. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "plugin/host.h"

#define OBJECT "{\"type\":\"object\",\"properties\":{}}"

struct seen {
    int finished, progressed, emitted, opened, asked;
    enum antiphon_status status;
    size_t len;
    char text[256];
    struct antiphon_event event;
    struct antiphon_http_request http;
    bool full;
};

static void on_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status,
                      const char *text, size_t len)
{
    struct seen *seen = ctx;

    assert_non_null(call);
    seen->finished++;
    seen->status = status;
    seen->len = len;
    memcpy(seen->text, text, len < sizeof(seen->text) ? len : sizeof(seen->text) - 1);
}

static bool on_cancelled(void *ctx, const struct antiphon_call *call)
{
    (void)ctx, (void)call;
    return true;
}

static void on_progress(void *ctx, struct antiphon_call *call, const char *text, size_t len)
{
    struct seen *seen = ctx;

    (void)call, (void)text;
    seen->progressed++;
    seen->len = len;
}

static void on_emit(void *ctx, antiphon_sink sink, const struct antiphon_event *event)
{
    struct seen *seen = ctx;

    assert_int_equal(sink, 7);
    seen->emitted++;
    seen->event = *event;
}

static enum antiphon_status on_ws_open(void *ctx, antiphon_sink sink,
                                       const struct antiphon_ws_request *request,
                                       const struct antiphon_ws_handlers *handlers,
                                       void *handlers_ctx, struct antiphon_ws **ws)
{
    struct seen *seen = ctx;

    (void)sink, (void)handlers_ctx, (void)ws;
    seen->opened++;
    seen->full =
        request->struct_size == sizeof(*request) && handlers->struct_size == sizeof(*handlers);
    return ANTIPHON_OK;
}

static enum antiphon_status on_http(void *ctx, const struct antiphon_http_request *request,
                                    antiphon_http_done_fn *done, void *done_ctx)
{
    struct seen *seen = ctx;

    (void)done, (void)done_ctx;
    seen->asked++;
    seen->http = *request;
    return ANTIPHON_OK;
}

/* What a request looked like when it left the host. */
static enum antiphon_status on_http_text(void *ctx, const struct antiphon_http_request *request,
                                         antiphon_http_done_fn *done, void *done_ctx)
{
    struct seen *seen = ctx;
    size_t n = 0;

    (void)done, (void)done_ctx;
    seen->asked++;
    seen->http = *request;
    seen->text[0] = '\0';
    for (size_t i = 0; request->headers && request->headers[i]; i += 2)
        n += (size_t)snprintf(seen->text + n, sizeof(seen->text) - n, "%s: %s;", request->headers[i],
                              request->headers[i + 1]);
    snprintf(seen->text + n, sizeof(seen->text) - n, "%.*s", (int)request->body_len, (const char *)request->body);
    return ANTIPHON_OK;
}

struct fixture {
    struct seen seen;
    struct host_services services;
    struct host *host;
    const struct antiphon_host *h;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->services = (struct host_services){.ctx = &f->seen,
                                         .finish = on_finish,
                                         .cancelled = on_cancelled,
                                         .progress = on_progress,
                                         .emit = on_emit,
                                         .ws_open = on_ws_open,
                                         .http = on_http};
    assert_int_equal(host_new("probe", &f->services, &f->host), ANTIPHON_OK);
    f->h = host_table(f->host);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    host_free(f->host);
    free(f);
    return 0;
}

static enum antiphon_status invoke(void *state, struct antiphon_call *call)
{
    (void)state, (void)call;
    return ANTIPHON_OK;
}

static struct antiphon_tool good_tool(void)
{
    return (struct antiphon_tool){.struct_size = sizeof(struct antiphon_tool),
                                  .name = "look_up",
                                  .description = "Looks things up.",
                                  .params_schema = OBJECT,
                                  .invoke = invoke};
}

static void expect_refused(struct antiphon_tool tool, const char *reason)
{
    void *state = NULL;
    struct fixture *f;

    setup(&state);
    f = state;
    host_begin(f->host);
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EINVAL);
    assert_string_equal(host_fault(f->host)->text, reason);
    host_end(f->host);
    teardown(&state);
}

static void test_table_is_complete(void **state)
{
    struct fixture *f = *state;
    void *const *slots = (void *const *)(const void *)&f->h->log;
    size_t n = (sizeof(*f->h) - offsetof(struct antiphon_host, log)) / sizeof(void *);

    assert_int_equal(f->h->struct_size, sizeof(*f->h));
    for (size_t i = 0; i < n; i++)
        assert_non_null(slots[i]);
    assert_true(f->h->now_ms(f->h) > 0);
}

static void test_tool_is_copied(void **state)
{
    struct fixture *f = *state;
    char name[] = "look_up", description[] = "Looks things up.";
    struct antiphon_tool tool = good_tool();
    const struct registry_tool *tools;
    struct registry_tool taken[1];

    tool.name = name;
    tool.description = description;
    tool.timeout_ms = 1234;
    host_begin(f->host);
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_OK);
    host_end(f->host);
    memset(name, 'x', sizeof(name) - 1);
    memset(description, 'x', sizeof(description) - 1);
    assert_int_equal(host_tools(f->host, &tools), 1);
    assert_string_equal(tools[0].tool.name, "look_up");
    assert_string_equal(tools[0].tool.description, "Looks things up.");
    assert_int_equal(tools[0].tool.timeout_ms, 1234);
    assert_string_equal(tools[0].plugin, "probe");
    assert_non_null(tools[0].schema);
    assert_int_equal(host_fault(f->host)->status, ANTIPHON_OK);

    host_take(f->host, taken, NULL, NULL);
    assert_int_equal(host_tools(f->host, &tools), 0);
    assert_string_equal(taken[0].tool.name, "look_up");
    free((char *)(uintptr_t)taken[0].tool.name);
    free((char *)(uintptr_t)taken[0].tool.description);
    free((char *)(uintptr_t)taken[0].tool.params_schema);
    jschema_free((struct jschema *)(uintptr_t)taken[0].schema);
}

static void done(void *ctx, const struct antiphon_http_response *response)
{
    (void)ctx, (void)response;
}

static enum antiphon_status ask(struct fixture *f, const char *url, uint32_t flags)
{
    const struct antiphon_http_request request = {.struct_size = sizeof(request), .url = url, .flags = flags};

    return f->h->http(f->h, &request, done, NULL);
}

static void test_http_permissions(void **state)
{
    static const char text[] =
        "{\"abi\":\"1.0\",\"manifest\":{\"name\":\"probe\",\"version\":\"1\",\"permissions\":{\"http\":"
        "[\"api.example.com\",\"*.example.org\",\"::1\"]}}}";
    static const char *const refused[] = {
        "https://example.com/", "https://api.example.com.evil.net/", "https://api.example.com@evil.net/",
        "https://evil.net\\@api.example.com/", "https://evil.net#@api.example.com/", "https://example.org/",
        "https://api.example.com:80@evil.net/", "https:/api.example.com/", "api.example.com", "https://[::1/",
        "https://", "https://api%2eexample.com/", "https://[fe80::1]/", "https://api.example.com:8x/",
    };
    static const char *const allowed[] = {"https://api.example.com", "http://API.example.com:8080/x?y=@z",
                                          "https://a.b.example.org/#x", "http://[::1]:80/"};
    struct fixture *f = *state;
    struct manifest *manifest = NULL;

    assert_int_equal(manifest_parse(text, strlen(text), &manifest, NULL), ANTIPHON_OK);
    host_set_manifest(f->host, manifest);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(ask(f, refused[i], 0), ANTIPHON_EDENIED);
    assert_int_equal(f->seen.asked, 0);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        assert_int_equal(ask(f, allowed[i], 0), ANTIPHON_OK);
        assert_int_equal(f->seen.http.flags, ANTIPHON_HTTP_NO_REDIRECT);
    }
    assert_int_equal(ask(f, allowed[0], ANTIPHON_HTTP_ALLOW_PRIVATE), ANTIPHON_EDENIED);
    manifest_free(manifest);
    manifest = NULL;

    static const char any[] = "{\"abi\":\"1.0\",\"manifest\":{\"name\":\"probe\",\"version\":\"1\","
                              "\"permissions\":{\"http\":true,\"private\":true}}}";
    assert_int_equal(manifest_parse(any, strlen(any), &manifest, NULL), ANTIPHON_OK);
    host_set_manifest(f->host, manifest);
    assert_int_equal(ask(f, "http://127.0.0.1:1/", ANTIPHON_HTTP_ALLOW_PRIVATE), ANTIPHON_OK);
    assert_int_equal(f->seen.http.flags, ANTIPHON_HTTP_ALLOW_PRIVATE);
    manifest_free(manifest);
}

static void test_http_secrets(void **state)
{
    static const char *const headers[] = {"Authorization", "Bearer {{secret:token}}", "X-Plain", "{{secret:list.2.pass}}", NULL};
    static const char *const unknown[] = {"X", "{{secret:other}}", NULL};
    static const char body[] = "{\"key\":\"{{secret:api.key}}\",\"again\":\"{{secret:token}}{{secret:token}}\"}";
    struct fixture *f = *state;
    struct secrets *secrets = NULL;
    cJSON *schema = cJSON_Parse("{\"properties\":{\"token\":{\"writeOnly\":true,\"x-host-only\":true},"
                                "\"plain\":{},\"api\":{\"properties\":{\"key\":{\"writeOnly\":true}}},"
                                "\"list\":{\"items\":{\"properties\":{\"pass\":{\"writeOnly\":true,\"x-host-only\":true}}}}}}");
    cJSON *config = cJSON_Parse("{\"token\":\"s3cret\",\"plain\":\"p\",\"api\":{\"key\":\"k3y\"},"
                                "\"list\":[{\"pass\":\"p1\"},{},{\"pass\":\"p3\"}]}");
    struct antiphon_http_request request = {.struct_size = sizeof(request),
                                            .url = "https://example.com/",
                                            .headers = headers,
                                            .body = body,
                                            .body_len = sizeof(body) - 1};

    f->services.http = on_http_text;
    assert_int_equal(secrets_new(schema, config, &secrets), ANTIPHON_OK);
    assert_string_equal(json_get_string(config, "token"), "{{secret:token}}");
    assert_string_equal(json_get_string(json_get(config, "api"), "key"), "k3y");
    assert_string_equal(json_get_string(json_get(config, "list")->child, "pass"), "{{secret:list.0.pass}}");

    /* Where nobody has set any, the text goes on to whoever fills it in. */
    assert_int_equal(f->h->http(f->h, &request, done, NULL), ANTIPHON_OK);
    assert_non_null(strstr(f->seen.text, "Bearer {{secret:token}}"));
    host_set_secrets(f->host, secrets);
    assert_int_equal(f->h->http(f->h, &request, done, NULL), ANTIPHON_OK);
    assert_string_equal(f->seen.text, "Authorization: Bearer s3cret;X-Plain: p3;"
                                      "{\"key\":\"k3y\",\"again\":\"s3crets3cret\"}");
    assert_int_equal(f->seen.http.flags, ANTIPHON_HTTP_NO_REDIRECT);
    assert_string_equal(f->seen.http.method, "POST");
    request.headers = unknown;
    assert_int_equal(f->h->http(f->h, &request, done, NULL), ANTIPHON_EINVAL);
    request.headers = NULL;
    request.body = "{{secret:token";
    request.body_len = 14;
    assert_int_equal(f->h->http(f->h, &request, done, NULL), ANTIPHON_EINVAL);
    request.url = "https://example.com/?{{secret:token}}";
    request.body_len = 0;
    assert_int_equal(f->h->http(f->h, &request, done, NULL), ANTIPHON_EINVAL);
    assert_int_equal(f->seen.asked, 2);
    secrets_free(secrets);
    cJSON_Delete(schema);
    cJSON_Delete(config);
}

/* A plugin built against a later header has longer structs with more in them. */
static void test_longer_struct_is_cut(void **state)
{
    struct fixture *f = *state;
    struct {
        struct antiphon_tool tool;
        void *appended[4];
    } later = {.tool = good_tool()};
    const struct registry_tool *tools;

    later.tool.struct_size = sizeof(later);
    host_begin(f->host);
    assert_int_equal(f->h->add_tool(f->h, &later.tool), ANTIPHON_OK);
    assert_int_equal(host_tools(f->host, &tools), 1);
    assert_int_equal(tools[0].tool.struct_size, sizeof(struct antiphon_tool));
}

static void test_bad_tools(void **state)
{
    struct antiphon_tool tool = good_tool();
    char longest[130];

    (void)state;
    tool.struct_size = 16;
    expect_refused(tool, "tool: struct_size must be sizeof(struct antiphon_tool)");

    static const char name_rule[] = "tool: the name must be a letter or '_' and at most 127 "
                                    "letters, digits or _ . : - more";
    static const char *const names[] = {NULL, "", "1st", "a b", "-a", "\xED\x95\x9C", "a/b", ".a"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tool = good_tool();
        tool.name = names[i];
        expect_refused(tool, name_rule);
    }
    memset(longest, 'a', sizeof(longest));
    longest[129] = '\0';
    tool.name = longest;
    expect_refused(tool, name_rule);

    tool = good_tool();
    tool.description = NULL;
    expect_refused(tool, "tool look_up: description is missing");
    tool.description = " \n";
    expect_refused(tool, "tool look_up: description is missing");
    tool.description = "\xFF";
    expect_refused(tool, "tool look_up: description is not UTF-8");

    tool = good_tool();
    tool.invoke = NULL;
    expect_refused(tool, "tool look_up: invoke is NULL, and native_feature and native_fragment "
                         "are not set");
    tool = good_tool();
    tool.params_schema = "{\"type\":\"string\"}";
    expect_refused(tool, "tool look_up: params_schema: \"type\" must be \"object\"");
    tool.params_schema = "{}";
    expect_refused(tool, "tool look_up: params_schema: \"type\" must be \"object\"");
}

static void test_schema_outside_the_subset(void **state)
{
    struct fixture *f = *state;
    struct antiphon_tool tool = good_tool();

    host_begin(f->host);
    tool.params_schema = "{\"type\":\"object\",\"properties\":{\"x\":{\"oneOf\":[]}}}";
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EINVAL);
    const char *text = host_fault(f->host)->text;
    assert_non_null(strstr(text, "tool look_up: params_schema"));
    assert_non_null(strstr(text, "oneOf"));
    tool.params_schema = "{";
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EINVAL);
    assert_non_null(strstr(host_fault(f->host)->text, "oneOf")); /* the first is kept */
}

static void test_native_tools(void **state)
{
    struct fixture *f = *state;
    struct antiphon_tool tool = {.struct_size = sizeof(tool),
                                 .name = "find",
                                 .description = "Finds.",
                                 .native_feature = "find",
                                 .native_fragment = "{\"find\":{}}"};
    struct antiphon_tool bad = tool;

    host_begin(f->host);
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_OK);
    bad.native_feature = NULL;
    expect_refused(bad, "tool find: native_feature is missing");
    bad = tool;
    bad.native_fragment = NULL;
    expect_refused(bad, "tool find: native_fragment is missing");
    bad = tool;
    bad.native_fragment = "{}";
    expect_refused(bad, "tool find: native_fragment must be a JSON object such as "
                        "{\"googleSearch\":{}}");
    bad.native_fragment = "[1]";
    expect_refused(bad, "tool find: native_fragment must be a JSON object such as "
                        "{\"googleSearch\":{}}");
    bad.native_fragment = "{\"a\":}";
    expect_refused(bad, "tool find: native_fragment: invalid JSON at byte 5: a value is missing");
    bad = tool;
    bad.params_schema = OBJECT;
    expect_refused(bad, "tool find: a native tool without invoke() has no params_schema, cancel() "
                        "or undo()");
    bad.name = "find_or_call"; /* a function for models that cannot find by themselves */
    bad.invoke = invoke;
    assert_int_equal(f->h->add_tool(f->h, &bad), ANTIPHON_OK);
}

static void test_twice_the_same_name(void **state)
{
    struct fixture *f = *state;
    struct antiphon_tool tool = good_tool();

    host_begin(f->host);
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_OK);
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EEXISTS);
    assert_string_equal(host_fault(f->host)->text, "tool look_up: was added twice");
}

static void test_too_many_tools(void **state)
{
    struct fixture *f = *state;
    struct antiphon_tool tool = good_tool();
    char name[16];

    host_begin(f->host);
    tool.name = name;
    for (int i = 0; i < HOST_MAX_TOOLS; i++) {
        snprintf(name, sizeof(name), "tool_%d", i);
        assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_OK);
    }
    tool.name = "one_more";
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EBUSY);
}

static const char *backend(void *state)
{
    (void)state;
    return "none";
}

static enum antiphon_status open_model(void *state, antiphon_sink sink, const char *run,
                                       size_t run_len, void **conn, char *why, size_t why_size)
{
    (void)state, (void)sink, (void)run, (void)run_len, (void)conn, (void)why, (void)why_size;
    return ANTIPHON_OK;
}

static enum antiphon_status send_model(void *conn, const struct antiphon_event *event)
{
    (void)conn, (void)event;
    return ANTIPHON_OK;
}

static void close_model(void *conn)
{
    (void)conn;
}

static void test_models(void **state)
{
    struct fixture *f = *state;
    struct antiphon_model model = {.struct_size = sizeof(model),
                                   .name = "echo",
                                   .backend = backend,
                                   .open = open_model,
                                   .send = send_model,
                                   .close = close_model};
    const struct registry_model *models;

    host_begin(f->host);
    assert_int_equal(f->h->add_model(f->h, &model), ANTIPHON_OK);
    assert_int_equal(host_models(f->host, &models), 1);
    assert_string_equal(models[0].model.name, "echo");
    assert_string_equal(models[0].plugin, "probe");
    assert_int_equal(f->h->add_model(f->h, &model), ANTIPHON_EEXISTS);
    model.name = "other";
    model.send = NULL;
    assert_int_equal(f->h->add_model(f->h, &model), ANTIPHON_EINVAL);
    model.struct_size = 8;
    assert_int_equal(f->h->add_model(f->h, &model), ANTIPHON_EINVAL);
    assert_int_equal(f->h->add_model(f->h, NULL), ANTIPHON_EINVAL);
    assert_string_equal(host_fault(f->host)->text, "model echo: was added twice");
}

static void *add_from_elsewhere(void *ctx)
{
    struct fixture *f = ctx;
    struct antiphon_tool tool = good_tool();

    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EDENIED);
    return NULL;
}

static void test_adding_only_in_init(void **state)
{
    struct fixture *f = *state;
    struct antiphon_tool tool = good_tool();
    const struct registry_tool *tools;
    pthread_t thread;

    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EDENIED);
    host_begin(f->host);
    assert_int_equal(pthread_create(&thread, NULL, add_from_elsewhere, f), 0);
    pthread_join(thread, NULL);
    host_end(f->host);
    assert_int_equal(f->h->add_tool(f->h, &tool), ANTIPHON_EDENIED);
    assert_int_equal(host_tools(f->host, &tools), 0);
}

static void test_finish(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call call = {.struct_size = sizeof(call)};
    char *huge = malloc(HOST_MAX_RESULT + 1);

    assert_non_null(huge);
    memset(huge, '1', HOST_MAX_RESULT + 1);
    f->h->finish(f->h, &call, ANTIPHON_OK, "{}", 2);
    assert_int_equal(f->seen.status, ANTIPHON_OK);
    assert_string_equal(f->seen.text, "{}");
    f->h->finish(f->h, &call, ANTIPHON_EDENIED, NULL, 99);
    assert_int_equal(f->seen.status, ANTIPHON_EDENIED);
    assert_int_equal(f->seen.len, 0);
    f->h->finish(f->h, &call, ANTIPHON_OK, huge, HOST_MAX_RESULT);
    assert_int_equal(f->seen.status, ANTIPHON_OK);
    assert_int_equal(f->seen.len, HOST_MAX_RESULT);
    memset(f->seen.text, 0, sizeof(f->seen.text));
    f->h->finish(f->h, &call, ANTIPHON_OK, huge, HOST_MAX_RESULT + 1);
    assert_int_equal(f->seen.status, ANTIPHON_ETOOBIG);
    assert_string_equal(f->seen.text, "the result has 1048577 bytes, at most 1048576 are allowed");
    f->h->finish(f->h, NULL, ANTIPHON_OK, "{}", 2);
    assert_int_equal(f->seen.finished, 4);
    free(huge);
}

static void test_progress(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call call = {.struct_size = sizeof(call)};
    char text[HOST_MAX_PROGRESS + 2];

    memset(text, 'a', sizeof(text));
    memcpy(text + HOST_MAX_PROGRESS - 1, "\xEA\xB0\x80", 3);
    f->h->progress(f->h, &call, text, sizeof(text)); /* the letter that does not fit is left out */
    assert_int_equal(f->seen.len, HOST_MAX_PROGRESS - 1);
    f->h->progress(f->h, &call, "\xFF", 1);
    f->h->progress(f->h, &call, NULL, 1);
    f->h->progress(f->h, NULL, "a", 1);
    assert_int_equal(f->seen.progressed, 1);
    assert_true(f->h->cancelled(f->h, &call));
    assert_false(f->h->cancelled(f->h, NULL));
}

static void test_emit(void **state)
{
    struct fixture *f = *state;
    struct {
        struct antiphon_event event;
        void *appended;
    } later = {
        .event = {.struct_size = sizeof(later), .type = ANTIPHON_EV_TEXT, .data = "a", .len = 1}};
    struct antiphon_event event = {.struct_size = sizeof(event), .type = ANTIPHON_EV_READY};

    f->h->emit(f->h, 7, &event);
    assert_int_equal(f->seen.event.type, ANTIPHON_EV_READY);
    f->h->emit(f->h, 7, &later.event);
    assert_int_equal(f->seen.event.type, ANTIPHON_EV_TEXT);
    assert_int_equal(f->seen.event.struct_size, sizeof(event));
    event.struct_size = 12;
    f->h->emit(f->h, 7, &event);
    event = (struct antiphon_event){.struct_size = sizeof(event)};
    f->h->emit(f->h, 7, &event);
    event = (struct antiphon_event){.struct_size = sizeof(event), .type = 1, .len = 1};
    f->h->emit(f->h, 7, &event);
    f->h->emit(f->h, 7, NULL);
    assert_int_equal(f->seen.emitted, 2);
}

static void on_open(void *ctx)
{
    (void)ctx;
}

static void on_message(void *ctx, const char *data, size_t len)
{
    (void)ctx, (void)data, (void)len;
}

static void on_close(void *ctx, const struct antiphon_ws_end *end)
{
    (void)ctx, (void)end;
}

static void on_done(void *ctx, const struct antiphon_http_response *response)
{
    (void)ctx, (void)response;
}

static void test_network(void **state)
{
    struct fixture *f = *state;
    struct antiphon_ws *ws = NULL;
    struct antiphon_ws_request open = {.struct_size = sizeof(open), .url = "wss://example.org"};
    struct antiphon_ws_handlers handlers = {.struct_size = sizeof(handlers),
                                            .on_open = on_open,
                                            .on_message = on_message,
                                            .on_close = on_close};
    struct antiphon_http_request ask = {.struct_size = sizeof(ask), .url = "https://example.org"};

    assert_int_equal(f->h->ws_open(f->h, 7, &open, &handlers, NULL, &ws), ANTIPHON_OK);
    assert_true(f->seen.full);
    handlers.on_close = NULL;
    assert_int_equal(f->h->ws_open(f->h, 7, &open, &handlers, NULL, &ws), ANTIPHON_EINVAL);
    assert_int_equal(f->h->ws_send(f->h, NULL, ANTIPHON_WS_AUDIO, NULL, 0), ANTIPHON_EINVAL);
    f->h->ws_close(f->h, NULL, 1000, NULL);
    assert_int_equal(f->h->http(f->h, &ask, on_done, NULL), ANTIPHON_OK);
    assert_string_equal(f->seen.http.method, "GET");
    assert_int_equal(f->h->http(f->h, &ask, NULL, NULL), ANTIPHON_EINVAL);
    ask.url = NULL;
    assert_int_equal(f->h->http(f->h, &ask, on_done, NULL), ANTIPHON_EINVAL);
    assert_int_equal(f->seen.opened, 1);
    assert_int_equal(f->seen.asked, 1);
}

/* A runtime without sessions or network, such as the one that checks a configuration. */
static void test_without_services(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call call = {.struct_size = sizeof(call)};
    struct antiphon_event event = {.struct_size = sizeof(event), .type = ANTIPHON_EV_READY};
    struct antiphon_http_request ask = {.struct_size = sizeof(ask), .url = "https://example.org"};

    f->services = (struct host_services){0};
    f->h->finish(f->h, &call, ANTIPHON_OK, "{}", 2);
    f->h->progress(f->h, &call, "a", 1);
    f->h->emit(f->h, 7, &event);
    f->h->wake(f->h, 7);
    assert_false(f->h->cancelled(f->h, &call));
    assert_int_equal(f->h->http(f->h, &ask, on_done, NULL), ANTIPHON_EUNAVAILABLE);
    assert_int_equal(f->seen.finished + f->seen.progressed + f->seen.emitted, 0);
    f->h->log(f->h, ANTIPHON_INFO, "a line of %d words", 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

struct late {
    pthread_t thread;
    antiphon_http_done_fn *done;
    void *ctx;
    bool cancel, answered;
};

static void *answer_later(void *arg)
{
    static const struct antiphon_http_response response = {.struct_size = sizeof(response),
                                                           .http_status = 200,
                                                           .headers = "X: y\r\n",
                                                           .body = "late",
                                                           .body_len = 4};
    struct late *late = arg;

    late->done(late->ctx, &response);
    return NULL;
}

static enum antiphon_status on_http_later(void *ctx, const struct antiphon_http_request *request,
                                          antiphon_http_done_fn *done_fn, void *done_ctx)
{
    struct late *late = ctx;

    (void)request;
    late->done = done_fn;
    late->ctx = done_ctx;
    if (late->cancel)
        return ANTIPHON_OK; /* the answer comes when nobody waits any more */
    return pthread_create(&late->thread, NULL, answer_later, late) ? ANTIPHON_ENOMEM : ANTIPHON_OK;
}

static void on_waited(void *ctx, const struct antiphon_http_response *response);

/* A body in three parts, of which two are wanted. */
static enum antiphon_status on_http_parts(void *ctx, const struct antiphon_http_request *request,
                                          antiphon_http_done_fn *done_fn, void *done_ctx)
{
    static const char *const parts[] = {"one", "two", "three"};
    struct antiphon_http_response response = {
        .struct_size = sizeof(response), .http_status = 200, .headers = "X: y\r\n"};

    (void)ctx;
    for (size_t i = 0; i < 3 && !response.status; i++) {
        response.body = parts[i];
        response.body_len = strlen(parts[i]);
        if (!request->part(done_ctx, &response))
            response.status = ANTIPHON_ECANCELLED;
    }
    response.body = "";
    response.body_len = 0;
    done_fn(done_ctx, &response);
    return ANTIPHON_OK;
}

static bool two_parts(void *ctx, const struct antiphon_http_response *response)
{
    char *text = ctx;

    assert_int_equal(response->http_status, 200);
    assert_string_equal(response->headers, "X: y\r\n");
    strncat(text, response->body, response->body_len);
    return strlen(text) < 6;
}

static void on_parts_done(void *ctx, const struct antiphon_http_response *response)
{
    char *text = ctx;

    assert_int_equal(response->status, ANTIPHON_ECANCELLED);
    assert_int_equal(response->body_len, 0);
    strcat(text, ".");
}

static void test_http_parts(void **state)
{
    struct fixture *f = *state;
    struct antiphon_http_request request = {
        .struct_size = sizeof(request), .url = "https://example.com/", .part = two_parts};
    char text[64] = "";

    f->services = (struct host_services){.cancelled = on_cancelled, .http = on_http_parts};
    assert_int_equal(f->h->http_wait(f->h, NULL, &request, on_parts_done, text), ANTIPHON_OK);
    assert_string_equal(text, "onetwo.");
    /* A plugin that was built before there were parts. */
    struct late late = {0};
    char whole[64] = "";
    request.struct_size = offsetof(struct antiphon_http_request, part);
    f->services = (struct host_services){.ctx = &late, .http = on_http_later};
    assert_int_equal(f->h->http_wait(f->h, NULL, &request, on_waited, whole), ANTIPHON_OK);
    pthread_join(late.thread, NULL);
    assert_string_equal(whole, "0 200 late");
}

static void on_waited(void *ctx, const struct antiphon_http_response *response)
{
    char *text = ctx;

    assert_true(response->headers && response->body);
    snprintf(text, 64, "%d %d %s", response->status, response->http_status, (const char *)response->body);
}

static void test_http_wait(void **state)
{
    struct fixture *f = *state;
    struct late late = {0};
    struct antiphon_call call = {.struct_size = sizeof(call)};
    const struct antiphon_http_request request = {.struct_size = sizeof(request), .url = "https://example.com/"};
    char text[64] = "";

    f->services = (struct host_services){.ctx = &late, .cancelled = on_cancelled, .http = on_http_later};
    assert_int_equal(f->h->http_wait(f->h, NULL, &request, on_waited, text), ANTIPHON_OK);
    pthread_join(late.thread, NULL);
    assert_string_equal(text, "0 200 late");
    late.cancel = true;
    assert_int_equal(f->h->http_wait(f->h, &call, &request, on_waited, text), ANTIPHON_OK);
    assert_string_equal(text, "-6 0 ");
    answer_later(&late); /* meets nobody, and frees what was waiting */
    assert_int_equal(f->h->http_wait(f->h, &call, &request, NULL, text), ANTIPHON_EINVAL);
    f->services.http = NULL;
    assert_int_equal(f->h->http_wait(f->h, &call, &request, on_waited, text), ANTIPHON_EUNAVAILABLE);
}

static enum antiphon_status run_hook(void *state, struct antiphon_check *check)
{
    (void)state, (void)check;
    return ANTIPHON_OK;
}

static void test_hooks(void **state)
{
    struct fixture *f = *state;
    const struct registry_hook *hooks;
    struct antiphon_hook hook = {.struct_size = sizeof(hook),
                                 .points = ANTIPHON_HOOK_AT(ANTIPHON_HOOK_USER_TEXT),
                                 .name = "watch",
                                 .run = run_hook};

    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_EDENIED);
    host_begin(f->host);
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_OK);
    assert_int_equal(host_hooks(f->host, &hooks), 1);
    assert_int_equal(hooks[0].hook.budget_ms, 100);
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_EEXISTS);
    assert_string_equal(host_fault(f->host)->text, "hook watch: was added twice");
    hook.name = "other";
    hook.points = 1;
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_EINVAL);
    hook.points = ANTIPHON_HOOK_AT(ANTIPHON_HOOK_AFTER_TOOL + 1);
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_EINVAL);
    hook.points = ANTIPHON_HOOK_AT(ANTIPHON_HOOK_AFTER_TOOL);
    hook.budget_ms = 10001;
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_EINVAL);
    hook.budget_ms = 10000;
    hook.run = NULL;
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_EINVAL);
    hook.run = run_hook;
    hook.name = "a b";
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_EINVAL);
    hook.name = "other";
    assert_int_equal(f->h->add_hook(f->h, &hook), ANTIPHON_OK);
    host_end(f->host);
}

static enum antiphon_status on_put(void *ctx, const char *plugin, const char *user, const char *key,
                                   const char *value, size_t len)
{
    struct seen *seen = ctx;

    snprintf(seen->text, sizeof(seen->text), "%s/%s/%s=%.*s", plugin, user ? user : "-", key, (int)len,
             value ? value : "");
    return ANTIPHON_OK;
}

static enum antiphon_status on_find(void *ctx, const char *plugin, const struct antiphon_store_query *query,
                                    antiphon_row_fn *row, void *row_ctx)
{
    struct seen *seen = ctx;

    (void)row, (void)row_ctx;
    snprintf(seen->text, sizeof(seen->text), "%s %u", plugin, query->limit);
    return ANTIPHON_OK;
}

static bool on_row(void *ctx, const struct antiphon_row *row)
{
    (void)ctx, (void)row;
    return true;
}

static void *put_where_it_must_not(void *arg)
{
    struct fixture *f = arg;

    thread_forbid_blocking();
    assert_int_equal(f->h->store_put(f->h, NULL, "k", "v", 1), ANTIPHON_EDENIED);
    assert_int_equal(f->h->store_get(f->h, NULL, "k", NULL, 0, NULL), ANTIPHON_EDENIED);
    return NULL;
}

static void test_data(void **state)
{
    struct fixture *f = *state;
    struct antiphon_store_query query = {.struct_size = sizeof(query), .text = "word"};
    char key[258], *big = malloc(HOST_MAX_JSON + 1);
    pthread_t thread;

    assert_non_null(big);
    memset(big, 'x', HOST_MAX_JSON + 1);
    memset(key, 'k', sizeof(key));
    key[257] = '\0';
    assert_int_equal(f->h->store_put(f->h, NULL, "k", "v", 1), ANTIPHON_EUNAVAILABLE);
    f->services.store_put = on_put;
    f->services.store_find = on_find;
    assert_int_equal(f->h->store_put(f->h, NULL, "k", "v", 1), ANTIPHON_OK);
    assert_string_equal(f->seen.text, "probe/-/k=v");
    assert_int_equal(f->h->store_put(f->h, "ann", "k", big, HOST_MAX_JSON), ANTIPHON_OK);
    assert_int_equal(f->h->store_put(f->h, "ann", "k", big, HOST_MAX_JSON + 1), ANTIPHON_ETOOBIG);
    assert_int_equal(f->h->store_put(f->h, "ann", key, "v", 1), ANTIPHON_EINVAL);
    assert_int_equal(f->h->store_put(f->h, "ann", "", "v", 1), ANTIPHON_EINVAL);
    assert_int_equal(f->h->store_put(f->h, "", "k", "v", 1), ANTIPHON_EINVAL);
    assert_int_equal(f->h->store_put(f->h, "ann", "k", "\xFF", 1), ANTIPHON_EINVAL);
    assert_int_equal(f->h->store_find(f->h, &query, on_row, NULL), ANTIPHON_OK);
    assert_string_equal(f->seen.text, "probe 100");
    query.limit = 5000;
    assert_int_equal(f->h->store_find(f->h, &query, on_row, NULL), ANTIPHON_OK);
    assert_string_equal(f->seen.text, "probe 1000");
    assert_int_equal(f->h->store_find(f->h, &query, NULL, NULL), ANTIPHON_EINVAL);
    assert_int_equal(pthread_create(&thread, NULL, put_where_it_must_not, f), 0);
    pthread_join(thread, NULL);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_table_is_complete),
        TEST(test_tool_is_copied),
        TEST(test_longer_struct_is_cut),
        TEST(test_bad_tools),
        TEST(test_schema_outside_the_subset),
        TEST(test_native_tools),
        TEST(test_twice_the_same_name),
        TEST(test_too_many_tools),
        TEST(test_models),
        TEST(test_adding_only_in_init),
        TEST(test_finish),
        TEST(test_progress),
        TEST(test_emit),
        TEST(test_network),
        TEST(test_without_services),
        TEST(test_http_permissions),
        TEST(test_http_secrets),
        TEST(test_http_wait),       TEST(test_http_parts),
        TEST(test_hooks),
        TEST(test_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
