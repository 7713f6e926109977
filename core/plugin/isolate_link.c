#include "plugin/isolate_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/banned.h"

#define PACKETS_A_TURN 32 /* then the other runners have theirs */
#define WINDOW_MS      10000

/* ---- to the runner; with the gen's lock ---- */

static void want_room(struct isolate_gen *gen, bool wanted)
{
    struct isolate_source *socket = &gen->source[ISOLATE_SOCKET];
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.ptr = socket};

    (void)epoll_ctl(gen->isolate->epoll, EPOLL_CTL_MOD, socket->fd, &event);
}

/* False: it would have to wait. */
static bool write_packet(struct isolate_gen *gen, const struct iovec *parts, size_t n_parts)
{
    const struct msghdr packet = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = n_parts};
    ssize_t n;

    do
        n = sendmsg(gen->source[ISOLATE_SOCKET].fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    /* Any other failure means that the runner is gone, which its exit tells. */
    return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS);
}

static enum antiphon_status queue_packet(struct isolate_gen *gen, const struct runner_packet *head, const char *data)
{
    size_t len = sizeof(*head) + head->share;
    struct isolate_packet *packet = malloc(sizeof(*packet) + len);

    if (!packet)
        return ANTIPHON_ENOMEM;
    packet->next = NULL;
    packet->len = len;
    memcpy(packet->data, head, sizeof(*head));
    memcpy(packet->data + sizeof(*head), data, head->share);
    *gen->out_last = packet;
    gen->out_last = &packet->next;
    gen->out_bytes += len;
    return ANTIPHON_OK;
}

static void flush(struct isolate_gen *gen)
{
    struct isolate_packet *packet;

    while ((packet = gen->out) && write_packet(gen, &(struct iovec){packet->data, packet->len}, 1)) {
        gen->out = packet->next;
        gen->out_bytes -= packet->len;
        free(packet);
    }
    if (!gen->out)
        gen->out_last = &gen->out;
}

void isolate_drop_queue(struct isolate_gen *gen)
{
    struct isolate_packet *next;

    for (struct isolate_packet *packet = gen->out; packet; packet = next) {
        next = packet->next;
        free(packet);
    }
    gen->out = NULL;
    gen->out_last = &gen->out;
    gen->out_bytes = 0;
}

static enum antiphon_status write_or_queue(struct isolate_gen *gen, struct runner_packet *head, char *data)
{
    const struct iovec parts[2] = {{head, sizeof(*head)}, {data, head->share}};

    if (!gen->out && write_packet(gen, parts, 2))
        return ANTIPHON_OK;
    return queue_packet(gen, head, data);
}

/* Ends it, for want of memory or because it does not read. */
static void starve(struct isolate_gen *gen, const char *why)
{
    if (gen->starved)
        return;
    gen->starved = why;
    (void)kill(gen->pid, SIGKILL);
}

enum antiphon_status isolate_send(struct isolate_gen *gen, const struct runner_message *message)
{
    bool had = gen->out != NULL;
    struct runner_packet head;
    size_t offset = 0, at = 0;

    if (gen->source[ISOLATE_SOCKET].fd < 0)
        return ANTIPHON_EUNAVAILABLE;
    enum antiphon_status status = runner_wire_encode(message, &gen->wire);
    if (!status && gen->out_bytes + gen->wire.len > ISOLATE_MAX_QUEUE)
        status = ANTIPHON_EBUSY;
    for (; !status && runner_wire_cut(gen->wire.len, &offset, &head); at = offset) {
        status = write_or_queue(gen, &head, gen->wire.data + at);
        if (status && at > 0)
            starve(gen, "half a message is on its way, and nothing can follow it");
    }
    if (message->type == RUNNER_CONFIG && gen->wire.data)
        explicit_bzero(gen->wire.data, gen->wire.cap); /* it may hold secrets */
    if (gen->wire.cap > RUNNER_MAX_PACKET)
        buf_deinit(&gen->wire);
    if (!status && !had && gen->out)
        want_room(gen, true);
    return status;
}

enum antiphon_status isolate_reply(struct isolate_gen *gen, unsigned incarnation, const struct runner_message *message)
{
    enum antiphon_status status = ANTIPHON_EUNAVAILABLE;

    pthread_mutex_lock(&gen->lock);
    if (gen->incarnation == incarnation)
        status = isolate_send(gen, message);
    if (status && status != ANTIPHON_EUNAVAILABLE)
        starve(gen, status == ANTIPHON_EBUSY ? "it does not read the answers to what it asks"
                                             : "an answer to it was lost, for which its call would wait");
    pthread_mutex_unlock(&gen->lock);
    return status;
}

/* ---- from the runner; [plugins] ---- */

static void on_log(struct isolate_gen *gen, const struct runner_message *message)
{
    enum antiphon_log_level level =
        message->flags <= ANTIPHON_ERROR ? (enum antiphon_log_level)message->flags : ANTIPHON_ERROR;

    if (!log_enabled(level))
        return;
    if (++gen->lines > ISOLATE_MAX_LINES)
        gen->lines_dropped++;
    else
        log_line(level, gen->name, "%s", message->text[0].data);
}

static void dispatch(struct isolate_gen *gen, const struct runner_message *message)
{
    switch (message->type) {
    case RUNNER_ASK_CONFIG: isolate_gen_on_config(gen, message); break;
    case RUNNER_TOOL: isolate_gen_on_tool(gen, message); break;
    case RUNNER_HOOK: isolate_gen_on_hook(gen, message); break;
    case RUNNER_READY: isolate_gen_on_ready(gen, message); break;
    case RUNNER_FAILED: isolate_fail(gen, "%s", message->text[0].data); break;
    case RUNNER_LOG: on_log(gen, message); break;
    case RUNNER_FINISH: isolate_call_on_finish(gen, message); break;
    case RUNNER_PROGRESS: isolate_call_on_progress(gen, message); break;
    case RUNNER_DECIDE: isolate_call_on_decide(gen, message); break;
    default: isolate_on_request(gen, message); break;
    }
}

void isolate_turn_window(struct isolate_gen *gen, uint64_t now_ms)
{
    if (now_ms < gen->window_ms + WINDOW_MS)
        return;
    if (gen->lines_dropped)
        log_warn("plugin", "%s: %u lines of its log were dropped", gen->name, gen->lines_dropped);
    gen->window_ms = now_ms;
    gen->messages = gen->lines = gen->lines_dropped = 0;
    gen->output_bytes = 0;
}

/* Whatever a runner sends unasked has a limit. */
static void count(struct isolate_gen *gen, uint64_t now_ms)
{
    isolate_turn_window(gen, now_ms);
    if (++gen->messages > ISOLATE_MAX_MESSAGES)
        isolate_kill(gen, "floods the server with messages");
}

static void read_packet(struct isolate_gen *gen, const char *packet, size_t len)
{
    struct runner_message message;
    struct err err = {0};
    bool whole = false;
    enum antiphon_status status = runner_wire_join(&gen->in, packet, len, &whole, &err);

    if (!status && !whole)
        return;
    if (!status)
        status = runner_wire_decode(gen->in.data, gen->in.len, true, &message, &err);
    if (status)
        isolate_kill(gen, "broke the protocol: %s", err.text);
    else
        dispatch(gen, &message);
    if (gen->in.cap > RUNNER_MAX_PACKET)
        buf_deinit(&gen->in);
    else
        buf_reset(&gen->in);
}

/* Most often it has died, and its exit is about to tell why. */
static void on_end(struct isolate_gen *gen, uint64_t now_ms)
{
    (void)epoll_ctl(gen->isolate->epoll, EPOLL_CTL_DEL, gen->source[ISOLATE_SOCKET].fd, NULL);
    gen->lost_ms = now_ms;
}

void isolate_on_socket(struct isolate_gen *gen, uint32_t events)
{
    static char packet[RUNNER_MAX_PACKET]; /* [plugins] */
    uint64_t now_ms = clock_now_ms();

    if (events & EPOLLOUT) {
        pthread_mutex_lock(&gen->lock);
        flush(gen);
        if (!gen->out)
            want_room(gen, false);
        pthread_mutex_unlock(&gen->lock);
    }
    for (unsigned i = 0; i < PACKETS_A_TURN && !gen->killed && !gen->lost_ms; i++) {
        ssize_t n = recv(gen->source[ISOLATE_SOCKET].fd, packet, sizeof(packet), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            on_end(gen, now_ms);
            return;
        }
        count(gen, now_ms);
        read_packet(gen, packet, (size_t)n);
    }
}

void isolate_wake(struct isolate *isolate)
{
    uint64_t one = 1;

    (void)!write(isolate->wake, &one, sizeof(one));
}
