/* directory - which shard a conversation lives on: the only state that shards share. Any thread;
 * one mutex, touched only when clients come and when a session begins or ends. An entry lives as
 * long as somebody holds a claim. */
#ifndef BASE_DIRECTORY_H
#define BASE_DIRECTORY_H
#include "base/status.h"

#define DIRECTORY_MAX_ENTRIES (1u << 20)

struct directory;
enum antiphon_status directory_new(struct directory **directory) MUST_CHECK;
void directory_free(struct directory *directory);
/* Takes a claim on the key. Without an entry, makes one that says `shard`. *owner is the shard that
 * has it. EBUSY: full. */
enum antiphon_status directory_claim(struct directory *directory, const char *key, unsigned shard,
                                     unsigned *owner) MUST_CHECK;
/* Gives one claim back; the last one removes the entry. */
void directory_release(struct directory *directory, const char *key);
unsigned directory_count(struct directory *directory);
#endif
