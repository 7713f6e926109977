#include "scenario.h"

#include <stdlib.h>
#include <string.h>

void scenario_init(struct scenario *scenario)
{
    *scenario = (struct scenario){.setup_delay_ms = UINT32_MAX};
    scenario->rules = mem_new(SCENARIO_MAX_RULES * sizeof *scenario->rules);
}

const struct scenario_rule *scenario_find(struct scenario *scenario, enum scenario_trigger on,
                                          uint32_t connection, const char *text)
{
    for (size_t i = 0; i < scenario->rule_count; i++) {
        struct scenario_rule *rule = &scenario->rules[i];
        if (rule->on != on || rule->spent || (rule->connection && rule->connection != connection))
            continue;
        if (rule->match && regexec(&rule->pattern, text ? text : "", 0, NULL, 0) != 0)
            continue;
        if (rule->times && --rule->times == 0)
            rule->spent = true;
        return rule;
    }
    return NULL;
}

const char *scenario_transcript(struct scenario *scenario)
{
    if (scenario->transcript_next == scenario->transcript_count)
        return NULL;
    return scenario->transcripts[scenario->transcript_next++];
}

void scenario_free(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->rule_count; i++) {
        struct scenario_rule *rule = &scenario->rules[i];
        for (size_t j = 0; j < rule->action_count; j++) {
            cJSON_Delete(rule->actions[j].message);
            free(rule->actions[j].text);
        }
        free(rule->actions);
        if (rule->match)
            regfree(&rule->pattern);
        free(rule->match);
    }
    for (size_t i = 0; i < scenario->transcript_count; i++)
        free(scenario->transcripts[i]);
    free(scenario->transcripts);
    free(scenario->rules);
    *scenario = (struct scenario){0};
}
