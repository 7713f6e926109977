/* session_segment - carries out what the segment machine decides: connections to the model come and go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/session_private.h"
#include "base/banned.h"

static void run_todo(struct session *session);

bool session_wants_audio(const struct session *session)
{
    const char *modality = session->agent->live.modality;
    const struct client *client = session->active;

    if (!session->profile.text)
        return true;
    if (!session->profile.audio)
        return false;
    if (strcmp(modality, "audio") == 0 || strcmp(modality, "text") == 0)
        return modality[0] == 'a';
    /* A client that shows transcripts can type and speak on one connection; the original sample asks. */
    return client && (client->frontend->wants_hello || client->wants_audio);
}

static void set_fault(struct session *session, const char *code, const char *message, const char *hint,
                      bool retryable)
{
    struct session_fault *fault = &session->fault;

    (void)snprintf(fault->code, sizeof(fault->code), "%s", code ? code : "internal");
    (void)snprintf(fault->message, sizeof(fault->message), "%s", message ? message : "");
    (void)snprintf(fault->hint, sizeof(fault->hint), "%s", hint ? hint : "");
    fault->retryable = retryable;
}

void session_disconnect(struct session *session)
{
    void *conn = session->conn;

    if (!conn)
        return;
    session->conn = NULL;
    sessions_remove_sink(session->sessions, session->sink);
    session->model->model.close(conn);
}

static void open_failed(struct session *session, enum antiphon_status status, const char *why)
{
    set_fault(session, status == ANTIPHON_EINVAL ? "bad_setup" : "internal", why, "See the server's log.", false);
    log_error("session", "session=%s cannot connect: %s", session->id, why);
    session_segment(session, SEGMENT_IN_CLOSED, (struct segment_facts){0});
}

/* What was said after the handle was given would be lost with it. Where the model takes history on a resumed connection it
 * is told the rest; elsewhere a fresh connection with all of it is better. */
static bool handle_is_good(const struct session *session)
{
    const char *history = json_get_string(session->profile.entry, "history");

    if (!session->resumption)
        return false;
    return (history && strcmp(history, "client_content") == 0) ||
           !history_has(session->history, session->resumption_time);
}

enum antiphon_status session_take_toolset(struct session *session)
{
    return session->toolset ? ANTIPHON_OK
                            : toolset_new(session->runtime->registry, session->agent, &session->toolset);
}

void session_drop_toolset(struct session *session)
{
    toolset_free(session->toolset);
    session->toolset = NULL;
}

static void connect_model(struct session *session, bool resume)
{
    const struct antiphon_model *model = &session->model->model;
    enum antiphon_status status;
    struct err err = {0};
    struct buf run;
    void *conn = NULL;

    resume = resume && handle_is_good(session);
    if (!resume) { /* a fresh connection knows nothing of the calls */
        session_drop_tools(session, "reconnected");
        session_forget_tools(session);
        session_drop_toolset(session);
    }
    session->connection++;
    session->audio = session_wants_audio(session);
    metrics_add(resume ? METRIC_upstream_resumes : METRIC_upstream_connects, 1);
    buf_init(&run, 32u * 1024 * 1024);
    status = session_take_toolset(session);
    if (!status)
        status = session_run_print(session, resume, &run, &err);
    if (!status)
        status = sessions_add_sink(session->sessions, session, &session->sink);
    if (status) {
        open_failed(session, status, err.text[0] ? err.text : status_name(status));
        goto out;
    }
    step_mark(STEP_plugin_open);
    session->in_model++;
    status = model->open(session->model->state, session->sink, run.data, run.len, &conn, err.text,
                         sizeof(err.text));
    session->in_model--;
    if (status) {
        sessions_remove_sink(session->sessions, session->sink);
        open_failed(session, status, err.text[0] ? err.text : status_name(status));
    } else {
        session->conn = conn;
    }
out:
    buf_deinit(&run);
}

static void on_segment_timer(void *ctx)
{
    struct session *session = ctx;
    struct segment_facts facts = {0};

    if (session->segment.state == SEGMENT_RESUMING || session->segment.state == SEGMENT_FRESH) {
        facts.may_resume = facts.may_restart = true;
        set_fault(session, "timeout", "The model did not accept the connection in time.",
                  "Try again; if it stays so, check the network and the model's status.", true);
    }
    session_segment(session, SEGMENT_IN_TIMER, facts);
}

static void show_again(void *ctx, uint64_t item)
{
    struct session *session = ctx;

    history_hide(session->history, item, false);
}

/* What was typed was said, though nobody will send it any more: the model is told of it as of the rest. */
static void drop_waiting(struct session *session)
{
    waiting_each_text(&session->waiting, show_again, session);
    waiting_deinit(&session->waiting);
    if (session->resend)
        history_hide(session->history, session->in_flight_item, false);
    session->resend = false;
}

static void fail(struct session *session)
{
    const struct session_fault *fault = &session->fault;

    metrics_add(METRIC_upstream_failures, 1);
    log_error("session", "session=%s model connection failed code=%s: %s", session->id, fault->code,
              fault->message);
    drop_waiting(session);
    session_drop_tools(session, "offline");
    session_drop_toolset(session);
    if (session->turn.state != TURN_IDLE) {
        session->turn.waiting = false;
        session_turn(session, TURN_IN_LOST);
    }
    session_tell_state(session, "offline");
    session_tell_error(session, fault->code, fault->message, fault->hint,
                       EVENT_FLAG_ENDS_TALK | (fault->retryable ? EVENT_FLAG_RETRYABLE : 0u));
}

static void drop_handle(struct session *session)
{
    free(session->resumption);
    free(session->resumption_for);
    session->resumption = session->resumption_for = NULL;
    session_record_handle(session);
}

/* One action; in the order of the bits. */
static void act(struct session *session, unsigned action)
{
    switch (action) {
    case SEGMENT_CLOSE:
        session_disconnect(session);
        break;
    case SEGMENT_LOST:
        session_turn(session, TURN_IN_LOST);
        break;
    case SEGMENT_DROP_HANDLE:
        drop_handle(session);
        break;
    case SEGMENT_OPEN_RESUME:
        connect_model(session, true);
        break;
    case SEGMENT_OPEN_FRESH:
        connect_model(session, false);
        break;
    case SEGMENT_TELL_CONNECTING:
        session_tell_state(session, "connecting");
        break;
    case SEGMENT_TELL_RECONNECTING:
        session_tell_state(session, "reconnecting");
        break;
    case SEGMENT_TELL_LIVE:
        session_tell_state(session, "live");
        break;
    case SEGMENT_FAIL:
        fail(session);
        break;
    default:
        break;
    }
}

static void run_todo(struct session *session)
{
    while (session->todo) {
        unsigned action = session->todo & (0u - session->todo);
        session->todo &= ~action;
        act(session, action);
    }
}

struct todo_message {
    struct session_message message;
};

static void on_todo(struct session *session, struct session_message *message)
{
    (void)message;
    session->todo_posted = false;
    run_todo(session);
    session_maybe_end(session);
}

/* From within the plugin nothing may be closed: come back once it has returned. */
static void run_later(struct session *session)
{
    struct todo_message *todo;

    if (session->todo_posted)
        return;
    todo = calloc(1, sizeof(*todo));
    if (!todo) {
        log_error("session", "session=%s out of memory", session->id);
        return;
    }
    todo->message.session = session->handle;
    todo->message.fn = on_todo;
    session->todo_posted = true;
    sessions_post(session->runtime, shard_index(session->shard), &todo->message);
}

void session_segment(struct session *session, enum segment_input input, struct segment_facts facts)
{
    const unsigned open = SEGMENT_OPEN_RESUME | SEGMENT_OPEN_FRESH;
    enum segment_state before = session->segment.state;
    struct segment_step step;

    facts.has_handle = session->resumption != NULL;
    /* Who is just being heard would not be heard to the end. */
    facts.turn_idle = session->turn.state == TURN_IDLE && !tool_runs_open(&session->tools);
    step = segment_step(&session->segment, input, &facts);
    if (before != session->segment.state)
        log_debug("session", "session=%s segment %s -> %s", session->id, segment_state_name(before),
                  segment_state_name(session->segment.state));
    if (step.actions & SEGMENT_DISARM)
        timer_stop(session->shard, &session->segment_timer);
    if (step.actions & SEGMENT_ARM)
        timer_start(session->shard, &session->segment_timer,
                    step.delay_ms ? step.delay_ms : session->runtime->config->deadlines.setup,
                    on_segment_timer, session);
    step.actions &= ~(unsigned)(SEGMENT_ARM | SEGMENT_DISARM);
    if (step.actions & (SEGMENT_CLOSE | open))
        session->todo &= ~open; /* an opening that was still to come is overtaken */
    session->todo |= step.actions;
    if (session->in_model && (session->todo & (SEGMENT_CLOSE | open)))
        run_later(session);
    else
        run_todo(session);
}

void session_closed(struct session *session, const struct antiphon_event *event)
{
    struct segment_facts facts = {0};
    char message[512];

    (void)snprintf(message, sizeof(message), "%.*s", (int)event->len, (const char *)event->data);
    facts.may_resume = event->flags & ANTIPHON_FLAG_MAY_RESUME;
    facts.may_restart = event->flags & ANTIPHON_FLAG_MAY_RESTART;
    facts.back_off = event->flags & ANTIPHON_FLAG_BACK_OFF;
    set_fault(session, event->name, message, event->detail, facts.may_resume || facts.back_off);
    log_info("session", "session=%s model connection ended close=%d code=%s: %s", session->id,
             (int)event->code, session->fault.code, message);
    session_segment(session, SEGMENT_IN_CLOSED, facts);
}

void session_want(struct session *session)
{
    bool wanted = session->active && !session->ending;
    enum segment_state state = session->segment.state;
    bool set_up = segment_live(&session->segment) || state == SEGMENT_RESUMING || state == SEGMENT_FRESH;

    if (!session->loaded)
        return;
    if (wanted && set_up && session->conn && session->audio != session_wants_audio(session)) {
        session_segment(session, SEGMENT_IN_REOPEN, (struct segment_facts){0});
    } else if (wanted) {
        session_segment(session, SEGMENT_IN_WANT, (struct segment_facts){0});
    } else {
        if (session->turn.state != TURN_IDLE)
            session_turn(session, TURN_IN_LOST);
        session_drop_tools(session, "left");
        session_drop_toolset(session);
        session_pending_drop(session, "left");
        drop_waiting(session);
        session_segment(session, SEGMENT_IN_UNWANT, (struct segment_facts){0});
    }
}
