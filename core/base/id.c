#include "base/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/banned.h"

void id_random(void *out, size_t len)
{
    unsigned char *at = out;

    while (len) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0) {
            /* Nothing but a kernel without the call fails here, and guessable ids are no fallback.
             */
            if (errno != EINTR)
                abort();
            continue;
        }
        at += n;
        len -= (size_t)n;
    }
}

void id_uuid(char out[ID_UUID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[16];
    size_t at = 0;

    id_random(bytes, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0F) | 0x40); /* RFC 9562: version 4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3F) | 0x80); /* and variant 10 */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[bytes[i] >> 4];
        out[at++] = hex[bytes[i] & 15];
    }
    out[at] = '\0';
}
