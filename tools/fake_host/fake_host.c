/* fake_host - opening and closing, time, registration, log. */
#include "fake_impl.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MS   1000000u
#define START_WALL 1767225600000 /* 2026-01-01 00:00:00 UTC */

/* ---- texts ------------------------------------------------------------------------------------------ */

void *fake_alloc(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        abort();
    return memory;
}

char *fake_copy(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(fake_alloc(size), text, size);
}

void text_init(struct text *text)
{
    *text = (struct text){.data = fake_alloc(1), .cap = 1};
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

void text_add(struct text *text, const char *data, size_t len)
{
    if (text->len + len + 1 > text->cap) {
        size_t cap = (text->len + len + 1) * 2;
        text->data = realloc(text->data, cap);
        if (!text->data)
            abort();
        text->cap = cap;
    }
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void text_puts(struct text *text, const char *data)
{
    text_add(text, data, strlen(data));
}

static void text_vprintf(struct text *text, const char *fmt, va_list args) ANTIPHON_PRINTF(2, 0);

static void text_vprintf(struct text *text, const char *fmt, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        return;
    char *line = fake_alloc((size_t)len + 1);
    vsnprintf(line, (size_t)len + 1, fmt, args);
    text_add(text, line, (size_t)len);
    free(line);
}

void text_printf(struct text *text, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    text_vprintf(text, fmt, args);
    va_end(args);
}

void fake_fault(struct antiphon_fake *fake, const char *fmt, ...)
{
    va_list args;

    pthread_mutex_lock(&fake->lock);
    va_start(args, fmt);
    text_vprintf(&fake->faults, fmt, args);
    va_end(args);
    text_puts(&fake->faults, "\n");
    fake->faults_n++;
    pthread_mutex_unlock(&fake->lock);
}

/* ---- the host's table --------------------------------------------------------------------------------- */

static void host_log(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt, ...)
    ANTIPHON_PRINTF(3, 4);

static void host_log(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct antiphon_fake *fake = fake_of(h);
    va_list args;

    pthread_mutex_lock(&fake->lock);
    text_printf(&fake->log, "%s: ", (unsigned)level < 4 ? names[level] : "?");
    va_start(args, fmt);
    text_vprintf(&fake->log, fmt, args);
    va_end(args);
    text_puts(&fake->log, "\n");
    pthread_mutex_unlock(&fake->lock);
}

static uint64_t host_now_ms(const struct antiphon_host *h)
{
    struct antiphon_fake *fake = fake_of(h);

    pthread_mutex_lock(&fake->lock);
    uint64_t now = fake->now_ms += fake->tick_ms;
    pthread_mutex_unlock(&fake->lock);
    return now;
}

static int64_t host_wall_ms(const struct antiphon_host *h)
{
    struct antiphon_fake *fake = fake_of(h);

    pthread_mutex_lock(&fake->lock);
    int64_t wall = fake->wall_ms;
    pthread_mutex_unlock(&fake->lock);
    return wall;
}

static bool may_add(struct antiphon_fake *fake, const char *what)
{
    if (fake->in_init && pthread_equal(fake->opener, pthread_self()))
        return true;
    fake_fault(fake, "%s() outside init()", what);
    return false;
}

static enum antiphon_status refuse(struct antiphon_fake *fake, enum antiphon_status status, const char *why,
                                   const char *name)
{
    fake_fault(fake, "%s: %s", name ? name : "(no name)", why);
    if (!fake->status)
        fake->status = status;
    return status;
}

static enum antiphon_status take_tool(struct antiphon_fake *fake, const struct antiphon_tool *tool)
{
    struct antiphon_tool full = {0};

    if (!tool || tool->struct_size < offsetof(struct antiphon_tool, set) || !tool->name)
        return refuse(fake, ANTIPHON_EINVAL, "struct_size must be sizeof(struct antiphon_tool)", NULL);
    if (!(tool->flags & ANTIPHON_TOOL_SET) && !tool->invoke && (!tool->native_feature || !tool->native_fragment))
        return refuse(fake, ANTIPHON_EINVAL, "neither invoke() nor native_feature and native_fragment", tool->name);
    if (tool->params_schema && !fake_is_object(tool->params_schema, strlen(tool->params_schema)))
        return refuse(fake, ANTIPHON_EINVAL, "params_schema is no JSON object", tool->name);
    if (antiphon_fake_tool(fake, tool->name) || fake->n_tools == MAX_TOOLS)
        return refuse(fake, ANTIPHON_EEXISTS, "added twice, or too many", tool->name);
    /* The texts stay the plugin's here: a test that frees them sees what it has done. */
    memcpy(&full, tool, tool->struct_size < sizeof(full) ? tool->struct_size : sizeof(full));
    full.struct_size = sizeof(full);
    fake->tools[fake->n_tools++] = full;
    return ANTIPHON_OK;
}

static enum antiphon_status host_add_tool(const struct antiphon_host *h, const struct antiphon_tool *tool)
{
    struct antiphon_fake *fake = fake_of(h);

    return may_add(fake, "add_tool") ? take_tool(fake, tool) : ANTIPHON_EDENIED;
}

/* A copy that lasts as long as the fake. */
static const char *keep(struct antiphon_fake *fake, const char *text)
{
    struct fake_kept *kept = text ? fake_alloc(sizeof(*kept)) : NULL;

    if (!kept)
        return NULL;
    kept->text = fake_copy(text);
    kept->next = fake->kept;
    fake->kept = kept;
    return kept->text;
}

static enum antiphon_status host_set_tools(const struct antiphon_host *h, const struct antiphon_tool *const *tools,
                                           size_t n)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status = fake->in_init ? ANTIPHON_EUNAVAILABLE : ANTIPHON_OK;

    fake->n_tools = status ? fake->n_tools : 0;
    for (size_t i = 0; i < n && !status; i++) {
        struct antiphon_tool copy = *tools[i];
        copy.name = keep(fake, copy.name);
        copy.description = keep(fake, copy.description);
        copy.params_schema = keep(fake, copy.params_schema);
        copy.set = keep(fake, copy.set);
        status = take_tool(fake, &copy);
    }
    return status;
}

static enum antiphon_status host_add_hook(const struct antiphon_host *h, const struct antiphon_hook *hook)
{
    struct antiphon_fake *fake = fake_of(h);

    if (!may_add(fake, "add_hook"))
        return ANTIPHON_EDENIED;
    if (!hook || hook->struct_size < sizeof(*hook) || !hook->name || !hook->run || !hook->points)
        return refuse(fake, ANTIPHON_EINVAL, "a hook needs struct_size, name, points and run()",
                      hook ? hook->name : NULL);
    if (fake->n_hooks == MAX_HOOKS)
        return refuse(fake, ANTIPHON_EBUSY, "too many hooks", hook->name);
    fake->hooks[fake->n_hooks++] = *hook;
    return ANTIPHON_OK;
}

static enum antiphon_status host_add_model(const struct antiphon_host *h, const struct antiphon_model *model)
{
    struct antiphon_fake *fake = fake_of(h);

    if (!may_add(fake, "add_model"))
        return ANTIPHON_EDENIED;
    if (!model || model->struct_size < sizeof(*model) || !model->name)
        return refuse(fake, ANTIPHON_EINVAL, "struct_size must be sizeof(struct antiphon_model)", NULL);
    return ANTIPHON_OK; /* connections to models are not faked */
}

static void no_emit(const struct antiphon_host *h, antiphon_sink sink, const struct antiphon_event *event)
{
    (void)sink, (void)event;
    fake_fault(fake_of(h), "emit() without a connection");
}

static void no_wake(const struct antiphon_host *h, antiphon_sink sink)
{
    (void)h, (void)sink;
}

static enum antiphon_status no_ws_open(const struct antiphon_host *h, antiphon_sink sink,
                                       const struct antiphon_ws_request *request,
                                       const struct antiphon_ws_handlers *handlers, void *ctx, struct antiphon_ws **ws)
{
    (void)h, (void)sink, (void)request, (void)handlers, (void)ctx, (void)ws;
    return ANTIPHON_EUNAVAILABLE;
}

static enum antiphon_status no_ws_send(const struct antiphon_host *h, struct antiphon_ws *ws,
                                       enum antiphon_ws_kind kind, const struct antiphon_span *parts, size_t n)
{
    (void)h, (void)ws, (void)kind, (void)parts, (void)n;
    return ANTIPHON_EUNAVAILABLE;
}

static void no_ws_close(const struct antiphon_host *h, struct antiphon_ws *ws, int code, const char *reason)
{
    (void)h, (void)ws, (void)code, (void)reason;
}

/* ---- life ----------------------------------------------------------------------------------------------- */

static void make_table(struct antiphon_fake *fake)
{
    struct antiphon_host *host = &fake->host;

    host->struct_size = sizeof(*host);
    host->impl = fake;
    host->log = host_log;
    host->now_ms = host_now_ms;
    host->wall_ms = host_wall_ms;
    host->add_tool = host_add_tool;
    host->set_tools = host_set_tools;
    host->add_hook = host_add_hook;
    host->add_model = host_add_model;
    host->emit = no_emit;
    host->wake = no_wake;
    host->ws_open = no_ws_open;
    host->ws_send = no_ws_send;
    host->ws_close = no_ws_close;
    fake_call_table(host);
    fake_http_table(host);
    fake_data_table(host);
}

static void init_parts(struct antiphon_fake *fake)
{
    pthread_condattr_t attr;
    pthread_mutexattr_t recursive;

    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&fake->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&fake->changed, &attr);
    pthread_condattr_destroy(&attr);
    text_init(&fake->faults);
    text_init(&fake->log);
    text_init(&fake->requests);
    text_init(&fake->published);
    text_init(&fake->notices);
    text_init(&fake->listing);
    text_init(&fake->verdict_text);
    fake->app = fake_copy("app");
    fake->user = fake_copy("user");
    fake->session = fake_copy("session");
    fake->agent = fake_copy("agent");
    fake->now_ms = START_MS;
    fake->wall_ms = START_WALL;
    fake->due_last = &fake->due;
}

static void open_plugin(struct antiphon_fake *fake, const char *config)
{
    const struct antiphon_plugin *plugin = fake->plugin;

    if (!plugin || plugin->struct_size < sizeof(*plugin) || !plugin->name || !plugin->version || !plugin->init) {
        fake_fault(fake, "the plugin's struct lacks its size, name, version or init()");
        fake->status = ANTIPHON_EINVAL;
        return;
    }
    fake->opener = pthread_self();
    fake->in_init = true;
    enum antiphon_status status =
        plugin->init(&fake->host, config ? config : "{}", &fake->state, fake->why, sizeof(fake->why));
    fake->in_init = false;
    fake->why[sizeof(fake->why) - 1] = '\0';
    if (!status && fake->status && plugin->shutdown)
        plugin->shutdown(fake->state);
    if (!fake->status)
        fake->status = status;
}

struct antiphon_fake *antiphon_fake_open(const struct antiphon_plugin *plugin, const char *config)
{
    struct antiphon_fake *fake = calloc(1, sizeof(*fake));

    if (!fake)
        return NULL;
    init_parts(fake);
    make_table(fake);
    fake->plugin = plugin;
    fake_http_start(fake);
    open_plugin(fake, config);
    return fake;
}

int antiphon_fake_close(struct antiphon_fake *fake)
{
    if (!fake)
        return 0;
    for (struct fake_call *call = fake->calls; call; call = call->next) {
        if (!antiphon_fake_finished(fake, call->number) && !call->refused)
            fake_fault(fake, "%s (call-%u) was never finished", call->call.tool, call->number);
    }
    antiphon_fake_hold(fake, false);
    fake->n_timers = 0;
    if (!fake->status && fake->plugin->shutdown)
        fake->plugin->shutdown(fake->state);
    fake_http_stop(fake);
    fprintf(stderr, "%s", fake->faults.data);
    int faults = (int)fake->faults_n;
    fake_call_free(fake);
    fake_data_free(fake);
    for (struct fake_kept *kept = fake->kept, *next; kept; kept = next) {
        next = kept->next;
        free(kept->text);
        free(kept);
    }
    text_free(&fake->faults);
    text_free(&fake->log);
    text_free(&fake->requests);
    text_free(&fake->published);
    text_free(&fake->notices);
    text_free(&fake->listing);
    text_free(&fake->verdict_text);
    free(fake->app);
    free(fake->user);
    free(fake->session);
    free(fake->agent);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
    return faults;
}

enum antiphon_status antiphon_fake_status(const struct antiphon_fake *fake)
{
    return fake->status;
}

const char *antiphon_fake_why(const struct antiphon_fake *fake)
{
    return fake->why;
}

const char *antiphon_fake_faults(struct antiphon_fake *fake)
{
    return fake->faults.data;
}

const char *antiphon_fake_log(struct antiphon_fake *fake)
{
    return fake->log.data;
}

const struct antiphon_host *antiphon_fake_host(const struct antiphon_fake *fake)
{
    return &fake->host;
}

const struct antiphon_tool *antiphon_fake_tool(const struct antiphon_fake *fake, const char *name)
{
    for (size_t i = 0; i < fake->n_tools; i++) {
        if (strcmp(fake->tools[i].name, name) == 0)
            return &fake->tools[i];
    }
    return NULL;
}

const struct antiphon_hook *antiphon_fake_hook(const struct antiphon_fake *fake, const char *name)
{
    for (size_t i = 0; i < fake->n_hooks; i++) {
        if (strcmp(fake->hooks[i].name, name) == 0)
            return &fake->hooks[i];
    }
    return NULL;
}

void antiphon_fake_restart(struct antiphon_fake *fake, const char *config)
{
    pthread_mutex_lock(&fake->lock);
    fake->n_timers = 0;
    pthread_mutex_unlock(&fake->lock);
    if (!fake->status && fake->plugin->shutdown)
        fake->plugin->shutdown(fake->state);
    fake->n_tools = fake->n_hooks = 0;
    fake->state = NULL;
    fake->why[0] = '\0';
    fake->status = ANTIPHON_OK;
    open_plugin(fake, config);
}

void antiphon_fake_break(struct antiphon_fake *fake, const char *function, enum antiphon_status status)
{
    pthread_mutex_lock(&fake->lock);
    if (strcmp(function, "store") == 0)
        fake->store_status = status;
    else if (strcmp(function, "notify") == 0)
        fake->notify_status = status;
    else if (strcmp(function, "receipt") == 0)
        fake->receipt_status = status;
    else if (strcmp(function, "timer_start") == 0)
        fake->timer_status = status;
    else
        fake_fault(fake, "antiphon_fake_break(): '%s' cannot be broken", function);
    pthread_mutex_unlock(&fake->lock);
}

/* ---- time -------------------------------------------------------------------------------------------------- */

void antiphon_fake_set_wall(struct antiphon_fake *fake, int64_t ms)
{
    pthread_mutex_lock(&fake->lock);
    fake->wall_ms = ms;
    pthread_mutex_unlock(&fake->lock);
}

void antiphon_fake_set_tick(struct antiphon_fake *fake, uint64_t ms)
{
    pthread_mutex_lock(&fake->lock);
    fake->tick_ms = ms;
    pthread_mutex_unlock(&fake->lock);
}

/* Takes the earliest timer that is due by then; false: none. */
static bool take_timer(struct antiphon_fake *fake, uint64_t until, struct fake_timer *timer)
{
    size_t first = fake->n_timers;

    for (size_t i = 0; i < fake->n_timers; i++) {
        if (fake->timers[i].due_ms <= until &&
            (first == fake->n_timers || fake->timers[i].due_ms < fake->timers[first].due_ms))
            first = i;
    }
    if (first == fake->n_timers)
        return false;
    *timer = fake->timers[first];
    fake->n_timers--;
    memmove(&fake->timers[first], &fake->timers[first + 1], (fake->n_timers - first) * sizeof(*fake->timers));
    return true;
}

static void move_to(struct antiphon_fake *fake, uint64_t now)
{
    if (now <= fake->now_ms)
        return;
    fake->wall_ms += (int64_t)(now - fake->now_ms);
    fake->now_ms = now;
}

void antiphon_fake_advance(struct antiphon_fake *fake, uint64_t ms)
{
    struct fake_timer timer;

    pthread_mutex_lock(&fake->lock);
    uint64_t until = fake->now_ms + ms;
    while (take_timer(fake, until, &timer)) {
        move_to(fake, timer.due_ms);
        pthread_mutex_unlock(&fake->lock);
        timer.fn(timer.ctx);
        pthread_mutex_lock(&fake->lock);
    }
    move_to(fake, until);
    pthread_mutex_unlock(&fake->lock);
}
