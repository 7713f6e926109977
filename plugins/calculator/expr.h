/* expr - works out an arithmetic expression such as "12.99*3 + 20%" or "sqrt(2)^10".
 *
 * What is understood, tightest first: numbers (1.5, 1e9, 0xff, 0b101), constants, functions and
 * parentheses; ! (factorial), % (percent) and ° (degrees) behind a value; ^ or ** (right to left);
 * a sign; * / and mod; + and -. Percent means hundredths, but behind + or - "x + y%" adds y percent
 * of x, as pocket calculators do. ×, ÷, −, · and π may be written so. Angles are radians.
 *
 * Numbers have EXPR_BITS bits (77 decimal digits) and exponents up to 10^30000; beyond is an error.
 * So are more than EXPR_MAX_DEPTH levels of parentheses. Time and memory are bounded by the length
 * of the text: every step works on numbers of that size. Uses MPFR, whose rounding is exact.
 * Pure; any thread, several at once. */
#ifndef CALCULATOR_EXPR_H
#define CALCULATOR_EXPR_H
#include <stddef.h>

#include "antiphon/plugin.h"

#define EXPR_BITS          272 /* 16 more than are trusted */
#define EXPR_MAX_BYTES     1000
#define EXPR_MAX_DEPTH     50
#define EXPR_MAX_DIGITS    50
#define EXPR_MAX_FACTORIAL 5000
#define EXPR_TEXT_BYTES    96 /* of a result: EXPR_MAX_DIGITS, sign, point, exponent */

/* digits: significant ones of the result, 1 to EXPR_MAX_DIGITS; whole numbers of up to
 * EXPR_MAX_DIGITS digits are always written out. result: EXPR_TEXT_BYTES. EINVAL, ETOOBIG: why says
 * what is wrong, with the place in the text where there is one. */
enum antiphon_status expr_evaluate(const char *text, size_t len, int digits, char *result,
                                   char *why, size_t why_size);
#endif
