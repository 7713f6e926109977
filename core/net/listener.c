#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/banned.h"

#define BACKLOG 4096

static enum antiphon_status resolve(const char *host, int port, struct addrinfo **found,
                                    struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char service[12];
    int fault;

    snprintf(service, sizeof(service), "%d", port);
    fault = getaddrinfo(host, service, &hints, found);
    if (fault)
        return err_set(err, ANTIPHON_EINVAL, "cannot listen on host \"%s\": %s", host,
                       gai_strerror(fault));
    return ANTIPHON_OK;
}

static enum antiphon_status explain(int fault, const char *host, int port, struct err *err)
{
    if (fault == EADDRINUSE)
        return err_set(err, ANTIPHON_EEXISTS, "port %d is in use", port);
    return err_set(err, fault == EACCES ? ANTIPHON_EDENIED : ANTIPHON_EUNAVAILABLE,
                   "cannot listen on %s port %d: %s", host, port, strerror(fault));
}

/* A bound socket, or -1 with errno. */
static int bind_one(const struct addrinfo *address, bool share)
{
    int on = 1, fault;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
        (address->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int))) ||
        bind(fd, address->ai_addr, address->ai_addrlen)) {
        fault = errno;
        close(fd);
        errno = fault;
        return -1;
    }
    return fd;
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.v6 = {0}};
    socklen_t len = sizeof(name);

    if (getsockname(fd, &name.any, &len))
        return 0;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

/* Listening without SO_REUSEPORT is what fails beside any other listener, even of this user with
 * SO_REUSEPORT set; binding alone would not, because of SO_REUSEADDR. */
static enum antiphon_status probe_alone(const struct addrinfo *address, const char *host, int port,
                                        struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;
    int fd = bind_one(address, false);

    if (fd < 0)
        return explain(errno, host, port, err);
    if (listen(fd, 1))
        status = explain(errno, host, port, err);
    close(fd);
    return status;
}

enum antiphon_status listener_probe(const char *host, int *port, int *reserve_fd, struct err *err)
{
    struct addrinfo *found = NULL;
    enum antiphon_status status = resolve(host, *port, &found, err);
    int fd;

    if (status)
        return status;
    if (*port) {
        status = probe_alone(found, host, *port, err);
        if (status)
            goto out;
    }
    fd = bind_one(found, true);
    if (fd < 0) {
        status = explain(errno, host, *port, err);
        goto out;
    }
    *port = port_of(fd);
    *reserve_fd = fd;
out:
    freeaddrinfo(found);
    return status;
}

enum antiphon_status listener_open(const char *host, int port, int *fd, struct err *err)
{
    struct addrinfo *found = NULL;
    enum antiphon_status status = resolve(host, port, &found, err);
    int made;

    if (status)
        return status;
    made = bind_one(found, true);
    freeaddrinfo(found);
    if (made < 0)
        return explain(errno, host, port, err);
    if (listen(made, BACKLOG)) {
        status = explain(errno, host, port, err);
        close(made);
        return status;
    }
    *fd = made;
    return ANTIPHON_OK;
}
