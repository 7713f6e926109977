/* address - web addresses as models and pages write them. Pure; results are owned by the caller. */
#ifndef WEB_FETCH_ADDRESS_H
#define WEB_FETCH_ADDRESS_H
#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_MAX_BYTES 4096

/* An http or https address without fragment, with everything escaped that has to be. What has no
 * scheme gets https. NULL: it is no such address (another scheme, a password in it, no host, too
 * long), or no memory. */
char *address_clean(const char *text);
/* What `reference` means on the page `base`, which is clean; cleaned. */
char *address_join(const char *base, const char *reference);

/* Of a clean address: the length of scheme, host and port; path and query, "/" if there are none.
 */
size_t address_origin(const char *address);
const char *address_path(const char *address);
bool address_is_tls(const char *address);
#endif
