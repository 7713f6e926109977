/* client - one browser socket as its session sees it. The socket may be on another shard; then frames travel as messages.
 * [the session's shard] */
#ifndef SESSION_CLIENT_H
#define SESSION_CLIENT_H
#include "session/frontend.h"
#include "session/runtime.h"

struct session;

struct client {
    struct session *session;
    const struct frontend *frontend;
    uint64_t conn;              /* ws_conn handle on the socket's shard */
    uint64_t seq;
    unsigned shard;             /* of the socket */
    enum client_audio audio;
    unsigned bad;               /* messages refused in a row */
    bool remote;
    bool active;
    bool closing;
    bool wants_audio;           /* the seed's is_audio=true */
    uint64_t number;            /* unique in the process */
    struct client *next;        /* of the session, newest first; owned by it */
    struct client *next_remote; /* of sessions' table */
};

/* Writes one ready frame. */
void client_send(struct client *client, struct runtime *runtime, enum frame_kind kind, bool binary,
                 const struct antiphon_span *parts, size_t n);
void client_drop_audio(struct client *client, struct runtime *runtime);
void client_close(struct client *client, struct runtime *runtime, int code, const char *reason);
#endif
