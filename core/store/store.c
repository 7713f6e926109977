#include "store/store.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "store/store_lock.h"
#include "store/store_read.h"
#include "store/store_sqlite.h"
#include "store/store_unit.h"
#include "base/banned.h"

#define DEFAULT_READERS 2
#define MAX_READERS     16
#define MAX_BATCH                                                                                  \
    1024              /* units of one transaction: bounds how long the first waits for the last    \
                       */
#define IDLE_MS  1000 /* without work, before the log is copied into the database */
#define CLOSE_MS 4000

/* A session that is to be loaded, or a question about a plugin's data; their texts lie behind the struct. */
struct load {
    struct load *next;
    struct store_key key;
    size_t max_events;
    store_loaded_fn *loaded; /* NULL: a question */
    struct store_query query;
    store_found_fn *found;
    void *ctx; /* borrowed: the caller */
    struct store_snapshot *snapshot; /* what its reader has read */
    struct store_rows *rows;
};

struct reader {
    struct store *store;
    struct store_reader *db; /* owned */
    pthread_t thread;
    struct load *load; /* being read, not yet answered; the store's mutex */
};

struct store {
    char *path; /* owned */
    int lock_fd;
    size_t max_records, max_bytes;
    struct store_sqlite *db; /* [store thread] */
    pthread_t writer;
    struct reader readers[MAX_READERS];
    unsigned readers_n;

    pthread_mutex_t mutex; /* all below */
    pthread_cond_t work;   /* for the writer */
    pthread_cond_t loads;  /* for the readers */
    pthread_cond_t ended;  /* for store_close() */
    struct store_unit *head, **tail;
    struct store_unit *in_flight; /* with the writer, not yet answered */
    struct load *load_head, **load_tail;
    size_t records, bytes; /* waiting and in flight */
    size_t loads_n;
    unsigned running; /* threads */
    bool closing, abandoned, failing;
};

/* ---- writer ------------------------------------------------------------------------------- */

static struct timespec after_ms(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* What waits, or NULL when the store is being closed and nothing does. Mutex held. */
static struct store_unit *next_batch(struct store *store)
{
    while (!store->head && !store->closing) {
        struct timespec limit = after_ms(IDLE_MS);
        if (!store_sqlite_is_dirty(store->db)) {
            pthread_cond_wait(&store->work, &store->mutex);
        } else if (pthread_cond_timedwait(&store->work, &store->mutex, &limit) != 0) {
            pthread_mutex_unlock(&store->mutex);
            store_sqlite_checkpoint(store->db);
            store_sqlite_rest(store->db);
            pthread_mutex_lock(&store->mutex);
        }
    }
    struct store_unit *batch = store->head, **end = &store->head;
    for (int n = 0; *end && n < MAX_BATCH; n++)
        end = &(*end)->next;
    if (*end == NULL)
        store->tail = &store->head;
    store->head = *end;
    *end = NULL;
    return store->in_flight = batch;
}

static void log_change(bool was_failing, enum antiphon_status status, const struct err *err)
{
    if (status != ANTIPHON_OK && !was_failing)
        log_error("store", "conversations are not being saved: %s", err->text);
    else if (status == ANTIPHON_OK && was_failing)
        log_info("store", "conversations are being saved again");
}

/* Takes the batch back from the closing thread. False: that one has answered it meanwhile. */
static bool finish_batch(struct store *store, struct store_unit *batch, enum antiphon_status status,
                         bool *was_failing)
{
    bool mine = !store->abandoned;
    if (!mine)
        return false;
    *was_failing = store->failing;
    store->failing = status != ANTIPHON_OK;
    store->in_flight = NULL;
    for (; batch; batch = batch->next) {
        store->records -= batch->n;
        store->bytes -= batch->bytes;
        metrics_sub(METRIC_store_queue_records, batch->n);
        metrics_sub(METRIC_store_queue_bytes, batch->bytes);
    }
    return true;
}

static void end_thread(struct store *store)
{
    store->running--;
    pthread_cond_broadcast(&store->ended);
    pthread_mutex_unlock(&store->mutex);
}

static void *run_writer(void *arg)
{
    struct store *store = arg;
    struct store_unit *batch;
    pthread_mutex_lock(&store->mutex);
    while (!store->abandoned && (batch = next_batch(store)) != NULL) {
        struct err err;
        bool was_failing;
        pthread_mutex_unlock(&store->mutex);
        enum antiphon_status status = store_sqlite_commit(store->db, batch, &err);
        pthread_mutex_lock(&store->mutex);
        if (!finish_batch(store, batch, status, &was_failing))
            break;
        pthread_mutex_unlock(&store->mutex);
        log_change(was_failing, status, &err);
        store_unit_answer_all(batch);
        if (store_sqlite_is_long(store->db))
            store_sqlite_checkpoint(store->db);
        pthread_mutex_lock(&store->mutex);
    }
    end_thread(store);
    return NULL;
}

/* ---- readers ------------------------------------------------------------------------------ */

/* Takes one request off the queue; mutex held. */
static struct load *next_load(struct store *store)
{
    struct load *load = store->load_head;
    if (!load)
        return NULL;
    store->load_head = load->next;
    if (!load->next)
        store->load_tail = &store->load_head;
    store->loads_n--;
    return load;
}

static void answer_load(const struct load *load, enum antiphon_status status,
                        struct store_snapshot *snapshot, struct store_rows *rows)
{
    if (load->loaded)
        load->loaded(load->ctx, status, snapshot);
    else
        load->found(load->ctx, status, rows);
}

static enum antiphon_status read_load(struct store_reader *db, struct load *load, struct err *err)
{
    return load->loaded ? store_reader_load(db, &load->key, load->max_events, &load->snapshot, err)
                        : store_reader_find(db, &load->query, &load->rows, err);
}

/* The mutex is held, and given up meanwhile. False: the closing thread has answered. */
static bool serve_load(struct reader *reader, struct load *load, bool dropped)
{
    struct store *store = reader->store;
    struct err err = {.text = ""};
    enum antiphon_status status = ANTIPHON_ECANCELLED;
    reader->load = load;
    pthread_mutex_unlock(&store->mutex);
    if (!dropped)
        status = read_load(reader->db, load, &err);
    pthread_mutex_lock(&store->mutex);
    if (store->abandoned) {
        store_snapshot_free(load->snapshot);
        store_rows_free(load->rows);
        return false;
    }
    reader->load = NULL;
    pthread_mutex_unlock(&store->mutex);
    if (status != ANTIPHON_OK && !dropped)
        log_error("store", "%s could not be read: %s",
                  load->loaded ? "a conversation" : "data of a plugin", err.text);
    answer_load(load, status, load->snapshot, load->rows);
    free(load);
    pthread_mutex_lock(&store->mutex);
    return true;
}

static void *run_reader(void *arg)
{
    struct reader *reader = arg;
    struct store *store = reader->store;
    struct load *load;
    pthread_mutex_lock(&store->mutex);
    do {
        while (!store->load_head && !store->closing)
            pthread_cond_wait(&store->loads, &store->mutex);
        load = next_load(store);
    } while (load && serve_load(reader, load, store->closing));
    end_thread(store);
    return NULL;
}

/* ---- open and close ----------------------------------------------------------------------- */

static enum antiphon_status start_thread(struct store *store, pthread_t *thread, const char *name,
                                         void *(*run)(void *), void *arg, struct err *err)
{
    sigset_t all, before;
    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&store->mutex);
    int code = pthread_create(thread, NULL, run, arg);
    if (code == 0)
        store->running++;
    pthread_mutex_unlock(&store->mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return err_set(err, ANTIPHON_ENOMEM, "no thread for the store: %s", strerror(code));
    pthread_setname_np(*thread, name);
    return ANTIPHON_OK;
}

static enum antiphon_status open_parts(struct store *store, unsigned readers, bool *writing,
                                       struct err *err)
{
    enum antiphon_status status = store_lock_open(store->path, &store->lock_fd, err);
    if (status == ANTIPHON_OK)
        status = store_sqlite_open(store->path, &store->db, err);
    if (status == ANTIPHON_OK) {
        status = start_thread(store, &store->writer, "store", run_writer, store, err);
        *writing = status == ANTIPHON_OK;
    }
    for (unsigned i = 0; status == ANTIPHON_OK && i < readers; i++) {
        struct reader *reader = &store->readers[i];
        reader->store = store;
        status = store_reader_open(store->path, &reader->db, err);
        if (status == ANTIPHON_OK)
            status = start_thread(store, &reader->thread, "store-read", run_reader, reader, err);
        if (status == ANTIPHON_OK)
            store->readers_n++;
        else
            store_reader_close(reader->db);
    }
    return status;
}

static void init_locks(struct store *store)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&store->work, &attr);
    pthread_cond_init(&store->loads, &attr);
    pthread_cond_init(&store->ended, &attr);
    pthread_condattr_destroy(&attr);
}

static void free_parts(struct store *store)
{
    for (unsigned i = 0; i < store->readers_n; i++)
        store_reader_close(store->readers[i].db);
    store_sqlite_close(store->db);
    store_lock_close(store->lock_fd);
    pthread_cond_destroy(&store->ended);
    pthread_cond_destroy(&store->loads);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
}

/* Called with threads stuck in a disk: what they hold is answered here and left to them. */
static void abandon(struct store *store)
{
    struct load *load;
    pthread_mutex_lock(&store->mutex);
    store->abandoned = true;
    struct store_unit *in_flight = store->in_flight, *waiting = store->head;
    size_t records = store->records;
    store->head = NULL;
    store->tail = &store->head;
    while ((load = next_load(store)) != NULL) {
        answer_load(load, ANTIPHON_ECANCELLED, NULL, NULL);
        free(load);
    }
    for (unsigned i = 0; i < store->readers_n; i++) {
        if (store->readers[i].load)
            answer_load(store->readers[i].load, ANTIPHON_ETIMEOUT, NULL, NULL);
    }
    pthread_mutex_unlock(&store->mutex);
    pthread_detach(store->writer);
    for (unsigned i = 0; i < store->readers_n; i++)
        pthread_detach(store->readers[i].thread);
    log_error("store", "the disk does not answer: up to %zu records are not saved", records);
    for (; in_flight; in_flight = in_flight->next)
        if (in_flight->done)
            in_flight->done(in_flight->ctx, ANTIPHON_ETIMEOUT);
    for (struct store_unit *unit = waiting; unit; unit = unit->next)
        unit->status = ANTIPHON_ETIMEOUT;
    store_unit_answer_all(waiting);
}

static bool wait_for_threads(struct store *store)
{
    struct timespec limit = after_ms(CLOSE_MS);
    int code = 0;
    pthread_mutex_lock(&store->mutex);
    store->closing = true;
    pthread_cond_broadcast(&store->work);
    pthread_cond_broadcast(&store->loads);
    while (store->running > 0 && code == 0)
        code = pthread_cond_timedwait(&store->ended, &store->mutex, &limit);
    bool ended = store->running == 0;
    pthread_mutex_unlock(&store->mutex);
    return ended;
}

static void close_parts(struct store *store, bool writing)
{
    if (!wait_for_threads(store)) {
        abandon(store);
        return;
    }
    if (writing)
        pthread_join(store->writer, NULL);
    for (unsigned i = 0; i < store->readers_n; i++)
        pthread_join(store->readers[i].thread, NULL);
    free_parts(store);
}

enum antiphon_status store_open(const struct store_options *options, struct store **store,
                                struct err *err)
{
    unsigned readers = options->readers ? options->readers : DEFAULT_READERS;
    bool writing = false;
    struct store *self = calloc(1, sizeof(*self));
    if (!self)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    init_locks(self);
    self->lock_fd = -1;
    self->tail = &self->head;
    self->load_tail = &self->load_head;
    self->max_records = options->max_records ? options->max_records : STORE_MAX_RECORDS;
    self->max_bytes = options->max_bytes ? options->max_bytes : STORE_MAX_BYTES;
    enum antiphon_status status = store_lock_resolve(options->path, &self->path, err);
    if (status == ANTIPHON_OK)
        status = open_parts(self, readers < MAX_READERS ? readers : MAX_READERS, &writing, err);
    if (status != ANTIPHON_OK) {
        close_parts(self, writing);
        return status;
    }
    *store = self;
    return ANTIPHON_OK;
}

void store_close(struct store *store)
{
    if (store)
        close_parts(store, true);
}

/* ---- requests ----------------------------------------------------------------------------- */

enum antiphon_status store_append(struct store *store, const struct store_record *records, size_t n,
                                  store_done_fn *done, void *ctx)
{
    struct store_unit *unit;
    enum antiphon_status status = store_unit_new(records, n, store->max_bytes, &unit);
    if (status != ANTIPHON_OK)
        return status;
    unit->done = done;
    unit->ctx = ctx;
    pthread_mutex_lock(&store->mutex);
    if (store->closing)
        status = ANTIPHON_EUNAVAILABLE;
    else if (n > store->max_records - store->records ||
             unit->bytes > store->max_bytes - store->bytes)
        status = n > store->max_records ? ANTIPHON_ETOOBIG : ANTIPHON_EBUSY;
    if (status == ANTIPHON_OK) {
        store->records += n;
        store->bytes += unit->bytes;
        metrics_add(METRIC_store_queue_records, n);
        metrics_add(METRIC_store_queue_bytes, unit->bytes);
        *store->tail = unit;
        store->tail = &unit->next;
        pthread_cond_signal(&store->work);
    }
    pthread_mutex_unlock(&store->mutex);
    if (status == ANTIPHON_EBUSY)
        metrics_add(METRIC_store_refused, 1);
    if (status != ANTIPHON_OK)
        free(unit);
    return status;
}

static const char *put_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = *at;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

/* Queues it, or frees it. */
static enum antiphon_status push_load(struct store *store, struct load *load)
{
    enum antiphon_status status = ANTIPHON_OK;
    pthread_mutex_lock(&store->mutex);
    if (store->closing)
        status = ANTIPHON_EUNAVAILABLE;
    else if (store->loads_n == STORE_MAX_LOADS)
        status = ANTIPHON_EBUSY;
    if (status == ANTIPHON_OK) {
        store->loads_n++;
        *store->load_tail = load;
        store->load_tail = &load->next;
        pthread_cond_signal(&store->loads);
    }
    pthread_mutex_unlock(&store->mutex);
    if (status != ANTIPHON_OK)
        free(load);
    return status;
}

enum antiphon_status store_load(struct store *store, const struct store_key *key, size_t max_events,
                                store_loaded_fn *loaded, void *ctx)
{
    size_t texts = strlen(key->app) + strlen(key->user) + strlen(key->session) + 3;
    struct load *load = malloc(sizeof(*load) + texts);
    if (!load)
        return ANTIPHON_ENOMEM;
    char *at = (char *)(load + 1);
    *load = (struct load){.max_events = max_events, .loaded = loaded, .ctx = ctx};
    load->key.app = put_text(&at, key->app);
    load->key.user = put_text(&at, key->user);
    load->key.session = put_text(&at, key->session);
    return push_load(store, load);
}

enum antiphon_status store_find(struct store *store, const struct store_query *query,
                                store_found_fn *found, void *ctx)
{
    const char *const from[] = {query->plugin, query->user, query->key, query->prefix, query->text};
    struct load *load;
    size_t texts = 0;
    for (size_t i = 0; i < 5; i++)
        texts += from[i] ? strlen(from[i]) + 1 : 0;
    load = malloc(sizeof(*load) + texts);
    if (!load)
        return ANTIPHON_ENOMEM;
    char *at = (char *)(load + 1);
    *load = (struct load){.query = {.limit = query->limit}, .found = found, .ctx = ctx};
    const char **const to[] = {&load->query.plugin, &load->query.user, &load->query.key,
                               &load->query.prefix, &load->query.text};
    for (size_t i = 0; i < 5; i++)
        *to[i] = from[i] ? put_text(&at, from[i]) : NULL;
    return push_load(store, load);
}

void store_stats(struct store *store, struct store_stats *stats)
{
    pthread_mutex_lock(&store->mutex);
    *stats = (struct store_stats){store->records, store->bytes, store->failing};
    pthread_mutex_unlock(&store->mutex);
}
