#include "session/sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/client.h"
#include "session/session.h"
#include "base/banned.h"

#define SINK_SHARD_SHIFT 24 /* sinks are numbered below 2^24, so these bits of a slot handle are free */
#define SINK_SHARD_MASK (0xffull << SINK_SHARD_SHIFT)
#define CLIENT_BUCKETS 1024
#define NAME_BUCKETS 4096
#define SCRATCH_MAX (32u * 1024 * 1024)

struct named {
    struct named *next;
    struct session *session; /* borrowed: the slots */
};

struct sessions {
    struct runtime *runtime; /* borrowed: command/serve */
    struct shard *shard;     /* borrowed: its owner */
    struct slots *slots;     /* owned; of struct session, owned */
    struct slots *sinks;     /* owned; of struct session, borrowed */
    struct named *named[NAME_BUCKETS];     /* owned; by key */
    struct client *remote[CLIENT_BUCKETS]; /* borrowed: their sessions */
    struct buf scratch;
};

enum antiphon_status sessions_new(struct runtime *runtime, struct shard *shard, struct sessions **sessions)
{
    struct sessions *made = calloc(1, sizeof(*made));
    enum antiphon_status status;

    if (!made)
        return ANTIPHON_ENOMEM;
    made->runtime = runtime;
    made->shard = shard;
    buf_init(&made->scratch, SCRATCH_MAX);
    status = slots_new(SESSIONS_MAX, &made->slots);
    if (!status)
        status = slots_new(1u << SINK_SHARD_SHIFT, &made->sinks);
    if (status) {
        sessions_free(made);
        return status;
    }
    *sessions = made;
    return ANTIPHON_OK;
}

static void end_session(void *ctx, uint64_t handle, void *item)
{
    (void)ctx;
    (void)handle;
    session_end(item);
}

void sessions_end(struct sessions *sessions)
{
    slots_each(sessions->slots, end_session, NULL);
}

static void free_session(void *ctx, uint64_t handle, void *item)
{
    (void)ctx;
    (void)handle;
    session_free(item);
}

void sessions_free(struct sessions *sessions)
{
    if (!sessions)
        return;
    if (sessions->slots) {
        metrics_sub(METRIC_sessions, slots_count(sessions->slots));
        slots_each(sessions->slots, free_session, NULL);
    }
    for (unsigned i = 0; i < NAME_BUCKETS; i++) {
        while (sessions->named[i]) {
            struct named *named = sessions->named[i];
            sessions->named[i] = named->next;
            free(named);
        }
    }
    slots_free(sessions->slots);
    slots_free(sessions->sinks);
    buf_deinit(&sessions->scratch);
    free(sessions);
}

struct sessions *sessions_self(void)
{
    struct shard *shard = shard_self();

    return shard ? shard_user(shard) : NULL;
}

struct runtime *sessions_runtime(const struct sessions *sessions)
{
    return sessions->runtime;
}

struct shard *sessions_shard(const struct sessions *sessions)
{
    return sessions->shard;
}

unsigned sessions_count(const struct sessions *sessions)
{
    return slots_count(sessions->slots);
}

struct session *sessions_get(struct sessions *sessions, uint64_t handle)
{
    return slots_get(sessions->slots, handle);
}

struct buf *sessions_scratch(struct sessions *sessions)
{
    buf_reset(&sessions->scratch);
    return &sessions->scratch;
}

static struct named **find_named(struct sessions *sessions, const char *key)
{
    uint64_t hash = hash_bytes(key, strlen(key));
    struct named **at;

    at = &sessions->named[(hash ^ hash >> 32) % NAME_BUCKETS];
    while (*at && strcmp(session_key((*at)->session), key) != 0)
        at = &(*at)->next;
    return at;
}

struct session *sessions_find(struct sessions *sessions, const char *key)
{
    struct named *named = *find_named(sessions, key);

    return named ? named->session : NULL;
}

enum antiphon_status sessions_open(struct sessions *sessions, const struct agent *agent, const char *user,
                                   const char *id, struct session **session)
{
    char key[SESSION_MAX_KEY];
    struct session *made = NULL;
    struct named **at, *named = NULL;
    enum antiphon_status status;
    uint64_t handle;

    step_mark(STEP_session_open);
    status = session_make_key(agent, user, id, key);
    if (status)
        return status;
    at = find_named(sessions, key);
    if (*at) {
        *session = (*at)->session;
        return ANTIPHON_OK;
    }
    named = calloc(1, sizeof(*named));
    if (!named)
        return ANTIPHON_ENOMEM;
    status = session_new(sessions, agent, user, id, &made);
    if (!status)
        status = slots_add(sessions->slots, made, &handle);
    if (status) {
        session_free(made);
        free(named);
        return status;
    }
    session_set_handle(made, handle);
    metrics_add(METRIC_sessions, 1);
    named->session = made;
    *at = named;
    *session = made;
    return ANTIPHON_OK;
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    struct named **at = find_named(sessions, session_key(session));

    if (*at && (*at)->session == session) {
        struct named *named = *at;
        *at = named->next;
        free(named);
    }
    metrics_sub(METRIC_sessions, 1);
    slots_remove(sessions->slots, session_handle(session));
}

enum antiphon_status sessions_add_sink(struct sessions *sessions, struct session *session, antiphon_sink *sink)
{
    uint64_t handle;
    enum antiphon_status status = slots_add(sessions->sinks, session, &handle);

    if (status)
        return status;
    *sink = handle | (uint64_t)shard_index(sessions->shard) << SINK_SHARD_SHIFT;
    return ANTIPHON_OK;
}

void sessions_remove_sink(struct sessions *sessions, antiphon_sink sink)
{
    slots_remove(sessions->sinks, sink & ~SINK_SHARD_MASK);
}

void sessions_emit(struct runtime *runtime, antiphon_sink sink, const struct antiphon_event *event)
{
    struct sessions *sessions = sessions_self();
    struct session *session;

    (void)runtime;
    if (!sessions)
        return;
    session = slots_get(sessions->sinks, sink & ~SINK_SHARD_MASK);
    if (session)
        session_on_model(session, event);
}

struct wake_message {
    struct inbox_message inbox;
    antiphon_sink sink;
};

static void run_wake(void *owner, struct inbox_message *message, bool dropped)
{
    struct wake_message *wake = (struct wake_message *)message;
    struct sessions *sessions = dropped ? NULL : shard_user(owner);

    if (sessions) {
        struct session *session = slots_get(sessions->sinks, wake->sink & ~SINK_SHARD_MASK);
        if (session)
            session_on_wake(session);
    }
    free(wake);
}

void sessions_wake(struct runtime *runtime, antiphon_sink sink)
{
    unsigned shard = (unsigned)((sink & SINK_SHARD_MASK) >> SINK_SHARD_SHIFT);
    struct wake_message *wake;

    if (shard >= runtime->shards_n)
        return;
    wake = calloc(1, sizeof(*wake));
    if (!wake)
        return; /* the connection's own deadline ends the wait */
    wake->inbox.run = run_wake;
    wake->sink = sink;
    shard_post(runtime->shards[shard], &wake->inbox);
}

void sessions_add_client(struct sessions *sessions, struct client *client)
{
    struct client **bucket = &sessions->remote[client->number % CLIENT_BUCKETS];

    client->next_remote = *bucket;
    *bucket = client;
}

void sessions_remove_client(struct sessions *sessions, struct client *client)
{
    struct client **at = &sessions->remote[client->number % CLIENT_BUCKETS];

    while (*at && *at != client)
        at = &(*at)->next_remote;
    if (*at)
        *at = client->next_remote;
}

struct client *sessions_find_client(struct sessions *sessions, uint64_t number)
{
    struct client *client = sessions->remote[number % CLIENT_BUCKETS];

    while (client && client->number != number)
        client = client->next_remote;
    return client;
}

static void run_session_message(void *owner, struct inbox_message *inbox, bool dropped)
{
    struct session_message *message = (struct session_message *)inbox;
    struct sessions *sessions = dropped ? NULL : shard_user(owner);

    if (sessions) {
        struct session *session = sessions_get(sessions, message->session);
        if (session)
            message->fn(session, message);
    }
    if (message->release)
        message->release(message);
    free(message);
}

void sessions_post(struct runtime *runtime, unsigned shard, struct session_message *message)
{
    assert(shard < runtime->shards_n);
    message->inbox.run = run_session_message;
    shard_post(runtime->shards[shard], &message->inbox);
}
