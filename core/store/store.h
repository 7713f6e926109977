/* store - every conversation, in SQLite: the four tables of ADK's SqliteSessionService (so that ADK reads what
 * we write and we read what it writes) and our own tables, prefixed antiphon_. One writer thread with group
 * commit (WAL, synchronous=FULL), reader threads with read-only connections. No call here waits for a disk
 * except store_open() and store_close(). */
#ifndef STORE_STORE_H
#define STORE_STORE_H
#include "base/err.h"

#define STORE_MAX_RECORDS 50000
#define STORE_MAX_BYTES (64u * 1024 * 1024)
#define STORE_MAX_LOADS 1000
#define STORE_MAX_CALLS 256 /* tool calls of a snapshot */
#define STORE_MAX_CALLS_BYTES (4u * 1024 * 1024) /* of their texts together; older ones are left out */

struct store;

struct store_options {
    const char *path;    /* file; its folder must exist */
    unsigned readers;    /* 0: 2 */
    size_t max_records, max_bytes; /* waiting for the writer; 0: the limits above */
};

struct store_key {
    const char *app, *user, *session;
};

enum store_kind {
    STORE_SESSION, /* create the session if it is missing; json: initial state object or NULL */
    STORE_EVENT,   /* append an event; session update_time = timestamp */
    STORE_HANDLE,  /* keep json as the session's resumption handle; empty: forget it */
    STORE_DATA,    /* a plugin's own: key is {plugin, user or "", key}; json NULL removes it. EBUSY: too many rows */
    STORE_NOTICE,  /* json: what the model shall say; timestamp: until when; EBUSY: too many of one session */
    STORE_NOTICE_OVER, /* id: the notice that was said */
    STORE_TOOL_CALL /* the journal of one tool call, see struct store_call */
};

/* What has become of a tool call. "requested" makes its row (id, invocation_id, call_id, agent, tool, args); every
 * other state changes it, and so does NULL, which leaves the state alone. Members that are NULL leave what is there. A call
 * that is undone stays so. */
struct store_call {
    const char *state;   /* "requested", "running", "done", "failed", "cancelled", "undone" or NULL */
    const char *call_id, *agent, *tool, *args;
    const char *receipt; /* JSON object */
    const char *reason;
};

struct store_record {
    enum store_kind kind;
    struct store_key key;
    const char *id;            /* EVENT, NOTICE, NOTICE_OVER, TOOL_CALL (unique for ever) */
    const char *invocation_id; /* EVENT, TOOL_CALL when it is requested */
    double timestamp;          /* seconds since the epoch */
    const char *json;          /* EVENT: event_data as ADK writes it (snake_case); TOOL_CALL: the result or NULL */
    size_t json_len;
    /* EVENT: JSON object or NULL, merged key by key with the prefixes app:, user: and temp: (not stored);
     * values stay the text they are (state.h). */
    const char *state_delta;
    const char *model;         /* HANDLE: what the handle is good for (model id and backend); NOTICE: the plugin */
    struct store_call call;    /* TOOL_CALL */
};

/* [main] Opens or creates; runs migrations (numbered, forward only, backup first). Refuses, with a sentence for
 * the operator: EDENIED unwritable; ENOTFOUND no such folder; EEXISTS another server holds `<path>.lock`;
 * EINVAL a newer schema of ours, ADK's older layouts (named), another program's tables, a damaged
 * file, not a database. A refused file is left as it was. */
enum antiphon_status store_open(const struct store_options *options, struct store **store,
                                struct err *err) MUST_CHECK;
/* [main] Commits everything that waits (bounded by 4 s), answers all callbacks, closes. Waiting loads are
 * answered with ECANCELLED. After 4 s (a disk that does not answer) the rest is answered with ETIMEOUT on
 * this thread, and the store's threads are left behind with their memory. */
void store_close(struct store *store);

/* [store thread] One answer for each accepted append: OK after the COMMIT returned (synced), else why it is not
 * durable (a full disk, say); the records are then lost and audio goes on. */
typedef void store_done_fn(void *ctx, enum antiphon_status status);
/* [any] Copies all records into the queue as one unit: they are committed together and in order. EBUSY: full. A
 * duplicate event id is an EEXISTS for its unit alone, as are ENOTFOUND (no such session: put a SESSION record
 * in front) and EINVAL (json or state_delta is no JSON object). ETOOBIG: would never fit. done may be
 * NULL. */
enum antiphon_status store_append(struct store *store, const struct store_record *records, size_t n,
                                  store_done_fn *done, void *ctx) MUST_CHECK;

struct store_text {
    char *text; /* owned, NUL-terminated */
    size_t len;
};
struct store_row { /* all owned */
    char *key;    /* of a notice: the plugin */
    char *id;     /* of a notice, else NULL */
    char *value;  /* NUL-terminated */
    size_t len;
    double time;  /* of the last change, of a notice: until when it is worth saying */
};
struct store_rows {
    struct store_row *row; /* owned */
    size_t n;
};
void store_rows_free(struct store_rows *rows);

/* A row of the journal; texts owned. Calls that were open when the server was killed have failed with the reason
 * "interrupted", and have no result unless somebody gave them one later. */
struct store_call_row {
    char *id, *call_id, *tool, *state;
    char *reason, *args, *result, *receipt; /* may be NULL */
    bool ran;
};
struct store_snapshot {
    bool exists;
    char *state;               /* owned; merged JSON object with prefixes, "{}" if none */
    struct store_text *events; /* owned; event_data, oldest first */
    size_t events_n;
    char *handle, *handle_model; /* owned; NULL: none */
    double handle_time;
    struct store_rows *notices;  /* owned; what is still to be said, oldest first */
    struct store_call_row *calls; /* owned; the newest ones, oldest first */
    size_t calls_n;
};
void store_snapshot_free(struct store_snapshot *snapshot);

/* [reader thread] snapshot is now yours (NULL if status is not OK). */
typedef void store_loaded_fn(void *ctx, enum antiphon_status status, struct store_snapshot *snapshot);
/* [any] The session with its newest max_events events. Sees everything committed before the call. */
enum antiphon_status store_load(struct store *store, const struct store_key *key, size_t max_events,
                                store_loaded_fn *loaded, void *ctx) MUST_CHECK;

/* A plugin's own data. One row by its key, or those whose key begins so, or those whose value has all words of text:
 * the best match first, else in the order of keys. */
struct store_query {
    const char *plugin, *user; /* user "": nobody's */
    const char *key, *prefix, *text; /* NULL: any */
    unsigned limit;
};
/* [reader thread] rows is now yours (NULL if status is not OK). */
typedef void store_found_fn(void *ctx, enum antiphon_status status, struct store_rows *rows);
/* [any] Sees everything committed before the call. EBUSY as with store_load(). */
enum antiphon_status store_find(struct store *store, const struct store_query *query, store_found_fn *found,
                                void *ctx) MUST_CHECK;

struct store_stats {
    size_t waiting_records, waiting_bytes;
    bool failing; /* the last commit failed */
};
void store_stats(struct store *store, struct store_stats *stats); /* [any] */
#endif
