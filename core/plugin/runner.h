/* runner - the process in which an isolated plugin lives: locks itself in (sandbox.h), loads the plugin from a descriptor
 * it was given, and does what the server asks over a socket (runner_wire.h). To the plugin it looks like the server: the
 * same registry and the same host functions, with services behind them that ask the server.
 *
 * Threads: main reads the socket and hands on; "load" runs init() and shutdown(), "calls" run tools, hooks and timers,
 * "events" runs cancel() and what an HTTP request was waiting for. Whatever goes wrong with the socket ends the process:
 * without the server there is nobody to work for. */
#ifndef PLUGIN_RUNNER_H
#define PLUGIN_RUNNER_H

#define RUNNER_FD_SOCKET 3
#define RUNNER_FD_PLUGIN 4 /* the shared object */

#define RUNNER_THREADS  8    /* calls at a time */
#define RUNNER_MAX_JOBS 1000 /* calls that wait for one; the server sends no more than that either */

/* Exit codes. */
#define RUNNER_EXIT_FAILED 1 /* said FAILED */
#define RUNNER_EXIT_USAGE  2 /* was not started by a server */
#define RUNNER_EXIT_LOST   70 /* the socket broke */

/* Runs until the server says SHUTDOWN or goes away. */
int runner_main(void);
#endif
