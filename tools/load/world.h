/* world - everything of one run: what was asked for, the clients, the model's side, and what was
 * counted. */
#ifndef LOAD_WORLD_H
#define LOAD_WORLD_H
#include <netinet/in.h>
#include "conn.h"
#include "hist.h"
#include "loop.h"
#include "options.h"
#include "pcm.h"
#include "schedule.h"

enum client_kind { CLIENT_AUDIO, CLIENT_TURNS, CLIENT_BARGE, CLIENT_IDLE, CLIENT_KINDS };

/* What happened in the window (frames count by when they were due), unless it says otherwise. */
struct counts {
    uint64_t up_sent, up_received, down_sent,
        down_received;             /* frames of clients that neither dawdle nor drop */
    uint64_t other_up, other_down; /* frames that went through from and to those that do */
    uint64_t up_messages;          /* messages that carried the up frames to the model */
    uint64_t broken;               /* frames that arrived damaged */
    uint64_t turns_sent, turns_done, texts;
    uint64_t interruptions, stale, after_told;
    uint64_t drops;          /* clients that went away in mid-turn */
    uint64_t errors, closed; /* whole run: error frames, connections that ended on their own */
    char first_error[200];
    struct hist up, down; /* one way, from when a frame was due */
    struct hist late;     /* our own: from due to handed to the kernel */
    struct hist connect;  /* whole run: from the call being due to setup at the model's side */
    struct hist open;     /* whole run: from the call being due to the client's 101 */
    struct hist first_text,
        turn;                /* from the typed text being due to its first answer, to its end */
    struct hist interrupted; /* from the model saying it to the client hearing it */
    struct hist burst;       /* how long a burst of audio took to be taken from us */
};

struct client;
struct live;

struct world {
    const struct options *options; /* borrowed */
    struct loop loop;
    struct sockaddr_in server;
    SSL_CTX *tls;          /* owned; the model's side; NULL: clear */
    struct watch listener; /* the model's side */
    struct pcm_frames up, down;
    struct client *clients; /* owned */
    size_t clients_n, open;
    struct live *lives; /* owned list: every connection there was */
    size_t lives_open;
    uint64_t random;
    bool sending;            /* clients and the model send on schedule */
    uint64_t from_ns, to_ns; /* the window; 0: not yet */
    struct counts counts;
};

bool world_measures(const struct world *world, uint64_t due_ns);
/* Uniform in 0..below. */
uint64_t world_random(struct world *world, uint64_t below);
void world_error(struct world *world, const char *text, size_t len);
#endif
