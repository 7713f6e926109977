/* ebb - tells when memory is worth giving back to the system: many conversations are over. Pure.
 *
 * What is freed in between of what is still used stays with the C library, and rounds of many conversations would leave ever
 * more of that behind. Giving it back walks the whole heap (some ms for 30 MB), so it is not done for a few. */
#ifndef BASE_EBB_H
#define BASE_EBB_H
#include <stdbool.h>

#define EBB_MIN   100 /* fewer at once are not worth it */
#define EBB_ASKED 3   /* times in a row that it must be low: what they leave behind ends a little later */

struct ebb {
    unsigned high;  /* the most since it was last true */
    unsigned asked; /* times in a row that at most half were left */
};
/* To be asked now and then with how many there are: true once when at most half of the most have been left for a while. */
bool ebb_low(struct ebb *ebb, unsigned count);
#endif
