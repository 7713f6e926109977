/* conn - one connection to the service. [loop of its session]
 *
 *   open -> (TOKEN) -> CONNECTING -> SETUP -> READY -> CLOSED
 *                                          \-> ASKING (which models the key may use) -> CLOSED
 *
 * READY is emitted after setupComplete, when earlier turns have been handed to the socket. CLOSED
 * is emitted once, and nothing afterwards. Deadlines of setup are the host's. */
#ifndef GEMINI_CONN_H
#define GEMINI_CONN_H
#include "backend.h"
#include "token.h"

/* The plugin's state, immutable after init(). */
struct gemini {
    const struct antiphon_host *host;
    struct backend backend;
    struct credentials credentials;
    struct token_cache *tokens; /* owned; NULL unless the backend signs in with a bearer token */
};

/* The functions of struct antiphon_model; state is struct gemini. */
enum antiphon_status conn_open(void *state, antiphon_sink sink, const char *run, size_t run_len,
                               void **conn, char *why, size_t why_size);
enum antiphon_status conn_send(void *conn, const struct antiphon_event *event);
void conn_close(void *conn);
void conn_wake(void *conn);
#endif
