/* registration - copies and checks of what a plugin registers with add_tool(), add_model() and add_hook(). The
 * copy is full-size and zero where the plugin's struct is shorter; all texts are owned by it. Pure.
 */
#ifndef PLUGIN_REGISTRATION_H
#define PLUGIN_REGISTRATION_H
#include "plugin/registry.h"

#define REGISTRATION_MAX_NAME 128               /* bytes */
#define REGISTRATION_HOOK_BUDGET_MS     100u
#define REGISTRATION_MAX_HOOK_BUDGET_MS 10000u
#define REGISTRATION_MAX_TEXT ((size_t)1 << 16) /* bytes of a description, schema or fragment */

/* Copies as much of a struct as both sides know into to_size zeroed bytes and writes to_size into
 * its struct_size. EINVAL if from is NULL or shorter than min. */
enum antiphon_status registration_copy(void *to, size_t to_size, const void *from,
                                       size_t min) MUST_CHECK;

/* EINVAL with what would be right: a name that Live functions allow
 * ([A-Za-z_][A-Za-z0-9_.:-]{0,127}), a description, a parameter schema of an object within
 * jschema's subset, and either invoke() or (native) a feature and a fragment that is a JSON object
 * with a member. */
enum antiphon_status registration_tool(const struct antiphon_tool *from, struct registry_tool *to,
                                       struct err *err) MUST_CHECK;
void registration_tool_free(struct registry_tool *tool);
enum antiphon_status registration_model(const struct antiphon_model *from,
                                        struct registry_model *to, struct err *err) MUST_CHECK;
void registration_model_free(struct registry_model *model);
/* EINVAL: no name, no point, an unknown point or flag, no run(). A budget of 0 becomes the default. */
enum antiphon_status registration_hook(const struct antiphon_hook *from, struct registry_hook *to,
                                       struct err *err) MUST_CHECK;
void registration_hook_free(struct registry_hook *hook);
#endif
