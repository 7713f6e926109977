/* config_address - "HOST:PORT" as one setting. Pure. */
#ifndef CONFIG_CONFIG_ADDRESS_H
#define CONFIG_CONFIG_ADDRESS_H
#include "base/err.h"

/* "127.0.0.1:9464", "[::1]:9464"; port 0: any free one. *host is new memory. EINVAL fills err. */
enum antiphon_status config_address(const char *text, char **host, int *port, struct err *err) MUST_CHECK;
#endif
