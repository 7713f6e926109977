#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "net/shard.h"
#include "net/tls_client.h"
#include "net/upstream_pool.h"
#include "base/banned.h"

/* Outlives the stream: libuv lets handles go only in a later turn of the loop. */
struct stream_handles {
    struct stream *stream; /* NULL: closed */
    int fd;
    unsigned open;
    uv_poll_t poll;
    uv_idle_t again;
};

void stream_init(struct stream *stream, struct shard *shard, const struct stream_handlers *handlers,
                 void *ctx)
{
    memset(stream, 0, sizeof(*stream));
    stream->shard = shard;
    stream->handlers = handlers;
    stream->ctx = ctx;
}

static void watch(struct stream *stream);

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream_handles *handles = poll->data;
    struct stream *stream = handles->stream;
    bool readable = status < 0 || events & UV_READABLE,
         writable = status < 0 || events & UV_WRITABLE;

    if (!stream)
        return;
    if (status < 0) {
        /* libuv stops a poll when it tells an error, but a reset may have come behind data that is
         * still to be read: the error itself is told by the read after that. */
        stream->events = 0;
        watch(stream);
    }
    if (writable && stream->tls_wants_write) {
        stream->tls_wants_write = false;
        readable = true; /* what was stuck was a read */
    }
    stream->handlers->on_ready(stream->ctx, readable, writable);
}

static void on_again(uv_idle_t *again)
{
    struct stream_handles *handles = again->data;

    uv_idle_stop(again);
    if (handles->stream)
        handles->stream->handlers->on_ready(handles->stream->ctx, true, false);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream_handles *handles = handle->data;

    if (!--handles->open)
        free(handles);
}

static void watch(struct stream *stream)
{
    int events = UV_READABLE | (stream->want_write || stream->tls_wants_write ? UV_WRITABLE : 0);

    if (!stream->handles || events == stream->events)
        return;
    stream->events = events;
    uv_poll_start(&stream->handles->poll, events, on_poll);
}

static enum antiphon_status fail(struct stream *stream, int fault)
{
    if (fault == ECONNREFUSED)
        snprintf(stream->error, sizeof(stream->error), "connection refused");
    else
        snprintf(stream->error, sizeof(stream->error), "%s", strerror(fault));
    return ANTIPHON_EUNAVAILABLE;
}

static enum antiphon_status open_handles(struct stream *stream, int fd)
{
    struct stream_handles *handles = calloc(1, sizeof(*handles));
    uv_loop_t *loop = shard_loop(stream->shard);

    if (!handles || uv_poll_init(loop, &handles->poll, fd)) {
        free(handles);
        return ANTIPHON_ENOMEM;
    }
    uv_idle_init(loop, &handles->again);
    handles->poll.data = handles->again.data = handles;
    handles->open = 2;
    handles->fd = fd;
    handles->stream = stream;
    stream->handles = handles;
    return ANTIPHON_OK;
}

enum antiphon_status stream_connect(struct stream *stream, const struct sockaddr_storage *address)
{
    socklen_t len =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int on = 1, fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return fail(stream, errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)address, len) && errno != EINPROGRESS) {
        fail(stream, errno);
        close(fd);
        return ANTIPHON_EUNAVAILABLE;
    }
    if (open_handles(stream, fd)) {
        close(fd);
        return fail(stream, ENOMEM);
    }
    stream->want_write = true;
    watch(stream);
    return ANTIPHON_OK;
}

enum antiphon_status stream_connected(struct stream *stream)
{
    int fault = 0;
    socklen_t len = sizeof(fault);

    if (getsockopt(stream->handles->fd, SOL_SOCKET, SO_ERROR, &fault, &len))
        fault = errno;
    if (fault)
        return fail(stream, fault);
    stream_want_write(stream, false);
    return ANTIPHON_OK;
}

enum antiphon_status stream_start_tls(struct stream *stream, const char *host, const char *server)
{
    struct upstream_pool *pool = shard_upstream_pool(stream->shard);

    stream->ssl = tls_client_new(&pool->sessions, stream->handles->fd, host, server);
    if (stream->ssl)
        return ANTIPHON_OK;
    snprintf(stream->error, sizeof(stream->error), "cannot set up TLS");
    return ANTIPHON_ENOMEM;
}

/* STREAM_AGAIN, STREAM_END or STREAM_FAILED for a TLS operation that gave result. */
static ssize_t tls_result(struct stream *stream, int result, bool reading)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        if (reading) {
            stream->tls_wants_write = true;
            watch(stream);
        }
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_END;
    case SSL_ERROR_SYSCALL:
        if (!ERR_peek_error() && !errno)
            return STREAM_END;
        break;
    default:
        break;
    }
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING && reading) {
        ERR_clear_error();
        return STREAM_END;
    }
    tls_client_explain(stream->ssl, stream->error, sizeof(stream->error));
    return STREAM_FAILED;
}

enum antiphon_status stream_handshake(struct stream *stream)
{
    int result;
    ssize_t what;

    ERR_clear_error();
    errno = 0;
    result = SSL_connect(stream->ssl);
    if (result == 1)
        return ANTIPHON_OK;
    what = tls_result(stream, result, true);
    if (what == STREAM_AGAIN)
        return ANTIPHON_EBUSY;
    if (what == STREAM_END)
        snprintf(stream->error, sizeof(stream->error),
                 "connection closed during the TLS handshake");
    return ANTIPHON_EPROTOCOL;
}

ssize_t stream_read(struct stream *stream, char *data, size_t len)
{
    ssize_t n;

    if (stream->ssl) {
        int got;
        ERR_clear_error();
        errno = 0;
        got = SSL_read(stream->ssl, data, (int)len);
        return got > 0 ? got : tls_result(stream, got, true);
    }
    do
        n = recv(stream->handles->fd, data, len, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return STREAM_AGAIN;
    fail(stream, errno);
    return STREAM_FAILED;
}

bool stream_has_more(const struct stream *stream, size_t n, size_t len)
{
    return stream->ssl ? SSL_has_pending(stream->ssl) : n == len;
}

ssize_t stream_write(struct stream *stream, const char *data, size_t len)
{
    ssize_t n;

    if (stream->ssl) {
        int put;
        ERR_clear_error();
        errno = 0;
        put = SSL_write(stream->ssl, data, (int)len);
        n = put > 0 ? put : tls_result(stream, put, false);
        return n == STREAM_END ? STREAM_FAILED : n;
    }
    do
        n = send(stream->handles->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return STREAM_AGAIN;
    fail(stream, errno);
    return STREAM_FAILED;
}

void stream_want_write(struct stream *stream, bool want)
{
    stream->want_write = want;
    watch(stream);
}

void stream_read_again(struct stream *stream)
{
    uv_idle_start(&stream->handles->again, on_again);
}

const char *stream_error(const struct stream *stream)
{
    return stream->error[0] ? stream->error : "connection closed";
}

void stream_close(struct stream *stream)
{
    struct stream_handles *handles = stream->handles;

    if (stream->ssl) {
        ERR_clear_error();
        if (SSL_is_init_finished(stream->ssl))
            SSL_shutdown(stream->ssl); /* tells the other side; its answer is not waited for */
        ERR_clear_error();
        SSL_free(stream->ssl);
        stream->ssl = NULL;
    }
    if (!handles)
        return;
    stream->handles = NULL;
    stream->events = 0;
    stream->want_write = stream->tls_wants_write = false;
    handles->stream = NULL;
    uv_close((uv_handle_t *)&handles->poll, on_closed);
    uv_close((uv_handle_t *)&handles->again, on_closed);
    close(handles->fd);
}
