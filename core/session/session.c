#include "session/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/step.h"
#include "session/session_private.h"
#include "base/banned.h"

static bool key_part(struct buf *key, const char *text)
{
    for (; *text; text++) {
        if (*text == '/' || *text == '\\')
            buf_puts(key, "\\");
        buf_append(key, text, 1);
    }
    return buf_puts(key, "/") == ANTIPHON_OK;
}

enum antiphon_status session_make_key(const struct agent *agent, const char *user, const char *id,
                                      char key[SESSION_MAX_KEY])
{
    return session_name_key(agent->live.app_name, user, id, key);
}

enum antiphon_status session_name_key(const char *app, const char *user, const char *id, char key[SESSION_MAX_KEY])
{
    enum antiphon_status status;
    struct buf text;

    buf_init(&text, SESSION_MAX_KEY - 1);
    key_part(&text, app);
    key_part(&text, user);
    key_part(&text, id);
    status = buf_status(&text);
    if (!status)
        memcpy(key, buf_text(&text), text.len + 1);
    buf_deinit(&text);
    return status;
}

const char *session_key(const struct session *session)
{
    return session->key;
}

uint64_t session_handle(const struct session *session)
{
    return session->handle;
}

/* ---- loading ---- */

struct loaded {
    struct session_message message;
    struct runtime *runtime;
    unsigned shard;
    enum antiphon_status status;
    struct store_snapshot *snapshot; /* owned */
};

static void release_loaded(struct session_message *message)
{
    store_snapshot_free(((struct loaded *)message)->snapshot);
}

static void take_snapshot(struct session *session, struct store_snapshot *snapshot)
{
    size_t unread = 0;

    for (size_t i = 0; i < snapshot->events_n; i++) {
        if (history_add_older(session->history, snapshot->events[i].text, snapshot->events[i].len))
            unread++;
    }
    if (unread > 0)
        log_warn("session", "session=%s %zu stored events cannot be read", session->id, unread);
    session_load_notices(session, snapshot->notices);
    if (snapshot->state && tool_state_load(session->state, snapshot->state, strlen(snapshot->state)))
        log_warn("session", "session=%s its state cannot be read", session->id);
    if (!snapshot->handle || !snapshot->handle_model ||
        strcmp(snapshot->handle_model, session->agent->model) != 0)
        return; /* a handle of another model is of no use */
    session->resumption = snapshot->handle;
    session->resumption_for = snapshot->handle_model;
    session->resumption_time = snapshot->handle_time;
    snapshot->handle = snapshot->handle_model = NULL;
}

void session_loaded(struct session *session)
{
    session->loaded = true;
    session_record_flush(session);
    for (struct client *client = session->clients; client; client = client->next)
        session_greet(session, client);
    session_want(session);
    session_notice_step(session);
    session_maybe_end(session);
}

static void on_loaded(struct session *session, struct session_message *message)
{
    struct loaded *loaded = (struct loaded *)message;

    step_mark(STEP_session_load);
    if (loaded->status) {
        log_error("session", "session=%s cannot be read: %s", session->id, status_name(loaded->status));
        session->not_durable = true;
    } else if (loaded->snapshot) {
        take_snapshot(session, loaded->snapshot);
    }
    session_recover_tools(session, loaded->status ? NULL : loaded->snapshot);
}

/* [reader thread] */
static void loaded_from_store(void *ctx, enum antiphon_status status, struct store_snapshot *snapshot)
{
    struct loaded *loaded = ctx;

    loaded->status = status;
    loaded->snapshot = snapshot;
    sessions_post(loaded->runtime, loaded->shard, &loaded->message);
}

/* The load carries the session's handle, so it begins when that is known. */
void session_set_handle(struct session *session, uint64_t handle)
{
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    struct store_key key = {session->agent->live.app_name, session->user, session->id};
    enum antiphon_status status = loaded ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    session->handle = handle;
    if (loaded) {
        loaded->message.session = handle;
        loaded->message.fn = on_loaded;
        loaded->message.release = release_loaded;
        loaded->runtime = session->runtime;
        loaded->shard = shard_index(session->shard);
        status = store_load(session->runtime->store, &key, session->runtime->config->limits.history_events,
                            loaded_from_store, loaded);
    }
    if (status) {
        log_error("session", "session=%s cannot be read: %s", session->id, status_name(status));
        free(loaded);
        session->loaded = true;
        session->not_durable = true;
    }
}

/* ---- life ---- */

static enum antiphon_status session_init(struct session *session)
{
    char key[SESSION_MAX_KEY];
    unsigned owner;
    enum antiphon_status status;

    status = session_make_key(session->agent, session->user, session->id, key);
    if (!status && !(session->key = strdup(key)))
        status = ANTIPHON_ENOMEM;
    if (!status)
        status = tool_state_new(&session->state);
    if (!status)
        status = history_new(session->runtime->config->limits.history_events, &session->history);
    if (!status)
        status = directory_claim(session->runtime->directory, session->key, shard_index(session->shard),
                                 &owner);
    if (status)
        return status;
    session->claimed = true;
    session->model = registry_model(session->runtime->registry, session->agent->live.provider);
    if (!session->model)
        return ANTIPHON_ENOTFOUND;
    session->backend = session->model->model.backend(session->model->state);
    profiles_find(session->runtime->profiles, session->agent->live.provider, session->backend,
                  session->agent->model, &session->profile);
    memcpy(session->invocation, "e-", 2);
    id_uuid(session->invocation + 2);
    return ANTIPHON_OK;
}

enum antiphon_status session_new(struct sessions *sessions, const struct agent *agent, const char *user,
                                 const char *id, struct session **session)
{
    struct session *made = calloc(1, sizeof(*made));
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (!made)
        return status;
    made->sessions = sessions;
    made->runtime = sessions_runtime(sessions);
    made->shard = sessions_shard(sessions);
    made->agent = agent;
    made->user = strdup(user);
    made->id = strdup(id);
    made->said.played_ms = -1;
    made->joiner.want = (size_t)made->runtime->config->audio_join_ms * JOINER_BYTES_A_MS;
    buf_init(&made->said.user, SESSION_MAX_SAID_BYTES);
    buf_init(&made->said.transcript, SESSION_MAX_SAID_BYTES);
    buf_init(&made->said.text, SESSION_MAX_SAID_BYTES);
    session_speech_init(made);
    if (made->user && made->id)
        status = session_init(made);
    if (status) {
        session_free(made);
        return status;
    }
    *session = made;
    return ANTIPHON_OK;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    timer_stop(session->shard, &session->first_byte_timer);
    timer_stop(session->shard, &session->segment_timer);
    timer_stop(session->shard, &session->linger_timer);
    timer_stop(session->shard, &session->joiner_timer);
    session_disconnect(session);
    session_recover_deinit(session);
    session_tools_deinit(session);
    session_drop_toolset(session);
    while (session->clients) {
        struct client *client = session->clients;
        session->clients = client->next;
        if (client->remote)
            sessions_remove_client(session->sessions, client);
        free(client);
    }
    session_record_deinit(session);
    session_said_reset(session);
    buf_deinit(&session->said.user);
    buf_deinit(&session->said.transcript);
    buf_deinit(&session->said.text);
    hold_deinit(&session->hold);
    waiting_deinit(&session->waiting);
    notices_deinit(&session->notices);
    joiner_deinit(&session->joiner);
    session_checks_deinit(session);
    session_texts_deinit(session);
    session_speech_deinit(session);
    history_free(session->history);
    tool_state_unref(session->state);
    if (session->claimed)
        directory_release(session->runtime->directory, session->key);
    free(session->said.mark);
    free(session->key);
    free(session->resumption);
    free(session->resumption_for);
    free(session->in_flight);
    free(session->user);
    free(session->id);
    free(session);
}

/* Ends the session once nothing and nobody needs it. Never from within the model plugin: its connection
 * would be pulled from under it. */
void session_maybe_end(struct session *session)
{
    if (session->clients || session->commits || session->checks_n || !session->loaded || session->in_model || session->conn ||
        session->todo || segment_pending(&session->segment) || timer_active(&session->linger_timer))
        return;
    log_debug("session", "session=%s ends", session->id);
    sessions_remove(session->sessions, session);
    session_free(session);
}

/* ---- clients ---- */

/* again: the client was there before and has had to wait. */
static void activate(struct session *session, struct client *client, bool again)
{
    struct client *before = session->active;

    if (before == client)
        return;
    hold_deinit(&session->hold); /* it was meant for the other one, and is in the history */
    session->active = client;
    session->said.played_ms = -1;
    if (before) {
        before->active = false;
        session_tell_client(session, before, &EVENT_INIT(EVENT_TAKEN_OVER));
    }
    if (!client)
        return;
    client->active = true;
    if (again)
        session_tell_client(session, client, &EVENT_INIT(EVENT_ACTIVE));
    session_ask_again(session);
}

void session_activate(struct session *session, struct client *client)
{
    activate(session, client, true);
    session_want(session);
}

/* Newest first by number, which is given at the upgrade: two shards may tell of two sockets in the other order. */
static void insert(struct session *session, struct client *client)
{
    struct client **at = &session->clients;

    while (*at && (*at)->number > client->number)
        at = &(*at)->next;
    client->session = session;
    client->next = *at;
    *at = client;
    session->clients_n++;
}

enum antiphon_status session_attach(struct session *session, struct client *client)
{
    if (session->clients_n >= SESSION_MAX_CLIENTS)
        return ANTIPHON_EBUSY;
    log_info("session", "session=%s client=%llu connected protocol=%s audio=%s", session->id,
             (unsigned long long)client->number, client->frontend->name,
             client->wants_audio ? "true" : "false");
    log_debug("sample", "Client #%s connected, audio mode: %s", session->user,
              client->wants_audio ? "true" : "false");
    insert(session, client);
    timer_stop(session->shard, &session->linger_timer);
    if (session->loaded)
        session_greet(session, client);
    if (session->clients == client)
        activate(session, client, false);
    else
        session_tell_client(session, client, &EVENT_INIT(EVENT_TAKEN_OVER));
    session_want(session);
    session_notice_step(session);
    return ANTIPHON_OK;
}

static void on_linger_over(void *ctx)
{
    struct session *session = ctx;

    session_want(session);
    session_maybe_end(session);
}

void session_detach(struct session *session, struct client *client)
{
    struct client **at = &session->clients;

    log_info("session", "session=%s client=%llu disconnected", session->id,
             (unsigned long long)client->number);
    log_debug("sample", "Client disconnected from client_to_agent_messaging");
    log_debug("sample", "Client #%s disconnected", session->user);
    while (*at && *at != client)
        at = &(*at)->next;
    assert(*at);
    *at = client->next;
    session->clients_n--;
    if (session->active == client) {
        session->active = NULL;
        activate(session, session->clients, true);
    }
    free(client);
    if (!session->clients && session->runtime->config->linger_ms > 0 && !session->ending) {
        timer_start(session->shard, &session->linger_timer, session->runtime->config->linger_ms,
                    on_linger_over, session);
        return;
    }
    session_want(session);
    session_maybe_end(session);
}

void session_end(struct session *session)
{
    session->ending = true;
    timer_stop(session->shard, &session->linger_timer);
    for (struct client *client = session->clients; client; client = client->next)
        client_close(client, session->runtime, 1001, "the server is going down");
    session_want(session);
    session_maybe_end(session);
}

void session_on_wake(struct session *session)
{
    const struct antiphon_model *model = &session->model->model;

    if (!session->conn || !model->wake)
        return;
    step_mark(STEP_session_wake);
    session->in_model++;
    model->wake(session->conn);
    session->in_model--;
    session_maybe_end(session);
}
