/* b64 - RFC 4648 base64 as the Live API writes it: the standard or the URL-safe alphabet, padding
 * optional. Pure. */
#ifndef GEMINI_B64_H
#define GEMINI_B64_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum b64_form {
    B64_BAD,      /* a foreign character, an impossible length, padding in a wrong place */
    B64_STANDARD, /* standard alphabet and padded: may be passed on as it is */
    B64_OTHER     /* legal, but has to be decoded and written anew */
};

/* *decoded: the number of bytes the text stands for, 0 if BAD. Looks at every byte. */
enum b64_form b64_check(const char *text, size_t len, size_t *decoded);
/* The text has been checked; out has room for what b64_check() told. Returns the bytes written. */
size_t b64_decode(const char *text, size_t len, unsigned char *out);
/* Bytes that b64_encode() writes, without NUL. */
size_t b64_encoded_len(size_t len);
/* out has b64_encoded_len(len) + 1 bytes; standard alphabet, padded, NUL-terminated. */
void b64_encode(const void *data, size_t len, char *out);
/* URL-safe alphabet without padding, as JWT wants it; returns the length. Same room as above. */
size_t b64_encode_url(const void *data, size_t len, char *out);
#endif
