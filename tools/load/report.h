/* report - what a run has shown, for people and as JSON. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H
#include <stdio.h>
#include "run.h"

void report_print(const struct options *options, const struct result *result, FILE *out);
void report_json(const struct options *options, const struct result *result, FILE *out);
#endif
