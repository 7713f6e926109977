/* client - one client of the server, of one kind. */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H
#include "live.h"

struct client {
    struct world *world;
    uint32_t index;
    enum client_kind kind;
    bool slow, drops;
    struct conn *conn;  /* NULL: not there */
    struct live *live;  /* borrowed; the connection to the model that its stamps came by */
    uint64_t called_ns; /* when the call was due; 0: that is measured */
    bool opened;        /* once */
    struct timer timer; /* the call, then what is to be sent */
    struct timer other; /* slow reading, or going away */
    struct schedule schedule;
    uint64_t seq, down_seq;
    struct pcm_reader down;
    bool turn_open, turn_answered;
    uint64_t turn_ns;        /* when its text was due */
    uint64_t interrupted_ns; /* the model has said it; 0: it has not */
    bool told;
    uint64_t burst_end; /* number of the first frame behind the burst */
};

/* Makes the clients and sets the times of their calls; the first at first_ns. */
bool clients_new(struct world *world, uint64_t first_ns);
void clients_free(struct world *world);
/* When the last call is due. */
uint64_t clients_last_call(const struct world *world, uint64_t first_ns);
void clients_close(struct world *world);
/* A frame of this client is counted with the loss and the latencies. */
bool client_counts(const struct client *client);
#endif
