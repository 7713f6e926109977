#include "session/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "base/step.h"
#include "base/banned.h"

/* To a socket on another shard. */
struct push {
    struct inbox_message inbox;
    uint64_t conn;
    enum { PUSH_FRAME, PUSH_DROP_AUDIO, PUSH_CLOSE } what;
    struct ws_message message;
    int code;
    uint64_t came_us; /* FRAME: when the model's message came */
    size_t len;
    char data[];
};

static void run_push(void *owner, struct inbox_message *message, bool dropped)
{
    struct push *push = (struct push *)message;
    struct ws_conn *conn = dropped ? NULL : ws_conn_find(owner, push->conn);
    struct antiphon_span part = {push->data, push->len};

    if (conn) {
        switch (push->what) {
        case PUSH_FRAME:
            step_came(STEP_model_message, push->came_us);
            if (ws_conn_send(conn, push->message, &part, 1) == ANTIPHON_ENOMEM && push->message.kind == WS_CONTROL)
                ws_conn_close(conn, 1013, "out of memory");
            step_came(STEP_NONE, 0);
            break;
        case PUSH_DROP_AUDIO:
            metrics_add(METRIC_client_audio_dropped, ws_conn_drop_audio(conn));
            break;
        case PUSH_CLOSE:
            ws_conn_close(conn, push->code, push->data);
            break;
        }
    }
    free(push);
}

static struct push *push_new(const struct client *client, size_t len)
{
    struct push *push = calloc(1, sizeof(*push) + len + 1);

    if (push) {
        push->inbox.run = run_push;
        push->conn = client->conn;
        push->len = len;
    }
    return push;
}

/* A frame for which there is no memory. Audio may be missing, but who waits for a word that never comes waits for ever. */
static void lose(struct client *client, struct runtime *runtime, enum frame_kind kind)
{
    if (kind == FRAME_AUDIO)
        metrics_add(METRIC_client_audio_dropped, 1);
    else
        client_close(client, runtime, 1013, "out of memory");
}

void client_send(struct client *client, struct runtime *runtime, enum frame_kind kind, bool binary,
                 const struct antiphon_span *parts, size_t n)
{
    struct ws_message message = {kind == FRAME_AUDIO ? WS_AUDIO : WS_CONTROL, binary};
    struct push *push;
    size_t len = 0, at = 0;

    if (client->closing)
        return;
    if (!client->remote) {
        struct ws_conn *conn = ws_conn_find(runtime->shards[client->shard], client->conn);
        /* An overflow closes it, and on_close() tells. */
        if (conn && ws_conn_send(conn, message, parts, n) == ANTIPHON_ENOMEM)
            lose(client, runtime, kind);
        return;
    }
    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    push = push_new(client, len);
    if (!push) {
        lose(client, runtime, kind);
        return;
    }
    push->what = PUSH_FRAME;
    push->came_us = step_arrival(STEP_model_message);
    push->message = message;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > 0)
            memcpy(push->data + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    shard_post(runtime->shards[client->shard], &push->inbox);
}

void client_drop_audio(struct client *client, struct runtime *runtime)
{
    struct push *push;

    if (!client->remote) {
        struct ws_conn *conn = ws_conn_find(runtime->shards[client->shard], client->conn);
        if (conn)
            metrics_add(METRIC_client_audio_dropped, ws_conn_drop_audio(conn));
        return;
    }
    push = push_new(client, 0);
    if (!push)
        return;
    push->what = PUSH_DROP_AUDIO;
    shard_post(runtime->shards[client->shard], &push->inbox);
}

void client_close(struct client *client, struct runtime *runtime, int code, const char *reason)
{
    size_t len = strlen(reason);
    struct push *push;

    if (client->closing)
        return;
    client->closing = true;
    if (!client->remote) {
        struct ws_conn *conn = ws_conn_find(runtime->shards[client->shard], client->conn);
        if (conn)
            ws_conn_close(conn, code, reason);
        return;
    }
    push = push_new(client, len);
    if (!push)
        return;
    push->what = PUSH_CLOSE;
    push->code = code;
    memcpy(push->data, reason, len);
    shard_post(runtime->shards[client->shard], &push->inbox);
}
