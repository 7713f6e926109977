/* ws_queue - what waits for the socket of one client, in order, with an account for audio and one for all else. It bounds
 * nothing: ws_server does. Counted in the metrics. [shard] */
#ifndef NET_WS_QUEUE_H
#define NET_WS_QUEUE_H
#include "net/ws_server.h"

/* One message. LWS_PRE bytes stay free in front of the payload for the frame header. */
struct ws_out {
    struct ws_out *next;
    enum ws_kind kind;
    bool binary;
    size_t len;
    uint64_t came_us;     /* when the audio in it came from the model, 0: unknown */
    unsigned char data[]; /* LWS_PRE + len */
};

struct ws_queue {
    struct ws_out *first, **last; /* owned */
    size_t control_bytes, audio_bytes;
    unsigned control_messages;
};
void ws_queue_init(struct ws_queue *queue);
/* Takes it over. */
void ws_queue_append(struct ws_queue *queue, struct ws_out *out);
/* The caller's; NULL: empty. */
struct ws_out *ws_queue_pop(struct ws_queue *queue);
/* Drops audio from the oldest on until at most keep bytes of it wait; how many messages that were. */
unsigned ws_queue_drop_audio(struct ws_queue *queue, size_t keep);
void ws_queue_clear(struct ws_queue *queue);
#endif
