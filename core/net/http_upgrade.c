#include "net/http_upgrade.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/id.h"
#include "base/banned.h"

#define KEY_BYTES 16

static bool has_token(const char *list, const char *token)
{
    size_t n = strlen(token);

    while (*list) {
        size_t len;
        list += strspn(list, ", \t");
        len = strcspn(list, ", \t");
        if (len == n && !strncasecmp(list, token, n))
            return true;
        list += len;
    }
    return false;
}

static void header_done(struct http_upgrade *upgrade)
{
    const char *name = upgrade->name, *value = upgrade->value;

    if (!upgrade->in_value)
        return;
    if (!strcasecmp(name, "upgrade"))
        upgrade->upgrade_ok = has_token(value, "websocket");
    else if (!strcasecmp(name, "connection"))
        upgrade->connection_ok = upgrade->connection_ok || has_token(value, "upgrade");
    else if (!strcasecmp(name, "sec-websocket-accept"))
        upgrade->accept_ok = !strcmp(value, upgrade->accept);
    else if (!strcasecmp(name, "sec-websocket-extensions") ||
             !strcasecmp(name, "sec-websocket-protocol"))
        upgrade->extras = upgrade->extras || *value;
    upgrade->name_len = upgrade->value_len = 0;
    upgrade->name[0] = upgrade->value[0] = '\0';
    upgrade->in_value = false;
}

static void append(char *to, size_t size, size_t *at, const char *text, size_t len)
{
    if (len > size - 1 - *at)
        len = size - 1 - *at;
    memcpy(to + *at, text, len);
    *at += len;
    to[*at] = '\0';
}

static int on_name(http_parser *parser, const char *text, size_t len)
{
    struct http_upgrade *upgrade = parser->data;

    header_done(upgrade);
    append(upgrade->name, sizeof(upgrade->name), &upgrade->name_len, text, len);
    return 0;
}

static int on_value(http_parser *parser, const char *text, size_t len)
{
    struct http_upgrade *upgrade = parser->data;

    upgrade->in_value = true;
    append(upgrade->value, sizeof(upgrade->value), &upgrade->value_len, text, len);
    return 0;
}

static int on_head(http_parser *parser)
{
    struct http_upgrade *upgrade = parser->data;

    header_done(upgrade);
    upgrade->complete = true;
    return 2; /* no body, nothing behind it: the parser stops here */
}

static void init(struct http_upgrade *upgrade, bool websocket)
{
    memset(upgrade, 0, sizeof(*upgrade));
    http_parser_init(&upgrade->parser, HTTP_RESPONSE);
    upgrade->websocket = websocket;
}

static void make_key(struct http_upgrade *upgrade, char key[32])
{
    unsigned char random[KEY_BYTES], hash[EVP_MAX_MD_SIZE];
    char text[96];
    int n;

    id_random(random, sizeof(random));
    base64_encode(random, sizeof(random), key);
    n = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    EVP_Digest(text, (size_t)n, hash, NULL, EVP_sha1(), NULL);
    base64_encode(hash, 20, upgrade->accept);
}

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 && *text != '\t')
            return false;
    return true;
}

enum antiphon_status http_upgrade_websocket(struct http_upgrade *upgrade, const char *host_header,
                                            const char *target, const char *const *headers,
                                            struct buf *out)
{
    char key[32];

    init(upgrade, true);
    make_key(upgrade, key);
    buf_printf(out,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
               target, host_header, key);
    for (size_t i = 0; headers && headers[i] && headers[i + 1]; i += 2) {
        if (!is_clean(headers[i]) || !is_clean(headers[i + 1]))
            return ANTIPHON_EINVAL;
        buf_printf(out, "%s: %s\r\n", headers[i], headers[i + 1]);
    }
    buf_puts(out, "\r\n");
    return buf_status(out);
}

enum antiphon_status http_upgrade_connect(struct http_upgrade *upgrade, const char *host_and_port,
                                          const char *authorization, struct buf *out)
{
    init(upgrade, false);
    buf_printf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", host_and_port, host_and_port);
    if (*authorization)
        buf_printf(out, "Proxy-Authorization: %s\r\n", authorization);
    buf_puts(out, "\r\n");
    return buf_status(out);
}

static const char *judge(const struct http_upgrade *upgrade)
{
    if (!upgrade->upgrade_ok || !upgrade->connection_ok)
        return "the answer does not upgrade to WebSocket";
    if (!upgrade->accept_ok)
        return "Sec-WebSocket-Accept does not fit the key";
    if (upgrade->extras)
        return "the answer names an extension or subprotocol that was not asked for";
    return NULL;
}

enum http_upgrade_result http_upgrade_read(struct http_upgrade *upgrade, const char *data,
                                           size_t len, size_t *used, int *http_status, char *why,
                                           size_t why_size)
{
    static const http_parser_settings settings = {
        .on_header_field = on_name, .on_header_value = on_value, .on_headers_complete = on_head};
    size_t room = HTTP_UPGRADE_MAX_BYTES - upgrade->bytes;
    const char *fault;

    *http_status = 0;
    if (len > room)
        len = room;
    upgrade->parser.data = upgrade;
    *used = http_parser_execute(&upgrade->parser, &settings, data, len);
    upgrade->bytes += *used;
    if (!upgrade->complete) {
        if (HTTP_PARSER_ERRNO(&upgrade->parser) != HPE_OK)
            snprintf(why, why_size, "the answer is not HTTP");
        else if (upgrade->bytes >= HTTP_UPGRADE_MAX_BYTES)
            snprintf(why, why_size, "the head of the answer is longer than %u bytes",
                     HTTP_UPGRADE_MAX_BYTES);
        else
            return HTTP_UPGRADE_MORE;
        return HTTP_UPGRADE_FAILED;
    }
    *http_status = (int)upgrade->parser.status_code;
    if (*http_status != (upgrade->websocket ? 101 : 200)) {
        snprintf(why, why_size, "HTTP %d", *http_status);
        return HTTP_UPGRADE_FAILED;
    }
    fault = upgrade->websocket ? judge(upgrade) : NULL;
    if (fault) {
        snprintf(why, why_size, "%s", fault);
        return HTTP_UPGRADE_FAILED;
    }
    return HTTP_UPGRADE_DONE;
}
