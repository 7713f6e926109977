/* sessions - all sessions of one shard, and the doors through which other threads reach them. [shard] but where said. */
#ifndef SESSION_SESSIONS_H
#define SESSION_SESSIONS_H
#include "base/slots.h"
#include "session/frontend.h"
#include "session/runtime.h"

#define SESSIONS_MAX 100000 /* per shard */

struct client;
struct session;
struct sessions;

enum antiphon_status sessions_new(struct runtime *runtime, struct shard *shard, struct sessions **sessions)
    MUST_CHECK;
/* Asks every session to end: clients are told, running turns saved as far as they came, connections to the model closed. They
 * are gone when sessions_count() is 0. */
void sessions_end(struct sessions *sessions);
/* Ends what is left, at once. */
void sessions_free(struct sessions *sessions);
struct sessions *sessions_self(void); /* of the calling shard thread, or NULL */
struct runtime *sessions_runtime(const struct sessions *sessions);
struct shard *sessions_shard(const struct sessions *sessions);
unsigned sessions_count(const struct sessions *sessions);

struct session *sessions_get(struct sessions *sessions, uint64_t handle); /* NULL: gone */
struct session *sessions_find(struct sessions *sessions, const char *key); /* NULL: not here */
/* The session of that key, made and loaded from the store if it is not here yet. */
enum antiphon_status sessions_open(struct sessions *sessions, const struct agent *agent, const char *user,
                                   const char *id, struct session **session) MUST_CHECK;

/* Where model connections deliver; the shard's index is in the number so that any thread can wake the right one. */
enum antiphon_status sessions_add_sink(struct sessions *sessions, struct session *session, antiphon_sink *sink)
    MUST_CHECK;
void sessions_remove_sink(struct sessions *sessions, antiphon_sink sink);
/* [shard] host->emit, [any] host->wake */
void sessions_emit(struct runtime *runtime, antiphon_sink sink, const struct antiphon_event *event);
void sessions_wake(struct runtime *runtime, antiphon_sink sink);

/* Clients whose socket is on another shard, by their number. */
void sessions_add_client(struct sessions *sessions, struct client *client);
void sessions_remove_client(struct sessions *sessions, struct client *client);
struct client *sessions_find_client(struct sessions *sessions, uint64_t number);

/* A message to a session that may be gone by then: fn(session, message) runs on its shard; free(message) follows in
 * any case after `release`, which may be NULL. Embed as first member. [any] to post. */
struct session_message {
    struct inbox_message inbox;
    uint64_t session;
    void (*fn)(struct session *session, struct session_message *message);
    void (*release)(struct session_message *message);
};
void sessions_post(struct runtime *runtime, unsigned shard, struct session_message *message);

/* Scratch of the shard, empty; for one frame or message at a time. */
struct buf *sessions_scratch(struct sessions *sessions);
/* Used by session.c when a session ends. */
void sessions_remove(struct sessions *sessions, struct session *session);
#endif
