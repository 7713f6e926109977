#include "plugin/runner_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/banned.h"

static void send_packet(const struct runner_packet *head, const char *data)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)head, sizeof(*head)}, {(void *)(uintptr_t)data, head->share}};
    const struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n;

    do
        n = sendmsg(RUNNER_FD_SOCKET, &packet, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)(sizeof(*head) + head->share))
        _exit(RUNNER_EXIT_LOST);
}

enum antiphon_status runner_send(struct runner *runner, const struct runner_message *message)
{
    struct runner_packet head;
    size_t offset = 0, at = 0;

    pthread_mutex_lock(&runner->send_lock);
    enum antiphon_status status = runner_wire_encode(message, &runner->wire);
    for (; !status && runner_wire_cut(runner->wire.len, &offset, &head); at = offset)
        send_packet(&head, runner->wire.data + at);
    pthread_mutex_unlock(&runner->send_lock);
    return status;
}

void runner_receive(struct buf *wire, struct runner_message *message)
{
    static char packet[RUNNER_MAX_PACKET]; /* [main] */
    struct err err;
    bool whole = false;

    buf_reset(wire);
    while (!whole) {
        ssize_t n = recv(RUNNER_FD_SOCKET, packet, sizeof(packet), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || runner_wire_join(wire, packet, (size_t)n, &whole, &err))
            _exit(RUNNER_EXIT_LOST);
    }
    if (runner_wire_decode(wire->data, wire->len, false, message, &err))
        _exit(RUNNER_EXIT_LOST);
}

char *runner_copy_texts(const struct runner_message *message, unsigned texts, struct runner_text *copies)
{
    size_t size = 1;

    for (unsigned i = 0; i < texts; i++)
        size += message->text[i].len + 1;
    char *memory = malloc(size), *at = memory;
    if (!memory)
        return NULL;
    for (unsigned i = 0; i < texts; i++) {
        copies[i] = (struct runner_text){message->text[i].data ? at : NULL, message->text[i].len};
        if (message->text[i].data)
            memcpy(at, message->text[i].data, message->text[i].len + 1);
        at += message->text[i].len + 1;
    }
    return memory;
}

void runner_complain(struct runner *runner, const char *text)
{
    const struct runner_message message = {.type = RUNNER_LOG, .flags = ANTIPHON_ERROR, .text = {runner_text(text)}};

    (void)runner_send(runner, &message);
}
