#include "net_kit.h"

#include "base/metrics.h"

#define SHARDS 2

/* ---- the server under test ---------------------------------------------------------------------------- */

static struct shard *shards[SHARDS];
static int port;
static int upgrades, opened, closed, last_close_code, never_opened;
static char last_path[256], last_query[256], last_subprotocol[64], last_origin[64], last_peer[64];

static int on_upgrade(void *ctx, struct shard *shard, const struct ws_upgrade *upgrade, void **conn_ctx)
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

static void on_message(void *conn_ctx, struct ws_conn *conn, bool binary, const char *data, size_t len)
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
    .stall_ms = 300,
    .on_upgrade = on_upgrade,
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};

static int set_up(void **state)
{
    struct err err = {0};
    int reserve = -1;

    (void)state;
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

/* ---- a client, on shard 0 --------------------------------------------------------------------------------- */

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

/* ---- tests ---------------------------------------------------------------------------------------------- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_echo, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
