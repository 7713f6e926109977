#include "conn.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LONG_CHUNKS   500
#define LONGER_CHUNKS 300
#define CANCEL_MS     150

static void finish(struct session *session)
{
    turn_finish(&session->turn, session_style(session));
}

static void say(struct session *session, const char *text)
{
    turn_say(&session->turn, session_style(session), text, 0);
}

static void emit(struct session *session, cJSON *message)
{
    turn_send(&session->turn, 0, message);
}

static void send_over(struct session *session, cJSON *message, unsigned flags)
{
    turn_add(&session->turn, (struct turn_step){.flags = flags | TURN_OVER, .message = message});
}

static void say_then(struct session *session, const char *before, const char *after)
{
    struct bytes text = {0};
    bytes_printf(&text, "%s%s", before, after);
    say(session, bytes_str(&text));
    bytes_free(&text);
}

/* --- words that stand alone ------------------------------------------------------------------- */

static void word_think(struct session *session, const char *rest)
{
    (void)rest;
    emit(session, message_text("**Planning** secret", "model", true));
    say(session, "Thought through.");
    finish(session);
}

static void word_both(struct session *session, const char *rest)
{
    cJSON *message = message_text("A", NULL, false), *part = cJSON_CreateObject();
    (void)rest;
    cJSON_AddStringToObject(part, "text", "B");
    cJSON_AddItemToArray(message->child->child->child, part);
    message_merge(message, message_transcription("outputTranscription", "C", false));
    message_merge(message, message_flag("turnComplete"));
    send_over(session, message, TURN_USAGE | TURN_UPDATE);
}

static void say_long(struct session *session, uint32_t chunks, uint32_t every_ms)
{
    struct turn_style style = session_style(session);
    uint32_t pace = style.real_pace ? 0 : every_ms;
    turn_say(&session->turn, style, "This is long.", pace);
    for (uint32_t i = 0; i < chunks; i++) {
        struct bytes word = {0};
        bytes_printf(&word, "la%u ", i);
        turn_chunk(&session->turn, style, bytes_str(&word), pace);
        bytes_free(&word);
    }
    finish(session);
}

static void word_long(struct session *session, const char *rest)
{
    (void)rest;
    say_long(session, LONG_CHUNKS, 2);
}

static void word_longer(struct session *session, const char *rest)
{
    (void)rest;
    say_long(session, LONGER_CHUNKS, 10);
}

static void word_slow(struct session *session, const char *rest)
{
    (void)rest;
    turn_say(&session->turn, session_style(session),
             "one two three four five six seven eight nine ten", 300);
    finish(session);
}

static void word_usage(struct session *session, const char *rest)
{
    (void)rest;
    turn_add(&session->turn,
             (struct turn_step){.flags = TURN_USAGE, .message = cJSON_CreateObject()});
    say(session, "Used.");
    finish(session);
}

static void word_vad(struct session *session, const char *rest)
{
    (void)rest;
    emit(session, message_voice_activity("ACTIVITY_START"));
    say(session, "Heard.");
    finish(session);
}

static void word_safety(struct session *session, const char *rest)
{
    cJSON *message = message_flag("turnComplete");
    (void)rest;
    cJSON_AddStringToObject(message->child, "turnCompleteReason", "RESPONSE_REJECTED");
    send_over(session, message, 0);
}

static void word_history(struct session *session, const char *rest)
{
    struct bytes text = {0};
    (void)rest;
    bytes_text(&text, "History: ");
    history_describe(&session->history, &text);
    say(session, bytes_str(&text));
    bytes_free(&text);
    finish(session);
}

static void word_reset(struct session *session, const char *rest)
{
    (void)rest;
    turn_add(&session->turn, (struct turn_step){.kind = TURN_RESET});
}

static void word_die(struct session *session, const char *rest)
{
    (void)rest;
    turn_add(&session->turn, (struct turn_step){.kind = TURN_DIE});
}

static void word_help(struct session *session, const char *rest)
{
    (void)rest;
    say(session, "I am the stand-in for the live model, so I cannot think. I can show how a "
                 "conversation behaves: type search kittens for an answer with sources, slow for "
                 "one you can interrupt, history for what I remember, or just speak to me.");
    finish(session);
}

/* --- words with something after them ---------------------------------------------------------- */

static bool starts_with_digit(const char *text)
{
    return *text >= '0' && *text <= '9';
}

static void word_fin(struct session *session, const char *rest)
{
    struct turn_style style = session_style(session);
    say_then(session, "Finished: ", rest);
    if (style.audio && style.transcribe)
        turn_send(&session->turn, 5, message_transcription("outputTranscription", NULL, true));
    finish(session);
}

static void word_search(struct session *session, const char *query)
{
    struct bytes code = {0};
    bytes_text(&code, "concise_search(");
    json_write_string(&code, query, false);
    bytes_text(&code, ", max_num_results=5)\n");
    emit(session, message_code("PYTHON", bytes_str(&code)));
    emit(session, message_code_result("OUTCOME_OK", "Looking up information on Google Search.\n"));
    bytes_reset(&code);
    bytes_printf(&code, "Found: %s.", query);
    say(session, bytes_str(&code));
    turn_send(&session->turn, 5, message_grounding(query, "Found:"));
    bytes_free(&code);
    finish(session);
}

static void word_go_away(struct session *session, const char *seconds)
{
    char *end;
    double left = strtod(seconds, &end);
    emit(session, message_go_away(seconds));
    turn_add(&session->turn,
             (struct turn_step){.kind = TURN_CUT,
                                .number = left > 0 && left < 3600 ? (uint32_t)(left + 0.5) : 0});
    say(session, "Going.");
    finish(session);
}

static void word_close(struct session *session, const char *rest)
{
    char *end;
    unsigned long code = strtoul(rest, &end, 10);
    turn_add(&session->turn, (struct turn_step){.kind = TURN_CLOSE,
                                                .number = (uint32_t)(code & 0xFFFF),
                                                .text = mem_text(end + strspn(end, " "))});
}

/* --- tool calls: NAME {json} NAME {json} ... ---------------------------------------------------
 */

/* One call taken off *text and added to message; false: this is not a list of calls. */
static bool read_call(struct session *session, const char **text, cJSON *message)
{
    struct sim *sim = session->conn->sim;
    struct bytes name = {0}, id = {0};
    const char *at = *text, *end;
    size_t len = strcspn(at, " {");
    cJSON *args = NULL;
    bool good = len > 0 && len < 128;
    bytes_add(&name, at, len);
    at += len + strspn(at + len, " ");
    if (good && *at == '{') {
        args = cJSON_ParseWithOpts(at, &end, 0);
        good = args != NULL;
        at = good ? end : at;
    }
    for (size_t i = 0; good && sim->options.demo; i++) {
        good = i < session->setup.function_count;
        if (good && !strcmp(session->setup.functions[i].name, bytes_str(&name)))
            break;
    }
    if (good) {
        if (!args)
            args = cJSON_CreateObject();
        bytes_printf(&id, "function-call-%" PRIu64, ++sim->call_number);
        message_add_call(message, bytes_str(&id), bytes_str(&name), args);
        *text = at + strspn(at, " ");
    }
    cJSON_Delete(args);
    bytes_free(&name);
    bytes_free(&id);
    return good;
}

static bool add_calls(struct session *session, const char *rest)
{
    cJSON *message = message_tool_call();
    bool good = *rest != 0;
    for (int calls = 0; good && *rest; calls++)
        good = calls < SESSION_MAX_CALLS && read_call(session, &rest, message);
    if (good)
        turn_add(&session->turn, (struct turn_step){.kind = TURN_CALLS, .message = message});
    else
        cJSON_Delete(message);
    return good;
}

static bool call_word(struct session *session, const char *word, const char *rest)
{
    bool over = !strcmp(word, "tooltc") || !strcmp(word, "textcall") || !strcmp(word, "canceltc");
    bool cancel = !strncmp(word, "cancel", 6);
    if (!over && !cancel && strcmp(word, "tool") != 0)
        return false;
    if (!strcmp(word, "textcall"))
        emit(session, message_text("Let me see. ", "model", false));
    if (!add_calls(session, rest)) {
        turn_clear(&session->turn);
        return false;
    }
    if (cancel)
        turn_add(&session->turn, (struct turn_step){.kind = TURN_CANCEL, .number = CANCEL_MS});
    if (over)
        send_over(session, message_flag("turnComplete"), TURN_USAGE);
    return true;
}

/* --- choosing --------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    void (*alone)(struct session *session, const char *rest);
    void (*with)(struct session *session, const char *rest);
    bool digits; /* what follows begins with one */
} words[] = {{"think", word_think, NULL, false},     {"both", word_both, NULL, false},
             {"long", word_long, NULL, false},       {"longer", word_longer, NULL, false},
             {"slow", word_slow, NULL, false},       {"usage", word_usage, NULL, false},
             {"vad", word_vad, NULL, false},         {"safety", word_safety, NULL, false},
             {"history", word_history, NULL, false}, {"reset", word_reset, NULL, false},
             {"die", word_die, NULL, false},         {"fin", NULL, word_fin, false},
             {"search", NULL, word_search, false},   {"goaway", NULL, word_go_away, true},
             {"close", NULL, word_close, true}};

static bool known_word(struct session *session, const char *word, const char *rest)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        void (*answer)(struct session *, const char *) = *rest ? words[i].with : words[i].alone;
        if (strcmp(words[i].word, word) != 0 || !answer)
            continue;
        if (words[i].digits && !starts_with_digit(rest))
            continue;
        if (answer == word_search && !session->setup.google_search)
            continue;
        answer(session, rest);
        return true;
    }
    if (!strcmp(word, "help") && !*rest && session->conn->sim->options.demo) {
        word_help(session, rest);
        return true;
    }
    return call_word(session, word, rest);
}

/* Once a session, in a demo, whoever talks to us is told what this is. */
static void say_plainly(struct session *session, struct bytes *text)
{
    if (!session->conn->sim->options.demo || session->told)
        return;
    session->told = true;
    bytes_text(text,
               " \xE2\x80\x94 I am the built-in stand-in, not a model. Say help to see what I can do.");
}

void words_answer(struct session *session, const char *text)
{
    size_t len = strcspn(text, " ");
    struct bytes word = {0}, answer = {0};
    bytes_add(&word, text, len);
    const char *rest = text + len + strspn(text + len, " ");
    if (!known_word(session, bytes_str(&word), rest)) {
        bytes_printf(&answer, "You said: %s", text);
        say_plainly(session, &answer);
        say(session, bytes_str(&answer));
        finish(session);
    }
    bytes_free(&word);
    bytes_free(&answer);
}

void words_answer_speech(struct session *session, uint32_t ms)
{
    struct bytes answer = {0};
    bytes_printf(&answer, "I heard about %.4g seconds.", (double)((ms + 50) / 100) / 10);
    say_plainly(session, &answer);
    say(session, bytes_str(&answer));
    finish(session);
    bytes_free(&answer);
}

void words_answer_tools(struct session *session)
{
    say_then(session, "Tool said: ", session->last_response);
    finish(session);
}
