#include "session/hook_chain.h"
#include "base/banned.h"

bool hook_looks(const struct registry_hook *hook, uint32_t point, bool watches)
{
    return (hook->hook.points & ANTIPHON_HOOK_AT(point)) &&
           watches == ((hook->hook.flags & ANTIPHON_HOOK_WATCH) != 0);
}

static const struct registry_hook *seek(struct hook_chain *chain)
{
    while (chain->at < chain->n && !hook_looks(&chain->hooks[chain->at], chain->point, false))
        chain->at++;
    return chain->at < chain->n ? &chain->hooks[chain->at] : NULL;
}

const struct registry_hook *hook_chain_begin(struct hook_chain *chain, const struct registry_hook *hooks, size_t n,
                                             uint32_t point)
{
    *chain = (struct hook_chain){.hooks = hooks, .n = n, .point = point, .verdict = ANTIPHON_PASS};
    return seek(chain);
}

const struct registry_hook *hook_chain_answer(struct hook_chain *chain, enum antiphon_verdict verdict)
{
    if (chain->at == chain->n)
        return NULL;
    if (verdict == ANTIPHON_PASS) {
        chain->at++;
        return seek(chain);
    }
    chain->verdict = verdict;
    chain->at = chain->n;
    return NULL;
}

const struct registry_hook *hook_chain_fail(struct hook_chain *chain, bool *closed)
{
    *closed = chain->at < chain->n && (chain->hooks[chain->at].hook.flags & ANTIPHON_HOOK_FAIL_CLOSED);
    return hook_chain_answer(chain, *closed ? ANTIPHON_REFUSE : ANTIPHON_PASS);
}
