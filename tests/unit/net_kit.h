/* net_kit - what the tests of net/ share: shards with an echoing server, calls on a shard's thread,
 * raw sockets. Everything waits for events with a deadline, nothing sleeps. */
#ifndef TESTS_UNIT_NET_KIT_H
#define TESTS_UNIT_NET_KIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/listener.h"
#include "net/shard.h"
#include "net/upstream.h"

#define KIT_WAIT_MS 20000u

/* ---- events: counters under a lock that a test waits for
 * -------------------------------------------- */

struct kit_log {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};
static struct kit_log kit = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

static inline void kit_lock(void)
{
    pthread_mutex_lock(&kit.lock);
}

static inline void kit_unlock(void)
{
    pthread_cond_broadcast(&kit.changed);
    pthread_mutex_unlock(&kit.lock);
}

/* Waits until condition holds (evaluated under the lock); fails the test after KIT_WAIT_MS. */
#define KIT_WAIT(condition)                                                                        \
    do {                                                                                           \
        struct timespec kit_until;                                                                 \
        bool kit_ok = true;                                                                        \
        clock_gettime(CLOCK_REALTIME, &kit_until);                                                 \
        kit_until.tv_sec += KIT_WAIT_MS / 1000;                                                    \
        pthread_mutex_lock(&kit.lock);                                                             \
        while (!(condition) && kit_ok)                                                             \
            kit_ok = pthread_cond_timedwait(&kit.changed, &kit.lock, &kit_until) != ETIMEDOUT;     \
        pthread_mutex_unlock(&kit.lock);                                                           \
        if (!kit_ok)                                                                               \
            fail_msg("%s:%d: never true: %s", __FILE__, __LINE__, #condition);                     \
    } while (0)

/* ---- calls on a shard
 * -------------------------------------------------------------------------------- */

struct kit_call {
    struct inbox_message message;
    void (*fn)(struct shard *shard, void *arg);
    void *arg;
    sem_t done;
};

static inline void kit_run(void *owner, struct inbox_message *message, bool dropped)
{
    struct kit_call *call = (struct kit_call *)message;

    if (!dropped)
        call->fn(owner, call->arg);
    sem_post(&call->done);
}

static inline void kit_on(struct shard *shard, void (*fn)(struct shard *shard, void *arg),
                          void *arg)
{
    struct kit_call call = {.message.run = kit_run, .fn = fn, .arg = arg};

    sem_init(&call.done, 0, 0);
    shard_post(shard, &call.message);
    while (sem_wait(&call.done))
        ;
    sem_destroy(&call.done);
}

/* ---- raw sockets
 * ------------------------------------------------------------------------------------- */

static inline int kit_connect_with(int port, int receive_bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (receive_bytes)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static inline int kit_connect(int port)
{
    return kit_connect_with(port, 0);
}

static inline void kit_send(int fd, const void *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            fail_msg("send: %s", strerror(errno));
        data = (const char *)data + n;
        len -= (size_t)n;
    }
}

static inline void kit_puts(int fd, const char *text)
{
    kit_send(fd, text, strlen(text));
}

/* Up to len bytes; 0: the other side has finished (or reset). */
static inline size_t kit_recv(int fd, char *data, size_t len)
{
    struct pollfd what = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (poll(&what, 1, KIT_WAIT_MS) != 1)
        fail_msg("nothing came for %u ms", KIT_WAIT_MS);
    n = recv(fd, data, len, 0);
    return n > 0 ? (size_t)n : 0;
}

static inline void kit_recv_all(int fd, char *data, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t n = kit_recv(fd, data + at, len - at);
        if (!n)
            fail_msg("closed after %zu of %zu bytes", at, len);
        at += n;
    }
}

/* Reads until the other side closes or the head is complete; NUL-terminated. Returns the bytes. */
static inline size_t kit_recv_head(int fd, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    while (at + 1 < size && !strstr(text, "\r\n\r\n")) {
        size_t n = kit_recv(fd, text + at, 1);
        if (!n)
            break;
        at += n;
        text[at] = '\0';
    }
    return at;
}

static inline size_t kit_recv_to_end(int fd, char *text, size_t size)
{
    size_t at = 0, n;

    while (at + 1 < size && (n = kit_recv(fd, text + at, size - 1 - at)))
        at += n;
    text[at] = '\0';
    return at;
}

/* One request on its own connection; the whole answer. */
static inline void kit_http(int port, const char *request, char *answer, size_t size)
{
    int fd = kit_connect(port);

    kit_puts(fd, request);
    kit_recv_to_end(fd, answer, size);
    close(fd);
}

/* ---- a WebSocket client by hand
 * ----------------------------------------------------------------------- */

#define KIT_KEY     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
#define KIT_UPGRADE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" KIT_KEY

/* Sends the handshake and gives the head of the answer. */
static inline int kit_ws_ask(int fd, const char *path, const char *headers, char *answer,
                             size_t size)
{
    char request[2048];

    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n" KIT_UPGRADE "%s\r\n", path, headers);
    kit_puts(fd, request);
    kit_recv_head(fd, answer, size);
    return !strncmp(answer, "HTTP/1.1 ", 9) ? (int)strtol(answer + 9, NULL, 10) : 0;
}

static inline int kit_ws_connect(int port, const char *path, int receive_bytes)
{
    char answer[1024];
    int fd = kit_connect_with(port, receive_bytes);

    assert_int_equal(kit_ws_ask(fd, path, "", answer, sizeof(answer)), 101);
    return fd;
}

/* first: FIN bit and opcode. */
static inline void kit_ws_send(int fd, unsigned first, const void *data, size_t len)
{
    unsigned char *frame = malloc(len + 14);
    size_t at = 2;

    frame[0] = (unsigned char)first;
    if (len < 126) {
        frame[1] = (unsigned char)(0x80u | len);
    } else if (len < 65536) {
        frame[1] = 0x80u | 126;
        frame[at++] = (unsigned char)(len >> 8);
        frame[at++] = (unsigned char)len;
    } else {
        frame[1] = 0x80u | 127;
        for (int i = 7; i >= 0; i--)
            frame[at++] = (unsigned char)((uint64_t)len >> (8 * i));
    }
    memcpy(frame + at, "\x11\x22\x33\x44", 4);
    for (size_t i = 0; i < len; i++)
        frame[at + 4 + i] = ((const unsigned char *)data)[i] ^ frame[at + (i & 3)];
    kit_send(fd, frame, at + 4 + len);
    free(frame);
}

/* One frame; its first byte, or 0 if the connection ended. data has room for size - 1 bytes and a
 * NUL. */
static inline unsigned kit_ws_recv(int fd, char *data, size_t size, size_t *len)
{
    unsigned char head[8];
    unsigned first;
    uint64_t n;

    *len = 0;
    if (!kit_recv(fd, (char *)head, 1))
        return 0;
    first = head[0];
    kit_recv_all(fd, (char *)head, 1);
    n = head[0];
    if (n >= 126) {
        size_t bytes = n == 126 ? 2 : 8;
        kit_recv_all(fd, (char *)head, bytes);
        n = 0;
        for (size_t i = 0; i < bytes; i++)
            n = n << 8 | head[i];
    }
    if (n >= size)
        fail_msg("a frame of %zu bytes", (size_t)n);
    kit_recv_all(fd, data, (size_t)n);
    data[n] = '\0';
    *len = (size_t)n;
    return first;
}

static inline int kit_ws_code(const char *payload)
{
    return (unsigned char)payload[0] << 8 | (unsigned char)payload[1];
}

static inline int kit_listen(int *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    *port = ntohs(name.sin_port);
    return fd;
}
#endif
