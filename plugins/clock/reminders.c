#include "reminders.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cjson/cJSON.h>

#include "../common/reply.h"
#include "agenda.h"

#define PREFIX       "reminder/"
#define KEY_BYTES    (sizeof(PREFIX) + REMINDERS_ID_BYTES)
#define ROW_BYTES    16384
#define MAX_SLEEP_MS 3600000 /* then the clock is looked at again: it may have been set */
#define RETRY_MS     30000
#define MAX_RETRY_MS 3600000
#define LATE_MS      60000
#define MINUTES(ms)  ((long long)((ms) / 60000))

struct reminders {
    const struct antiphon_host *h; /* borrowed */
    size_t max;
    bool stored; /* the host has a store */
    pthread_mutex_t lock;
    struct agenda agenda; /* [lock] */
    uint64_t timer;       /* [lock] */
    bool armed;           /* [lock] */
};

void reminder_deinit(struct reminder *reminder)
{
    free(reminder->text);
    free(reminder->zone);
    free(reminder->app);
    free(reminder->session_id);
    *reminder = (struct reminder){0};
}

enum antiphon_status reminders_make_id(char id[REMINDERS_ID_BYTES])
{
    uint64_t chance;

    if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return ANTIPHON_EUNAVAILABLE;
    (void)snprintf(id, REMINDERS_ID_BYTES, "%016llx", (unsigned long long)chance);
    return ANTIPHON_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void key_of(const char *id, char key[KEY_BYTES])
{
    (void)snprintf(key, KEY_BYTES, PREFIX "%.*s", REMINDERS_ID_BYTES - 1, id);
}

static bool copy_text(const cJSON *row, const char *name, char **to)
{
    const char *text = reply_text(row, name);

    *to = text ? strdup(text) : NULL;
    return *to != NULL;
}

static bool read_row(const char *key, const char *value, struct reminder *reminder)
{
    cJSON *row = cJSON_Parse(value);
    bool whole;

    *reminder = (struct reminder){0};
    (void)snprintf(reminder->id, sizeof(reminder->id), "%s", key + strlen(PREFIX));
    reminder->due_ms = reply_integer(row, "due_ms", 0);
    reminder->set_ms = reply_integer(row, "set_ms", 0);
    whole = copy_text(row, "text", &reminder->text) &&
            copy_text(row, "time_zone", &reminder->zone) && copy_text(row, "app", &reminder->app) &&
            copy_text(row, "session_id", &reminder->session_id);
    cJSON_Delete(row);
    if (!whole)
        reminder_deinit(reminder);
    return whole;
}

static enum antiphon_status put(const struct antiphon_host *h, const char *user_id, const char *key,
                                cJSON *row)
{
    char *text = cJSON_PrintUnformatted(row);
    enum antiphon_status status =
        text ? h->store_put(h, user_id, key, text, strlen(text)) : ANTIPHON_ENOMEM;

    cJSON_free(text);
    cJSON_Delete(row);
    return status;
}

/* The index first, so that nothing is stored that would not be found again. */
static enum antiphon_status write_rows(const struct antiphon_host *h, const char *user_id,
                                       const struct reminder *reminder)
{
    char key[KEY_BYTES];
    cJSON *index = cJSON_CreateObject(), *row = cJSON_CreateObject();
    enum antiphon_status status;

    key_of(reminder->id, key);
    cJSON_AddStringToObject(index, "user_id", user_id);
    cJSON_AddNumberToObject(index, "due_ms", (double)reminder->due_ms);
    cJSON_AddStringToObject(row, "text", reminder->text);
    cJSON_AddNumberToObject(row, "due_ms", (double)reminder->due_ms);
    cJSON_AddNumberToObject(row, "set_ms", (double)reminder->set_ms);
    cJSON_AddStringToObject(row, "time_zone", reminder->zone);
    cJSON_AddStringToObject(row, "app", reminder->app);
    cJSON_AddStringToObject(row, "session_id", reminder->session_id);
    status = put(h, NULL, key, index);
    if (status == ANTIPHON_OK)
        status = put(h, user_id, key, row);
    else
        cJSON_Delete(row);
    return status;
}

static enum antiphon_status remove_rows(const struct antiphon_host *h, const char *user_id,
                                        const char *id)
{
    char key[KEY_BYTES];
    enum antiphon_status status;

    key_of(id, key);
    status = h->store_put(h, user_id, key, NULL, 0);
    /* If this fails it names nothing, which the next start notices. */
    if (status == ANTIPHON_OK)
        (void)h->store_put(h, NULL, key, NULL, 0);
    return status;
}

static enum antiphon_status read_reminder(const struct antiphon_host *h, const char *user_id,
                                          const char *id, struct reminder *reminder)
{
    char key[KEY_BYTES], *value = malloc(ROW_BYTES);
    size_t len;
    enum antiphon_status status = ANTIPHON_ENOMEM;

    key_of(id, key);
    if (value)
        status = h->store_get(h, user_id, key, value, ROW_BYTES, &len);
    if (status == ANTIPHON_OK && !read_row(key, value, reminder))
        status = ANTIPHON_ENOTFOUND;
    free(value);
    return status;
}

/* ---- what is due ----------------------------------------------------------------------------- */

static void on_timer(void *ctx);

/* Sets the one timer to the next reminder. [lock] */
static void arm(struct reminders *reminders)
{
    const struct antiphon_host *h = reminders->h;
    const struct agenda_entry *next = agenda_next(&reminders->agenda);
    int64_t left;

    if (reminders->armed)
        (void)h->timer_cancel(h, reminders->timer);
    reminders->armed = false;
    if (!next)
        return;
    left = next->at_ms - h->wall_ms(h);
    left = left < 0 ? 0 : left > MAX_SLEEP_MS ? MAX_SLEEP_MS : left;
    if (h->timer_start(h, (uint64_t)left, on_timer, reminders, &reminders->timer) == ANTIPHON_OK)
        reminders->armed = true;
    else
        h->log(h, ANTIPHON_ERROR, "no timer for the next reminder; it will be late");
}

/* For the model, which speaks it in the language of the talk. */
static enum antiphon_status say(const struct antiphon_host *h, const char *user_id,
                                const struct reminder *reminder)
{
    char text[REMINDERS_MAX_TEXT_BYTES + 400];
    int64_t late = h->wall_ms(h) - reminder->due_ms;
    int n;

    if (late > LATE_MS)
        n = snprintf(
            text, sizeof(text),
            "A reminder that the user set %lld minutes ago was due %lld minutes ago, when it "
            "could not be told: \"%s\". Tell the user now, briefly, that it is late.",
            MINUTES(h->wall_ms(h) - reminder->set_ms), MINUTES(late), reminder->text);
    else
        n = snprintf(
            text, sizeof(text),
            "A reminder that the user set %lld minutes ago is due now: \"%s\". Tell the user "
            "now, briefly.",
            MINUTES(h->wall_ms(h) - reminder->set_ms), reminder->text);
    struct antiphon_notice notice = {.struct_size = sizeof(notice),
                                     .ttl_s = REMINDERS_TTL_S,
                                     .app = reminder->app,
                                     .user_id = user_id,
                                     .session_id = reminder->session_id,
                                     .text = text,
                                     .len = (size_t)n};
    return h->notify(h, &notice);
}

/* Says one that is due. True: it is over, whether it could be said or not. */
static bool deliver(struct reminders *reminders, const char *user_id, const char *id)
{
    const struct antiphon_host *h = reminders->h;
    struct reminder reminder = {0};
    enum antiphon_status status = read_reminder(h, user_id, id, &reminder);

    if (status == ANTIPHON_OK) {
        status = say(h, user_id, &reminder);
        if (status == ANTIPHON_ENOTFOUND || status == ANTIPHON_EINVAL)
            h->log(h, ANTIPHON_INFO, "a reminder was dropped: its conversation is gone");
    }
    reminder_deinit(&reminder);
    if (status != ANTIPHON_OK && status != ANTIPHON_ENOTFOUND && status != ANTIPHON_EINVAL)
        return false;
    /* If this fails it is said once more after a restart, which is better than never. */
    (void)remove_rows(h, user_id, id);
    return true;
}

/* The first that is due, marked as busy; false: there is none. */
static bool take_due(struct reminders *reminders, char id[REMINDERS_ID_BYTES], char **user_id)
{
    struct agenda_entry *entry;
    bool found;

    (void)pthread_mutex_lock(&reminders->lock);
    entry = agenda_next(&reminders->agenda);
    found = entry && entry->at_ms <= reminders->h->wall_ms(reminders->h);
    *user_id = found ? strdup(entry->user_id) : NULL;
    if (*user_id) {
        (void)snprintf(id, REMINDERS_ID_BYTES, "%s", entry->id);
        entry->busy = true;
    } else {
        arm(reminders);
    }
    (void)pthread_mutex_unlock(&reminders->lock);
    return *user_id != NULL;
}

static void put_back(struct reminders *reminders, const char *user_id, const char *id, bool over)
{
    struct agenda_entry *entry;

    (void)pthread_mutex_lock(&reminders->lock);
    entry = agenda_find(&reminders->agenda, user_id, id);
    if (entry && over)
        agenda_remove(&reminders->agenda, entry);
    else if (entry) {
        int64_t wait = (int64_t)RETRY_MS << (entry->tries < 7 ? entry->tries : 7);
        agenda_postpone(&reminders->agenda, entry,
                        reminders->h->wall_ms(reminders->h) +
                            (wait < MAX_RETRY_MS ? wait : MAX_RETRY_MS));
    }
    (void)pthread_mutex_unlock(&reminders->lock);
}

static void on_timer(void *ctx)
{
    struct reminders *reminders = ctx;
    char id[REMINDERS_ID_BYTES], *user_id;

    while (take_due(reminders, id, &user_id)) {
        put_back(reminders, user_id, id, deliver(reminders, user_id, id));
        free(user_id);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool on_index_row(void *ctx, const struct antiphon_row *row)
{
    struct reminders *reminders = ctx;
    cJSON *index = cJSON_Parse(row->value);
    const char *user_id = reply_text(index, "user_id");

    if (user_id && strlen(row->key) == strlen(PREFIX) + REMINDERS_ID_BYTES - 1)
        (void)agenda_add(&reminders->agenda, user_id, row->key + strlen(PREFIX),
                         reply_integer(index, "due_ms", 0));
    cJSON_Delete(index);
    return true;
}

/* A query answers at most 1,000 rows; ids are spread evenly over their first digit. */
static enum antiphon_status take_up(struct reminders *reminders)
{
    static const char digits[] = "0123456789abcdef";
    const struct antiphon_host *h = reminders->h;
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; i < sizeof(digits) - 1 && status == ANTIPHON_OK; i++) {
        char prefix[sizeof(PREFIX) + 1];
        struct antiphon_store_query query = {
            .struct_size = sizeof(query), .limit = 1000, .prefix = prefix};
        (void)snprintf(prefix, sizeof(prefix), PREFIX "%c", digits[i]);
        status = h->store_find(h, &query, on_index_row, reminders);
    }
    return status;
}

enum antiphon_status reminders_new(const struct antiphon_host *h, size_t max,
                                   struct reminders **reminders, char *why, size_t why_size)
{
    struct reminders *made = calloc(1, sizeof(*made));
    enum antiphon_status status;

    if (!made) {
        (void)snprintf(why, why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    made->h = h;
    made->max = max;
    (void)pthread_mutex_init(&made->lock, NULL);
    status = take_up(made);
    made->stored = status == ANTIPHON_OK;
    if (status != ANTIPHON_OK && status != ANTIPHON_EUNAVAILABLE) {
        (void)snprintf(why, why_size, "the reminders of the last run cannot be read");
        reminders_free(made);
        return status;
    }
    (void)pthread_mutex_lock(&made->lock);
    arm(made);
    (void)pthread_mutex_unlock(&made->lock);
    *reminders = made;
    return ANTIPHON_OK;
}

void reminders_free(struct reminders *reminders)
{
    if (!reminders)
        return;
    agenda_deinit(&reminders->agenda);
    (void)pthread_mutex_destroy(&reminders->lock);
    free(reminders);
}

/* ---- what users do --------------------------------------------------------------------------- */

enum antiphon_status reminders_add(struct reminders *reminders, const char *user_id,
                                   struct reminder *reminder)
{
    enum antiphon_status status = ANTIPHON_OK;

    if (!reminders->stored)
        return ANTIPHON_EUNAVAILABLE;
    if (!reminder->id[0])
        status = reminders_make_id(reminder->id);
    /* Room in the agenda is taken first: what is stored will be said. It does not wake anybody yet.
     */
    (void)pthread_mutex_lock(&reminders->lock);
    if (status == ANTIPHON_OK && agenda_count(&reminders->agenda, user_id) >= reminders->max)
        status = ANTIPHON_EBUSY;
    if (status == ANTIPHON_OK)
        status = agenda_add(&reminders->agenda, user_id, reminder->id, reminder->due_ms);
    if (status == ANTIPHON_OK)
        agenda_find(&reminders->agenda, user_id, reminder->id)->busy = true;
    (void)pthread_mutex_unlock(&reminders->lock);
    if (status != ANTIPHON_OK)
        return status;
    status = write_rows(reminders->h, user_id, reminder);
    (void)pthread_mutex_lock(&reminders->lock);
    struct agenda_entry *entry = agenda_find(&reminders->agenda, user_id, reminder->id);
    if (entry && status != ANTIPHON_OK)
        agenda_remove(&reminders->agenda, entry);
    else if (entry)
        entry->busy = false;
    arm(reminders);
    (void)pthread_mutex_unlock(&reminders->lock);
    return status;
}

enum antiphon_status reminders_get(struct reminders *reminders, const char *user_id, const char *id,
                                   struct reminder *reminder)
{
    if (!reminders->stored)
        return ANTIPHON_EUNAVAILABLE;
    return strlen(id) == REMINDERS_ID_BYTES - 1 ? read_reminder(reminders->h, user_id, id, reminder)
                                                : ANTIPHON_ENOTFOUND;
}

enum antiphon_status reminders_remove(struct reminders *reminders, const char *user_id,
                                      const char *id)
{
    enum antiphon_status status = ANTIPHON_OK;
    struct agenda_entry *entry;

    if (!reminders->stored)
        return ANTIPHON_EUNAVAILABLE;
    (void)pthread_mutex_lock(&reminders->lock);
    entry = agenda_find(&reminders->agenda, user_id, id);
    if (!entry)
        status = ANTIPHON_ENOTFOUND;
    else if (entry->busy)
        status = ANTIPHON_EBUSY;
    else
        entry->busy = true;
    (void)pthread_mutex_unlock(&reminders->lock);
    if (status != ANTIPHON_OK)
        return status;
    status = remove_rows(reminders->h, user_id, id);
    (void)pthread_mutex_lock(&reminders->lock);
    entry = agenda_find(&reminders->agenda, user_id, id);
    if (entry && status == ANTIPHON_OK)
        agenda_remove(&reminders->agenda, entry);
    else if (entry)
        entry->busy = false;
    arm(reminders);
    (void)pthread_mutex_unlock(&reminders->lock);
    return status;
}

struct listing {
    struct reminder *list; /* borrowed */
    size_t n;
};

static bool on_own_row(void *ctx, const struct antiphon_row *row)
{
    struct listing *listing = ctx;

    if (read_row(row->key, row->value, &listing->list[listing->n]))
        listing->n++;
    return listing->n < REMINDERS_MAX_LIST;
}

static int by_time(const void *left, const void *right)
{
    const struct reminder *a = left, *b = right;

    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

enum antiphon_status reminders_list(struct reminders *reminders, const char *user_id,
                                    struct reminder *list, size_t *n)
{
    struct listing listing = {.list = list};
    struct antiphon_store_query query = {.struct_size = sizeof(query),
                                         .limit = REMINDERS_MAX_LIST,
                                         .user_id = user_id,
                                         .prefix = PREFIX};
    enum antiphon_status status;

    if (!reminders->stored)
        return ANTIPHON_EUNAVAILABLE;
    status = reminders->h->store_find(reminders->h, &query, on_own_row, &listing);
    qsort(list, listing.n, sizeof(list[0]), by_time);
    *n = listing.n;
    return status;
}
