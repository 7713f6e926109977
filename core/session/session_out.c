/* session_out - what the active client is told, in order, held back while a commit is under way. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "session/session_private.h"
#include "base/banned.h"

struct out {
    struct session *session;
    struct client *client;
    uint64_t ticket;
};

static void frame_out(void *ctx, enum frame_kind kind, bool binary, const struct antiphon_span *parts, size_t n)
{
    struct out *out = ctx;
    struct session *session = out->session;
    unsigned dropped = 0;

    if (out->client != session->active || (!out->ticket && !hold_active(&session->hold))) {
        client_send(out->client, session->runtime, kind, binary, parts, n);
        return;
    }
    if (hold_push(&session->hold, out->ticket, kind, binary, parts, n,
                  session->runtime->config->limits.client_audio_bytes, &dropped))
        client_close(out->client, session->runtime, 1013, "out of memory");
    if (dropped)
        metrics_add(METRIC_client_audio_dropped, dropped);
}

static void log_said(const char *kind, const struct antiphon_event *event)
{
    log_debug("sample", "[AGENT TO CLIENT]: %s: %.*s", kind, (int)event->len, (const char *)event->data);
}

static void log_end(const char *complete, const char *interrupted)
{
    log_debug("sample", "[AGENT TO CLIENT]: {'turn_complete': %s, 'interrupted': %s}", complete, interrupted);
}

/* The console lines of the original sample, for whoever compares the two; content is logged at debug only. */
static void log_sample(const struct antiphon_event *event)
{
    switch (event->type) {
    case ANTIPHON_EV_TEXT:
        log_said("text/plain", event);
        break;
    case ANTIPHON_EV_OUTPUT_TRANSCRIPT:
        log_said("audio transcript", event);
        break;
    case ANTIPHON_EV_AUDIO:
        log_debug("sample", "[AGENT TO CLIENT]: audio/pcm: %zu bytes.",
                  event->encoding == ANTIPHON_BASE64 ? event->len / 4 * 3 : event->len);
        break;
    case ANTIPHON_EV_TURN_COMPLETE:
        log_end("True", "None");
        break;
    case ANTIPHON_EV_INTERRUPTED:
        log_end("None", "True");
        break;
    default:
        break;
    }
}

static void encode(struct session *session, struct client *client, const struct antiphon_event *event,
                   uint64_t ticket)
{
    struct out out = {session, client, ticket};
    struct frame_context context = {
        .turn = session->turn.id, .seq = client->seq + 1, .audio = client->audio};

    client->frontend->encode(event, &context, sessions_scratch(session->sessions), frame_out, &out);
}

static void tell(struct session *session, struct client *client, const struct antiphon_event *event,
                 uint64_t ticket)
{
    if (log_enabled(ANTIPHON_DEBUG))
        log_sample(event);
    encode(session, client, event, ticket);
    client->seq++;
}

void session_tell_client(struct session *session, struct client *client, const struct antiphon_event *event)
{
    tell(session, client, event, 0);
}

void session_tell(struct session *session, const struct antiphon_event *event)
{
    if (session->active)
        tell(session, session->active, event, 0);
}

void session_tell_held(struct session *session, const struct antiphon_event *event, uint64_t ticket)
{
    struct antiphon_event lost = *event;

    if (!session->active)
        return;
    /* Whether it is on disk is known when the commit returns; both frames wait, one of them goes. */
    lost.flags |= EVENT_FLAG_NOT_SAVED;
    if (ticket)
        encode(session, session->active, &lost, ticket | HOLD_IF_LOST);
    tell(session, session->active, event, ticket);
}

void session_told(struct session *session, uint64_t ticket, bool saved)
{
    struct hold_item *item;

    hold_discard(&session->hold, saved ? ticket | HOLD_IF_LOST : ticket);
    hold_release(&session->hold, saved ? ticket : ticket | HOLD_IF_LOST);
    while ((item = hold_take(&session->hold))) {
        struct antiphon_span part = {item->data, item->len};
        if (session->active)
            client_send(session->active, session->runtime, item->kind, item->binary, &part, 1);
        free(item);
    }
}

void session_tell_error(struct session *session, const char *code, const char *message, const char *hint,
                        uint32_t flags)
{
    struct antiphon_event event = EVENT_INIT(EVENT_ERROR);

    event.name = code;
    event.data = message;
    event.len = strlen(message);
    event.detail = hint && hint[0] ? hint : NULL;
    event.flags = flags;
    session_tell(session, &event);
}

void session_tell_state(struct session *session, const char *state)
{
    struct antiphon_event event = EVENT_INIT(EVENT_STATE);

    event.name = state;
    session_tell(session, &event);
}

void session_drop_audio(struct session *session)
{
    metrics_add(METRIC_client_audio_dropped, hold_drop_audio(&session->hold));
    if (session->active)
        client_drop_audio(session->active, session->runtime);
}

static void print_agents(struct session *session, struct buf *out)
{
    const struct agents *agents = session->runtime->agents;

    buf_puts(out, "\"agents\":[");
    for (size_t i = 0; i < agents_count(agents); i++) {
        const struct agent *agent = agents_at(agents, i);
        buf_puts(out, i > 0 ? ",{" : "{");
        buf_json_member(out, "folder", agent->folder);
        buf_puts(out, ",");
        buf_json_member(out, "name", agent->name);
        buf_puts(out, ",");
        buf_json_member(out, "description", agent->description);
        buf_puts(out, "}");
    }
    buf_puts(out, "],");
}

static enum antiphon_status print_hello(struct session *session, const struct client *client, struct buf *out)
{
    const char *hint = session->runtime->demo_hint;

    buf_puts(out, "{");
    buf_json_member(out, "protocol", client->frontend->name);
    buf_puts(out, ",");
    buf_json_member(out, "version", ANTIPHON_VERSION);
    buf_puts(out, ",");
    buf_json_member(out, "session", session->id);
    buf_puts(out, ",");
    buf_json_member(out, "user", session->user);
    buf_puts(out, ",\"agent\":{");
    buf_json_member(out, "folder", session->agent->folder);
    buf_puts(out, ",");
    buf_json_member(out, "name", session->agent->name);
    buf_puts(out, ",");
    buf_json_member(out, "description", session->agent->description);
    buf_puts(out, "},");
    print_agents(session, out);
    buf_json_member(out, "model", session->agent->model);
    buf_printf(out, ",\"modality\":\"%s\",\"audio\":{\"in_rate\":16000,\"out_rate\":24000},\"demo\":%s",
               session_wants_audio(session) ? "AUDIO" : "TEXT", hint ? "true" : "false");
    if (hint) {
        buf_puts(out, ",");
        buf_json_member(out, "demo_hint", hint);
    }
    buf_puts(out, "}");
    return buf_status(out);
}

void session_greet(struct session *session, struct client *client)
{
    struct antiphon_event event = EVENT_INIT(EVENT_HELLO);
    struct buf text;

    if (!client->frontend->wants_hello)
        return;
    buf_init(&text, 8u * 1024 * 1024);
    if (print_hello(session, client, &text) == ANTIPHON_OK) {
        event.data = text.data;
        event.len = text.len;
        tell(session, client, &event, 0);
    }
    buf_reset(&text);
    if (!history_empty(session->history) && history_print_client(session->history, &text) == ANTIPHON_OK) {
        event.type = EVENT_HISTORY;
        event.data = text.data;
        event.len = text.len;
        tell(session, client, &event, 0);
    }
    buf_deinit(&text);
    if (session->not_durable) {
        event = EVENT_INIT(EVENT_STATE);
        event.name = "not_durable";
        tell(session, client, &event, 0);
    }
}
