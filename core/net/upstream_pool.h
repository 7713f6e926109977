/* upstream_pool - what the upstream connections of one shard share: the buffers, random masks
 * and TLS sessions. [shard] */
#ifndef NET_UPSTREAM_POOL_H
#define NET_UPSTREAM_POOL_H
#include "net/tls_client.h"

#define UPSTREAM_POOL_READ_BYTES 65536
#define UPSTREAM_POOL_WRITE_BYTES 65536
#define UPSTREAM_POOL_MASK_BYTES 4096

struct upstream_pool {
    char read[UPSTREAM_POOL_READ_BYTES]; /* content is gone after the present callback */
    unsigned char write[UPSTREAM_POOL_WRITE_BYTES]; /* a frame that the socket is expected to take at once */
    unsigned char mask[UPSTREAM_POOL_MASK_BYTES];
    size_t mask_at;
    struct tls_client_sessions sessions;
};
enum antiphon_status upstream_pool_new(struct upstream_pool **pool) MUST_CHECK;
void upstream_pool_free(struct upstream_pool *pool);
/* The next masking key, never used before. */
void upstream_pool_mask(struct upstream_pool *pool, unsigned char mask[4]);
#endif
