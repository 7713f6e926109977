#include "base/directory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/banned.h"

#define BUCKETS 4096

struct entry {
    struct entry *next;
    unsigned shard, claims;
    char key[];
};
struct directory {
    pthread_mutex_t mutex;
    struct entry *bucket[BUCKETS]; /* owned */
    unsigned count;
};

static unsigned bucket_of(const char *key)
{
    uint64_t hash = hash_bytes(key, strlen(key));

    return (unsigned)(hash ^ hash >> 32) % BUCKETS;
}

enum antiphon_status directory_new(struct directory **directory)
{
    struct directory *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    pthread_mutex_init(&made->mutex, NULL);
    *directory = made;
    return ANTIPHON_OK;
}

void directory_free(struct directory *directory)
{
    if (!directory)
        return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (directory->bucket[i]) {
            struct entry *entry = directory->bucket[i];
            directory->bucket[i] = entry->next;
            free(entry);
        }
    }
    pthread_mutex_destroy(&directory->mutex);
    free(directory);
}

static struct entry **find(struct directory *directory, const char *key)
{
    struct entry **at = &directory->bucket[bucket_of(key)];

    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

enum antiphon_status directory_claim(struct directory *directory, const char *key, unsigned shard,
                                     unsigned *owner)
{
    enum antiphon_status status = ANTIPHON_OK;
    size_t len = strlen(key) + 1;

    pthread_mutex_lock(&directory->mutex);
    struct entry **at = find(directory, key);
    if (!*at) {
        struct entry *entry = NULL;
        if (directory->count >= DIRECTORY_MAX_ENTRIES)
            status = ANTIPHON_EBUSY;
        else if (!(entry = calloc(1, sizeof(*entry) + len)))
            status = ANTIPHON_ENOMEM;
        if (status)
            goto out;
        memcpy(entry->key, key, len);
        entry->shard = shard;
        *at = entry;
        directory->count++;
    }
    (*at)->claims++;
    *owner = (*at)->shard;
out:
    pthread_mutex_unlock(&directory->mutex);
    return status;
}

void directory_release(struct directory *directory, const char *key)
{
    pthread_mutex_lock(&directory->mutex);
    struct entry **at = find(directory, key);
    assert(*at && (*at)->claims > 0);
    if (--(*at)->claims == 0) {
        struct entry *entry = *at;
        *at = entry->next;
        free(entry);
        directory->count--;
    }
    pthread_mutex_unlock(&directory->mutex);
}

unsigned directory_count(struct directory *directory)
{
    pthread_mutex_lock(&directory->mutex);
    unsigned count = directory->count;
    pthread_mutex_unlock(&directory->mutex);
    return count;
}
