#include "plugin/runner_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static void service_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text,
                           size_t len)
{
    runner_finish(ctx, call, status, text, len);
}

static bool service_cancelled(void *ctx, const struct antiphon_call *call)
{
    (void)ctx;
    return runner_cancelled(call);
}

static void service_progress(void *ctx, struct antiphon_call *call, const char *text, size_t len)
{
    char copy[1025];

    /* host.h: at most 1 KiB of UTF-8; a NUL in it would not cross. */
    len = strnlen(text, len < sizeof(copy) ? len : sizeof(copy) - 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    const struct runner_message message = {
        .type = RUNNER_PROGRESS, .number = runner_call_number(call), .text = {{copy, len}}};
    (void)runner_send(ctx, &message);
}

/* A request whose answer is a status alone. */
static enum antiphon_status ask(struct runner *runner, struct runner_message *message)
{
    struct runner_answer answer;
    enum antiphon_status status = runner_ask(runner, message, &answer);

    runner_answer_deinit(&answer);
    return status;
}

/* A request whose answer is a value, which is copied with a NUL as far as there is room. */
static enum antiphon_status ask_value(struct runner *runner, struct runner_message *message, char *value, size_t size,
                                      size_t *len)
{
    struct runner_answer answer;
    enum antiphon_status status = runner_ask(runner, message, &answer);

    if (!status && !answer.data)
        status = ANTIPHON_EPROTOCOL;
    if (!status) {
        if (len)
            *len = answer.len;
        if (answer.len + 1 > size)
            status = ANTIPHON_ETOOBIG;
        else
            memcpy(value, answer.data, answer.len + 1);
    }
    runner_answer_deinit(&answer);
    return status;
}

static enum antiphon_status service_receipt(void *ctx, struct antiphon_call *call, const char *json, size_t len)
{
    struct runner_message message = {
        .type = RUNNER_RECEIPT, .value = {runner_call_number(call)}, .text = {{json, len}}};

    return runner_cancelled(call) ? ANTIPHON_ECANCELLED : ask(ctx, &message);
}

static enum antiphon_status service_publish(void *ctx, struct antiphon_call *call, const char *plugin,
                                            const char *name, const char *json, size_t len)
{
    struct runner_message message = {.type = RUNNER_PUBLISH,
                                     .value = {runner_call_number(call)},
                                     .text = {runner_text(name), {json, len}}};

    (void)plugin;
    return ask(ctx, &message);
}

static enum antiphon_status service_state_get(void *ctx, const struct antiphon_call *call, const char *key,
                                              char *json, size_t size, size_t *len)
{
    struct runner_message message = {
        .type = RUNNER_STATE_GET, .value = {runner_call_number(call)}, .text = {runner_text(key)}};

    return ask_value(ctx, &message, json, size, len);
}

static enum antiphon_status service_state_set(void *ctx, struct antiphon_call *call, const char *key,
                                              const char *json, size_t len)
{
    struct runner_message message = {.type = RUNNER_STATE_SET,
                                     .value = {runner_call_number(call)},
                                     .text = {runner_text(key), {json, len}}};

    return ask(ctx, &message);
}

static void service_decide(void *ctx, struct antiphon_check *check, enum antiphon_verdict verdict, const char *text,
                           size_t len)
{
    runner_decide(ctx, check, verdict, text, len);
}

static enum antiphon_status service_notify(void *ctx, const char *plugin, const struct antiphon_notice *notice)
{
    struct runner_message message = {.type = RUNNER_NOTIFY,
                                     .value = {notice->ttl_s},
                                     .text = {runner_text(notice->app),
                                              runner_text(notice->user_id),
                                              runner_text(notice->session_id),
                                              {notice->text, notice->len}}};

    (void)plugin;
    return ask(ctx, &message);
}

static enum antiphon_status service_store_get(void *ctx, const char *plugin, const char *user_id, const char *key,
                                              char *value, size_t size, size_t *len)
{
    struct runner_message message = {.type = RUNNER_STORE_GET, .text = {runner_text(user_id), runner_text(key)}};

    (void)plugin;
    return ask_value(ctx, &message, value, size, len);
}

static enum antiphon_status service_store_put(void *ctx, const char *plugin, const char *user_id, const char *key,
                                              const char *value, size_t len)
{
    struct runner_message message = {.type = RUNNER_STORE_PUT,
                                     .text = {runner_text(user_id), runner_text(key), {value, value ? len : 0}}};

    (void)plugin;
    return ask(ctx, &message);
}

static enum antiphon_status service_store_find(void *ctx, const char *plugin,
                                               const struct antiphon_store_query *query, antiphon_row_fn *row,
                                               void *row_ctx)
{
    struct runner_message message = {
        .type = RUNNER_STORE_FIND,
        .value = {query->limit},
        .text = {runner_text(query->user_id), runner_text(query->prefix), runner_text(query->text)}};
    struct runner_answer answer;
    enum antiphon_status status = runner_ask(ctx, &message, &answer);
    bool more = !status;

    (void)plugin;
    for (const struct runner_row *at = answer.rows; at && more; at = at->next) {
        const struct antiphon_row found = {.struct_size = sizeof(found),
                                           .key = at->key,
                                           .value = at->value,
                                           .len = at->len,
                                           .updated_ms = at->updated_ms};
        more = row(row_ctx, &found);
    }
    runner_answer_deinit(&answer);
    return status;
}

static enum antiphon_status service_timer_start(void *ctx, const char *plugin, uint64_t delay_ms,
                                                antiphon_timer_fn *fn, void *fn_ctx, uint64_t *timer)
{
    const struct runner *runner = ctx;

    return alarm_start(runner->alarms, plugin, delay_ms, fn, fn_ctx, timer);
}

static bool service_timer_cancel(void *ctx, const char *plugin, uint64_t timer)
{
    const struct runner *runner = ctx;

    return alarm_cancel(runner->alarms, plugin, timer);
}

static enum antiphon_status service_http(void *ctx, const struct antiphon_http_request *request,
                                         antiphon_http_done_fn *done, void *done_ctx)
{
    return runner_http(ctx, request, done, done_ctx);
}

static void service_tools_changed(void *ctx)
{
    runner_tools_changed(ctx);
}

void runner_services(struct runner *runner, struct host_services *services)
{
    *services = (struct host_services){.ctx = runner,
                                       .finish = service_finish,
                                       .cancelled = service_cancelled,
                                       .progress = service_progress,
                                       .receipt = service_receipt,
                                       .publish = service_publish,
                                       .state_get = service_state_get,
                                       .state_set = service_state_set,
                                       .decide = service_decide,
                                       .notify = service_notify,
                                       .store_get = service_store_get,
                                       .store_put = service_store_put,
                                       .store_find = service_store_find,
                                       .timer_start = service_timer_start,
                                       .timer_cancel = service_timer_cancel,
                                       .http = service_http,
                                       .tools_changed = service_tools_changed};
}
