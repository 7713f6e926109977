#include "conn.h"
#include <stdlib.h>
#include <string.h>

static const char invalid_argument[] = "Request contains an invalid argument.";

/* The text parts of a Content, joined. Caller frees. */
static char *content_text(const cJSON *content)
{
    struct bytes text = {0};
    const cJSON *part;
    cJSON_ArrayForEach (part, json_at(content, "parts"))
        bytes_text(&text, json_text(part, "text"));
    return bytes_take(&text);
}

static void remember_turns(struct session *session, const cJSON *first, const cJSON *end)
{
    for (const cJSON *turn = first; turn && turn != end; turn = turn->next) {
        char *text = content_text(turn);
        history_add(&session->history, !strcmp(json_text(turn, "role"), "model"), text);
        free(text);
    }
}

static void client_content(struct session *session, const cJSON *body)
{
    const cJSON *turns = json_at(body, "turns"), *last = NULL, *turn;
    bool complete = json_true(body, "turnComplete");
    cJSON_ArrayForEach (turn, turns)
        last = turn;
    if (session->setup.family == SETUP_NATIVE_31 && !session->seeding) {
        session_refuse(session, 1007, invalid_argument);
        return;
    }
    if (session->seeding || !complete) {
        if (!session->seeding)
            session_interrupt(session);
        remember_turns(session, turns ? turns->child : NULL, NULL);
        session->seeding = session->seeding && !complete;
        return;
    }
    session_interrupt(session);
    bool asks = last && strcmp(json_text(last, "role"), "model") != 0;
    remember_turns(session, turns ? turns->child : NULL, asks ? last : NULL);
    if (asks) {
        char *text = content_text(last);
        session_text(session, text, true);
        free(text);
    } else {
        session_answer_now(session);
    }
}

static bool speech_event(struct session *session, enum vad_event event)
{
    if (event == VAD_START)
        session_speech_begins(session);
    else if (event == VAD_END)
        session_speech(session, session->vad.heard_ms);
    return session->conn->state == CONN_OPEN;
}

static uint32_t rate_of(const char *mime)
{
    const char *rate = strstr(mime, "rate=");
    unsigned long value = rate ? strtoul(rate + 5, NULL, 10) : 16000;
    return value >= 1000 && value <= 192000 ? (uint32_t)value : 0;
}

static void audio(struct session *session, const cJSON *blob)
{
    const char *mime = json_text(blob, "mimeType"), *data = json_text(blob, "data");
    struct bytes pcm = {0};
    uint32_t rate = rate_of(mime);
    size_t at = 0;
    if (strncmp(mime, "audio/pcm", 9) != 0 || !rate) {
        session_refuse(session, 1007, invalid_argument);
        return;
    }
    bytes_unbase64(&pcm, data, strlen(data)); /* was checked with the message */
    if (session->conn->sim->options.strict && pcm.len % 2) {
        session_refuse(session, 1007, invalid_argument);
    } else if (session->setup.manual_activity) {
        session->activity_rate = rate;
        session->activity_bytes += session->activity ? pcm.len : 0;
    } else {
        while (at < pcm.len) {
            enum vad_event event;
            at += vad_feed(&session->vad, rate, pcm.data + at, pcm.len - at, &event);
            if (!speech_event(session, event))
                break;
        }
    }
    bytes_free(&pcm);
}

static void video(struct session *session, const cJSON *blob)
{
    if (strncmp(json_text(blob, "mimeType"), "image/", 6) != 0)
        session_refuse(session, 1007, invalid_argument);
}

static void activity(struct session *session, bool begins)
{
    if (!session->setup.manual_activity) {
        session_refuse(session, 1007,
                       "Explicit activity control is not supported when automatic activity "
                       "detection is enabled.");
        return;
    }
    if (begins) {
        session->activity = true;
        session->activity_bytes = 0;
        session_speech_begins(session);
    } else if (session->activity) {
        uint32_t rate = session->activity_rate ? session->activity_rate : 16000;
        session->activity = false;
        session_speech(session, (uint32_t)(session->activity_bytes * 500 / rate));
    }
}

static void realtime_input(struct session *session, const cJSON *body)
{
    const cJSON *field = body->child;
    const char *name = field ? field->string : "";
    session->seeding = false;
    if (!field || field->next) {
        session_refuse(session, 1007, invalid_argument);
    } else if (!strcmp(name, "audio")) {
        audio(session, field);
    } else if (!strcmp(name, "mediaChunks")) {
        const char *mime = json_text(field->child, "mimeType");
        if (!strncmp(mime, "image/", 6))
            video(session, field->child);
        else if (field->child)
            audio(session, field->child);
    } else if (!strcmp(name, "video")) {
        video(session, field);
    } else if (!strcmp(name, "text")) {
        session_text(session, field->valuestring ? field->valuestring : "",
                     !session->setup.no_interruption);
    } else if (!strcmp(name, "audioStreamEnd")) {
        if (cJSON_IsTrue(field) && vad_flush(&session->vad))
            session_speech(session, session->vad.heard_ms);
    } else {
        activity(session, !strcmp(name, "activityStart"));
    }
}

/* The open call a response belongs to; SIZE_MAX when there is none (cancelled, or never made). */
static size_t find_call(const struct session *session, const char *id)
{
    for (size_t i = 0; i < session->call_count; i++)
        if (!*id || !strcmp(session->calls[i].id, id))
            return i;
    return SIZE_MAX;
}

static void tool_response(struct session *session, const cJSON *body)
{
    const cJSON *response;
    bool answered = false, interrupts = false, silent = true;
    cJSON_ArrayForEach (response, json_at(body, "functionResponses")) {
        const char *id = json_text(response, "id");
        const char *scheduling = json_text(response, "scheduling");
        const cJSON *value = json_at(response, "response");
        size_t at = find_call(session, id);
        if ((!*id && !session->setup.vertex) || (value && !cJSON_IsObject(value))) {
            session_refuse(session, 1007, invalid_argument);
            return;
        }
        if (at == SIZE_MAX)
            continue;
        struct bytes text = {0};
        if (value)
            json_write(&text, value, (struct json_style){.compact = true});
        free(session->last_response);
        session->last_response = bytes_take(&text);
        interrupts |= !strcmp(scheduling, "INTERRUPT");
        silent &= !strcmp(scheduling, "SILENT");
        answered = true;
        if (!json_true(response, "willContinue"))
            memmove(&session->calls[at], &session->calls[at + 1],
                    (--session->call_count - at) * sizeof *session->calls);
    }
    if (answered && !silent && !session_has_blocking_calls(session))
        session_tools_answered(session, interrupts);
}

static void context_update(struct session *session, const cJSON *body)
{
    struct setup_refusal refusal = {0};
    const cJSON *tools = json_at(body, "tools");
    if (session->setup.family != SETUP_NATIVE_38)
        session_refuse(session, 1007, invalid_argument);
    else if (tools && !setup_read_tools(&session->setup, json_at(tools, "tools"), &refusal))
        session_refuse(session, refusal.code, bytes_str(&refusal.reason));
    bytes_free(&refusal.reason);
}

void intake_message(struct session *session, cJSON *message)
{
    const cJSON *body = message->child;
    if (!strcmp(body->string, "clientContent"))
        client_content(session, body);
    else if (!strcmp(body->string, "realtimeInput"))
        realtime_input(session, body);
    else if (!strcmp(body->string, "toolResponse"))
        tool_response(session, body);
    else
        context_update(session, body);
}
