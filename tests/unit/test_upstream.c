/* The client side against servers that a thread of the test plays, one script each. */
#include "net_kit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/base64.h"
#include "base/metrics.h"

static struct shard *shard;
static char trust[] = "/tmp/antiphon-trust-XXXXXX";
static EVP_PKEY *key;
static X509 *certificate;

/* ---- the client
 * --------------------------------------------------------------------------------------- */

struct client {
    struct upstream *upstream;
    char url[256];
    struct antiphon_ws_request request;
    enum antiphon_status opened;
    bool within_open;
    /* guarded by the kit's lock */
    bool open, closed, early;
    int messages;
    size_t bytes, last_len;
    char last[256];
    struct antiphon_ws_end end;
    char reason[256];
    /* what its handlers do */
    bool close_on_open, close_on_message;
    /* to send */
    enum antiphon_ws_kind kind;
    char *data;
    size_t len;
    unsigned times, ok, busy, failed;
};

static void on_open(void *ctx)
{
    struct client *client = ctx;

    if (client->close_on_open)
        upstream_close(client->upstream, 1000, "");
    kit_lock();
    client->open = true;
    client->early = client->early || client->within_open;
    kit_unlock();
}

static void on_message(void *ctx, const char *data, size_t len)
{
    struct client *client = ctx;

    kit_lock();
    client->messages++;
    client->bytes += len;
    client->last_len = len;
    memset(client->last, 0, sizeof(client->last));
    memcpy(client->last, data, len < sizeof(client->last) - 1 ? len : sizeof(client->last) - 1);
    kit_unlock();
    if (client->close_on_message)
        upstream_close(client->upstream, 4000, "enough");
}

static void on_close(void *ctx, const struct antiphon_ws_end *end)
{
    struct client *client = ctx;

    upstream_close(client->upstream, 1000, "too late, and harmless");
    kit_lock();
    client->closed = true;
    client->early = client->early || client->within_open;
    client->end = *end;
    snprintf(client->reason, sizeof(client->reason), "%s", end->reason);
    kit_unlock();
}

static const struct antiphon_ws_handlers handlers = {.struct_size = sizeof(handlers),
                                                     .on_open = on_open,
                                                     .on_message = on_message,
                                                     .on_close = on_close};

static void do_open(struct shard *on, void *arg)
{
    struct client *client = arg;

    client->request.struct_size = sizeof(client->request);
    client->request.url = client->url;
    client->within_open = true;
    client->opened = upstream_open(on, &client->request, &handlers, client, &client->upstream);
    client->within_open = false;
}

static void do_send(struct shard *on, void *arg)
{
    struct client *client = arg;

    (void)on;
    client->ok = client->busy = client->failed = 0;
    for (unsigned i = 0; i < client->times; i++) {
        struct antiphon_span parts[2] = {
            {client->data, client->len / 2},
            {client->data + client->len / 2, client->len - client->len / 2}};
        switch (upstream_send(client->upstream, client->kind, parts, 2)) {
        case ANTIPHON_OK:
            client->ok++;
            break;
        case ANTIPHON_EBUSY:
            client->busy++;
            break;
        default:
            client->failed++;
        }
    }
}

static void do_close(struct shard *on, void *arg)
{
    struct client *client = arg;

    (void)on;
    upstream_close(client->upstream, 1001, "bye");
}

static void do_open_and_close(struct shard *on, void *arg)
{
    do_open(on, arg);
    do_close(on, arg);
}

static void start(struct client *client, const char *scheme, int port, const char *path)
{
    snprintf(client->url, sizeof(client->url), "%s://127.0.0.1:%d%s", scheme, port, path);
    kit_on(shard, do_open, client);
    assert_int_equal(client->opened, 0);
}

static void expect_end(struct client *client, enum antiphon_ws_stage stage,
                       enum antiphon_status status, int code, const char *reason)
{
    KIT_WAIT(client->closed);
    assert_false(client->early);
    if ((int)client->end.stage != (int)stage || client->end.status != (int)status ||
        client->end.code != code || strcmp(client->reason, reason))
        fail_msg("stage %d, status %d, code %d: %s", (int)client->end.stage, client->end.status,
                 client->end.code, client->reason);
}

/* ---- the server: one thread, one connection
 * ------------------------------------------------------------- */

struct server {
    int port, fd;
    pthread_t thread;
    void (*script)(struct server *server, int fd);
    int connections; /* how many it serves */
    SSL_CTX *tls;
    SSL *ssl;
    char request[4096];
    bool resumed;
    sem_t go; /* lets a script wait for the test */
    size_t received;
};

static void *serve(void *arg)
{
    struct server *server = arg;

    for (int i = 0; i < server->connections; i++) {
        int fd = accept(server->fd, NULL, NULL);
        server->script(server, fd);
        close(fd);
    }
    return NULL;
}

static void serve_start(struct server *server, void (*script)(struct server *server, int fd))
{
    server->fd = kit_listen(&server->port);
    server->script = script;
    if (!server->connections)
        server->connections = 1;
    sem_init(&server->go, 0, 0);
    pthread_create(&server->thread, NULL, serve, server);
}

static void serve_end(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->fd);
    sem_destroy(&server->go);
}

static void make_accept(const char *request, char accept[32])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char text[128];
    const char *at = strstr(request, "Sec-WebSocket-Key: ");

    snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", at ? at + 19 : "");
    EVP_Digest(text, strlen(text), hash, NULL, EVP_sha1(), NULL);
    base64_encode(hash, 20, accept);
}

static void answer_upgrade(struct server *server, int fd)
{
    char accept[32], answer[256];

    kit_recv_head(fd, server->request, sizeof(server->request));
    make_accept(server->request, accept);
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    kit_puts(fd, answer);
}

static void read_to_end(int fd)
{
    char data[4096];

    while (kit_recv(fd, data, sizeof(data)))
        ;
}

/* Reads one masked frame; its first byte, or 0. */
static unsigned read_frame(int fd, char *data, size_t *len)
{
    unsigned char head[14], mask[4];
    size_t n;

    if (!kit_recv(fd, (char *)head, 1))
        return 0;
    kit_recv_all(fd, (char *)head + 1, 1);
    assert_true(head[1] & 0x80);
    n = head[1] & 0x7fu;
    if (n >= 126) {
        size_t bytes = n == 126 ? 2 : 8;
        kit_recv_all(fd, (char *)head + 2, bytes);
        n = 0;
        for (size_t i = 0; i < bytes; i++)
            n = n << 8 | head[2 + i];
    }
    kit_recv_all(fd, (char *)mask, 4);
    kit_recv_all(fd, data, n);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)((unsigned char)data[i] ^ mask[i & 3]);
    data[n] = '\0';
    *len = n;
    return head[0];
}

/* ---- coming up
 * ------------------------------------------------------------------------------------------- */

static void test_bad_requests(void **state)
{
    static const char *const urls[] = {"", "ftp://a/", "ws://user:secret@a/", "ws://a b/"};
    static const char *const injected[] = {"X-Key", "a\r\nY: b", NULL};
    struct client client = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        snprintf(client.url, sizeof(client.url), "%s", urls[i]);
        kit_on(shard, do_open, &client);
        assert_int_equal(client.opened, ANTIPHON_EINVAL);
    }
    snprintf(client.url, sizeof(client.url), "ws://127.0.0.1:1/");
    client.request.headers = injected;
    kit_on(shard, do_open, &client);
    assert_int_equal(client.opened, ANTIPHON_EINVAL);
    assert_false(client.closed);
}

static void test_unresolvable(void **state)
{
    struct client client = {0};

    (void)state;
    snprintf(client.url, sizeof(client.url), "ws://no-such-name.invalid/x?key=secret");
    client.request.resolve_timeout_ms = 20000;
    kit_on(shard, do_open, &client);
    assert_int_equal(client.opened, 0);
    KIT_WAIT(client.closed);
    assert_int_equal(client.end.stage, ANTIPHON_WS_RESOLVE);
    assert_int_equal(client.end.status, ANTIPHON_EUNAVAILABLE);
    assert_int_equal(strncmp(client.reason, "cannot resolve no-such-name.invalid: ", 37), 0);
    assert_null(strstr(client.reason, "secret"));
}

static void test_refused(void **state)
{
    struct client client = {0};
    int port, fd = kit_listen(&port);

    (void)state;
    close(fd);
    start(&client, "ws", port, "/");
    expect_end(&client, ANTIPHON_WS_CONNECT, ANTIPHON_EUNAVAILABLE, 1006, "connection refused");
}

static void wait_for_test(struct server *server, int fd)
{
    (void)fd;
    while (sem_wait(&server->go))
        ;
}

static void test_silent(void **state)
{
    struct client client = {.request.connect_timeout_ms = 150};
    struct server server = {0};

    (void)state;
    serve_start(&server, wait_for_test);
    start(&client, "ws", server.port, "/");
    expect_end(&client, ANTIPHON_WS_UPGRADE, ANTIPHON_ETIMEOUT, 1006,
               "no answer to the upgrade in time");
    sem_post(&server.go);
    serve_end(&server);
    memset(&client, 0, sizeof(client));
    client.request.connect_timeout_ms = 150;
    memset(&server, 0, sizeof(server));
    serve_start(&server, wait_for_test);
    start(&client, "wss", server.port, "/");
    expect_end(&client, ANTIPHON_WS_TLS, ANTIPHON_ETIMEOUT, 1006, "the TLS handshake timed out");
    sem_post(&server.go);
    serve_end(&server);
}

static void forbid(struct server *server, int fd)
{
    kit_recv_head(fd, server->request, sizeof(server->request));
    kit_puts(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret");
    read_to_end(fd);
}

static void test_forbidden(void **state)
{
    static const char *const headers[] = {"x-goog-api-key", "secret-key", "X-Two", "2", NULL};
    struct client client = {.request.headers = headers};
    struct server server = {0};

    (void)state;
    serve_start(&server, forbid);
    start(&client, "ws", server.port, "/path?query=1");
    expect_end(&client, ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 1006, "HTTP 403");
    assert_int_equal(client.end.http_status, 403);
    serve_end(&server);
    assert_int_equal(strncmp(server.request, "GET /path?query=1 HTTP/1.1\r\n", 28), 0);
    assert_non_null(strstr(server.request, "\r\nx-goog-api-key: secret-key\r\nX-Two: 2\r\n"));
    assert_null(strstr(server.request, "Extensions"));
}

static void hang_up(struct server *server, int fd)
{
    kit_recv_head(fd, server->request, sizeof(server->request));
}

static void test_hung_up(void **state)
{
    struct client client = {0};
    struct server server = {0};

    (void)state;
    serve_start(&server, hang_up);
    start(&client, "ws", server.port, "/");
    expect_end(&client, ANTIPHON_WS_UPGRADE, ANTIPHON_EUNAVAILABLE, 1006,
               "connection closed without an answer");
    serve_end(&server);
}

/* ---- TLS
 * ---------------------------------------------------------------------------------------------------
 */

static void make_certificate(void)
{
    X509_NAME *name;
    X509_EXTENSION *names;
    FILE *file;
    int fd = mkstemp(trust);

    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    file = fdopen(fd, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
}

static void tls_on(struct server *server)
{
    server->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(server->tls, certificate);
    SSL_CTX_use_PrivateKey(server->tls, key);
    SSL_CTX_set_session_id_context(server->tls, (const unsigned char *)"t", 1);
}

/* Upgrades, echoes text until the client closes. Blocking. */
static void tls_echo(struct server *server, int fd)
{
    SSL *ssl = SSL_new(server->tls);
    char accept[32], answer[256], *data = malloc(200000);
    size_t at = 0;
    int n;

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1)
        goto out;
    server->resumed = SSL_session_reused(ssl);
    memset(server->request, 0, sizeof(server->request));
    while (!strstr(server->request, "\r\n\r\n") &&
           (n = SSL_read(ssl, server->request + at, 1)) == 1)
        at++;
    make_accept(server->request, accept);
    n = snprintf(answer, sizeof(answer),
                 "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    SSL_write(ssl, answer, n);
    /* 100,000 bytes in one frame: many records, several of them in one read of the socket */
    memset(data, 'x', 200000);
    memcpy(data, "\x81\x7f\0\0\0\0\0\1\x86\xa0", 10);
    SSL_write(ssl, data, 100010);
    SSL_read(ssl, data, 200000); /* the close frame */
    SSL_shutdown(ssl);
out:
    SSL_free(ssl);
    free(data);
}

static void test_tls(void **state)
{
    struct server server = {.connections = 2};

    (void)state;
    tls_on(&server);
    serve_start(&server, tls_echo);
    for (int i = 0; i < 2; i++) {
        struct client client = {0};
        start(&client, "wss", server.port, "/");
        KIT_WAIT(client.messages == 1 || client.closed);
        if (client.closed)
            fail_msg("%s", client.reason);
        assert_int_equal(client.last_len, 100000);
        assert_int_equal(client.last[0], 'x');
        kit_on(shard, do_close, &client);
    }
    serve_end(&server);
    assert_true(server.resumed); /* the second time */
    SSL_CTX_free(server.tls);
}

static void test_wrong_name(void **state)
{
    struct client client = {0};
    struct server server = {0};

    (void)state;
    tls_on(&server);
    serve_start(&server, tls_echo);
    snprintf(client.url, sizeof(client.url), "wss://localhost:%d/", server.port);
    kit_on(shard, do_open, &client);
    expect_end(&client, ANTIPHON_WS_TLS, ANTIPHON_EPROTOCOL, 1006,
               "certificate verify failed: hostname mismatch");
    serve_end(&server);
    SSL_CTX_free(server.tls);
}

static void test_untrusted(void **state)
{
    struct client client = {0};
    struct server server = {0};

    (void)state; /* set up without SSL_CERT_FILE */
    tls_on(&server);
    serve_start(&server, tls_echo);
    start(&client, "wss", server.port, "/");
    expect_end(&client, ANTIPHON_WS_TLS, ANTIPHON_EPROTOCOL, 1006,
               "certificate verify failed: self-signed certificate");
    serve_end(&server);
    SSL_CTX_free(server.tls);
}

static void speak_plainly(struct server *server, int fd)
{
    (void)server;
    kit_puts(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    read_to_end(fd);
}

static void test_no_tls(void **state)
{
    struct client client = {0};
    struct server server = {0};

    (void)state;
    serve_start(&server, speak_plainly);
    start(&client, "wss", server.port, "/");
    expect_end(&client, ANTIPHON_WS_TLS, ANTIPHON_EPROTOCOL, 1006, "wrong version number");
    serve_end(&server);
}

/* ---- open
 * --------------------------------------------------------------------------------------------------
 */

/* Everything in one segment with the answer of the upgrade. */
static void talk(struct server *server, int fd)
{
    char accept[32], answer[512], data[256];
    size_t len;
    int n;

    kit_recv_head(fd, server->request, sizeof(server->request));
    make_accept(server->request, accept);
    n = snprintf(answer, sizeof(answer),
                 "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    memcpy(answer + n, "\x81\x05hello\x89\x04ping\x02\x02wo\x80\x03rld", 22);
    kit_send(fd, answer, (size_t)n + 22);
    assert_int_equal(read_frame(fd, data, &len), 0x8a);
    assert_string_equal(data, "ping");
    assert_int_equal(read_frame(fd, data, &len), 0x81);
    assert_string_equal(data, "to you");
    kit_send(fd, "\x88\x0b\x03\xf4try later", 13); /* 1012 */
    assert_int_equal(read_frame(fd, data, &len), 0x88);
    assert_int_equal(kit_ws_code(data), 1012);
    read_to_end(fd);
}

static void test_talk(void **state)
{
    struct client client = {.kind = ANTIPHON_WS_CONTROL, .times = 1};
    struct server server = {0};
    char text[] = "to you";

    (void)state;
    serve_start(&server, talk);
    start(&client, "ws", server.port, "/");
    KIT_WAIT(client.messages == 2);
    assert_string_equal(client.last, "world");
    client.data = text;
    client.len = 6;
    kit_on(shard, do_send, &client);
    assert_int_equal(client.ok, 1);
    expect_end(&client, ANTIPHON_WS_OPEN, ANTIPHON_OK, 1012, "try later");
    serve_end(&server);
}

static void drop(struct server *server, int fd)
{
    answer_upgrade(server, fd);
}

static void reset(struct server *server, int fd)
{
    struct linger linger = {1, 0};

    answer_upgrade(server, fd);
    wait_for_test(server, fd);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void break_off(struct server *server, int fd)
{
    answer_upgrade(server, fd);
    kit_send(fd, "\x81\x7e\x01\x00half", 8);
}

static void empty_close(struct server *server, int fd)
{
    answer_upgrade(server, fd);
    kit_send(fd, "\x88\x00", 2);
    read_to_end(fd);
}

static void bad_frame(struct server *server, int fd)
{
    char data[256];
    size_t len;

    answer_upgrade(server, fd);
    kit_send(fd, "\x83\x00", 2);
    assert_int_equal(read_frame(fd, data, &len), 0x88);
    assert_int_equal(kit_ws_code(data), 1002);
    read_to_end(fd);
}

static void too_big(struct server *server, int fd)
{
    char data[256];
    size_t len;

    answer_upgrade(server, fd);
    kit_send(fd, "\x81\x7e\x03\xe9", 4); /* 1001 bytes are to come */
    assert_int_equal(read_frame(fd, data, &len), 0x88);
    assert_int_equal(kit_ws_code(data), 1009);
    read_to_end(fd);
}

static void test_ends(void **state)
{
    static const struct {
        void (*script)(struct server *server, int fd);
        enum antiphon_status status;
        int code;
        const char *reason;
    } rows[] = {
        {drop, ANTIPHON_EUNAVAILABLE, 1006, "connection closed without a close frame"},
        {break_off, ANTIPHON_EUNAVAILABLE, 1006, "connection closed without a close frame"},
        {reset, ANTIPHON_EUNAVAILABLE, 1006, "Connection reset by peer"},
        {empty_close, ANTIPHON_OK, 1005, ""},
        {bad_frame, ANTIPHON_EPROTOCOL, 1002, "unknown opcode"},
        {too_big, ANTIPHON_ETOOBIG, 1009, "message too big"},
    };
    uint64_t failures = metrics_get(METRIC_upstream_failures);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = {.request.max_message = 1000};
        struct server server = {0};
        serve_start(&server, rows[i].script);
        start(&client, "ws", server.port, "/");
        KIT_WAIT(client.open);
        sem_post(&server.go);
        expect_end(&client, ANTIPHON_WS_OPEN, rows[i].status, rows[i].code, rows[i].reason);
        serve_end(&server);
    }
    assert_int_equal(metrics_get(METRIC_upstream_failures) - failures,
                     sizeof(rows) / sizeof(rows[0]));
}

static void send_two(struct server *server, int fd)
{
    char data[256];
    size_t len;

    answer_upgrade(server, fd);
    kit_send(fd, "\x81\x03one\x81\x03two", 10);
    if (read_frame(fd, data, &len) == 0x88)
        server->received = (size_t)kit_ws_code(data);
    read_to_end(fd);
}

/* Closing from within the handlers: nothing is called afterwards. */
static void test_close_within(void **state)
{
    struct client first = {.close_on_open = true}, second = {.close_on_message = true};
    struct server server = {.connections = 2};

    (void)state;
    serve_start(&server, send_two);
    start(&first, "ws", server.port, "/");
    KIT_WAIT(first.open);
    start(&second, "ws", server.port, "/");
    KIT_WAIT(second.messages == 1);
    serve_end(&server);
    assert_int_equal(server.received, 4000);
    assert_int_equal(first.messages, 0);
    assert_int_equal(second.messages, 1);
    assert_false(first.closed || second.closed);
}

static void accept_only(struct server *server, int fd)
{
    (void)server;
    (void)fd;
}

/* Closed before anything happened, at every stage. */
static void test_close_early(void **state)
{
    struct client client = {0};
    struct server server = {0};

    (void)state;
    snprintf(client.url, sizeof(client.url), "ws://no-such-name.invalid/");
    kit_on(shard, do_open_and_close, &client);
    serve_start(&server, accept_only);
    snprintf(client.url, sizeof(client.url), "ws://127.0.0.1:%d/", server.port);
    kit_on(shard, do_open_and_close, &client);
    serve_end(&server);
    serve_start(&server, wait_for_test); /* while it waits for the answer */
    start(&client, "ws", server.port, "/");
    kit_on(shard, do_close, &client);
    sem_post(&server.go);
    serve_end(&server);
    assert_false(client.closed || client.open);
}

static void read_later(struct server *server, int fd)
{
    char *data = malloc(1 << 20);
    size_t len;

    answer_upgrade(server, fd);
    wait_for_test(server, fd);
    while (read_frame(fd, data, &len) == 0x81) {
        kit_lock();
        server->received++;
        kit_unlock();
    }
    free(data);
}

/* A server that does not read: audio is dropped from the oldest on, control is refused, and what
 * was taken arrives. */
static void test_backpressure(void **state)
{
    struct client client = {.kind = ANTIPHON_WS_AUDIO, .times = 2000, .len = 9000};
    struct server server = {0};
    uint64_t dropped = metrics_get(METRIC_upstream_audio_dropped);
    unsigned audio, control;

    (void)state;
    client.data = calloc(1, client.len);
    serve_start(&server, read_later);
    start(&client, "ws", server.port, "/");
    KIT_WAIT(client.open);
    kit_on(shard, do_send, &client);
    assert_int_equal(client.ok, client.times); /* audio is never refused */
    dropped = metrics_get(METRIC_upstream_audio_dropped) - dropped;
    assert_true(dropped > 100);
    audio = client.ok - (unsigned)dropped;
    client.kind = ANTIPHON_WS_CONTROL;
    client.times = 100;
    kit_on(shard, do_send, &client);
    assert_true(client.busy > 0 && client.ok >= 20);
    assert_int_equal(client.failed, 0);
    control = client.ok;
    sem_post(&server.go);
    KIT_WAIT(server.received == audio + control);
    kit_on(shard, do_close, &client);
    serve_end(&server);
    assert_int_equal(server.received, audio + control);
    assert_false(client.closed);
    free(client.data);
}

/* ---- through a proxy
 * ------------------------------------------------------------------------------------- */

static void proxy_then_talk(struct server *server, int fd)
{
    char request[1024];

    kit_recv_head(fd, request, sizeof(request));
    if (strncmp(request, "CONNECT model.invalid:80 HTTP/1.1\r\n", 35) ||
        !strstr(request, "\r\nProxy-Authorization: Basic dTpw\r\n")) {
        kit_puts(fd, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return;
    }
    kit_puts(fd, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
    answer_upgrade(server, fd);
    kit_send(fd, "\x81\x02hi", 4);
    read_to_end(fd);
}

static int set_up(void **state);
static int tear_down(void **state);

static void through_proxy(const char *credentials, struct client *client, struct server *server)
{
    char value[128];

    tear_down(NULL);
    server->connections = 1;
    serve_start(server, proxy_then_talk);
    snprintf(value, sizeof(value), "http://%s127.0.0.1:%d", credentials, server->port);
    setenv("http_proxy", value, 1);
    setenv("no_proxy", "127.0.0.1", 1);
    set_up(NULL);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    snprintf(client->url, sizeof(client->url), "ws://model.invalid/path");
    kit_on(shard, do_open, client);
    assert_int_equal(client->opened, 0);
}

static void test_proxy(void **state)
{
    struct client client = {0}, denied = {0};
    struct server server = {0};

    (void)state;
    through_proxy("u:p@", &client, &server);
    KIT_WAIT(client.messages == 1 || client.closed);
    if (client.closed)
        fail_msg("%s", client.reason);
    assert_string_equal(client.last, "hi");
    assert_non_null(strstr(server.request, "\r\nHost: model.invalid\r\n"));
    assert_null(strstr(server.request, "Proxy-Authorization"));
    kit_on(shard, do_close, &client);
    serve_end(&server);
    memset(&server, 0, sizeof(server));
    through_proxy("", &denied, &server);
    expect_end(&denied, ANTIPHON_WS_CONNECT, ANTIPHON_EPROTOCOL, 1006, "proxy: HTTP 407");
    assert_int_equal(denied.end.http_status, 407);
    serve_end(&server);
}

/* ---- set-up
 * ---------------------------------------------------------------------------------------------- */

static int refuse(void *ctx, struct shard *on, const struct ws_upgrade *upgrade, void **conn_ctx)
{
    (void)ctx;
    (void)on;
    (void)upgrade;
    (void)conn_ctx;
    return 403;
}

static const struct ws_server_options ws = {
    .max_connections = 1, .max_message = 1, .on_upgrade = refuse};

static int set_up(void **state)
{
    struct err err = {0};
    int reserve = -1, port = 0;
    struct shard_options options = {.host = "127.0.0.1", .ws = &ws};

    (void)state;
    assert_int_equal(upstream_global_init(&err), 0);
    assert_int_equal(listener_probe("127.0.0.1", &port, &reserve, &err), 0);
    options.port = port;
    assert_int_equal(shard_start(&options, &shard, &err), 0);
    close(reserve);
    return 0;
}

static int set_up_trusting(void **state)
{
    int result;

    setenv("SSL_CERT_FILE", trust, 1);
    result = set_up(state);
    unsetenv("SSL_CERT_FILE");
    return result;
}

static int tear_down(void **state)
{
    (void)state;
    shard_stop(shard);
    upstream_global_deinit();
    return 0;
}

static int set_up_all(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy",   "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",     "no_proxy",
                                        "NO_PROXY",   "SSL_CERT_FILE", "SSL_CERT_DIR"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    make_certificate();
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    unlink(trust);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return 0;
}

int main(void)
{
#define SHARDED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SHARDED(test_bad_requests),
        SHARDED(test_unresolvable),
        SHARDED(test_refused),
        SHARDED(test_silent),
        SHARDED(test_forbidden),
        SHARDED(test_hung_up),
        SHARDED(test_untrusted),
        SHARDED(test_no_tls),
        SHARDED(test_talk),
        SHARDED(test_ends),
        SHARDED(test_close_within),
        SHARDED(test_close_early),
        SHARDED(test_backpressure),
        SHARDED(test_proxy),
        cmocka_unit_test_setup_teardown(test_tls, set_up_trusting, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_name, set_up_trusting, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
