/* link - the socket's end of a client: created by the upgrade, it finds the shard that has the session and carries messages
 * there. [the socket's shard] */
#ifndef SESSION_LINK_H
#define SESSION_LINK_H
#include "session/frontend.h"
#include "session/runtime.h"

/* Bytes on their way to another shard; beyond, audio is dropped and anything else closes the client with 1013. */
#define LINK_MAX_FORWARDED (1024u * 1024)

struct link;
struct link_options {
    const struct frontend *frontend;
    const struct agent *agent;
    const char *user;    /* copied */
    const char *session; /* copied */
    enum client_audio audio;
    bool wants_audio;
};
enum antiphon_status link_new(struct runtime *runtime, struct shard *shard, const struct link_options *options,
                              struct link **link) MUST_CHECK;
/* The callbacks of ws_server. on_close frees the link. */
void link_on_open(void *link, struct ws_conn *conn);
void link_on_message(void *link, struct ws_conn *conn, bool binary, const char *data, size_t len);
void link_on_close(void *link, struct ws_conn *conn, int code);
#endif
