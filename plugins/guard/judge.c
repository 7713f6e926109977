#include "judge.h"

#include <stdlib.h>
#include <string.h>

#include "json_walk.h"

struct text {
    const char *at; /* borrowed: the check's, or owned below */
    size_t len;
    char *owned;
};

struct look {
    const struct rule *rule; /* borrowed */
    struct pattern_time time;
};

static bool is_json(const struct antiphon_check *check)
{
    return check->point == ANTIPHON_HOOK_BEFORE_TOOL || check->point == ANTIPHON_HOOK_AFTER_TOOL;
}

static enum antiphon_status on_value(void *ctx, const char *text, size_t len, bool is_text,
                                     char **made, size_t *made_len)
{
    const struct look *look = ctx;
    const struct rule *rule = look->rule;
    enum antiphon_status status;

    if (rule->action != RULE_REWRITE)
        return rule->pattern ? pattern_search(rule->pattern, &look->time, text, len) : ANTIPHON_OK;
    if (!is_text)
        return ANTIPHON_ENOTFOUND;
    status = pattern_replace(rule->pattern, &look->time, text, len, made, made_len);
    return status == ANTIPHON_OK ? ANTIPHON_ENOTFOUND : status;
}

/* For a rule that rewrites: OK if it did, with *made. */
static enum antiphon_status look_at(const struct look *look, const struct antiphon_check *check,
                                    const struct text *text, char **made, size_t *made_len)
{
    const struct rule *rule = look->rule;
    enum antiphon_status status;

    *made = NULL;
    if (!rule->pattern && !rule->argument)
        return ANTIPHON_OK;
    if (is_json(check)) {
        status = json_walk(text->at, text->len, rule->argument, on_value, (void *)(uintptr_t)look,
                           made, made_len);
        return *made ? ANTIPHON_OK : status;
    }
    if (rule->action == RULE_REWRITE)
        return pattern_replace(rule->pattern, &look->time, text->at, text->len, made, made_len);
    return pattern_search(rule->pattern, &look->time, text->at, text->len);
}

enum antiphon_status judge_one(const struct antiphon_host *h, const struct rule *rule,
                               const struct antiphon_check *check)
{
    struct look look = {rule, {h, check->deadline_ms}};
    struct text text = {.at = check->text, .len = check->text_len};
    char *made;
    size_t made_len;
    enum antiphon_status status = look_at(&look, check, &text, &made, &made_len);

    free(made);
    return status;
}

static enum antiphon_status conclude(struct judgement *judgement, enum antiphon_verdict verdict,
                                     const char *text)
{
    judgement->verdict = verdict;
    judgement->text = strdup(text);
    judgement->len = strlen(text);
    return judgement->text ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

enum antiphon_status judge(const struct antiphon_host *h, const struct rule *rules, size_t n,
                           const struct antiphon_check *check, struct judgement *judgement)
{
    struct text text = {.at = check->text, .len = check->text_len};
    enum antiphon_status status = ANTIPHON_OK;
    bool over = false;

    *judgement = (struct judgement){.verdict = ANTIPHON_PASS};
    for (size_t i = 0; i < n && status == ANTIPHON_OK && !over; i++) {
        struct look look = {&rules[i], {h, check->deadline_ms}};
        char *made = NULL;
        size_t made_len = 0;
        if (rules[i].action == RULE_WATCH || !rule_concerns(&rules[i], check))
            continue;
        status = look_at(&look, check, &text, &made, &made_len);
        if (status == ANTIPHON_ENOTFOUND) {
            status = ANTIPHON_OK;
            continue;
        }
        if (status != ANTIPHON_OK)
            break;
        judgement->rule = &rules[i];
        if (rules[i].action == RULE_REWRITE) {
            free(text.owned);
            text = (struct text){made, made_len, made};
            continue;
        }
        over = true;
        status = rules[i].action == RULE_ANSWER
                     ? conclude(judgement, ANTIPHON_ANSWER, rules[i].answer)
                     : conclude(judgement, ANTIPHON_REFUSE, rules[i].reason);
    }
    if (status == ANTIPHON_OK && !over && text.owned) {
        judgement->verdict = ANTIPHON_REWRITE;
        judgement->text = text.owned;
        judgement->len = text.len;
        text.owned = NULL;
    }
    free(text.owned);
    return status;
}

void judgement_deinit(struct judgement *judgement)
{
    free(judgement->text);
    *judgement = (struct judgement){0};
}
