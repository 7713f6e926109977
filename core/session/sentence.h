/* sentence - where running speech may be cut so that what is looked at is a whole: behind the end of a sentence. Pure. */
#ifndef SESSION_SENTENCE_H
#define SESSION_SENTENCE_H
#include <stddef.h>

#define SENTENCE_MAX_BYTES 600 /* without an end for so long it is cut between two words */

/* Bytes of whole sentences at the start of text, with the white space behind them; 0: none has ended yet. A sentence ends with . ! ? or
 * their kin in other scripts and white space behind it, or with a line feed. */
size_t sentence_whole(const char *text, size_t len);
#endif
