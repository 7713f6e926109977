/* services - what the host functions of plugins do in the running server: the bridge from core/plugin to the layers above
 * it. [main] to open and close; called from any thread.
 *
 * Plugins may have threads of their own that end only in shutdown(), when much of the server is gone already. So every
 * call that needs a part of it passes a gate, which services_close() shuts: later calls answer EUNAVAILABLE. */
#ifndef COMMAND_SERVICES_H
#define COMMAND_SERVICES_H
#include "net/http_client.h"
#include "session/runtime.h"

struct services;
/* runtime is borrowed; its pool and store must be there. */
enum antiphon_status services_open(struct runtime *runtime, struct http_client *http,
                                   struct services **services) MUST_CHECK;
/* Around the start of the shards: calls that would reach them wait. */
void services_starting(struct services *services);
void services_started(struct services *services);
/* For registry_new(). */
const struct host_services *services_table(const struct services *services);
/* Waits for calls on their way (they wait for the store, at most 5 s). Before pool, store, HTTP client or shards go. */
void services_close(struct services *services);
/* After the registry is gone. */
void services_free(struct services *services);
#endif
