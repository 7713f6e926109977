/* state_scan - walks over JSON text (RFC 8259) without building anything, for state.c. The text is
 * valid UTF-8. Pure. False: not valid at this place, and the scan is of no further use. */
#ifndef STORE_STATE_SCAN_H
#define STORE_STATE_SCAN_H
#include <stdbool.h>
#include <stddef.h>

struct state_scan {
    const char *at, *end;
    unsigned depth; /* of open containers; at most STATE_MAX_DEPTH */
};

void state_scan_space(struct state_scan *scan);
/* Skips white space and this character. */
bool state_scan_char(struct state_scan *scan, char c);
/* Behind the opening quote; *text and *len are what stands between the quotes (borrowed). */
bool state_scan_string(struct state_scan *scan, const char **text, size_t *len);
/* Any value, with all that is in it. */
bool state_scan_value(struct state_scan *scan);
/* text[0] is the backslash of a sequence that was scanned before. Puts its character as UTF-8 into
 * out (4 bytes are enough) and returns the length of the sequence; of two halves of a surrogate
 * pair 12. */
size_t state_scan_unescape(const char *text, const char *end, char *out, size_t *out_len);
#endif
