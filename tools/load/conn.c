#include "conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls.h"

#define READ_BYTES (256u * 1024)

/* Shared by all: there is one thread. A message is unmasked, handled and forgotten in here. */
static char scratch[CONN_MAX_MESSAGE + READ_BYTES];
static char building[CONN_MAX_MESSAGE];
static uint64_t mask_state = 0x243F6A8885A308D3u;

static void end(struct conn *conn, const char *why)
{
    if (conn->phase == CONN_DEAD)
        return;
    conn->phase = CONN_DEAD;
    loop_forget(conn->loop, &conn->watch);
    if (why && conn->handlers->on_close)
        conn->handlers->on_close(conn, why);
}

static void conn_free(struct watch *watch)
{
    struct conn *conn = (struct conn *)watch;

    SSL_free(conn->ssl);
    free(conn->request);
    free(conn->in);
    free(conn->out);
    free(conn);
}

static void watch_for(struct conn *conn, bool writable)
{
    loop_change(conn->loop, &conn->watch,
                (conn->paused ? 0u : EPOLLIN) | (writable ? EPOLLOUT : 0u));
}

/* ---- bytes
 * ------------------------------------------------------------------------------------------- */

#define AGAIN  (-1)
#define BROKEN (-2)

static ssize_t result_of(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? AGAIN : BROKEN;
}

static ssize_t tls_result(struct conn *conn, int n)
{
    int error;

    if (n > 0)
        return n;
    error = SSL_get_error(conn->ssl, n);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return AGAIN;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : BROKEN;
}

static ssize_t read_some(struct conn *conn, char *data, size_t len)
{
    if (conn->ssl)
        return tls_result(conn, SSL_read(conn->ssl, data, (int)len));
    return result_of(recv(conn->watch.fd, data, len, 0));
}

static ssize_t write_some(struct conn *conn, const char *data, size_t len)
{
    if (conn->ssl)
        return tls_result(conn, SSL_write(conn->ssl, data, (int)len));
    return result_of(send(conn->watch.fd, data, len, MSG_NOSIGNAL));
}

static bool keep(char **at, size_t *len, size_t *cap, const char *data, size_t n)
{
    if (*len + n > *cap) {
        size_t bigger = (*len + n) * 3 / 2 + 256;
        char *moved = realloc(*at, bigger);
        if (!moved)
            return false;
        *at = moved;
        *cap = bigger;
    }
    memcpy(*at + *len, data, n);
    *len += n;
    return true;
}

static void write_out(struct conn *conn, const char *data, size_t len)
{
    while (!conn->out_len && len) {
        ssize_t n = write_some(conn, data, len);
        if (n == AGAIN)
            break;
        if (n <= 0) {
            end(conn, "write failed");
            return;
        }
        data += n;
        len -= (size_t)n;
    }
    if (!len)
        return;
    if (!keep(&conn->out, &conn->out_len, &conn->out_cap, data, len)) {
        end(conn, "out of memory");
        return;
    }
    watch_for(conn, true);
}

static void flush(struct conn *conn)
{
    while (conn->out_at < conn->out_len) {
        ssize_t n = write_some(conn, conn->out + conn->out_at, conn->out_len - conn->out_at);
        if (n == AGAIN)
            return;
        if (n <= 0) {
            end(conn, "write failed");
            return;
        }
        conn->out_at += (size_t)n;
    }
    free(conn->out);
    conn->out = NULL;
    conn->out_len = conn->out_at = conn->out_cap = 0;
    watch_for(conn, false);
}

/* ---- frames
 * ------------------------------------------------------------------------------------------ */

static void apply_mask(char *dst, const char *src, size_t len, const unsigned char mask[4])
{
    uint64_t wide, word;
    uint32_t narrow;
    size_t i = 0;

    memcpy(&narrow, mask, 4);
    wide = (uint64_t)narrow << 32 | narrow;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, src + i, 8);
        word ^= wide;
        memcpy(dst + i, &word, 8);
    }
    for (; i < len; i++)
        dst[i] = (char)(src[i] ^ (char)mask[i & 3]);
}

void conn_send(struct conn *conn, int opcode, const struct span *parts, size_t n)
{
    unsigned char *head = (unsigned char *)building;
    size_t len = 0, at = 2, lengths;

    if (conn->phase != CONN_OPEN)
        return;
    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    if (len + 16 > sizeof(building)) {
        end(conn, "message too big");
        return;
    }
    lengths = len < 126 ? 0 : len < 65536 ? 2 : 8;
    head[0] = (unsigned char)(0x80 | opcode);
    head[1] = (unsigned char)(lengths == 0 ? len : lengths == 2 ? 126 : 127);
    for (size_t i = lengths; i > 0; i--)
        head[at++] = (unsigned char)(len >> (8 * (i - 1)));
    if (!conn->server) {
        mask_state = mask_state * 6364136223846793005u + 1442695040888963407u;
        memcpy(conn->mask, (const char *)&mask_state + 4, 4);
        head[1] |= 0x80;
        memcpy(head + at, conn->mask, 4);
        at += 4;
    }
    for (size_t i = 0, to = at; i < n; to += parts[i].len, i++)
        memcpy(building + to, parts[i].data, parts[i].len);
    if (!conn->server)
        apply_mask(building + at, building + at, len, conn->mask);
    conn->messages_out++;
    write_out(conn, building, at + len);
}

size_t conn_waiting(const struct conn *conn)
{
    return conn->out_len - conn->out_at;
}

static void on_control(struct conn *conn, int opcode, const char *data, size_t len)
{
    struct span part = {data, len};

    if (opcode == 9)
        conn_send(conn, 10, &part, 1);
    if (opcode != 8)
        return;
    if (conn->phase == CONN_OPEN)
        conn_send(conn, 8, &part, 1);
    end(conn, "closed by the other side");
}

/* One frame from data; 0: not whole yet, else its length. */
static size_t take_frame(struct conn *conn, char *data, size_t len)
{
    const unsigned char *head = (const unsigned char *)data;
    size_t at = 2, lengths;
    uint64_t payload;
    bool masked;
    int opcode;

    if (len < 2)
        return 0;
    opcode = head[0] & 15;
    masked = head[1] & 0x80;
    payload = head[1] & 0x7f;
    lengths = payload == 126 ? 2 : payload == 127 ? 8 : 0;
    if (len < 2 + lengths + (masked ? 4u : 0u))
        return 0;
    for (payload = lengths ? 0 : payload; lengths; lengths--)
        payload = payload << 8 | head[at++];
    if (masked)
        at += 4;
    if (payload > CONN_MAX_MESSAGE || !(head[0] & 0x80) || head[0] & 0x70 ||
        masked != conn->server) {
        end(conn, payload > CONN_MAX_MESSAGE ? "message too big" : "a frame that is not for us");
        return 0;
    }
    if (len - at < payload)
        return 0;
    if (masked)
        apply_mask(data + at, data + at, payload, head + at - 4);
    if (opcode == CONN_TEXT || opcode == CONN_BINARY) {
        conn->messages_in++;
        conn->handlers->on_message(conn, opcode == CONN_BINARY, data + at, payload);
    } else {
        on_control(conn, opcode, data + at, payload);
    }
    return at + payload;
}

/* ---- the upgrade
 * ------------------------------------------------------------------------------------- */

/* The value of a header in a head that ends with an empty line; NULL: it is not there. */
static const char *header_of(const char *head, const char *name, size_t *len)
{
    size_t name_len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        if (strncasecmp(at, name, name_len) != 0 || at[name_len] != ':')
            continue;
        at += name_len + 1;
        at += strspn(at, " \t");
        *len = strcspn(at, "\r");
        return at;
    }
    return NULL;
}

static void answer_upgrade(struct conn *conn, const char *head)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[256], accept[64];
    size_t len;
    const char *key = header_of(head, "Sec-WebSocket-Key", &len);
    int n;

    if (!key || len > 64) {
        static const char refusal[] =
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        write_out(conn, refusal, sizeof(refusal) - 1);
        end(conn, "no WebSocket upgrade");
        return;
    }
    n = snprintf(text, sizeof(text), "%.*s%s", (int)len, key, guid);
    SHA1((const unsigned char *)text, (size_t)n, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
    n = snprintf(text, sizeof(text),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    conn->phase = CONN_OPEN;
    write_out(conn, text, (size_t)n);
    if (conn->phase == CONN_OPEN)
        conn->handlers->on_open(conn);
}

/* 0: not whole yet, else the length of the head. */
static size_t take_head(struct conn *conn, char *data, size_t len)
{
    char *last = memmem(data, len, "\r\n\r\n", 4);
    size_t used;

    if (!last) {
        if (len > CONN_MAX_HEAD)
            end(conn, "upgrade too big");
        return 0;
    }
    used = (size_t)(last - data) + 4;
    last[3] = '\0';
    last[2] = '\r';
    if (conn->server) {
        answer_upgrade(conn, data);
    } else if (strncmp(data, "HTTP/1.1 101", 12) != 0) {
        end(conn, "upgrade refused");
    } else {
        conn->phase = CONN_OPEN;
        conn->handlers->on_open(conn);
    }
    return used;
}

/* ---- events
 * ------------------------------------------------------------------------------------------ */

/* Handles what is whole of data and keeps the rest. */
static void feed(struct conn *conn, char *data, size_t len)
{
    while (len && conn->phase != CONN_DEAD) {
        size_t used =
            conn->phase == CONN_OPEN ? take_frame(conn, data, len) : take_head(conn, data, len);
        if (!used)
            break;
        data += used;
        len -= used;
    }
    if (conn->phase == CONN_DEAD)
        return;
    conn->in_len = 0;
    if (!len) {
        free(conn->in);
        conn->in = NULL;
        conn->in_cap = 0;
    } else if (!keep(&conn->in, &conn->in_len, &conn->in_cap, data, len)) {
        end(conn, "out of memory");
    }
}

void conn_read_now(struct conn *conn)
{
    size_t room = conn->read_limit && conn->read_limit < READ_BYTES ? conn->read_limit : READ_BYTES;

    do {
        size_t have = conn->in_len;
        ssize_t n;
        n = read_some(conn, scratch + have, room);
        if (n == AGAIN)
            return;
        if (n <= 0) {
            end(conn, n ? "connection reset" : "connection closed");
            return;
        }
        if (have)
            memcpy(scratch, conn->in, have);
        feed(conn, scratch, have + (size_t)n);
    } while (conn->phase != CONN_DEAD && conn->ssl && SSL_has_pending(conn->ssl) &&
             !conn->read_limit);
}

static void begin_upgrade(struct conn *conn)
{
    conn->phase = CONN_UPGRADE;
    watch_for(conn, false);
    if (conn->server)
        return;
    write_out(conn, conn->request, strlen(conn->request));
    free(conn->request);
    conn->request = NULL;
}

static void handshake(struct conn *conn)
{
    int n = SSL_do_handshake(conn->ssl);
    ssize_t result = n == 1 ? 1 : tls_result(conn, n);

    if (n == 1)
        begin_upgrade(conn);
    else if (result != AGAIN)
        end(conn, "TLS handshake failed");
    else
        watch_for(conn, SSL_want_write(conn->ssl));
}

static void start_tls(struct conn *conn)
{
    if (!conn->tls) {
        begin_upgrade(conn);
        return;
    }
    conn->ssl = conn->server ? SSL_new(conn->tls)
                             : tls_client_connect(conn->tls, conn->watch.fd, conn->host);
    if (conn->server && conn->ssl && SSL_set_fd(conn->ssl, conn->watch.fd) == 1)
        SSL_set_accept_state(conn->ssl);
    conn->phase = CONN_TLS;
    if (!conn->ssl)
        end(conn, "out of memory");
    else
        handshake(conn);
}

static void on_connected(struct conn *conn)
{
    int fault = 0;
    socklen_t len = sizeof(fault);

    if (getsockopt(conn->watch.fd, SOL_SOCKET, SO_ERROR, &fault, &len) || fault) {
        end(conn, "cannot connect");
        return;
    }
    start_tls(conn);
}

static void on_event(struct watch *watch, uint32_t events)
{
    struct conn *conn = (struct conn *)watch;

    if (conn->phase == CONN_TCP) {
        on_connected(conn);
        return;
    }
    if (conn->phase == CONN_TLS) {
        handshake(conn);
        if (conn->phase == CONN_UPGRADE && conn->ssl && SSL_has_pending(conn->ssl))
            conn_read_now(conn);
        return;
    }
    if (events & EPOLLOUT)
        flush(conn);
    if (conn->phase != CONN_DEAD && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        conn_read_now(conn);
}

/* ---- beginning and end
 * --------------------------------------------------------------------------------- */

static struct conn *conn_new(struct loop *loop, int fd, SSL_CTX *tls,
                             const struct conn_handlers *handlers, void *ctx)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    int on = 1;

    if (!conn)
        return NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conn->watch = (struct watch){.fd = fd, .on_event = on_event, .free_fn = conn_free};
    conn->loop = loop;
    conn->tls = tls;
    conn->handlers = handlers;
    conn->ctx = ctx;
    return conn;
}

struct conn *conn_serve(struct loop *loop, int fd, SSL_CTX *tls,
                        const struct conn_handlers *handlers, void *ctx)
{
    struct conn *conn = conn_new(loop, fd, tls, handlers, ctx);

    if (!conn || !loop_watch(loop, &conn->watch, EPOLLIN)) {
        free(conn);
        close(fd);
        return NULL;
    }
    conn->server = true;
    start_tls(conn);
    return conn;
}

static char *make_request(const char *host, int port, const char *target, const char *headers)
{
    char *text = NULL;

    if (asprintf(
            &text,
            "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bG9hZC1nZW5lcmF0b3ItMQ==\r\n%s\r\n",
            target, host, port, headers) < 0)
        return NULL;
    return text;
}

struct conn *conn_call(struct loop *loop, const struct sockaddr_in *address, const char *host,
                       SSL_CTX *tls, const char *target, const char *headers,
                       const struct conn_handlers *handlers, void *ctx)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct conn *conn = fd >= 0 ? conn_new(loop, fd, tls, handlers, ctx) : NULL;

    if (!conn)
        goto fail;
    (void)snprintf(conn->host, sizeof(conn->host), "%s", host);
    conn->request = make_request(host, ntohs(address->sin_port), target, headers);
    if (!conn->request)
        goto fail;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) && errno != EINPROGRESS)
        goto fail;
    if (!loop_watch(loop, &conn->watch, EPOLLIN | EPOLLOUT))
        goto fail;
    return conn;
fail:
    if (conn)
        free(conn->request);
    free(conn);
    if (fd >= 0)
        close(fd);
    return NULL;
}

void conn_pause(struct conn *conn, bool paused)
{
    conn->paused = paused;
    if (conn->phase != CONN_DEAD)
        watch_for(conn, conn->out_len > 0);
}

void conn_close(struct conn *conn, bool politely)
{
    static const unsigned char normal[2] = {1000 >> 8, 1000 & 255};
    struct span part = {normal, sizeof(normal)};

    if (!conn || conn->phase == CONN_DEAD)
        return;
    if (politely)
        conn_send(conn, 8, &part, 1);
    end(conn, NULL);
}

int conn_listen(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof(address);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}
