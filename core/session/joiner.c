#include "session/joiner.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/banned.h"

void joiner_deinit(struct joiner *joiner)
{
    free(joiner->pcm);
    joiner->pcm = NULL;
    joiner->len = 0;
}

bool joiner_full(const struct joiner *joiner)
{
    return joiner->len >= joiner->want;
}

bool joiner_add(struct joiner *joiner, const struct client_input *input, uint64_t now_ms)
{
    if (input->pcm_bytes >= joiner->want || joiner->len >= joiner->want)
        return false;
    if (!joiner->pcm)
        joiner->pcm = malloc(2 * joiner->want);
    if (!joiner->pcm)
        return false;
    if (input->encoding == ANTIPHON_RAW)
        memcpy(joiner->pcm + joiner->len, input->data, input->len);
    else
        base64_decode_checked(input->data, input->pcm_bytes, joiner->pcm + joiner->len);
    if (joiner->len == 0)
        joiner->since_ms = now_ms;
    joiner->len += input->pcm_bytes;
    joiner->base64 = input->encoding == ANTIPHON_BASE64;
    return true;
}

bool joiner_take(struct joiner *joiner, struct buf *scratch, struct antiphon_event *event)
{
    size_t len = joiner->len;

    joiner->len = 0;
    if (len == 0)
        return false;
    event->encoding = ANTIPHON_RAW;
    event->data = joiner->pcm;
    event->len = len;
    if (!joiner->base64)
        return true;
    buf_reset(scratch);
    if (buf_reserve(scratch, base64_encoded_len(len) + 1))
        return false;
    base64_encode(joiner->pcm, len, scratch->data);
    event->encoding = ANTIPHON_BASE64;
    event->data = scratch->data;
    event->len = base64_encoded_len(len);
    return true;
}
