/* manifest - what a plugin says about itself in an ELF note, so that it can be known without running it: the JSON of
 * ANTIPHON_MANIFEST() in antiphon/plugin.h, checked against schema/plugin.schema.json. Immutable once read; any
 * thread. */
#ifndef PLUGIN_MANIFEST_H
#define PLUGIN_MANIFEST_H
#include "antiphon/plugin.h"
#include "base/err.h"
#include "base/json.h"

#define MANIFEST_MAX_BYTES ((size_t)256 << 10)

struct manifest;
/* text: the content of the note, {"abi": "1.0", "manifest": {...}}; NULs behind it are padding. EINVAL says where and
 * what would be right. Pure. */
enum antiphon_status manifest_parse(const char *text, size_t len, struct manifest **manifest,
                                    struct err *err) MUST_CHECK;
/* From an open file of any architecture; nothing of it runs. ENOTFOUND: an ELF file without a manifest; EINVAL: no ELF
 * file, or what manifest_parse() says. */
enum antiphon_status manifest_read(int fd, struct manifest **manifest, struct err *err) MUST_CHECK;
void manifest_free(struct manifest *manifest);

/* All borrowed. */
const cJSON *manifest_tree(const struct manifest *manifest);  /* the object as the plugin's author wrote it */
const char *manifest_abi(const struct manifest *manifest);    /* such as "1.0" */
const char *manifest_name(const struct manifest *manifest);
const char *manifest_version(const struct manifest *manifest);
const char *manifest_config(const struct manifest *manifest); /* JSON Schema, or NULL: no configuration */
const cJSON *manifest_tool(const struct manifest *manifest, const char *name); /* NULL: none of that name */
uint32_t manifest_tool_flags(const cJSON *tool);              /* ANTIPHON_TOOL_* */
bool manifest_tool_native(const cJSON *tool);
uint32_t manifest_hook_points(const struct manifest *manifest); /* ANTIPHON_HOOK_AT() bits */

/* "private", "net" or "exec". */
bool manifest_permits(const struct manifest *manifest, const char *what);
/* Whether host->http() may reach that host (a name or an address without brackets). */
bool manifest_permits_host(const struct manifest *manifest, const char *host);
#endif
