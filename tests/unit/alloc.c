#include "alloc.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

/* Left until the failure; negative: none is due. */
static atomic_long own = -1, *countdown = &own;
static atomic_bool failed;
static _Thread_local bool counting;
static atomic_uint counted;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void)
{
    if (counting)
        atomic_fetch_add(&counted, 1);
    if (atomic_load(countdown) < 0 || atomic_fetch_sub(countdown, 1) != 0)
        return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

void alloc_fail_at(unsigned n)
{
    atomic_store(&failed, false);
    atomic_store(countdown, (long)n);
}

bool alloc_has_failed(void)
{
    atomic_store(countdown, -1);
    return atomic_load(&failed);
}

void alloc_share(atomic_long *memory)
{
    countdown = memory;
}

void alloc_count(bool on)
{
    counting = on;
}

unsigned alloc_counted(void)
{
    return atomic_load(&counted);
}

void alloc_hook_cjson(void)
{
    cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = free};

    cJSON_InitHooks(&hooks);
}
