/* load-micro - what the pure parts on the way of an audio frame cost, in nanoseconds and bytes a
 * second, with memcpy() of the same bytes beside them in the same run. One core, warm caches: a
 * lower bound, not what a busy server sees. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/buf.h"
#include "decode.h"
#include "encode.h"
#include "frontend/wire_sample.h"
#include "net/ws_frame.h"
#include "session/turn.h"

#define REPEATS   7
#define BATCH_NS  30000000u
#define MAX_BYTES 65536
#define UP_PCM    1280 /* 40 ms at 16 kHz */
#define DOWN_PCM  1920 /* 40 ms at 24 kHz */

static struct work {
    char up[MAX_BYTES], up_slow[MAX_BYTES], down[MAX_BYTES], out[MAX_BYTES];
    size_t up_len, up_slow_len, down_len;
    const char *base64; /* within up */
    size_t base64_len;
    struct decode decode;
    struct encode_style style;
    struct turn turn;
    struct buf scratch;
    volatile size_t sink; /* so that nothing is optimised away */
} work;

/* ---- what is measured
 * ---------------------------------------------------------------------------------- */

static void copy_up(void)
{
    memcpy(work.out, work.up, work.up_len);
    work.sink += (unsigned char)work.out[work.up_len / 2];
}

static void copy_down(void)
{
    memcpy(work.out, work.down, work.down_len);
    work.sink += (unsigned char)work.out[work.down_len / 2];
}

/* A client's message becomes a masked frame for the model. */
static void to_model(const char *data, size_t len)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    struct antiphon_event event = {
        .struct_size = sizeof(event), .type = ANTIPHON_EV_AUDIO, .sample_rate = 16000};
    struct client_fault fault;
    struct client_input input;
    struct encode_message message;
    unsigned char *out = (unsigned char *)work.out;
    size_t total = 0, at;

    buf_init(&work.scratch, MAX_BYTES);
    if (wire_sample.parse(false, data, len, &work.scratch, &input, &fault))
        abort();
    event.encoding = input.encoding;
    event.data = input.data;
    event.len = input.len;
    if (encode_event(&work.style, &event, &message))
        abort();
    for (size_t i = 0; i < message.n; i++)
        total += message.parts[i].len;
    at = ws_frame_header(WS_FRAME_TEXT, total, mask, out);
    for (size_t i = 0, offset = 0; i < message.n; offset += message.parts[i].len, i++)
        ws_frame_mask(out + at + offset, message.parts[i].data, message.parts[i].len, mask, offset);
    work.sink += out[at + total / 2];
    encode_free(&message);
    buf_deinit(&work.scratch);
}

static void up_fast(void)
{
    to_model(work.up, work.up_len);
}

static void up_slow(void)
{
    to_model(work.up_slow, work.up_slow_len);
}

static void join(void *ctx, enum frame_kind kind, bool binary, const struct antiphon_span *parts,
                 size_t n)
{
    size_t at = 0;

    (void)ctx;
    (void)kind;
    (void)binary;
    for (size_t i = 0; i < n; i++) {
        memcpy(work.out + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    work.sink += (unsigned char)work.out[at / 2];
}

static void on_event(void *ctx, const struct antiphon_event *event)
{
    struct frame_context context = {.turn = 1, .seq = 1, .audio = CLIENT_AUDIO_BASE64};

    (void)ctx;
    if (turn_step(&work.turn, TURN_IN_AUDIO) & TURN_DROP)
        abort();
    wire_sample.encode(event, &context, &work.scratch, join, NULL);
}

/* A message of the model becomes a client's. */
static void down_fast(void)
{
    struct decode_error error;
    size_t where;

    if (decode_message(&work.decode, work.down, work.down_len, on_event, NULL, &error, &where))
        abort();
}

static void check(void)
{
    size_t decoded;

    if (base64_check(work.base64, work.base64_len, &decoded) != BASE64_STANDARD)
        abort();
    work.sink += decoded;
}

static void step(void)
{
    work.sink += turn_step(&work.turn, TURN_IN_AUDIO);
}

/* ---- measuring
 * ------------------------------------------------------------------------------------------ */

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct figures {
    double best, median, worst; /* ns a call */
};

static struct figures measure(void (*fn)(void))
{
    double ns[REPEATS];
    uint64_t calls = 1, spent = 0;

    while (spent < BATCH_NS / 2) {
        uint64_t begun = now();
        calls *= 2;
        for (uint64_t i = 0; i < calls; i++)
            fn();
        spent = now() - begun;
    }
    for (int i = 0; i < REPEATS; i++) {
        uint64_t begun = now();
        for (uint64_t k = 0; k < calls; k++)
            fn();
        ns[i] = (double)(now() - begun) / (double)calls;
    }
    qsort(ns, REPEATS, sizeof(ns[0]), compare);
    return (struct figures){ns[0], ns[REPEATS / 2], ns[REPEATS - 1]};
}

/* The length of a client's frame. */
static size_t fill_in(void)
{
    static const char up_head[] = "{\"mime_type\":\"audio/pcm\",\"data\":\"", up_tail[] = "\"}";
    static const char slow_head[] = "{ \"mime_type\":\"audio/pcm\",\"data\":\"";
    static const char down_head[] =
        "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      \"parts\": [\n        {\n"
        "          \"inlineData\": {\n            \"mimeType\": \"audio/pcm;rate=24000\",\n"
        "            \"data\": \"";
    static const char down_tail[] = "\"\n          }\n        }\n      ]\n    }\n  }\n}\n";
    unsigned char pcm[DOWN_PCM];
    char text[DOWN_PCM / 3 * 4 + 8];
    int n;

    for (size_t i = 0; i < sizeof(pcm); i++)
        pcm[i] = (unsigned char)(i * 2654435761u >> 13);
    base64_encode(pcm, UP_PCM, text);
    n = snprintf(work.up, MAX_BYTES, "%s%s%s", up_head, text, up_tail);
    work.up_len = (size_t)n;
    work.base64 = work.up + sizeof(up_head) - 1;
    work.base64_len = base64_encoded_len(UP_PCM);
    n = snprintf(work.up_slow, MAX_BYTES, "%s%s%s", slow_head, text, up_tail);
    work.up_slow_len = (size_t)n;
    base64_encode(pcm, DOWN_PCM, text);
    n = snprintf(work.down, MAX_BYTES, "%s%s%s", down_head, text, down_tail);
    work.down_len = (size_t)n;
    buf_init(&work.scratch, MAX_BYTES);
    turn_step(&work.turn, TURN_IN_AUDIO);
    return work.up_len;
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    size_t filled = fill_in();
    const struct {
        const char *name, *what;
        void (*fn)(void);
        size_t bytes;
    } rows[] = {
        {"memcpy_up", "memcpy of a client's frame", copy_up, filled},
        {"client_to_model", "client's frame to model's frame", up_fast, work.up_len},
        {"client_to_model_tree", "the same through a JSON tree", up_slow, work.up_slow_len},
        {"base64_check", "base64 check alone", check, work.base64_len},
        {"memcpy_down", "memcpy of a model's message", copy_down, work.down_len},
        {"model_to_client", "model's message to client's frame", down_fast, work.down_len},
        {"turn_step", "turn step alone", step, 0},
    };
    struct figures base = {0, 0, 0};

    if (argc > 1 && !json) {
        (void)fputs("usage: load-micro [--json]\n", stderr);
        return 2;
    }
    if (json)
        (void)fputs("{", stdout);
    else
        printf("%-36s %7s %9s %9s %9s %9s %9s\n", "", "bytes", "ns", "best", "worst", "GB/s",
               "memcpys");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct figures got = measure(rows[i].fn);
        if (strncmp(rows[i].name, "memcpy", 6) == 0)
            base = got;
        if (json)
            printf("%s\"%s\":{\"bytes\":%zu,\"ns\":%.1f,\"best\":%.1f,\"worst\":%.1f}",
                   i ? "," : "", rows[i].name, rows[i].bytes, got.median, got.best, got.worst);
        else
            printf("%-36s %7zu %9.1f %9.1f %9.1f %9.2f %9.1f\n", rows[i].what, rows[i].bytes,
                   got.median, got.best, got.worst, (double)rows[i].bytes / got.median,
                   got.median / base.median);
    }
    (void)fputs(json ? "}\n" : "", stdout);
    return 0;
}
