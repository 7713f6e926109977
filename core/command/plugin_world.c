#include "command/plugin_world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jschema.h"
#include "command/command.h"
#include "base/banned.h"

#define MAX_ROWS 1000
#define MAX_TOLD ((size_t)64 << 10)

struct row {
    char *user, *key, *value; /* owned; user NULL: nobody's. State lies under user "\1state" */
    size_t len;
};
struct plugin_world {
    struct registry *registry;
    struct isolate *isolate;
    struct http_client *http;
    const char *settings; /* borrowed */
    struct err config_err;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    /* below: under lock */
    bool done;
    struct plugin_result result;
    struct row rows[MAX_ROWS];
    size_t n_rows;
    struct buf told;
};

/* ---- results ---- */

static void on_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text, size_t len)
{
    struct plugin_world *world = ctx;

    (void)call;
    pthread_mutex_lock(&world->lock);
    if (!world->done) {
        world->result.status = status;
        world->result.text = strndup(text, len);
        world->result.len = len;
        world->result.us = clock_now_us();
        world->done = true;
        pthread_cond_signal(&world->ended);
    }
    pthread_mutex_unlock(&world->lock);
}

static bool on_cancelled(void *ctx, const struct antiphon_call *call)
{
    (void)ctx;
    (void)call;
    return false;
}

static void tell(struct plugin_world *world, const char *what, const char *name, const char *text, size_t len)
{
    pthread_mutex_lock(&world->lock);
    buf_printf(&world->told, "%-12s %s%s%.*s\n", what, name, name[0] ? " " : "", (int)len, text);
    pthread_mutex_unlock(&world->lock);
}

static void on_progress(void *ctx, struct antiphon_call *call, const char *text, size_t len)
{
    (void)call;
    tell(ctx, "progress", "", text, len);
}

static enum antiphon_status on_receipt(void *ctx, struct antiphon_call *call, const char *json, size_t len)
{
    (void)call;
    tell(ctx, "receipt", "", json, len);
    return ANTIPHON_OK;
}

static enum antiphon_status on_publish(void *ctx, struct antiphon_call *call, const char *plugin, const char *name,
                                       const char *json, size_t len)
{
    (void)call;
    (void)plugin;
    tell(ctx, "event", name, json, len);
    return ANTIPHON_OK;
}

static enum antiphon_status on_notify(void *ctx, const char *plugin, const struct antiphon_notice *notice)
{
    (void)plugin;
    tell(ctx, "notice", "", notice->text, notice->len);
    return ANTIPHON_OK;
}

/* ---- what it keeps ---- */

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct row *find(struct plugin_world *world, const char *user, const char *key)
{
    for (size_t i = 0; i < world->n_rows; i++) {
        if (is_same(world->rows[i].user, user) && strcmp(world->rows[i].key, key) == 0)
            return &world->rows[i];
    }
    return NULL;
}

static void row_deinit(struct row *row)
{
    free(row->user);
    free(row->key);
    free(row->value);
}

static enum antiphon_status keep(struct plugin_world *world, const char *user, const char *key, const char *value,
                                 size_t len)
{
    struct row made = {user ? strdup(user) : NULL, strdup(key), value ? strndup(value, len) : NULL, len};
    enum antiphon_status status = ANTIPHON_OK;

    pthread_mutex_lock(&world->lock);
    struct row *row = find(world, user, key);
    if (!made.key || (user && !made.user) || (value && !made.value)) {
        status = ANTIPHON_ENOMEM;
    } else if (row && !value) {
        row_deinit(row);
        *row = world->rows[--world->n_rows];
    } else if (value && !row && world->n_rows == MAX_ROWS) {
        status = ANTIPHON_EBUSY;
    } else if (value) {
        if (row)
            row_deinit(row);
        else
            row = &world->rows[world->n_rows++];
        *row = made;
        made = (struct row){0};
    }
    pthread_mutex_unlock(&world->lock);
    row_deinit(&made);
    return status;
}

static enum antiphon_status read_back(struct plugin_world *world, const char *user, const char *key, char *value,
                                      size_t size, size_t *len)
{
    enum antiphon_status status = ANTIPHON_ENOTFOUND;

    pthread_mutex_lock(&world->lock);
    const struct row *row = find(world, user, key);
    if (row) {
        if (len)
            *len = row->len;
        status = row->len + 1 > size ? ANTIPHON_ETOOBIG : ANTIPHON_OK;
        if (!status)
            memcpy(value, row->value, row->len + 1);
    }
    pthread_mutex_unlock(&world->lock);
    return status;
}

static enum antiphon_status on_store_get(void *ctx, const char *plugin, const char *user_id, const char *key,
                                         char *value, size_t size, size_t *len)
{
    (void)plugin;
    return read_back(ctx, user_id, key, value, size, len);
}

static enum antiphon_status on_store_put(void *ctx, const char *plugin, const char *user_id, const char *key,
                                         const char *value, size_t len)
{
    (void)plugin;
    return keep(ctx, user_id, key, value, len);
}

static enum antiphon_status on_store_find(void *ctx, const char *plugin, const struct antiphon_store_query *query,
                                          antiphon_row_fn *fn, void *fn_ctx)
{
    struct plugin_world *world = ctx;
    bool more = true;
    uint32_t n = 0;

    (void)plugin;
    pthread_mutex_lock(&world->lock);
    for (size_t i = 0; i < world->n_rows && more && n < query->limit; i++) {
        const struct row *row = &world->rows[i];
        const struct antiphon_row found = {
            .struct_size = sizeof(found), .key = row->key, .value = row->value, .len = row->len};
        if (!is_same(row->user, query->user_id) ||
            (query->prefix && strncmp(row->key, query->prefix, strlen(query->prefix)) != 0) ||
            (query->text && !strcasestr(row->value, query->text)))
            continue;
        more = fn(fn_ctx, &found);
        n++;
    }
    pthread_mutex_unlock(&world->lock);
    return ANTIPHON_OK;
}

static const char state_of[] = "\1state"; /* no user is called so */

static enum antiphon_status on_state_get(void *ctx, const struct antiphon_call *call, const char *key, char *json,
                                         size_t size, size_t *len)
{
    (void)call;
    return read_back(ctx, state_of, key, json, size, len);
}

static enum antiphon_status on_state_set(void *ctx, struct antiphon_call *call, const char *key, const char *json,
                                         size_t len)
{
    (void)call;
    return keep(ctx, state_of, key, json, len);
}

static enum antiphon_status on_http(void *ctx, const struct antiphon_http_request *request,
                                    antiphon_http_done_fn *done, void *done_ctx)
{
    struct plugin_world *world = ctx;

    return http_client_submit(world->http, request, done, done_ctx);
}

/* ---- settings ---- */

static void keep_first(void *ctx, const char *path, const char *message)
{
    struct err *err = ctx;

    if (!err->status)
        err_set(err, ANTIPHON_EINVAL, "config: %s%s%s", path, *path ? ": " : "", message);
}

static enum antiphon_status on_config(void *ctx, const char *plugin, const char *schema_text, char **json)
{
    struct plugin_world *world = ctx;
    struct jschema *schema = NULL;
    cJSON *value = NULL;
    struct buf text;
    enum antiphon_status status =
        json_parse(world->settings, strlen(world->settings), NULL, &value, &world->config_err);

    buf_init(&text, (size_t)1 << 20);
    if (!status && !cJSON_IsObject(value))
        status = err_set(&world->config_err, ANTIPHON_EINVAL, "config: must be an object");
    if (!status && schema_text)
        status = jschema_new(plugin, schema_text, &schema, &world->config_err);
    else if (!status && value->child)
        status = err_set(&world->config_err, ANTIPHON_EINVAL, "config: this plugin has no settings");
    if (!status && schema)
        status = jschema_check(schema, value, JSCHEMA_FILL_DEFAULTS, keep_first, &world->config_err);
    if (!status)
        status = json_print(value, &text);
    if (!status)
        *json = buf_take(&text);
    buf_deinit(&text);
    jschema_free(schema);
    cJSON_Delete(value);
    return status;
}

/* ---- life ---- */

enum antiphon_status plugin_world_open(const char *settings, struct plugin_world **world, struct err *err)
{
    struct plugin_world *made = calloc(1, sizeof(*made));
    pthread_condattr_t attr;

    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    const struct host_services services = {.ctx = made,
                                           .finish = on_finish,
                                           .cancelled = on_cancelled,
                                           .progress = on_progress,
                                           .receipt = on_receipt,
                                           .publish = on_publish,
                                           .state_get = on_state_get,
                                           .state_set = on_state_set,
                                           .notify = on_notify,
                                           .store_get = on_store_get,
                                           .store_put = on_store_put,
                                           .store_find = on_store_find,
                                           .http = on_http};
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&made->ended, &attr);
    pthread_condattr_destroy(&attr);
    buf_init(&made->told, MAX_TOLD);
    made->settings = settings;
    enum antiphon_status status = registry_new(&services, &made->registry);
    if (status)
        err_set(err, status, "out of memory");
    const struct isolate_options options = {.program = RUNNER_PROGRAM,
                                            .registry = made->registry,
                                            .services = &services,
                                            .config = on_config,
                                            .config_ctx = made};
    if (!status)
        status = http_client_start(&made->http, err);
    if (!status)
        status = isolate_new(&options, &made->isolate, err);
    if (status)
        plugin_world_close(made);
    else
        *world = made;
    return status;
}

void plugin_world_close(struct plugin_world *world)
{
    if (!world)
        return;
    isolate_stop(world->isolate);
    http_client_stop(world->http);
    registry_free(world->registry);
    isolate_free(world->isolate);
    for (size_t i = 0; i < world->n_rows; i++)
        row_deinit(&world->rows[i]);
    buf_deinit(&world->told);
    pthread_cond_destroy(&world->ended);
    pthread_mutex_destroy(&world->lock);
    free(world);
}

enum antiphon_status plugin_world_load(struct plugin_world *world, const char *folder, const char *name,
                                       struct err *err)
{
    const char *const dirs[] = {folder, NULL};
    enum antiphon_status status = isolate_load(world->isolate, dirs, name, NULL, err);

    if (status && world->config_err.status)
        *err = world->config_err;
    return status;
}

struct registry *plugin_world_registry(struct plugin_world *world)
{
    return world->registry;
}

/* ---- calls ---- */

enum antiphon_status plugin_world_call(struct plugin_world *world, const char *tool, const char *args,
                                       unsigned timeout_ms, struct plugin_result *result)
{
    const struct registry_tool *found = registry_tool(world->registry, tool);
    struct antiphon_call call = {.struct_size = sizeof(call),
                                 .flags = ANTIPHON_CALL_CONFIRMED,
                                 .tool = tool,
                                 .call_id = "call-1",
                                 .app = "app",
                                 .user_id = "user",
                                 .session_id = "session",
                                 .agent = "agent",
                                 .args = args,
                                 .args_len = strlen(args),
                                 .deadline_ms = clock_now_ms() + timeout_ms};
    uint64_t start = clock_now_us();

    if (!found || !found->tool.invoke)
        return ANTIPHON_ENOTFOUND;
    world->done = false;
    enum antiphon_status status = found->tool.invoke(found->state, &call);
    if (status)
        return status;
    /* The end comes in any case: whoever misses the deadline is killed. */
    pthread_mutex_lock(&world->lock);
    while (!world->done)
        pthread_cond_wait(&world->ended, &world->lock);
    *result = world->result;
    result->us -= start;
    pthread_mutex_unlock(&world->lock);
    return result->text ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

const char *plugin_world_told(const struct plugin_world *world)
{
    return buf_text(&world->told);
}
