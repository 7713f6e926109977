/* catalog - which tools the plugins in the plugin folders say they have: their manifests, read from the files without
 * loading any. [main] or [reload], one at a time.
 *
 * Left out is what could not be loaded from there anyway (loader_find() refuses it), what has no manifest, and plugins
 * whose name an earlier folder has. */
#ifndef PLUGIN_CATALOG_H
#define PLUGIN_CATALOG_H
#include "base/status.h"

#include <stddef.h>

#define CATALOG_MAX_PLUGINS 512 /* what lies there beyond that is passed over, with a line in the log */

struct catalog;
/* dirs is NULL-terminated; one that does not exist is empty. Takes about 0.1 ms a file. ENOMEM. */
enum antiphon_status catalog_read(const char *const *dirs, struct catalog **catalog) MUST_CHECK;
void catalog_free(struct catalog *catalog);
/* The plugins that say they have that tool, ordered by name: the first for index 0, NULL when there are no more. Borrowed. */
const char *catalog_owner(const struct catalog *catalog, const char *tool, size_t index);
/* Up to max names of tools, of all plugins; how many. Borrowed. */
size_t catalog_tools(const struct catalog *catalog, const char **names, size_t max);
#endif
