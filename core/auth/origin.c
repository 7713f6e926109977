#include "auth/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/banned.h"

bool origin_allowed(const char *origin, const char *host, char *const *more)
{
    const char *rest = NULL;

    if (!origin[0])
        return true;
    if (strncasecmp(origin, "http://", 7) == 0)
        rest = origin + 7;
    else if (strncasecmp(origin, "https://", 8) == 0)
        rest = origin + 8;
    if (rest && host[0] && strcasecmp(rest, host) == 0)
        return true;
    for (; more && *more; more++) {
        if (strcasecmp(origin, *more) == 0)
            return true;
    }
    return false;
}

bool origin_host_is_loopback(const char *host)
{
    char name[64];
    size_t len = strlen(host);
    const char *colon;
    struct in_addr v4;

    if (host[0] == '[') {
        const char *end = strchr(host, ']');
        return end && end - host == 4 && strncmp(host, "[::1]", 5) == 0 && (end[1] == ':' || !end[1]);
    }
    if (strcmp(host, "::1") == 0)
        return true;
    colon = strchr(host, ':');
    if (colon)
        len = (size_t)(colon - host);
    if (len == 0 || len >= sizeof(name))
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (strcasecmp(name, "localhost") == 0)
        return true;
    return inet_pton(AF_INET, name, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

bool origin_host_allowed(const char *host, bool bound_to_loopback)
{
    return !bound_to_loopback || !host[0] || origin_host_is_loopback(host);
}
