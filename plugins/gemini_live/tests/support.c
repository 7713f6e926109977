#include "support.h"

#include "reader.h"

static const char *const names[] = {
    [ANTIPHON_EV_TEXT] = "TEXT",
    [ANTIPHON_EV_AUDIO] = "AUDIO",
    [ANTIPHON_EV_READY] = "READY",
    [ANTIPHON_EV_INPUT_TRANSCRIPT] = "INPUT",
    [ANTIPHON_EV_OUTPUT_TRANSCRIPT] = "OUTPUT",
    [ANTIPHON_EV_TOOL_CALL] = "CALL",
    [ANTIPHON_EV_TOOL_CANCEL] = "CANCEL",
    [ANTIPHON_EV_GROUNDING] = "GROUNDING",
    [ANTIPHON_EV_CODE] = "CODE",
    [ANTIPHON_EV_USAGE] = "USAGE",
    [ANTIPHON_EV_GENERATION_COMPLETE] = "GENERATION_COMPLETE",
    [ANTIPHON_EV_TURN_COMPLETE] = "TURN_COMPLETE",
    [ANTIPHON_EV_INTERRUPTED] = "INTERRUPTED",
    [ANTIPHON_EV_VOICE_ACTIVITY] = "VOICE",
    [ANTIPHON_EV_GO_AWAY] = "GO_AWAY",
    [ANTIPHON_EV_RESUMPTION] = "RESUMPTION",
    [ANTIPHON_EV_CLOSED] = "CLOSED",
};

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

void seen_add(void *ctx, const struct antiphon_event *event)
{
    struct seen *seen = ctx;
    assert_true(seen->n < sizeof seen->events / sizeof *seen->events);
    assert_int_equal(event->struct_size, sizeof *event);
    struct antiphon_event *kept = &seen->events[seen->n++];
    *kept = *event;
    kept->id = copy(event->id);
    kept->name = copy(event->name);
    kept->detail = copy(event->detail);
    char *data = malloc(event->len + 1);
    if (event->len)
        memcpy(data, event->data, event->len);
    data[event->len] = '\0';
    kept->data = data;
}

void seen_clear(struct seen *seen)
{
    for (size_t i = 0; i < seen->n; i++) {
        free((char *)seen->events[i].id);
        free((char *)seen->events[i].name);
        free((char *)seen->events[i].detail);
        free((void *)seen->events[i].data);
    }
    seen->n = 0;
}

const char *seen_data(const struct antiphon_event *event)
{
    return event->data;
}

/* JSON without its layout, so that two layouts print alike. */
static void add_data(struct text *out, const struct antiphon_event *event)
{
    cJSON *tree = cJSON_ParseWithLength(event->data, event->len);
    char *json = tree && (cJSON_IsObject(tree)) ? cJSON_PrintUnformatted(tree) : NULL;
    text_printf(out, " '%s'", json ? json : seen_data(event));
    free(json);
    cJSON_Delete(tree);
}

char *seen_print(const struct seen *seen)
{
    struct text out = {0};
    for (size_t i = 0; i < seen->n; i++) {
        const struct antiphon_event *event = &seen->events[i];
        text_puts(&out, names[event->type]);
        if (event->type == ANTIPHON_EV_AUDIO)
            text_printf(&out, " %u %s %zu", event->sample_rate,
                        event->encoding == ANTIPHON_BASE64 ? "b64" : "raw", event->len);
        else if (event->len)
            add_data(&out, event);
        if (event->id)
            text_printf(&out, " id=%s", event->id);
        if (event->name)
            text_printf(&out, " name=%s", event->name);
        if (event->count)
            text_printf(&out, " %u/%u", event->index, event->count);
        if (event->time_ms)
            text_printf(&out, " %lldms", (long long)event->time_ms);
        text_puts(&out, event->flags & ANTIPHON_FLAG_FINAL ? " final" : "");
        text_puts(&out, event->flags & ANTIPHON_FLAG_THOUGHT ? " thought" : "");
        text_puts(&out, event->flags & ANTIPHON_FLAG_RESUMABLE ? " resumable" : "");
        text_puts(&out, "\n");
    }
    text_puts(&out, "");
    return text_take(&out);
}

/* ---- the host -------------------------------------------------------------------------------- */

static struct fake_host *fake_of(const struct antiphon_host *host)
{
    return host->impl;
}

static void on_log(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt, ...)
    ANTIPHON_PRINTF(3, 4);

static void on_log(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt, ...)
{
    struct fake_host *fake = fake_of(h);
    size_t n = strlen(fake->logged);
    va_list args;
    (void)level;
    va_start(args, fmt);
    vsnprintf(fake->logged + n, sizeof fake->logged - n, fmt, args);
    va_end(args);
}

static uint64_t on_now(const struct antiphon_host *h)
{
    return fake_of(h)->now_ms;
}

static enum antiphon_status on_add_model(const struct antiphon_host *h,
                                         const struct antiphon_model *model)
{
    fake_of(h)->model = *model;
    fake_of(h)->has_model = true;
    return ANTIPHON_OK;
}

static void on_emit(const struct antiphon_host *h, antiphon_sink sink,
                    const struct antiphon_event *event)
{
    struct fake_host *fake = fake_of(h);
    assert_int_equal(sink, SINK);
    for (size_t i = 0; i < fake->seen.n; i++)
        assert_int_not_equal(fake->seen.events[i].type, ANTIPHON_EV_CLOSED);
    seen_add(&fake->seen, event);
    if (fake->on_emit)
        fake->on_emit(fake, event);
}

static void on_wake(const struct antiphon_host *h, antiphon_sink sink)
{
    struct fake_host *fake = fake_of(h);
    fake->wakes[fake->wakes_n++] = sink;
}

static char *join_headers(const char *const *headers)
{
    struct text out = {0};
    text_puts(&out, "");
    for (size_t i = 0; headers && headers[i]; i += 2)
        text_printf(&out, "%s: %s\n", headers[i], headers[i + 1]);
    return text_take(&out);
}

static enum antiphon_status on_ws_open(const struct antiphon_host *h, antiphon_sink sink,
                                       const struct antiphon_ws_request *request,
                                       const struct antiphon_ws_handlers *handlers, void *ctx,
                                       struct antiphon_ws **ws)
{
    struct fake_host *fake = fake_of(h);
    assert_int_equal(sink, SINK);
    if (fake->open_status != ANTIPHON_OK)
        return fake->open_status;
    assert_false(fake->ws_live);
    free(fake->url);
    free(fake->headers);
    fake->url = strdup(request->url);
    fake->headers = join_headers(request->headers);
    fake->resolve_ms = request->resolve_timeout_ms;
    fake->connect_ms = request->connect_timeout_ms;
    fake->max_message = request->max_message;
    fake->handlers = handlers;
    fake->ws_ctx = ctx;
    fake->ws_live = true;
    fake->opens++;
    *ws = (struct antiphon_ws *)fake;
    return ANTIPHON_OK;
}

static enum antiphon_status on_ws_send(const struct antiphon_host *h, struct antiphon_ws *ws,
                                       enum antiphon_ws_kind kind,
                                       const struct antiphon_span *parts, size_t n)
{
    struct fake_host *fake = fake_of(h);
    struct text out = {0};
    assert_true(fake->ws_live && ws == (struct antiphon_ws *)fake);
    if (fake->send_status != ANTIPHON_OK)
        return fake->send_status;
    for (size_t i = 0; i < n; i++)
        text_add(&out, parts[i].data, parts[i].len);
    fake->kinds[fake->sent_n] = kind;
    fake->sent[fake->sent_n++] = text_take(&out);
    return ANTIPHON_OK;
}

static void on_ws_close(const struct antiphon_host *h, struct antiphon_ws *ws, int code,
                        const char *reason)
{
    struct fake_host *fake = fake_of(h);
    assert_true(fake->ws_live && ws == (struct antiphon_ws *)fake);
    assert_non_null(reason);
    fake->ws_live = false;
    fake->closes++;
    fake->close_code = code;
}

static enum antiphon_status on_http(const struct antiphon_host *h,
                                    const struct antiphon_http_request *request,
                                    antiphon_http_done_fn *done, void *ctx)
{
    struct fake_host *fake = fake_of(h);
    if (fake->http_status != ANTIPHON_OK)
        return fake->http_status;
    fake->http[fake->http_n++] = (struct fake_http){
        .method = strdup(request->method),
        .url = strdup(request->url),
        .body = strndup(request->body ? request->body : "", request->body_len),
        .headers = join_headers(request->headers),
        .flags = request->flags,
        .timeout_ms = request->timeout_ms,
        .done = done,
        .ctx = ctx,
    };
    return ANTIPHON_OK;
}

void fake_init(struct fake_host *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->now_ms = 1000;
    fake->host = (struct antiphon_host){
        .struct_size = sizeof fake->host,
        .impl = fake,
        .log = on_log,
        .now_ms = on_now,
        .add_model = on_add_model,
        .emit = on_emit,
        .wake = on_wake,
        .ws_open = on_ws_open,
        .ws_send = on_ws_send,
        .ws_close = on_ws_close,
        .http = on_http,
    };
}

void fake_deinit(struct fake_host *fake)
{
    assert_false(fake->ws_live);
    seen_clear(&fake->seen);
    for (size_t i = 0; i < fake->sent_n; i++)
        free(fake->sent[i]);
    for (size_t i = 0; i < fake->http_n; i++) {
        assert_null(fake->http[i].done);
        free(fake->http[i].method);
        free(fake->http[i].url);
        free(fake->http[i].body);
        free(fake->http[i].headers);
    }
    free(fake->url);
    free(fake->headers);
}

void fake_opened(struct fake_host *fake)
{
    assert_true(fake->ws_live);
    fake->handlers->on_open(fake->ws_ctx);
}

void fake_message(struct fake_host *fake, const char *json)
{
    /* A copy of exact size, so that reading beyond it is found. */
    size_t n = strlen(json);
    char *exact = malloc(n ? n : 1);
    assert_true(fake->ws_live);
    memcpy(exact, json, n);
    fake->handlers->on_message(fake->ws_ctx, exact, n);
    free(exact);
}

void fake_ended(struct fake_host *fake, enum antiphon_ws_stage stage, enum antiphon_status status,
                int code, int http, const char *reason)
{
    const struct antiphon_ws_end end = {
        .struct_size = sizeof end,
        .stage = stage,
        .status = status,
        .code = code,
        .http_status = http,
        .reason = reason,
    };
    assert_true(fake->ws_live);
    fake->ws_live = false;
    fake->handlers->on_close(fake->ws_ctx, &end);
}

static void settle(struct fake_host *fake, size_t i, const struct antiphon_http_response *response)
{
    antiphon_http_done_fn *done = fake->http[i].done;
    assert_true(i < fake->http_n);
    assert_non_null(done);
    fake->http[i].done = NULL;
    done(fake->http[i].ctx, response);
}

void fake_answer(struct fake_host *fake, size_t i, int http, const char *headers, const char *body)
{
    const struct antiphon_http_response response = {
        .struct_size = sizeof response,
        .status = ANTIPHON_OK,
        .http_status = http,
        .headers = headers,
        .body = body,
        .body_len = strlen(body),
    };
    settle(fake, i, &response);
}

void fake_fail(struct fake_host *fake, size_t i, enum antiphon_status status)
{
    const struct antiphon_http_response response = {
        .struct_size = sizeof response, .status = status, .error = "no"};
    settle(fake, i, &response);
}

const struct antiphon_event *fake_event(const struct fake_host *fake, enum antiphon_event_type type)
{
    const struct antiphon_event *found = NULL;
    for (size_t i = 0; i < fake->seen.n; i++)
        if (fake->seen.events[i].type == type) {
            assert_null(found);
            found = &fake->seen.events[i];
        }
    return found;
}

/* ---- files ----------------------------------------------------------------------------------- */

char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    struct text text = {0};
    char block[65536];
    size_t n;
    if (!file)
        fail_msg("cannot read %s", path);
    text_puts(&text, "");
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        text_add(&text, block, n);
    fclose(file);
    return text_take(&text);
}

static const char *string(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Shorter matches first, then "*" before the backend. */
cJSON *profile_of(const char *backend, const char *model)
{
    char *text = read_file(MODELS_JSON);
    cJSON *all = cJSON_Parse(text), *out = cJSON_CreateObject();
    const cJSON *entry, *member;
    assert_non_null(all);
    for (size_t len = 0; len <= strlen(model); len++)
        for (int named = 0; named < 2; named++)
            cJSON_ArrayForEach (entry, all) {
                const char *match = string(entry, "match");
                if (strlen(match) != len || strncmp(model, match, len) != 0 ||
                    strcmp(string(entry, "backend"), named ? backend : "*") != 0)
                    continue;
                cJSON_ArrayForEach (member, entry) {
                    cJSON_DeleteItemFromObjectCaseSensitive(out, member->string);
                    cJSON_AddItemToObject(out, member->string, cJSON_Duplicate(member, true));
                }
            }
    cJSON_Delete(all);
    free(text);
    return out;
}

void assert_same_json(const char *got, const char *wanted, const char *what)
{
    cJSON *a = got ? cJSON_Parse(got) : NULL, *b = wanted ? cJSON_Parse(wanted) : NULL;
    bool same = got && wanted ? a && b && cJSON_Compare(a, b, true) : got == wanted;
    if (!same)
        fail_msg("%s:\n got    %s\n wanted %s", what, got ? got : "(nothing)",
                 wanted ? wanted : "(nothing)");
    cJSON_Delete(a);
    cJSON_Delete(b);
}
