/* clock - the two clocks of the program. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include <stdint.h>

uint64_t clock_now_ms(void); /* monotonic */
uint64_t clock_now_us(void); /* monotonic */
double clock_wall(void);     /* seconds since the epoch, as stored events carry them */
#endif
