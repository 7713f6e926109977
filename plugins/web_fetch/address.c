#include "address.h"

#include <libxml/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char hex[] = "0123456789ABCDEF";

/* Bytes that may not stand in an address become %XX; what is escaped already stays. */
static char *escape(const char *text, size_t len)
{
    char *out = malloc(3 * len + 1), *at = out;

    for (size_t i = 0; out && i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c)) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
    }
    if (out)
        *at = '\0';
    return out;
}

/* Length of "scheme:" in front, 0 without one. "host:80" has none: no scheme is followed by a
 * digit. */
static size_t scheme_len(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    if (n == 0 || text[n] != ':' || (text[n + 1] >= '0' && text[n + 1] <= '9'))
        return 0;
    return n + 1;
}

static char *assemble(const char *scheme, const char *rest)
{
    size_t host = strcspn(rest, "/?#"), len = strcspn(rest, "#");
    char *tail, *made = NULL;

    if (host == 0 || memchr(rest, '@', host) || memchr(rest, ' ', host) || memchr(rest, '\\', host))
        return NULL;
    tail = escape(rest + host, len - host);
    size_t size = strlen(scheme) + host + (tail ? strlen(tail) : 0) + 2;
    if (tail && size <= ADDRESS_MAX_BYTES)
        made = malloc(size);
    if (made) {
        (void)snprintf(made, size, "%s%.*s%s%s", scheme, (int)host, rest, *tail == '/' ? "" : "/",
                       tail);
        for (size_t i = strlen(scheme); i < strlen(scheme) + host; i++) {
            if (made[i] >= 'A' && made[i] <= 'Z')
                made[i] = (char)(made[i] | 0x20);
        }
    }
    free(tail);
    return made;
}

char *address_clean(const char *text)
{
    size_t scheme;
    char *copy, *made = NULL;

    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    if (len == 0 || len > ADDRESS_MAX_BYTES)
        return NULL;
    copy = strndup(text, len);
    if (!copy)
        return NULL;
    scheme = scheme_len(copy);
    if (scheme == 0)
        made = assemble("https://", copy + (strncmp(copy, "//", 2) == 0 ? 2 : 0));
    else if (!strncasecmp(copy, "http://", 7))
        made = assemble("http://", copy + 7);
    else if (!strncasecmp(copy, "https://", 8))
        made = assemble("https://", copy + 8);
    free(copy);
    return made;
}

char *address_join(const char *base, const char *reference)
{
    char *escaped, *made = NULL;
    size_t len;

    reference += strspn(reference, " \t\r\n");
    len = strlen(reference);
    while (len > 0 && strchr(" \t\r\n", reference[len - 1]))
        len--;
    if (len > ADDRESS_MAX_BYTES)
        return NULL;
    escaped = escape(reference, len);
    if (escaped) {
        xmlChar *joined = xmlBuildURI((const xmlChar *)escaped, (const xmlChar *)base);
        if (joined && scheme_len((const char *)joined) != 0)
            made = address_clean((const char *)joined);
        xmlFree(joined);
    }
    free(escaped);
    return made;
}

size_t address_origin(const char *address)
{
    const char *host = strstr(address, "://") + 3;

    return (size_t)(host - address) + strcspn(host, "/?#");
}

const char *address_path(const char *address)
{
    return address + address_origin(address);
}

bool address_is_tls(const char *address)
{
    return strncmp(address, "https:", 6) == 0;
}
