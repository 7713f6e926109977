#include "kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct kit *kit_of(const struct antiphon_host *h)
{
    return h->impl;
}

static char *copy(const char *text, size_t len)
{
    char *made = malloc(len + 1);

    assert_non_null(made);
    if (len > 0)
        memcpy(made, text, len);
    made[len] = '\0';
    return made;
}

static void answer(struct kit *kit, const char *text, size_t len)
{
    free(kit->text);
    cJSON_Delete(kit->json);
    kit->text = copy(text, len);
    kit->json = cJSON_Parse(kit->text);
}

/* ---- the host's functions -------------------------------------------------------------------- */

ANTIPHON_PRINTF(3, 4)
static void on_log(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt,
                   ...)
{
    struct kit *kit = kit_of(h);
    va_list args;

    (void)level;
    va_start(args, fmt);
    (void)vsnprintf(kit->log[kit->log_n++ % KIT_MAX], sizeof(kit->log[0]), fmt, args);
    va_end(args);
}

static uint64_t on_now_ms(const struct antiphon_host *h)
{
    return kit_of(h)->now_ms += kit_of(h)->now_step;
}

static int64_t on_wall_ms(const struct antiphon_host *h)
{
    return kit_of(h)->wall_ms;
}

static enum antiphon_status on_add_tool(const struct antiphon_host *h,
                                        const struct antiphon_tool *tool)
{
    struct kit *kit = kit_of(h);

    assert_true(kit->tools_n < KIT_MAX);
    assert_int_equal(tool->struct_size, sizeof(*tool));
    kit->tools[kit->tools_n++] = *tool;
    return ANTIPHON_OK;
}

static enum antiphon_status on_add_hook(const struct antiphon_host *h,
                                        const struct antiphon_hook *hook)
{
    struct kit *kit = kit_of(h);

    assert_true(kit->hooks_n < KIT_MAX);
    assert_int_equal(hook->struct_size, sizeof(*hook));
    kit->hooks[kit->hooks_n++] = *hook;
    return ANTIPHON_OK;
}

static void on_finish(const struct antiphon_host *h, struct antiphon_call *call,
                      enum antiphon_status status, const char *text, size_t len)
{
    struct kit *kit = kit_of(h);

    assert_non_null(call);
    kit->finished++;
    kit->status = status;
    answer(kit, text, len);
    if (status == ANTIPHON_OK)
        assert_non_null(kit->json);
}

static bool on_cancelled(const struct antiphon_host *h, const struct antiphon_call *call)
{
    (void)h, (void)call;
    return false;
}

static enum antiphon_status on_receipt(const struct antiphon_host *h, struct antiphon_call *call,
                                       const char *json, size_t len)
{
    struct kit *kit = kit_of(h);

    (void)call;
    assert_true(len <= 65536);
    if (kit->receipt_status == ANTIPHON_OK) {
        free(kit->receipt);
        kit->receipt = copy(json, len);
    }
    return kit->receipt_status;
}

static enum antiphon_status on_state_get(const struct antiphon_host *h,
                                         const struct antiphon_call *call, const char *key,
                                         char *json, size_t size, size_t *len)
{
    const char *value =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(kit_of(h)->values, key));

    (void)call;
    if (!value)
        return ANTIPHON_ENOTFOUND;
    *len = strlen(value);
    if (*len + 1 > size)
        return ANTIPHON_ETOOBIG;
    memcpy(json, value, *len + 1);
    return ANTIPHON_OK;
}

static enum antiphon_status on_state_set(const struct antiphon_host *h, struct antiphon_call *call,
                                         const char *key, const char *json, size_t len)
{
    char *value = copy(json, len);

    (void)call;
    cJSON_DeleteItemFromObjectCaseSensitive(kit_of(h)->values, key);
    assert_non_null(cJSON_AddStringToObject(kit_of(h)->values, key, value));
    free(value);
    return ANTIPHON_OK;
}

static void on_decide(const struct antiphon_host *h, struct antiphon_check *check,
                      enum antiphon_verdict verdict, const char *text, size_t len)
{
    struct kit *kit = kit_of(h);

    assert_non_null(check);
    kit->decided++;
    kit->verdict = verdict;
    answer(kit, text, len);
}

static enum antiphon_status on_notify(const struct antiphon_host *h,
                                      const struct antiphon_notice *notice)
{
    struct kit *kit = kit_of(h);
    struct kit_notice *kept = &kit->notices[kit->notices_n];

    assert_true(notice->len > 0 && notice->len <= 4096 && kit->notices_n < KIT_MAX);
    if (kit->notify_status != ANTIPHON_OK)
        return kit->notify_status;
    (void)snprintf(kept->user_id, sizeof(kept->user_id), "%s", notice->user_id);
    (void)snprintf(kept->session_id, sizeof(kept->session_id), "%s", notice->session_id);
    (void)snprintf(kept->text, sizeof(kept->text), "%.*s", (int)notice->len, notice->text);
    kit->notices_n++;
    return ANTIPHON_OK;
}

/* ---- stored data ----------------------------------------------------------------------------- */

static int compare(const struct kit_row *row, const char *user_id, const char *key)
{
    int order = strcmp(row->user_id, user_id ? user_id : "");
    return order ? order : strcmp(row->key, key);
}

static enum antiphon_status on_store_get(const struct antiphon_host *h, const char *user_id,
                                         const char *key, char *value, size_t size, size_t *len)
{
    struct kit *kit = kit_of(h);

    if (kit->store_status != ANTIPHON_OK)
        return kit->store_status;
    for (size_t i = 0; i < kit->rows_n; i++) {
        if (compare(&kit->rows[i], user_id, key) != 0)
            continue;
        *len = strlen(kit->rows[i].value);
        if (*len + 1 > size)
            return ANTIPHON_ETOOBIG;
        memcpy(value, kit->rows[i].value, *len + 1);
        return ANTIPHON_OK;
    }
    return ANTIPHON_ENOTFOUND;
}

static void row_free(struct kit_row *row)
{
    free(row->user_id);
    free(row->key);
    free(row->value);
}

static enum antiphon_status on_store_put(const struct antiphon_host *h, const char *user_id,
                                         const char *key, const char *value, size_t len)
{
    struct kit *kit = kit_of(h);
    size_t at = 0;

    assert_true(strlen(key) > 0 && strlen(key) <= 256 && len <= 65536);
    if (kit->store_status != ANTIPHON_OK)
        return kit->store_status;
    while (at < kit->rows_n && compare(&kit->rows[at], user_id, key) < 0)
        at++;
    bool there = at < kit->rows_n && compare(&kit->rows[at], user_id, key) == 0;
    if (there) {
        row_free(&kit->rows[at]);
        kit->rows_n--;
        memmove(&kit->rows[at], &kit->rows[at + 1], (kit->rows_n - at) * sizeof(kit->rows[0]));
    }
    if (!value)
        return ANTIPHON_OK;
    kit->rows = realloc(kit->rows, (kit->rows_n + 1) * sizeof(kit->rows[0]));
    assert_non_null(kit->rows);
    memmove(&kit->rows[at + 1], &kit->rows[at], (kit->rows_n - at) * sizeof(kit->rows[0]));
    kit->rows[at] = (struct kit_row){copy(user_id, user_id ? strlen(user_id) : 0),
                                     copy(key, strlen(key)), copy(value, len), kit->wall_ms};
    kit->rows_n++;
    return ANTIPHON_OK;
}

static bool holds_words(const char *value, const char *text)
{
    char word[256];

    for (const char *at = text; *(at += strspn(at, " "));) {
        size_t n = strcspn(at, " ");
        assert_true(n < sizeof(word));
        memcpy(word, at, n);
        word[n] = '\0';
        if (!strcasestr(value, word))
            return false;
        at += n;
    }
    return true;
}

/* In the order of keys for a search, too: rank is the real store's. */
static enum antiphon_status on_store_find(const struct antiphon_host *h,
                                          const struct antiphon_store_query *query,
                                          antiphon_row_fn *row, void *ctx)
{
    struct kit *kit = kit_of(h);
    size_t limit = query->limit ? query->limit : 100, found = 0;

    assert_true(limit <= 1000);
    if (kit->store_status != ANTIPHON_OK)
        return kit->store_status;
    for (size_t i = 0; i < kit->rows_n && found < limit; i++) {
        const struct kit_row *from = &kit->rows[i];
        struct antiphon_row to = {.struct_size = sizeof(to),
                                  .key = from->key,
                                  .value = from->value,
                                  .len = strlen(from->value),
                                  .updated_ms = from->updated_ms};
        if (strcmp(from->user_id, query->user_id ? query->user_id : "") != 0 ||
            (query->prefix && strncmp(from->key, query->prefix, strlen(query->prefix)) != 0) ||
            (query->text && !holds_words(from->value, query->text)))
            continue;
        found++;
        if (!row(ctx, &to))
            break;
    }
    return ANTIPHON_OK;
}

/* ---- timers ---------------------------------------------------------------------------------- */

static enum antiphon_status on_timer_start(const struct antiphon_host *h, uint64_t delay_ms,
                                           antiphon_timer_fn *fn, void *ctx, uint64_t *timer)
{
    struct kit *kit = kit_of(h);

    if (kit->timers_n == KIT_MAX)
        return ANTIPHON_EBUSY;
    kit->timers[kit->timers_n++] =
        (struct kit_timer){++kit->last_timer, kit->now_ms + delay_ms, fn, ctx};
    if (timer)
        *timer = kit->last_timer;
    return ANTIPHON_OK;
}

static bool on_timer_cancel(const struct antiphon_host *h, uint64_t timer)
{
    struct kit *kit = kit_of(h);

    for (size_t i = 0; i < kit->timers_n; i++) {
        if (kit->timers[i].id == timer) {
            kit->timers[i] = kit->timers[--kit->timers_n];
            return true;
        }
    }
    return false;
}

void kit_advance(struct kit *kit, uint64_t ms)
{
    uint64_t until = kit->now_ms + ms;

    for (;;) {
        size_t next = KIT_MAX;
        for (size_t i = 0; i < kit->timers_n; i++) {
            if (kit->timers[i].at_ms <= until &&
                (next == KIT_MAX || kit->timers[i].at_ms < kit->timers[next].at_ms))
                next = i;
        }
        uint64_t to = next == KIT_MAX ? until : kit->timers[next].at_ms;
        to = to > kit->now_ms ? to : kit->now_ms;
        kit->wall_ms += (int64_t)(to - kit->now_ms);
        kit->now_ms = to;
        if (next == KIT_MAX)
            return;
        struct kit_timer timer = kit->timers[next];
        kit->timers[next] = kit->timers[--kit->timers_n];
        timer.fn(timer.ctx);
    }
}

/* ---- the test's side ------------------------------------------------------------------------- */

void kit_open(struct kit *kit)
{
    *kit = (struct kit){.plugin = antiphon_plugin_v1(),
                        .now_ms = 1000,
                        .wall_ms = 1772353800000, /* 2026-03-01 08:30:00 UTC */
                        .user_id = "ann",
                        .session_id = "s1",
                        .values = cJSON_CreateObject()};
    kit->host = (struct antiphon_host){.struct_size = sizeof(kit->host),
                                       .impl = kit,
                                       .log = on_log,
                                       .now_ms = on_now_ms,
                                       .wall_ms = on_wall_ms,
                                       .add_tool = on_add_tool,
                                       .add_hook = on_add_hook,
                                       .finish = on_finish,
                                       .cancelled = on_cancelled,
                                       .receipt = on_receipt,
                                       .state_get = on_state_get,
                                       .state_set = on_state_set,
                                       .decide = on_decide,
                                       .notify = on_notify,
                                       .store_get = on_store_get,
                                       .store_put = on_store_put,
                                       .store_find = on_store_find,
                                       .timer_start = on_timer_start,
                                       .timer_cancel = on_timer_cancel};
    assert_non_null(kit->values);
}

void kit_close(struct kit *kit)
{
    for (size_t i = 0; i < kit->rows_n; i++)
        row_free(&kit->rows[i]);
    free(kit->rows);
    free(kit->text);
    free(kit->receipt);
    cJSON_Delete(kit->json);
    cJSON_Delete(kit->values);
}

enum antiphon_status kit_start(struct kit *kit, const char *config)
{
    kit->tools_n = kit->hooks_n = 0;
    kit->state = NULL;
    kit->why[0] = '\0';
    return kit->plugin->init(&kit->host, config, &kit->state, kit->why, sizeof(kit->why));
}

void kit_stop(struct kit *kit)
{
    kit->timers_n = 0;
    if (kit->plugin->shutdown)
        kit->plugin->shutdown(kit->state);
}

static enum antiphon_status run(struct kit *kit, const char *name, const char *args, bool undo)
{
    const struct antiphon_tool *tool = NULL;
    struct antiphon_call call = {.struct_size = sizeof(call),
                                 .flags = kit->call_flags | (undo ? ANTIPHON_CALL_UNDO : 0),
                                 .tool = name,
                                 .call_id = "call-1",
                                 .app = "app",
                                 .user_id = kit->user_id,
                                 .session_id = kit->session_id,
                                 .agent = "agent",
                                 .args = args,
                                 .args_len = strlen(args),
                                 .deadline_ms = kit->now_ms + 10000};

    for (size_t i = 0; i < kit->tools_n; i++) {
        if (strcmp(kit->tools[i].name, name) == 0)
            tool = &kit->tools[i];
    }
    assert_non_null(tool);
    kit->finished = 0;
    if (!undo) {
        free(kit->receipt);
        kit->receipt = NULL;
    }
    enum antiphon_status status =
        undo ? tool->undo(kit->state, &call) : tool->invoke(kit->state, &call);
    assert_int_equal(status, ANTIPHON_OK);
    assert_int_equal(kit->finished, 1);
    return kit->status;
}

enum antiphon_status kit_call(struct kit *kit, const char *tool, const char *fmt, ...)
{
    char args[8192];
    va_list list;

    va_start(list, fmt);
    int n = vsnprintf(args, sizeof(args), fmt, list);
    va_end(list);
    assert_true(n > 0 && (size_t)n < sizeof(args));
    return run(kit, tool, args, false);
}

enum antiphon_status kit_undo(struct kit *kit, const char *tool, const char *receipt)
{
    char *args = copy(receipt, strlen(receipt));
    enum antiphon_status status = run(kit, tool, args, true);

    free(args);
    return status;
}

const char *kit_get(const struct kit *kit, const char *member)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(kit->json, member));
}

int kit_count(const struct kit *kit, const char *member)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(kit->json, member);
    return cJSON_IsArray(array) ? cJSON_GetArraySize(array) : -1;
}

enum antiphon_verdict kit_check(struct kit *kit, enum antiphon_hook_point point, const char *tool,
                                const char *text)
{
    struct antiphon_check check = {.struct_size = sizeof(check),
                                   .point = point,
                                   .app = "app",
                                   .user_id = kit->user_id,
                                   .session_id = kit->session_id,
                                   .agent = "agent",
                                   .tool = tool,
                                   .call_id = tool ? "call-1" : NULL,
                                   .text = text,
                                   .text_len = strlen(text),
                                   .deadline_ms = kit->now_ms + 100};

    for (size_t i = 0; i < kit->hooks_n; i++) {
        const struct antiphon_hook *hook = &kit->hooks[i];
        if (!(hook->points & ANTIPHON_HOOK_AT(point)))
            continue;
        kit->decided = 0;
        kit->status = hook->run(kit->state, &check);
        assert_int_equal(kit->decided, kit->status == ANTIPHON_OK ? 1 : 0);
        if (kit->status == ANTIPHON_OK && kit->verdict != ANTIPHON_PASS &&
            !(hook->flags & ANTIPHON_HOOK_WATCH))
            return kit->verdict;
    }
    return ANTIPHON_PASS;
}
