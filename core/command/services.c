#include "command/services.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alarm.h"
#include "net/upstream.h"
#include "session/hook_call.h"
#include "session/session_plugin.h"
#include "session/sessions.h"
#include "session/tool_job.h"
#include "store/store_wait.h"
#include "base/banned.h"

struct services {
    struct host_services table;
    struct runtime *runtime;  /* borrowed */
    struct http_client *http; /* borrowed */
    struct alarms *alarms;    /* owned; the runtime's */
    pthread_rwlock_t gate;
    bool open, started; /* under gate */
};

/* True: the server is there until leave(). */
static bool enter(struct services *services)
{
    pthread_rwlock_rdlock(&services->gate);
    if (services->open)
        return true;
    pthread_rwlock_unlock(&services->gate);
    return false;
}

static void leave(struct services *services)
{
    pthread_rwlock_unlock(&services->gate);
}

/* ---- calls: whose session is gone they are cancelled, and reach nobody ---- */

static void service_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text,
                           size_t len)
{
    (void)ctx;
    tool_job_finish(call, status, text, len);
}

static bool service_cancelled(void *ctx, const struct antiphon_call *call)
{
    (void)ctx;
    return tool_job_cancelled(call);
}

static void service_progress(void *ctx, struct antiphon_call *call, const char *text, size_t len)
{
    (void)ctx;
    tool_job_progress(call, text, len);
}

static enum antiphon_status service_receipt(void *ctx, struct antiphon_call *call, const char *json, size_t len)
{
    (void)ctx;
    return tool_job_receipt(call, json, len);
}

static enum antiphon_status service_publish(void *ctx, struct antiphon_call *call, const char *plugin,
                                            const char *name, const char *json, size_t len)
{
    (void)ctx;
    return session_plugin_publish(call, plugin, name, json, len);
}

static enum antiphon_status service_state_get(void *ctx, const struct antiphon_call *call, const char *key,
                                              char *json, size_t size, size_t *len)
{
    (void)ctx;
    return tool_job_state_get(call, key, json, size, len);
}

static enum antiphon_status service_state_set(void *ctx, struct antiphon_call *call, const char *key,
                                              const char *json, size_t len)
{
    (void)ctx;
    return tool_job_state_set(call, key, json, len);
}

static void service_decide(void *ctx, struct antiphon_check *check, enum antiphon_verdict verdict, const char *text,
                           size_t len)
{
    (void)ctx;
    hook_call_decide(check, verdict, text, len);
}

/* ---- connections to models: on the loop's thread, which outlives them ---- */

static void service_emit(void *ctx, antiphon_sink sink, const struct antiphon_event *event)
{
    struct services *services = ctx;

    sessions_emit(services->runtime, sink, event);
}

static void service_wake(void *ctx, antiphon_sink sink)
{
    struct services *services = ctx;

    if (!enter(services))
        return;
    sessions_wake(services->runtime, sink);
    leave(services);
}

static enum antiphon_status service_ws_open(void *ctx, antiphon_sink sink, const struct antiphon_ws_request *request,
                                            const struct antiphon_ws_handlers *handlers, void *handlers_ctx,
                                            struct antiphon_ws **ws)
{
    struct shard *shard = shard_self();
    struct upstream *upstream = NULL;
    enum antiphon_status status;

    (void)ctx;
    (void)sink;
    if (!shard)
        return ANTIPHON_EINVAL;
    status = upstream_open(shard, request, handlers, handlers_ctx, &upstream);
    if (!status)
        *ws = (struct antiphon_ws *)upstream;
    return status;
}

static enum antiphon_status service_ws_send(void *ctx, struct antiphon_ws *ws, enum antiphon_ws_kind kind,
                                            const struct antiphon_span *parts, size_t n)
{
    (void)ctx;
    return upstream_send((struct upstream *)ws, kind, parts, n);
}

static void service_ws_close(void *ctx, struct antiphon_ws *ws, int code, const char *reason)
{
    (void)ctx;
    upstream_close((struct upstream *)ws, code, reason);
}

/* ---- the plugin's own ---- */

static enum antiphon_status service_http(void *ctx, const struct antiphon_http_request *request,
                                         antiphon_http_done_fn *done, void *done_ctx)
{
    struct services *services = ctx;
    enum antiphon_status status;

    if (!enter(services))
        return ANTIPHON_EUNAVAILABLE;
    status = http_client_submit(services->http, request, done, done_ctx);
    leave(services);
    return status;
}

static enum antiphon_status service_store_get(void *ctx, const char *plugin, const char *user, const char *key,
                                              char *value, size_t size, size_t *len)
{
    struct services *services = ctx;
    enum antiphon_status status;

    if (!enter(services))
        return ANTIPHON_EUNAVAILABLE;
    status = store_wait_get(services->runtime->store, plugin, user, key, value, size, len);
    leave(services);
    return status;
}

static enum antiphon_status service_store_put(void *ctx, const char *plugin, const char *user, const char *key,
                                              const char *value, size_t len)
{
    struct services *services = ctx;
    enum antiphon_status status;

    if (!enter(services))
        return ANTIPHON_EUNAVAILABLE;
    status = store_wait_put(services->runtime->store, plugin, user, key, value, len);
    leave(services);
    return status;
}

static enum antiphon_status service_store_find(void *ctx, const char *plugin,
                                               const struct antiphon_store_query *query, antiphon_row_fn *row,
                                               void *row_ctx)
{
    struct services *services = ctx;
    enum antiphon_status status;

    if (!enter(services))
        return ANTIPHON_EUNAVAILABLE;
    status = store_wait_find(services->runtime->store, plugin, query, row, row_ctx);
    leave(services);
    return status;
}

static enum antiphon_status service_notify(void *ctx, const char *plugin, const struct antiphon_notice *notice)
{
    struct services *services = ctx;
    enum antiphon_status status;

    if (!enter(services))
        return ANTIPHON_EUNAVAILABLE;
    status = session_plugin_notify(services->runtime, services->started, plugin, notice);
    leave(services);
    return status;
}

static enum antiphon_status service_timer_start(void *ctx, const char *plugin, uint64_t delay_ms,
                                                antiphon_timer_fn *fn, void *fn_ctx, uint64_t *timer)
{
    struct services *services = ctx;
    enum antiphon_status status;

    if (!enter(services))
        return ANTIPHON_EUNAVAILABLE;
    status = alarm_start(services->alarms, plugin, delay_ms, fn, fn_ctx, timer);
    leave(services);
    return status;
}

static bool service_timer_cancel(void *ctx, const char *plugin, uint64_t timer)
{
    struct services *services = ctx;
    bool cancelled;

    if (!enter(services))
        return false;
    cancelled = alarm_cancel(services->alarms, plugin, timer);
    leave(services);
    return cancelled;
}

/* ---- life ---- */

enum antiphon_status services_open(struct runtime *runtime, struct http_client *http, struct services **services)
{
    struct services *made = calloc(1, sizeof(*made));
    enum antiphon_status status;

    if (!made)
        return ANTIPHON_ENOMEM;
    made->runtime = runtime;
    made->http = http;
    made->open = true;
    made->table = (struct host_services){.ctx = made,
                                         .finish = service_finish,
                                         .cancelled = service_cancelled,
                                         .progress = service_progress,
                                         .receipt = service_receipt,
                                         .publish = service_publish,
                                         .state_get = service_state_get,
                                         .state_set = service_state_set,
                                         .decide = service_decide,
                                         .emit = service_emit,
                                         .wake = service_wake,
                                         .ws_open = service_ws_open,
                                         .ws_send = service_ws_send,
                                         .ws_close = service_ws_close,
                                         .http = service_http,
                                         .notify = service_notify,
                                         .store_get = service_store_get,
                                         .store_put = service_store_put,
                                         .store_find = service_store_find,
                                         .timer_start = service_timer_start,
                                         .timer_cancel = service_timer_cancel};
    pthread_rwlock_init(&made->gate, NULL);
    status = alarms_new(runtime->pool, &made->alarms);
    if (status) {
        pthread_rwlock_destroy(&made->gate);
        free(made);
        return status;
    }
    runtime->alarms = made->alarms;
    *services = made;
    return ANTIPHON_OK;
}

const struct host_services *services_table(const struct services *services)
{
    return &services->table;
}

void services_starting(struct services *services)
{
    pthread_rwlock_wrlock(&services->gate);
}

void services_started(struct services *services)
{
    services->started = true;
    pthread_rwlock_unlock(&services->gate);
}

void services_close(struct services *services)
{
    if (!services)
        return;
    pthread_rwlock_wrlock(&services->gate);
    services->open = false;
    pthread_rwlock_unlock(&services->gate);
    alarms_free(services->alarms);
    services->alarms = NULL;
}

void services_free(struct services *services)
{
    if (!services)
        return;
    alarms_free(services->alarms);
    pthread_rwlock_destroy(&services->gate);
    free(services);
}
