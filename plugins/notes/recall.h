/* recall - finds the notes that a question means. People do not ask in the words they once used, so
 * what is not found whole is looked for in parts: all words, then any of them, then each without
 * its ending ("주차장에서" finds "주차장", "keys" finds "key"). Blocks on the store. */
#ifndef NOTES_RECALL_H
#define NOTES_RECALL_H
#include "antiphon/plugin.h"

#define RECALL_MAX_NOTES 50
#define RECALL_MAX_WORDS 8 /* of a question; more are not looked for */
#define RECALL_PREFIX    "note/"

struct recall_note {
    char *key, *text; /* owned */
    unsigned words;   /* how many of the question's words it has */
};
struct recall {
    struct recall_note notes[RECALL_MAX_NOTES]; /* the best first, then the newest */
    size_t n;
};

/* At most limit notes of the user. query NULL or "": the newest. recall_free() is due in any case.
 */
enum antiphon_status recall_notes(const struct antiphon_host *h, const char *user_id,
                                  const char *query, size_t limit, struct recall *found);
void recall_free(struct recall *found);

/* The longest beginning of a word that may be its stem, shorter than len: its length in bytes; 0:
 * there is none. Pure. */
size_t recall_stem(const char *word, size_t len);
#endif
