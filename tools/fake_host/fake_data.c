/* fake_data - state, the plugin's own data, notices, timers. */
#include "fake_impl.h"

#include <stdlib.h>
#include <string.h>

#define MAX_KEY   256
#define MAX_ROWS  1000
#define ROWS      100

/* ---- rows, in the order of user and key; the lock is held ------------------------------------------------- */

static int compare(const char *user_a, const char *key_a, const char *user_b, const char *key_b)
{
    int order = strcmp(user_a, user_b);

    return order ? order : strcmp(key_a, key_b);
}

static struct fake_row **find(struct fake_row **at, const char *user, const char *key)
{
    while (*at && compare((*at)->user, (*at)->key, user, key) < 0)
        at = &(*at)->next;
    return at;
}

static bool is_it(const struct fake_row *row, const char *user, const char *key)
{
    return row && compare(row->user, row->key, user, key) == 0;
}

static void row_free(struct fake_row *row)
{
    free(row->user);
    free(row->key);
    free(row->value);
    free(row);
}

static void put(struct fake_row **rows, const char *user, const char *key, const char *value, size_t len,
                int64_t updated_ms)
{
    struct fake_row **at = find(rows, user, key), *row;

    if (is_it(*at, user, key)) {
        row = *at;
        *at = row->next;
        row_free(row);
    }
    if (!value)
        return;
    row = fake_alloc(sizeof(*row));
    row->user = fake_copy(user);
    row->key = fake_copy(key);
    row->value = fake_alloc(len + 1);
    memcpy(row->value, value, len);
    row->len = len;
    row->updated_ms = updated_ms;
    row->next = *at;
    *at = row;
}

static enum antiphon_status copy_out(const struct fake_row *row, char *to, size_t size, size_t *len)
{
    if (len)
        *len = row->len;
    if (row->len >= size)
        return ANTIPHON_ETOOBIG;
    memcpy(to, row->value, row->len + 1);
    return ANTIPHON_OK;
}

static bool is_key(struct antiphon_fake *fake, const char *key, const char *what)
{
    if (key && *key && strlen(key) <= MAX_KEY)
        return true;
    fake_fault(fake, "%s(): a key has 1 to %d bytes", what, MAX_KEY);
    return false;
}

/* What the test wants a function to answer in place of doing it. */
static bool broken(struct antiphon_fake *fake, const enum antiphon_status *wanted, enum antiphon_status *status)
{
    pthread_mutex_lock(&fake->lock);
    *status = *wanted;
    pthread_mutex_unlock(&fake->lock);
    return *status != ANTIPHON_OK;
}

/* ---- the host's table ---------------------------------------------------------------------------------------- */

static enum antiphon_status get(struct antiphon_fake *fake, struct fake_row **rows, const char *user, const char *key,
                                char *to, size_t size, size_t *len)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_row *row = *find(rows, user, key);
    enum antiphon_status status =
        is_it(row, user, key) ? copy_out(row, to, size, len) : ANTIPHON_ENOTFOUND;
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static enum antiphon_status host_state_get(const struct antiphon_host *h, const struct antiphon_call *call,
                                           const char *key, char *json, size_t size, size_t *len)
{
    struct antiphon_fake *fake = fake_of(h);

    if (!call || !is_key(fake, key, "state_get"))
        return ANTIPHON_EINVAL;
    return get(fake, &fake->states, "", key, json, size, len);
}

static enum antiphon_status host_state_set(const struct antiphon_host *h, struct antiphon_call *call, const char *key,
                                           const char *json, size_t len)
{
    struct antiphon_fake *fake = fake_of(h);

    if (!call || !is_key(fake, key, "state_set"))
        return ANTIPHON_EINVAL;
    if (json && !fake_is_json(json, len)) {
        fake_fault(fake, "state_set(%s): the value is no JSON", key);
        return ANTIPHON_EINVAL;
    }
    if (json && len > MAX_JSON)
        return ANTIPHON_ETOOBIG;
    if (h->cancelled(h, call))
        return ANTIPHON_ECANCELLED;
    pthread_mutex_lock(&fake->lock);
    put(&fake->states, "", key, json ? json : "null", json ? len : 4, 0);
    pthread_mutex_unlock(&fake->lock);
    return ANTIPHON_OK;
}

static enum antiphon_status host_store_get(const struct antiphon_host *h, const char *user_id, const char *key,
                                           char *value, size_t size, size_t *len)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status;

    if (!is_key(fake, key, "store_get"))
        return ANTIPHON_EINVAL;
    if (broken(fake, &fake->store_status, &status))
        return status;
    return get(fake, &fake->rows, user_id ? user_id : "", key, value, size, len);
}

static enum antiphon_status host_store_put(const struct antiphon_host *h, const char *user_id, const char *key,
                                           const char *value, size_t len)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status;

    if (!is_key(fake, key, "store_put"))
        return ANTIPHON_EINVAL;
    if (value && len > MAX_JSON)
        return ANTIPHON_ETOOBIG;
    if (broken(fake, &fake->store_status, &status))
        return status;
    pthread_mutex_lock(&fake->lock);
    put(&fake->rows, user_id ? user_id : "", key, value, len, fake->wall_ms);
    pthread_mutex_unlock(&fake->lock);
    return ANTIPHON_OK;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool holds_word(const char *value, const char *word, size_t len)
{
    for (; *value; value++) {
        size_t i = 0;
        while (i < len && value[i] && lower(value[i]) == lower(word[i]))
            i++;
        if (i == len)
            return true;
    }
    return false;
}

static bool holds_all(const char *value, const char *words)
{
    while (words && *(words += strspn(words, " \t\r\n"))) {
        size_t len = strcspn(words, " \t\r\n");
        if (!holds_word(value, words, len))
            return false;
        words += len;
    }
    return true;
}

static enum antiphon_status host_store_find(const struct antiphon_host *h, const struct antiphon_store_query *query,
                                            antiphon_row_fn *row_fn, void *ctx)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status;
    bool more = true;

    if (!query || query->struct_size < sizeof(*query) || !row_fn) {
        fake_fault(fake, "store_find() without struct_size or row function");
        return ANTIPHON_EINVAL;
    }
    if (broken(fake, &fake->store_status, &status))
        return status;
    const char *user = query->user_id ? query->user_id : "", *prefix = query->prefix ? query->prefix : "";
    uint32_t left = query->limit ? query->limit : ROWS;
    if (left > MAX_ROWS)
        left = MAX_ROWS;
    pthread_mutex_lock(&fake->lock);
    for (struct fake_row *row = fake->rows; row && more && left; row = row->next) {
        if (strcmp(row->user, user) != 0 || strncmp(row->key, prefix, strlen(prefix)) != 0 ||
            !holds_all(row->value, query->text))
            continue;
        const struct antiphon_row out = {.struct_size = sizeof(out),
                                         .key = row->key,
                                         .value = row->value,
                                         .len = row->len,
                                         .updated_ms = row->updated_ms};
        more = row_fn(ctx, &out);
        left--;
    }
    pthread_mutex_unlock(&fake->lock);
    return ANTIPHON_OK;
}

static enum antiphon_status host_notify(const struct antiphon_host *h, const struct antiphon_notice *notice)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status;

    if (!notice || notice->struct_size < sizeof(*notice) || !notice->app || !notice->user_id || !notice->session_id ||
        !notice->text || !notice->len) {
        fake_fault(fake, "notify() without struct_size, conversation or text");
        return ANTIPHON_EINVAL;
    }
    if (broken(fake, &fake->notify_status, &status))
        return status;
    pthread_mutex_lock(&fake->lock);
    text_add(&fake->notices, notice->text, notice->len);
    text_puts(&fake->notices, "\n");
    pthread_mutex_unlock(&fake->lock);
    return ANTIPHON_OK;
}

static enum antiphon_status host_timer_start(const struct antiphon_host *h, uint64_t delay_ms, antiphon_timer_fn *fn,
                                             void *ctx, uint64_t *timer)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status = fn ? ANTIPHON_OK : ANTIPHON_EINVAL;

    pthread_mutex_lock(&fake->lock);
    if (!status)
        status = fake->timer_status;
    if (!status && fake->n_timers == MAX_TIMERS)
        status = ANTIPHON_EBUSY;
    if (!status) {
        fake->timers[fake->n_timers++] = (struct fake_timer){fake->now_ms + delay_ms, ++fake->last_timer, fn, ctx};
        if (timer)
            *timer = fake->last_timer;
    }
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static bool host_timer_cancel(const struct antiphon_host *h, uint64_t timer)
{
    struct antiphon_fake *fake = fake_of(h);
    bool found = false;

    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->n_timers && !found; i++) {
        if (fake->timers[i].number != timer)
            continue;
        found = true;
        fake->n_timers--;
        memmove(&fake->timers[i], &fake->timers[i + 1], (fake->n_timers - i) * sizeof(*fake->timers));
    }
    pthread_mutex_unlock(&fake->lock);
    return found;
}

void fake_data_table(struct antiphon_host *host)
{
    host->state_get = host_state_get;
    host->state_set = host_state_set;
    host->store_get = host_store_get;
    host->store_put = host_store_put;
    host->store_find = host_store_find;
    host->notify = host_notify;
    host->timer_start = host_timer_start;
    host->timer_cancel = host_timer_cancel;
}

static void rows_free(struct fake_row *rows)
{
    while (rows) {
        struct fake_row *row = rows;
        rows = row->next;
        row_free(row);
    }
}

void fake_data_free(struct antiphon_fake *fake)
{
    rows_free(fake->rows);
    rows_free(fake->states);
}

/* ---- what the test calls ----------------------------------------------------------------------------------- */

static const char *value_of(struct antiphon_fake *fake, struct fake_row **rows, const char *user, const char *key)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_row *row = *find(rows, user, key);
    pthread_mutex_unlock(&fake->lock);
    return is_it(row, user, key) ? row->value : NULL;
}

void antiphon_fake_set_state(struct antiphon_fake *fake, const char *key, const char *json)
{
    pthread_mutex_lock(&fake->lock);
    put(&fake->states, "", key, json, json ? strlen(json) : 0, 0);
    pthread_mutex_unlock(&fake->lock);
}

const char *antiphon_fake_state(struct antiphon_fake *fake, const char *key)
{
    return value_of(fake, &fake->states, "", key);
}

void antiphon_fake_put(struct antiphon_fake *fake, const char *user_id, const char *key, const char *value)
{
    pthread_mutex_lock(&fake->lock);
    put(&fake->rows, user_id ? user_id : "", key, value, value ? strlen(value) : 0, fake->wall_ms);
    pthread_mutex_unlock(&fake->lock);
}

const char *antiphon_fake_get(struct antiphon_fake *fake, const char *user_id, const char *key)
{
    return value_of(fake, &fake->rows, user_id ? user_id : "", key);
}

const char *antiphon_fake_rows(struct antiphon_fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->listing.len = 0;
    fake->listing.data[0] = '\0';
    for (const struct fake_row *row = fake->rows; row; row = row->next)
        text_printf(&fake->listing, "%s %s %s\n", row->user, row->key, row->value);
    pthread_mutex_unlock(&fake->lock);
    return fake->listing.data;
}

const char *antiphon_fake_published(struct antiphon_fake *fake)
{
    return fake->published.data;
}

const char *antiphon_fake_notices(struct antiphon_fake *fake)
{
    return fake->notices.data;
}
