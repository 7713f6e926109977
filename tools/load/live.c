#include "live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "find.h"

#define HEAD_BYTES   400 /* of a message, where its names are looked for */
#define BURST_A_TURN 8   /* frames a turn of the loop: the clients are read in between */
#define DRAIN_READS  8

/* As the service lays its messages out, and without white space. */
struct wording {
    const char *set_up, *audio_head, *audio_tail, *text_head, *transcript_head, *text_tail,
        *transcript_tail, *interrupted, *complete;
};
static const struct wording pretty = {
    "{\n  \"setupComplete\": {}\n}\n",
    "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      \"parts\": [\n        {\n          "
    "\"inlineData\": {\n"
    "            \"mimeType\": \"audio/pcm;rate=24000\",\n            \"data\": \"",
    "\"\n          }\n        }\n      ]\n    }\n  }\n}\n",
    "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      \"parts\": [\n        {\n          "
    "\"text\": \"",
    "{\n  \"serverContent\": {\n    \"outputTranscription\": {\n      \"text\": \"",
    "\"\n        }\n      ]\n    }\n  }\n}\n",
    "\"\n    }\n  }\n}\n",
    "{\n  \"serverContent\": {\n    \"interrupted\": true\n  }\n}\n",
    "{\n  \"serverContent\": {\n    \"turnComplete\": true\n  }\n}\n"};
static const struct wording compact = {"{\"setupComplete\":{}}",
                                       "{\"serverContent\":{\"modelTurn\":{\"parts\":[{"
                                       "\"inlineData\":{\"mimeType\":\"audio/pcm;rate=24000\","
                                       "\"data\":\"",
                                       "\"}}]}}}",
                                       "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"",
                                       "{\"serverContent\":{\"outputTranscription\":{\"text\":\"",
                                       "\"}]}}}",
                                       "\"}}}",
                                       "{\"serverContent\":{\"interrupted\":true}}",
                                       "{\"serverContent\":{\"turnComplete\":true}}"};

static const struct wording *wording(const struct live *live)
{
    return live->world->options->compact ? &compact : &pretty;
}

static void say(struct live *live, const char *head, struct span middle, const char *tail)
{
    const struct span parts[3] = {{head, strlen(head)}, middle, {tail, strlen(tail)}};

    if (live->conn)
        conn_send(live->conn, CONN_BINARY, parts, 3);
}

static void say_plain(struct live *live, const char *text)
{
    say(live, text, (struct span){"", 0}, "");
}

/* ---- what is sent
 * ------------------------------------------------------------------------------------ */

static void send_audio(struct live *live, uint64_t due_ns)
{
    char text[PCM_MAX_BYTES / 3 * 4 + 8];
    struct world *world = live->world;
    struct stamp stamp = {live->client->index, live->seq++, due_ns};

    pcm_text(&world->down, &stamp, text);
    say(live, wording(live)->audio_head, (struct span){text, world->down.chars},
        wording(live)->audio_tail);
    if (!client_counts(live->client) || !world_measures(world, due_ns))
        return;
    world->counts.down_sent++;
    hist_record(&world->counts.late, (int64_t)(loop_now() - due_ns));
}

static void answer_turn(struct live *live)
{
    static const char word[] = "answer ";
    const struct wording *words = wording(live);

    for (unsigned i = 0; i < live->world->options->words; i++)
        say(live, live->text ? words->text_head : words->transcript_head,
            (struct span){word, sizeof(word) - 1},
            live->text ? words->text_tail : words->transcript_tail);
    say_plain(live, words->complete);
}

/* What has gone through to the client by now is not stale. */
static void read_client(struct client *client)
{
    for (int i = 0; i < DRAIN_READS && client->conn; i++)
        conn_read_now(client->conn);
}

static void interrupt(struct live *live, uint64_t now_ns)
{
    struct client *client = live->client;
    struct world *world = live->world;

    read_client(client);
    if (!live->conn)
        return;
    client->burst_end = live->seq;
    client->told = false;
    client->interrupted_ns = loop_now();
    say_plain(live, wording(live)->interrupted);
    say_plain(live, wording(live)->complete);
    live->bursting = false;
    if (world_measures(world, now_ns))
        hist_record(&world->counts.burst, (int64_t)(client->interrupted_ns - live->burst_ns));
}

static void on_burst(struct live *live, uint64_t now_ns)
{
    uint64_t due;

    if (!live->bursting) {
        if (!schedule_take(&live->schedule, now_ns, &due))
            return;
        live->bursting = true;
        live->burst_left = live->world->options->barge_frames;
        live->burst_ns = now_ns;
        live->client->interrupted_ns = 0;
    }
    for (int i = 0; i < BURST_A_TURN && live->burst_left && !conn_waiting(live->conn); i++) {
        send_audio(live, now_ns);
        live->burst_left--;
    }
    if (!live->burst_left && !conn_waiting(live->conn))
        interrupt(live, now_ns);
}

static void on_timer(struct timer *timer, uint64_t now_ns)
{
    struct live *live = (struct live *)((char *)timer - offsetof(struct live, timer));
    struct world *world = live->world;
    uint64_t due;

    if (!live->conn || !live->client)
        return;
    if (live->client->kind == CLIENT_BARGE) {
        if (!world->sending && !live->bursting)
            return;
        on_burst(live, now_ns);
        loop_timer(&world->loop, timer,
                   live->bursting ? now_ns + 1 : schedule_next(&live->schedule));
        return;
    }
    while (world->sending && live->conn && schedule_take(&live->schedule, now_ns, &due))
        send_audio(live, due);
    if (world->sending && live->conn)
        loop_timer(&world->loop, timer, schedule_next(&live->schedule));
}

/* ---- what comes
 * -------------------------------------------------------------------------------------- */

/* The first stamp tells whose connection this is. */
static void meet(struct live *live, const struct stamp *stamp)
{
    struct world *world = live->world;
    const struct options *options = world->options;
    uint64_t now = loop_now();
    struct client *client;

    if (live->client || stamp->stream >= world->clients_n)
        return;
    client = &world->clients[stamp->stream];
    live->client = client;
    if (client->called_ns)
        hist_record(&world->counts.connect, (int64_t)(live->setup_ns - client->called_ns));
    client->called_ns = 0; /* once: a server may call the model again */
    client->live = live;
    client->down_seq = 0;
    live->up_seq = stamp->seq;
    if (client->kind == CLIENT_AUDIO)
        schedule_init(&live->schedule, now + world_random(world, 40000000), options->down_bytes / 2,
                      24000);
    else if (client->kind == CLIENT_BARGE)
        schedule_init(&live->schedule,
                      now + world_random(world, (uint64_t)(options->barge_every * 1e9)),
                      (uint64_t)(options->barge_every * 1000), 1000);
    else
        return;
    loop_timer(&world->loop, &live->timer, schedule_next(&live->schedule));
}

static void on_frame(void *ctx, const struct stamp *stamp)
{
    struct live *live = ctx;
    struct world *world = live->world;

    meet(live, stamp);
    if (!live->client || stamp->stream != live->client->index) {
        world->counts.broken++;
        return;
    }
    if (!world_measures(world, stamp->due_ns))
        return;
    if (!client_counts(live->client)) {
        world->counts.other_up++;
        return;
    }
    world->counts.up_received++;
    hist_record(&world->counts.up, (int64_t)(loop_now() - stamp->due_ns));
}

static void on_input(struct live *live, const char *data, size_t len)
{
    uint64_t broken = live->up.broken;
    struct stamp stamp;
    struct span value;

    if (find_string(data, len, HEAD_BYTES, "data", &value)) {
        if (world_measures(live->world, loop_now()))
            live->world->counts.up_messages++;
        pcm_read_text(&live->up, value.data, value.len, on_frame, live);
        live->world->counts.broken += live->up.broken - broken;
        return;
    }
    if (!stamp_from_hex(data, len, &stamp))
        return;
    meet(live, &stamp);
    if (live->client && live->client->kind == CLIENT_TURNS && stamp.seq >= live->up_seq) {
        live->up_seq = stamp.seq + 1;
        answer_turn(live);
    }
}

static void on_open(struct conn *conn)
{
    (void)conn; /* setup comes first */
}

static void on_message(struct conn *conn, bool binary, char *data, size_t len)
{
    struct live *live = conn->ctx;

    (void)binary;
    if (live->set_up) {
        on_input(live, data, len);
        return;
    }
    live->set_up = true;
    live->setup_ns = loop_now();
    live->text = find_text(data, len, "\"TEXT\"");
    say_plain(live, wording(live)->set_up);
}

static void on_close(struct conn *conn, const char *why)
{
    struct live *live = conn->ctx;

    (void)why;
    live->conn = NULL;
    live->world->lives_open--;
    loop_timer_stop(&live->world->loop, &live->timer);
    if (live->client && live->client->live == live)
        live->client->live = NULL;
}

static const struct conn_handlers handlers = {on_open, on_message, on_close};

static void on_accept(struct watch *watch, uint32_t events)
{
    struct world *world = (struct world *)((char *)watch - offsetof(struct world, listener));
    int fd;

    (void)events;
    while ((fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct live *live = calloc(1, sizeof(*live));
        struct conn *conn;
        if (!live) {
            close(fd);
            continue;
        }
        live->world = world;
        live->timer.on_due = on_timer;
        live->up = (struct pcm_reader){.frames = &world->up, .verify = world->options->verify};
        live->next = world->lives;
        world->lives = live;
        world->lives_open++;
        conn = conn_serve(&world->loop, fd, world->tls, &handlers, live);
        if (!conn)
            world->lives_open--;
        else if (conn->phase != CONN_DEAD)
            live->conn = conn;
    }
}

bool live_listen(struct world *world, int *port)
{
    world->listener = (struct watch){.fd = conn_listen(port), .on_event = on_accept};
    return world->listener.fd >= 0 && loop_watch(&world->loop, &world->listener, EPOLLIN);
}

void live_close_all(struct world *world)
{
    for (struct live *live = world->lives; live; live = live->next) {
        if (!live->conn)
            continue;
        conn_close(live->conn, true);
        live->conn = NULL;
        loop_timer_stop(&world->loop, &live->timer);
        world->lives_open--;
    }
}

void live_free_all(struct world *world)
{
    while (world->lives) {
        struct live *live = world->lives;
        world->lives = live->next;
        free(live);
    }
}
