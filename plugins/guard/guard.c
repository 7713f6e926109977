/* guard - rules of the operator about what is said and what tools do: refuse, rewrite, answer in a
 * tool's place, or only watch. Two hooks: one decides, the other watches what came of it, and
 * nobody waits for that one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/reply.h"
#include "antiphon/plugin.h"
#include "judge.h"

#define MAX_RULES 100

/* clang-format off */
ANTIPHON_MANIFEST({
    "name": "guard",
    "version": "1.0.0",
    "description": "Rules about what users, the model and tools say: refuse, rewrite, answer or watch.",
    "licence": "Apache-2.0",
    "hooks": ["user_text", "input_transcript", "output_transcript", "before_tool", "after_tool"],
    "config": {
        "type": "object",
        "properties": {
            "budget_ms": {"type": "integer", "minimum": 1, "maximum": 10000, "default": 100, "description": "Time that a check may take."},
            "fail_closed": {"type": "boolean", "default": false, "description": "Whether a check that fails or takes too long refuses."},
            "rules": {
                "description": "In order; each sees what those before it made of the text.",
                "type": "array",
                "maxItems": 100,
                "default": [],
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["name", "at", "action"],
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 64, "description": "For the log."},
                        "at": {"type": "array", "minItems": 1, "maxItems": 5, "items": {"type": "string", "enum": ["user_text", "input_transcript", "output_transcript", "before_tool", "after_tool"]}},
                        "agents": {"type": "array", "maxItems": 32, "items": {"type": "string"}, "description": "Only these; * stands for any letters."},
                        "tools": {"type": "array", "maxItems": 32, "items": {"type": "string"}, "description": "Only these; * stands for any letters."},
                        "argument": {"type": "string", "minLength": 1, "description": "Only this member of the arguments or of the result."},
                        "pattern": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "Regular expression that is searched for; without it the rule always applies."},
                        "ignore_case": {"type": "boolean"},
                        "action": {"type": "string", "enum": ["refuse", "rewrite", "answer", "watch"]},
                        "replacement": {"type": "string", "maxLength": 1000, "description": "With rewrite: for every match; $1 is the first group."},
                        "answer": {"description": "With answer: the tool's result, any value."},
                        "reason": {"type": "string", "minLength": 1, "maxLength": 1000, "default": "This is not allowed here.", "description": "With refuse: for a person."}
                    }
                }
            }
        }
    }
});
/* clang-format on */

struct guard {
    const struct antiphon_host *h; /* borrowed */
    struct rule *rules;            /* owned */
    size_t n;
};

static enum antiphon_status run_guard(void *state, struct antiphon_check *check)
{
    const struct guard *guard = state;
    const struct antiphon_host *h = guard->h;
    struct judgement judgement;
    enum antiphon_status status = judge(h, guard->rules, guard->n, check, &judgement);

    if (status == ANTIPHON_OK) {
        /* Names only: what was said is nobody's business in a log. */
        if (judgement.verdict != ANTIPHON_PASS)
            h->log(h, ANTIPHON_INFO, "rule %s %s at %s%s%s", judgement.rule->name,
                   judgement.verdict == ANTIPHON_REFUSE    ? "refused"
                   : judgement.verdict == ANTIPHON_REWRITE ? "rewrote"
                                                           : "answered",
                   rule_point_name(check->point), check->tool ? " of " : "",
                   check->tool ? check->tool : "");
        h->decide(h, check, judgement.verdict, judgement.text ? judgement.text : "", judgement.len);
    } else {
        h->log(h, ANTIPHON_WARN, "the rules could not be applied at %s: %s",
               rule_point_name(check->point),
               status == ANTIPHON_ETIMEOUT  ? "a search took too long"
               : status == ANTIPHON_ETOOBIG ? "a text is too large"
                                            : "out of memory, or what came is not JSON");
    }
    judgement_deinit(&judgement);
    return status;
}

static enum antiphon_status run_watch(void *state, struct antiphon_check *check)
{
    const struct guard *guard = state;
    const struct antiphon_host *h = guard->h;

    for (size_t i = 0; i < guard->n; i++) {
        const struct rule *rule = &guard->rules[i];
        if (rule->action == RULE_WATCH && rule_concerns(rule, check) &&
            judge_one(h, rule, check) == ANTIPHON_OK)
            h->log(h, ANTIPHON_INFO, "rule %s saw a match at %s%s%s", rule->name,
                   rule_point_name(check->point), check->tool ? " of " : "",
                   check->tool ? check->tool : "");
    }
    h->decide(h, check, ANTIPHON_PASS, "", 0);
    return ANTIPHON_OK;
}

static void shut_down(void *state)
{
    struct guard *guard = state;

    for (size_t i = 0; i < guard->n; i++)
        rule_deinit(&guard->rules[i]);
    free(guard->rules);
    free(guard);
}

static enum antiphon_status take_rules(struct guard *guard, const cJSON *list, char *why,
                                       size_t why_size)
{
    const cJSON *spec;
    char cause[256];
    int n = cJSON_GetArraySize(list);

    guard->rules = calloc(n > 0 ? (size_t)n : 1, sizeof(guard->rules[0]));
    if (!guard->rules || n > MAX_RULES)
        return ANTIPHON_ENOMEM;
    cJSON_ArrayForEach (spec, list) {
        enum antiphon_status status =
            rule_init(&guard->rules[guard->n++], spec, cause, sizeof(cause));
        if (status != ANTIPHON_OK) {
            (void)snprintf(why, why_size, "rules[%zu] (%s): %s", guard->n - 1,
                           reply_text(spec, "name"), cause);
            return status;
        }
    }
    return ANTIPHON_OK;
}

static enum antiphon_status add_hooks(const struct guard *guard, const cJSON *settings)
{
    const struct antiphon_host *h = guard->h;
    bool closed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(settings, "fail_closed"));
    struct antiphon_hook hooks[] = {
        {.struct_size = sizeof(struct antiphon_hook),
         .flags = closed ? ANTIPHON_HOOK_FAIL_CLOSED : 0,
         .name = "guard",
         .run = run_guard},
        {.struct_size = sizeof(struct antiphon_hook),
         .flags = ANTIPHON_HOOK_WATCH,
         .name = "watch",
         .run = run_watch},
    };
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; i < guard->n; i++)
        hooks[guard->rules[i].action == RULE_WATCH].points |= guard->rules[i].points;
    for (size_t i = 0; i < 2 && status == ANTIPHON_OK; i++) {
        hooks[i].budget_ms = (uint32_t)reply_integer(settings, "budget_ms", 100);
        if (hooks[i].points)
            status = h->add_hook(h, &hooks[i]);
    }
    return status;
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    struct guard *guard = calloc(1, sizeof(*guard));
    cJSON *settings = cJSON_Parse(config);
    enum antiphon_status status = ANTIPHON_ENOMEM;

    (void)snprintf(why, why_size, "out of memory");
    if (guard && settings) {
        guard->h = h;
        status =
            take_rules(guard, cJSON_GetObjectItemCaseSensitive(settings, "rules"), why, why_size);
    }
    if (status == ANTIPHON_OK)
        status = add_hooks(guard, settings);
    cJSON_Delete(settings);
    if (status == ANTIPHON_OK)
        *state = guard;
    else if (guard)
        shut_down(guard);
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "guard",
    .version = "1.0.0",
    .init = init,
    .shutdown = shut_down,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
