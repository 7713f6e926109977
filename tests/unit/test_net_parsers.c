/* The small pure parts of net/: ranges, URLs, proxies, addresses, the upgrade's answer, the timer
 * wheel. */
#include "unit.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "net/address_guard.h"
#include "net/http_range.h"
#include "net/http_upgrade.h"
#include "net/proxy.h"
#include "net/timer.h"
#include "net/ws_url.h"

static void test_range(void **state)
{
    static const struct {
        const char *text;
        enum http_range_kind kind;
        size_t first, last;
    } rows[] = {
        {"bytes=0-9", HTTP_RANGE_PART, 0, 9},
        {"bytes=90-", HTTP_RANGE_PART, 90, 99},
        {"bytes=-10", HTTP_RANGE_PART, 90, 99},
        {"bytes=-1000", HTTP_RANGE_PART, 0, 99},
        {"bytes=99-1000", HTTP_RANGE_PART, 99, 99},
        {"BYTES=5-5", HTTP_RANGE_PART, 5, 5},
        {"bytes=0-99999999999999999999999", HTTP_RANGE_PART, 0, 99},
        {"bytes=100-", HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999-", HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=9-0", HTTP_RANGE_NONE, 0, 0},
        {"bytes=0-1,3-4", HTTP_RANGE_NONE, 0, 0},
        {"bytes=-", HTTP_RANGE_NONE, 0, 0},
        {"bytes=", HTTP_RANGE_NONE, 0, 0},
        {"bytes=a-b", HTTP_RANGE_NONE, 0, 0},
        {"lines=0-1", HTTP_RANGE_NONE, 0, 0},
        {"", HTTP_RANGE_NONE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t first = 0, last = 0;
        assert_int_equal(http_range_parse(rows[i].text, 100, &first, &last), rows[i].kind);
        assert_int_equal(first, rows[i].first);
        assert_int_equal(last, rows[i].last);
    }
    size_t first, last;
    assert_int_equal(http_range_parse("bytes=0-", 0, &first, &last), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(http_range_parse("bytes=-5", 0, &first, &last), HTTP_RANGE_UNSATISFIABLE);
}

static void test_url(void **state)
{
    static const struct {
        const char *text, *host_header, *server, *target;
        bool tls;
    } rows[] = {
        {"ws://a", "a", "a:80", "/", false},
        {"wss://a/x?k=v", "a", "a:443", "/x?k=v", true},
        {"WSS://a:443/x", "a", "a:443", "/x", true},
        {"https://a:8443?q=1#f", "a:8443", "a:8443", "/?q=1", true},
        {"http://[::1]:81/p", "[::1]:81", "[::1]:81", "/p", false},
        {"http://[::1]/", "[::1]", "[::1]:80", "/", false},
    };
    static const char *const bad[] = {"",
                                      "a",
                                      "ftp://a/",
                                      "ws://",
                                      "ws://u@a/",
                                      "ws://a:0x/",
                                      "ws://a:99999/",
                                      "ws:///x",
                                      "ws://a b/x",
                                      "ws://a/\r\nX: y"};
    struct ws_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ws_url_parse(rows[i].text, &url), 0);
        assert_string_equal(url.host_header, rows[i].host_header);
        assert_string_equal(url.server, rows[i].server);
        assert_string_equal(url.target, rows[i].target);
        assert_int_equal(url.tls, rows[i].tls);
        ws_url_deinit(&url);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!ws_url_parse(bad[i], &url))
            fail_msg("accepted: %s", bad[i]);
        ws_url_deinit(&url);
    }
}

static const char *env[8][2];

static const char *get_env(const char *name)
{
    for (size_t i = 0; i < 8 && env[i][0]; i++)
        if (!strcmp(env[i][0], name))
            return env[i][1];
    return NULL;
}

static void set_env(size_t i, const char *name, const char *value)
{
    env[i][0] = name;
    env[i][1] = value;
    if (i < 7)
        env[i + 1][0] = NULL;
}

static void test_proxy(void **state)
{
    struct proxy_settings settings;
    struct err err = {0};
    const struct proxy_target *proxy;

    (void)state;
    env[0][0] = NULL;
    assert_int_equal(proxy_read(get_env, &settings, &err), 0);
    assert_null(proxy_for(&settings, true, "a", 443));

    set_env(0, "https_proxy", "http://us%65r:p%40ss@proxy.example:3128/");
    set_env(1, "HTTP_PROXY", "http://ignored:1");
    set_env(2, "no_proxy", "localhost, .internal,exact.example:8443 10.0.0.1,[::1]:9");
    assert_int_equal(proxy_read(get_env, &settings, &err), 0);
    assert_null(proxy_for(&settings, false, "a", 80));
    proxy = proxy_for(&settings, true, "a", 443);
    assert_non_null(proxy);
    assert_string_equal(proxy->host, "proxy.example");
    assert_int_equal(proxy->port, 3128);
    assert_string_equal(proxy->authorization, "Basic dXNlcjpwQHNz"); /* user:p@ss */
    assert_null(proxy_for(&settings, true, "localhost", 443));
    assert_null(proxy_for(&settings, true, "LOCALHOST", 443));
    assert_null(proxy_for(&settings, true, "x.internal", 443));
    assert_null(proxy_for(&settings, true, "internal", 443));
    assert_non_null(proxy_for(&settings, true, "notinternal", 443));
    assert_null(proxy_for(&settings, true, "exact.example", 8443));
    assert_null(proxy_for(&settings, true, "sub.exact.example", 8443));
    assert_non_null(proxy_for(&settings, true, "exact.example", 443));
    assert_null(proxy_for(&settings, true, "10.0.0.1", 443));
    assert_null(proxy_for(&settings, true, "::1", 9));
    assert_non_null(proxy_for(&settings, true, "::1", 10));

    set_env(0, "all_proxy", "proxy.example");
    set_env(1, "NO_PROXY", "*");
    assert_int_equal(proxy_read(get_env, &settings, &err), 0);
    assert_int_equal(settings.http.port, 1080);
    assert_null(proxy_for(&settings, false, "a", 80));

    set_env(0, "https_proxy", "socks5://secret:word@p:1");
    set_env(1, "x", NULL);
    assert_int_equal(proxy_read(get_env, &settings, &err), ANTIPHON_EINVAL);
    assert_non_null(strstr(err.text, "https_proxy"));
    assert_null(strstr(err.text, "secret"));
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"8.8.8.8", true},
        {"1.1.1.1", true},
        {"172.15.255.255", true},
        {"172.32.0.0", true},
        {"100.63.255.255", true},
        {"100.128.0.0", true},
        {"192.0.1.1", true},
        {"198.20.0.1", true},
        {"223.255.255.255", true},
        {"0.0.0.0", false},
        {"0.1.2.3", false},
        {"10.0.0.1", false},
        {"100.64.0.1", false},
        {"100.127.255.255", false},
        {"127.0.0.1", false},
        {"127.255.0.1", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.0.0.1", false},
        {"192.168.1.1", false},
        {"198.18.0.1", false},
        {"198.19.255.255", false},
        {"224.0.0.1", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"2606:4700::1111", true},
        {"2001:4860:4860::8888", true},
        {"::", false},
        {"::1", false},
        {"::ffff:8.8.8.8", true},
        {"::ffff:127.0.0.1", false},
        {"::ffff:10.1.2.3", false},
        {"::127.0.0.1", false},
        {"64:ff9b::7f00:1", false},
        {"2002:7f00:1::", false},
        {"2001::1", false},
        {"2001:1ff::1", false},
        {"2001:db8::1", false},
        {"fc00::1", false},
        {"fd00::1", false},
        {"fe80::1", false},
        {"ff02::1", false},
        {"4000::1", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool colon = strchr(rows[i].text, ':');
        assert_int_equal(inet_pton(colon ? AF_INET6 : AF_INET, rows[i].text,
                                   colon ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr),
                         1);
        if (address_guard_is_public(colon ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4) !=
            rows[i].ok)
            fail_msg("%s", rows[i].text);
    }
    assert_false(address_guard_is_public(&(struct sockaddr){.sa_family = AF_UNIX}));
}

/* ---- the upgrade
 * ------------------------------------------------------------------------------------ */

static enum http_upgrade_result answer(struct http_upgrade *upgrade, const char *text, size_t step,
                                       size_t *total, int *http_status, char *why, size_t why_size)
{
    enum http_upgrade_result result = HTTP_UPGRADE_MORE;
    size_t len = strlen(text), used;

    *total = 0;
    while (*total < len && result == HTTP_UPGRADE_MORE) {
        size_t n = len - *total < step ? len - *total : step;
        result = http_upgrade_read(upgrade, text + *total, n, &used, http_status, why, why_size);
        *total += used;
    }
    return result;
}

static void test_upgrade(void **state)
{
    static const char *const headers[] = {"X-Key", "value", NULL};
    char text[1024], why[160];
    struct http_upgrade upgrade;
    struct buf out;
    size_t total;
    int http_status;

    (void)state;
    for (size_t step = 1; step < 300; step += 7) {
        buf_init(&out, HTTP_UPGRADE_MAX_BYTES);
        assert_int_equal(http_upgrade_websocket(&upgrade, "host:1", "/p?q", headers, &out), 0);
        assert_int_equal(strncmp(out.data, "GET /p?q HTTP/1.1\r\nHost: host:1\r\n", 33), 0);
        assert_non_null(strstr(out.data, "\r\nX-Key: value\r\n"));
        assert_string_equal(out.data + out.len - 4, "\r\n\r\n");
        snprintf(
            text, sizeof(text),
            "HTTP/1.1 101 Whatever\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
            "Sec-WebSocket-Accept:   %s\r\nSet-Cookie: a=b\r\n\r\nFRAMES",
            upgrade.accept);
        assert_int_equal(answer(&upgrade, text, step, &total, &http_status, why, sizeof(why)),
                         HTTP_UPGRADE_DONE);
        assert_string_equal(text + total, "FRAMES");
        buf_deinit(&out);
    }
}

static void test_bad_upgrades(void **state)
{
    static const struct {
        const char *text;
        int http_status;
        const char *why;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nbody", 403, "HTTP 403"},
        {"HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n", 302, "HTTP 302"},
        {"HTTP/1.1 101 S\r\n\r\n", 101, "the answer does not upgrade to WebSocket"},
        {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 101,
         "Sec-WebSocket-Accept does not fit the key"},
        {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
         "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
         101, "Sec-WebSocket-Accept does not fit the key"},
        {"SSH-2.0-OpenSSH\r\n", 0, "the answer is not HTTP"},
        {"\x15\x03\x01", 0, "the answer is not HTTP"},
    };
    static const char *const injected[] = {"X", "a\r\nY: b", NULL};
    char why[160], *large;
    struct http_upgrade upgrade;
    struct buf out;
    size_t total;
    int http_status;

    (void)state;
    buf_init(&out, HTTP_UPGRADE_MAX_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_reset(&out);
        assert_int_equal(http_upgrade_websocket(&upgrade, "h", "/", NULL, &out), 0);
        assert_int_equal(
            answer(&upgrade, rows[i].text, 1000, &total, &http_status, why, sizeof(why)),
            HTTP_UPGRADE_FAILED);
        assert_int_equal(http_status, rows[i].http_status);
        assert_string_equal(why, rows[i].why);
    }
    buf_reset(&out);
    assert_int_equal(http_upgrade_websocket(&upgrade, "h", "/", injected, &out), ANTIPHON_EINVAL);
    buf_reset(&out);
    assert_int_equal(http_upgrade_connect(&upgrade, "h:1", "Basic eA==", &out), 0);
    assert_string_equal(
        out.data, "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nProxy-Authorization: Basic eA==\r\n\r\n");
    assert_int_equal(
        answer(&upgrade, "HTTP/1.1 200 OK\r\n\r\nTLS", 100, &total, &http_status, why, sizeof(why)),
        HTTP_UPGRADE_DONE);
    assert_int_equal(total, 19);
    buf_reset(&out);
    assert_int_equal(http_upgrade_connect(&upgrade, "h:1", "", &out), 0);
    large = malloc(20001);
    memset(large, 'a', 20000);
    memcpy(large, "HTTP/1.1 200 OK\r\nX: ", 20);
    large[20000] = '\0';
    assert_int_equal(answer(&upgrade, large, 1000, &total, &http_status, why, sizeof(why)),
                     HTTP_UPGRADE_FAILED);
    assert_non_null(strstr(why, "16384"));
    free(large);
    buf_deinit(&out);
}

/* ---- timers
 * ------------------------------------------------------------------------------------------- */

static struct timer_wheel wheel;
static struct timer timers[100];
static int fired[100];
static uint64_t now;

static void on_fire(void *ctx)
{
    struct timer *timer = ctx;
    long i = timer - timers;

    assert_true(now >= timer->due_ms);
    assert_false(timer_active(timer));
    fired[i]++;
    if (i == 1) /* again and again */
        timer_wheel_add(&wheel, timer);
    if (i == 2) { /* stops its neighbours, one of them due in the same tick */
        timer_wheel_remove(&timers[3]);
        timer_wheel_remove(&timers[4]);
    }
}

static void add(unsigned i, uint64_t due)
{
    timers[i] = (struct timer){.due_ms = due, .fn = on_fire, .ctx = &timers[i]};
    timer_wheel_add(&wheel, &timers[i]);
}

static void test_wheel(void **state)
{
    uint64_t next;

    (void)state;
    now = 123456789;
    timer_wheel_init(&wheel, now);
    assert_false(timer_wheel_next(&wheel, &next));
    timer_wheel_remove(&timers[0]); /* idle */
    add(0, now + 1000);
    assert_true(timer_wheel_next(&wheel, &next));
    assert_true(next >= now + 1000 && next < now + 1020);
    now += 999;
    timer_wheel_run(&wheel, now);
    assert_int_equal(fired[0], 0);
    now += 20;
    timer_wheel_run(&wheel, now);
    assert_int_equal(fired[0], 1);

    add(1, now); /* past: in the next tick, and once a run */
    timer_wheel_run(&wheel, now);
    assert_int_equal(fired[1], 0);
    for (int i = 1; i <= 5; i++) {
        now += TIMER_TICK_MS;
        timer_wheel_run(&wheel, now);
        assert_int_equal(fired[1], i);
    }
    timer_wheel_remove(&timers[1]);

    add(2, now + 50);
    add(3, now + 50);
    add(4, now + 70);
    now += 10000; /* several turns of the wheel at once */
    timer_wheel_run(&wheel, now);
    assert_int_equal(fired[2], 1);
    assert_int_equal(fired[3] + fired[4], 0);

    for (unsigned i = 10; i < 100; i++) /* up to 45 s: many turns ahead */
        add(i, now + i * 450);
    while (timer_wheel_next(&wheel, &next)) {
        assert_true(next > now);
        now = next;
        timer_wheel_run(&wheel, now);
    }
    for (unsigned i = 10; i < 100; i++)
        assert_int_equal(fired[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),   cmocka_unit_test(test_url),
        cmocka_unit_test(test_proxy),   cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_upgrade), cmocka_unit_test(test_bad_upgrades),
        cmocka_unit_test(test_wheel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
