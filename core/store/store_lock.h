/* store_lock - the lock file `<path>.lock` that keeps two servers off one store. The kernel drops
 * the lock with the process, however it ends; the file itself stays. */
#ifndef STORE_STORE_LOCK_H
#define STORE_STORE_LOCK_H
#include "base/err.h"

/* The absolute path behind symbolic links, so that two names of one file meet at one lock. The file
 * need not exist, its folder must (ENOTFOUND). *resolved is the caller's to free. */
enum antiphon_status store_lock_resolve(const char *path, char **resolved,
                                        struct err *err) MUST_CHECK;
/* EEXISTS: another process has it (its id is named); EDENIED: the folder cannot be written. */
enum antiphon_status store_lock_open(const char *path, int *fd, struct err *err) MUST_CHECK;
/* The process that has it. ENOTFOUND: none has. path is resolved. */
enum antiphon_status store_lock_holder(const char *path, long *pid, struct err *err) MUST_CHECK;
void store_lock_close(int fd); /* -1 is legal */
#endif
