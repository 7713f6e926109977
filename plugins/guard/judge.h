/* judge - what the rules say about one check. Any thread. */
#ifndef GUARD_JUDGE_H
#define GUARD_JUDGE_H
#include "rule.h"

struct judgement {
    enum antiphon_verdict verdict;
    const struct rule
        *rule;  /* borrowed: the one that decided, or the last that rewrote; NULL: none */
    char *text; /* owned: what decide() is given; NULL with PASS */
    size_t len;
};

/* The rules but those that watch, in order: each sees what those before it made of the text, and
 * the first that refuses or answers ends it. An error (a text or its search is too large, out of
 * time) leaves the decision to the host. judgement_deinit() is due in any case. */
enum antiphon_status judge(const struct antiphon_host *h, const struct rule *rules, size_t n,
                           const struct antiphon_check *check, struct judgement *judgement);
void judgement_deinit(struct judgement *judgement);

/* Whether a rule finds what it looks for in the check: OK, ENOTFOUND, or an error. */
enum antiphon_status judge_one(const struct antiphon_host *h, const struct rule *rule,
                               const struct antiphon_check *check);
#endif
