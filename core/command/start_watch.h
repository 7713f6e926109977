/* start_watch - while plugins are started, [main] may be inside init() of one that does not come back. Meanwhile a thread
 * takes SIGTERM and SIGINT, and says which plugin keeps the server waiting.
 *
 * A signal that comes is handed back to the process when the plugins are there, so that [main] ends in an orderly way. If that takes more
 * than START_WATCH_END_MS the process ends at once: no conversation has begun. */
#ifndef COMMAND_START_WATCH_H
#define COMMAND_START_WATCH_H
#include <pthread.h>
#include <stdatomic.h>

#include "base/status.h"

#define START_WATCH_SAY_MS 10000
#define START_WATCH_END_MS 1000

struct start_watch {
    pthread_t thread;
    int signals, wake; /* owned */
    _Atomic(const char *) plugin; /* borrowed; whose init() runs in this process; NULL: none */
};
/* [main] Both signals are blocked. */
enum antiphon_status start_watch_start(struct start_watch *watch) MUST_CHECK;
void start_watch_stop(struct start_watch *watch);
/* [main] */
void start_watch_plugin(struct start_watch *watch, const char *name);
#endif
