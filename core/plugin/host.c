#include "plugin/host_impl.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/manifest_check.h"
#include "plugin/registration.h"
#include "base/banned.h"

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
        log_line(level, host_of(h)->name, "%s", text);
}

static uint64_t host_now_ms(const struct antiphon_host *h)
{
    (void)h;
    return clock_now_ms();
}

static int64_t host_wall_ms(const struct antiphon_host *h)
{
    struct timespec now;

    (void)h;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

enum antiphon_status host_take_tool(const struct host *host, const struct antiphon_tool *tool,
                                      struct registry_tool *copy, struct err *err)
{
    const char *description = NULL;
    char *parameters = NULL;
    struct antiphon_tool full;

    if (!host->manifest || registration_copy(&full, sizeof(full), tool, offsetof(struct antiphon_tool, invoke)))
        return registration_tool(tool, copy, err);
    if (manifest_fill_tool(host->manifest, &full, &description, &parameters, &full.flags))
        return err_set(err, ANTIPHON_ENOMEM, "tool %s: no memory", full.name);
    full.struct_size = tool->struct_size < sizeof(full) ? tool->struct_size : (uint32_t)sizeof(full);
    if (description)
        full.description = description;
    if (parameters)
        full.params_schema = parameters;
    enum antiphon_status status = registration_tool(&full, copy, err);
    free(parameters);
    return status;
}

static enum antiphon_status host_add_tool(const struct antiphon_host *h,
                                          const struct antiphon_tool *tool)
{
    struct host *host = host_of(h);
    struct registry_tool copy = {0};
    struct err why = {0};

    if (!may_add(host, "add_tool"))
        return ANTIPHON_EDENIED;
    if (host->n_tools == HOST_MAX_TOOLS) {
        err_set(&why, ANTIPHON_EBUSY, "more than %d tools", HOST_MAX_TOOLS);
        return refuse(host, &why);
    }
    if (host_take_tool(host, tool, &copy, &why))
        return refuse(host, &why);
    assert(copy.tool.name);
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
    struct host *host = host_of(h);
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

static enum antiphon_status host_add_hook(const struct antiphon_host *h,
                                          const struct antiphon_hook *hook)
{
    struct host *host = host_of(h);
    struct err why = {0};
    struct registry_hook copy;

    if (!may_add(host, "add_hook"))
        return ANTIPHON_EDENIED;
    if (host->n_hooks == HOST_MAX_HOOKS) {
        err_set(&why, ANTIPHON_EBUSY, "more than %d hooks", HOST_MAX_HOOKS);
        return refuse(host, &why);
    }
    if (registration_hook(hook, &copy, &why))
        return refuse(host, &why);
    for (size_t i = 0; i < host->n_hooks; i++) {
        if (strcmp(host->hooks[i].hook.name, copy.hook.name) == 0)
            err_set(&why, ANTIPHON_EEXISTS, "hook %s: was added twice", copy.hook.name);
    }
    if (why.status) {
        registration_hook_free(&copy);
        return refuse(host, &why);
    }
    copy.plugin = host->name;
    host->hooks[host->n_hooks++] = copy;
    return ANTIPHON_OK;
}

static const struct antiphon_host functions = {
    .struct_size = sizeof(struct antiphon_host),
    .log = host_log,
    .now_ms = host_now_ms,
    .wall_ms = host_wall_ms,
    .add_tool = host_add_tool,
    .add_model = host_add_model,
    .add_hook = host_add_hook,
    .finish = host_finish,
    .cancelled = host_cancelled,
    .progress = host_progress,
    .receipt = host_receipt,
    .publish = host_publish,
    .state_get = host_state_get,
    .state_set = host_state_set,
    .decide = host_decide,
    .notify = host_notify,
    .store_get = host_store_get,
    .store_put = host_store_put,
    .store_find = host_store_find,
    .timer_start = host_timer_start,
    .timer_cancel = host_timer_cancel,
    .emit = host_emit,
    .wake = host_wake,
    .ws_open = host_ws_open,
    .ws_send = host_ws_send,
    .ws_close = host_ws_close,
    .http = host_http,
    .http_wait = host_http_wait,
    .set_tools = host_set_tools,
};

enum antiphon_status host_new(const char *name, const struct host_services *services,
                              struct host **host)
{
    struct host *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->tools = calloc(HOST_MAX_TOOLS, sizeof(*made->tools));
    made->models = calloc(HOST_MAX_MODELS, sizeof(*made->models));
    made->hooks = calloc(HOST_MAX_HOOKS, sizeof(*made->hooks));
    if (!made->tools || !made->models || !made->hooks) {
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
    for (size_t i = 0; i < host->n_hooks; i++)
        registration_hook_free(&host->hooks[i]);
    host->n_tools = host->n_models = host->n_hooks = 0;
    free(host->tools);
    free(host->models);
    free(host->hooks);
    host->tools = NULL;
    host->models = NULL;
    host->hooks = NULL;
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

void host_set_manifest(struct host *host, const struct manifest *manifest)
{
    host->manifest = manifest;
}

void host_set_secrets(struct host *host, const struct secrets *secrets)
{
    host->secrets = secrets;
}

void host_on_set_tools(struct host *host, host_set_tools_fn *fn, void *ctx)
{
    host->set_tools = fn;
    host->set_tools_ctx = ctx;
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

size_t host_hooks(const struct host *host, const struct registry_hook **first)
{
    *first = host->hooks;
    return host->n_hooks;
}

void host_take(struct host *host, struct registry_tool *tools, struct registry_model *models,
               struct registry_hook *hooks)
{
    if (host->n_tools)
        memcpy(tools, host->tools, host->n_tools * sizeof(*tools));
    if (host->n_models)
        memcpy(models, host->models, host->n_models * sizeof(*models));
    if (host->n_hooks)
        memcpy(hooks, host->hooks, host->n_hooks * sizeof(*hooks));
    host->n_tools = host->n_models = host->n_hooks = 0;
    drop_all(host);
}
