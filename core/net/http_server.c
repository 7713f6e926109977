#include "net/http_server.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "net/http_range.h"
#include "net/protocol.h"
#include "net/shard.h"
#include "net/static_files.h"
#include "base/banned.h"

#define MAX_PATH_BYTES      1024
#define MAX_HEAD_BYTES      4096
#define MAX_BODY_BYTES      (16u * 1024 * 1024)
#define PIECE_BYTES         (64u * 1024)
#define NO_PROGRESS_SECONDS 10

/* The page speaks to its own origin only ('self' covers ws: and wss: in today's browsers). The
 * search suggestion of the model comes with inline styles and is shown in a sandboxed srcdoc frame,
 * which inherits this policy: hence 'unsafe-inline' for styles, and for nothing else. */
static const char csp[] =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; worker-src 'self'; font-src 'self'; "
    "frame-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* What is still to be sent of an answer. */
struct http_out {
    struct protocol_state state;
    const char *data; /* borrowed from the files, or body.data */
    size_t len, at;
    struct buf body; /* owned */
    bool close;
};

/* An answer being put together. */
struct answer {
    int status;
    const char *content_type, *etag, *allow, *location;
    const char *data;
    size_t len;               /* of data that is sent */
    size_t first, last, size; /* for Content-Range */
    bool head, html, close;
    struct buf body; /* owned; data points into it if the answer is not a file */
};

struct reason {
    int status;
    const char *text;
};

static const struct reason reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {206, "Partial Content"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {416, "Range Not Satisfiable"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

const char *http_server_reason(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}

/* ---- reading the request
 * ---------------------------------------------------------------------------- */

static const char *read_method(struct lws *wsi)
{
    char *uri = NULL;
    int uri_len = 0;

    switch (lws_http_get_uri_and_method(wsi, &uri, &uri_len)) {
    case LWSHUMETH_GET:
        return "GET";
    case LWSHUMETH_HEAD:
        return "HEAD";
    case LWSHUMETH_POST:
        return "POST";
    default:
        return "OTHER";
    }
}

static const enum lws_token_indexes method_tokens[] = {
    WSI_TOKEN_GET_URI,   WSI_TOKEN_HEAD_URI,    WSI_TOKEN_POST_URI,   WSI_TOKEN_PUT_URI,
    WSI_TOKEN_PATCH_URI, WSI_TOKEN_OPTIONS_URI, WSI_TOKEN_DELETE_URI,
};

/* libwebsockets lets an encoded NUL pass right behind a slash (and drops it, if nothing follows).
 */
static bool read_path(struct lws *wsi, char path[MAX_PATH_BYTES])
{
    for (size_t i = 0; i < sizeof(method_tokens) / sizeof(method_tokens[0]); i++) {
        if (!lws_hdr_total_length(wsi, method_tokens[i]))
            continue;
        int n = lws_hdr_copy(wsi, path, MAX_PATH_BYTES, method_tokens[i]);
        return n > 0 && strlen(path) == (size_t)n;
    }
    return false;
}

/* If-None-Match: "*" or a list; weak comparison, so a W/ in front does not matter. */
static bool etag_matches(struct lws *wsi, const char *etag)
{
    char list[512], *at = list, *item;

    if (lws_hdr_copy(wsi, list, sizeof(list), WSI_TOKEN_HTTP_IF_NONE_MATCH) <= 0)
        return false;
    while ((item = strsep(&at, ", "))) {
        if (!strncmp(item, "W/", 2))
            item += 2;
        if (!strcmp(item, "*") || !strcmp(item, etag))
            return true;
    }
    return false;
}

/* ---- deciding the answer
 * ----------------------------------------------------------------------------- */

static void answer_json(struct answer *answer, int status)
{
    answer->status = status;
    answer->content_type = "application/json";
    buf_printf(&answer->body, "{\"detail\":\"%s\"}", http_server_reason(status));
}

static void answer_file(struct lws *wsi, struct answer *answer, const struct static_file *file)
{
    char range[128];

    answer->etag = file->etag;
    answer->html = file->html;
    if (etag_matches(wsi, file->etag)) {
        answer->status = 304;
        return;
    }
    answer->status = 200;
    answer->content_type = file->content_type;
    answer->data = file->data;
    answer->len = answer->size = file->len;
    /* If-Range carries a validator whose mismatch means the whole; we look at no other header for
     * it. */
    if (answer->head || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_IF_RANGE) ||
        lws_hdr_copy(wsi, range, sizeof(range), WSI_TOKEN_HTTP_RANGE) <= 0)
        return;
    switch (http_range_parse(range, file->len, &answer->first, &answer->last)) {
    case HTTP_RANGE_PART:
        answer->status = 206;
        answer->data += answer->first;
        answer->len = answer->last - answer->first + 1;
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        answer->status = 416;
        answer->len = 0;
        break;
    case HTTP_RANGE_NONE:
        break;
    }
}

static void decide(struct lws *wsi, const struct http_server_options *options,
                   struct answer *answer)
{
    char path[MAX_PATH_BYTES], host[256] = "", origin[512] = "";
    struct http_request request = {read_method(wsi), path, host, origin};
    struct http_reply reply = {0};
    const struct static_file *file;
    bool page;

    answer->head = !strcmp(request.method, "HEAD");
    answer->close = !answer->head && strcmp(request.method, "GET");
    if (!read_path(wsi, path) || lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) < 0 ||
        lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) < 0) {
        answer->close = true;
        answer_json(answer, 400);
        return;
    }
    buf_init(&reply.body, MAX_BODY_BYTES);
    if (options && options->on_request)
        options->on_request(options->ctx, &request, &reply);
    if (reply.status) {
        answer->status = reply.status;
        answer->content_type = reply.content_type;
        answer->body = reply.body;
        return;
    }
    buf_deinit(&reply.body);
    file = options && options->files ? static_files_find(options->files, path) : NULL;
    page = !strcmp(path, "/");
    if (!strcmp(path, "/static") && !answer->close) {
        answer->status = 307;
        answer->location = "/static/";
    } else if (!file) {
        answer_json(answer, 404);
    } else if (answer->close || (page && answer->head)) {
        answer->allow = page ? "GET" : "GET, HEAD"; /* as the original sample's server has it */
        answer_json(answer, 405);
    } else {
        answer_file(wsi, answer, file);
    }
}

/* ---- sending it
 * --------------------------------------------------------------------------------------- */

static bool write_head(struct lws *wsi, const struct answer *answer)
{
    struct buf head;
    bool ok;

    buf_init(&head, MAX_HEAD_BYTES);
    buf_printf(&head, "HTTP/1.1 %d %s\r\n", answer->status, http_server_reason(answer->status));
    if (answer->content_type)
        buf_printf(&head, "Content-Type: %s\r\n", answer->content_type);
    if (answer->status != 304 && answer->status != 204)
        buf_printf(&head, "Content-Length: %zu\r\n", answer->len);
    if (answer->etag)
        buf_printf(&head, "ETag: %s\r\nAccept-Ranges: bytes\r\n", answer->etag);
    if (answer->status == 206)
        buf_printf(&head, "Content-Range: bytes %zu-%zu/%zu\r\n", answer->first, answer->last,
                   answer->size);
    if (answer->status == 416)
        buf_printf(&head, "Content-Range: bytes */%zu\r\n", answer->size);
    if (answer->location)
        buf_printf(&head, "Location: %s\r\n", answer->location);
    if (answer->allow)
        buf_printf(&head, "Allow: %s\r\n", answer->allow);
    if (answer->html)
        buf_printf(&head, "Content-Security-Policy: %s\r\n", csp);
    buf_printf(&head, "Cache-Control: %s\r\n", answer->etag ? "no-cache" : "no-store");
    buf_puts(&head, "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");
    buf_puts(&head, answer->close ? "Connection: close\r\n\r\n" : "\r\n");
    ok = !buf_status(&head) &&
         lws_write(wsi, (unsigned char *)head.data, head.len, LWS_WRITE_HTTP_HEADERS) >= 0;
    buf_deinit(&head);
    return ok;
}

static int finish(struct lws *wsi, bool close)
{
    /* Not 0 lets libwebsockets flush what it still holds, then close. */
    return close || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static void out_free(struct http_out *out)
{
    buf_deinit(&out->body);
    free(out);
}

static void count_answer(int status)
{
    static const enum metric classes[] = {METRIC_http_2xx, METRIC_http_3xx, METRIC_http_4xx, METRIC_http_5xx};

    if (status >= 200 && status < 600)
        metrics_add(classes[status / 100 - 2], 1);
}

int http_server_on_request(struct lws *wsi)
{
    const struct http_server_options *options = shard_http_options(protocol_shard(wsi));
    struct answer answer = {0};
    struct http_out *out;

    buf_init(&answer.body, MAX_BODY_BYTES);
    decide(wsi, options, &answer);
    count_answer(answer.status);
    if (answer.body.len) {
        answer.data = answer.body.data;
        answer.len = answer.body.len;
    }
    if (!write_head(wsi, &answer)) {
        buf_deinit(&answer.body);
        return -1;
    }
    if (answer.head || !answer.len) {
        buf_deinit(&answer.body);
        return finish(wsi, answer.close);
    }
    out = calloc(1, sizeof(*out));
    if (!out) {
        buf_deinit(&answer.body);
        return -1;
    }
    *out = (struct http_out){.state = {PROTOCOL_HTTP},
                             .data = answer.data,
                             .len = answer.len,
                             .body = answer.body,
                             .close = answer.close};
    lws_set_opaque_user_data(wsi, out);
    return http_server_on_writeable(wsi);
}

int http_server_on_writeable(struct lws *wsi)
{
    struct protocol_state *state = lws_get_opaque_user_data(wsi);
    struct http_out *out = (struct http_out *)state;
    bool close;

    if (!state || state->kind != PROTOCOL_HTTP)
        return 0;
    while (out->at < out->len && !lws_send_pipe_choked(wsi)) {
        size_t n = out->len - out->at < PIECE_BYTES ? out->len - out->at : PIECE_BYTES;
        /* HTTP/1.1 bodies are only read from */
        unsigned char *piece = (unsigned char *)(uintptr_t)(out->data + out->at);
        if (lws_write(wsi, piece, n, LWS_WRITE_HTTP) < 0)
            return -1;
        out->at += n;
    }
    if (out->at < out->len) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, NO_PROGRESS_SECONDS);
        lws_callback_on_writable(wsi);
        return 0;
    }
    close = out->close;
    lws_set_opaque_user_data(wsi, NULL);
    out_free(out);
    return finish(wsi, close);
}

void http_server_on_closed(struct lws *wsi)
{
    struct http_out *out = lws_get_opaque_user_data(wsi);

    lws_set_opaque_user_data(wsi, NULL);
    if (out)
        out_free(out);
}
