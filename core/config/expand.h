/* expand - "${env:NAME}" and "${env:NAME:-default}" in the texts of a configuration. The default
 * counts when the variable is unset or empty, as in a shell; without a default an unset variable is
 * a fault.
 * "$${env:" stands for the plain characters "${env:". References do not nest. Pure: the caller
 * looks up. */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H
#include "config/yaml.h"

/* The value of an environment variable, or NULL. */
typedef const char *expand_get_fn(void *ctx, const char *name);

/* EINVAL: a broken reference or an unset variable, named by err. */
enum antiphon_status expand_text(const char *text, expand_get_fn *get, void *ctx, struct buf *out,
                                 struct err *err) MUST_CHECK;
/* All texts of node, which stands at path of yaml's file, from the process environment. [main] */
enum antiphon_status expand_tree(const struct yaml *yaml, cJSON *node, const char *path,
                                 struct report *report) MUST_CHECK;
#endif
