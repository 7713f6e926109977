#include "net/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/thread.h"
#include "net/address_guard.h"
#include "net/proxy.h"
#include "net/ws_url.h"
#include "base/banned.h"

#define TIMEOUT_MS       10000u
#define CONNECT_MS       5000L
#define MAX_BODY_BYTES   (1024u * 1024)
#define MAX_HEADER_BYTES (64u * 1024)
#define MAX_REDIRECTS    3L
#define POLL_MS          60000
#define MAX_PER_HOST     8L

/* One request from submit() to done(). */
struct transfer {
    struct transfer *next;
    CURL *easy;                                 /* owned */
    struct curl_slist *headers, *proxy_headers; /* owned */
    char *method, *url, *body;                  /* owned */
    size_t body_len;
    bool guarded; /* may reach public addresses only */
    bool refused; /* it was about to reach another */
    struct buf answer, answer_headers;
    enum antiphon_status overflow;
    antiphon_http_part_fn *part;
    size_t seen, max; /* bytes that part() has had, and may have */
    bool enough;      /* said part() */
    char error[CURL_ERROR_SIZE];
    antiphon_http_done_fn *done;
    void *ctx;
};

struct http_client {
    pthread_t thread;
    pthread_mutex_t lock;
    struct transfer *first, **last; /* waiting for the thread; under lock */
    unsigned count;                 /* submitted and not done; under lock */
    bool stopping;                  /* under lock */
    CURLM *multi;                   /* [http] but for curl_multi_wakeup() */
    struct transfer *running;       /* [http] */
    struct proxy_settings proxies;  /* constant */
};

/* ---- curl's callbacks
 * ------------------------------------------------------------------------------- */

static bool give_part(struct transfer *transfer, const char *data, size_t len)
{
    struct antiphon_http_response response = {.struct_size = sizeof(response),
                                              .headers = buf_text(&transfer->answer_headers),
                                              .body = data,
                                              .body_len = len};
    long http_status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http_status);
    response.http_status = (int32_t)http_status;
    transfer->seen += len;
    if (transfer->seen > transfer->max)
        transfer->overflow = ANTIPHON_ETOOBIG;
    else
        transfer->enough = !transfer->part(transfer->ctx, &response);
    return !transfer->overflow && !transfer->enough;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *transfer = ctx;

    if (transfer->part)
        return give_part(transfer, data, size * n) ? size * n : 0;
    transfer->overflow = buf_append(&transfer->answer, data, size * n);
    return transfer->overflow ? 0 : size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *transfer = ctx;

    if (n > 5 &&
        !strncmp(data, "HTTP/", 5)) { /* another answer begins: a redirect's, or after 100 */
        buf_reset(&transfer->answer_headers);
        buf_reset(&transfer->answer);
    }
    transfer->overflow = buf_append(&transfer->answer_headers, data, size * n);
    return transfer->overflow ? 0 : size * n;
}

/* Sees the resolved address of every attempt, redirects included. */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = ctx;

    (void)purpose;
    if (transfer->guarded && !address_guard_is_public(&address->addr)) {
        transfer->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- a transfer
 * -------------------------------------------------------------------------------------- */

static void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->proxy_headers);
    free(transfer->method);
    free(transfer->url);
    free(transfer->body);
    buf_deinit(&transfer->answer);
    buf_deinit(&transfer->answer_headers);
    free(transfer);
}

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 && *text != '\t')
            return false;
    return true;
}

static enum antiphon_status copy_headers(struct transfer *transfer, const char *const *headers)
{
    for (size_t i = 0; headers && headers[i] && headers[i + 1]; i += 2) {
        struct curl_slist *longer;
        char *line;
        if (!is_clean(headers[i]) || !is_clean(headers[i + 1]))
            return ANTIPHON_EINVAL;
        /* "Name;" is how curl is told of an empty value */
        if (asprintf(&line, *headers[i + 1] ? "%s: %s" : "%s;", headers[i], headers[i + 1]) < 0)
            return ANTIPHON_ENOMEM;
        longer = curl_slist_append(transfer->headers, line);
        free(line);
        if (!longer)
            return ANTIPHON_ENOMEM;
        transfer->headers = longer;
    }
    return ANTIPHON_OK;
}

static enum antiphon_status copy_request(struct transfer *transfer,
                                         const struct antiphon_http_request *request)
{
    const char *method = request->method ? request->method : request->body_len ? "POST" : "GET";

    if (!request->url || !is_clean(request->url) || !is_clean(method))
        return ANTIPHON_EINVAL;
    transfer->method = strdup(method);
    transfer->url = strdup(request->url);
    if (!transfer->method || !transfer->url)
        return ANTIPHON_ENOMEM;
    if (request->body_len) {
        transfer->body = malloc(request->body_len);
        if (!transfer->body)
            return ANTIPHON_ENOMEM;
        memcpy(transfer->body, request->body, request->body_len);
        transfer->body_len = request->body_len;
    }
    return copy_headers(transfer, request->headers);
}

static void set_method(const struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    if (transfer->body || !strcmp(transfer->method, "POST")) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body ? transfer->body : "");
    }
    if (!strcmp(transfer->method, "HEAD"))
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (strcmp(transfer->method, transfer->body ? "POST" : "GET"))
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
}

/* Trust as everywhere: SSL_CERT_FILE and SSL_CERT_DIR, which the library does not look at by
 * itself. */
static void set_trust(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");

    if (file && *file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (folder && *folder)
        curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

/* Through a proxy the only address there is is the proxy's, which the operator chose, and redirects
 * go there too: what lies behind is the proxy's to guard. Without one the environment is not asked
 * again. */
static enum antiphon_status set_proxy(struct transfer *transfer,
                                      const struct proxy_settings *proxies)
{
    const struct proxy_target *proxy;
    struct ws_url url;
    char line[600];
    enum antiphon_status status = ws_url_parse(transfer->url, &url);

    if (status)
        return status;
    proxy = proxy_for(proxies, url.tls, url.host, url.port);
    ws_url_deinit(&url);
    curl_easy_setopt(transfer->easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY, proxy ? proxy->host : "");
    if (!proxy)
        return ANTIPHON_OK;
    transfer->guarded = false;
    curl_easy_setopt(transfer->easy, CURLOPT_PROXYTYPE, (long)CURLPROXY_HTTP);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXYPORT, (long)proxy->port);
    if (!*proxy->authorization)
        return ANTIPHON_OK;
    snprintf(line, sizeof(line), "Proxy-Authorization: %s", proxy->authorization);
    transfer->proxy_headers = curl_slist_append(NULL, line);
    if (!transfer->proxy_headers)
        return ANTIPHON_ENOMEM;
    curl_easy_setopt(transfer->easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXYHEADER, transfer->proxy_headers);
    return ANTIPHON_OK;
}

static void set_options(struct transfer *transfer, const struct antiphon_http_request *request)
{
    CURL *easy = transfer->easy;
    /* Where TLS was begun it is kept. */
    bool tls = !strncasecmp(transfer->url, "https:", 6);
    long timeout = request->timeout_ms ? (long)request->timeout_ms : (long)TIMEOUT_MS;

    curl_easy_setopt(easy, CURLOPT_URL, transfer->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->flags & ANTIPHON_HTTP_NO_REDIRECT ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout < CONNECT_MS ? timeout : CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    if (transfer->guarded) {
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    } else { /* a connection that this one may use must never serve a guarded one */
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    set_trust(easy);
    set_method(transfer);
}

/* ---- ending
 * ------------------------------------------------------------------------------------------- */

static enum antiphon_status status_of(const struct transfer *transfer, CURLcode code)
{
    if (transfer->refused)
        return ANTIPHON_EDENIED;
    if (transfer->overflow)
        return transfer->overflow;
    if (transfer->enough)
        return ANTIPHON_ECANCELLED;
    switch (code) {
    case CURLE_OK:
        return ANTIPHON_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return ANTIPHON_ETIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return ANTIPHON_ENOMEM;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return ANTIPHON_EINVAL;
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
    case CURLE_BAD_CONTENT_ENCODING:
        return ANTIPHON_EPROTOCOL;
    default:
        return ANTIPHON_EUNAVAILABLE;
    }
}

static const char *cause_of(const struct transfer *transfer, enum antiphon_status status,
                            CURLcode code)
{
    if (!status)
        return NULL;
    if (transfer->refused)
        return "the address is not a public one";
    if (transfer->overflow == ANTIPHON_ETOOBIG)
        return "the answer is too long";
    if (transfer->enough)
        return "enough of it was there";
    return transfer->error[0] ? transfer->error : curl_easy_strerror(code);
}

static void finish(struct http_client *client, struct transfer *transfer,
                   enum antiphon_status status, const char *cause)
{
    struct antiphon_http_response response = {.struct_size = sizeof(response),
                                              .status = status,
                                              .error = cause,
                                              .headers = buf_text(&transfer->answer_headers),
                                              .body = buf_text(&transfer->answer),
                                              .body_len = transfer->answer.len};
    long http_status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http_status);
    response.http_status = (int32_t)http_status;
    pthread_mutex_lock(&client->lock);
    client->count--;
    pthread_mutex_unlock(&client->lock);
    transfer->done(transfer->ctx, &response);
    transfer_free(transfer);
}

static void forget(struct http_client *client, struct transfer *transfer)
{
    struct transfer **at = &client->running;

    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
}

static void reap(struct http_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        enum antiphon_status status;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(client->multi, transfer->easy);
        forget(client, transfer);
        status = status_of(transfer, code);
        finish(client, transfer, status, cause_of(transfer, status, code));
    }
}

/* ---- the thread
 * ---------------------------------------------------------------------------------------- */

/* Moves what waits into curl; false: time to stop. */
static bool take(struct http_client *client)
{
    struct transfer *transfer;
    bool stopping;

    pthread_mutex_lock(&client->lock);
    transfer = client->first;
    client->first = NULL;
    client->last = &client->first;
    stopping = client->stopping;
    pthread_mutex_unlock(&client->lock);
    while (transfer) {
        struct transfer *next = transfer->next;
        transfer->next = client->running;
        client->running = transfer;
        if (!stopping && curl_multi_add_handle(client->multi, transfer->easy)) {
            forget(client, transfer);
            finish(client, transfer, ANTIPHON_EINTERNAL, "the request could not be started");
        }
        transfer = next;
    }
    return !stopping;
}

static void *run(void *arg)
{
    struct http_client *client = arg;

    thread_forbid_blocking();
    while (take(client)) {
        int running;
        curl_multi_perform(client->multi, &running);
        reap(client);
        curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
    }
    while (client->running) {
        struct transfer *transfer = client->running;
        curl_multi_remove_handle(client->multi, transfer->easy);
        forget(client, transfer);
        finish(client, transfer, ANTIPHON_ECANCELLED, "the server is stopping");
    }
    return NULL;
}

/* ---- what others ask
 * ------------------------------------------------------------------------------------ */

static const char *environment(const char *name)
{
    return getenv(name);
}

static int start_thread(struct http_client *client)
{
    sigset_t all, old;
    int fault;

    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    fault = pthread_create(&client->thread, NULL, run, client);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return fault;
}

static void client_free(struct http_client *client)
{
    if (client->multi)
        curl_multi_cleanup(client->multi);
    pthread_mutex_destroy(&client->lock);
    free(client);
    curl_global_cleanup();
}

enum antiphon_status http_client_start(struct http_client **client, struct err *err)
{
    struct http_client *made;
    enum antiphon_status status;

    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot set up the HTTP client");
    made = calloc(1, sizeof(*made));
    if (!made) {
        curl_global_cleanup();
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    }
    pthread_mutex_init(&made->lock, NULL);
    made->last = &made->first;
    status = proxy_read(environment, &made->proxies, err);
    if (!status) {
        made->multi = curl_multi_init();
        if (!made->multi)
            status = err_set(err, ANTIPHON_ENOMEM, "out of memory");
    }
    if (!status) {
        curl_multi_setopt(made->multi, CURLMOPT_MAX_HOST_CONNECTIONS, MAX_PER_HOST);
        if (start_thread(made))
            status = err_set(err, ANTIPHON_EUNAVAILABLE, "cannot start a thread");
    }
    if (status) {
        client_free(made);
        return status;
    }
    *client = made;
    return ANTIPHON_OK;
}

static enum antiphon_status transfer_new(struct http_client *client,
                                         const struct antiphon_http_request *request,
                                         struct transfer **transfer)
{
    struct transfer *made = calloc(1, sizeof(*made));
    enum antiphon_status status;

    if (!made)
        return ANTIPHON_ENOMEM;
    made->part = request->part;
    made->max = request->max_body ? request->max_body : MAX_BODY_BYTES;
    buf_init(&made->answer, made->max);
    buf_init(&made->answer_headers, MAX_HEADER_BYTES);
    made->guarded = !(request->flags & ANTIPHON_HTTP_ALLOW_PRIVATE);
    made->easy = curl_easy_init();
    status = made->easy ? copy_request(made, request) : ANTIPHON_ENOMEM;
    if (!status)
        status = set_proxy(made, &client->proxies);
    if (status) {
        transfer_free(made);
        return status;
    }
    set_options(made, request);
    *transfer = made;
    return ANTIPHON_OK;
}

enum antiphon_status http_client_submit(struct http_client *client,
                                        const struct antiphon_http_request *request,
                                        antiphon_http_done_fn *done, void *ctx)
{
    struct transfer *transfer;
    enum antiphon_status status = transfer_new(client, request, &transfer);

    if (status)
        return status;
    transfer->done = done;
    transfer->ctx = ctx;
    pthread_mutex_lock(&client->lock);
    if (client->stopping)
        status = ANTIPHON_ECANCELLED;
    else if (client->count == HTTP_CLIENT_MAX_REQUESTS)
        status = ANTIPHON_EBUSY;
    if (!status) {
        client->count++;
        *client->last = transfer;
        client->last = &transfer->next;
        /* under the lock: http_client_stop() must not free the multi meanwhile */
        curl_multi_wakeup(client->multi);
    }
    pthread_mutex_unlock(&client->lock);
    if (status)
        transfer_free(transfer);
    return status;
}

void http_client_stop(struct http_client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    client->stopping = true;
    curl_multi_wakeup(client->multi);
    pthread_mutex_unlock(&client->lock);
    pthread_join(client->thread, NULL);
    client_free(client);
}
