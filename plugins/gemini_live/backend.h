/* backend - which of Google's two services is spoken to, where it is and how to sign in: decided
 * once from the configuration, immutable afterwards. Pure.
 *
 *   configuration                backend     signs in by           model resource
 *   API key                      gemini_api  x-goog-api-key        models/M
 *   ephemeral token              gemini_api  Authorization: Token  models/M
 *   vertex, project              vertex      Bearer                projects/P/locations/L/...
 *   vertex, key (express)        vertex      x-goog-api-key        publishers/google/models/M
 *   vertex, base URL (proxy)     vertex      nothing               publishers/google/models/M
 *   vertex alone                 vertex      Bearer                the credentials' project
 *
 * An ephemeral token is a key that starts with "auth_tokens/". */
#ifndef GEMINI_BACKEND_H
#define GEMINI_BACKEND_H
#include <cjson/cJSON.h>

#include "text.h"

enum backend_auth { BACKEND_KEY, BACKEND_EPHEMERAL, BACKEND_BEARER, BACKEND_NONE };

struct backend {
    bool vertex;
    bool overridden; /* a base URL was given: the host may be private */
    bool bare;       /* proxy mode: the base URL is the whole URL */
    enum backend_auth auth;
    char *base;        /* owned; scheme://host[:port][/prefix], no slash at the end */
    char *key;         /* owned; secret; API key or ephemeral token, or NULL */
    char *project;     /* owned; NULL: not known yet, or none */
    char *location;    /* owned; "" if there is none */
    char *api_version; /* owned; NULL: the profile's */
};

/* config: the validated configuration. On failure why is one sentence without secrets, and backend
 * is empty. */
enum antiphon_status backend_init(struct backend *backend, const cJSON *config, char *why,
                                  size_t why_size);
void backend_deinit(struct backend *backend);
const char *backend_name(const struct backend *backend); /* "gemini_api" or "vertex" */

/* The WebSocket's address. profile_version may be NULL; the configured one wins. */
void backend_live_url(const struct backend *backend, const char *profile_version, struct text *url);
/* Where the models that a key may use are listed (Developer API only). */
void backend_models_url(const struct backend *backend, struct text *url);
/* project: used where backend has none; may be NULL. */
void backend_model(const struct backend *backend, const char *project, const char *model,
                   struct text *resource);

/* A configured text; NULL if it is absent or empty. */
const char *backend_setting(const cJSON *config, const char *name);
/* true, or one of the texts true and 1 in any case. */
bool backend_switch(const cJSON *config, const char *name);
/* The host of an http: or https: URL is this machine. */
bool backend_is_loopback(const char *url);
#endif
