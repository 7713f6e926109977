#include "server.h"

#include "conn.h"
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STABLE_CALLS 1000000000000000000ULL /* number before the first call of --stable-ids */

struct server {
    struct sim sim;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_signal_t term, interrupt;
};

static bool fail(const char *what, const char *detail)
{
    fprintf(stderr, "live-sim: %s: %s\n", what, detail);
    return false;
}

static bool open_tls(struct sim *sim)
{
    const struct options *options = &sim->options;
    char text[256];
    if (!options->tls_cert)
        return true;
    sim->ssl = SSL_CTX_new(TLS_server_method());
    if (sim->ssl && SSL_CTX_use_certificate_chain_file(sim->ssl, options->tls_cert) == 1 &&
        SSL_CTX_use_PrivateKey_file(sim->ssl, options->tls_key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(sim->ssl) == 1)
        return true;
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    return fail("TLS", text);
}

static bool load_scenarios(struct sim *sim)
{
    struct bytes errors = {0};
    bool good = true;
    scenario_init(&sim->scenario);
    sim->style = sim->options.style;
    for (size_t i = 0; i < sim->options.scenario_count; i++)
        good &= scenario_load(&sim->scenario, sim->options.scenarios[i], &sim->style, &errors);
    fputs(bytes_str(&errors), stderr);
    bytes_free(&errors);
    return good;
}

static void choose_ids(struct sim *sim)
{
    uint64_t random = 0;
    sim->call_number = STABLE_CALLS;
    if (sim->options.stable_ids)
        return;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1)
        random = uv_hrtime();
    sim->handles.nonce = (uint32_t)(random >> 32) | 1;
    sim->call_number += random % STABLE_CALLS;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct server *server = stream->data;
    if (status == 0)
        conn_accept(&server->sim, stream);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    (void)number;
    if (server->sim.stopping)
        return;
    server->sim.stopping = true;
    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_close((uv_handle_t *)&server->term, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    for (struct conn *conn = server->sim.conns; conn; conn = conn->next)
        conn_die(conn);
}

static bool listen_on(struct server *server)
{
    const struct options *options = &server->sim.options;
    struct sockaddr_storage address;
    int size = sizeof address;
    char host[64];
    int error;
    bool six = strchr(options->host, ':') != NULL;
    const char *name = strcmp(options->host, "localhost") == 0 ? "127.0.0.1" : options->host;
    error = six ? uv_ip6_addr(name, options->port, (struct sockaddr_in6 *)&address)
                : uv_ip4_addr(name, options->port, (struct sockaddr_in *)&address);
    if (error)
        return fail(options->host, "not an address");
    uv_tcp_init(&server->loop, &server->listener);
    server->listener.data = server;
    if ((error = uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0)) ||
        (error = uv_listen((uv_stream_t *)&server->listener, 511, on_connection)) ||
        (error = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size))) {
        uv_close((uv_handle_t *)&server->listener, NULL);
        return fail("cannot listen", uv_strerror(error));
    }
    snprintf(host, sizeof host, six ? "[%s]" : "%s", options->host);
    unsigned port = six ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                        : ntohs(((struct sockaddr_in *)&address)->sin_port);
    printf("live-sim listening on %s://%s:%u\n", server->sim.ssl ? "https" : "http", host, port);
    fflush(stdout);
    return true;
}

static void watch_signals(struct server *server)
{
    uv_signal_init(&server->loop, &server->term);
    uv_signal_init(&server->loop, &server->interrupt);
    server->term.data = server->interrupt.data = server;
    uv_signal_start(&server->term, on_signal, SIGTERM);
    uv_signal_start(&server->interrupt, on_signal, SIGINT);
}

/* The parent may have ended before the request reached the kernel. */
static bool follow_parent(const struct options *options)
{
    if (!options->exit_with_parent)
        return true;
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return getppid() == parent;
}

int server_run(const struct options *options)
{
    struct server *server = mem_new(sizeof *server);
    struct sim *sim = &server->sim;
    int code = 1;
    signal(SIGPIPE, SIG_IGN);
    sim->options = *options;
    sim->rest = (struct rest){.key = options->key, .token_life_s = options->token_life_s};
    sim->loop = &server->loop;
    choose_ids(sim);
    uv_loop_init(&server->loop);
    if (!follow_parent(options) || !load_scenarios(sim) || !open_tls(sim))
        goto out;
    if (!trace_open(&sim->trace, options->log)) {
        fail(options->log, "cannot be made");
        goto out;
    }
    watch_signals(server);
    if (!listen_on(server)) {
        uv_close((uv_handle_t *)&server->term, NULL);
        uv_close((uv_handle_t *)&server->interrupt, NULL);
        uv_run(&server->loop, UV_RUN_DEFAULT);
        goto out;
    }
    uv_run(&server->loop, UV_RUN_DEFAULT);
    code = 0;
out:
    uv_loop_close(&server->loop);
    trace_close(&sim->trace);
    scenario_free(&sim->scenario);
    handles_free(&sim->handles);
    SSL_CTX_free(sim->ssl);
    free(server);
    return code;
}
