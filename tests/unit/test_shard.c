#include "net_kit.h"

#include "alloc.h"

#include "base/metrics.h"

#define SHARDS 2

/* ---- the server under test
 * ---------------------------------------------------------------------------- */

static struct shard *shards[SHARDS];
static int port;
static int upgrades, opened, closed, last_close_code, never_opened;
static char last_path[256], last_query[256], last_subprotocol[64], last_origin[64], last_peer[64];

static int on_upgrade(void *ctx, struct shard *shard, const struct ws_upgrade *upgrade,
                      void **conn_ctx)
{
    const char *query = ws_upgrade_query(upgrade, "q");

    assert_ptr_equal(shard, shard_self());
    kit_lock();
    upgrades++;
    snprintf(last_path, sizeof(last_path), "%s", upgrade->path);
    snprintf(last_query, sizeof(last_query), "%s", query ? query : "(none)");
    snprintf(last_subprotocol, sizeof(last_subprotocol), "%s", upgrade->subprotocol);
    snprintf(last_origin, sizeof(last_origin), "%s", upgrade->origin);
    snprintf(last_peer, sizeof(last_peer), "%s", upgrade->peer);
    kit_unlock();
    *conn_ctx = ctx;
    if (!strncmp(upgrade->path, "/refuse/", 8))
        return (int)strtol(upgrade->path + 8, NULL, 10);
    return 0;
}

static void on_open(void *conn_ctx, struct ws_conn *conn)
{
    (void)conn_ctx;
    assert_ptr_equal(ws_conn_find(shard_self(), ws_conn_handle(conn)), conn);
    assert_ptr_equal(ws_conn_shard(conn), shard_self());
    kit_lock();
    opened++;
    kit_unlock();
}

static void flood(struct ws_conn *conn, enum ws_kind kind, unsigned n, size_t size)
{
    char *data = calloc(1, size);

    for (unsigned i = 0; i < n; i++) {
        struct antiphon_span part = {data, size};
        memcpy(data, &i, sizeof(i));
        if (ws_conn_send(conn, (struct ws_message){kind, true}, &part, 1))
            break;
    }
    free(data);
}

static void on_message(void *conn_ctx, struct ws_conn *conn, bool binary, const char *data,
                       size_t len)
{
    struct antiphon_span parts[2] = {{data, len / 2}, {data + len / 2, len - len / 2}};
    char text[64] = "";
    unsigned n, size;

    (void)conn_ctx;
    memcpy(text, data, len < sizeof(text) - 1 ? len : sizeof(text) - 1);
    if (!strncmp(text, "close ", 6)) {
        ws_conn_send(conn, (struct ws_message){WS_CONTROL, false}, parts, 2);
        ws_conn_close(conn, (int)strtol(text + 6, NULL, 10), "as you wish");
        return;
    }
    if (sscanf(text, "audio %u %u", &n, &size) == 2) {
        flood(conn, WS_AUDIO, n, size);
        return;
    }
    if (sscanf(text, "control %u %u", &n, &size) == 2) {
        flood(conn, WS_CONTROL, n, size);
        return;
    }
    /* Audio that has something behind it, then what tells whether it is to be heard. */
    if (sscanf(text, "behind %u", &n) == 1) {
        shard_set_behind(shard_self(), true);
        flood(conn, WS_AUDIO, n, 100);
        shard_set_behind(shard_self(), false);
        parts[0].len = parts[1].len = 0;
    }
    if (!strcmp(text, "behind 3, drop"))
        memcpy(text, "drop", 5);
    if (!strcmp(text, "drop")) {
        char answer[32];
        snprintf(answer, sizeof(answer), "%u", ws_conn_drop_audio(conn));
        parts[0] = (struct antiphon_span){answer, strlen(answer)};
        ws_conn_send(conn, (struct ws_message){WS_CONTROL, false}, parts, 1);
        return;
    }
    ws_conn_send(conn, (struct ws_message){WS_CONTROL, binary}, parts, 2);
}

static void on_close(void *conn_ctx, struct ws_conn *conn, int code)
{
    (void)conn_ctx;
    if (conn)
        assert_null(conn != NULL && code == 0 ? conn : NULL);
    kit_lock();
    closed++;
    never_opened += !conn;
    last_close_code = code;
    kit_unlock();
}

static const char *const subprotocols[] = {"antiphon.v1", "other.v2", NULL};
static struct ws_server_options ws_options = {
    .subprotocols = subprotocols,
    .max_connections = 600,
    .max_message = 1024 * 1024,
    .max_control_bytes = 64 * 1024,
    .max_control_messages = 256,
    .max_audio_bytes = 256 * 1024,
    .stall_ms = 0, /* by set_up() */
    .on_upgrade = on_upgrade,
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};

static int begin(uint32_t stall_ms)
{
    struct err err = {0};
    int reserve = -1;

    ws_options.stall_ms = stall_ms;
    port = 0;
    upgrades = opened = closed = never_opened = 0;
    assert_int_equal(upstream_global_init(&err), 0);
    assert_int_equal(listener_probe("127.0.0.1", &port, &reserve, &err), 0);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard_options options = {
            .index = i, .host = "127.0.0.1", .port = port, .ws = &ws_options};
        if (shard_start(&options, &shards[i], &err))
            fail_msg("%s", err.text);
    }
    close(reserve);
    return 0;
}

/* However long a busy machine lets a client wait for the processor. */
static int set_up(void **state)
{
    (void)state;
    return begin(KIT_WAIT_MS);
}

static int set_up_impatient(void **state)
{
    (void)state;
    return begin(300);
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        shard_stop_accepting(shards[i]);
        shard_stop(shards[i]);
    }
    upstream_global_deinit();
    assert_int_equal(opened + never_opened, closed);
    return 0;
}

/* ---- a client, on shard 0
 * --------------------------------------------------------------------------------- */

struct client {
    struct upstream *upstream;
    char url[256];
    const char *const *headers;
    uint32_t max_message;
    int messages, status; /* guarded by the kit's lock, as all below */
    bool open, closed;
    size_t last_len;
    char last[256];
    struct antiphon_ws_end end;
    char reason[256];
    enum antiphon_status opened;
    /* to send */
    const char *data;
    size_t len;
    int code;
};

static void client_on_open(void *ctx)
{
    struct client *client = ctx;

    kit_lock();
    client->open = true;
    kit_unlock();
}

static void client_on_message(void *ctx, const char *data, size_t len)
{
    struct client *client = ctx;

    kit_lock();
    client->messages++;
    client->last_len = len;
    memset(client->last, 0, sizeof(client->last));
    memcpy(client->last, data, len < sizeof(client->last) - 1 ? len : sizeof(client->last) - 1);
    kit_unlock();
}

static void client_on_close(void *ctx, const struct antiphon_ws_end *end)
{
    struct client *client = ctx;

    kit_lock();
    client->closed = true;
    client->end = *end;
    snprintf(client->reason, sizeof(client->reason), "%s", end->reason);
    kit_unlock();
}

static const struct antiphon_ws_handlers client_handlers = {
    .struct_size = sizeof(client_handlers),
    .on_open = client_on_open,
    .on_message = client_on_message,
    .on_close = client_on_close,
};

static void do_open(struct shard *shard, void *arg)
{
    struct client *client = arg;
    struct antiphon_ws_request request = {.struct_size = sizeof(request),
                                          .url = client->url,
                                          .headers = client->headers,
                                          .max_message = client->max_message};

    client->opened = upstream_open(shard, &request, &client_handlers, client, &client->upstream);
}

static void do_send(struct shard *shard, void *arg)
{
    struct client *client = arg;
    struct antiphon_span part = {client->data, client->len};

    (void)shard;
    client->status = upstream_send(client->upstream, ANTIPHON_WS_CONTROL, &part, 1);
}

static void do_close(struct shard *shard, void *arg)
{
    struct client *client = arg;

    (void)shard;
    upstream_close(client->upstream, client->code, "done");
}

static void client_open(struct client *client, const char *path)
{
    snprintf(client->url, sizeof(client->url), "ws://127.0.0.1:%d%s", port, path);
    kit_on(shards[0], do_open, client);
    assert_int_equal(client->opened, 0);
}

static void client_send(struct client *client, const char *data, size_t len)
{
    client->data = data;
    client->len = len;
    kit_on(shards[0], do_send, client);
}

static void client_say(struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
    assert_int_equal(client->status, 0);
}

static void client_close(struct client *client, int code)
{
    client->code = code;
    kit_on(shards[0], do_close, client);
}

/* ---- tests
 * ---------------------------------------------------------------------------------------------- */

static void test_echo(void **state)
{
    struct client client = {0};

    (void)state;
    client_open(&client, "/ws/1?q=a%20b%26c&q=second");
    KIT_WAIT(client.open);
    client_say(&client, "hello");
    KIT_WAIT(client.messages == 1);
    assert_string_equal(client.last, "hello");
    client_say(&client, "");
    KIT_WAIT(client.messages == 2);
    assert_int_equal(client.last_len, 0);
    assert_string_equal(last_path, "/ws/1");
    assert_string_equal(last_query, "a b&c");
    assert_string_equal(last_subprotocol, "");
    assert_string_equal(last_peer, "127.0.0.1");
    client_close(&client, 1000);
    KIT_WAIT(closed == 1);
    assert_int_equal(last_close_code, 1000);
    assert_false(client.closed);
}

static void test_pieces(void **state)
{
    char data[256];
    size_t len;
    unsigned seen[2];
    int fd = kit_ws_connect(port, "/ws/1", 0);

    (void)state;
    kit_ws_send(fd, 0x02, "one ", 4); /* binary, not the last */
    kit_ws_send(fd, 0x89, "ping", 4); /* between the pieces */
    kit_ws_send(fd, 0x00, "", 0);
    kit_ws_send(fd, 0x80, "two", 3);
    for (int i = 0; i < 2; i++) { /* the pong may come behind the message */
        seen[i] = kit_ws_recv(fd, data, sizeof(data), &len);
        assert_string_equal(data, seen[i] == 0x8a ? "ping" : "one two");
    }
    assert_int_equal(seen[0] ^ seen[1], 0x8a ^ 0x82);
    kit_ws_send(fd, 0x01, "", 0); /* first piece empty */
    kit_ws_send(fd, 0x80, "x", 1);
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x81);
    assert_string_equal(data, "x");
    close(fd);
    KIT_WAIT(closed == 1);
    assert_int_equal(last_close_code, 1006);
}

static void test_large(void **state)
{
    size_t size = 1024 * 1024, len;
    char *data = malloc(size + 16), *back = malloc(size + 16);
    int fd = kit_ws_connect(port, "/ws/1", 0);

    (void)state;
    for (size_t i = 0; i < size + 1; i++)
        data[i] = (char)(i * 7 + (i >> 10));
    kit_ws_send(fd, 0x82, data, size);
    assert_int_equal(kit_ws_recv(fd, back, size + 1, &len), 0x82);
    assert_int_equal(len, size);
    assert_memory_equal(data, back, size);
    kit_ws_send(fd, 0x82, data, size + 1);
    assert_int_equal(kit_ws_recv(fd, back, size, &len), 0x88);
    assert_int_equal(kit_ws_code(back), 1009);
    close(fd);
    KIT_WAIT(closed == 1);
    assert_int_equal(last_close_code, 1009);
    /* the same, one byte at a time too many, in pieces */
    fd = kit_ws_connect(port, "/ws/1", 0);
    kit_ws_send(fd, 0x02, data, size);
    kit_ws_send(fd, 0x80, data, 1);
    assert_int_equal(kit_ws_recv(fd, back, size, &len), 0x88);
    assert_int_equal(kit_ws_code(back), 1009);
    close(fd);
    free(data);
    free(back);
    KIT_WAIT(closed == 2);
}

static void test_close_codes(void **state)
{
    struct client client = {0};
    char data[256];
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 0);

    (void)state;
    kit_ws_send(fd, 0x81, "close 4321", 10);
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x81); /* flushed first */
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x88);
    assert_int_equal(kit_ws_code(data), 4321);
    assert_string_equal(data + 2, "as you wish");
    kit_ws_send(fd, 0x88, data, 2);
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0);
    close(fd);
    KIT_WAIT(closed == 1);
    assert_int_equal(last_close_code, 4321);

    fd = kit_ws_connect(port, "/ws/1", 0);
    kit_ws_send(fd, 0x88,
                "\x0f\xa1"
                "bye",
                5);
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x88);
    assert_int_equal(kit_ws_code(data), 4001);
    KIT_WAIT(closed == 2);
    assert_int_equal(last_close_code, 4001);
    close(fd);

    fd = kit_ws_connect(port, "/ws/1", 0);
    kit_ws_send(fd, 0x88, "", 0);
    KIT_WAIT(closed == 3);
    assert_int_equal(last_close_code, 1005);
    close(fd);

    client_open(&client, "/ws/1");
    KIT_WAIT(client.open);
    client_say(&client, "close 1013");
    KIT_WAIT(client.closed && client.messages == 1);
    assert_int_equal(client.end.status, 0);
    assert_int_equal(client.end.stage, ANTIPHON_WS_OPEN);
    assert_int_equal(client.end.code, 1013);
    assert_string_equal(client.reason, "as you wish");
    KIT_WAIT(closed == 4);
    assert_int_equal(last_close_code, 1013);
}

static void expect_refusal(const char *path, const char *headers, int status)
{
    char answer[1024], rest[64];
    int fd = kit_connect(port), got = kit_ws_ask(fd, path, headers, answer, sizeof(answer));

    assert_int_equal(got, status);
    if (status != 101) {
        assert_non_null(strstr(answer, "Connection: close\r\n"));
        assert_non_null(strstr(answer, "Content-Length: 0\r\n"));
        assert_non_null(strstr(answer, "Content-Type: text/plain; charset=utf-8\r\n"));
        assert_int_equal(kit_recv_to_end(fd, rest, sizeof(rest)), 0);
    }
    close(fd);
}

static void test_refusals(void **state)
{
    (void)state;
    expect_refusal("/refuse/403", "", 403);
    expect_refusal("/refuse/404", "", 404);
    expect_refusal("/refuse/400", "", 400);
    expect_refusal("/refuse/503", "", 503);
    assert_int_equal(upgrades, 4);
    expect_refusal("/ws/1", "Sec-WebSocket-Protocol: unknown\r\n", 400);
    expect_refusal("/ws/1", "Sec-WebSocket-Protocol: unknown, also-unknown\r\n", 400);
    expect_refusal("/ws/1", "Sec-WebSocket-Protocol: (default)\r\n", 400);
    expect_refusal("/ws/1", "Sec-WebSocket-Protocol: (listener)\r\n", 400);
    assert_int_equal(upgrades, 4);
    assert_int_equal(opened, 0);
}

static void test_subprotocols(void **state)
{
    static const struct {
        const char *offer, *chosen;
    } rows[] = {
        {"", ""},
        {"Sec-WebSocket-Protocol: antiphon.v1\r\n", "antiphon.v1"},
        {"Sec-WebSocket-Protocol: unknown, antiphon.v1\r\n", "antiphon.v1"},
        {"Sec-WebSocket-Protocol: other.v2, antiphon.v1\r\n", "other.v2"},
        {"Sec-WebSocket-Protocol: unknown\r\nSec-WebSocket-Protocol: other.v2\r\n", "other.v2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char answer[1024], want[96];
        const char *header;
        int fd = kit_connect(port);
        assert_int_equal(kit_ws_ask(fd, "/ws/1", rows[i].offer, answer, sizeof(answer)), 101);
        header = strstr(answer, "Sec-WebSocket-Protocol: ");
        if (*rows[i].chosen) {
            snprintf(want, sizeof(want), "Sec-WebSocket-Protocol: %s\r\n", rows[i].chosen);
            assert_non_null(strstr(answer, want));
        } else {
            assert_null(header);
        }
        KIT_WAIT(opened == (int)i + 1);
        assert_string_equal(last_subprotocol, rows[i].chosen);
        kit_ws_send(fd, 0x81, "hi", 2); /* its callback works as well */
        assert_int_equal(kit_recv(fd, answer, 4), 4);
        close(fd);
    }
}

static void test_bad_handshakes(void **state)
{
    static const char *const requests[] = {
        "POST /ws/1 HTTP/1.1\r\nHost: a\r\n" KIT_UPGRADE "\r\n",
        "GET /ws/%001 HTTP/1.1\r\nHost: a\r\n" KIT_UPGRADE "\r\n",
        "GET /ws/1 HTTP/1.1\r\n" KIT_UPGRADE "\r\n",
        "GET /ws/1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" KIT_KEY "\r\n",
        "GET /ws/1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n",
        "GET /ws/1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /ws/1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 8\r\n\r\n",
        "GET /ws/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        char answer[2048];
        kit_http(port, requests[i], answer, sizeof(answer));
        if (strncmp(answer, "HTTP/1.1 400 ", 13))
            fail_msg("request %zu: %s", i, answer);
    }
    assert_int_equal(upgrades, 0);
}

/* The double free of CVE-2025-11677: libwebsockets answers an unknown upgrade on a kept-alive
 * connection and goes on with headers that it has given back. */
static void test_upgrade_after_keep_alive(void **state)
{
    static const char *const seconds[] = {
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
        "GET /y HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        char answer[4096], body[64];
        int fd = kit_connect(port);
        kit_puts(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        kit_recv_head(fd, answer, sizeof(answer));
        assert_int_equal(strncmp(answer, "HTTP/1.1 404 ", 13), 0);
        kit_recv_all(fd, body, strlen("{\"detail\":\"Not Found\"}"));
        kit_puts(fd, seconds[i]);
        kit_recv_to_end(fd, answer, sizeof(answer));
        assert_null(strstr(answer, " 101 "));
        close(fd);
    }
    assert_int_equal(upgrades, 0);
}

static void test_paths(void **state)
{
    static const struct {
        const char *sent, *path, *query;
    } rows[] = {
        {"/ws/%31%32", "/ws/12", "(none)"}, {"/a//b/./c/../d", "/a/b/d", "(none)"},
        {"/ws/1?q", "/ws/1", ""},           {"/ws/1?&x=1&q=%3d%20+%26", "/ws/1", "=  &"},
        {"/ws/1?q=a=b", "/ws/1", "a=b"},    {"/ws/a&b?q=1", "/ws/a&b", "1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = kit_ws_connect(port, rows[i].sent, 0);
        KIT_WAIT(opened == (int)i + 1);
        assert_string_equal(last_path, rows[i].path);
        assert_string_equal(last_query, rows[i].query);
        close(fd);
    }
}

#define MANY 300

static void test_many(void **state)
{
    struct client *clients = calloc(MANY, sizeof(*clients));

    (void)state;
    for (int i = 0; i < MANY; i++)
        client_open(&clients[i], "/ws/1");
    for (int i = 0; i < MANY; i++) {
        KIT_WAIT(clients[i].open);
        client_say(&clients[i], "hello");
    }
    for (int i = 0; i < MANY; i++)
        KIT_WAIT(clients[i].messages == 1);
    for (int i = 0; i < MANY; i++)
        client_close(&clients[i], 1000);
    KIT_WAIT(closed == MANY);
    free(clients);
}

static void test_too_many(void **state)
{
    int fds[8], refused = 0;
    char answer[1024];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = kit_connect(port);
        refused += kit_ws_ask(fds[i], "/ws/1", "", answer, sizeof(answer)) == 503;
    }
    assert_true(refused >= 8 - 3 * SHARDS); /* at most 3 a shard */
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]);
    KIT_WAIT(closed == 8 - refused);
    fds[0] = kit_ws_connect(port, "/ws/1", 0); /* and there is room again */
    close(fds[0]);
}

static void count_on(struct shard *shard, void *unused)
{
    (void)shard, (void)unused;
    alloc_count(true);
}

static void count_off(struct shard *shard, void *unused)
{
    (void)shard, (void)unused;
    alloc_count(false);
}

static void look(struct shard *shard, void *unused)
{
    (void)shard, (void)unused;
}

/* One message in two pieces, the second when the first has been read. */
static void send_in_two(int fd, const char *data, size_t len)
{
    unsigned char frame[2048] = {0x81, 0x80 | 126, (unsigned char)(len >> 8), (unsigned char)len, 1, 2, 3, 4};

    assert_true(len > 125 && len + 8 <= sizeof(frame));
    for (size_t i = 0; i < len; i++)
        frame[8 + i] = (unsigned char)data[i] ^ frame[4 + (i & 3)];
    kit_send(fd, frame, len / 2);
    /* Between the two a loop has looked at its sockets at least once. */
    for (int i = 0; i < 2 * SHARDS; i++)
        kit_on(shards[i % SHARDS], look, NULL);
    kit_send(fd, frame + len / 2, len + 8 - len / 2);
}

/* As over a real network: the memory for pieces comes once, whichever connection they are of. */
static void test_pieces_need_no_memory(void **state)
{
    char text[1744], answer[4096];
    int fds[2] = {kit_ws_connect(port, "/ws/1", 0), kit_ws_connect(port, "/ws/1", 0)};
    unsigned before = 0, after;
    size_t len;

    (void)state;
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 202; i++) {
        for (int shard = 0; i == 2 && shard < SHARDS; shard++)
            kit_on(shards[shard], count_on, NULL);
        before = i == 2 ? alloc_counted() : before;
        send_in_two(fds[i % 2], text, sizeof(text));
        assert_int_equal(kit_ws_recv(fds[i % 2], answer, sizeof(answer), &len), 0x81);
        assert_int_equal(len, sizeof(text));
    }
    after = alloc_counted();
    for (int shard = 0; shard < SHARDS; shard++)
        kit_on(shards[shard], count_off, NULL);
    assert_int_equal(after - before, 0);
    close(fds[0]);
    close(fds[1]);
}

static int set_up_few(void **state)
{
    ws_options.max_connections = 3;
    return set_up(state);
}

static int tear_down_few(void **state)
{
    ws_options.max_connections = 600;
    return tear_down(state);
}

/* A client that does not read: the oldest audio goes, the newest stays, control stays, all in
 * order. */
static void test_audio_bound(void **state)
{
    unsigned index, previous = 0, n = 0, control = 0;
    uint64_t dropped = metrics_get(METRIC_client_audio_dropped);
    char *data = malloc(100000);
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 4096);

    (void)state;
    kit_ws_send(fd, 0x81, "audio 400 10000", 15);
    kit_ws_send(fd, 0x81, "behind it", 9);
    for (;;) {
        unsigned first = kit_ws_recv(fd, data, 100000, &len);
        if (first == 0x81) {
            assert_string_equal(data, "behind it");
            control++;
            break;
        }
        assert_int_equal(first, 0x82);
        assert_int_equal(len, 10000);
        memcpy(&index, data, sizeof(index));
        assert_true(!n || index > previous);
        previous = index;
        n++;
    }
    assert_int_equal(previous, 399);
    assert_int_equal(control, 1);
    dropped = metrics_get(METRIC_client_audio_dropped) - dropped;
    assert_int_equal(n + dropped, 400);
    assert_true(dropped > 100);
    close(fd);
    free(data);
}

static void test_drop_audio(void **state)
{
    unsigned n = 0, told;
    char *data = malloc(100000);
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 4096);

    int together = 1, apart = 0;

    (void)state;
    /* In one segment: else what was queued may have gone out before the second message is read. */
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &together, sizeof(together)), 0);
    kit_ws_send(fd, 0x81, "audio 100 10000", 15);
    kit_ws_send(fd, 0x81, "drop", 4);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &apart, sizeof(apart)), 0);
    while (kit_ws_recv(fd, data, 100000, &len) == 0x82)
        n++;
    told = (unsigned)strtoul(data, NULL, 10);
    assert_true(told > 0 && told <= 26); /* what the bound had left */
    assert_true(n > 0 && n < 100);
    close(fd);
    free(data);
}

static void test_audio_behind_waits(void **state)
{
    unsigned n = 0;
    char data[256];
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 0);

    (void)state;
    kit_ws_send(fd, 0x81, "behind 3, drop", 14);
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x81); /* no audio before it */
    assert_string_equal(data, "3");
    kit_ws_send(fd, 0x81, "behind 400", 10); /* more than is written in one go */
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x82);
        memcpy(&n, data, sizeof(n));
        assert_int_equal(n, i);
    }
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x81);
    assert_int_equal(len, 0);
    close(fd);
}

static void test_control_bound(void **state)
{
    char *data = malloc(100000);
    unsigned n = 0, first;
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 4096);

    (void)state;
    kit_ws_send(fd, 0x81, "control 1000 10000", 18);
    while ((first = kit_ws_recv(fd, data, 100000, &len)) == 0x82)
        n++;
    assert_int_equal(first, 0x88); /* after what was queued */
    assert_int_equal(kit_ws_code(data), 1013);
    assert_true(n > 6 && n < 1000);
    close(fd);
    KIT_WAIT(closed == 1);
    assert_int_equal(last_close_code, 1013);
    free(data);
}

static void test_stall(void **state)
{
    int fd = kit_ws_connect(port, "/ws/1", 4096), together = 1, apart = 0;

    (void)state;
    /* More than the kernel takes for a client that reads nothing: up to 26 messages of 10 KB each time. In one segment, for
     * the connection may end before a second one is sent. */
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &together, sizeof(together)), 0);
    for (unsigned i = 0; i < 200; i++)
        kit_ws_send(fd, 0x81, "audio 30 10000", 14);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &apart, sizeof(apart)), 0);
    KIT_WAIT(closed == 1);
    assert_int_equal(last_close_code, 1013);
    close(fd);
}

static int set_up_silence(void **state)
{
    ws_options.ping_ms = 200;
    ws_options.hangup_ms = 1000;
    return set_up(state);
}

static int tear_down_silence(void **state)
{
    ws_options.ping_ms = ws_options.hangup_ms = 0;
    return tear_down(state);
}

/* Silence is asked about; whoever answers stays, whoever does not goes. */
static void test_silence(void **state)
{
    char data[256];
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 0);

    (void)state;
    for (int i = 0; i < 8; i++) { /* longer than a client may be silent */
        assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x89);
        kit_ws_send(fd, 0x8a, data, len);
    }
    assert_int_equal(closed, 0);
    KIT_WAIT(closed == 1);
    assert_int_equal(last_close_code, 1006);
    close(fd);
}

/* What is queued when the server stops still arrives, then 1001. */
static void test_stop_flushes(void **state)
{
    char *data = malloc(100000);
    unsigned n = 0, first;
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 0), other = kit_ws_connect(port, "/ws/1", 0);
    pthread_t thread;

    (void)state;
    kit_ws_send(fd, 0x81, "audio 20 10000", 14);
    kit_ws_send(other, 0x81, "x", 1); /* an idle one */
    kit_ws_recv(other, data, 100000, &len);
    assert_int_equal(kit_ws_recv(fd, data, 100000, &len), 0x82);
    pthread_create(&thread, NULL, (void *(*)(void *))(void (*)(void))tear_down, state);
    for (n = 1; (first = kit_ws_recv(fd, data, 100000, &len)) == 0x82; n++)
        ;
    assert_int_equal(n, 20);
    assert_int_equal(first, 0x88);
    assert_int_equal(kit_ws_code(data), 1001);
    assert_int_equal(kit_ws_recv(other, data, 100000, &len), 0x88);
    assert_int_equal(kit_ws_code(data), 1001);
    close(fd);
    close(other);
    pthread_join(thread, NULL);
    assert_int_equal(closed, 2);
    free(data);
}

static void test_stop_accepting(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char data[64];
    size_t len;
    int fd = kit_ws_connect(port, "/ws/1", 0), late = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++)
        shard_stop_accepting(shards[i]);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof(to)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    kit_ws_send(fd, 0x81, "still", 5); /* the others live on */
    assert_int_equal(kit_ws_recv(fd, data, sizeof(data), &len), 0x81);
    close(late);
    close(fd);
}

static void test_port_in_use(void **state)
{
    struct err err = {0};
    int taken = port, reserve = -1;

    (void)state;
    assert_int_equal(listener_probe("127.0.0.1", &taken, &reserve, &err), ANTIPHON_EEXISTS);
    assert_non_null(strstr(err.text, "is in use"));
    assert_int_equal(listener_probe("no.such.host.invalid", &taken, &reserve, &err),
                     ANTIPHON_EINVAL);
    assert_int_equal(reserve, -1);
}

int main(void)
{
#define SHARDED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SHARDED(test_echo),
        SHARDED(test_pieces),
        SHARDED(test_pieces_need_no_memory),
        SHARDED(test_large),
        SHARDED(test_close_codes),
        SHARDED(test_refusals),
        SHARDED(test_subprotocols),
        SHARDED(test_bad_handshakes),
        SHARDED(test_upgrade_after_keep_alive),
        SHARDED(test_paths),
        SHARDED(test_many),
        cmocka_unit_test_setup_teardown(test_too_many, set_up_few, tear_down_few),
        SHARDED(test_audio_bound),
        SHARDED(test_drop_audio),
        SHARDED(test_audio_behind_waits),
        SHARDED(test_control_bound),
        cmocka_unit_test_setup_teardown(test_stall, set_up_impatient, tear_down),
        cmocka_unit_test_setup_teardown(test_silence, set_up_silence, tear_down_silence),
        cmocka_unit_test_setup(test_stop_flushes, set_up),
        SHARDED(test_stop_accepting),
        SHARDED(test_port_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
