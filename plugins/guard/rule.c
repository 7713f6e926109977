#include "rule.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/reply.h"

static const char *const point_names[] = {
    [ANTIPHON_HOOK_USER_TEXT] = "user_text",
    [ANTIPHON_HOOK_INPUT_TRANSCRIPT] = "input_transcript",
    [ANTIPHON_HOOK_OUTPUT_TRANSCRIPT] = "output_transcript",
    [ANTIPHON_HOOK_BEFORE_TOOL] = "before_tool",
    [ANTIPHON_HOOK_AFTER_TOOL] = "after_tool",
};
#define POINTS (sizeof(point_names) / sizeof(point_names[0]))

static const char *const action_names[] = {
    [RULE_WATCH] = "watch",
    [RULE_REWRITE] = "rewrite",
    [RULE_REFUSE] = "refuse",
    [RULE_ANSWER] = "answer",
};

const char *rule_point_name(uint32_t point)
{
    return point > 0 && point < POINTS ? point_names[point] : "?";
}

static bool copy_text(const cJSON *spec, const char *name, char **to)
{
    const char *text = reply_text(spec, name);

    *to = text ? strdup(text) : NULL;
    return !text || *to;
}

static bool copy_list(const cJSON *list, char **to, size_t *n)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, list) {
        if (*n == RULE_MAX_FILTERS || !(to[*n] = strdup(cJSON_GetStringValue(item))))
            return false;
        (*n)++;
    }
    return true;
}

static void take_points(struct rule *rule, const cJSON *list)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, list) {
        for (uint32_t point = 1; point < POINTS; point++) {
            if (strcmp(cJSON_GetStringValue(item), point_names[point]) == 0)
                rule->points |= ANTIPHON_HOOK_AT(point);
        }
    }
}

static void take_action(struct rule *rule, const char *name)
{
    for (size_t i = 0; i < sizeof(action_names) / sizeof(action_names[0]); i++) {
        if (strcmp(name, action_names[i]) == 0)
            rule->action = (enum rule_action)i;
    }
}

/* What a schema cannot say. NULL: it makes sense. */
static const char *nonsense(const struct rule *rule, const cJSON *spec)
{
    const uint32_t at_tools =
        ANTIPHON_HOOK_AT(ANTIPHON_HOOK_BEFORE_TOOL) | ANTIPHON_HOOK_AT(ANTIPHON_HOOK_AFTER_TOOL);

    if (rule->action == RULE_REWRITE &&
        (!reply_text(spec, "pattern") || !reply_text(spec, "replacement")))
        return "to rewrite takes a pattern and a replacement";
    if (rule->action == RULE_ANSWER && rule->points != ANTIPHON_HOOK_AT(ANTIPHON_HOOK_BEFORE_TOOL))
        return "to answer in place of a tool is possible at before_tool only";
    if (rule->action == RULE_ANSWER && !rule->answer)
        return "the answer is missing";
    if ((rule->tools_n > 0 || rule->argument) && (rule->points & ~at_tools))
        return "tools and argument are for before_tool and after_tool only";
    return NULL;
}

enum antiphon_status rule_init(struct rule *rule, const cJSON *spec, char *why, size_t why_size)
{
    const cJSON *answer = cJSON_GetObjectItemCaseSensitive(spec, "answer");
    const char *pattern = reply_text(spec, "pattern"), *fault;
    enum antiphon_status status = ANTIPHON_OK;

    *rule = (struct rule){0};
    (void)snprintf(why, why_size, "out of memory");
    if (!copy_text(spec, "name", &rule->name) || !copy_text(spec, "reason", &rule->reason) ||
        !copy_text(spec, "argument", &rule->argument) ||
        !copy_list(cJSON_GetObjectItemCaseSensitive(spec, "tools"), rule->tools, &rule->tools_n) ||
        !copy_list(cJSON_GetObjectItemCaseSensitive(spec, "agents"), rule->agents,
                   &rule->agents_n) ||
        (answer && !(rule->answer = cJSON_PrintUnformatted(answer))))
        return ANTIPHON_ENOMEM;
    take_points(rule, cJSON_GetObjectItemCaseSensitive(spec, "at"));
    take_action(rule, reply_text(spec, "action"));
    fault = nonsense(rule, spec);
    if (fault) {
        (void)snprintf(why, why_size, "%s", fault);
        return ANTIPHON_EINVAL;
    }
    if (pattern)
        status = pattern_new(pattern,
                             cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(spec, "ignore_case")),
                             rule->action == RULE_REWRITE ? reply_text(spec, "replacement") : NULL,
                             &rule->pattern, why, why_size);
    return status;
}

void rule_deinit(struct rule *rule)
{
    for (size_t i = 0; i < rule->tools_n; i++)
        free(rule->tools[i]);
    for (size_t i = 0; i < rule->agents_n; i++)
        free(rule->agents[i]);
    free(rule->name);
    free(rule->reason);
    free(rule->argument);
    cJSON_free(rule->answer);
    pattern_free(rule->pattern);
    *rule = (struct rule){0};
}

static bool is_one_of(char *const *patterns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (name && fnmatch(patterns[i], name, 0) == 0)
            return true;
    }
    return n == 0;
}

bool rule_concerns(const struct rule *rule, const struct antiphon_check *check)
{
    return (rule->points & ANTIPHON_HOOK_AT(check->point)) &&
           is_one_of(rule->agents, rule->agents_n, check->agent) &&
           is_one_of(rule->tools, rule->tools_n, check->tool);
}
