#include "recall.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORD_BYTES   128
#define MIN_LATIN_STEM   4 /* letters; shorter ones are in too many words */
#define MIN_OTHER_STEM   2 /* a Korean or Chinese word of two characters says a lot */
#define MAX_ENDING_CHARS 4

struct gather {
    struct recall *found; /* borrowed */
    size_t limit;
    bool failed;
};

void recall_free(struct recall *found)
{
    for (size_t i = 0; i < found->n; i++) {
        free(found->notes[i].key);
        free(found->notes[i].text);
    }
    found->n = 0;
}

/* Adds a note, or counts one more word for it. */
static bool on_row(void *ctx, const struct antiphon_row *row)
{
    struct gather *gather = ctx;
    struct recall *found = gather->found;

    for (size_t i = 0; i < found->n; i++) {
        if (strcmp(found->notes[i].key, row->key) == 0) {
            found->notes[i].words++;
            return true;
        }
    }
    if (found->n == gather->limit)
        return true; /* others of this word may be there already */
    struct recall_note *note = &found->notes[found->n];
    note->key = strdup(row->key);
    note->text = strndup(row->value, row->len);
    note->words = 1;
    if (!note->key || !note->text) {
        free(note->key);
        free(note->text);
        gather->failed = true;
        return false;
    }
    found->n++;
    return true;
}

static enum antiphon_status find(const struct antiphon_host *h, const char *user_id,
                                 const char *text, struct gather *gather)
{
    struct antiphon_store_query query = {.struct_size = sizeof(query),
                                         .limit = RECALL_MAX_NOTES,
                                         .user_id = user_id,
                                         .prefix = RECALL_PREFIX,
                                         .text = text};
    enum antiphon_status status = h->store_find(h, &query, on_row, gather);

    return status == ANTIPHON_OK && gather->failed ? ANTIPHON_ENOMEM : status;
}

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t characters(const char *word, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += begins_character(word[i]);
    return n;
}

/* A Korean word of one syllable with one of these behind it, as in 집에: at home. */
static bool ends_in_particle(const char *word, size_t len)
{
    static const char *const particles[] = {"은", "는", "이", "가", "을", "를", "에", "의",
                                            "도", "로", "와", "과", "만", "야", "께"};

    for (size_t i = 0; i < sizeof(particles) / sizeof(particles[0]); i++) {
        size_t size = strlen(particles[i]);
        if (len > size && memcmp(word + len - size, particles[i], size) == 0)
            return true;
    }
    return false;
}

size_t recall_stem(const char *word, size_t len)
{
    size_t least = (unsigned char)word[0] < 0x80 ? MIN_LATIN_STEM : MIN_OTHER_STEM;

    if (characters(word, len) <= least && !(least == MIN_OTHER_STEM && ends_in_particle(word, len)))
        return 0;
    do
        len--;
    while (!begins_character(word[len]));
    return len;
}

/* The word, or what is found of its stems. */
static enum antiphon_status find_word(const struct antiphon_host *h, const char *user_id,
                                      const char *word, size_t len, struct gather *gather)
{
    char text[MAX_WORD_BYTES + 1];
    enum antiphon_status status = ANTIPHON_OK;
    unsigned before = 0, now = 0;

    for (size_t i = 0; i < gather->found->n; i++)
        before += gather->found->notes[i].words;
    for (int cut = 0; len > 0 && cut <= MAX_ENDING_CHARS && status == ANTIPHON_OK; cut++) {
        memcpy(text, word, len);
        text[len] = '\0';
        status = find(h, user_id, text, gather);
        now = 0;
        for (size_t i = 0; i < gather->found->n; i++)
            now += gather->found->notes[i].words;
        if (now > before)
            break;
        len = recall_stem(word, len);
    }
    return status;
}

/* Most words first, then the newest, whose key is the smallest. */
static int by_words(const void *left, const void *right)
{
    const struct recall_note *a = left, *b = right;

    if (a->words != b->words)
        return a->words > b->words ? -1 : 1;
    return strcmp(a->key, b->key);
}

static enum antiphon_status find_any(const struct antiphon_host *h, const char *user_id,
                                     const char *query, struct gather *gather)
{
    static const char between[] = " \t\n.,;:!?\"'()";
    enum antiphon_status status = ANTIPHON_OK;
    size_t words = 0;

    for (const char *at = query; status == ANTIPHON_OK && words < RECALL_MAX_WORDS; words++) {
        at += strspn(at, between);
        size_t len = strcspn(at, between);
        if (len == 0)
            break;
        bool letter = len == 1 && (unsigned char)*at < 0x80; /* is in every note */
        if (len <= MAX_WORD_BYTES && !letter)
            status = find_word(h, user_id, at, len, gather);
        at += len;
    }
    qsort(gather->found->notes, gather->found->n, sizeof(gather->found->notes[0]), by_words);
    return status;
}

enum antiphon_status recall_notes(const struct antiphon_host *h, const char *user_id,
                                  const char *query, size_t limit, struct recall *found)
{
    struct gather gather = {.found = found, .limit = RECALL_MAX_NOTES};
    bool all = !query || !query[strspn(query, " \t\n")];
    enum antiphon_status status;

    found->n = 0;
    limit = limit < RECALL_MAX_NOTES ? limit : RECALL_MAX_NOTES;
    status = find(h, user_id, all ? NULL : query, &gather);
    if (status == ANTIPHON_OK && found->n == 0 && !all)
        status = find_any(h, user_id, query, &gather);
    while (found->n > limit) {
        found->n--;
        free(found->notes[found->n].key);
        free(found->notes[found->n].text);
    }
    return status;
}
