/* The life of a tool call in a whole server: what the model, the page, the journal and the tool itself see of it. */
#include "session_kit.h"

static unsigned user;
static char typed[64], ours[64], number[16];

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
    char log[128];

    (void)state;
    user++;
    snprintf(number, sizeof(number), "%u", user);
    snprintf(typed, sizeof(typed), "/ws/%u?is_audio=false", user);
    snprintf(ours, sizeof(ours), "/ws/%u?is_audio=false&audio=off", user);
    snprintf(log, sizeof(log), "%s/log", server.folder);
    (void)remove(log);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_leave_all();
    kit_until_no_session();
    return 0;
}

/* ---- what there is to look at ---- */

/* Waits until the journal has the row. */
static void expect_journal(const char *call_id, const char *want)
{
    char sql[512];
    const char *got = "";
    uint64_t until = clock_now_ms() + KIT_WAIT_MS;

    snprintf(sql, sizeof(sql),
             "SELECT group_concat(tool || ' ' || state || ' ' || coalesce(reason, '-'), '; ') FROM antiphon_tool_calls"
             " WHERE user_id = '%s' AND call_id = '%s'",
             number, call_id);
    while (clock_now_ms() < until) {
        struct timespec pause = {0, 5000000};
        got = kit_query(sql);
        if (strcmp(got, want) == 0)
            return;
        nanosleep(&pause, NULL);
    }
    fail_msg("the journal says \"%s\", not \"%s\"", got, want);
}

static const char *journal(const char *column, const char *call_id)
{
    char sql[512];

    snprintf(sql, sizeof(sql), "SELECT %s FROM antiphon_tool_calls WHERE user_id = '%s' AND call_id = '%s'", column, number,
             call_id);
    return kit_query(sql);
}

/* What the tools did, a line each. */
static const char *tool_log(void)
{
    static char text[8192];
    char path[128];
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/log", server.folder);
    FILE *file = fopen(path, "r");
    if (file) {
        n = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
    }
    text[n] = '\0';
    return text;
}

static void until_logged(const char *line)
{
    uint64_t until = clock_now_ms() + KIT_WAIT_MS;

    while (!strstr(tool_log(), line)) {
        struct timespec pause = {0, 5000000};
        if (clock_now_ms() > until)
            fail_msg("\"%s\" is not in the log of the tools: %s", line, tool_log());
        nanosleep(&pause, NULL);
    }
}

/* A call with that gate goes on, now or as soon as it is there. */
static void open_gate(const char *gate)
{
    char name[64];

    snprintf(name, sizeof(name), "log.%s", gate);
    kit_write(name, "");
}

static void say_json(int fd, const char *json)
{
    kit_ws_send(fd, 0x81, json, strlen(json));
}

#define STATE(name, word) "\"name\":\"" name "\",\"state\":\"" word "\""

/* ---- the journal ---- */

static void every_call_has_a_row(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call book {\"ms\":0};call nowhere {};call nap {\"ms\":\"x\"};call refuse {}");
    kit_until(fd, "results: ");
    kit_until(fd, "\"turn_complete\"");
    expect_journal("call-1", "book done -");
    assert_string_equal(journal("args || result || receipt", "call-1"),
                        "{\"ms\":0}{\"booked\":true}{\"booking\":1}");
    assert_string_equal(journal("requested_time <= started_time AND started_time <= ended_time", "call-1"), "1");
    assert_string_equal(journal("agent", "call-1"), "echo_agent");
    expect_journal("call-2", "nowhere failed unknown");
    assert_string_equal(journal("started_time IS NULL AND ended_time > 0", "call-2"), "1");
    expect_journal("call-3", "nap failed arguments");
    expect_journal("call-4", "refuse failed error");
    assert_string_equal(tool_log(), "book run {\"ms\":0}\nbook done\n");
}

/* Under a slow disk the tool would otherwise have run, and a crash would not know. */
static void what_changes_the_world_is_written_down_before(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call stuck {\"ms\":0};call nap {\"ms\":0}");
    kit_until(fd, STATE("nap", "running"));
    kit_until(fd, STATE("stuck", "running"));
    assert_string_equal(journal("started_time IS NOT NULL", "call-1"), "1");
    kit_until(fd, "\"turn_complete\"");
}

/* ---- once ---- */

static void an_id_runs_once(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    /* twice while it is open */
    kit_say(fd, "!repeat fc-1 nap {\"ms\":50};repeat fc-1 nap {\"ms\":50}");
    kit_until(fd, "results: [{\\\"id\\\":\\\"fc-1\\\"");
    kit_until(fd, "\"turn_complete\"");
    /* and again when it was answered on this connection: nobody waits for that */
    kit_say(fd, "!repeat fc-1 nap {\"ms\":50};say still here;complete");
    EXPECT_PIECE(fd, "still here");
    EXPECT_PIECE(fd, "\"turn_complete\"");
    expect_journal("fc-1", "nap done -");
    assert_string_equal(tool_log(), "nap run {\"ms\":50}\nnap done\n");
}

static void an_answer_is_given_again_on_another_connection(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!complete;handle h-1");
    kit_until(fd, "\"turn_complete\"");
    kit_say(fd, "!repeat fc-1 tally {}");
    kit_until(fd, "{\\\"tally\\\":");
    kit_until(fd, "\"turn_complete\"");
    kit_say(fd, "!handle h-2;dies resume");
    kit_until(fd, "\"state\":\"live\"");
    kit_say(fd, "!repeat fc-1 tally {};repeat fc-1 tally {}");
    kit_until(fd, "results: [{\\\"id\\\":\\\"fc-1\\\",\\\"name\\\":\\\"tally\\\",\\\"response\\\":{\\\"tally\\\":");
    kit_until(fd, "\"turn_complete\"");
    expect_journal("fc-1", "tally done -");
    assert_string_equal(tool_log(), "tally run {}\ntally done\n");
}

/* ---- cancelled ---- */

static void one_of_two_is_cancelled(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call nap {\"ms\":9000};call nap {\"ms\":100}");
    kit_until(fd, STATE("nap", "running"));
    kit_until(fd, STATE("nap", "running"));
    until_logged("nap run {\"ms\":9000}");
    kit_say(fd, "!cancel call-1");
    kit_until(fd, STATE("nap", "cancelled"));
    kit_until(fd, "results: [{\\\"id\\\":\\\"call-2\\\",\\\"name\\\":\\\"nap\\\",\\\"response\\\":{\\\"result\\\":\\\"rested\\\"}}]");
    kit_until(fd, "\"turn_complete\"");
    until_logged("nap cancelled");
    expect_journal("call-1", "nap cancelled taken_back");
    expect_journal("call-2", "nap done -");
}

static void a_call_that_is_taken_back_before_it_began(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call book {\"ms\":0};cancel call-1;say never mind;complete");
    kit_until(fd, STATE("book", "cancelled"));
    EXPECT_PIECE(fd, "never mind");
    EXPECT_PIECE(fd, "\"turn_complete\"");
    expect_journal("call-1", "book cancelled taken_back");
    assert_string_equal(tool_log(), "");
}

static void what_was_done_is_undone(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call book {\"ms\":0}");
    kit_until(fd, "{\\\"booked\\\":true}");
    kit_until(fd, "\"turn_complete\"");
    kit_say(fd, "!cancel call-1;say sorry;complete");
    kit_until(fd, STATE("book", "undone"));
    expect_journal("call-1", "book undone -");
    until_logged("book undo {\"booking\":");
    kit_say(fd, "!cancel call-1;say again;complete"); /* once */
    kit_until(fd, "again");
    kit_say(fd, "hello");
    kit_until(fd, "echo: hello");
    assert_null(strstr(strstr(tool_log(), "book undo") + 1, "book undo"));
}

static void what_is_done_too_late_is_undone(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call book {\"gate\":\"late\",\"stubborn\":true}");
    kit_until(fd, STATE("book", "running"));
    until_logged("book run");
    kit_say(fd, "!cancel call-1;say sorry;complete");
    kit_until(fd, STATE("book", "cancelled"));
    open_gate("late");
    kit_until(fd, STATE("book", "undone"));
    expect_journal("call-1", "book undone taken_back");
}

/* The session is gone by then. */
static void it_is_undone_although_the_client_left(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call book {\"gate\":\"left\",\"stubborn\":true}");
    kit_until(fd, STATE("book", "running"));
    until_logged("book run");
    kit_leave(fd);
    expect_journal("call-1", "book cancelled left");
    open_gate("left");
    until_logged("book undo");
    expect_journal("call-1", "book undone left");
}

static void what_stopped_in_time_is_not_undone(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call book {\"ms\":9000}");
    kit_until(fd, STATE("book", "running"));
    until_logged("book run");
    kit_say(fd, "!cancel call-1;say sorry;complete");
    until_logged("book cancelled");
    kit_say(fd, "hello");
    kit_until(fd, "echo: hello");
    expect_journal("call-1", "book cancelled taken_back");
    assert_null(strstr(tool_log(), "undo"));
}

/* ---- interrupted, stopped, late ---- */

static void an_interruption_goes_by_the_tools_policy(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call nap {\"ms\":9000};call keep {\"gate\":\"keep\"}");
    kit_until(fd, STATE("nap", "running"));
    kit_until(fd, STATE("keep", "running"));
    kit_say(fd, "!interrupted;complete");
    kit_until(fd, STATE("nap", "cancelled"));
    open_gate("keep");
    const char *frame = kit_until(fd, "results: ");
    assert_non_null(strstr(frame, "because the user interrupted"));
    assert_non_null(strstr(frame, "rested"));
    expect_journal("call-1", "nap cancelled interrupted_by_user");
    expect_journal("call-2", "keep done -");
}

static void what_the_model_takes_back_with_an_interruption_is_not_answered(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call nap {\"ms\":9000};call nap {\"ms\":9000}");
    kit_until(fd, STATE("nap", "running"));
    kit_until(fd, STATE("nap", "running"));
    kit_say(fd, "!interrupted;cancel call-1;complete");
    const char *frame = kit_until(fd, "results: ");
    assert_null(strstr(frame, "call-1"));
    assert_non_null(strstr(frame, "call-2"));
    expect_journal("call-1", "nap cancelled interrupted_by_user");
}

static void a_result_outlives_an_interruption(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call tally {};call nap {\"ms\":9000}");
    kit_until(fd, STATE("nap", "running"));
    kit_until(fd, STATE("tally", "done"));
    kit_say(fd, "!interrupted;complete");
    const char *frame = kit_until(fd, "results: ");
    assert_non_null(strstr(frame, "\\\"tally\\\":"));
    assert_non_null(strstr(frame, "because the user interrupted"));
}

static void stop_stops_all_and_the_model_is_told(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call keep {\"ms\":9000}");
    kit_until(fd, STATE("keep", "running"));
    say_json(fd, "{\"type\":\"stop\"}");
    kit_until(fd, STATE("keep", "cancelled"));
    kit_until(fd, "\"turn_complete\""); /* of the answer to the results, which nobody hears */
    expect_journal("call-1", "keep cancelled stop");
    assert_non_null(strstr(journal("result", "call-1"), "The user stopped the answer"));
    kit_say(fd, "hello");
    kit_until(fd, "echo: hello");
}

static void a_deadline_is_kept(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call stuck {\"gate\":\"stuck\"};call hang {}");
    kit_until(fd, STATE("stuck", "failed"));
    const char *frame = kit_until(fd, "results: ");
    assert_non_null(strstr(frame, "the tool did not finish in time"));
    assert_null(strstr(frame, "at last"));
    expect_journal("call-1", "stuck failed deadline");
    expect_journal("call-2", "hang failed deadline");
    open_gate("stuck");
}

/* ---- long running ---- */

static void a_long_call_is_pending_and_its_result_is_told_later(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call journey {\"gate\":\"journey\"}");
    assert_non_null(strstr(kit_until(fd, "results: "), "{\\\"status\\\":\\\"pending\\\""));
    kit_until(fd, "\"turn_complete\"");
    kit_say(fd, "hello");
    kit_until(fd, "echo: hello");
    kit_until(fd, "\"turn_complete\"");
    open_gate("journey");
    kit_until(fd, STATE("journey", "done"));
    const char *frame = kit_until(fd, "echo: ");
    assert_non_null(strstr(frame, "`journey`"));
    assert_non_null(strstr(frame, "rested"));
    expect_journal("call-1", "journey done -");
}

static void a_long_call_ends_when_it_is_taken_back(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call journey {\"ms\":9000};call journey {\"gate\":\"other\"}");
    kit_until(fd, "results: ");
    kit_until(fd, "\"turn_complete\"");
    say_json(fd, "{\"type\":\"stop\"}"); /* is not meant for them */
    kit_say(fd, "!cancel call-1;say well;complete");
    kit_until(fd, STATE("journey", "cancelled"));
    open_gate("other");
    kit_until(fd, STATE("journey", "done"));
    expect_journal("call-1", "journey cancelled taken_back");
    expect_journal("call-2", "journey done -");
}

static void a_long_call_ends_with_its_deadline(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call journey {\"ms\":9000}");
    kit_until(fd, STATE("journey", "failed"));
    assert_non_null(strstr(kit_until(fd, "echo: "), "did not finish in time"));
    expect_journal("call-1", "journey failed deadline");
}

static void a_long_call_ends_with_the_conversation(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call journey {\"ms\":9000}");
    kit_until(fd, "results: ");
    until_logged("journey run");
    kit_leave(fd);
    until_logged("journey cancelled");
    expect_journal("call-1", "journey cancelled left");
}

/* ---- policies ---- */

static void limits_of_the_agent(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call tally {};call tally {};call tally {};call nap {\"ms\":300};call nap {\"ms\":300};call nap {\"ms\":300}");
    const char *frame = kit_until(fd, "results: ");
    assert_non_null(strstr(frame, "may be called 2 times in one turn"));
    assert_non_null(strstr(frame, "no more are allowed at once"));
    kit_until(fd, "\"turn_complete\"");
    expect_journal("call-3", "tally failed limit");
    expect_journal("call-6", "nap failed limit");
    kit_say(fd, "!call tally {}");
    kit_until(fd, "{\\\"tally\\\":");
}

/* ---- confirmation ---- */

static char nonce[64];

static const char *take_nonce(const char *frame)
{
    const char *at = strstr(frame, "\"nonce\":\"");

    assert_non_null(at);
    snprintf(nonce, sizeof(nonce), "%.32s", at + 9);
    assert_int_equal(strspn(nonce, "0123456789abcdef"), 32);
    return frame;
}

static void answer(int fd, const char *which, bool allow)
{
    char json[128];

    snprintf(json, sizeof(json), "{\"type\":\"confirm\",\"nonce\":\"%s\",\"allow\":%s}", which, allow ? "true" : "false");
    say_json(fd, json);
}

static void a_confirmed_call_runs(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call pay {\"amount\":12345678901234567890,\"pin\":\"s3cr3t\"}");
    kit_until(fd, STATE("pay", "asking"));
    const char *frame = take_nonce(kit_next(fd));
    assert_non_null(strstr(frame, "{\"confirm\":{\"id\":\"call-1\",\"tool\":\"pay\",\"args\":{"));
    assert_non_null(strstr(frame, "\"pin\":\"(secret)\""));
    assert_null(strstr(frame, "s3cr3t"));
    expect_journal("call-1", "pay requested -");
    assert_string_equal(tool_log(), "");
    answer(fd, nonce, true);
    kit_until(fd, STATE("pay", "running"));
    kit_until(fd, STATE("pay", "done"));
    frame = kit_until(fd, "results: ");
    assert_non_null(strstr(frame, "\\\"confirmed\\\":true"));
    assert_non_null(strstr(frame, "pin s3cr3t"));
    kit_until(fd, "\"turn_complete\"");
    assert_string_equal(tool_log(), "pay run {\"amount\":12345678901234567890,\"pin\":\"s3cr3t\"}\npay done\n");
    expect_journal("call-1", "pay done -");
    assert_string_equal(journal("result", "call-1"), "{\"paid\":true,\"with\":\"(secret)\",\"confirmed\":true}");
    /* of calls it is nowhere in the database; what the model says of it is its own */
    assert_string_equal(kit_query("SELECT count(*) FROM events WHERE event_data LIKE '%s3cr3t%' AND event_data LIKE '%function_%'"),
                        "0");
    assert_string_equal(kit_query("SELECT count(*) FROM antiphon_tool_calls WHERE args || result LIKE '%s3cr3t%'"), "0");
    /* a nonce is good once */
    answer(fd, nonce, true);
    EXPECT_PIECE(fd, "\"code\":\"no_question\"");
}

static void a_denied_call_does_not_run(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call pay {\"amount\":1}");
    take_nonce(kit_until(fd, "\"confirm\":"));
    answer(fd, nonce, false);
    kit_until(fd, STATE("pay", "failed"));
    assert_non_null(strstr(kit_until(fd, "results: "), "did not allow it"));
    answer(fd, nonce, true);
    kit_until(fd, "\"code\":\"no_question\"");
    expect_journal("call-1", "pay failed denied");
    assert_string_equal(tool_log(), "");
}

static void an_unanswered_call_does_not_run(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call pay {\"amount\":1}");
    take_nonce(kit_until(fd, "\"confirm\":"));
    assert_non_null(strstr(kit_until(fd, "results: "), "has not answered in time"));
    answer(fd, nonce, true);
    kit_until(fd, "\"code\":\"no_question\"");
    expect_journal("call-1", "pay failed unanswered");
    assert_string_equal(tool_log(), "");
}

static void what_is_forged_does_not_run_it(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call pay {\"amount\":1}");
    take_nonce(kit_until(fd, "\"confirm\":"));
    answer(fd, "00000000000000000000000000000000", true);
    kit_until(fd, "\"code\":\"no_question\"");
    answer(fd, "call-1", true);
    kit_until(fd, "\"code\":\"no_question\"");
    say_json(fd, "{\"type\":\"confirm\",\"allow\":true}");
    kit_until(fd, "\"code\":\"bad_frame\"");
    /* words of the model, or of the user, are only words */
    kit_say(fd, "!say {\"type\":\"confirm\",\"allow\":true}");
    kit_until(fd, "\"data\":");
    assert_string_equal(tool_log(), "");
    answer(fd, nonce, false);
    kit_until(fd, STATE("pay", "failed"));
}

static void only_the_active_client_is_asked(void **unused)
{
    int first = kit_join(ours, V1), second;
    char old[64];

    (void)unused;
    kit_say(first, "!call pay {\"amount\":1}");
    take_nonce(kit_until(first, "\"confirm\":"));
    snprintf(old, sizeof(old), "%s", nonce);
    second = kit_join(ours, V1);
    take_nonce(kit_until(second, "\"confirm\":"));
    assert_string_not_equal(old, nonce);
    kit_until(first, "\"taken_over\"");
    answer(first, nonce, true);
    kit_until(first, "\"code\":\"no_question\"");
    answer(second, old, true);
    kit_until(second, "\"code\":\"no_question\"");
    answer(second, nonce, true);
    kit_until(second, STATE("pay", "done"));
    expect_journal("call-1", "pay done -");
}

static void the_sample_cannot_be_asked(void **unused)
{
    int fd = kit_join(typed, "");

    (void)unused;
    kit_say(fd, "!call pay {\"amount\":1}");
    assert_non_null(strstr(kit_next(fd), "no way to ask"));
    EXPECT(fd, COMPLETE);
    expect_journal("call-1", "pay failed cannot_ask");
    assert_string_equal(tool_log(), "");
}

static void a_tool_may_ask_for_some_arguments(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call transfer {\"amount\":5}");
    kit_until(fd, "{\\\"transferred\\\":true}");
    kit_until(fd, "\"turn_complete\"");
    kit_say(fd, "!call transfer {\"amount\":500}");
    const char *frame = take_nonce(kit_until(fd, "\"confirm\":"));
    assert_non_null(strstr(frame, "\"question\":\"Really so much?\""));
    answer(fd, nonce, true);
    kit_until(fd, "{\\\"transferred\\\":true}");
    assert_string_equal(tool_log(), "transfer run {\"amount\":5}\ntransfer done\ntransfer asks {\"amount\":500}\n"
                                    "transfer run {\"amount\":500}\ntransfer done\n");
    expect_journal("call-2", "transfer done -");
}

static void talk_goes_on_while_a_question_is_open(void **unused)
{
    int fd = kit_join(ours, V1);

    (void)unused;
    kit_say(fd, "!call pay {\"amount\":1}");
    take_nonce(kit_until(fd, "\"confirm\":"));
    kit_say(fd, "!say meanwhile;interrupted;complete");
    kit_until(fd, "meanwhile");
    kit_until(fd, "\"turn_complete\"");
    answer(fd, nonce, true);
    kit_until(fd, STATE("pay", "done"));
    kit_until(fd, "results: ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_call_has_a_row),
        TEST(what_changes_the_world_is_written_down_before),
        TEST(an_id_runs_once),
        TEST(an_answer_is_given_again_on_another_connection),
        TEST(one_of_two_is_cancelled),
        TEST(a_call_that_is_taken_back_before_it_began),
        TEST(what_was_done_is_undone),
        TEST(what_is_done_too_late_is_undone),
        TEST(it_is_undone_although_the_client_left),
        TEST(what_stopped_in_time_is_not_undone),
        TEST(an_interruption_goes_by_the_tools_policy),
        TEST(what_the_model_takes_back_with_an_interruption_is_not_answered),
        TEST(a_result_outlives_an_interruption),
        TEST(stop_stops_all_and_the_model_is_told),
        TEST(a_long_call_is_pending_and_its_result_is_told_later),
        TEST(a_long_call_ends_when_it_is_taken_back),
        TEST(a_long_call_ends_with_the_conversation),
        TEST(limits_of_the_agent),
        TEST(a_confirmed_call_runs),
        TEST(a_denied_call_does_not_run),
        TEST(what_is_forged_does_not_run_it),
        TEST(only_the_active_client_is_asked),
        TEST(the_sample_cannot_be_asked),
        TEST(a_tool_may_ask_for_some_arguments),
        TEST(talk_goes_on_while_a_question_is_open),
    };

    const struct CMUnitTest deadlines[] = {
        TEST(a_deadline_is_kept),
        TEST(a_long_call_ends_with_its_deadline),
        TEST(an_unanswered_call_does_not_run),
    };
    int failed = cmocka_run_group_tests(tests, start, stop);

    return failed + cmocka_run_group_tests(deadlines, start_impatient, stop);
}
