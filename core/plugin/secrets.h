/* secrets - values of a plugin's configuration that are marked "writeOnly", by their key, for the host to put into its
 * requests where {{secret:KEY}} stands. Those that are marked "x-host-only" too never reach the plugin: its
 * configuration holds that text in their place. A key inside an object is "object.key", inside the
 * first element of an array "array.0.key". Immutable once made; any
 * thread. Memory is wiped before it is freed. */
#ifndef PLUGIN_SECRETS_H
#define PLUGIN_SECRETS_H
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define SECRETS_MAX 64 /* of one plugin; more: ETOOBIG */

struct secrets;
/* schema: tree of the configuration's schema, or NULL: there are none. config: the configuration as it is, changed in
 * place where a secret is for the host only. */
enum antiphon_status secrets_new(const cJSON *schema, cJSON *config, struct secrets **secrets) MUST_CHECK;
/* The same for texts: *json, which may be NULL, becomes what the plugin may see. err is "config: REASON". */
enum antiphon_status secrets_take(const char *schema, char **json, struct secrets **secrets, struct err *err) MUST_CHECK;
void secrets_free(struct secrets *secrets);
/* Whether {{secret:...}} stands anywhere in text. */
bool secrets_wanted(const char *text, size_t len);
/* text with its secrets filled in, appended to out. EINVAL: it names one that there is not. */
enum antiphon_status secrets_fill(const struct secrets *secrets, const char *text, size_t len, struct buf *out) MUST_CHECK;
#endif
