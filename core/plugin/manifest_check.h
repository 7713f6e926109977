/* manifest_check - whether a plugin that was loaded is what its manifest says: whoever reads the one must be able to rely
 * on it for the other. Pure. */
#ifndef PLUGIN_MANIFEST_CHECK_H
#define PLUGIN_MANIFEST_CHECK_H
#include "plugin/host.h"
#include "plugin/manifest.h"

/* Before init(): built for an ABI of the same major version, the same name and version, and no other configuration.
 * EINVAL, err in one line. */
enum antiphon_status manifest_check_plugin(const struct manifest *manifest, const struct antiphon_plugin *plugin,
                                           struct err *err) MUST_CHECK;
/* After init(): every tool with its description, parameters and flags, every model and every hook's points are the
 * same; tools beyond those of the manifest are right with "dynamic_tools", missing ones too. EINVAL. */
enum antiphon_status manifest_check_registered(const struct manifest *manifest, const struct host *host,
                                               struct err *err) MUST_CHECK;
/* Texts and flags that the tool leaves to the manifest. *parameters is made and the caller's to free; both are NULL where there is
 * nothing to take. */
enum antiphon_status manifest_fill_tool(const struct manifest *manifest, const struct antiphon_tool *tool,
                                        const char **description, char **parameters,
                                        uint32_t *flags) MUST_CHECK;
#endif
