#include "net/ws_url.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/banned.h"

static bool copy_part(const char *text, const struct http_parser_url *parts, unsigned field,
                      char *out, size_t size)
{
    size_t len = parts->field_data[field].len;

    if (!(parts->field_set & 1u << field) || !len || len >= size)
        return false;
    memcpy(out, text + parts->field_data[field].off, len);
    out[len] = '\0';
    return true;
}

static enum antiphon_status set_target(struct ws_url *url, const char *text,
                                       const struct http_parser_url *parts)
{
    bool path = parts->field_set & 1u << UF_PATH, query = parts->field_set & 1u << UF_QUERY;
    const char *path_at = text + parts->field_data[UF_PATH].off;
    const char *query_at = text + parts->field_data[UF_QUERY].off;
    int path_len = path ? parts->field_data[UF_PATH].len : 1;
    int query_len = query ? parts->field_data[UF_QUERY].len : 0;

    if (asprintf(&url->target, "%.*s%s%.*s", path_len, path ? path_at : "/", query ? "?" : "",
                 query_len, query ? query_at : "") < 0) {
        url->target = NULL;
        return ANTIPHON_ENOMEM;
    }
    return ANTIPHON_OK;
}

/* http_parser lets tabs and bytes beyond ASCII pass. */
static bool is_graphic(const char *text)
{
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return false;
    return true;
}

enum antiphon_status ws_url_parse(const char *text, struct ws_url *url)
{
    struct http_parser_url parts;
    char scheme[8];
    size_t len = strlen(text);
    bool brackets;

    memset(url, 0, sizeof(*url));
    http_parser_url_init(&parts);
    if (len > WS_URL_MAX_BYTES || !is_graphic(text) ||
        http_parser_parse_url(text, len, 0, &parts) ||
        !copy_part(text, &parts, UF_SCHEMA, scheme, sizeof(scheme)) ||
        !copy_part(text, &parts, UF_HOST, url->host, sizeof(url->host)) ||
        parts.field_set & 1u << UF_USERINFO)
        return ANTIPHON_EINVAL;
    url->tls = !strcasecmp(scheme, "wss") || !strcasecmp(scheme, "https");
    if (!url->tls && strcasecmp(scheme, "ws") && strcasecmp(scheme, "http"))
        return ANTIPHON_EINVAL;
    url->port = parts.port ? parts.port : url->tls ? 443 : 80;
    brackets = strchr(url->host, ':');
    snprintf(url->server, sizeof(url->server), "%s%s%s:%d", brackets ? "[" : "", url->host,
             brackets ? "]" : "", url->port);
    snprintf(url->host_header, sizeof(url->host_header), "%s", url->server);
    if (url->port == (url->tls ? 443 : 80))
        *strrchr(url->host_header, ':') = '\0';
    return set_target(url, text, &parts);
}

void ws_url_deinit(struct ws_url *url)
{
    free(url->target);
    url->target = NULL;
}
