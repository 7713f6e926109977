/* step - what the calling thread's event loop is doing, so that a loop that lags can say in what, and since when the
 * message in hand has been waiting. Each thread has its own; threads without a loop may call all this in vain.
 *
 * A round is what a loop does between two waits. Callbacks of the loop call step_begin(), which reads the clock; what
 * they do in turn is marked by step_mark(), which does not. */
#ifndef BASE_STEP_H
#define BASE_STEP_H
#include <stddef.h>
#include <stdint.h>

enum step {
    STEP_NONE,
#define STEP(name, text) STEP_##name,
#include "base/step.def"
#undef STEP
    STEP_COUNT
};
#define STEP_MAX_TRAIL 8      /* steps of a callback that are remembered; later ones take the place of the last */
#define STEP_LONG_US   5000u  /* shorter callbacks are never the longest of a round */
#define STEP_TEXT_SIZE 256

void step_begin(enum step step);
void step_mark(enum step step);

/* The message in hand, which belongs to that step, came at that time: on another thread. */
void step_came(enum step step, uint64_t at_us);
/* When the message in hand came (clock_now_us()); 0 if the loop is doing anything else than that step. */
uint64_t step_arrival(enum step step);

struct step_round {
    uint64_t us;         /* how long it took */
    uint64_t longest_us; /* its longest callback, 0: none took STEP_LONG_US */
    unsigned callbacks;
    unsigned trail_n;    /* of the longest callback, as far as it went */
    unsigned char trail[STEP_MAX_TRAIL];
};
/* Right before the loop waits. *round is borrowed until the next step_begin(); NULL: nothing was done. */
const struct step_round *step_round_end(void);
/* "a client's message > the model plugin's send()" */
void step_print(const struct step_round *round, char text[STEP_TEXT_SIZE]);
#endif
