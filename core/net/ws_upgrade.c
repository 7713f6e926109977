#include "net/ws_upgrade.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net/http_server.h"
#include "base/banned.h"

/* What libwebsockets itself gives a list of subprotocols and one name (4.1.6,
 * lws_process_ws_upgrade); beyond that it drops the connection without an answer. */
#define LWS_LIST_BYTES 128
#define LWS_NAME_BYTES 64
#define KEY_LEN        24 /* base64 of 16 bytes */

const char *ws_upgrade_query(const struct ws_upgrade *upgrade, const char *name)
{
    const struct ws_upgrade_request *request = upgrade->query;

    for (unsigned i = 0; i < request->params; i++)
        if (!strcmp(request->param[i].name, name))
            return request->param[i].value;
    return NULL;
}

/* An '&' in a path starts a new fragment, as in a query. */
static bool read_path(struct lws *wsi, char *path, size_t size)
{
    size_t at = 0;

    for (int i = 0;; i++) {
        int n;
        if (!lws_hdr_fragment_length(wsi, WSI_TOKEN_GET_URI, i) && i)
            return true;
        if (i && at + 1 < size)
            path[at++] = '&';
        n = lws_hdr_copy_fragment(wsi, path + at, (int)(size - at), WSI_TOKEN_GET_URI, i);
        if (n < 0 || strlen(path + at) != (size_t)n) /* an encoded NUL can pass behind a slash */
            return false;
        at += (size_t)n;
    }
}

/* Fragments come decoded, and an encoded '=' in a name has become '_', so that the first '=' is the
 * separator. The fragment length of an empty parameter is 0, like that of none: only copying tells.
 */
static bool read_query(struct lws *wsi, struct ws_upgrade_request *request)
{
    size_t at = 0;

    for (int i = 0; at < sizeof(request->query_text); i++) {
        char *text = request->query_text + at, *value;
        int n = lws_hdr_copy_fragment(wsi, text, (int)(sizeof(request->query_text) - at),
                                      WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n < 0)
            return !lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (!n)
            continue;
        if (request->params == WS_UPGRADE_MAX_PARAMS)
            return false;
        at += (size_t)n + 1;
        value = strchr(text, '=');
        if (value)
            *value++ = '\0';
        request->param[request->params++] =
            (struct ws_upgrade_param){.name = text, .value = value ? value : ""};
    }
    return false;
}

static bool known(const char *const *subprotocols, const char *name)
{
    for (size_t i = 0; subprotocols && subprotocols[i]; i++)
        if (!strcmp(subprotocols[i], name))
            return true;
    return false;
}

/* Mirrors how libwebsockets will choose right after us, by the same tokenizer: the first name of
 * the client's list that is ours. */
static int read_subprotocol(struct lws *wsi, const char *const *subprotocols,
                            char name[LWS_NAME_BYTES])
{
    char list[LWS_LIST_BYTES];
    struct lws_tokenize tokens;
    lws_tokenize_elem element;
    int n = lws_hdr_copy(wsi, list, sizeof(list) - 1, WSI_TOKEN_PROTOCOL);

    name[0] = '\0';
    if (n <= 0)
        return n ? 400 : 0;
    lws_tokenize_init(&tokens, list,
                      LWS_TOKENIZE_F_COMMA_SEP_LIST | LWS_TOKENIZE_F_MINUS_NONTERM |
                          LWS_TOKENIZE_F_DOT_NONTERM | LWS_TOKENIZE_F_RFC7230_DELIMS);
    tokens.len = (size_t)n;
    do {
        element = lws_tokenize(&tokens);
        if (element == LWS_TOKZE_TOKEN) {
            if (lws_tokenize_cstr(&tokens, name, LWS_NAME_BYTES))
                return 400;
            if (known(subprotocols, name))
                return 0;
        }
    } while (element == LWS_TOKZE_TOKEN || element == LWS_TOKZE_DELIMITER);
    return 400;
}

static bool has_upgrade_token(struct lws *wsi)
{
    char list[LWS_LIST_BYTES], *at = list, *word;

    if (lws_hdr_copy(wsi, list, sizeof(list) - 1, WSI_TOKEN_CONNECTION) <= 0)
        return false;
    while ((word = strsep(&at, ", \t")))
        if (!strcasecmp(word, "upgrade"))
            return true;
    return false;
}

/* Everything libwebsockets would hang up for without an answer (handshake_0405). */
static bool is_handshake(struct lws *wsi)
{
    char key[KEY_LEN + 8], version[8];
    char *uri = NULL;
    int uri_len = 0;

    return lws_http_get_uri_and_method(wsi, &uri, &uri_len) == LWSHUMETH_GET &&
           has_upgrade_token(wsi) &&
           lws_hdr_copy(wsi, key, sizeof(key), WSI_TOKEN_KEY) == KEY_LEN &&
           lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_VERSION) == 2 &&
           !strcmp(version, "13");
}

int ws_upgrade_read(struct lws *wsi, const char *const *subprotocols,
                    struct ws_upgrade_request *request)
{
    char upgrade[16];
    int n, status;

    /* The headers may already be freed after an answer of libwebsockets' own (CVE-2025-11677): only
     * copying asks whether they are there. */
    n = lws_hdr_copy(wsi, upgrade, sizeof(upgrade), WSI_TOKEN_UPGRADE);
    if (n <= 0)
        return -1;
    if (strcasecmp(upgrade, "websocket") || !is_handshake(wsi))
        return 400;
    memset(request, 0, offsetof(struct ws_upgrade_request, query_text));
    request->params = 0;
    if (lws_hdr_copy(wsi, request->host, sizeof(request->host), WSI_TOKEN_HOST) <= 0 ||
        lws_hdr_copy(wsi, request->origin, sizeof(request->origin), WSI_TOKEN_ORIGIN) < 0 ||
        !read_path(wsi, request->path, sizeof(request->path)) || !read_query(wsi, request))
        return 400;
    status = read_subprotocol(wsi, subprotocols, request->subprotocol);
    if (status)
        return status;
    request->upgrade.path = request->upgrade.raw_path = request->path;
    request->upgrade.host = request->host;
    request->upgrade.origin = request->origin;
    request->upgrade.subprotocol = request->subprotocol;
    request->upgrade.query = request;
    lws_get_peer_simple(wsi, request->upgrade.peer, sizeof(request->upgrade.peer));
    return 0;
}

void ws_upgrade_refuse(struct lws *wsi, int status)
{
    unsigned char text[LWS_PRE + 256];
    int n;

    if (status < 0)
        return;
    n = snprintf((char *)text + LWS_PRE, sizeof(text) - LWS_PRE,
                 "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "Connection: close\r\nContent-Length: 0\r\n\r\n",
                 status, http_server_reason(status));
    lws_write(wsi, text + LWS_PRE, (size_t)n, LWS_WRITE_HTTP_FINAL);
}
