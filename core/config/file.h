/* file - one small regular file as bytes. [main], or any thread that may wait for a disk. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H
#include <stddef.h>

#include "base/err.h"

/* Reads the whole file. *data is owned by the caller (free()) and followed by a NUL that *len does
 * not count. ENOTFOUND: no such file; ETOOBIG: more than max bytes; EINVAL: not a regular file;
 * EUNAVAILABLE: the system's own reason, in err. */
enum antiphon_status file_read(const char *path, size_t max, char **data, size_t *len,
                               struct err *err) MUST_CHECK;
#endif
