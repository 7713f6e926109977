#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define DAYS 30

static SSL_SESSION *last_session; /* of the one server there is */

static void explain(const char *what, char *why, size_t why_size)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    (void)snprintf(why, why_size, "%s: %s", what, reason ? reason : "out of memory");
    ERR_clear_error();
}

static bool add_names(X509 *cert)
{
    X509V3_CTX context;
    X509_EXTENSION *names;
    bool added;

    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    added = names && X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    return added;
}

static X509 *make_cert(EVP_PKEY *key)
{
    static const unsigned char name[] = "load";
    X509 *cert = X509_new();
    uint32_t serial = 1;
    X509_NAME *subject = cert ? X509_get_subject_name(cert) : NULL;

    if (subject && RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
        X509_set_version(cert, 2) &&
        ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)(serial >> 1)) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
        X509_gmtime_adj(X509_getm_notAfter(cert), DAYS * 24L * 3600) &&
        X509_set_pubkey(cert, key) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) &&
        X509_set_issuer_name(cert, subject) && add_names(cert) &&
        X509_sign(cert, key, EVP_sha256()))
        return cert;
    X509_free(cert);
    return NULL;
}

SSL_CTX *tls_server_new(const char *cert_file, char *why, size_t why_size)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_cert(key) : NULL;
    SSL_CTX *context = cert ? SSL_CTX_new(TLS_server_method()) : NULL, *made = NULL;
    FILE *file = NULL;

    if (!context || SSL_CTX_use_certificate(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey(context, key) != 1) {
        explain("cannot make a certificate", why, why_size);
        goto out;
    }
    file = fopen(cert_file, "we");
    if (!file || PEM_write_X509(file, cert) != 1) {
        (void)snprintf(why, why_size, "cannot write %s", cert_file);
        goto out;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"load", 4);
    made = context;
    context = NULL;
out:
    if (file && fclose(file) && made) {
        (void)snprintf(why, why_size, "cannot write %s", cert_file);
        SSL_CTX_free(made);
        made = NULL;
    }
    SSL_CTX_free(context);
    X509_free(cert);
    EVP_PKEY_free(key);
    return made;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(last_session);
    last_session = session;
    return 1;
}

SSL_CTX *tls_client_new(char *why, size_t why_size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!context || SSL_CTX_set_default_verify_paths(context) != 1) {
        explain("cannot set up TLS", why, why_size);
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 32 * 1024);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, on_session);
    return context;
}

SSL *tls_client_connect(SSL_CTX *context, int fd, const char *host)
{
    unsigned char address[16];
    SSL *ssl = SSL_new(context);
    bool named;

    if (!ssl)
        return NULL;
    named = inet_pton(AF_INET, host, address) == 1
                ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
                : SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    if (!named || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    if (last_session)
        SSL_set_session(ssl, last_session);
    return ssl;
}
