/* access - which paths are the Live API, and which credentials open them. Pure.
 * The real server upgrades first and refuses afterwards, by a close frame; only Vertex without any
 * token is refused in HTTP. */
#ifndef LIVE_SIM_ACCESS_H
#define LIVE_SIM_ACCESS_H
#include "http.h"

#define ACCESS_TOKEN_PREFIX "ya29.sim-" /* of the bearer tokens POST /token gives out */

struct access {
    bool vertex, constrained;
    char version[16]; /* "v1beta" */
};

/* path has its slashes collapsed; anything before /ws/ is ignored, "/" is the SDKs' proxy mode. */
bool access_read_path(struct access *access, const char *path);
/* 0: let in. 401: HTTP status. Else a close code; *reason is static. key NULL accepts every one. */
int access_check(const struct access *access, const struct http_request *request, const char *key,
                 const char **reason);
#endif
