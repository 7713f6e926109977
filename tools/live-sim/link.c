#include "link.h"

#include <linux/sockios.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define RESET_LOOKS 10000 /* a millisecond apart, at most */

struct link {
    uv_tcp_t tcp;
    const struct link_callbacks *callbacks; /* borrowed: static */
    void *owner;                            /* borrowed: told by on_closed */
    SSL *ssl;                               /* owned, NULL when plain */
    bool handshake_done, closing, shutting, resetting;
    uv_timer_t look; /* while resetting */
    unsigned looks;
    struct bytes held; /* owned: plain text written before the handshake was done */
    char buffer[64 * 1024];
};

struct write {
    uv_write_t request;
    struct bytes data; /* owned */
};

static void on_gone(uv_handle_t *handle)
{
    struct link *link = handle->data;
    link->callbacks->on_closed(link->owner);
    SSL_free(link->ssl);
    bytes_free(&link->held);
    free(link);
}

static void on_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    uv_close((uv_handle_t *)&link->look, on_gone);
}

static void close_link(struct link *link, bool reset)
{
    if (link->closing)
        return;
    link->closing = true;
    if (!reset || link->shutting || uv_tcp_close_reset(&link->tcp, on_closed) != 0)
        uv_close((uv_handle_t *)&link->tcp, on_closed);
}

static void peer_gone(struct link *link, const char *how)
{
    if (link->closing)
        return;
    if (!link->resetting) /* whose end has been told */
        link->callbacks->on_end(link->owner, how);
    close_link(link, false);
}

static void on_written(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request;
    struct link *link = request->handle->data;
    bytes_free(&write->data);
    free(write);
    if (status < 0 && status != UV_ECANCELED)
        peer_gone(link, status == UV_ECONNRESET ? "rst" : "write failed");
}

/* Takes data. */
static void send_raw(struct link *link, struct bytes *data)
{
    if (link->closing || link->shutting || link->resetting || !data->len) {
        bytes_free(data);
        return;
    }
    struct write *write = mem_new(sizeof *write);
    write->data = *data;
    uv_buf_t buf = uv_buf_init(write->data.data, (unsigned)write->data.len);
    if (uv_write(&write->request, (uv_stream_t *)&link->tcp, &buf, 1, on_written) != 0) {
        bytes_free(&write->data);
        free(write);
        return;
    }
    if (link_queued(link) > LINK_MAX_QUEUE)
        peer_gone(link, "peer does not read");
}

static void flush_tls(struct link *link)
{
    char chunk[16 * 1024];
    struct bytes out = {0};
    int len;
    while ((len = BIO_read(SSL_get_wbio(link->ssl), chunk, sizeof chunk)) > 0)
        bytes_add(&out, chunk, (size_t)len);
    send_raw(link, &out);
}

void link_write(struct link *link, const void *data, size_t len)
{
    struct bytes copy = {0};
    if (link->closing || link->shutting || link->resetting || !len)
        return;
    if (!link->ssl) {
        bytes_add(&copy, data, len);
        send_raw(link, &copy);
    } else if (!link->handshake_done) {
        bytes_add(&link->held, data, len);
    } else {
        const char *at = data;
        while (len > 0) {
            int now = len > 16384 ? 16384 : (int)len;
            if (SSL_write(link->ssl, at, now) <= 0)
                break;
            at += now;
            len -= (size_t)now;
        }
        flush_tls(link);
    }
}

static void read_tls(struct link *link, const char *data, size_t len)
{
    char plain[16 * 1024];
    int got = 0;
    ERR_clear_error();
    BIO_write(SSL_get_rbio(link->ssl), data, (int)len);
    if (!link->handshake_done) {
        int done = SSL_do_handshake(link->ssl);
        int error = SSL_get_error(link->ssl, done);
        flush_tls(link);
        if (done != 1) {
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                peer_gone(link, "TLS handshake failed");
            return;
        }
        link->handshake_done = true;
        struct bytes held = link->held;
        link->held = (struct bytes){0};
        link_write(link, bytes_str(&held), held.len);
        bytes_free(&held);
    }
    while (!link->closing && (got = SSL_read(link->ssl, plain, sizeof plain)) > 0)
        link->callbacks->on_data(link->owner, plain, (size_t)got);
    if (link->closing)
        return;
    int error = SSL_get_error(link->ssl, got);
    flush_tls(link);
    if (error == SSL_ERROR_ZERO_RETURN)
        peer_gone(link, "fin");
    else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        peer_gone(link, "TLS failed");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct link *link = handle->data;
    (void)suggested;
    *buf = uv_buf_init(link->buffer, sizeof link->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct link *link = stream->data;
    if (link->closing || len == 0)
        return;
    if (len < 0)
        peer_gone(link, len == UV_EOF ? "fin" : len == UV_ECONNRESET ? "rst" : "read failed");
    else if (link->ssl)
        read_tls(link, buf->base, (size_t)len);
    else
        link->callbacks->on_data(link->owner, buf->base, (size_t)len);
}

struct link *link_accept(uv_stream_t *listener, SSL_CTX *ssl, bool hang,
                         const struct link_callbacks *callbacks, void *owner)
{
    struct link *link = mem_new(sizeof *link);
    link->callbacks = callbacks;
    link->owner = owner;
    uv_tcp_init(listener->loop, &link->tcp);
    uv_timer_init(listener->loop, &link->look);
    link->tcp.data = link->look.data = link;
    if (uv_accept(listener, (uv_stream_t *)&link->tcp) != 0) {
        close_link(link, false);
        return link;
    }
    uv_tcp_nodelay(&link->tcp, 1);
    if (ssl) {
        link->ssl = SSL_new(ssl);
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        if (!link->ssl || !in || !out)
            abort();
        BIO_set_mem_eof_return(in, -1);
        SSL_set_bio(link->ssl, in, out);
        SSL_set_accept_state(link->ssl);
    }
    if (!hang)
        uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read);
    return link;
}

size_t link_queued(const struct link *link)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&link->tcp);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct link *link = request->handle->data;
    (void)status;
    free(request);
    close_link(link, false);
}

void link_end(struct link *link)
{
    if (link->closing || link->shutting || link->resetting)
        return;
    if (link->ssl && link->handshake_done) {
        SSL_shutdown(link->ssl);
        flush_tls(link);
    }
    uv_read_stop((uv_stream_t *)&link->tcp);
    uv_shutdown_t *request = mem_new(sizeof *request);
    link->shutting = true;
    if (uv_shutdown(request, (uv_stream_t *)&link->tcp, on_shutdown) != 0) {
        free(request);
        close_link(link, false);
    }
}

void link_die(struct link *link)
{
    close_link(link, false);
}

/* The peer's kernel has acknowledged all that was written. */
static bool is_delivered(const struct link *link)
{
    int fd, unacked = 0;
    return link_queued(link) == 0 &&
           (uv_fileno((const uv_handle_t *)&link->tcp, &fd) != 0 ||
            ioctl(fd, SIOCOUTQ, &unacked) != 0 || unacked == 0);
}

static void on_look(uv_timer_t *look)
{
    struct link *link = look->data;
    if (!link->closing && !is_delivered(link) && ++link->looks < RESET_LOOKS)
        return;
    uv_timer_stop(look);
    close_link(link, true);
}

void link_reset(struct link *link)
{
    if (link->closing || link->resetting)
        return;
    if (link->shutting || is_delivered(link)) {
        close_link(link, true);
        return;
    }
    link->resetting = true;
    uv_read_stop((uv_stream_t *)&link->tcp);
    uv_timer_start(&link->look, on_look, 1, 1);
}
