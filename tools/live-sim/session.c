#include "session.h"

#include "conn.h"
#include "shape.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETUP_FAST_MS  20
#define SETUP_REAL_MS  250
#define SLOW_READER    (4U << 20) /* unsent bytes at which an answer waits */
#define SLOW_READER_MS 10

static void free_pending(struct session_pending *input)
{
    free(input->text);
    *input = (struct session_pending){0};
}

void session_init(struct session *session, struct conn *conn)
{
    *session = (struct session){.conn = conn};
}

static void forget_cancel(struct session *session)
{
    while (session->cancel_count > 0)
        free(session->cancel[--session->cancel_count]);
}

void session_free(struct session *session)
{
    setup_free(&session->setup);
    history_free(&session->history);
    turn_clear(&session->turn);
    forget_cancel(session);
    while (session->pending_count > 0)
        free_pending(&session->pending[--session->pending_count]);
    play_free(session);
    free(session->last_response);
    bytes_free(&session->early);
}

struct turn_style session_style(const struct session *session)
{
    const struct sim *sim = session->conn->sim;
    return (struct turn_style){.audio = session->setup.audio,
                               .transcribe = session->setup.hear_output,
                               .real_pace = sim->options.real_pace,
                               .gap_ms = sim->scenario.word_gap_ms,
                               .bundle = sim->style.bundle,
                               .bare_mime = sim->style.bare_mime};
}

void session_refuse(struct session *session, uint16_t code, const char *reason)
{
    conn_close(session->conn, code, reason);
}

void session_on_open(struct session *session)
{
    play_event(session, SCENARIO_CONNECT, NULL, NULL);
}

/* --- setup ------------------------------------------------------------------------------------ */

void session_accept_setup(struct session *session)
{
    const struct sim *sim = session->conn->sim;
    uint32_t delay = sim->options.real_pace ? SETUP_REAL_MS : SETUP_FAST_MS;
    if (sim->scenario.setup_delay_ms != UINT32_MAX)
        delay = sim->scenario.setup_delay_ms;
    conn_arm(session->conn, CONN_SETUP, delay);
}

/* The handle's history becomes ours; false: refused. */
static bool resume(struct session *session)
{
    struct sim *sim = session->conn->sim;
    if (!*session->setup.handle)
        return true;
    const struct handle *handle = handles_find(&sim->handles, session->setup.handle);
    if (!handle || sim->scenario.refuse_handles) {
        session_refuse(session, 1008, "BidiGenerateContent session not found");
    } else if (strcmp(handle->model, session->setup.id) != 0) {
        session_refuse(session, 1007, "Invalid session handle");
    } else if (conn_is_open(sim, handle->conn)) {
        session_refuse(session, 1011, "Internal error encountered.");
    } else {
        history_copy(&session->history, &handle->history);
        session->told = session->history.count > 0;
        return true;
    }
    return false;
}

static void read_setup(struct session *session, const cJSON *body)
{
    struct setup_refusal refusal = {0};
    const struct access *access = &session->conn->access;
    session->seen_setup = true;
    if (!setup_read(&session->setup, body, access->vertex, access->version, &refusal)) {
        session_refuse(session, refusal.code, bytes_str(&refusal.reason));
        bytes_free(&refusal.reason);
        return;
    }
    bool three =
        session->setup.family == SETUP_NATIVE_31 || session->setup.family == SETUP_NATIVE_38;
    session->seeding = three && session->setup.initial_history;
    vad_init(&session->vad, session->setup.vad);
    if (resume(session) && !play_event(session, SCENARIO_SETUP, session->setup.model, NULL))
        session_accept_setup(session);
}

static void hold_early(struct session *session, const char *text, size_t len)
{
    const struct sim *sim = session->conn->sim;
    if (sim->options.strict || sim->scenario.refuse_early_input ||
        session->early.len + len > SESSION_MAX_EARLY) {
        session_refuse(session, 1007, "Request contains an invalid argument.");
        return;
    }
    bytes_add(&session->early, &len, sizeof len);
    bytes_add(&session->early, text, len);
}

void session_on_setup_timer(struct session *session)
{
    struct bytes early = session->early;
    char id[32];
    size_t at = 0, len;
    snprintf(id, sizeof id, "sim-session-%u", session->conn->number);
    conn_send(session->conn, message_setup_complete(session->setup.vertex ? id : NULL));
    session->ready = true;
    session->early = (struct bytes){0};
    while (at < early.len) {
        memcpy(&len, early.data + at, sizeof len);
        session_on_message(session, early.data + at + sizeof len, len);
        at += sizeof len + len;
    }
    bytes_free(&early);
}

void session_on_message(struct session *session, const char *text, size_t len)
{
    struct bytes reason = {0};
    if (session->silent || session->conn->state != CONN_OPEN)
        return;
    cJSON *message = json_parse(text, len);
    const char *name = message && message->child ? message->child->string : "";
    if (!message) {
        session_refuse(session, 1007, "Invalid JSON payload received. Unexpected token.");
    } else if (session->seen_setup && !session->ready && strcmp(name, "setup") != 0) {
        hold_early(session, text, len);
    } else if (!shape_normalise(message, shape_client_message, session->conn->access.vertex,
                                &reason)) {
        session_refuse(session, 1007, bytes_str(&reason));
    } else if (!message->child || message->child->next ||
               !strcmp(message->child->string, "setup") == session->seen_setup) {
        /* one field a message; setup first, and only once */
        session_refuse(session, 1007, "Request contains an invalid argument.");
    } else if (!session->seen_setup) {
        read_setup(session, message->child);
    } else {
        session->messages++;
        intake_message(session, message);
    }
    bytes_free(&reason);
    cJSON_Delete(message);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void send_usage(struct session *session, cJSON *message)
{
    struct message_usage usage = {.prompt = 100 + (uint32_t)session->history.count,
                                  .response = 10,
                                  .modality = session->setup.audio ? "AUDIO" : "TEXT",
                                  .vertex = session->setup.vertex};
    message_add_usage(message, &usage);
    conn_send(session->conn, message);
}

static void send_update(struct session *session)
{
    struct sim *sim = session->conn->sim;
    char consumed[16];
    if (!session->setup.resumption)
        return;
    snprintf(consumed, sizeof consumed, "%u", session->messages);
    const char *handle =
        handles_give(&sim->handles, session->conn->number, session->setup.id, &session->history);
    conn_send(session->conn, message_handle(handle, session->setup.transparent ? consumed : NULL));
}

bool session_has_blocking_calls(const struct session *session)
{
    for (size_t i = 0; i < session->call_count; i++)
        if (session->calls[i].blocking)
            return true;
    return false;
}

static void open_calls(struct session *session, const cJSON *message)
{
    const cJSON *call;
    cJSON_ArrayForEach (call, json_at(message, "toolCall.functionCalls")) {
        if (session->call_count == SESSION_MAX_CALLS)
            return;
        struct session_call *open = &session->calls[session->call_count++];
        snprintf(open->id, sizeof open->id, "%s", json_text(call, "id"));
        open->blocking = setup_blocks(&session->setup, json_text(call, "name"));
    }
}

static void plan_cancel(struct session *session, uint32_t ms)
{
    forget_cancel(session);
    for (size_t i = 0; i < session->call_count; i++)
        session->cancel[session->cancel_count++] = mem_text(session->calls[i].id);
    conn_arm(session->conn, CONN_CANCEL, ms);
}

static void drop_call(struct session *session, size_t at)
{
    memmove(&session->calls[at], &session->calls[at + 1],
            (--session->call_count - at) * sizeof *session->calls);
}

void session_on_cancel_timer(struct session *session)
{
    conn_send(session->conn,
              message_cancellation((const char *const *)session->cancel, session->cancel_count));
    for (size_t i = 0; i < session->cancel_count; i++)
        for (size_t j = session->call_count; j-- > 0;)
            if (!strcmp(session->calls[j].id, session->cancel[i]))
                drop_call(session, j);
    forget_cancel(session);
    turn_clear(&session->turn);
    turn_say(&session->turn, session_style(session), "Cancelled.", 0);
    turn_finish(&session->turn, session_style(session));
    session_run(session);
}

static void step(struct session *session, struct turn_step *step)
{
    struct conn *conn = session->conn;
    cJSON *message = step->message;
    step->message = NULL;
    if (step->flags & TURN_REMEMBER)
        history_add(&session->history, true, session->turn.said ? session->turn.said : "");
    if (step->kind == TURN_CALLS)
        open_calls(session, message);
    if (message && step->flags & TURN_USAGE)
        send_usage(session, message);
    else if (message)
        conn_send(conn, message);
    if (step->kind == TURN_CANCEL)
        plan_cancel(session, step->number);
    else if (step->kind == TURN_CUT)
        conn_arm(conn, CONN_CUT, step->number * 1000ULL);
    else if (step->kind == TURN_CLOSE)
        conn_close(conn, (uint16_t)step->number, step->text ? step->text : "");
    else if (step->kind == TURN_RESET)
        conn_reset(conn);
    else if (step->kind == TURN_DIE)
        conn_die(conn);
    if (step->flags & TURN_UPDATE)
        send_update(session);
}

static void next_pending(struct session *session)
{
    if (session->pending_count == 0 || session->running || session_has_blocking_calls(session))
        return;
    struct session_pending input = session->pending[0];
    memmove(session->pending, session->pending + 1,
            --session->pending_count * sizeof *session->pending);
    session_answer(session, &input);
    free_pending(&input);
}

void session_on_turn_timer(struct session *session)
{
    struct turn_step *now;
    bool over = false;
    uint64_t clock = uv_now(session->conn->sim->loop);
    while (session->running && (now = turn_peek(&session->turn))) {
        if (session->conn->state != CONN_OPEN)
            return;
        if (session->due_ms > clock) {
            conn_arm(session->conn, CONN_TURN, session->due_ms - clock);
            return;
        }
        if (conn_queued(session->conn) > SLOW_READER) {
            conn_arm(session->conn, CONN_TURN, SLOW_READER_MS);
            return;
        }
        over |= (now->flags & TURN_OVER) != 0;
        step(session, now);
        session->turn.next++;
        now = turn_peek(&session->turn);
        session->due_ms += now ? now->delay_ms : 0;
    }
    session->running = false;
    if (session->conn->state != CONN_OPEN)
        return;
    if (over)
        play_event(session, SCENARIO_TURN_COMPLETE, NULL, NULL);
    next_pending(session);
}

void session_run(struct session *session)
{
    struct turn_step *first = turn_peek(&session->turn);
    session->running = true;
    session->due_ms = uv_now(session->conn->sim->loop) + (first ? first->delay_ms : 0);
    session_on_turn_timer(session);
}

bool session_interrupt(struct session *session)
{
    const char *ids[SESSION_MAX_CALLS];
    size_t count = 0;
    bool blocking = session_has_blocking_calls(session);
    if (!session->running && !blocking)
        return false;
    turn_clear(&session->turn);
    session->running = false;
    conn_disarm(session->conn, CONN_TURN);
    conn_disarm(session->conn, CONN_CANCEL);
    forget_cancel(session);
    for (size_t i = 0; i < session->call_count; i++)
        if (session->calls[i].blocking)
            ids[count++] = session->calls[i].id;
    if (count)
        conn_send(session->conn, message_cancellation(ids, count));
    for (size_t i = session->call_count; i-- > 0;)
        if (session->calls[i].blocking)
            drop_call(session, i);
    conn_send(session->conn, message_flag("interrupted"));
    send_usage(session, message_flag("turnComplete"));
    return true;
}

/* --- inputs ----------------------------------------------------------------------------------- */

void session_answer(struct session *session, const struct session_pending *input)
{
    turn_clear(&session->turn);
    if (input->kind == SESSION_TOOLS) {
        words_answer_tools(session);
    } else {
        if (!input->remembered)
            history_add(&session->history, false, input->text);
        if (input->kind == SESSION_SPEECH && !input->scripted)
            words_answer_speech(session, input->ms);
        else
            words_answer(session, input->text);
    }
    session_run(session);
}

/* Takes input. */
static void offer(struct session *session, struct session_pending input, bool interrupts,
                  enum scenario_trigger trigger)
{
    bool busy = session->running || session_has_blocking_calls(session);
    if (busy && interrupts)
        session_interrupt(session);
    if (play_event(session, trigger, input.text, &input)) {
        /* the rule answers */
    } else if (busy && !interrupts) {
        if (session->pending_count < SESSION_MAX_PENDING) {
            session->pending[session->pending_count++] = input;
            return;
        }
    } else {
        session_answer(session, &input);
    }
    free_pending(&input);
}

void session_text(struct session *session, const char *text, bool interrupts)
{
    struct session_pending input = {.kind = SESSION_TEXT, .text = mem_text(text)};
    offer(session, input, interrupts, SCENARIO_TEXT);
}

void session_answer_now(struct session *session)
{
    const struct history *history = &session->history;
    bool open = history->count > 0 && !history->entries[history->count - 1].model;
    struct session_pending input = {.kind = SESSION_TEXT, .remembered = open};
    input.text = mem_text(open ? history_last_user(history) : "");
    session_answer(session, &input);
    free_pending(&input);
}

void session_tools_answered(struct session *session, bool interrupts)
{
    struct session_pending input = {.kind = SESSION_TOOLS,
                                    .text = mem_text(session->last_response)};
    offer(session, input, interrupts, SCENARIO_TOOL_RESPONSE);
}

void session_speech_begins(struct session *session)
{
    if (session->setup.vad_signal)
        conn_send(session->conn, message_vad_signal("VAD_SIGNAL_TYPE_SOS"));
    if (!session->setup.no_interruption)
        session_interrupt(session);
    play_event(session, SCENARIO_SPEECH_START, NULL, NULL);
}

void session_speech(struct session *session, uint32_t ms)
{
    const char *scripted = scenario_transcript(&session->conn->sim->scenario);
    struct session_pending input = {.kind = SESSION_SPEECH, .ms = ms, .scripted = scripted};
    struct bytes heard = {0};
    if (scripted)
        bytes_text(&heard, scripted);
    else
        bytes_printf(&heard, "speech of %u ms", ms);
    if (session->setup.vad_signal)
        conn_send(session->conn, message_vad_signal("VAD_SIGNAL_TYPE_EOS"));
    if (session->setup.hear_input)
        conn_send(session->conn,
                  message_transcription("inputTranscription", bytes_str(&heard), false));
    input.text = bytes_take(&heard);
    if (session->setup.family == SETUP_TRANSCRIBER) {
        free_pending(&input);
        return;
    }
    offer(session, input, false, SCENARIO_SPEECH);
}
