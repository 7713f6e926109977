#include "net/tls_client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/banned.h"

static SSL_CTX *context; /* [main] writes it before and after all shards */

/* Reading a system's certificates takes longer than all else at start (140 of them: 35 ms), and
 * nobody needs them before the first connection to a model. */
static pthread_t trust_thread;
static pthread_mutex_t trust_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t trust_there = PTHREAD_COND_INITIALIZER;
static atomic_bool trusts;
#define BACKGROUND_NICE 5

static int server_index = -1, sessions_index = -1;

static struct tls_client_session *find(struct tls_client_sessions *sessions, const char *server)
{
    struct tls_client_session *oldest = &sessions->slot[0];

    for (unsigned i = 0; i < TLS_CLIENT_MAX_SESSIONS; i++) {
        struct tls_client_session *slot = &sessions->slot[i];
        if (slot->session && !strcmp(slot->server, server))
            return slot;
        if (!slot->session || (oldest->session && slot->used < oldest->used))
            oldest = slot;
    }
    return oldest;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_client_sessions *sessions = SSL_get_ex_data(ssl, sessions_index);
    const char *server = SSL_get_ex_data(ssl, server_index);
    struct tls_client_session *slot;

    if (!sessions || !server)
        return 0;
    slot = find(sessions, server);
    SSL_SESSION_free(slot->session);
    snprintf(slot->server, sizeof(slot->server), "%s", server);
    slot->session = session;
    slot->used = ++sessions->uses;
    return 1; /* the reference is ours now */
}

static void free_text(void *parent, void *text, CRYPTO_EX_DATA *data, int index, long argl,
                      void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    OPENSSL_free(text);
}

/* What SSL_CTX_set_default_verify_paths() does, but that the environment is read now, before other
 * threads. What cannot be read shows as certificates that are not trusted. */
static const char *trust_path(const char *variable, const char *fallback)
{
    const char *path = getenv(variable);

    return path && *path ? path : fallback;
}

static void *load_trust(void *file)
{
    setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE); /* listening comes first */
    (void)SSL_CTX_load_verify_file(context, file);
    ERR_clear_error();
    free(file);
    pthread_mutex_lock(&trust_lock);
    atomic_store(&trusts, true);
    pthread_cond_broadcast(&trust_there);
    pthread_mutex_unlock(&trust_lock);
    return NULL;
}

static bool start_loading(void)
{
    char *file = strdup(trust_path(X509_get_default_cert_file_env(), X509_get_default_cert_file()));

    (void)SSL_CTX_load_verify_dir(
        context, trust_path(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()));
    ERR_clear_error();
    if (file && pthread_create(&trust_thread, NULL, load_trust, file) == 0)
        return true;
    free(file);
    return false;
}

static void wait_for_trust(void)
{
    if (atomic_load_explicit(&trusts, memory_order_acquire))
        return;
    pthread_mutex_lock(&trust_lock);
    while (!atomic_load(&trusts))
        pthread_cond_wait(&trust_there, &trust_lock);
    pthread_mutex_unlock(&trust_lock);
}

enum antiphon_status tls_client_init(struct err *err)
{
    assert(!context);
    if (server_index < 0) {
        server_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_text);
        sessions_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }
    context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return err_set(err, ANTIPHON_ENOMEM, "cannot set up TLS");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 32 * 1024);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, on_session);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x08http/1.1", 9);
    if (!start_loading()) {
        SSL_CTX_free(context);
        context = NULL;
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot start a thread");
    }
    return ANTIPHON_OK;
}

void tls_client_deinit(void)
{
    if (!context)
        return;
    pthread_join(trust_thread, NULL);
    atomic_store(&trusts, false);
    SSL_CTX_free(context);
    context = NULL;
}

void tls_client_sessions_deinit(struct tls_client_sessions *sessions)
{
    for (unsigned i = 0; i < TLS_CLIENT_MAX_SESSIONS; i++)
        SSL_SESSION_free(sessions->slot[i].session);
}

static bool set_name(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

SSL *tls_client_new(struct tls_client_sessions *sessions, int fd, const char *host,
                    const char *server)
{
    struct tls_client_session *slot = find(sessions, server);
    SSL *ssl = context ? SSL_new(context) : NULL;
    char *copy;

    if (!ssl)
        return NULL;
    wait_for_trust();
    copy = OPENSSL_strdup(server);
    if (!copy || !SSL_set_ex_data(ssl, server_index, copy)) {
        OPENSSL_free(copy);
        goto fail;
    }
    SSL_set_ex_data(ssl, sessions_index, sessions);
    if (!set_name(ssl, host) || SSL_set_fd(ssl, fd) != 1)
        goto fail;
    SSL_set_connect_state(ssl);
    if (slot->session && !strcmp(slot->server, server))
        SSL_set_session(ssl, slot->session);
    return ssl;
fail:
    SSL_free(ssl);
    return NULL;
}

void tls_client_explain(const SSL *ssl, char *text, size_t size)
{
    int saved = errno;
    long verify = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    if (verify != X509_V_OK)
        snprintf(text, size, "certificate verify failed: %s",
                 X509_verify_cert_error_string(verify));
    else if (reason)
        snprintf(text, size, "%s", reason);
    else if (saved)
        snprintf(text, size, "%s", strerror(saved));
    else
        snprintf(text, size, "connection closed during the TLS handshake");
    ERR_clear_error();
}
