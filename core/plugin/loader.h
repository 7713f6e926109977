/* loader - from the name of a plugin to its checked descriptor: finds <name>.so, looks at the file
 * before any of its code can run, opens it. [main]
 *
 * The file must be a regular one that not everybody may write, and lie inside the directory it was
 * found in (a symbolic link may not lead out). It must be a complete shared object for this kind of
 * machine: a truncated one would kill the process inside dlopen(). It is opened with RTLD_NOW |
 * RTLD_LOCAL | RTLD_NODELETE and never closed, so what the descriptor points to lives for ever.
 *
 * Errors are "STEP: REASON" on one line; the steps in order: name, find, file, elf, manifest,
 * open, symbol, struct, name, manifest. */
#ifndef PLUGIN_LOADER_H
#define PLUGIN_LOADER_H
#include "base/err.h"
#include "plugin/manifest.h"

#define LOADER_SYMBOL   "antiphon_plugin_v1"
#define LOADER_MAX_NAME 63 /* bytes; letters, digits, '_' and '-', and no '-' in front */

/* Everything up to the step manifest, so nothing of the file has run. *path (free it) is where it is, *fd (close it) the
 * open file, *manifest (free it) NULL if the file has none. dirs is NULL-terminated; the first that has the file wins. */
enum antiphon_status loader_find(const char *const *dirs, const char *name, char **path, int *fd,
                                 struct manifest **manifest, struct err *err) MUST_CHECK;
/* loader_find() and the rest. Fills *plugin with a full-size copy, zero where the plugin's own descriptor is shorter. */
enum antiphon_status loader_open(const char *const *dirs, const char *name,
                                 struct antiphon_plugin *plugin, struct manifest **manifest,
                                 struct err *err) MUST_CHECK;
/* The rest, for a file that somebody has found, checked and copied: only its content is known, no path. */
enum antiphon_status loader_open_fd(int fd, const char *name, struct antiphon_plugin *plugin,
                                    struct manifest **manifest, struct err *err) MUST_CHECK;
bool loader_exists(const char *const *dirs, const char *name);
#endif
