/* tls_client - trust and sessions for outgoing TLS. TLS 1.2 or newer, server name sent and checked,
 * chain checked against SSL_CERT_FILE and SSL_CERT_DIR or the system's store. */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H
#include <openssl/ssl.h>
#include "base/err.h"

/* [main] Before the first shard, after the last. The certificates are read by a thread; a
 * connection that is made before it is done waits for it. */
enum antiphon_status tls_client_init(struct err *err) MUST_CHECK;
void tls_client_deinit(void);

/* Sessions of the last TLS_CLIENT_MAX_SESSIONS servers of one shard, for cheap reconnection.
 * [shard] */
#define TLS_CLIENT_MAX_SESSIONS 8
struct tls_client_sessions {
    struct tls_client_session {
        char server[272];     /* host:port */
        SSL_SESSION *session; /* owned; NULL: free */
        uint64_t used;
    } slot[TLS_CLIENT_MAX_SESSIONS];
    uint64_t uses;
};
void tls_client_sessions_deinit(struct tls_client_sessions *sessions);

/* A client for fd that resumes what is known of server ("host:port"); sessions is borrowed for its
 * life. NULL: out of memory, or tls_client_init() was not called. Free with SSL_free(). */
SSL *tls_client_new(struct tls_client_sessions *sessions, int fd, const char *host,
                    const char *server);
/* Why the last operation of ssl failed, such as "certificate verify failed: self-signed
 * certificate". */
void tls_client_explain(const SSL *ssl, char *text, size_t size);
#endif
