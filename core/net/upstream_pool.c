#include "net/upstream_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/banned.h"

enum antiphon_status upstream_pool_new(struct upstream_pool **pool)
{
    struct upstream_pool *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->mask_at = UPSTREAM_POOL_MASK_BYTES;
    *pool = made;
    return ANTIPHON_OK;
}

void upstream_pool_free(struct upstream_pool *pool)
{
    if (!pool)
        return;
    tls_client_sessions_deinit(&pool->sessions);
    free(pool);
}

void upstream_pool_mask(struct upstream_pool *pool, unsigned char mask[4])
{
    if (pool->mask_at == UPSTREAM_POOL_MASK_BYTES) { /* one system call for a thousand frames */
        id_random(pool->mask, UPSTREAM_POOL_MASK_BYTES);
        pool->mask_at = 0;
    }
    memcpy(mask, pool->mask + pool->mask_at, 4);
    pool->mask_at += 4;
}
