/* The small text parsers of net/: byte ranges, URLs, proxy settings and the answer to an upgrade.
 * The first byte says which. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_range.h"
#include "net/http_upgrade.h"
#include "net/proxy.h"
#include "net/ws_url.h"

static void try_range(const char *text)
{
    for (size_t size = 0; size < 3; size++) {
        size_t first = 0, last = 0;
        if (http_range_parse(text, size * 100, &first, &last) == HTTP_RANGE_PART)
            assert(first <= last && last < size * 100);
    }
}

static void try_url(const char *text)
{
    struct ws_url url;

    if (!ws_url_parse(text, &url)) {
        assert(url.target[0] == '/' && url.host[0] && url.port > 0 && url.port < 65536);
        for (const char *at = url.target; *at; at++)
            assert((unsigned char)*at > 0x20);
    }
    ws_url_deinit(&url);
}

static const char *value[2];

static const char *get_env(const char *name)
{
    return !strcmp(name, "https_proxy") ? value[0] : !strcmp(name, "no_proxy") ? value[1] : NULL;
}

static void try_proxy(char *text)
{
    struct proxy_settings settings;
    char *line = strchr(text, '\n');

    value[0] = text;
    value[1] = NULL;
    if (line) {
        *line = '\0';
        value[1] = line + 1;
    }
    if (proxy_read(get_env, &settings, NULL))
        return;
    proxy_for(&settings, true, "host.example", 443);
    proxy_for(&settings, true, "::1", 443);
    proxy_for(&settings, false, "10.0.0.1", 80);
}

static void try_upgrade(const char *data, size_t len, size_t step)
{
    struct http_upgrade upgrade;
    struct buf request;
    char why[64];
    size_t at = 0;

    buf_init(&request, HTTP_UPGRADE_MAX_BYTES);
    if (http_upgrade_websocket(&upgrade, "h", "/", NULL, &request))
        abort();
    buf_deinit(&request);
    while (at < len) {
        size_t n = len - at < step ? len - at : step, used;
        int http_status;
        char *piece = malloc(n);
        enum http_upgrade_result result;
        memcpy(piece, data + at, n);
        result = http_upgrade_read(&upgrade, piece, n, &used, &http_status, why, sizeof(why));
        free(piece);
        assert(used <= n);
        assert(result != HTTP_UPGRADE_DONE); /* nobody guesses the key */
        if (result != HTTP_UPGRADE_MORE)
            return;
        at += used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (!size)
        return 0;
    text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] & 3) {
    case 0:
        try_range(text);
        break;
    case 1:
        try_url(text);
        break;
    case 2:
        try_proxy(text);
        break;
    default:
        try_upgrade(text, size - 1, data[0] >> 2 ? data[0] >> 2 : SIZE_MAX);
    }
    free(text);
    return 0;
}
