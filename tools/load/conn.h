/* conn - one WebSocket connection, client or server, clear or TLS, on the loop.
 * Lean on purpose: the floor is made of it, too. One recv() a wake (more under TLS, until nothing
 * is pending), one send() a message; memory only for what is unfinished. Extensions are not offered
 * and not accepted; messages in several frames end the connection (nobody we measure sends them).
 * Control frames are answered.
 */
#ifndef LOAD_CONN_H
#define LOAD_CONN_H
#include <netinet/in.h>
#include <openssl/ssl.h>
#include "loop.h"

#define CONN_MAX_MESSAGE (24u * 1024 * 1024) /* larger ones end the connection */
#define CONN_MAX_HEAD    (32u * 1024)        /* of an upgrade */

enum { CONN_TEXT = 1, CONN_BINARY = 2, CONN_PING = 9 };

struct conn;
struct conn_handlers {
    /* The upgrade is done. */
    void (*on_open)(struct conn *conn);
    /* Borrowed, and writable: payload is unmasked in place. */
    void (*on_message)(struct conn *conn, bool binary, char *data, size_t len);
    /* Once, last, unless conn_close() was called. why: static. */
    void (*on_close)(struct conn *conn, const char *why);
};

struct span {
    const void *data;
    size_t len;
};

struct conn {
    struct watch watch; /* first: events find the conn by it */
    struct loop *loop;
    const struct conn_handlers *handlers;
    void *ctx;
    bool server; /* we were called; else we called */
    enum conn_phase { CONN_TCP, CONN_TLS, CONN_UPGRADE, CONN_OPEN, CONN_DEAD } phase;
    SSL *ssl;      /* owned; NULL: clear */
    SSL_CTX *tls;  /* borrowed; NULL: clear */
    char host[64]; /* client: whom we call */
    char *request; /* owned; client: until it is sent */
    unsigned char mask[4];
    char *in; /* owned: what did not make a whole frame yet */
    size_t in_len, in_cap;
    char *out; /* owned: what the socket did not take yet, from out_at on */
    size_t out_len, out_at, out_cap;
    size_t read_limit; /* bytes a wake, for those that read slowly; 0: as much as there is */
    bool paused;       /* nothing is read */
    uint64_t messages_in, messages_out;
};

/* A client. target begins with '/'; headers: whole lines, each with its CRLF, or "". NULL: no
 * descriptor or memory. Failures come through on_close(). */
struct conn *conn_call(struct loop *loop, const struct sockaddr_in *address, const char *host,
                       SSL_CTX *tls, const char *target, const char *headers,
                       const struct conn_handlers *handlers, void *ctx);
/* A server for a descriptor that was accepted; it becomes the conn's. NULL: out of memory, fd is
 * closed. */
struct conn *conn_serve(struct loop *loop, int fd, SSL_CTX *tls,
                        const struct conn_handlers *handlers, void *ctx);
/* One message. What the socket does not take at once is kept, without bound: look at
 * conn_waiting(). */
void conn_send(struct conn *conn, int opcode, const struct span *parts, size_t n);
/* Bytes that the socket has not taken yet. */
size_t conn_waiting(const struct conn *conn);
void conn_pause(struct conn *conn, bool paused);
/* Reads once what is there. */
void conn_read_now(struct conn *conn);
/* Without a word (politely false), or with a close frame first. No handler is called any more. */
void conn_close(struct conn *conn, bool politely);

/* A descriptor that listens on 127.0.0.1; *port 0: any, and is told. -1: errno. */
int conn_listen(int *port);
#endif
