#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct web *web_of(const struct antiphon_host *h)
{
    return h->impl;
}

static char *copy(const void *text, size_t len)
{
    char *made = malloc(len + 1);

    assert_non_null(made);
    if (len > 0)
        memcpy(made, text, len);
    made[len] = '\0';
    return made;
}

/* ---- the host's functions -------------------------------------------------------------------- */

ANTIPHON_PRINTF(3, 4)
static void on_log(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt,
                   ...)
{
    struct web *web = web_of(h);
    va_list args;

    (void)level;
    pthread_mutex_lock(&web->lock);
    va_start(args, fmt);
    (void)vsnprintf(web->log[web->log_n++ % WEB_MAX], sizeof(web->log[0]), fmt, args);
    va_end(args);
    pthread_mutex_unlock(&web->lock);
}

static uint64_t on_now_ms(const struct antiphon_host *h)
{
    struct timespec now = {0};

    if (web_of(h)->runs)
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return web_of(h)->now_ms + (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum antiphon_status on_add_tool(const struct antiphon_host *h,
                                        const struct antiphon_tool *tool)
{
    struct web *web = web_of(h);
    struct antiphon_tool *kept = &web->tools[web->tools_n++];

    assert_true(web->tools_n < WEB_MAX);
    *kept = *tool;
    kept->name = copy(tool->name, strlen(tool->name));
    kept->description =
        tool->description ? copy(tool->description, strlen(tool->description)) : NULL;
    kept->params_schema =
        tool->params_schema ? copy(tool->params_schema, strlen(tool->params_schema)) : NULL;
    return ANTIPHON_OK;
}

/* Timers never come due, and what is offered later is only counted. */
static enum antiphon_status on_timer(const struct antiphon_host *h, uint64_t delay_ms,
                                     antiphon_timer_fn *fn, void *ctx, uint64_t *timer)
{
    (void)delay_ms, (void)fn, (void)ctx, (void)timer;
    web_of(h)->timers++;
    return ANTIPHON_OK;
}

static void on_finish(const struct antiphon_host *h, struct antiphon_call *call,
                      enum antiphon_status status, const char *text, size_t len)
{
    struct web *web = web_of(h);

    pthread_mutex_lock(&web->lock);
    assert_ptr_equal(call, web->call);
    assert_int_equal(web->finished, 0);
    web->finished++;
    web->status = status;
    web->text = copy(text, len);
    web->json = status == ANTIPHON_OK ? cJSON_Parse(web->text) : NULL;
    assert_true(status != ANTIPHON_OK || web->json);
    pthread_cond_signal(&web->ended);
    pthread_mutex_unlock(&web->lock);
}

static bool on_cancelled(const struct antiphon_host *h, const struct antiphon_call *call)
{
    (void)call;
    return web_of(h)->cancelled;
}

static void on_progress(const struct antiphon_host *h, struct antiphon_call *call, const char *text,
                        size_t len)
{
    (void)h, (void)call, (void)text, (void)len;
}

static enum antiphon_status on_receipt(const struct antiphon_host *h, struct antiphon_call *call,
                                       const char *json, size_t len)
{
    struct web *web = web_of(h);

    assert_ptr_equal(call, web->call);
    free(web->receipt);
    web->receipt = copy(json, len);
    return web->cancelled ? ANTIPHON_ECANCELLED : ANTIPHON_OK;
}

static enum antiphon_status on_publish(const struct antiphon_host *h, struct antiphon_call *call,
                                       const char *name, const char *json, size_t len)
{
    struct web *web = web_of(h);

    (void)call, (void)name;
    free(web->published);
    web->published = copy(json, len);
    return ANTIPHON_OK;
}

static char *join_headers(const char *const *headers)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    for (size_t i = 0; headers && headers[i]; i += 2)
        (void)fprintf(out, "%s: %s\n", headers[i], headers[i + 1]);
    (void)fclose(out);
    return text;
}

static enum antiphon_status on_http_wait(const struct antiphon_host *h,
                                         const struct antiphon_call *call,
                                         const struct antiphon_http_request *request,
                                         antiphon_http_done_fn *done, void *ctx)
{
    struct web *web = web_of(h);

    (void)call;
    pthread_mutex_lock(&web->lock);
    struct web_asked *asked = &web->asked[web->asked_n++];
    assert_true(web->asked_n <= WEB_MAX);
    *asked = (struct web_asked){
        .method = copy(request->method, strlen(request->method)),
        .url = copy(request->url, strlen(request->url)),
        .body = copy(request->body, request->body_len),
        .headers = join_headers(request->headers),
        .flags = request->flags,
        .max_body = request->max_body,
        .timeout_ms = request->timeout_ms,
    };
    pthread_mutex_unlock(&web->lock);
    struct web_answer answer = web->answer(web, asked);
    struct antiphon_http_response response = {
        .struct_size = sizeof(response),
        .status = (int32_t)answer.status,
        .http_status = answer.http_status,
        .error = answer.error,
        .headers = answer.headers ? answer.headers : "",
        .body = answer.body ? answer.body : "",
        .body_len = answer.len || !answer.body ? answer.len : strlen(answer.body),
    };
    if (request->part && !response.status && response.body_len > 0) {
        if (!request->part(ctx, &response))
            response.status = ANTIPHON_ECANCELLED;
        response.body = "";
        response.body_len = 0;
    }
    done(ctx, &response);
    return ANTIPHON_OK;
}

/* What is not waited for is told as if nobody were there. */
static enum antiphon_status on_http(const struct antiphon_host *h,
                                    const struct antiphon_http_request *request,
                                    antiphon_http_done_fn *done, void *ctx)
{
    (void)h, (void)request, (void)done, (void)ctx;
    return ANTIPHON_EUNAVAILABLE;
}

/* ---- the test's functions -------------------------------------------------------------------- */

enum antiphon_status web_try(struct web *web, const char *config)
{
    pthread_mutex_init(&web->lock, NULL);
    pthread_cond_init(&web->ended, NULL);
    web->host = (struct antiphon_host){
        .struct_size = sizeof(web->host),
        .impl = web,
        .log = on_log,
        .now_ms = on_now_ms,
        .add_tool = on_add_tool,
        .finish = on_finish,
        .cancelled = on_cancelled,
        .progress = on_progress,
        .receipt = on_receipt,
        .publish = on_publish,
        .http = on_http,
        .http_wait = on_http_wait,
        .timer_start = on_timer,
    };
    return antiphon_plugin_v1()->init(&web->host, config, &web->state, web->why, sizeof(web->why));
}

void web_open(struct web *web, const char *config)
{
    if (web_try(web, config))
        fail_msg("init: %s", web->why);
}

static void forget_call(struct web *web)
{
    free(web->text);
    cJSON_Delete(web->json);
    free((char *)(uintptr_t)(web->call ? web->call->args : NULL));
    free(web->call);
    web->text = NULL;
    web->json = NULL;
    web->call = NULL;
    web->finished = 0;
}

void web_close(struct web *web)
{
    if (web->state && antiphon_plugin_v1()->shutdown)
        antiphon_plugin_v1()->shutdown(web->state);
    forget_call(web);
    free(web->receipt);
    free(web->published);
    for (size_t i = 0; i < web->asked_n; i++) {
        free(web->asked[i].method);
        free(web->asked[i].url);
        free(web->asked[i].body);
        free(web->asked[i].headers);
    }
    for (size_t i = 0; i < web->tools_n; i++) {
        free((char *)(uintptr_t)web->tools[i].name);
        free((char *)(uintptr_t)web->tools[i].description);
        free((char *)(uintptr_t)web->tools[i].params_schema);
    }
    pthread_cond_destroy(&web->ended);
    pthread_mutex_destroy(&web->lock);
    *web = (struct web){0};
}

const struct antiphon_tool *web_tool(const struct web *web, const char *name)
{
    for (size_t i = 0; i < web->tools_n; i++) {
        if (!strcmp(web->tools[i].name, name))
            return &web->tools[i];
    }
    return NULL;
}

static void begin(struct web *web, const char *tool, const char *args, uint32_t flags)
{
    forget_call(web);
    web->cancelled = false;
    web->call = calloc(1, sizeof(*web->call));
    assert_non_null(web->call);
    *web->call = (struct antiphon_call){
        .struct_size = sizeof(*web->call),
        .flags = flags,
        .tool = web_tool(web, tool)->name,
        .call_id = "call-1",
        .app = "app",
        .user_id = "user",
        .session_id = "session",
        .agent = "agent",
        .args = copy(args, strlen(args)),
        .args_len = strlen(args),
        .deadline_ms = on_now_ms(&web->host) + (web->call_ms ? web->call_ms : 30000),
    };
}

static void ended(struct web *web, enum antiphon_status status)
{
    if (!status)
        return;
    pthread_mutex_lock(&web->lock);
    assert_int_equal(web->finished, 0);
    web->finished = 1;
    web->status = status;
    web->text = copy("", 0);
    pthread_cond_signal(&web->ended);
    pthread_mutex_unlock(&web->lock);
}

enum antiphon_status web_end(struct web *web)
{
    pthread_mutex_lock(&web->lock);
    while (!web->finished)
        pthread_cond_wait(&web->ended, &web->lock);
    pthread_mutex_unlock(&web->lock);
    return web->status;
}

enum antiphon_status web_call(struct web *web, const char *tool, const char *args)
{
    begin(web, tool, args, web->call_flags);
    ended(web, web_tool(web, tool)->invoke(web->state, web->call));
    return web_end(web);
}

enum antiphon_status web_undo(struct web *web, const char *tool, const char *receipt)
{
    begin(web, tool, receipt, ANTIPHON_CALL_UNDO);
    ended(web, web_tool(web, tool)->undo(web->state, web->call));
    return web_end(web);
}

static void *run(void *arg)
{
    struct web *web = arg;

    ended(web, web_tool(web, web->call->tool)->invoke(web->state, web->call));
    return NULL;
}

void web_begin(struct web *web, const char *tool, const char *args)
{
    pthread_t thread;

    begin(web, tool, args, web->call_flags);
    assert_int_equal(pthread_create(&thread, NULL, run, web), 0);
    assert_int_equal(pthread_detach(thread), 0);
}

void web_cancel(struct web *web)
{
    const struct antiphon_tool *tool = web_tool(web, web->call->tool);

    web->cancelled = true;
    pthread_mutex_lock(&web->lock);
    bool open = !web->finished;
    pthread_mutex_unlock(&web->lock);
    if (open && tool->cancel)
        tool->cancel(web->state, web->call);
}

const char *web_get(const struct web *web, const char *member)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(web->json, member));
}

bool web_logged(struct web *web, const char *part)
{
    bool found = false;

    pthread_mutex_lock(&web->lock);
    for (size_t i = 0; i < web->log_n && i < WEB_MAX; i++)
        found = found || strstr(web->log[i], part);
    pthread_mutex_unlock(&web->lock);
    return found;
}
