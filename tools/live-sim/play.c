#include "conn.h"
#include <stdlib.h>
#include <string.h>

static void end_play(struct session *session)
{
    free(session->plays[0].input.text);
    memmove(session->plays, session->plays + 1, --session->play_count * sizeof *session->plays);
}

void play_free(struct session *session)
{
    while (session->play_count > 0)
        end_play(session);
}

static void send_big(struct session *session, uint32_t size)
{
    struct bytes pcm = {0};
    for (uint32_t i = 0; i < size / 4 * 3; i++)
        bytes_add(&pcm, i & 1 ? "\x01" : "\x80", 1);
    conn_send(session->conn,
              message_audio(bytes_str(&pcm), pcm.len, "audio/pcm;rate=24000", "model"));
    bytes_free(&pcm);
}

static void send_half(struct session *session, const cJSON *message)
{
    struct bytes text = {0};
    const struct wire_style *style = &session->conn->sim->style;
    json_write(&text, message,
               (struct json_style){.compact = style->compact, .ascii = style->ascii});
    conn_send_text(session->conn, bytes_str(&text), text.len, true);
    bytes_free(&text);
}

static void go_on(struct session *session, const struct session_play *play)
{
    if (play->rule->on == SCENARIO_UPGRADE)
        conn_upgrade(session->conn);
    else if (play->rule->on == SCENARIO_SETUP)
        session_accept_setup(session);
    else if (play->input.text)
        session_answer(session, &play->input);
}

static void answer_with(struct session *session, const struct scenario_action *action)
{
    turn_clear(&session->turn);
    if (action->verb == DO_SAY) {
        turn_say(&session->turn, session_style(session), action->text, 0);
        turn_finish(&session->turn, session_style(session));
    } else {
        words_answer(session, action->text);
    }
    session_run(session);
}

static void perform(struct session *session, const struct session_play *play,
                    const struct scenario_action *action)
{
    struct conn *conn = session->conn;
    const char *text = action->text ? action->text : "";
    switch (action->verb) {
    case DO_SEND:
        conn_send(conn, cJSON_Duplicate(action->message, 1));
        break;
    case DO_RAW:
        conn_send_text(conn, text, strlen(text), false);
        break;
    case DO_HALF:
        send_half(session, action->message);
        break;
    case DO_BIG:
        send_big(session, action->number);
        break;
    case DO_SAY:
    case DO_WORD:
        answer_with(session, action);
        break;
    case DO_CLOSE:
        conn_close(conn, (uint16_t)action->number, text);
        break;
    case DO_STATUS:
        conn_refuse(conn, (int)action->number, text);
        break;
    case DO_RESET:
        conn_reset(conn);
        break;
    case DO_DIE:
        conn_die(conn);
        break;
    case DO_SILENT:
    case DO_HANG:
        session->silent = true;
        break;
    case DO_DEFAULT:
        go_on(session, play);
        break;
    case DO_WAIT:
        break;
    }
}

static void run(struct session *session)
{
    while (session->play_count > 0) {
        struct session_play *play = &session->plays[0];
        if (play->next == play->rule->action_count || session->conn->state >= CONN_CLOSING) {
            end_play(session);
            continue;
        }
        const struct scenario_action *action = &play->rule->actions[play->next++];
        if (action->verb == DO_WAIT) {
            conn_arm(session->conn, CONN_PLAY, action->number);
            return;
        }
        perform(session, play, action);
    }
}

void play_on_timer(struct session *session)
{
    run(session);
}

bool play_event(struct session *session, enum scenario_trigger on, const char *text,
                const struct session_pending *input)
{
    struct sim *sim = session->conn->sim;
    const struct scenario_rule *rule =
        scenario_find(&sim->scenario, on, session->conn->number, text);
    if (!rule || session->play_count == SESSION_MAX_PLAYS)
        return false;
    struct session_play *play = &session->plays[session->play_count++];
    *play = (struct session_play){.rule = rule};
    if (input) {
        play->input = *input;
        play->input.text = mem_text(input->text ? input->text : "");
        if (input->kind != SESSION_TOOLS)
            history_add(&session->history, false, play->input.text);
        play->input.remembered = true;
    }
    if (session->play_count == 1)
        run(session);
    return true;
}
