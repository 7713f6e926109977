#include "net_kit.h"

#include "net/http_client.h"

static struct http_client *client;

/* ---- the server: answers each connection by its path
 * ----------------------------------------------------- */

struct server {
    int port, fd, requests; /* requests: under the kit's lock */
    pthread_t thread;
    char last[8192];
};
static struct server server;

static void answer(int fd, const char *request)
{
    char text[256], *large;

    if (!strncmp(request, "GET /hello", 10)) {
        kit_puts(fd, "HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello");
    } else if (!strncmp(request, "GET /missing", 12)) {
        kit_puts(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    } else if (!strncmp(request, "GET /redirect", 13)) {
        kit_puts(fd, "HTTP/1.1 302 Found\r\nX-First: yes\r\nLocation: /hello\r\nContent-Length: "
                     "4\r\n\r\nover");
    } else if (!strncmp(request, "GET /loop", 9)) {
        kit_puts(fd, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
    } else if (!strncmp(request, "GET /file", 9)) {
        kit_puts(fd,
                 "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
    } else if (!strncmp(request, "GET /large", 10)) {
        large = calloc(1, 2 << 20);
        kit_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n");
        if (send(fd, large, 2 << 20, MSG_NOSIGNAL) < 0)
            errno = 0; /* cut off by the other side, as it should be */
        free(large);
    } else if (!strncmp(request, "GET /half", 9)) {
        kit_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    } else if (!strncmp(request, "POST /echo", 10)) {
        const char *length = strcasestr(request, "content-length: ");
        size_t len = length ? strtoul(length + 16, NULL, 10) : 0;
        assert_true(len < sizeof(text));
        kit_recv_all(fd, text, len);
        text[len] = '\0';
        kit_puts(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        kit_puts(fd, text);
    } else if (!strncmp(request, "GET /silent", 11)) {
        kit_recv(fd, text, 1); /* until the other side gives up */
    } else {
        kit_puts(fd, "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n");
    }
}

static void *serve(void *arg)
{
    char request[8192];
    int fd;

    (void)arg;
    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        if (kit_recv_head(fd, request, sizeof(request))) {
            kit_lock();
            server.requests++;
            snprintf(server.last, sizeof(server.last), "%s", request);
            kit_unlock();
            answer(fd, request);
        }
        close(fd);
    }
    return NULL;
}

/* ---- a request
 * ----------------------------------------------------------------------------------------- */

struct result { /* under the kit's lock */
    int done, status, http_status;
    char error[256], headers[512], body[512];
    size_t body_len;
};

static void on_done(void *ctx, const struct antiphon_http_response *response)
{
    struct result *result = ctx;

    kit_lock();
    result->done++;
    result->status = response->status;
    result->http_status = response->http_status;
    result->body_len = response->body_len;
    snprintf(result->error, sizeof(result->error), "%s", response->error ? response->error : "");
    snprintf(result->headers, sizeof(result->headers), "%s", response->headers);
    snprintf(result->body, sizeof(result->body), "%s", (const char *)response->body);
    kit_unlock();
}

static struct antiphon_http_request request_for(const char *path, char *url, size_t size)
{
    snprintf(url, size, "http://127.0.0.1:%d%s", server.port, path);
    return (struct antiphon_http_request){.struct_size = sizeof(struct antiphon_http_request),
                                          .flags = ANTIPHON_HTTP_ALLOW_PRIVATE,
                                          .url = url};
}

static struct result ask(const struct antiphon_http_request *request)
{
    struct result result = {0};

    assert_int_equal(http_client_submit(client, request, on_done, &result), 0);
    KIT_WAIT(result.done);
    return result;
}

static struct result get(const char *path)
{
    char url[256];
    struct antiphon_http_request request = request_for(path, url, sizeof(url));

    return ask(&request);
}

static void test_get(void **state)
{
    struct result result = get("/hello?x=1");

    (void)state;
    assert_int_equal(result.status, 0);
    assert_int_equal(result.http_status, 200);
    assert_string_equal(result.body, "hello");
    assert_non_null(strstr(result.headers, "X-One: 1\r\n"));
    result = get("/missing"); /* an answer all the same */
    assert_int_equal(result.status, 0);
    assert_int_equal(result.http_status, 404);
    assert_string_equal(result.body, "no");
}

struct parts {
    struct result result; /* first: what on_done() gets */
    size_t seen, enough;
    int http_status;
};

static bool on_part(void *ctx, const struct antiphon_http_response *response)
{
    struct parts *parts = ctx;

    kit_lock();
    parts->seen += response->body_len;
    parts->http_status = response->http_status;
    bool more = parts->seen < parts->enough;
    kit_unlock();
    return more;
}

static struct parts get_parts(const char *path, size_t enough, uint32_t max)
{
    struct parts parts = {.enough = enough};
    char url[256];
    struct antiphon_http_request request = request_for(path, url, sizeof(url));

    request.part = on_part;
    request.max_body = max;
    assert_int_equal(http_client_submit(client, &request, on_done, &parts), 0);
    KIT_WAIT(parts.result.done);
    return parts;
}

static void test_parts(void **state)
{
    struct parts parts = get_parts("/redirect", 100, 0);

    (void)state;
    assert_int_equal(parts.result.status, 0);
    assert_int_equal(parts.http_status, 200);
    assert_int_equal(parts.seen, 5); /* of the last answer alone */
    assert_int_equal(parts.result.body_len, 0);
    parts = get_parts("/large", 100000, 4u << 20);
    assert_int_equal(parts.result.status, ANTIPHON_ECANCELLED);
    assert_true(parts.seen >= 100000 && parts.seen < 1 << 20);
    parts = get_parts("/large", 4u << 20, 1000000);
    assert_int_equal(parts.result.status, ANTIPHON_ETOOBIG);
    assert_true(parts.seen <= 1000000);
}

static void test_post(void **state)
{
    static const char *const headers[] = {"Authorization", "Bearer x", "X-Empty", "", NULL};
    char url[256];
    struct antiphon_http_request request = request_for("/echo", url, sizeof(url));
    struct result result;

    (void)state;
    request.method = "POST";
    request.headers = headers;
    request.body = "body";
    request.body_len = 4;
    result = ask(&request);
    assert_string_equal(result.body, "body");
    assert_non_null(strstr(server.last, "\r\nAuthorization: Bearer x\r\n"));
    assert_non_null(strstr(server.last, "\r\nX-Empty:"));
    request.body_len = 0;
    result = ask(&request);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.body, "");
}

static void test_redirects(void **state)
{
    struct result result = get("/redirect");

    (void)state;
    assert_int_equal(result.http_status, 200);
    assert_string_equal(result.body, "hello"); /* not the first one's */
    assert_null(strstr(result.headers, "X-First"));
    result = get("/loop");
    assert_int_equal(result.status, ANTIPHON_EPROTOCOL);
    result = get("/file");
    assert_int_equal(result.status, ANTIPHON_EINVAL);
    assert_null(strstr(result.body, "root"));
}

static void test_limits(void **state)
{
    char url[256];
    struct antiphon_http_request request = request_for("/hello", url, sizeof(url));
    struct result result;

    (void)state;
    request.max_body = 5;
    result = ask(&request);
    assert_int_equal(result.status, 0);
    request.max_body = 4;
    result = ask(&request);
    assert_int_equal(result.status, ANTIPHON_ETOOBIG);
    assert_string_equal(result.error, "the answer is too long");
    result = get("/large"); /* 1 MiB by itself */
    assert_int_equal(result.status, ANTIPHON_ETOOBIG);
    request = request_for("/silent", url, sizeof(url));
    request.timeout_ms = 100;
    result = ask(&request);
    assert_int_equal(result.status, ANTIPHON_ETIMEOUT);
    result = get("/half");
    assert_int_equal(result.status, ANTIPHON_EPROTOCOL);
}

static void test_bad_requests(void **state)
{
    static const char *const urls[] = {"",        "file:///etc/passwd", "gopher://a/",
                                       "http://", "http://a\n",         "ftp://a/"};
    static const char *const injected[] = {"X", "a\r\nY: b", NULL};
    struct antiphon_http_request request = {.struct_size = sizeof(request)};
    struct result result = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        request.url = urls[i];
        assert_int_equal(http_client_submit(client, &request, on_done, &result), ANTIPHON_EINVAL);
    }
    request.url = "http://a/";
    request.headers = injected;
    assert_int_equal(http_client_submit(client, &request, on_done, &result), ANTIPHON_EINVAL);
    assert_int_equal(result.done, 0);
}

/* Loopback by every name, without asking for it: no connection is made. */
static void test_guard(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost",  "[::1]",  "[::ffff:127.0.0.1]",
                                        "0.0.0.0",   "2130706433", "0x7f.1", "169.254.169.254",
                                        "10.0.0.1",  "[::]"};
    int before = server.requests;

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char url[256];
        struct antiphon_http_request request = {.struct_size = sizeof(request), .url = url};
        struct result result;
        snprintf(url, sizeof(url), "http://%s:%d/hello", hosts[i], server.port);
        result = ask(&request);
        if (result.status != ANTIPHON_EDENIED && result.status != ANTIPHON_EUNAVAILABLE)
            fail_msg("%s: %d %s", hosts[i], result.status, result.error);
        if (!strncmp(hosts[i], "127", 3))
            assert_string_equal(result.error, "the address is not a public one");
    }
    kit_lock();
    assert_int_equal(server.requests, before);
    kit_unlock();
    /* nor over a connection that an unguarded request has made */
    assert_int_equal(get("/hello").status, 0);
    {
        char url[256];
        struct antiphon_http_request request = request_for("/hello", url, sizeof(url));
        request.flags = 0;
        assert_int_equal(ask(&request).status, ANTIPHON_EDENIED);
    }
}

static void test_refused(void **state)
{
    char url[64];
    struct antiphon_http_request request = {
        .struct_size = sizeof(request), .url = url, .flags = ANTIPHON_HTTP_ALLOW_PRIVATE};
    int port, fd = kit_listen(&port);
    struct result result;

    (void)state;
    close(fd);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    result = ask(&request);
    assert_int_equal(result.status, ANTIPHON_EUNAVAILABLE);
    assert_true(*result.error);
}

#define MANY 1000

/* The bound, and that stopping ends what is under way: each exactly once. */
static void test_bound_and_stop(void **state)
{
    struct result *results = calloc(MANY + 1, sizeof(*results));
    char url[256];
    struct antiphon_http_request request = request_for("/silent", url, sizeof(url));
    struct err err = {0};
    struct http_client *own;

    (void)state;
    assert_int_equal(http_client_start(&own, &err), 0);
    request.timeout_ms = 60000;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(http_client_submit(own, &request, on_done, &results[i]), 0);
    assert_int_equal(http_client_submit(own, &request, on_done, &results[MANY]), ANTIPHON_EBUSY);
    http_client_stop(own);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(results[i].done, 1);
        assert_int_equal(results[i].status, ANTIPHON_ECANCELLED);
    }
    assert_int_equal(results[MANY].done, 0);
    free(results);
}

static int set_up(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    server.fd = kit_listen(&server.port);
    pthread_create(&server.thread, NULL, serve, NULL);
    return http_client_start(&client, &err);
}

static int tear_down(void **state)
{
    (void)state;
    http_client_stop(client);
    http_client_stop(NULL);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),          cmocka_unit_test(test_post),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_redirects),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_guard),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_bound_and_stop),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
