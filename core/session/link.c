#include "session/link.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/client.h"
#include "session/session.h"
#include "session/sessions.h"
#include "base/banned.h"

/* Bytes under way to the other shard; outlives the link while messages hold it. */
struct forwarded {
    atomic_size_t bytes;
    atomic_uint refs;
};

struct carry;

struct link {
    struct client *client;   /* borrowed: its session; only if the session is on this shard */
    struct runtime *runtime; /* borrowed */
    struct shard *shard;     /* borrowed: the socket's */
    struct link_options options;
    char *user, *session;    /* owned */
    uint64_t number;
    unsigned owner;          /* shard of the session */
    bool attached;           /* a client was made, here or by message */
    struct forwarded *forwarded; /* owned share; only if it is not */
    struct carry *farewell;      /* owned; likewise. Made beforehand, because it must not fail for want of memory */
};

static atomic_uint_least64_t next_number = 1;

static void forwarded_release(struct forwarded *forwarded)
{
    if (forwarded && atomic_fetch_sub(&forwarded->refs, 1) == 1)
        free(forwarded);
}

static void link_free(struct link *link)
{
    if (!link)
        return;
    forwarded_release(link->forwarded);
    free(link->farewell);
    free(link->user);
    free(link->session);
    free(link);
}

enum antiphon_status link_new(struct runtime *runtime, struct shard *shard, const struct link_options *options,
                              struct link **link)
{
    struct link *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->runtime = runtime;
    made->shard = shard;
    made->options = *options;
    made->user = strdup(options->user);
    made->session = strdup(options->session);
    made->number = atomic_fetch_add(&next_number, 1);
    if (!made->user || !made->session) {
        link_free(made);
        return ANTIPHON_ENOMEM;
    }
    *link = made;
    return ANTIPHON_OK;
}

static struct client *client_for(const struct link *link, uint64_t conn, bool remote)
{
    struct client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->frontend = link->options.frontend;
    client->number = link->number;
    client->shard = shard_index(link->shard);
    client->remote = remote;
    client->conn = conn;
    client->audio = link->options.audio;
    client->wants_audio = link->options.wants_audio;
    return client;
}

/* ---- to another shard ---- */

struct carry {
    struct inbox_message inbox;
    enum { CARRY_ATTACH, CARRY_FRAME, CARRY_DETACH } what;
    struct runtime *runtime;
    uint64_t number;
    struct client *client;       /* ATTACH: owned until taken */
    const struct agent *agent;   /* ATTACH */
    char *user, *session, *key;  /* ATTACH: owned; key carries a claim of the directory */
    struct forwarded *forwarded; /* FRAME: a share */
    bool binary;
    uint64_t came_us;            /* FRAME */
    size_t len;
    char data[];
};

static void carry_free(struct carry *carry)
{
    if (carry->key)
        directory_release(carry->runtime->directory, carry->key);
    if (carry->forwarded) {
        atomic_fetch_sub(&carry->forwarded->bytes, carry->len);
        forwarded_release(carry->forwarded);
    }
    free(carry->client);
    free(carry->user);
    free(carry->session);
    free(carry->key);
    free(carry);
}

static void carry_attach(struct carry *carry, struct sessions *sessions)
{
    struct session *session = NULL;
    enum antiphon_status status =
        sessions_open(sessions, carry->agent, carry->user, carry->session, &session);

    if (!status)
        status = session_attach(session, carry->client);
    if (status) {
        client_close(carry->client, carry->runtime, 1013, "try again later");
        return;
    }
    sessions_add_client(sessions, carry->client);
    carry->client = NULL;
}

static void run_carry(void *owner, struct inbox_message *message, bool dropped)
{
    struct carry *carry = (struct carry *)message;
    struct sessions *sessions = dropped ? NULL : shard_user(owner);
    struct client *client = sessions ? sessions_find_client(sessions, carry->number) : NULL;

    if (sessions && carry->what == CARRY_ATTACH) {
        carry_attach(carry, sessions);
    } else if (client && carry->what == CARRY_FRAME) {
        step_came(STEP_client_message, carry->came_us);
        session_on_frame(client->session, client, carry->binary, carry->data, carry->len);
        step_came(STEP_NONE, 0);
    } else if (client && carry->what == CARRY_DETACH) {
        sessions_remove_client(sessions, client);
        session_detach(client->session, client);
    }
    carry_free(carry);
}

static struct carry *carry_new(const struct link *link, size_t len)
{
    struct carry *carry = calloc(1, sizeof(*carry) + len + 1);

    if (carry) {
        carry->inbox.run = run_carry;
        carry->runtime = link->runtime;
        carry->number = link->number;
        carry->len = len;
    }
    return carry;
}

static void carry_post(const struct link *link, struct carry *carry)
{
    shard_post(link->runtime->shards[link->owner], &carry->inbox);
}

/* Takes over the claim on key. */
static enum antiphon_status attach_remote(struct link *link, uint64_t conn, const char *key)
{
    struct carry *carry = carry_new(link, 0);
    struct carry *farewell = carry_new(link, 0);
    struct forwarded *forwarded = calloc(1, sizeof(*forwarded));

    if (carry) {
        carry->what = CARRY_ATTACH;
        carry->agent = link->options.agent;
        carry->client = client_for(link, conn, true);
        carry->user = strdup(link->user);
        carry->session = strdup(link->session);
        carry->key = strdup(key);
    }
    if (!carry || !farewell || !forwarded || !carry->client || !carry->user || !carry->session || !carry->key) {
        free(farewell);
        free(forwarded);
        if (!carry || !carry->key)
            directory_release(link->runtime->directory, key);
        if (carry)
            carry_free(carry);
        return ANTIPHON_ENOMEM;
    }
    atomic_init(&forwarded->refs, 1);
    farewell->what = CARRY_DETACH;
    link->farewell = farewell;
    link->forwarded = forwarded;
    link->attached = true;
    carry_post(link, carry);
    return ANTIPHON_OK;
}

static enum antiphon_status attach_local(struct link *link, uint64_t conn, const char *key)
{
    struct client *client = client_for(link, conn, false);
    struct session *session = NULL;
    enum antiphon_status status = client ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    if (!status)
        status = sessions_open(shard_user(link->shard), link->options.agent, link->user, link->session,
                               &session);
    if (!status)
        status = session_attach(session, client);
    if (status) {
        free(client);
    } else {
        link->client = client;
        link->attached = true;
    }
    /* The session holds a claim of its own by now. */
    directory_release(link->runtime->directory, key);
    return status;
}

void link_on_open(void *ctx, struct ws_conn *conn)
{
    struct link *link = ctx;
    char key[SESSION_MAX_KEY];
    unsigned here = shard_index(link->shard);
    enum antiphon_status status;

    status = session_make_key(link->options.agent, link->user, link->session, key);
    if (!status)
        status = directory_claim(link->runtime->directory, key, here, &link->owner);
    if (!status) {
        uint64_t handle = ws_conn_handle(conn);
        status = link->owner == here ? attach_local(link, handle, key) : attach_remote(link, handle, key);
    }
    if (status) {
        log_warn("session", "client refused: %s", status_name(status));
        ws_conn_close(conn, 1013, "try again later");
    }
}

void link_on_message(void *ctx, struct ws_conn *conn, bool binary, const char *data, size_t len)
{
    struct link *link = ctx;
    struct carry *carry;

    if (link->client) {
        session_on_frame(link->client->session, link->client, binary, data, len);
        return;
    }
    if (!link->attached)
        return;
    if (atomic_load(&link->forwarded->bytes) + len > LINK_MAX_FORWARDED) {
        /* The other shard is far behind. What is lost must be audio, and only a big frame can be that here. */
        metrics_add(METRIC_upstream_audio_dropped, 1);
        if (len < 200)
            ws_conn_close(conn, 1013, "too much at once");
        return;
    }
    carry = carry_new(link, len);
    if (!carry) {
        ws_conn_close(conn, 1013, "out of memory");
        return;
    }
    carry->what = CARRY_FRAME;
    carry->binary = binary;
    carry->came_us = step_arrival(STEP_client_message);
    memcpy(carry->data, data, len);
    atomic_fetch_add(&link->forwarded->bytes, len);
    atomic_fetch_add(&link->forwarded->refs, 1);
    carry->forwarded = link->forwarded;
    carry_post(link, carry);
}

void link_on_close(void *ctx, struct ws_conn *conn, int code)
{
    struct link *link = ctx;

    (void)conn;
    (void)code;
    if (link->client) {
        session_detach(link->client->session, link->client);
    } else if (link->attached) {
        carry_post(link, link->farewell);
        link->farewell = NULL;
    }
    link_free(link);
}
