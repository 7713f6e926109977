/* hook_chain - which hook is asked next, and what their answers come to: a pure machine with its book-keeping. No I/O, no
 * clock.
 *
 * Hooks are asked in order; the first opinion that is not PASS decides. A hook that fails or is late has its own flag
 * decide: REFUSE or no opinion. Hooks that only watch are left out here. */
#ifndef SESSION_HOOK_CHAIN_H
#define SESSION_HOOK_CHAIN_H
#include "plugin/registry.h"

struct hook_chain {
    const struct registry_hook *hooks; /* borrowed */
    size_t n, at;                      /* at: the one that is being asked; n: it is over */
    uint32_t point;
    enum antiphon_verdict verdict;     /* once it is over */
};

bool hook_looks(const struct registry_hook *hook, uint32_t point, bool watches);
/* The first hook to ask, or NULL: it is over, with PASS. */
const struct registry_hook *hook_chain_begin(struct hook_chain *chain, const struct registry_hook *hooks, size_t n,
                                             uint32_t point);
/* Its verdict. The next hook, or NULL: it is over. */
const struct registry_hook *hook_chain_answer(struct hook_chain *chain, enum antiphon_verdict verdict);
/* It failed, or was late. As above; *closed: this has refused. */
const struct registry_hook *hook_chain_fail(struct hook_chain *chain, bool *closed);
#endif
