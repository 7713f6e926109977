/* err - a status and the sentence that explains it, filled once where the fault is understood and
 * logged once where it is handled. Lives on the caller's stack; no ownership. */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include "base/status.h"

#define ERR_MAX_TEXT 512 /* bytes with NUL; longer text is cut on a UTF-8 boundary */

struct err {
    enum antiphon_status status;
    char text[ERR_MAX_TEXT];
};

/* Fills *err (NULL is legal: the text is dropped) and returns status, so that a caller can write
 * `return err_set(err, ANTIPHON_EINVAL, "...")`. */
enum antiphon_status err_set(struct err *err, enum antiphon_status status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Puts "prefix: " before the text that is there. */
void err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
#endif
