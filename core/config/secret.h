/* secret - a text that must not be seen: an opaque type that no format takes by accident, wiped
 * when freed. A reference says where the text is: "env:NAME" (a set, non-empty variable) or
 * "file:PATH" (first line break at the end dropped, at most SECRET_MAX_BYTES). "command:" is
 * refused as not supported yet. Errors name the reference, never the text. [main] */
#ifndef CONFIG_SECRET_H
#define CONFIG_SECRET_H
#include "base/err.h"

#define SECRET_MAX_BYTES (64u * 1024)

struct secret;

/* folder: what a relative PATH is relative to (NULL: the working directory). */
enum antiphon_status secret_resolve(const char *reference, const char *folder,
                                    struct secret **secret, struct err *err) MUST_CHECK;
/* Whether text starts like a reference. */
bool secret_is_reference(const char *text);
void secret_free(struct secret *secret);
/* The text itself, borrowed: for the one who hands it to its user, and for nobody who writes
 * messages. */
const char *secret_reveal(const struct secret *secret);
/* Overwrites bytes in a way the compiler keeps. */
void secret_wipe(void *data, size_t len);
#endif
