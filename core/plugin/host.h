/* host - the functions behind struct antiphon_host, one object a plugin. [main] makes, opens,
 * closes and frees it; the functions of its table are called by the plugin from any thread.
 *
 * Registration: add_tool(), add_model() and add_hook() work between host_begin() and host_end() and only on the
 * thread that called host_begin(); elsewhere they answer EDENIED. What was added waits here until
 * host_take() or host_free(). The first thing that was refused is kept as the fault, so that a
 * plugin which ignores the answer fails to load all the same.
 *
 * Services: every struct is handed on full-size, zero where the plugin's is shorter, for the time
 * of the call. Impossible input (no call, no type, text that is not UTF-8, ...) is a fault of the
 * plugin: it is logged under its name and goes no further. */
#ifndef PLUGIN_HOST_H
#define PLUGIN_HOST_H
#include "plugin/manifest.h"
#include "plugin/registry.h"
#include "plugin/secrets.h"

#define HOST_MAX_TOOLS    256               /* of one plugin; more are refused with EBUSY */
#define HOST_MAX_MODELS   16                /* likewise */
#define HOST_MAX_HOOKS    32                /* likewise */
#define HOST_MAX_RESULT   ((size_t)1 << 20) /* bytes; a longer result is replaced by an error */
#define HOST_MAX_PROGRESS 1024              /* bytes; a longer text is cut */
/* Beyond these: ETOOBIG or EINVAL. Bytes. */
#define HOST_MAX_JSON       ((size_t)64 << 10) /* receipts, events, values of state and store */
#define HOST_MAX_KEY        256
#define HOST_MAX_EVENT_NAME 64
#define HOST_MAX_NOTICE     4096
#define HOST_MAX_QUERY      256
#define HOST_MAX_ROWS       1000u
#define HOST_ROWS           100u /* unless a query says otherwise */
#define HOST_MAX_TTL_S      (30u * 24 * 3600)

struct host;

/* name and services are borrowed and must outlive the host. */
enum antiphon_status host_new(const char *name, const struct host_services *services,
                              struct host **host) MUST_CHECK;
void host_free(struct host *host);
const struct antiphon_host *host_table(const struct host *host);

/* What the plugin's manifest says: fills in what its tools leave away and bounds what it may do. Borrowed; NULL: it has
 * none, and nothing is bounded. Before host_begin(). */
void host_set_manifest(struct host *host, const struct manifest *manifest);

/* What http() fills in. Borrowed; NULL: whoever is behind the services does that. */
void host_set_secrets(struct host *host, const struct secrets *secrets);

/* Who puts new tools in the place of a plugin's; takes all of tools if it answers OK. Before host_begin(). */
typedef enum antiphon_status host_set_tools_fn(void *ctx, const char *plugin, struct registry_tool *tools, size_t n,
                                               struct err *err);
void host_on_set_tools(struct host *host, host_set_tools_fn *fn, void *ctx);

void host_begin(struct host *host);
void host_end(struct host *host);
/* The first refused registration, or one with status ANTIPHON_OK. */
const struct err *host_fault(const struct host *host);

/* What was added, in order; borrowed until the next call on host. */
size_t host_tools(const struct host *host, const struct registry_tool **first);
size_t host_models(const struct host *host, const struct registry_model **first);
size_t host_hooks(const struct host *host, const struct registry_hook **first);
/* Moves all of it to `tools`, `models` and `hooks`, which have room for as many as the functions above told.
 */
void host_take(struct host *host, struct registry_tool *tools, struct registry_model *models,
               struct registry_hook *hooks);
#endif
