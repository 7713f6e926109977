/* load-floor - the least a relay between browsers and the Live API can do: framing, finding the
 * base64 and putting it between two other constants. No checks, no sessions, no store, no errors
 * told to anybody, one fixed setup. It is there to be measured: what it costs, the kernel, TLS and
 * the framing cost anyway. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "find.h"
#include "tls.h"

#define TARGET                                                                                     \
    "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=floor"
#define HEAD_BYTES 400 /* of a message, where its names are looked for */

static const char setup[] = "{\"setup\":{\"model\":\"models/floor\",\"generationConfig\":"
                            "{\"responseModalities\":[\"AUDIO\"]}}}";

static struct {
    struct loop loop;
    struct watch listener;
    SSL_CTX *tls; /* NULL: clear */
    struct sockaddr_in upstream;
    char host[64];
    uint64_t ping_ns; /* 0: none */
} floor_ = {0};

/* A client and its connection to the model. */
struct pair {
    struct conn *client, *upstream; /* NULL: gone */
    bool ready;
    struct timer ping;
};

static void maybe_free(struct pair *pair)
{
    if (pair->client || pair->upstream)
        return;
    loop_timer_stop(&floor_.loop, &pair->ping);
    free(pair);
}

#define PART(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

static void send3(struct conn *conn, const char *before, struct span middle, const char *behind)
{
    const struct span parts[3] = {{before, strlen(before)}, middle, {behind, strlen(behind)}};

    conn_send(conn, CONN_TEXT, parts, 3);
}

/* ---- to the client
 * ----------------------------------------------------------------------------------- */

static void upstream_open(struct conn *conn)
{
    struct span part = PART(setup);

    conn_send(conn, CONN_TEXT, &part, 1);
}

static void upstream_message(struct conn *conn, bool binary, char *data, size_t len)
{
    struct pair *pair = conn->ctx;
    size_t head = len < HEAD_BYTES ? len : HEAD_BYTES;
    struct span value;

    (void)binary;
    if (!pair->client)
        return;
    if (!pair->ready) {
        pair->ready = true;
        conn_pause(pair->client, false);
        return;
    }
    if (find_text(data, head, "inlineData") && find_string(data, len, head, "data", &value))
        send3(pair->client, "{\"mime_type\":\"audio/pcm\",\"data\":\"", value, "\"}");
    else if (find_string(data, len, head, "text", &value))
        send3(pair->client, "{\"mime_type\":\"text/plain\",\"data\":\"", value, "\"}");
    else if (find_true(data, len, "interrupted"))
        send3(pair->client, "{\"turn_complete\":null,\"interrupted\":true}", (struct span){"", 0},
              "");
    else if (find_true(data, len, "turnComplete"))
        send3(pair->client, "{\"turn_complete\":true,\"interrupted\":null}", (struct span){"", 0},
              "");
}

static void upstream_gone(struct conn *conn, const char *why)
{
    struct pair *pair = conn->ctx;

    (void)why;
    pair->upstream = NULL;
    conn_close(pair->client, true);
    pair->client = NULL;
    maybe_free(pair);
}

static const struct conn_handlers upstream_handlers = {upstream_open, upstream_message,
                                                       upstream_gone};

/* ---- to the model
 * ------------------------------------------------------------------------------------ */

static void on_ping(struct timer *timer, uint64_t now_ns)
{
    struct pair *pair = (struct pair *)((char *)timer - offsetof(struct pair, ping));
    struct span nothing = {"", 0};

    if (!pair->client)
        return;
    conn_send(pair->client, CONN_PING, &nothing, 1);
    if (pair->client)
        loop_timer(&floor_.loop, timer, now_ns + floor_.ping_ns);
}

static void client_open(struct conn *conn)
{
    struct pair *pair = conn->ctx;

    pair->ping.on_due = on_ping;
    if (floor_.ping_ns)
        loop_timer(&floor_.loop, &pair->ping, loop_now() + floor_.ping_ns);

    conn_pause(conn, true); /* until the model is there */
    pair->upstream = conn_call(&floor_.loop, &floor_.upstream, floor_.host, floor_.tls, TARGET, "",
                               &upstream_handlers, pair);
}

static void client_message(struct conn *conn, bool binary, char *data, size_t len)
{
    struct pair *pair = conn->ctx;
    struct span value;

    (void)binary;
    if (!pair->upstream || !find_string(data, len, HEAD_BYTES, "data", &value))
        return;
    if (find_text(data, (size_t)((const char *)value.data - data), "audio/pcm"))
        send3(pair->upstream,
              "{\"realtimeInput\":{\"audio\":{\"mimeType\":\"audio/pcm;rate=16000\",\"data\":\"",
              value, "\"}}}");
    else
        send3(pair->upstream,
              "{\"clientContent\":{\"turns\":[{\"role\":\"user\",\"parts\":[{\"text\":\"", value,
              "\"}]}],\"turnComplete\":true}}");
}

static void client_gone(struct conn *conn, const char *why)
{
    struct pair *pair = conn->ctx;

    (void)why;
    pair->client = NULL;
    conn_close(pair->upstream, true);
    pair->upstream = NULL;
    maybe_free(pair);
}

static const struct conn_handlers client_handlers = {client_open, client_message, client_gone};

static void on_accept(struct watch *watch, uint32_t events)
{
    int fd;

    (void)events;
    while ((fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct pair *pair = calloc(1, sizeof(*pair));
        if (!pair)
            close(fd);
        else
            pair->client = conn_serve(&floor_.loop, fd, NULL, &client_handlers, pair);
    }
}

/* ---- start
 * ------------------------------------------------------------------------------------------- */

static int wrong(const char *what)
{
    (void)fprintf(stderr,
                  "load-floor: %s\nusage: load-floor --port N --upstream http[s]://ADDRESS:PORT [--ping SECONDS]\n",
                  what);
    return 2;
}

/* Only addresses: the floor looks nothing up. */
static bool parse_url(const char *url, bool *tls)
{
    const char *at = strstr(url, "://"), *colon;
    size_t n;

    if (!at)
        return false;
    *tls = strncmp(url, "https", 5) == 0 || strncmp(url, "wss", 3) == 0;
    at += 3;
    colon = strchr(at, ':');
    n = colon ? (size_t)(colon - at) : 0;
    if (!colon || n >= sizeof(floor_.host))
        return false;
    memcpy(floor_.host, at, n);
    floor_.upstream.sin_family = AF_INET;
    floor_.upstream.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return inet_pton(AF_INET, floor_.host, &floor_.upstream.sin_addr) == 1 &&
           floor_.upstream.sin_port;
}

static void raise_files(void)
{
    struct rlimit files;

    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"upstream", required_argument, NULL, 'u'},
                                            {"ping", required_argument, NULL, 'i'},
                                            {NULL, 0, NULL, 0}};
    int port = 0, option;
    bool tls = false, have = false;
    char why[160];

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'p')
            port = (int)strtol(optarg, NULL, 10);
        else if (option == 'u')
            have = parse_url(optarg, &tls);
        else if (option == 'i')
            floor_.ping_ns = strtoul(optarg, NULL, 10) * 1000000000u;
        else
            return wrong("unknown option");
    }
    if (!have)
        return wrong("--upstream needs scheme, address and port");
    signal(SIGPIPE, SIG_IGN);
    raise_files();
    if (tls && !(floor_.tls = tls_client_new(why, sizeof(why)))) {
        (void)fprintf(stderr, "load-floor: %s\n", why);
        return 1;
    }
    floor_.listener = (struct watch){.fd = conn_listen(&port), .on_event = on_accept};
    if (floor_.listener.fd < 0 || !loop_init(&floor_.loop) ||
        !loop_watch(&floor_.loop, &floor_.listener, EPOLLIN)) {
        (void)fprintf(stderr, "load-floor: cannot listen: %s\n", strerror(errno));
        return 1;
    }
    printf("floor listening on http://127.0.0.1:%d\n", port);
    (void)fflush(stdout);
    loop_run(&floor_.loop);
    return 0;
}
