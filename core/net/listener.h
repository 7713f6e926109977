/* listener - the listening socket of a shard and the probe that keeps SO_REUSEPORT honest. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H
#include "base/err.h"

/* [main] Binds host:port once without SO_REUSEPORT, so that a second server on the port is an error
 * (EEXISTS: "port 8000 is in use") and not a silent sharing. *port 0 picks a free one and writes it
 * back. Returns a bound, unlistening descriptor with SO_REUSEPORT set that reserves the port until
 * every shard listens; close it then. */
enum antiphon_status listener_probe(const char *host, int *port, int *reserve_fd,
                                    struct err *err) MUST_CHECK;
/* A listening, non-blocking, close-on-exec SO_REUSEPORT socket. */
enum antiphon_status listener_open(const char *host, int port, int *fd, struct err *err) MUST_CHECK;
#endif
