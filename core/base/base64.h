/* base64 - RFC 4648 sections 4 and 5. Pure. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H
#include "base/status.h"

enum base64_form {
    BASE64_BAD,      /* a foreign character, impossible length, or padding in the wrong place */
    BASE64_STANDARD, /* section 4 alphabet, padded: can be passed on as it is */
    BASE64_OTHER /* legal, but section 5 alphabet, padding left out or unused bits that are not zero
                  */
};

/* Looks at every byte. *decoded is the number of bytes it stands for. Mixed alphabets are BAD; an
 * empty text is STANDARD with 0 bytes. */
enum base64_form base64_check(const char *text, size_t len, size_t *decoded);
/* Bytes that encode(len) writes, without NUL. */
size_t base64_encoded_len(size_t len);
/* out has base64_encoded_len(len) + 1 bytes; standard alphabet, padded, NUL-terminated. */
void base64_encode(const void *data, size_t len, char *out);
/* Either alphabet, padding optional; out has the room that base64_check() told. EINVAL if BAD. */
enum antiphon_status base64_decode(const char *text, size_t len, void *out,
                                   size_t *out_len) MUST_CHECK;
/* The same for text that base64_check() took and found to stand for so many bytes. */
void base64_decode_checked(const char *text, size_t decoded, void *out);
/* Rewrites text (BASE64_OTHER) to the standard padded form; out has len + 3 bytes with NUL. */
void base64_to_standard(const char *text, size_t len, char *out, size_t *out_len);
#endif
