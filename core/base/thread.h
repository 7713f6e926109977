/* thread - what the calling thread is allowed to do. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H
#include <stdbool.h>

/* Said once by a thread on which conversations or transfers run: whoever waits on it makes all of them wait. */
void thread_forbid_blocking(void);
/* Whether the calling thread may wait for a disk or an answer. True unless the above was said. */
bool thread_may_block(void);
#endif
