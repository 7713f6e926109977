/* store_unit - the records of one store_append() call, copied into one block of memory, on their
 * way to the writer. Owned by whoever has it: the caller's queue, then the writer. */
#ifndef STORE_STORE_UNIT_H
#define STORE_STORE_UNIT_H
#include "store/store.h"

struct store_unit {
    struct store_unit *next;
    store_done_fn *done; /* may be NULL */
    void *ctx;           /* borrowed: the caller */
    enum antiphon_status status;
    size_t bytes; /* of the whole block */
    size_t n;
    struct store_record records[]; /* their texts lie behind them in the same block */
};

/* EINVAL: a record without key, an event without id, invocation_id or json, a tool call
 * without what its state needs. ENOMEM. ETOOBIG:
 * more than max_bytes. Free with free(). */
enum antiphon_status store_unit_new(const struct store_record *records, size_t n, size_t max_bytes,
                                    struct store_unit **unit) MUST_CHECK;
/* Calls done of each unit in the list with its status, frees all. */
void store_unit_answer_all(struct store_unit *units);
#endif
