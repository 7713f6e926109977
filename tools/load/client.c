#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "find.h"

#define HEAD_BYTES   200 /* of a message, where its names are looked for */
#define V1_HEADER    8   /* bytes before the PCM of a binary message */
#define SLOW_BYTES   4096
#define SLOW_NS      250000000u /* so 16 KB/s, a quarter of what 40 ms frames come in at */
#define SLOW_BUFFER  16384
#define DROP_MIN_NS  1000000000u
#define DROP_MORE_NS 3000000000u
#define COME_BACK_NS 100000000u

static void on_timer(struct timer *timer, uint64_t now_ns);

bool client_counts(const struct client *client)
{
    return client->kind == CLIENT_AUDIO && !client->slow && !client->drops;
}

/* ---- what is sent
 * ------------------------------------------------------------------------------------ */

static void send_parts(struct client *client, int opcode, const struct span *parts, size_t n)
{
    if (client->conn)
        conn_send(client->conn, opcode, parts, n);
}

static void send_audio(struct client *client, uint64_t due_ns)
{
    static const char head[] = "{\"mime_type\":\"audio/pcm\",\"data\":\"", tail[] = "\"}";
    char text[PCM_MAX_BYTES / 3 * 4 + 8];
    struct world *world = client->world;
    struct stamp stamp = {client->index, client->seq++, due_ns};

    if (world->options->protocol == PROTOCOL_V1_BINARY) {
        const struct span part = {text, world->up.bytes};
        pcm_raw(&world->up, &stamp, (unsigned char *)text);
        send_parts(client, CONN_BINARY, &part, 1);
    } else {
        const struct span parts[3] = {
            {head, sizeof(head) - 1}, {text, world->up.chars}, {tail, sizeof(tail) - 1}};
        pcm_text(&world->up, &stamp, text);
        send_parts(client, CONN_TEXT, parts, 3);
    }
    if (!client_counts(client) || !world_measures(world, due_ns))
        return;
    world->counts.up_sent++;
    hist_record(&world->counts.late, (int64_t)(loop_now() - due_ns));
}

static void send_text(struct client *client, uint64_t due_ns)
{
    static const char head[] = "{\"mime_type\":\"text/plain\",\"data\":\"turn ", tail[] = "\"}";
    struct stamp stamp = {client->index, client->seq++, due_ns};
    char hex[STAMP_HEX + 1];
    const struct span parts[3] = {
        {head, sizeof(head) - 1}, {hex, STAMP_HEX}, {tail, sizeof(tail) - 1}};

    stamp_hex(&stamp, hex);
    send_parts(client, CONN_TEXT, parts, 3);
    client->turn_open = true;
    client->turn_answered = false;
    client->turn_ns = due_ns;
    if (client->kind == CLIENT_TURNS && world_measures(client->world, due_ns))
        client->world->counts.turns_sent++;
}

/* The next turn, once its time has come and the last one is over. */
static void maybe_turn(struct client *client, uint64_t now_ns)
{
    struct world *world = client->world;
    uint64_t due = now_ns;

    if (client->turn_open || !world->sending || !client->conn)
        return;
    if (world->options->turn_rate > 0 && !schedule_take(&client->schedule, now_ns, &due)) {
        loop_timer(&world->loop, &client->timer, schedule_next(&client->schedule));
        return;
    }
    send_text(client, due);
}

/* ---- coming and going
 * --------------------------------------------------------------------------------- */

static const struct conn_handlers handlers;

static void call(struct client *client)
{
    const struct options *options = client->world->options;
    bool v1 = options->protocol != PROTOCOL_SAMPLE;
    char target[96], host[32];

    (void)snprintf(target, sizeof(target), "/ws/%u?is_audio=%s%s", client->index + 1,
                   client->kind == CLIENT_TURNS || client->kind == CLIENT_IDLE ? "false" : "true",
                   options->protocol == PROTOCOL_V1_BINARY ? "&audio=binary" : "");
    (void)snprintf(host, sizeof(host), "127.0.0.1");
    client->seq = client->down_seq = 0;
    client->turn_open = false;
    client->down = (struct pcm_reader){.frames = &client->world->down, .verify = options->verify};
    client->conn =
        conn_call(&client->world->loop, &client->world->server, host, NULL, target,
                  v1 ? "Sec-WebSocket-Protocol: antiphon.v1\r\n" : "", &handlers, client);
    if (!client->conn) {
        client->world->counts.closed++;
        world_error(client->world, "no descriptor or memory for a client", 36);
        return;
    }
    if (client->slow) {
        int bytes = SLOW_BUFFER;
        setsockopt(client->conn->watch.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
        client->conn->read_limit = SLOW_BYTES;
    }
}

static void go_away(struct client *client, uint64_t now_ns)
{
    struct world *world = client->world;

    conn_close(client->conn, false);
    client->conn = NULL;
    client->live = NULL;
    client->called_ns = 0; /* coming back is not measured */
    if (world_measures(world, now_ns))
        world->counts.drops++;
    loop_timer(&world->loop, &client->timer, now_ns + COME_BACK_NS);
}

static void on_other(struct timer *timer, uint64_t now_ns)
{
    struct client *client = (struct client *)((char *)timer - offsetof(struct client, other));
    struct world *world = client->world;

    if (!client->conn || !world->sending)
        return;
    if (client->drops) {
        go_away(client, now_ns);
        return;
    }
    conn_read_now(client->conn);
    if (client->conn)
        loop_timer(&world->loop, timer, now_ns + SLOW_NS);
}

static void start(struct client *client, uint64_t now_ns)
{
    struct world *world = client->world;
    const struct options *options = world->options;
    uint64_t turn_us = options->turn_rate > 0 ? (uint64_t)(1e6 / options->turn_rate) : 1;

    if (client->kind == CLIENT_AUDIO) {
        schedule_init(&client->schedule, now_ns + world_random(world, 40000000),
                      options->up_bytes / 2, 16000);
        loop_timer(&world->loop, &client->timer, schedule_next(&client->schedule));
    } else if (client->kind == CLIENT_TURNS) {
        schedule_init(&client->schedule, now_ns + world_random(world, turn_us * 1000),
                      turn_us ? turn_us : 1, 1000000);
        maybe_turn(client, now_ns);
    } else if (client->kind == CLIENT_BARGE) {
        send_text(client, now_ns);
    }
    if (client->drops)
        loop_timer(&world->loop, &client->other,
                   now_ns + DROP_MIN_NS + world_random(world, DROP_MORE_NS));
    if (client->slow) {
        conn_pause(client->conn, true);
        loop_timer(&world->loop, &client->other, now_ns + SLOW_NS);
    }
}

static void on_timer(struct timer *timer, uint64_t now_ns)
{
    struct client *client = (struct client *)((char *)timer - offsetof(struct client, timer));
    struct world *world = client->world;
    uint64_t due;

    if (!client->conn) {
        if (!client->opened || world->sending)
            call(client);
        return;
    }
    if (client->kind == CLIENT_TURNS) {
        maybe_turn(client, now_ns);
        return;
    }
    if (client->kind != CLIENT_AUDIO)
        return;
    while (world->sending && client->conn && schedule_take(&client->schedule, now_ns, &due))
        send_audio(client, due);
    if (world->sending && client->conn)
        loop_timer(&world->loop, timer, schedule_next(&client->schedule));
}

/* ---- what comes
 * -------------------------------------------------------------------------------------- */

static void on_frame(void *ctx, const struct stamp *stamp)
{
    struct client *client = ctx;
    struct world *world = client->world;
    struct counts *counts = &world->counts;

    if (stamp->stream != client->index) {
        counts->broken++;
        return;
    }
    if (client->kind == CLIENT_BARGE) {
        if (!client->interrupted_ns || stamp->seq >= client->burst_end ||
            !world_measures(world, stamp->due_ns))
            return;
        if (client->told)
            counts->after_told++;
        else
            counts->stale++;
        return;
    }
    if (!world_measures(world, stamp->due_ns))
        return;
    if (!client_counts(client)) {
        counts->other_down++;
        return;
    }
    counts->down_received++;
    hist_record(&counts->down, (int64_t)(loop_now() - stamp->due_ns));
}

static void on_interrupted(struct client *client)
{
    struct world *world = client->world;

    if (!client->interrupted_ns || client->told)
        return;
    client->told = true;
    if (!world_measures(world, client->interrupted_ns))
        return;
    world->counts.interruptions++;
    hist_record(&world->counts.interrupted, (int64_t)(loop_now() - client->interrupted_ns));
}

static void on_turn(struct client *client, bool over)
{
    struct world *world = client->world;
    bool measured = world_measures(world, client->turn_ns);
    uint64_t now = loop_now();

    if (client->kind != CLIENT_TURNS || !client->turn_open)
        return;
    if (measured)
        world->counts.texts += !over;
    if (!over && !client->turn_answered && measured)
        hist_record(&world->counts.first_text, (int64_t)(now - client->turn_ns));
    client->turn_answered = true;
    if (!over)
        return;
    client->turn_open = false;
    if (measured) {
        world->counts.turns_done++;
        hist_record(&world->counts.turn, (int64_t)(now - client->turn_ns));
    }
    maybe_turn(client, now);
}

static void on_text(struct client *client, const char *data, size_t len)
{
    size_t head = len < HEAD_BYTES ? len : HEAD_BYTES;
    uint64_t broken = client->down.broken;
    struct span value;

    if (find_text(data, head, "audio/pcm") && find_string(data, len, HEAD_BYTES, "data", &value)) {
        pcm_read_text(&client->down, value.data, value.len, on_frame, client);
        client->world->counts.broken += client->down.broken - broken;
        return;
    }
    if (find_text(data, head, "text/plain"))
        on_turn(client, false);
    if (find_text(data, head, "\"error\"")) {
        client->world->counts.errors++;
        world_error(client->world, data, len);
    }
    if (find_true(data, len, "interrupted"))
        on_interrupted(client);
    if (find_true(data, len, "turn_complete"))
        on_turn(client, true);
}

static void on_message(struct conn *conn, bool binary, char *data, size_t len)
{
    struct client *client = conn->ctx;
    uint64_t broken = client->down.broken;

    if (!binary) {
        on_text(client, data, len);
    } else if (len > V1_HEADER) {
        pcm_read_raw(&client->down, (const unsigned char *)data + V1_HEADER, len - V1_HEADER,
                     on_frame, client);
        client->world->counts.broken += client->down.broken - broken;
    }
}

static void on_open(struct conn *conn)
{
    struct client *client = conn->ctx;
    struct world *world = client->world;
    uint64_t now = loop_now();

    if (!client->opened) {
        client->opened = true;
        world->open++;
        if (client->called_ns)
            hist_record(&world->counts.open, (int64_t)(now - client->called_ns));
    }
    start(client, now);
}

static void on_close(struct conn *conn, const char *why)
{
    struct client *client = conn->ctx;

    client->conn = NULL;
    client->world->counts.closed++;
    world_error(client->world, why, strlen(why));
}

static const struct conn_handlers handlers = {on_open, on_message, on_close};

/* ---- all of them
 * --------------------------------------------------------------------------------------- */

/* Spreads a share evenly over the audio clients. */
static bool is_of_share(unsigned i, unsigned percent)
{
    return (i + 1) * percent / 100 != i * percent / 100;
}

static uint64_t call_time(const struct world *world, uint64_t first_ns, size_t i)
{
    return first_ns + (uint64_t)((double)i * 1e9 / world->options->connects);
}

bool clients_new(struct world *world, uint64_t first_ns)
{
    const struct options *options = world->options;
    const unsigned numbers[CLIENT_KINDS] = {options->sessions, options->turns, options->barge,
                                            options->idle};
    size_t at = 0;

    world->clients_n = (size_t)options->sessions + options->turns + options->barge + options->idle;
    world->clients = calloc(world->clients_n, sizeof(*world->clients));
    if (!world->clients)
        return false;
    for (unsigned kind = 0; kind < CLIENT_KINDS; kind++) {
        for (unsigned i = 0; i < numbers[kind]; i++, at++) {
            struct client *client = &world->clients[at];
            client->world = world;
            client->index = (uint32_t)at;
            client->kind = (enum client_kind)kind;
            client->drops = kind == CLIENT_AUDIO && is_of_share(i, options->drop);
            client->slow = kind == CLIENT_AUDIO && !client->drops && is_of_share(i, options->slow);
            client->timer.on_due = on_timer;
            client->other.on_due = on_other;
            client->called_ns = call_time(world, first_ns, at);
            loop_timer(&world->loop, &client->timer, client->called_ns);
        }
    }
    return true;
}

uint64_t clients_last_call(const struct world *world, uint64_t first_ns)
{
    return call_time(world, first_ns, world->clients_n - 1);
}

void clients_close(struct world *world)
{
    for (size_t i = 0; i < world->clients_n; i++) {
        struct client *client = &world->clients[i];
        loop_timer_stop(&world->loop, &client->timer);
        loop_timer_stop(&world->loop, &client->other);
        conn_close(client->conn, true);
        client->conn = NULL;
    }
}

void clients_free(struct world *world)
{
    free(world->clients);
    world->clients = NULL;
    world->clients_n = 0;
}
