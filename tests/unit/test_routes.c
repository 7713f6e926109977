/* Which handshakes and requests are let in, and what the others are answered. */
#include "session_kit.h"

static int start(void **state)
{
    (void)state;
    kit_start(1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_leave_all();
    kit_until_no_session();
    kit_stop();
    return 0;
}

static int ask(const char *path, const char *headers)
{
    char answer[2048];
    int fd = kit_connect(server.port);
    int status = kit_ws_ask(fd, path, headers, answer, sizeof(answer));

    close(fd);
    return status;
}

static void handshakes(void **unused)
{
    static const struct {
        const char *path, *headers;
        int status;
    } cases[] = {
        {"/ws/1?is_audio=false", "", 101},
        {"/ws/1?is_audio=true", "", 101},
        {"/ws/-1?is_audio=", "", 101}, /* anything but "true" is text, as in the original */
        {"/ws/+007?is_audio=false&agent=echo&audio=off", "", 101},
        {"/ws/1?is_audio=false&agent=voice&audio=base64", "", 101},
        {"/ws/1", V1, 101},
        {"/ws/1?audio=binary", V1, 101},
        {"/ws/1", "", 403}, /* is_audio is missing */
        {"/ws/one?is_audio=false", "", 403},
        {"/ws/1.5?is_audio=false", "", 403},
        {"/ws/?is_audio=false", "", 403},
        {"/ws/1/2?is_audio=false", "", 403},
        {"/ws?is_audio=false", "", 403},
        {"/elsewhere", "", 403},
        {"/ws/1", "Origin: http://127.0.0.1\r\n" V1, 101},
        {"/ws/1", "Origin: http://evil.example\r\n" V1, 403},
        {"/ws/1?is_audio=false", "Origin: null\r\n", 403},
        {"/ws/1?is_audio=false&agent=nobody", "", 404},
        {"/ws/1?audio=loud", V1, 400},
        {"/ws/1", "Sec-WebSocket-Protocol: other.v9\r\n", 400},
        {"/ws/1", "Sec-WebSocket-Protocol: other.v9, antiphon.v1\r\n", 101},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = ask(cases[i].path, cases[i].headers);
        if (status != cases[i].status)
            fail_msg("%s %s: %d, not %d", cases[i].path, cases[i].headers, status, cases[i].status);
    }
}

static void a_user_is_the_same_however_it_is_written(void **unused)
{
    int first = kit_join("/ws/77", V1), second;

    (void)unused;
    kit_until(first, "\"state\":\"live\"");
    second = kit_join("/ws/+0077", V1);
    kit_until(first, "\"taken_over\":true");
    kit_leave(second);
    kit_until(first, "\"active\":true");
}

static const char *get(const char *method, const char *path, const char *host)
{
    static char answer[65536];
    char request[512];

    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, path, host);
    kit_http(server.port, request, answer, sizeof(answer));
    return answer;
}

static void requests(void **unused)
{
    const char *answer;

    (void)unused;
    assert_non_null(strstr(get("GET", "/livez", "127.0.0.1"), "\r\n\r\nok\n"));
    assert_non_null(strstr(get("GET", "/readyz", "localhost:1"), "\r\n\r\nok\n"));
    answer = get("GET", "/metrics", "[::1]");
    assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "antiphon_"));
    answer = get("HEAD", "/livez", "127.0.0.1");
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_null(strstr(answer, "ok\n"));
    assert_memory_equal(get("GET", "/livez", "rebound.example"), "HTTP/1.1 403", 12);
    assert_memory_equal(get("GET", "/nothing", "127.0.0.1"), "HTTP/1.1 404", 12);
    assert_memory_equal(get("GET", "/livez/", "127.0.0.1"), "HTTP/1.1 404", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes),
        cmocka_unit_test(a_user_is_the_same_however_it_is_written),
        cmocka_unit_test(requests),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
