/* Conversations in a whole server: what a client sees, in which order, and what is on disk by then. */
#include "session_kit.h"

/* One server for all tests; each has a user of its own. */
static unsigned user;
static char number[16], typed[64], spoken[64], ours[64];

static int start(void **state)
{
    (void)state;
    kit_start(1);
    return 0;
}

static int start_impatient(void **state)
{
    (void)state;
    kit_deadlines = KIT_IMPATIENT;
    kit_start(1);
    kit_deadlines = KIT_PATIENT;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    user += 10;
    snprintf(number, sizeof(number), "%u", user);
    snprintf(typed, sizeof(typed), "/ws/%u?is_audio=false", user);
    snprintf(spoken, sizeof(spoken), "/ws/%u?is_audio=true", user);
    snprintf(ours, sizeof(ours), "/ws/%u", user);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_leave_all();
    kit_until_no_session();
    return 0;
}

/* One value of the events of this test's session, "" for none. */
static const char *stored(const char *what, const char *condition)
{
    char sql[512];

    snprintf(sql, sizeof(sql), "select %s from events where session_id = 'echo-app_%u' and %s", what, user, condition);
    return kit_query(sql);
}

#define TRANSCRIPT(text) "{\"mime_type\":\"text/plain\",\"data\":\"" text "\",\"is_transcript\":true}"
#define SILENCE_100_MS 6400 /* 4800 bytes in base64 */

static void expect_audio(int fd, size_t base64_len)
{
    const char *frame = kit_next(fd);
    static const char before[] = "{\"mime_type\":\"audio/pcm\",\"data\":\"AAAA";

    if (strncmp(frame, before, sizeof(before) - 1) != 0)
        fail_msg("no audio: %s", frame);
    assert_int_equal(strlen(frame), strlen("{\"mime_type\":\"audio/pcm\",\"data\":\"\"}") + base64_len);
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

static void typed_turns(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "hello");
    EXPECT(fd, SAID("echo: hello"));
    EXPECT(fd, COMPLETE);
    kit_say(fd, "again");
    EXPECT(fd, SAID("echo: again"));
    EXPECT(fd, COMPLETE);
}

static void spoken_turns(void **unused)
{
    int fd = kit_join(spoken, "");

    (void)unused;
    kit_say(fd, "hello");
    EXPECT(fd, TRANSCRIPT("echo: hello"));
    expect_audio(fd, SILENCE_100_MS);
    EXPECT(fd, COMPLETE);
    /* an input transcript is not the sample's, a thought nobody's */
    kit_say(fd, "!hear hm;think secretly;audio 100;say yes;complete");
    expect_audio(fd, SILENCE_100_MS);
    EXPECT(fd, TRANSCRIPT("yes"));
    EXPECT(fd, COMPLETE);
}

static void a_model_that_only_speaks(void **unused)
{
    int fd = kit_join("/ws/1?is_audio=false&agent=voice", "");

    (void)unused;
    kit_say(fd, "hello");
    EXPECT(fd, TRANSCRIPT("echo: hello"));
    expect_audio(fd, SILENCE_100_MS);
    EXPECT(fd, COMPLETE);
    kit_leave(fd);
    fd = kit_join("/ws/1?is_audio=false&agent=voice&audio=off", "");
    kit_say(fd, "hello");
    EXPECT(fd, TRANSCRIPT("echo: hello"));
    EXPECT(fd, COMPLETE);
}

/* Input before the model is ready waits, in order. */
static void what_is_typed_at_once_is_answered_in_order(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    for (unsigned i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof(text), "n%u", i);
        kit_say(fd, text);
    }
    for (unsigned i = 0; i < 20; i++) {
        char want[64];
        snprintf(want, sizeof(want), SAID("echo: n%u"), i);
        assert_string_equal(kit_until(fd, "echo: "), want);
    }
}

static void media_reaches_the_model(void **unused)
{
    static const char audio[] = "{\"mime_type\":\"audio/pcm\",\"data\":\"AAAAAAAA\"}";
    int fd = kit_join(spoken, V1);

    (void)unused;
    kit_until(fd, "\"state\":\"live\"");
    for (unsigned i = 0; i < 3; i++)
        kit_ws_send(fd, 0x81, audio, sizeof(audio) - 1);
    kit_ws_send(fd, 0x81, "{\"type\":\"activity_start\"}", 25);
    kit_ws_send(fd, 0x81, "{\"type\":\"activity_end\"}", 23);
    kit_ws_send(fd, 0x81, "{\"type\":\"audio_end\"}", 20);
    kit_ws_send(fd, 0x81, "{\"mime_type\":\"image/png\",\"data\":\"AAAA\"}", 39);
    kit_say(fd, "!heard;complete");
    /* In how many messages the tiny frames went is a matter of time. */
    kit_until(fd, " images 1 starts 1 ends 1 audio ends 1");
    kit_until(fd, "turn_complete");
}

static void look_at_joiner(struct session *session, void *held)
{
    *(size_t *)held = session->joiner.len;
}

/* The last words of the user are not held back until somebody says more. */
static void a_tiny_frame_does_not_wait_for_another(void **unused)
{
    static const char audio[] = "{\"mime_type\":\"audio/pcm\",\"data\":\"AAAAAAAA\"}";
    int fd = kit_join(spoken, V1);
    size_t held = 1;

    (void)unused;
    kit_until(fd, "\"state\":\"live\"");
    kit_ws_send(fd, 0x81, audio, sizeof(audio) - 1);
    kit_ws_send(fd, 0x81, "{\"type\":\"nonsense\"}", 19);
    kit_until(fd, "bad_frame"); /* so the audio was read */
    while (held)
        kit_look(number, look_at_joiner, &held);
    kit_ws_send(fd, 0x81, audio, sizeof(audio) - 1);
    kit_say(fd, "!heard;complete");
    kit_until(fd, "audio 2 images 0");
    kit_until(fd, "turn_complete");
}

static void a_turn_without_an_answer_says_why(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!reason SAFETY");
    EXPECT_PIECE(fd, "{\"error\":{\"code\":\"no_answer\",\"message\":\"The model ended the turn without an answer (SAFETY).\"");
    EXPECT(fd, COMPLETE);
}

/* ---- saved means committed ------------------------------------------------------------------------------------ */

static void complete_means_on_disk(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    for (unsigned i = 1; i <= 20; i++) {
        char want[32];
        kit_say(fd, "hello");
        EXPECT(fd, SAID("echo: hello"));
        EXPECT(fd, COMPLETE);
        /* three rows a turn: what was typed, what was said, that it ended */
        snprintf(want, sizeof(want), "%u", 3 * i);
        assert_string_equal(stored("count(*)", "1"), want);
    }
}

static void is_holding(struct session *session, void *held)
{
    *(bool *)held = hold_active(&session->hold) && session->commits > 0;
}

static sqlite3 *lock_database(void)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(server.database, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_exec(db, "begin immediate", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void unlock_database(sqlite3 *db)
{
    sqlite3_exec(db, "rollback", NULL, NULL, NULL);
    sqlite3_close(db);
}

/* While the disk is slow the end of the turn waits and what follows waits behind it; an interruption takes the
 * audio that waits. */
static void an_interruption_drops_audio_that_waits(void **unused)
{
    int fd = kit_join(spoken, "");
    bool held = false;

    (void)unused;
    kit_say(fd, "warm up");
    kit_until(fd, "turn_complete\":true");
    sqlite3 *db = lock_database();
    kit_say(fd, "!say one;complete;audio 100;say two");
    EXPECT(fd, TRANSCRIPT("one"));
    kit_say(fd, "!audio 100;interrupted;audio 100;complete");
    /* the model has played all of it once it answers to this */
    kit_look(number, is_holding, &held);
    unlock_database(db);
    EXPECT(fd, COMPLETE);
    const char *frame = kit_next(fd);
    /* the first audio may have gone before the interruption came: never any behind it */
    while (!strstr(frame, "\"interrupted\":true")) {
        assert_non_null(strstr(frame, "\"data\""));
        frame = kit_next(fd);
    }
    EXPECT(fd, COMPLETE);
}

static void the_end_of_a_turn_waits_for_the_disk(void **unused)
{
    int fd = kit_join(typed, "");
    bool held = false;

    (void)unused;
    kit_say(fd, "warm up");
    kit_until(fd, "turn_complete\":true");
    sqlite3 *db = lock_database();
    kit_say(fd, "!say one;complete;say two;complete");
    EXPECT(fd, SAID("one"));
    kit_look(number, is_holding, &held);
    assert_true(held);
    struct pollfd quiet = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&quiet, 1, 50), 0);
    unlock_database(db);
    EXPECT(fd, COMPLETE);
    EXPECT(fd, SAID("two"));
    EXPECT(fd, COMPLETE);
}

/* ---- interruptions ---------------------------------------------------------------------------------------------- */

static void interrupted_and_complete_are_two_frames(void **unused)
{
    int fd = kit_join(spoken, "");

    (void)unused;
    kit_say(fd, "!say one two;audio 100;interrupted;audio 100;complete");
    EXPECT(fd, TRANSCRIPT("one two"));
    const char *frame = kit_next(fd);
    if (strstr(frame, "audio/pcm")) /* it was on its way already */
        frame = kit_next(fd);
    assert_string_equal(frame, INTERRUPTED);
    EXPECT(fd, COMPLETE);
    assert_string_equal(stored("count(*)", "event_data like '%one two%' and event_data like '%\"interrupted\":true%'"), "1");
}

static void stop_stops_what_is_said(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!say one");
    kit_until(fd, "\"data\":\"one\"");
    kit_ws_send(fd, 0x81, "{\"type\":\"stop\"}", 15);
    kit_until(fd, "\"interrupted\":true");
    /* the model goes on for a while without being heard */
    kit_say(fd, "!say two;complete;say three;complete");
    EXPECT_PIECE(fd, "\"type\":\"turn_complete\"");
    EXPECT_PIECE(fd, "\"data\":\"three\"");
    EXPECT_PIECE(fd, "\"type\":\"turn_complete\"");
}

/* Heard, not said: the page tells how far it played. */
static void history_keeps_what_was_heard(void **unused)
{
    char played[80];
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!say One. ;audio 1000;say Two. ;audio 1000;say Three. ;audio 1000");
    const char *frame = kit_until(fd, "\"data\":\"Three. \"");
    const char *turn = strstr(frame, "\"turn\":");
    assert_non_null(turn);
    snprintf(played, sizeof(played), "{\"type\":\"played\",\"turn\":%ld,\"ms\":1500}", strtol(turn + 7, NULL, 10));
    kit_ws_send(fd, 0x81, played, strlen(played));
    kit_say(fd, "!interrupted;complete");
    kit_until(fd, "\"type\":\"turn_complete\"");
    assert_string_equal(stored("json_extract(event_data, '$.output_transcription.text')",
                               "json_extract(event_data, '$.output_transcription.text') is not null"),
                        "One. ");
}

static void leaving_in_mid_answer_saves_what_was_said(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!say half an answer");
    EXPECT(fd, SAID("half an answer"));
    kit_leave(fd);
    kit_until_no_session();
    assert_string_equal(stored("count(*)", "event_data like '%\"half an answer\"%' and event_data like '%\"interrupted\":true%'"),
                        "1");
    /* and it is neither asked nor answered again */
    fd = kit_join(typed, "");
    kit_say(fd, "!run;complete");
    EXPECT_PIECE(fd, "{\\\"role\\\":\\\"model\\\",\\\"parts\\\":[{\\\"text\\\":\\\"half an answer\\\"}");
    EXPECT(fd, COMPLETE);
}

/* ---- connections that end ------------------------------------------------------------------------------------------ */

static void an_untouched_text_is_sent_again(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!dies resume restart;say here I am;complete");
    EXPECT(fd, SAID("here I am"));
    EXPECT(fd, COMPLETE);
}

static void but_only_once(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!close resume restart");
    EXPECT_PIECE(fd, "{\"error\":{\"code\":\"not_answered\"");
    EXPECT_PIECE(fd, "Ask again.");
    EXPECT(fd, COMPLETE);
    kit_say(fd, "hello");
    EXPECT(fd, SAID("echo: hello"));
    EXPECT(fd, COMPLETE);
}

static void a_touched_text_is_interrupted(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!say half;close resume restart");
    EXPECT(fd, SAID("half"));
    EXPECT(fd, INTERRUPTED);
    EXPECT(fd, COMPLETE);
    kit_say(fd, "!run;complete");
    EXPECT_PIECE(fd, "{\\\"role\\\":\\\"model\\\",\\\"parts\\\":[{\\\"text\\\":\\\"half\\\"}]}");
    EXPECT(fd, COMPLETE);
}

static void the_handle_is_used_and_kept_on_disk(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!say a;complete;handle h-1");
    EXPECT(fd, SAID("a"));
    EXPECT(fd, COMPLETE);
    kit_say(fd, "!dies resume restart;run;complete");
    EXPECT_PIECE(fd, "\\\"handle\\\":\\\"h-1\\\"");
    EXPECT(fd, COMPLETE);
    kit_leave(fd);
    kit_until_no_session();
    fd = kit_join(typed, "");
    kit_say(fd, "!run;complete");
    EXPECT_PIECE(fd, "\\\"handle\\\":\\\"h-1\\\"");
    EXPECT(fd, COMPLETE);
}

static void a_refused_handle_gives_way_to_history(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!say a;complete;handle h-1;refuse restart");
    EXPECT(fd, SAID("a"));
    EXPECT(fd, COMPLETE);
    kit_say(fd, "!dies resume restart;run;complete");
    const char *run = kit_next(fd);
    assert_null(strstr(run, "\\\"handle\\\":\\\"h-1"));
    assert_non_null(strstr(run, "{\\\"role\\\":\\\"model\\\",\\\"parts\\\":[{\\\"text\\\":\\\"a\\\"}]}"));
    EXPECT(fd, COMPLETE);
}

/* The text that opens the way down the ladder is never told twice: it is sent, so it is not in the history. */
static void what_is_sent_again_is_not_told_as_history(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!dies restart;run;complete");
    assert_null(strstr(kit_next(fd), "\\\"history\\\":["));
    EXPECT(fd, COMPLETE);
}

/* The next connection is made by another user, whose first one it is. */
static int join_badly(const char *how)
{
    int fd = kit_join("/ws/2?is_audio=false", "");

    kit_say(fd, how);
    EXPECT(fd, COMPLETE);
    int other = kit_join(typed, "");
    kit_leave(fd);
    return other;
}

static void the_first_refusal_is_told_at_once(void **unused)
{
    int fd = join_badly("!refuse resume restart wait;complete");

    (void)unused;
    EXPECT_PIECE(fd, "{\"error\":{\"code\":\"unavailable\",\"message\":\"The echo fell silent.\",\"hint\":\"Shout again.\","
                     "\"retryable\":true}}");
    EXPECT(fd, SAID("The echo fell silent. Shout again."));
    EXPECT(fd, COMPLETE);
    /* the next text tries once more */
    kit_say(fd, "hello");
    EXPECT(fd, SAID("echo: hello"));
    EXPECT(fd, COMPLETE);
}

static void an_open_that_fails_is_told(void **unused)
{
    int fd = join_badly("!fail;complete");

    (void)unused;
    EXPECT_PIECE(fd, "the echo has no voice");
    EXPECT_PIECE(fd, "the echo has no voice");
    EXPECT(fd, COMPLETE);
    kit_say(fd, "hello");
    EXPECT(fd, SAID("echo: hello"));
    EXPECT(fd, COMPLETE);
}

static void a_setup_that_is_never_accepted_ends(void **unused)
{
    int fd = join_badly("!silent;complete");

    (void)unused;
    EXPECT_PIECE(fd, "{\"error\":{\"code\":\"timeout\"");
    EXPECT_PIECE(fd, "The model did not accept the connection in time.");
    EXPECT(fd, COMPLETE);
}

static void a_model_that_does_not_answer_is_left(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!nothing");
    /* it was sent again over another connection before that */
    EXPECT_PIECE(fd, "{\"error\":{\"code\":\"timeout\",\"message\":\"The model did not answer.\"");
    EXPECT_PIECE(fd, "The model did not answer.");
    EXPECT(fd, COMPLETE);
    kit_say(fd, "hello");
    EXPECT(fd, SAID("echo: hello"));
    EXPECT(fd, COMPLETE);
}

static void go_away_is_not_noticed_by_the_sample(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!say one;away 50000;say two;complete;handle h-9");
    EXPECT(fd, SAID("one"));
    EXPECT(fd, SAID("two"));
    EXPECT(fd, COMPLETE);
    kit_say(fd, "!run;complete");
    EXPECT_PIECE(fd, "\\\"handle\\\":\\\"h-9\\\"");
    EXPECT(fd, COMPLETE);
}

static void go_away_lets_the_user_finish(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_until(fd, "\"state\":\"live\"");
    kit_say(fd, "!complete;hear what is;away 50000");
    EXPECT_PIECE(fd, "\"type\":\"turn_complete\"");
    EXPECT_PIECE(fd, "what is");
    /* the last words of the spoken question were still to come */
    kit_say(fd, "!hear the time?;say noon;complete");
    EXPECT_PIECE(fd, "the time?");
    EXPECT_PIECE(fd, "noon");
    EXPECT_PIECE(fd, "\"type\":\"turn_complete\"");
    EXPECT_PIECE(fd, "\"state\":\"reconnecting\"");
    EXPECT_PIECE(fd, "\"state\":\"live\"");
}

static void state_is_told_to_our_own_protocol(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    EXPECT_PIECE(fd, "\"hello\":{");
    EXPECT_PIECE(fd, "\"state\":\"connecting\"");
    EXPECT_PIECE(fd, "\"state\":\"live\"");
    kit_say(fd, "!away 50000;complete");
    EXPECT_PIECE(fd, "\"type\":\"turn_complete\"");
    EXPECT_PIECE(fd, "\"state\":\"reconnecting\"");
    EXPECT_PIECE(fd, "\"state\":\"live\"");
    kit_say(fd, "!say x;close");
    EXPECT_PIECE(fd, "\"data\":\"x\"");
    EXPECT_PIECE(fd, "\"interrupted\":true");
    EXPECT_PIECE(fd, "\"type\":\"turn_complete\"");
    EXPECT_PIECE(fd, "\"state\":\"offline\"");
    EXPECT_PIECE(fd, "\"type\":\"error\"");
}

/* ---- two sockets ------------------------------------------------------------------------------------------------------- */

static void the_newest_is_active_and_the_older_again_after_it(void **unused)
{
    int old = kit_join(typed, ""), new;

    (void)unused;
    kit_say(old, "one");
    EXPECT(old, SAID("echo: one"));
    EXPECT(old, COMPLETE);
    new = kit_join(typed, "");
    kit_say(new, "two");
    EXPECT(new, SAID("echo: two"));
    EXPECT(new, COMPLETE);
    kit_leave(new);
    kit_say(old, "three");
    EXPECT(old, SAID("echo: three")); /* nothing of the second turn came here */
    EXPECT(old, COMPLETE);
    kit_leave(old);
}

static void taking_over_is_told_to_our_own_protocol(void **unused)
{
    int old = kit_join(ours, V1), new;

    (void)unused;
    kit_until(old, "\"state\":\"live\"");
    new = kit_join(ours, V1);
    EXPECT_PIECE(old, "\"taken_over\":true");
    kit_say(old, "mine"); /* whoever types wants the answer here */
    EXPECT_PIECE(old, "\"active\":true");
    kit_until(old, "echo: mine");
    kit_until(new, "\"taken_over\":true");
    kit_leave(old);
    kit_until(new, "\"active\":true");
    kit_leave(new);
}

static void another_modality_reopens_the_connection(void **unused)
{
    int old = kit_join(typed, ""), new;

    (void)unused;
    kit_say(old, "!run;complete");
    EXPECT_PIECE(old, "\\\"modality\\\":\\\"TEXT\\\"");
    EXPECT(old, COMPLETE);
    new = kit_join(spoken, "");
    kit_say(new, "!run;complete");
    EXPECT_PIECE(new, "\\\"modality\\\":\\\"AUDIO\\\"");
    EXPECT(new, COMPLETE);
    kit_leave(new);
    kit_say(old, "!run;complete");
    EXPECT_PIECE(old, "\\\"modality\\\":\\\"TEXT\\\"");
    EXPECT(old, COMPLETE);
    kit_leave(old);
}

static void is_connecting(struct session *session, void *connecting)
{
    *(bool *)connecting = session->segment.state == SEGMENT_FRESH && session->conn;
}

/* The second socket comes while the first one's connection is still being set up. */
static void another_modality_while_connecting(void **unused)
{
    int old = join_badly("!silent;complete"), new;
    uint64_t until = clock_now_ms() + 10000; /* of 15000 for the setup */
    bool connecting = false;

    (void)unused;
    while (!connecting && clock_now_ms() < until)
        kit_look(number, is_connecting, &connecting);
    assert_true(connecting);
    new = kit_join(spoken, "");
    kit_say(new, "!run;complete");
    EXPECT_PIECE(new, "\\\"modality\\\":\\\"AUDIO\\\"");
    EXPECT(new, COMPLETE);
    kit_leave(new);
    kit_leave(old);
}

static void history_is_told_to_those_who_come(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "hello");
    kit_until(fd, "\"type\":\"turn_complete\"");
    kit_leave(fd);
    kit_until_no_session();
    fd = kit_join(ours, V1);
    EXPECT_PIECE(fd, "\"hello\":{");
    const char *frame = kit_next(fd);
    assert_non_null(strstr(frame, "{\"history\":[{\"role\":\"user\",\"text\":\"hello\",\"time\":"));
    assert_non_null(strstr(frame, "{\"role\":\"model\",\"text\":\"echo: hello\",\"time\":"));
}

static void too_many_of_one_user(void **unused)
{
    int fd[SESSION_MAX_CLIENTS + 1];

    (void)unused;
    for (unsigned i = 0; i < SESSION_MAX_CLIENTS; i++)
        fd[i] = kit_join(typed, "");
    fd[SESSION_MAX_CLIENTS] = kit_join(typed, "");
    EXPECT(fd[SESSION_MAX_CLIENTS], "(closed 1013)");
    kit_say(fd[SESSION_MAX_CLIENTS - 1], "hello");
    EXPECT(fd[SESSION_MAX_CLIENTS - 1], SAID("echo: hello"));
}

static void bad_frames_are_answered_and_then_enough(void **unused)
{
    int fd = kit_join(typed, "");
    unsigned allowed = server.assembly.config->limits.bad_messages;

    (void)unused;
    for (unsigned i = 1; i < allowed; i++) {
        kit_ws_send(fd, 0x81, "{}", 2);
        EXPECT_PIECE(fd, "{\"error\":{\"code\":\"bad_frame\"");
    }
    kit_say(fd, "hello"); /* a good one forgives */
    EXPECT(fd, SAID("echo: hello"));
    EXPECT(fd, COMPLETE);
    for (unsigned i = 0; i < allowed; i++) {
        kit_ws_send(fd, 0x81, "{", 1);
        EXPECT_PIECE(fd, "{\"error\":{\"code\":\"bad_json\"");
    }
    EXPECT(fd, "(closed 1008)");
}

static void the_end_is_told(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!say half");
    EXPECT(fd, SAID("half"));
    kit_on(server.runtime.shards[0], kit_end, NULL);
    assert_string_equal(kit_until(fd, "(closed"), "(closed 1001)");
}

/* ---- tools ---------------------------------------------------------------------------------------------------------------- */

#define RESULTS(json) SAID("results: " json)

static void tools_are_called_and_answered(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!call get_time {\"city\":\"Seoul\",\"extra\":1};call slow_time {\"city\":\"Busan\"}");
    EXPECT(fd, RESULTS("[{\\\"id\\\":\\\"call-1\\\",\\\"name\\\":\\\"get_time\\\",\\\"response\\\":{\\\"status\\\":\\\"ok\\\","
                       "\\\"city\\\":\\\"Seoul\\\",\\\"time\\\":\\\"12:34\\\"}},{\\\"id\\\":\\\"call-2\\\",\\\"name\\\":"
                       "\\\"slow_time\\\",\\\"response\\\":{\\\"city\\\":\\\"Busan\\\",\\\"time\\\":\\\"12:36\\\"}}]"));
    EXPECT(fd, COMPLETE);
    assert_string_equal(stored("count(*)", "event_data like '%function_call%'"), "2");
    assert_string_equal(stored("count(*)", "event_data like '%function_response%'"), "2");
}

static void what_tools_may_not_do(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!call hang {\"city\":\"x\"};call refuse {\"city\":\"x\"};call nowhere {};call get_time {}");
    const char *frame = kit_next(fd);
    assert_non_null(strstr(frame, "the tool did not finish in time"));
    assert_non_null(strstr(frame, "nowhere"));
    assert_non_null(strstr(frame, "call-4"));
    EXPECT(fd, COMPLETE);
    kit_say(fd, "!call twice {\"city\":\"x\"}");
    EXPECT_PIECE(fd, "\\\"name\\\":\\\"twice\\\"");
    EXPECT(fd, COMPLETE);
    kit_say(fd, "hello");
    EXPECT(fd, SAID("echo: hello"));
    EXPECT(fd, COMPLETE);
}

static void a_call_that_is_taken_back_is_not_answered(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call hang {\"city\":\"x\"}");
    kit_until(fd, "\"state\":\"running\"");
    kit_say(fd, "!cancel call-1;say never mind;complete");
    EXPECT_PIECE(fd, "\"state\":\"cancelled\"");
    EXPECT_PIECE(fd, "never mind");
    EXPECT_PIECE(fd, "\"type\":\"turn_complete\"");
}

static void results_wait_for_the_new_connection(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!complete;handle h-1");
    EXPECT(fd, COMPLETE);
    kit_say(fd, "!call slow_time {\"city\":\"x\"};dies resume");
    EXPECT(fd, INTERRUPTED);
    EXPECT(fd, COMPLETE);
    kit_say(fd, "hello");
    kit_until(fd, "echo: hello");
}

/* ---- two shards --------------------------------------------------------------------------------------------------------- */

static int start_two(void **state)
{
    (void)state;
    kit_start(2);
    return 0;
}

/* The kernel spreads sockets over the shards; a session lives on one of them. */
static void sockets_on_both_shards(void **unused)
{
    int fd[SESSION_MAX_CLIENTS];

    (void)unused;
    for (unsigned i = 0; i < SESSION_MAX_CLIENTS; i++) {
        fd[i] = kit_join(ours, V1);
        kit_until(fd[i], "\"hello\":{");
        kit_say(fd[i], "new");
        kit_until(fd[i], "echo: new");
        kit_until(fd[i], "\"type\":\"turn_complete\"");
    }
    for (unsigned i = 0; i < SESSION_MAX_CLIENTS - 1; i++) {
        kit_until(fd[i], "\"taken_over\":true");
        kit_say(fd[i], "back");
        kit_until(fd[i], "\"active\":true");
        kit_until(fd[i], "echo: back");
        kit_until(fd[i], "\"type\":\"turn_complete\"");
    }
    assert_string_equal(stored("count(*)", "event_data like '%\"text\":\"echo: %' or event_data like '%echo: %'"), "31");
}

static void many_users_come_and_go(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 5; round++) {
        int fd[20];
        char path[64];
        for (unsigned i = 0; i < 20; i++) {
            snprintf(path, sizeof(path), "/ws/%u?is_audio=true", user * 100 + i);
            fd[i] = kit_join(path, "");
            kit_say(fd[i], "!say going;handle h;complete");
        }
        for (unsigned i = 0; i < 20; i += 2)
            kit_leave(fd[i]); /* in the middle of whatever there is */
        for (unsigned i = 1; i < 20; i += 2) {
            EXPECT(fd[i], TRANSCRIPT("going"));
            EXPECT(fd[i], COMPLETE);
            kit_leave(fd[i]);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(typed_turns),
        TEST(spoken_turns),
        TEST(a_model_that_only_speaks),
        TEST(what_is_typed_at_once_is_answered_in_order),
        TEST(media_reaches_the_model),
        TEST(a_tiny_frame_does_not_wait_for_another),
        TEST(a_turn_without_an_answer_says_why),
        TEST(complete_means_on_disk),
        TEST(the_end_of_a_turn_waits_for_the_disk),
        TEST(an_interruption_drops_audio_that_waits),
        TEST(interrupted_and_complete_are_two_frames),
        TEST(stop_stops_what_is_said),
        TEST(history_keeps_what_was_heard),
        TEST(leaving_in_mid_answer_saves_what_was_said),
        TEST(an_untouched_text_is_sent_again),
        TEST(but_only_once),
        TEST(a_touched_text_is_interrupted),
        TEST(the_handle_is_used_and_kept_on_disk),
        TEST(a_refused_handle_gives_way_to_history),
        TEST(what_is_sent_again_is_not_told_as_history),
        TEST(the_first_refusal_is_told_at_once),
        TEST(an_open_that_fails_is_told),
        TEST(go_away_is_not_noticed_by_the_sample),
        TEST(go_away_lets_the_user_finish),
        TEST(state_is_told_to_our_own_protocol),
        TEST(the_newest_is_active_and_the_older_again_after_it),
        TEST(taking_over_is_told_to_our_own_protocol),
        TEST(another_modality_reopens_the_connection),
        TEST(another_modality_while_connecting),
        TEST(history_is_told_to_those_who_come),
        TEST(too_many_of_one_user),
        TEST(bad_frames_are_answered_and_then_enough),
        TEST(the_end_is_told),
        TEST(tools_are_called_and_answered),
        TEST(a_call_that_is_taken_back_is_not_answered),
        TEST(results_wait_for_the_new_connection),
    };

    const struct CMUnitTest deadlines[] = {
        TEST(a_setup_that_is_never_accepted_ends),
        TEST(a_model_that_does_not_answer_is_left),
        TEST(what_tools_may_not_do),
    };
    const struct CMUnitTest shards[] = {
        TEST(sockets_on_both_shards),
        TEST(many_users_come_and_go),
    };
    int failed = cmocka_run_group_tests(tests, start, stop);

    failed += cmocka_run_group_tests(deadlines, start_impatient, stop);
    return failed + cmocka_run_group_tests(shards, start_two, stop);
}
