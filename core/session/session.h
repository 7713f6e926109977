/* session - one conversation of one user with one agent: the only place that knows client, model, tools and store
 * together. It outlives sockets and model connections; it ends when the last client has left, what was said is on its way
 * to disk and the connection to the model is closed. [its shard] */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H
#include "session/client.h"
#include "session/sessions.h"

#define SESSION_MAX_CLIENTS 16

/* Starts loading from the store; clients may be attached at once. */
enum antiphon_status session_new(struct sessions *sessions, const struct agent *agent, const char *user,
                                 const char *id, struct session **session) MUST_CHECK;
/* Orderly: clients are told 1001, what was said is saved, and the session ends as soon as that is on disk. */
void session_end(struct session *session);
/* At once, whatever runs. */
void session_free(struct session *session);
/* "app/user/id" with '/' inside the parts escaped: the key of the directory. */
#define SESSION_MAX_KEY 1024
enum antiphon_status session_make_key(const struct agent *agent, const char *user, const char *id,
                                      char key[SESSION_MAX_KEY]) MUST_CHECK;
enum antiphon_status session_name_key(const char *app, const char *user, const char *id,
                                      char key[SESSION_MAX_KEY]) MUST_CHECK;
const char *session_key(const struct session *session);
uint64_t session_handle(const struct session *session);
void session_set_handle(struct session *session, uint64_t handle);

/* The newest client becomes the active one. client is the session's on success. EBUSY: too many. */
enum antiphon_status session_attach(struct session *session, struct client *client) MUST_CHECK;
/* Frees client. May end the session. */
void session_detach(struct session *session, struct client *client);
/* One message from the client's socket. */
void session_on_frame(struct session *session, struct client *client, bool binary, const char *data, size_t len);
/* From the model plugin. */
void session_on_model(struct session *session, const struct antiphon_event *event);
void session_on_wake(struct session *session);
#endif
