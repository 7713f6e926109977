#include "net/address_guard.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "base/banned.h"

struct block {
    unsigned char prefix[4];
    unsigned bits;
};

static const struct block denied[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},    {{100, 64, 0, 0}, 10},   {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12}, {{192, 0, 0, 0}, 24},    {{192, 0, 2, 0}, 24},
    {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24}, {{203, 0, 113, 0}, 24},
    {{224, 0, 0, 0}, 3},
};

static bool is_public_v4(const unsigned char address[4])
{
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        bool inside = true;
        for (unsigned bit = 0; bit < denied[i].bits && inside; bit++)
            inside = !((address[bit / 8] ^ denied[i].prefix[bit / 8]) & 0x80u >> bit % 8);
        if (inside)
            return false;
    }
    return true;
}

static bool is_public_v6(const unsigned char address[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!memcmp(address, mapped, 12))
        return is_public_v4(address + 12);
    if ((address[0] & 0xe0u) != 0x20u) /* 2000::/3 is all the global unicast there is */
        return false;
    if (address[0] == 0x20 && address[1] == 0x02) /* 6to4 */
        return false;
    if (address[0] == 0x20 && address[1] == 0x01)
        /* Teredo and the other special blocks of 2001::/23, and documentation 2001:db8::/32 */
        return address[2] >= 0x02 && !(address[2] == 0x0d && address[3] == 0xb8);
    return true;
}

bool address_guard_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        return is_public_v4((const unsigned char *)&v4.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        return is_public_v6(v6.sin6_addr.s6_addr);
    }
    return false;
}
