/* ws_idle - counts the WebSocket connections of a shard, and how many of them are silent, in the metrics. Time is cut
 * into windows; the first message of a connection in a window counts it as awake, so that no connection is ever looked
 * at for being silent. [shard] */
#ifndef NET_WS_IDLE_H
#define NET_WS_IDLE_H
#include "net/timer.h"

#define WS_IDLE_WINDOW_MS 10000u

struct ws_idle { /* start zeroed but for the shard */
    struct shard *shard; /* borrowed */
    struct timer timer;  /* runs while there are connections */
    unsigned sockets, awake, window;
};
void ws_idle_stop(struct ws_idle *idle);

/* window: the connection's own, 0 at first. */
void ws_idle_open(struct ws_idle *idle, unsigned *window);
void ws_idle_message(struct ws_idle *idle, unsigned *window);
void ws_idle_close(struct ws_idle *idle, unsigned window);
#endif
