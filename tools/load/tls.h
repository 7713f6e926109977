/* tls - both ends of TLS: a server with a certificate made on the spot, and a client that checks
 * certificates and resumes sessions, as a product would. */
#ifndef LOAD_TLS_H
#define LOAD_TLS_H
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/* A server for 127.0.0.1 and localhost with a fresh ECDSA certificate, whose PEM text is also
 * written to cert_file: point SSL_CERT_FILE at it. NULL: why says what. */
SSL_CTX *tls_server_new(const char *cert_file, char *why, size_t why_size);
/* A client that trusts SSL_CERT_FILE, SSL_CERT_DIR or the system's store. */
SSL_CTX *tls_client_new(char *why, size_t why_size);
/* A connection to host that resumes the last session there was (one server a process is enough
 * here). */
SSL *tls_client_connect(SSL_CTX *context, int fd, const char *host);
#endif
