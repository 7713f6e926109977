#include "plugin/host.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "plugin/registration.h"
#include "base/banned.h"

#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

struct host {
    struct antiphon_host table;
    const char *name;                     /* borrowed: the plugin's descriptor */
    const struct host_services *services; /* borrowed: the registry */
    atomic_bool open;                     /* between host_begin() and host_end() */
    pthread_t opener;                     /* written before open is set */
    struct registry_tool *tools;          /* owned */
    struct registry_model *models;        /* owned */
    size_t n_tools, n_models;
    struct err fault;
};

static struct host *self(const struct antiphon_host *h)
{
    return h->impl;
}

static void PRINTF_LIKE(3, 4)
    host_log(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt, ...)
{
    char text[LOG_MAX_LINE];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n >= 0)
        log_line(level, self(h)->name, "%s", text);
}

static uint64_t host_now_ms(const struct antiphon_host *h)
{
    (void)h;
    return clock_now_ms();
}

static bool may_add(struct host *host, const char *what)
{
    if (atomic_load(&host->open) && pthread_equal(host->opener, pthread_self()))
        return true;
    log_error(host->name, "%s() outside init() was refused", what);
    return false;
}

static enum antiphon_status refuse(struct host *host, const struct err *why)
{
    if (host->fault.status == ANTIPHON_OK)
        host->fault = *why;
    return why->status;
}

static enum antiphon_status host_add_tool(const struct antiphon_host *h,
                                          const struct antiphon_tool *tool)
{
    struct host *host = self(h);
    struct err why = {0};
    struct registry_tool copy;

    if (!may_add(host, "add_tool"))
        return ANTIPHON_EDENIED;
    if (host->n_tools == HOST_MAX_TOOLS) {
        err_set(&why, ANTIPHON_EBUSY, "more than %d tools", HOST_MAX_TOOLS);
        return refuse(host, &why);
    }
    if (registration_tool(tool, &copy, &why))
        return refuse(host, &why);
    for (size_t i = 0; i < host->n_tools; i++) {
        if (strcmp(host->tools[i].tool.name, copy.tool.name) == 0)
            err_set(&why, ANTIPHON_EEXISTS, "tool %s: was added twice", copy.tool.name);
    }
    if (why.status) {
        registration_tool_free(&copy);
        return refuse(host, &why);
    }
    copy.plugin = host->name;
    host->tools[host->n_tools++] = copy;
    return ANTIPHON_OK;
}

static enum antiphon_status host_add_model(const struct antiphon_host *h,
                                           const struct antiphon_model *model)
{
    struct host *host = self(h);
    struct err why = {0};
    struct registry_model copy;

    if (!may_add(host, "add_model"))
        return ANTIPHON_EDENIED;
    if (host->n_models == HOST_MAX_MODELS) {
        err_set(&why, ANTIPHON_EBUSY, "more than %d models", HOST_MAX_MODELS);
        return refuse(host, &why);
    }
    if (registration_model(model, &copy, &why))
        return refuse(host, &why);
    for (size_t i = 0; i < host->n_models; i++) {
        if (strcmp(host->models[i].model.name, copy.model.name) == 0)
            err_set(&why, ANTIPHON_EEXISTS, "model %s: was added twice", copy.model.name);
    }
    if (why.status) {
        registration_model_free(&copy);
        return refuse(host, &why);
    }
    copy.plugin = host->name;
    host->models[host->n_models++] = copy;
    return ANTIPHON_OK;
}

static void host_finish(const struct antiphon_host *h, struct antiphon_call *call,
                        enum antiphon_status status, const char *text, size_t len)
{
    const struct host *host = self(h);
    char why[128];

    if (!call) {
        log_error(host->name, "finish() without a call was ignored");
        return;
    }
    if (!text)
        len = 0;
    if (len > HOST_MAX_RESULT) {
        int n = snprintf(why, sizeof(why), "the result has %zu bytes, at most %zu are allowed", len,
                         HOST_MAX_RESULT);
        log_warn(host->name, "a tool's result was replaced by an error: %s", why);
        status = ANTIPHON_ETOOBIG;
        text = why;
        len = n < 0 ? 0 : (size_t)n;
    }
    if (host->services->finish)
        host->services->finish(host->services->ctx, call, status, len ? text : "", len);
}

static bool host_cancelled(const struct antiphon_host *h, const struct antiphon_call *call)
{
    const struct host_services *services = self(h)->services;

    return call && services->cancelled && services->cancelled(services->ctx, call);
}

static void host_progress(const struct antiphon_host *h, struct antiphon_call *call,
                          const char *text, size_t len)
{
    const struct host *host = self(h);

    if (!call || !text || !utf8_valid(text, len)) {
        log_error(host->name, "progress() without a call or UTF-8 text was ignored");
        return;
    }
    if (len > HOST_MAX_PROGRESS)
        len = utf8_cut(text, HOST_MAX_PROGRESS);
    if (host->services->progress)
        host->services->progress(host->services->ctx, call, text, len);
}

static void host_emit(const struct antiphon_host *h, antiphon_sink sink,
                      const struct antiphon_event *event)
{
    const struct host *host = self(h);
    struct antiphon_event full;

    /* This is the way of every audio frame: nothing is copied for a plugin of our own age. */
    if (event && event->struct_size != sizeof(full)) {
        if (registration_copy(&full, sizeof(full), event, END_OF(struct antiphon_event, len)))
            event = NULL;
        else
            event = &full;
    }
    if (!event || event->type == 0 || (event->len && !event->data)) {
        log_error(host->name, "emit() of an event without size, type or data was ignored");
        return;
    }
    if (host->services->emit)
        host->services->emit(host->services->ctx, sink, event);
}

static void host_wake(const struct antiphon_host *h, antiphon_sink sink)
{
    const struct host_services *services = self(h)->services;

    if (services->wake)
        services->wake(services->ctx, sink);
}

static enum antiphon_status host_ws_open(const struct antiphon_host *h, antiphon_sink sink,
                                         const struct antiphon_ws_request *request,
                                         const struct antiphon_ws_handlers *handlers,
                                         void *handlers_ctx, struct antiphon_ws **ws)
{
    const struct host *host = self(h);
    struct antiphon_ws_request full;
    struct antiphon_ws_handlers table;

    if (registration_copy(&full, sizeof(full), request,
                          END_OF(struct antiphon_ws_request, headers)) ||
        registration_copy(&table, sizeof(table), handlers,
                          END_OF(struct antiphon_ws_handlers, on_close)) ||
        !full.url || !table.on_open || !table.on_message || !table.on_close || !ws) {
        log_error(host->name, "ws_open() without size, url, handlers or result was refused");
        return ANTIPHON_EINVAL;
    }
    if (!host->services->ws_open)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->ws_open(host->services->ctx, sink, &full, &table, handlers_ctx, ws);
}

static enum antiphon_status host_ws_send(const struct antiphon_host *h, struct antiphon_ws *ws,
                                         enum antiphon_ws_kind kind,
                                         const struct antiphon_span *parts, size_t n)
{
    const struct host_services *services = self(h)->services;

    if (!ws || (n && !parts))
        return ANTIPHON_EINVAL;
    return services->ws_send ? services->ws_send(services->ctx, ws, kind, parts, n)
                             : ANTIPHON_EUNAVAILABLE;
}

static void host_ws_close(const struct antiphon_host *h, struct antiphon_ws *ws, int code,
                          const char *reason)
{
    const struct host_services *services = self(h)->services;

    if (ws && services->ws_close)
        services->ws_close(services->ctx, ws, code, reason ? reason : "");
}

static enum antiphon_status host_http(const struct antiphon_host *h,
                                      const struct antiphon_http_request *request,
                                      antiphon_http_done_fn *done, void *done_ctx)
{
    const struct host *host = self(h);
    struct antiphon_http_request full;

    if (registration_copy(&full, sizeof(full), request,
                          END_OF(struct antiphon_http_request, body_len)) ||
        !full.url || !done || (full.body_len && !full.body)) {
        log_error(host->name, "http() without size, url, body or done() was refused");
        return ANTIPHON_EINVAL;
    }
    if (!full.method)
        full.method = full.body ? "POST" : "GET";
    if (!host->services->http)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->http(host->services->ctx, &full, done, done_ctx);
}

static const struct antiphon_host functions = {
    .struct_size = sizeof(struct antiphon_host),
    .log = host_log,
    .now_ms = host_now_ms,
    .add_tool = host_add_tool,
    .add_model = host_add_model,
    .finish = host_finish,
    .cancelled = host_cancelled,
    .progress = host_progress,
    .emit = host_emit,
    .wake = host_wake,
    .ws_open = host_ws_open,
    .ws_send = host_ws_send,
    .ws_close = host_ws_close,
    .http = host_http,
};

enum antiphon_status host_new(const char *name, const struct host_services *services,
                              struct host **host)
{
    struct host *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->tools = calloc(HOST_MAX_TOOLS, sizeof(*made->tools));
    made->models = calloc(HOST_MAX_MODELS, sizeof(*made->models));
    if (!made->tools || !made->models) {
        host_free(made);
        return ANTIPHON_ENOMEM;
    }
    made->table = functions;
    made->table.impl = made;
    made->name = name;
    made->services = services;
    *host = made;
    return ANTIPHON_OK;
}

static void drop_all(struct host *host)
{
    for (size_t i = 0; i < host->n_tools; i++)
        registration_tool_free(&host->tools[i]);
    for (size_t i = 0; i < host->n_models; i++)
        registration_model_free(&host->models[i]);
    host->n_tools = host->n_models = 0;
    free(host->tools);
    free(host->models);
    host->tools = NULL;
    host->models = NULL;
}

void host_free(struct host *host)
{
    if (!host)
        return;
    drop_all(host);
    free(host);
}

const struct antiphon_host *host_table(const struct host *host)
{
    return &host->table;
}

void host_begin(struct host *host)
{
    host->opener = pthread_self();
    atomic_store(&host->open, true);
}

void host_end(struct host *host)
{
    atomic_store(&host->open, false);
}

const struct err *host_fault(const struct host *host)
{
    return &host->fault;
}

size_t host_tools(const struct host *host, const struct registry_tool **first)
{
    *first = host->tools;
    return host->n_tools;
}

size_t host_models(const struct host *host, const struct registry_model **first)
{
    *first = host->models;
    return host->n_models;
}

void host_take(struct host *host, struct registry_tool *tools, struct registry_model *models)
{
    if (host->n_tools)
        memcpy(tools, host->tools, host->n_tools * sizeof(*tools));
    if (host->n_models)
        memcpy(models, host->models, host->n_models * sizeof(*models));
    host->n_tools = host->n_models = 0;
    drop_all(host);
}
