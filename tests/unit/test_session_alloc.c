/* Memory runs out at every point of a conversation's set-up: nothing crashes or leaks, the client is answered, refused or
 * told, and whoever comes next is served. One allocation of the process fails in each round, on whichever thread. */
#include "session_kit.h"

enum outcome { REFUSED, CLOSED, TOLD, ANSWERED };

static void begin(unsigned shards)
{
    alloc_hook_cjson();
    kit_deadlines = KIT_IMPATIENT; /* what is lost with a failed allocation is told by a deadline */
    kit_start(shards);
    log_set_level(ANTIPHON_ERROR + 1);
}

/* One masked text frame with what is typed, made beforehand: the test itself allocates nothing while it waits for the failure. */
struct typed {
    unsigned char frame[512];
    size_t len;
};

static void type(struct typed *typed, const char *text)
{
    char payload[400];
    size_t len, at = 2;

    snprintf(payload, sizeof(payload), "{\"mime_type\":\"text/plain\",\"data\":\"%s\"}", text);
    len = strlen(payload);
    typed->frame[0] = 0x81;
    if (len < 126) {
        typed->frame[1] = (unsigned char)(0x80u | len);
    } else {
        typed->frame[1] = 0x80u | 126;
        typed->frame[at++] = (unsigned char)(len >> 8);
        typed->frame[at++] = (unsigned char)len;
    }
    memset(typed->frame + at, 0, 4); /* a mask that changes nothing */
    memcpy(typed->frame + at + 4, payload, len);
    typed->len = at + 4 + len;
}

/* Joins, types, and reads to the turn's end. */
static enum outcome talk(const char *path, const char *headers, const struct typed *typed, const char *want)
{
    char answer[2048];
    int fd = kit_connect(server.port);
    int status = kit_ws_ask(fd, path, headers, answer, sizeof(answer));
    enum outcome outcome = CLOSED;
    bool wanted = false;

    if (status != 101) {
        close(fd);
        assert_true(status == 0 || status == 503);
        return REFUSED;
    }
    if (send(fd, typed->frame, typed->len, MSG_NOSIGNAL) == (ssize_t)typed->len) {
        for (;;) {
            const char *frame = kit_next(fd);
            if (frame[0] == '(' && frame[1] != 'b')
                break;
            if (strstr(frame, want))
                wanted = true;
            if (strstr(frame, "\"error\":"))
                outcome = TOLD;
            else if (strstr(frame, "\"turn_complete\":true"))
                outcome = ANSWERED;
            if (outcome != CLOSED)
                break;
        }
    }
    close(fd);
    if (outcome == ANSWERED && !wanted)
        return TOLD; /* cut short: checked to be whole when nothing failed */
    return outcome;
}

struct round {
    const char *headers, *query;
    const char *before; /* typed by the same user earlier, or NULL */
    const char *text, *want;
    bool other_shard;   /* the session lives on shard 1, the sockets are on shard 0 */
};

static void run_rounds(const struct round *round)
{
    struct typed before, text;
    unsigned outcomes[4] = {0}, n;

    type(&text, round->text);
    if (round->before)
        type(&before, round->before);
    for (n = 0;; n++) {
        char path[128], key[128];
        unsigned owner;
        bool failed;
        enum outcome outcome;

        assert_true(n < 5000);
        snprintf(path, sizeof(path), "/ws/%u%s", 1000 + n, round->query);
        if (round->before)
            assert_int_equal(talk(path, round->headers, &before, "turn_complete"), ANSWERED);
        kit_until_no_session();
        snprintf(key, sizeof(key), "echo-app/%u/echo-app_%u/", 1000 + n, 1000 + n);
        if (round->other_shard)
            assert_int_equal(directory_claim(server.runtime.directory, key, 1, &owner), ANTIPHON_OK);
        alloc_fail_at(n);
        outcome = talk(path, round->headers, &text, round->want);
        kit_until_no_session();
        failed = alloc_has_failed();
        outcomes[outcome]++;
        if (!failed && outcome != ANSWERED)
            fail_msg("allocation %u did not fail, yet the outcome is %d", n, outcome);
        /* whatever that was, the next is served */
        assert_int_equal(talk(path, round->headers, &text, round->want), ANSWERED);
        kit_until_no_session();
        if (round->other_shard)
            directory_release(server.runtime.directory, key);
        assert_int_equal(directory_count(server.runtime.directory), 0);
        if (!failed)
            break;
    }
    printf("%u allocations: %u refused, %u closed, %u told, %u answered\n", n, outcomes[REFUSED], outcomes[CLOSED],
           outcomes[TOLD], outcomes[ANSWERED]);
    assert_true(n > 20);
    kit_stop();
}

static void the_samples_first_text(void **unused)
{
    static const struct round round = {.headers = "", .query = "?is_audio=false", .text = "hello", .want = "echo: hello"};

    (void)unused;
    begin(1);
    run_rounds(&round);
}

static void our_own_protocol_with_an_earlier_talk(void **unused)
{
    static const struct round round = {.headers = V1, .query = "", .before = "!say hello;usage {};complete;handle h-1",
                                       .text = "hello", .want = "echo: hello"};

    (void)unused;
    begin(1);
    run_rounds(&round);
}

static void a_turn_with_tools(void **unused)
{
    static const struct round round = {.headers = "", .query = "?is_audio=true",
                                       .text = "!call get_time {\\\"city\\\":\\\"Seoul\\\"};call nowhere {}", .want = "12:34"};

    (void)unused;
    begin(1);
    run_rounds(&round);
}

static void a_session_on_another_shard(void **unused)
{
    static const struct round round = {.headers = "", .query = "?is_audio=false", .text = "hello", .want = "echo: hello",
                                       .other_shard = true};

    (void)unused;
    begin(2);
    shard_stop_accepting(server.runtime.shards[1]); /* so that every socket comes to shard 0 */
    run_rounds(&round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_samples_first_text),
        cmocka_unit_test(our_own_protocol_with_an_earlier_talk),
        cmocka_unit_test(a_turn_with_tools),
        cmocka_unit_test(a_session_on_another_shard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
