/* session_notice - says what plugins want said, when nobody speaks. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/session_plugin.h"
#include "session/session_private.h"
#include "store/store_wait.h"
#include "base/banned.h"

#define TTL_S (24u * 3600)

/* ---- in the conversation ---- */

/* It can be said now: somebody is there, the model is connected, and neither of the two has the word. */
static bool may_speak(const struct session *session)
{
    return session->loaded && session->active && !session->ending && session->conn &&
           segment_live(&session->segment) && !session->waiting.first && !session->in_flight && !session->resend &&
           session->turn.state == TURN_IDLE && !tool_runs_open(&session->tools);
}

static bool say(struct session *session, const struct notice *notice)
{
    uint64_t item = 0;
    struct buf text;
    bool said = false;

    buf_init(&text, 64u * 1024);
    if (notice_print(notice, &text) == ANTIPHON_OK)
        said = session_send_text(session, text.data, text.len, 0);
    if (said) {
        session_record_notice(session, notice, buf_text(&text), &item);
        session->in_flight_item = item;
    }
    buf_deinit(&text);
    return said;
}

void session_notice_step(struct session *session)
{
    struct notice *notice;

    if (!session->notices.first || !may_speak(session))
        return;
    notice = notices_take(&session->notices);
    log_debug("session", "session=%s notice of %s", session->id, notice->plugin);
    if (say(session, notice))
        free(notice);
    else
        notices_return(&session->notices, notice); /* with the next turn or connection */
}

void session_load_notices(struct session *session, const struct store_rows *rows)
{
    for (size_t i = 0; rows && i < rows->n; i++) {
        const struct store_row *row = &rows->row[i];
        if (notices_add(&session->notices, row->id, row->key, row->value))
            log_warn("session", "session=%s a notice of %s waits for the next time", session->id, row->key);
    }
}

/* ---- from plugins ---- */

struct notice_message {
    struct inbox_message inbox;
    const char *key, *id, *plugin, *text; /* in data */
    char data[];
};

static void run_notice(void *owner, struct inbox_message *inbox, bool dropped)
{
    struct notice_message *message = (struct notice_message *)inbox;
    struct sessions *sessions = dropped ? NULL : shard_user(owner);
    struct session *session = sessions ? sessions_find(sessions, message->key) : NULL;

    if (session && !notices_add(&session->notices, message->id, message->plugin, message->text))
        session_notice_step(session);
    free(message);
}

/* To every shard, because one of them may just be opening the session. What does not arrive is in the store. */
static void tell_shards(struct runtime *runtime, const char *key, const char *id, const char *plugin,
                        const struct antiphon_notice *notice)
{
    size_t sizes[] = {strlen(key) + 1, strlen(id) + 1, strlen(plugin) + 1};

    for (unsigned i = 0; i < runtime->shards_n; i++) {
        struct notice_message *message =
            calloc(1, sizeof(*message) + sizes[0] + sizes[1] + sizes[2] + notice->len + 1);
        if (!message)
            return;
        char *at = message->data;
        message->key = memcpy(at, key, sizes[0]);
        message->id = memcpy(at += sizes[0], id, sizes[1]);
        message->plugin = memcpy(at += sizes[1], plugin, sizes[2]);
        message->text = memcpy(at + sizes[2], notice->text, notice->len);
        message->inbox.run = run_notice;
        shard_post(runtime->shards[i], &message->inbox);
    }
}

enum antiphon_status session_plugin_notify(struct runtime *runtime, bool started, const char *plugin,
                                           const struct antiphon_notice *notice)
{
    char key[SESSION_MAX_KEY], id[ID_UUID_SIZE];
    const struct store_record record = {.kind = STORE_NOTICE,
                                        .key = {notice->app, notice->user_id, notice->session_id},
                                        .id = id,
                                        .model = plugin,
                                        .timestamp = clock_wall() + (notice->ttl_s ? notice->ttl_s : TTL_S),
                                        .json = notice->text,
                                        .json_len = notice->len};
    enum antiphon_status status = session_name_key(notice->app, notice->user_id, notice->session_id, key);

    id_uuid(id);
    if (!status)
        status = store_wait_append(runtime->store, &record, 1);
    if (!status && started)
        tell_shards(runtime, key, id, plugin, notice);
    return status;
}
