#include "base/clock.h"

#include <time.h>

#include "base/banned.h"

uint64_t clock_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_now_ms(void)
{
    return clock_now_us() / 1000;
}

double clock_wall(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    /* Microseconds, as Python's time.time() prints them: more digits would be noise in a double. */
    long micros = now.tv_nsec / 1000;
    return (double)now.tv_sec + (double)micros / 1e6;
}
