/* session_record - what of a conversation goes to the store, in the order it was said: one row per finished thing. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/session_private.h"
#include "session/tool_secret.h"
#include "store/state.h"
#include "base/banned.h"

#define MAX_EVENT_BYTES (16u * 1024 * 1024)
#define MAX_BATCH 1000 /* records of one turn */

static void record_clear(struct store_record *record)
{
    free((char *)(uintptr_t)record->id);
    free((char *)(uintptr_t)record->json);
    free((char *)(uintptr_t)record->model);
    free((char *)(uintptr_t)record->state_delta);
    free((char *)(uintptr_t)record->call.call_id);
    free((char *)(uintptr_t)record->call.tool);
    free((char *)(uintptr_t)record->call.args);
}

static void records_clear(struct session *session)
{
    for (size_t i = 0; i < session->records.n; i++)
        record_clear(&session->records.record[i]);
    session->records.n = 0;
}

void session_record_deinit(struct session *session)
{
    records_clear(session);
    free(session->records.record);
    session->records.record = NULL;
    session->records.cap = 0;
}

static void not_durable(struct session *session, const char *why)
{
    if (session->not_durable)
        return;
    session->not_durable = true;
    log_error("session", "session=%s is not durable: %s", session->id, why);
    session_tell_state(session, "not_durable");
}

/* Takes over the record's texts. */
static void records_push(struct session *session, struct store_record *record)
{
    struct session_records *records = &session->records;

    if (records->n >= MAX_BATCH)
        session_record_flush(session);
    if (records->n == records->cap) {
        size_t cap = records->cap ? records->cap * 2 : 8;
        struct store_record *grown = realloc(records->record, cap * sizeof(*grown));
        if (!grown) {
            session->turn_lost |= record->kind == STORE_EVENT;
            record_clear(record);
            not_durable(session, "out of memory");
            return;
        }
        records->record = grown;
        records->cap = cap;
    }
    records->record[records->n++] = *record;
}

static struct store_record record_of(const struct session *session, enum store_kind kind)
{
    struct store_record record = {.kind = kind, .timestamp = clock_wall()};

    record.key.app = session->agent->live.app_name;
    record.key.user = session->user;
    record.key.session = session->id;
    return record;
}

/* What of it is kept: the caller frees it. NULL: nothing. */
static char *kept_delta(const char *delta)
{
    struct buf text;
    char *kept = NULL;

    buf_init(&text, TOOL_STATE_MAX_BYTES);
    if (delta && !state_without_temp(delta, strlen(delta), &text) && text.len > 2)
        kept = buf_take(&text);
    buf_deinit(&text);
    return kept;
}

/* Fills in what every event has, prints it, adds it to history and batch. */
static void record_event(struct session *session, struct event_stored *event, uint64_t *item)
{
    struct store_record record = record_of(session, STORE_EVENT);
    bool late = event->timestamp > 0;
    char id[ID_UUID_SIZE];
    struct buf text;

    id_uuid(id);
    event->id = id;
    event->invocation_id = session->invocation;
    if (late)
        record.timestamp = event->timestamp;
    else
        event->timestamp = record.timestamp;
    event->state_delta = record.state_delta = kept_delta(event->state_delta);
    buf_init(&text, MAX_EVENT_BYTES);
    if (event_stored_print(event, &text) == ANTIPHON_OK && text.len > 0) {
        if (late ? history_add_late(session->history, text.data, text.len, item)
                 : history_add(session->history, text.data, text.len, item))
            log_warn("session", "session=%s an event is missing in the running history", session->id);
        record.json_len = text.len;
        record.json = buf_take(&text);
        record.id = strdup(id);
        record.invocation_id = session->invocation;
        records_push(session, &record);
    } else {
        record_clear(&record);
        session->turn_lost = true;
        not_durable(session, "an event could not be written");
    }
    event->id = event->state_delta = NULL; /* were ours */
    if (!late)
        event->timestamp = 0;
    buf_deinit(&text);
}

void session_record_user_text(struct session *session, const char *text, size_t len, uint64_t *item)
{
    char *copy = strndup(text, len);
    struct event_stored event = {.author = "user", .role = "user", .text = copy};

    *item = 0;
    if (copy)
        record_event(session, &event, item);
    free(copy);
    session_record_flush(session);
}

void session_record_notice(struct session *session, const struct notice *notice, const char *text, uint64_t *item)
{
    struct event_stored event = {.author = notice->plugin, .role = "user", .text = text};
    struct store_record over = record_of(session, STORE_NOTICE_OVER);

    *item = 0;
    record_event(session, &event, item);
    over.id = strdup(notice->id);
    if (over.id)
        records_push(session, &over);
    session_record_flush(session);
}

void session_record_input(struct session *session)
{
    if (session_speech_waits(session) || session_hooked(session, ANTIPHON_HOOK_INPUT_TRANSCRIPT))
        session_speech_end_input(session);
    else
        session_write_input(session, 0);
}

void session_write_input(struct session *session, double time)
{
    struct event_stored event = {.author = "user", .has_partial = true, .timestamp = time};

    if (session->said.user.len == 0)
        return;
    event.input_transcript = buf_text(&session->said.user);
    record_event(session, &event, NULL);
    buf_reset(&session->said.user);
}

/* Heard, not said: cuts the transcript where the client's playback had come to. */
static void cut_to_heard(struct session_said *said)
{
    size_t keep = 0;

    if (said->played_ms < 0 || said->played_ms >= said->audio_ms)
        return;
    for (size_t i = 0; i < said->marks_n && said->mark[i].audio_ms <= said->played_ms; i++)
        keep = said->mark[i].text_len;
    if (keep < said->transcript.len) {
        said->transcript.len = keep;
        if (said->transcript.data)
            said->transcript.data[keep] = '\0';
    }
}

void session_record_output(struct session *session, bool interrupted)
{
    if (session_speech_waits(session) || session_hooked(session, ANTIPHON_HOOK_OUTPUT_TRANSCRIPT))
        session_speech_end_output(session, interrupted);
    else
        session_write_output(session, interrupted, 0);
}

void session_write_output(struct session *session, bool interrupted, double time)
{
    struct session_said *said = &session->said;
    struct event_stored event = {.author = session->agent->name, .has_partial = true, .timestamp = time};

    if (interrupted)
        cut_to_heard(said);
    event.interrupted = interrupted;
    if (said->transcript.len > 0) {
        event.output_transcript = buf_text(&said->transcript);
        record_event(session, &event, NULL);
        event.output_transcript = NULL;
        buf_reset(&said->transcript);
    }
    if (said->usage) {
        struct event_stored usage = {.author = session->agent->name, .usage = said->usage, .timestamp = time};
        record_event(session, &usage, NULL);
        free(said->usage);
        said->usage = NULL;
    }
    if (said->text.len > 0) {
        event.role = "model";
        event.text = buf_text(&said->text);
        event.grounding = said->grounding;
        record_event(session, &event, NULL);
        buf_reset(&said->text);
    }
    said->marks_n = 0;
}

void session_record_interrupted(struct session *session)
{
    struct event_stored event = {.author = session->agent->name, .interrupted = true};

    record_event(session, &event, NULL);
}

static const char *shown_args(const struct tool_run *run)
{
    return run->shown ? run->shown : run->args;
}

/* The response without secrets; the caller frees it. */
static char *shown_response(const struct tool_run *run)
{
    struct buf text;
    char *shown = NULL;

    if (!run->shown)
        return strdup(run->response);
    buf_init(&text, TOOL_RUN_MAX_RESULT_BYTES + 64);
    if (tool_secret_hide_result(run->tool->schema, run->args, run->response, &text) == ANTIPHON_OK)
        shown = buf_take(&text);
    buf_deinit(&text);
    return shown;
}

/* json: of the call its arguments, else its response. */
static void print_function(struct buf *parts, const struct tool_run *run, bool call, const char *json)
{
    buf_puts(parts, call ? "[{\"function_call\":{\"id\":" : "[{\"function_response\":{\"id\":");
    buf_json_string(parts, run->id, strlen(run->id));
    if (call)
        buf_printf(parts, ",\"args\":%s", json[0] ? json : "{}");
    buf_puts(parts, ",\"name\":");
    buf_json_string(parts, run->name, strlen(run->name));
    if (!call)
        buf_printf(parts, ",\"response\":%s", json);
    buf_puts(parts, "}}]");
}

static void record_function(struct session *session, const struct tool_run *run, bool call, const char *json)
{
    struct event_stored event = {.author = session->agent->name, .role = call ? "model" : "user"};
    struct buf parts;

    buf_init(&parts, MAX_EVENT_BYTES);
    print_function(&parts, run, call, json);
    event.parts = buf_text(&parts);
    if (!call)
        event.state_delta = run->delta;
    if (buf_status(&parts) == ANTIPHON_OK)
        record_event(session, &event, NULL);
    buf_deinit(&parts);
}

void session_record_call(struct session *session, const struct tool_run *run)
{
    record_function(session, run, true, shown_args(run));
}

void session_record_response(struct session *session, const struct tool_run *run)
{
    char *response = shown_response(run);

    record_function(session, run, false, response ? response : "{}");
    free(response);
}

void session_record_delta(struct session *session, const char *delta)
{
    struct event_stored event = {.author = session->agent->name, .state_delta = delta};
    char *kept = kept_delta(delta);

    if (kept)
        record_event(session, &event, NULL);
    free(kept);
}

void session_record_tool(struct session *session, const struct tool_run *run, const char *state)
{
    struct store_record record = record_of(session, STORE_TOOL_CALL);
    bool requested = run->state == TOOL_REQUESTED && strcmp(state, "requested") == 0;

    record.id = strdup(run->row);
    record.invocation_id = session->invocation;
    record.call.state = state;
    record.call.reason = run->reason;
    if (requested) {
        record.call.agent = session->agent->name;
        record.call.call_id = strdup(run->id);
        record.call.tool = strdup(run->name);
        record.call.args = strdup(shown_args(run));
    } else if (!tool_run_open(run) && run->response) {
        record.json = shown_response(run);
        record.json_len = record.json ? strlen(record.json) : 0;
    }
    if (record.id && (!requested || (record.call.call_id && record.call.tool && record.call.args)))
        records_push(session, &record);
    else
        record_clear(&record);
}

void session_record_handle(struct session *session)
{
    struct store_record record = record_of(session, STORE_HANDLE);
    const char *handle = session->resumption ? session->resumption : "";

    record.timestamp = session->resumption_time;
    record.json = strdup(handle);
    record.json_len = strlen(handle);
    record.model = strdup(session->resumption_for ? session->resumption_for : "");
    if (record.json && record.model)
        records_push(session, &record);
    else
        record_clear(&record);
    session_record_flush(session);
}

/* ---- commits ---- */

struct committed {
    struct session_message message;
    struct runtime *runtime;
    unsigned shard;
    uint64_t ticket;
    uint64_t since_us; /* of a ticket: when it was handed over */
    uint64_t launch; /* not 0: tools wait for it */
    bool events; /* not only the handle */
    enum antiphon_status status;
};

static void on_committed(struct session *session, struct session_message *message)
{
    struct committed *committed = (struct committed *)message;
    bool saved;

    step_mark(STEP_committed);
    session->commits--;
    if (committed->status) {
        session->stored = false; /* its row may have been in what was lost */
        session->turn_lost |= committed->events;
        not_durable(session, status_name(committed->status));
    }
    if (committed->ticket) {
        /* What the user had said is part of the turn, and went into a commit of its own. */
        saved = !session->turn_lost;
        session->turn_lost = false;
        metrics_observe(HISTOGRAM_turn_commit, clock_now_us() - committed->since_us);
        session_told(session, committed->ticket, saved);
        if (saved && session->not_durable) {
            session->not_durable = false;
            session_tell_state(session, "durable");
        }
    }
    if (committed->launch)
        session_tools_committed(session, committed->launch);
    session_maybe_end(session);
}

/* [store thread] */
static void committed_by_store(void *ctx, enum antiphon_status status)
{
    struct committed *committed = ctx;

    committed->status = status;
    sessions_post(committed->runtime, committed->shard, &committed->message);
}

static bool has_events(const struct session_records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        if (records->record[i].kind == STORE_EVENT)
            return true;
    }
    return false;
}

/* Hands the batch to the store; false if it was not taken. */
static bool hand_over(struct session *session, uint64_t ticket, uint64_t launch)
{
    struct committed *committed = calloc(1, sizeof(*committed));
    enum antiphon_status status = committed ? ANTIPHON_OK : ANTIPHON_ENOMEM;
    bool events = has_events(&session->records);

    if (committed) {
        committed->message.session = session->handle;
        committed->message.fn = on_committed;
        committed->runtime = session->runtime;
        committed->shard = shard_index(session->shard);
        committed->ticket = ticket;
        committed->since_us = ticket ? clock_now_us() : 0;
        committed->launch = launch;
        committed->events = events;
        step_mark(STEP_store_append);
        status = store_append(session->runtime->store, session->records.record, session->records.n,
                              committed_by_store, committed);
    }
    records_clear(session);
    if (status) {
        free(committed);
        session->turn_lost |= events;
        not_durable(session, status == ANTIPHON_EBUSY ? "the store is too far behind" : status_name(status));
        return false;
    }
    session->commits++;
    return true;
}

/* A session's row comes into being with the first thing that is kept of it. */
static void begin_session(struct session *session)
{
    struct session_records *records = &session->records;
    struct store_record begin = record_of(session, STORE_SESSION), moved;

    if (session->stored || records->n == 0)
        return;
    records_push(session, &begin);
    moved = records->record[records->n - 1];
    memmove(&records->record[1], &records->record[0], (records->n - 1) * sizeof(*records->record));
    records->record[0] = moved;
    session->stored = true;
}

void session_record_flush(struct session *session)
{
    /* Written earlier, what was typed meanwhile would come back as something said long ago. */
    if (session->records.n == 0 || !session->loaded)
        return;
    begin_session(session);
    (void)hand_over(session, 0, 0);
}

uint64_t session_record_launch(struct session *session)
{
    uint64_t launch = ++session->next_ticket;

    begin_session(session);
    return session->records.n > 0 && hand_over(session, 0, launch) ? launch : 0;
}

uint64_t session_record_complete(struct session *session, const struct turn_end *end)
{
    struct event_stored event = {.author = session->agent->name, .turn_complete = true};
    uint64_t ticket;

    event.turn_complete_reason = end->reason;
    event.grounding = end->grounding;
    record_event(session, &event, NULL);
    begin_session(session);
    ticket = ++session->next_ticket;
    if (hand_over(session, ticket, 0))
        return ticket;
    session->turn_lost = false;
    return 0;
}

void session_said_reset(struct session *session)
{
    struct session_said *said = &session->said;

    buf_reset(&said->transcript);
    buf_reset(&said->text);
    free(said->usage);
    free(said->grounding);
    free(said->reason);
    said->usage = said->grounding = said->reason = NULL;
    said->marks_n = 0;
    said->audio_ms = 0;
    said->played_ms = -1;
    said->any = false;
}
