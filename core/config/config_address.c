#include "config/config_address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

#define MAX_HOST_BYTES 255

static bool parse_port(const char *text, int *port)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || text[0] < '0' || text[0] > '9' || *end || value > 65535)
        return false;
    *port = (int)value;
    return true;
}

enum antiphon_status config_address(const char *text, char **host, int *port, struct err *err)
{
    const char *colon = strrchr(text, ':'), *at = text;
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool bracket = text[0] == '[';
    char *copy;
    int number;

    if (bracket && len > 2 && text[len - 1] == ']') {
        at++;
        len -= 2;
        bracket = false;
    } else if (len > 0 && memchr(text, ':', len)) {
        len = 0; /* an IPv6 address without brackets */
    }
    if (!colon || bracket || len == 0 || len > MAX_HOST_BYTES || !parse_port(colon + 1, &number))
        return err_set(err, ANTIPHON_EINVAL, "must be HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464");
    copy = strndup(at, len);
    if (!copy)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    *host = copy;
    *port = number;
    return ANTIPHON_OK;
}
