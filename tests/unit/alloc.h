/* alloc - makes an allocation of the code under test fail. Every unit test is linked with it:
 * malloc, calloc, realloc and strdup of our own code go through it (those of shared libraries do
 * not, but for cJSON after alloc_hook_cjson()). Use:
 *
 *     for (unsigned n = 0; alloc_fail_at(n), status = thing_new(&thing), alloc_has_failed(); n++)
 *         assert_int_equal(status, ANTIPHON_ENOMEM);
 */
#ifndef TESTS_ALLOC_H
#define TESTS_ALLOC_H
#include <stdatomic.h>
#include <stdbool.h>

/* Lets n allocations pass and fails the one behind them, once. */
void alloc_fail_at(unsigned n);
/* Whether it came to that; no more allocation will fail. */
bool alloc_has_failed(void);
void alloc_hook_cjson(void);
/* From now on the countdown stands in that memory, where another process may set it; negative: no allocation fails, and
 * what it is after one has. Before there are other threads. */
void alloc_share(atomic_long *memory);
/* Counts what the calling thread allocates from now on, or no longer; alloc_counted() is the sum of all threads. */
void alloc_count(bool on);
unsigned alloc_counted(void);
#endif
