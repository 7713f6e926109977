#include "base/thread.h"
#include "base/banned.h"

static _Thread_local bool must_not_block;

void thread_forbid_blocking(void)
{
    must_not_block = true;
}

bool thread_may_block(void)
{
    return !must_not_block;
}
