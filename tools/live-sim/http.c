#include "http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct http_request *request_of(http_parser *parser)
{
    return parser->data;
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
    bytes_add(&request_of(parser)->url, at, len);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t len)
{
    struct http_request *request = request_of(parser);
    if (request->header_count == 0 || request->after_value) {
        if (request->header_count == HTTP_MAX_HEADERS)
            return 1;
        request->header_count++;
        request->after_value = false;
    }
    bytes_add(&request->headers[request->header_count - 1].name, at, len);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct http_request *request = request_of(parser);
    request->after_value = true;
    bytes_add(&request->headers[request->header_count - 1].value, at, len);
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct http_request *request = request_of(parser);
    if (request->body.len + len > HTTP_MAX_BODY)
        return 1;
    bytes_add(&request->body, at, len);
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct http_request *request = request_of(parser);
    request->done = true;
    request->upgrade = parser->upgrade;
    snprintf(request->method, sizeof request->method, "%s",
             http_method_str((enum http_method)parser->method));
    http_parser_pause(parser, 1);
    return 0;
}

void http_request_init(struct http_request *request)
{
    *request = (struct http_request){0};
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
}

void http_request_free(struct http_request *request)
{
    bytes_free(&request->url);
    bytes_free(&request->body);
    for (size_t i = 0; i < request->header_count; i++) {
        bytes_free(&request->headers[i].name);
        bytes_free(&request->headers[i].value);
    }
    request->header_count = 0;
}

enum http_result http_request_feed(struct http_request *request, const char *data, size_t len,
                                   size_t *used)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_name,
                                                  .on_header_value = on_value,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_complete};
    *used = http_parser_execute(&request->parser, &settings, data, len);
    request->total += *used;
    if (request->done)
        return HTTP_DONE;
    if (request->total > HTTP_MAX_HEAD + HTTP_MAX_BODY ||
        HTTP_PARSER_ERRNO(&request->parser) != HPE_OK)
        return HTTP_BAD;
    return HTTP_MORE;
}

const char *http_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (!strcasecmp(bytes_str(&request->headers[i].name), name))
            return bytes_str(&request->headers[i].value);
    return "";
}

const char *http_query(const struct http_request *request)
{
    const char *mark = strchr(bytes_str(&request->url), '?');
    return mark ? mark + 1 : "";
}

char *http_path(const struct http_request *request)
{
    struct bytes path = {0};
    const char *url = bytes_str(&request->url);
    for (; *url && *url != '?'; url++)
        if (*url != '/' || path.len == 0 || path.data[path.len - 1] != '/')
            bytes_add(&path, url, 1);
    return bytes_take(&path);
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

static char *decode(const char *text, size_t len)
{
    struct bytes out = {0};
    for (size_t i = 0; i < len; i++) {
        int high = i + 2 < len && text[i] == '%' ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        char c = text[i] == '+' ? ' ' : text[i];
        if (low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        bytes_add(&out, &c, 1);
    }
    return bytes_take(&out);
}

char *http_field(const char *fields, const char *name)
{
    size_t name_len = strlen(name);
    while (*fields) {
        size_t len = strcspn(fields, "&");
        if (len > name_len && !strncmp(fields, name, name_len) && fields[name_len] == '=')
            return decode(fields + name_len + 1, len - name_len - 1);
        fields += len + (fields[len] == '&');
    }
    return NULL;
}

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

void http_answer(struct bytes *out, int status, const char *type, const char *extra_headers,
                 const char *body)
{
    bytes_printf(out,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n%s\r\n%s",
                 status, status_text(status), type, strlen(body), extra_headers, body);
}
