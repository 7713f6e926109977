/* rest - the HTTP side that a Live client needs besides the socket: OAuth tokens, the metadata
 * server, the model list, ephemeral tokens. Pure but for the counter of tokens given out. */
#ifndef LIVE_SIM_REST_H
#define LIVE_SIM_REST_H
#include "http.h"

struct rest {
    const char *key;       /* borrowed, NULL: every key is good */
    uint32_t token_life_s; /* expires_in */
    uint32_t tokens;       /* given out so far */
};

/* Appends the whole HTTP answer; unknown paths are 404. */
void rest_answer(struct rest *rest, const struct http_request *request, struct bytes *out);
#endif
