#include "net/proxy.h"

#include <arpa/inet.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/banned.h"

#define DEFAULT_PORT   1080 /* curl's */
#define MAX_USER_BYTES 255

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* user:password of a URL, percent-decoded, as Basic credentials. */
static bool set_authorization(struct proxy_target *target, const char *text, size_t len)
{
    char plain[MAX_USER_BYTES + 2];
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bool escape = text[i] == '%' && i + 2 < len;
        int high = escape ? hex(text[i + 1]) : -1, low = escape ? hex(text[i + 2]) : -1;
        char c = text[i];
        if (n == MAX_USER_BYTES)
            return false;
        if (high >= 0 && low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        plain[n++] = c;
    }
    if (!memchr(plain, ':', n))
        plain[n++] = ':';
    memcpy(target->authorization, "Basic ", 6);
    base64_encode(plain, n, target->authorization + 6);
    return true;
}

static bool parse(const char *url, struct proxy_target *target)
{
    struct http_parser_url parts;
    char with_scheme[1024];
    const char *text = url;

    if (!strstr(url, "://")) {
        if (snprintf(with_scheme, sizeof(with_scheme), "http://%s", url) >=
            (int)sizeof(with_scheme))
            return false;
        text = with_scheme;
    }
    http_parser_url_init(&parts);
    if (strlen(text) > 1000 || http_parser_parse_url(text, strlen(text), 0, &parts) ||
        strncasecmp(text, "http://", 7))
        return false;
    if (!(parts.field_set & 1u << UF_HOST) || !parts.field_data[UF_HOST].len ||
        parts.field_data[UF_HOST].len >= sizeof(target->host))
        return false;
    memcpy(target->host, text + parts.field_data[UF_HOST].off, parts.field_data[UF_HOST].len);
    target->host[parts.field_data[UF_HOST].len] = '\0';
    target->port = parts.port ? parts.port : DEFAULT_PORT;
    if (parts.field_set & 1u << UF_USERINFO)
        return set_authorization(target, text + parts.field_data[UF_USERINFO].off,
                                 parts.field_data[UF_USERINFO].len);
    return true;
}

static enum antiphon_status read_one(const char *(*get_env)(const char *name),
                                     const char *const *names, struct proxy_target *target,
                                     struct err *err)
{
    memset(target, 0, sizeof(*target));
    for (size_t i = 0; names[i]; i++) {
        const char *value = get_env(names[i]);
        if (!value || !*value)
            continue;
        if (!parse(value, target)) {
            memset(target, 0, sizeof(*target));
            return err_set(err, ANTIPHON_EINVAL,
                           "%s: expected http://host:port, the only kind of proxy supported",
                           names[i]);
        }
        return ANTIPHON_OK;
    }
    return ANTIPHON_OK;
}

enum antiphon_status proxy_read(const char *(*get_env)(const char *name),
                                struct proxy_settings *settings, struct err *err)
{
    static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                        NULL};
    static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    struct proxy_settings read = {0};
    enum antiphon_status status = read_one(get_env, https, &read.https, err);
    const char *no_proxy = get_env("no_proxy");
    char *comma;

    if (!status)
        status = read_one(get_env, http, &read.http, err);
    if (status)
        return status;
    if (!no_proxy)
        no_proxy = get_env("NO_PROXY");
    if (no_proxy && snprintf(read.no_proxy, sizeof(read.no_proxy), "%s", no_proxy) >=
                        (int)sizeof(read.no_proxy)) {
        comma = strrchr(read.no_proxy, ',');
        if (comma)
            *comma = '\0';
    }
    *settings = read;
    return ANTIPHON_OK;
}

static bool is_address(const char *host)
{
    unsigned char address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* One entry of no_proxy: "*", "name", ".name" (both with everything below), an address, each with
 * ":port". */
static bool excepts(const char *entry, size_t len, const char *host, int port)
{
    size_t host_len = strlen(host);
    const char *colon;

    if (len == 1 && *entry == '*')
        return true;
    if (len > 2 && *entry == '[') { /* an IPv6 address in brackets, perhaps with a port */
        const char *end = memchr(entry, ']', len);
        if (!end)
            return false;
        if (end + 1 < entry + len && strtol(end + 2, NULL, 10) != port)
            return false;
        len = (size_t)(end - entry) - 1;
        entry++;
    } else {
        colon = memchr(entry, ':', len);
        if (colon && !memchr(colon + 1, ':', len - (size_t)(colon - entry) - 1)) {
            if (strtol(colon + 1, NULL, 10) != port)
                return false;
            len = (size_t)(colon - entry);
        }
    }
    if (len && *entry == '.') {
        entry++;
        len--;
    }
    if (!len || len > host_len || strncasecmp(host + host_len - len, entry, len))
        return false;
    return len == host_len || (host[host_len - len - 1] == '.' && !is_address(host));
}

const struct proxy_target *proxy_for(const struct proxy_settings *settings, bool tls,
                                     const char *host, int port)
{
    const struct proxy_target *target = tls ? &settings->https : &settings->http;
    const char *at = settings->no_proxy;

    if (!target->host[0])
        return NULL;
    while (*at) {
        size_t len;
        at += strspn(at, ", \t");
        len = strcspn(at, ", \t");
        if (len && excepts(at, len, host, port))
            return NULL;
        at += len;
    }
    return target;
}
