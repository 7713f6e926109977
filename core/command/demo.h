/* demo - the built-in stand-in of the model, live-sim, as a child process: nothing to sign up for. [main] */
#ifndef COMMAND_DEMO_H
#define COMMAND_DEMO_H
#include "base/err.h"

#define DEMO_START_TIMEOUT_MS 5000
#define DEMO_HINT                                                                                  \
    "This is a demonstration: a built-in stand-in answers, not a model. To talk to Gemini, put "   \
    "GOOGLE_API_KEY=... into .env and start again."

struct demo;
/* Starts live-sim (beside our own executable) on a free port of loopback and points the environment's Gemini variables at
 * it, in this process only. */
enum antiphon_status demo_start(struct demo **demo, struct err *err) MUST_CHECK;
/* Only the environment, for a check without a server. */
void demo_environment(const char *base_url);
void demo_stop(struct demo *demo);
#endif
