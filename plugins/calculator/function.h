/* function - the named functions and constants of expressions. Pure; any thread. */
#ifndef CALCULATOR_FUNCTION_H
#define CALCULATOR_FUNCTION_H
#include <stddef.h>

/* MPFR includes no stdio of its own; nothing of it is needed here. */
#include <mpfr.h>

#define FUNCTION_MAX_ARGS 32

/* args are the function's to change; the first becomes its result. NULL, or why it has none. */
typedef const char *function_run(mpfr_t *args, size_t n);

struct function {
    const char *name;
    size_t min, max; /* arguments; 0 and 0: a constant, which needs room for one */
    function_run *run;
};

/* Letters are taken as lower case. NULL: there is none of that name. */
const struct function *function_find(const char *name, size_t len);

/* Takes the last bits away, in which earlier rounding has left its traces, so that 0.1 * 30 is a
 * whole number. */
void function_snap(mpfr_t value);
/* 0 if value is nothing but rounding, compared with the size of what it was computed from. */
void function_quiet(mpfr_t value, mpfr_exp_t size);
/* NULL, or why not. Whole numbers up to EXPR_MAX_FACTORIAL. */
const char *function_factorial(mpfr_t value);
#endif
