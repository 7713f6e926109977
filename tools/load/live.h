/* live - the model's side: accepts the server's connections, takes any setup, and sends to
 * whoever's stamp comes first what that client's kind calls for: audio at the pace of speech, an
 * answer to a typed turn, or bursts of audio that are interrupted. */
#ifndef LOAD_LIVE_H
#define LOAD_LIVE_H
#include "world.h"

struct live {
    struct world *world;
    struct live *next;
    struct conn *conn;     /* NULL: gone */
    struct client *client; /* borrowed; NULL: not known yet */
    bool set_up;           /* setup has come */
    bool text;             /* it asked for TEXT */
    uint64_t setup_ns;
    struct timer timer;
    struct schedule schedule;
    uint64_t seq;    /* of the next frame to the client */
    uint64_t up_seq; /* of the next frame that is expected */
    struct pcm_reader up;
    unsigned burst_left;
    bool bursting;
    uint64_t burst_ns; /* when it began */
};

/* Listens on 127.0.0.1; *port 0: any, and is told. */
bool live_listen(struct world *world, int *port);
/* Ends every connection. */
void live_close_all(struct world *world);
/* Frees them; after the loop. */
void live_free_all(struct world *world);
#endif
