#include "net_kit.h"

#include <ftw.h>
#include <sys/stat.h>

#include "net/static_files.h"

static char folder[] = "/tmp/antiphon-static-XXXXXX";
static struct static_files *files;
static struct shard *shard;
static int port;
static char answer[4 * 1024 * 1024];

#define LARGE (3u * 1024 * 1024)

static void put(const char *name, const char *text, size_t len)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void make_folder(void)
{
    char path[256], *large = malloc(LARGE);

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/js", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    put("index.html", "<!doctype html>", 15);
    put("js/app.js", "let a;", 6);
    put("empty.css", "", 0);
    put(".hidden", "x", 1);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)('a' + i % 23);
    put("large.wav", large, LARGE);
    free(large);
    snprintf(path, sizeof(path), "%s/outside.txt", folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof(path), "%s/inside.js", folder);
    assert_int_equal(symlink("js/app.js", path), 0);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A route of its own: /route answers with what it was asked. */
static void on_request(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    (void)ctx;
    assert_non_null(shard_self());
    if (strcmp(request->path, "/route"))
        return;
    reply->status = 200;
    reply->content_type = "text/plain";
    buf_printf(&reply->body, "%s %s %s %s", request->method, request->path, request->host,
               request->origin);
}

static int refuse(void *ctx, struct shard *on, const struct ws_upgrade *upgrade, void **conn_ctx)
{
    (void)ctx;
    (void)on;
    (void)upgrade;
    (void)conn_ctx;
    return 403;
}

static const struct ws_server_options ws = {
    .max_connections = 10, .max_message = 1000, .on_upgrade = refuse};
static struct http_server_options http = {.on_request = on_request};

static int set_up(void **state)
{
    struct err err = {0};
    int reserve = -1;
    struct shard_options options = {.host = "127.0.0.1", .ws = &ws, .http = &http};

    (void)state;
    make_folder();
    assert_int_equal(static_files_load(folder, &files, &err), 0);
    http.files = files;
    assert_int_equal(listener_probe("127.0.0.1", &port, &reserve, &err), 0);
    options.port = port;
    assert_int_equal(shard_start(&options, &shard, &err), 0);
    close(reserve);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shard_stop(shard);
    static_files_free(files);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static const char *ask(const char *method, const char *path, const char *headers)
{
    char request[2048];

    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n%s\r\n",
             method, path, headers);
    kit_http(port, request, answer, sizeof(answer));
    return answer;
}

static const char *body(void)
{
    const char *end = strstr(answer, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static void expect(int status, const char *part)
{
    char line[32];

    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (strncmp(answer, line, strlen(line)) || (part && !strstr(answer, part)))
        fail_msg("expected %d and \"%s\":\n%.1000s", status, part ? part : "", answer);
}

static void test_files(void **state)
{
    char headers[128], etag[64];
    const char *at;

    (void)state;
    ask("GET", "/", "");
    expect(200, "Content-Type: text/html; charset=utf-8\r\n");
    expect(200, "Content-Security-Policy: default-src 'none'; script-src 'self';");
    expect(200, "X-Content-Type-Options: nosniff\r\n");
    expect(200, "Referrer-Policy: no-referrer\r\n");
    expect(200, "Cache-Control: no-cache\r\n");
    assert_string_equal(body(), "<!doctype html>");
    ask("GET", "/static/js/app.js", "");
    expect(200, "Content-Type: text/javascript; charset=utf-8\r\n");
    assert_null(strstr(answer, "Content-Security-Policy"));
    assert_string_equal(body(), "let a;");
    at = strstr(answer, "ETag: ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "ETag: %63s", etag), 1);
    ask("GET", "/static/inside.js", "");
    expect(200, etag); /* from the content alone */

    snprintf(headers, sizeof(headers), "If-None-Match: \"x\", W/%s\r\n", etag);
    ask("GET", "/static/js/app.js", headers);
    expect(304, etag);
    assert_string_equal(body(), "");
    ask("GET", "/static/js/app.js", "If-None-Match: \"other\"\r\n");
    expect(200, NULL);
    ask("HEAD", "/static/js/app.js", "");
    expect(200, "Content-Length: 6\r\n");
    assert_string_equal(body(), "");
    ask("GET", "/static/empty.css", "");
    expect(200, "Content-Length: 0\r\n");
}

static void test_ranges(void **state)
{
    (void)state;
    ask("GET", "/static/js/app.js", "Range: bytes=1-3\r\n");
    expect(206, "Content-Range: bytes 1-3/6\r\n");
    assert_string_equal(body(), "et ");
    ask("GET", "/static/js/app.js", "Range: bytes=6-\r\n");
    expect(416, "Content-Range: bytes */6\r\n");
    assert_string_equal(body(), "");
    ask("GET", "/static/js/app.js", "Range: bytes=0-0,2-2\r\n");
    expect(200, "Content-Length: 6\r\n");
    ask("GET", "/static/js/app.js", "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n");
    expect(200, NULL);
}

static void test_missing(void **state)
{
    static const char *const paths[] = {
        "/nothing",         "/static/",    "/static/.hidden", "/static/outside.txt",
        "/static/js",       "/index.html", "/static/js/",     "/static/../../etc/passwd",
        "/static/%2e%2e/x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask("GET", paths[i], "");
        expect(404, "{\"detail\":\"Not Found\"}");
    }
    ask("POST", "/static/js/app.js", "Content-Length: 3\r\n");
    expect(405, "Allow: GET, HEAD\r\n");
    expect(405, "Connection: close\r\n");
    ask("HEAD", "/", "");
    expect(405, "Allow: GET\r\n");
    ask("GET", "/static", "");
    expect(307, "Location: /static/\r\n");
    ask("DELETE", "/static/js/app.js", "");
    expect(405, NULL);
    ask("POST", "/nothing", "");
    expect(404, NULL);
}

static void test_route(void **state)
{
    (void)state;
    ask("GET", "/route?x=1", "Origin: http://o\r\n");
    expect(200, "Cache-Control: no-store\r\n");
    assert_string_equal(body(), "GET /route h:1 http://o");
    ask("POST", "/route", "Content-Length: 0\r\n");
    expect(200, NULL);
    assert_string_equal(body(), "POST /route h:1 ");
    ask("HEAD", "/route", "");
    expect(200, "Content-Length: 16\r\n");
    assert_string_equal(body(), "");
    ask("PUT", "/route", "");
    expect(200, NULL);
    assert_string_equal(body(), "OTHER /route h:1 ");
}

static void test_large(void **state)
{
    size_t got;
    const char *head = "GET /static/large.wav HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
               *at;
    int fd = kit_connect_with(port, 8192);

    (void)state;
    kit_puts(fd, head);
    got = kit_recv_to_end(fd, answer, sizeof(answer));
    close(fd);
    expect(200, "Content-Type: audio/wav\r\n");
    at = body();
    assert_int_equal(got - (size_t)(at - answer), LARGE);
    for (size_t i = 0; i < LARGE; i++)
        if (at[i] != (char)('a' + i % 23))
            fail_msg("byte %zu differs", i);
}

/* Several requests on one connection, the later ones sent before the earlier answers are read. */
static void test_keep_alive(void **state)
{
    int fd = kit_connect(port);

    (void)state;
    kit_puts(fd, "GET /static/js/app.js HTTP/1.1\r\nHost: h\r\n\r\n"
                 "HEAD /static/empty.css HTTP/1.1\r\nHost: h\r\n\r\n"
                 "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"
                 "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    kit_recv_to_end(fd, answer, sizeof(answer));
    close(fd);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/javascript", 46), 0);
    assert_non_null(strstr(answer, "let a;HTTP/1.1 200 OK\r\nContent-Type: text/css"));
    assert_non_null(strstr(answer, "{\"detail\":\"Not Found\"}HTTP/1.1 200 OK\r\n"));
    assert_string_equal(answer + strlen(answer) - 15, "<!doctype html>");
}

static void test_garbage(void **state)
{
    static const char *const requests[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\n: \r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /%00x HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    char *path = malloc(9000);

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int fd = kit_connect(port);
        kit_puts(fd, requests[i]);
        shutdown(fd, SHUT_WR);
        kit_recv_to_end(fd, answer, sizeof(answer));
        close(fd);
        if (strstr(answer, " 200 "))
            fail_msg("request %zu was answered: %.200s", i, answer);
    }
    memset(path, 'a', 9000);
    path[0] = '/';
    path[1500] = '\0';
    ask("GET", path, "");
    expect(400, NULL);
    free(path);
    ask("GET", "/", ""); /* and it still serves */
    expect(200, NULL);
}

static void test_load_failures(void **state)
{
    char path[64];
    struct static_files *none = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(static_files_load("/no/such/folder", &none, &err), ANTIPHON_ENOTFOUND);
    assert_non_null(strstr(err.text, "/no/such/folder"));
    snprintf(path, sizeof(path), "%s/js", folder);
    assert_int_equal(static_files_load(path, &none, &err), ANTIPHON_ENOTFOUND);
    assert_non_null(strstr(err.text, "index.html"));
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),   cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_route),
        cmocka_unit_test(test_large),   cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_garbage), cmocka_unit_test(test_load_failures),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
