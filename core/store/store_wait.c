#include "store/store_wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/banned.h"

/* The answer on its way from a thread of the store. Whoever comes last frees it. */
struct wait {
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool answered, left; /* under lock, as the rest */
    enum antiphon_status status;
    struct store_rows *rows; /* owned */
};

static void wait_free(struct wait *wait)
{
    pthread_mutex_destroy(&wait->lock);
    pthread_cond_destroy(&wait->came);
    store_rows_free(wait->rows);
    free(wait);
}

static struct wait *wait_new(void)
{
    struct wait *wait = calloc(1, sizeof(*wait));
    pthread_condattr_t attr;

    if (!wait)
        return NULL;
    pthread_mutex_init(&wait->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&wait->came, &attr);
    pthread_condattr_destroy(&attr);
    return wait;
}

static void on_found(void *ctx, enum antiphon_status status, struct store_rows *rows)
{
    struct wait *wait = ctx;

    pthread_mutex_lock(&wait->lock);
    wait->status = status;
    wait->rows = rows;
    wait->answered = true;
    bool left = wait->left;
    pthread_cond_signal(&wait->came);
    pthread_mutex_unlock(&wait->lock);
    if (left)
        wait_free(wait);
}

static void on_done(void *ctx, enum antiphon_status status)
{
    on_found(ctx, status, NULL);
}

/* The status of the answer; *wait is gone (NULL) if none came in time. */
static enum antiphon_status wait_for(struct wait **wait)
{
    struct wait *self = *wait;
    uint64_t end = clock_now_ms() + STORE_WAIT_MS;
    struct timespec until = {(time_t)(end / 1000), (long)(end % 1000) * 1000000};
    int code = 0;

    pthread_mutex_lock(&self->lock);
    while (!self->answered && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&self->came, &self->lock, &until);
    enum antiphon_status status = self->answered ? self->status : ANTIPHON_ETIMEOUT;
    self->left = !self->answered;
    if (self->left)
        *wait = NULL;
    pthread_mutex_unlock(&self->lock);
    return status;
}

enum antiphon_status store_wait_append(struct store *store, const struct store_record *records, size_t n)
{
    struct wait *wait = wait_new();
    enum antiphon_status status;

    if (!wait)
        return ANTIPHON_ENOMEM;
    status = store_append(store, records, n, on_done, wait);
    if (!status)
        status = wait_for(&wait);
    if (wait)
        wait_free(wait);
    return status;
}

enum antiphon_status store_wait_put(struct store *store, const char *plugin, const char *user, const char *key,
                                    const char *value, size_t len)
{
    struct store_record record = {.kind = STORE_DATA,
                                  .key = {plugin, user ? user : "", key},
                                  .timestamp = clock_wall(),
                                  .json = value,
                                  .json_len = value ? len : 0};

    return store_wait_append(store, &record, 1);
}

/* Takes the rows out of a question; they are the caller's. */
static enum antiphon_status ask(struct store *store, const struct store_query *query, struct store_rows **rows)
{
    struct wait *wait = wait_new();
    enum antiphon_status status;

    if (!wait)
        return ANTIPHON_ENOMEM;
    status = store_find(store, query, on_found, wait);
    if (!status)
        status = wait_for(&wait);
    if (!status) {
        *rows = wait->rows;
        wait->rows = NULL;
    }
    if (wait)
        wait_free(wait);
    return status;
}

enum antiphon_status store_wait_get(struct store *store, const char *plugin, const char *user, const char *key,
                                    char *value, size_t size, size_t *len)
{
    const struct store_query query = {.plugin = plugin, .user = user ? user : "", .key = key, .limit = 1};
    struct store_rows *rows = NULL;
    enum antiphon_status status = ask(store, &query, &rows);

    if (status)
        return status;
    if (rows->n == 0) {
        status = ANTIPHON_ENOTFOUND;
    } else {
        if (len)
            *len = rows->row[0].len;
        if (rows->row[0].len >= size)
            status = ANTIPHON_ETOOBIG;
        else
            memcpy(value, rows->row[0].value, rows->row[0].len + 1);
    }
    store_rows_free(rows);
    return status;
}

/* The file may have been written by others: no clock tells such a time, and 1e300 is no integer. */
static int64_t wall_ms(double seconds)
{
    return seconds > 0 && seconds < 1e11 ? (int64_t)(seconds * 1000) : 0;
}

enum antiphon_status store_wait_find(struct store *store, const char *plugin,
                                     const struct antiphon_store_query *query, antiphon_row_fn *row, void *ctx)
{
    const struct store_query wanted = {.plugin = plugin,
                                       .user = query->user_id ? query->user_id : "",
                                       .prefix = query->prefix,
                                       .text = query->text,
                                       .limit = query->limit};
    struct store_rows *rows = NULL;
    enum antiphon_status status = ask(store, &wanted, &rows);

    if (status)
        return status;
    for (size_t i = 0; i < rows->n; i++) {
        const struct antiphon_row out = {.struct_size = sizeof(out),
                                         .key = rows->row[i].key,
                                         .value = rows->row[i].value,
                                         .len = rows->row[i].len,
                                         .updated_ms = wall_ms(rows->row[i].time)};
        if (!row(ctx, &out))
            break;
    }
    store_rows_free(rows);
    return ANTIPHON_OK;
}
