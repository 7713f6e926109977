/* server - the listening socket, TLS, signals and the loop. */
#ifndef LIVE_SIM_SERVER_H
#define LIVE_SIM_SERVER_H
#include "options.h"

/* Serves until SIGTERM or SIGINT. Returns the exit code; what failed is on stderr. */
int server_run(const struct options *options);
#endif
