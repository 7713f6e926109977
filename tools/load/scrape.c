#include "scrape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

#define MAX_METRICS (256u * 1024)

size_t scrape_get(const struct sockaddr_in *address, const char *path, char *text, size_t size)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {5, 0};
    char request[256];
    size_t len = 0;
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);

    text[0] = '\0';
    if (fd < 0)
        return 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
        send(fd, request, (size_t)n, MSG_NOSIGNAL) == n) {
        ssize_t got;
        while (len + 1 < size && (got = recv(fd, text + len, size - 1 - len, 0)) > 0)
            len += (size_t)got;
    }
    text[len] = '\0';
    close(fd);
    return len;
}

double scrape_value(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n')
            line++;
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
    }
    return 0;
}

void scrape_take(const struct sockaddr_in *address, struct scrape *scrape)
{
    char *text = malloc(MAX_METRICS);
    uint64_t begun = loop_now();

    *scrape = (struct scrape){0};
    if (!text)
        return;
    if (scrape_get(address, "/metrics", text, MAX_METRICS) &&
        strncmp(text, "HTTP/1.1 200", 12) == 0) {
        scrape->there = true;
        scrape->took_ns = loop_now() - begun;
        scrape->spliced = scrape_value(text, "antiphon_audio_spliced_total");
        scrape->parsed = scrape_value(text, "antiphon_audio_parsed_total");
    }
    free(text);
}
