/* conn - one client: its socket, its HTTP request, its WebSocket and the session on it.
 *
 * Upgrade requests are numbered from 1; that number is what scenarios call `connection`. A conn
 * frees itself when its socket and timers are closed, always from the loop, never inside a call
 * made by the session. After conn_close, conn_die or conn_reset the session sends nothing more:
 * conn_send is then ignored. */
#ifndef LIVE_SIM_CONN_H
#define LIVE_SIM_CONN_H
#include "access.h"
#include "link.h"
#include "session.h"
#include "sim.h"
#include "ws.h"

enum conn_timer {
    CONN_TURN,   /* next step of the answer */
    CONN_SETUP,  /* setupComplete is due */
    CONN_CANCEL, /* calls are to be cancelled */
    CONN_CUT,    /* goAway ran out */
    CONN_PLAY,   /* a scenario goes on */
    CONN_PONG,   /* a late pong */
    CONN_CLOSE,  /* the peer did not answer our close */
    CONN_TIMERS
};

enum conn_state { CONN_HTTP, CONN_OPEN, CONN_CLOSING, CONN_GONE };

struct conn {
    struct sim *sim;   /* borrowed: outlives every conn */
    struct link *link; /* owned; NULL once closed */
    enum conn_state state;
    uint32_t number;
    struct http_request request;
    struct access access;
    struct ws_reader reader;
    bool broken;       /* the peer broke the framing: what else it sends is dropped */
    struct bytes pong; /* payload of the late pong */
    uv_timer_t timers[CONN_TIMERS];
    unsigned open_handles;
    struct session session;
    struct conn *next, **prev; /* sim.conns */
};

void conn_accept(struct sim *sim, uv_stream_t *listener);
/* Sends one server message; deletes it. */
void conn_send(struct conn *conn, cJSON *message);
/* Text as it is, in the opcode and frames of the style. half: only the first half of the bytes. */
void conn_send_text(struct conn *conn, const char *text, size_t len, bool half);
void conn_close(struct conn *conn, uint16_t code, const char *reason);
void conn_reset(struct conn *conn);
void conn_die(struct conn *conn);
void conn_arm(struct conn *conn, enum conn_timer timer, uint64_t ms);
void conn_disarm(struct conn *conn, enum conn_timer timer);
/* Bytes the client has not taken yet; the session pauses its answer while there are many. */
size_t conn_queued(const struct conn *conn);

/* For scenarios: the upgrade that a rule held back, and an HTTP answer in its place. */
void conn_upgrade(struct conn *conn);
void conn_refuse(struct conn *conn, int status, const char *body);
/* Whether the WebSocket with that number is still open. */
bool conn_is_open(const struct sim *sim, uint32_t number);
#endif
