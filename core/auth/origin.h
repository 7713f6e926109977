/* origin - who may talk to us from a browser: the Origin and Host headers. Pure. */
#ifndef AUTH_ORIGIN_H
#define AUTH_ORIGIN_H
#include <stdbool.h>

/* An absent Origin ("") passes: it is not a browser. Else it must be http:// or https:// and our own Host, or one of `more`
 * (NULL-terminated, may be NULL). */
bool origin_allowed(const char *origin, const char *host, char *const *more);
/* True for localhost, 127.0.0.0/8 and ::1, with or without a port. */
bool origin_host_is_loopback(const char *host);
/* A server on loopback answers only to a loopback Host, which stops DNS rebinding. */
bool origin_host_allowed(const char *host, bool bound_to_loopback);
#endif
