/* rule - one rule of the configuration: where it looks on, what it looks for, what it does then.
 * Immutable once made; any thread. */
#ifndef GUARD_RULE_H
#define GUARD_RULE_H
#include <cjson/cJSON.h>

#include "pattern.h"

#define RULE_MAX_FILTERS 32 /* tools, agents */

enum rule_action { RULE_WATCH, RULE_REWRITE, RULE_REFUSE, RULE_ANSWER };

struct rule {
    char *name, *reason, *argument, *answer; /* owned; argument and answer may be NULL */
    char *tools[RULE_MAX_FILTERS], *agents[RULE_MAX_FILTERS]; /* owned; shell patterns */
    size_t tools_n, agents_n;
    uint32_t points; /* ANTIPHON_HOOK_AT() bits */
    enum rule_action action;
    struct pattern *pattern; /* owned; NULL: whatever it is */
};

/* spec is valid by the plugin's configuration schema. Fills rule, which the caller must
 * rule_deinit() in any case. */
enum antiphon_status rule_init(struct rule *rule, const cJSON *spec, char *why, size_t why_size);
void rule_deinit(struct rule *rule);

/* Whether it looks on here. */
bool rule_concerns(const struct rule *rule, const struct antiphon_check *check);
const char *rule_point_name(uint32_t point); /* as in the configuration */
#endif
