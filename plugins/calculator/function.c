#include "function.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "expr.h"

#define TRUSTED_BITS (EXPR_BITS - 16)
#define ROUND        MPFR_RNDN

static const char whole[] = "needs whole numbers";

void function_snap(mpfr_t value)
{
    mpfr_prec_round(value, TRUSTED_BITS, ROUND);
    mpfr_prec_round(value, EXPR_BITS, ROUND);
}

void function_quiet(mpfr_t value, mpfr_exp_t size)
{
    if (mpfr_regular_p(value) && mpfr_get_exp(value) < size - TRUSTED_BITS)
        mpfr_set_zero(value, 1);
}

const char *function_factorial(mpfr_t value)
{
    function_snap(value);
    if (!mpfr_integer_p(value) || mpfr_sgn(value) < 0)
        return "a factorial needs a whole number that is not negative";
    if (mpfr_cmp_ui(value, EXPR_MAX_FACTORIAL) > 0)
        return "factorials are worked out up to 5000!";
    mpfr_fac_ui(value, mpfr_get_ui(value, ROUND), ROUND);
    return NULL;
}

/* ---- one argument ---------------------------------------------------------------------------- */

#define PLAIN(name, call)                                                                          \
    static const char *run_##name(mpfr_t *args, size_t n)                                          \
    {                                                                                              \
        (void)n;                                                                                   \
        call(args[0], args[0], ROUND);                                                             \
        return NULL;                                                                               \
    }
PLAIN(abs, mpfr_abs)
PLAIN(sqrt, mpfr_sqrt)
PLAIN(cbrt, mpfr_cbrt)
PLAIN(exp, mpfr_exp)
PLAIN(ln, mpfr_log)
PLAIN(log2, mpfr_log2)
PLAIN(log10, mpfr_log10)
PLAIN(asin, mpfr_asin)
PLAIN(acos, mpfr_acos)
PLAIN(atan, mpfr_atan)
PLAIN(sinh, mpfr_sinh)
PLAIN(cosh, mpfr_cosh)
PLAIN(tanh, mpfr_tanh)

/* The sine of a rounded pi is not 0, but all there is of it is the rounding. */
#define PERIODIC(name, call)                                                                       \
    static const char *run_##name(mpfr_t *args, size_t n)                                          \
    {                                                                                              \
        mpfr_exp_t size = mpfr_regular_p(args[0]) ? mpfr_get_exp(args[0]) : 0;                     \
        (void)n;                                                                                   \
        if (size > TRUSTED_BITS)                                                                   \
            return "the angle is too large";                                                       \
        call(args[0], args[0], ROUND);                                                             \
        function_quiet(args[0], size > 0 ? size : 0);                                              \
        return NULL;                                                                               \
    }
PERIODIC(sin, mpfr_sin)
PERIODIC(cos, mpfr_cos)

static const char *run_tan(mpfr_t *args, size_t n)
{
    const char *why;
    mpfr_t cosine[1];

    mpfr_init2(cosine[0], EXPR_BITS);
    mpfr_set(cosine[0], args[0], ROUND);
    why = run_cos(cosine, 1);
    if (!why)
        why = run_sin(args, n);
    if (!why && mpfr_zero_p(cosine[0]))
        why = "the tangent of a right angle is infinite";
    mpfr_div(args[0], args[0], cosine[0], ROUND);
    mpfr_clear(cosine[0]);
    return why;
}

#define STEP(name, call)                                                                           \
    static const char *run_##name(mpfr_t *args, size_t n)                                          \
    {                                                                                              \
        (void)n;                                                                                   \
        function_snap(args[0]);                                                                    \
        call(args[0], args[0]);                                                                    \
        return NULL;                                                                               \
    }
STEP(floor, mpfr_floor)
STEP(ceil, mpfr_ceil)
STEP(trunc, mpfr_trunc)

static const char *run_sign(mpfr_t *args, size_t n)
{
    (void)n;
    mpfr_set_si(args[0], mpfr_sgn(args[0]), ROUND);
    return NULL;
}

static const char *run_factorial(mpfr_t *args, size_t n)
{
    (void)n;
    return function_factorial(args[0]);
}

/* ---- two ------------------------------------------------------------------------------------- */

/* round(2.675, 2): halves away from zero, as people do it. */
static const char *run_round(mpfr_t *args, size_t n)
{
    mpfr_t scale;

    if (n == 2 && (!mpfr_integer_p(args[1]) || mpfr_cmp_si(args[1], -EXPR_MAX_DIGITS) < 0 ||
                   mpfr_cmp_si(args[1], EXPR_MAX_DIGITS) > 0))
        return "rounds to -50 to 50 places";
    mpfr_init2(scale, EXPR_BITS);
    mpfr_set_si(scale, n == 2 ? mpfr_get_si(args[1], ROUND) : 0, ROUND);
    mpfr_exp10(scale, scale, ROUND);
    mpfr_mul(args[0], args[0], scale, ROUND);
    function_snap(args[0]);
    mpfr_round(args[0], args[0]);
    mpfr_div(args[0], args[0], scale, ROUND);
    mpfr_clear(scale);
    return NULL;
}

static const char *run_log(mpfr_t *args, size_t n)
{
    if (n == 1)
        return run_log10(args, 1);
    mpfr_log(args[0], args[0], ROUND);
    mpfr_log(args[1], args[1], ROUND);
    mpfr_div(args[0], args[0], args[1], ROUND);
    function_snap(args[0]);
    return NULL;
}

static const char *run_root(mpfr_t *args, size_t n)
{
    (void)n;
    if (!mpfr_integer_p(args[1]) || mpfr_cmp_ui(args[1], 1) < 0 || mpfr_cmp_ui(args[1], 10000) > 0)
        return "root(x, n) needs a whole n from 1 to 10000";
    mpfr_rootn_ui(args[0], args[0], mpfr_get_ui(args[1], ROUND), ROUND);
    return NULL;
}

static const char *run_hypot(mpfr_t *args, size_t n)
{
    (void)n;
    mpfr_hypot(args[0], args[0], args[1], ROUND);
    return NULL;
}

static const char *run_atan2(mpfr_t *args, size_t n)
{
    (void)n;
    mpfr_atan2(args[0], args[0], args[1], ROUND);
    return NULL;
}

/* C(n, k) and P(n, k); the products have at most EXPR_MAX_FACTORIAL steps. */
static const char *choose(mpfr_t *args, bool ordered)
{
    function_snap(args[0]);
    function_snap(args[1]);
    if (!mpfr_integer_p(args[0]) || !mpfr_integer_p(args[1]) || mpfr_sgn(args[0]) < 0 ||
        mpfr_sgn(args[1]) < 0)
        return whole;
    if (mpfr_cmp_ui(args[0], EXPR_MAX_FACTORIAL) > 0)
        return "is worked out for up to 5000 things";
    unsigned long all = mpfr_get_ui(args[0], ROUND);
    bool none = mpfr_cmp_ui(args[1], all) > 0;
    unsigned long some = none ? 0 : mpfr_get_ui(args[1], ROUND);
    if (!ordered && some > all - some)
        some = all - some;
    mpfr_set_ui(args[0], none ? 0 : 1, ROUND);
    for (unsigned long i = 1; i <= some; i++) {
        mpfr_mul_ui(args[0], args[0], all - some + i, ROUND);
        if (!ordered)
            mpfr_div_ui(args[0], args[0], i, ROUND);
    }
    function_snap(args[0]);
    return NULL;
}

static const char *run_ncr(mpfr_t *args, size_t n)
{
    (void)n;
    return choose(args, false);
}

static const char *run_npr(mpfr_t *args, size_t n)
{
    (void)n;
    return choose(args, true);
}

/* ---- many ------------------------------------------------------------------------------------ */

static const char *run_min(mpfr_t *args, size_t n)
{
    for (size_t i = 1; i < n; i++)
        mpfr_min(args[0], args[0], args[i], ROUND);
    return NULL;
}

static const char *run_max(mpfr_t *args, size_t n)
{
    for (size_t i = 1; i < n; i++)
        mpfr_max(args[0], args[0], args[i], ROUND);
    return NULL;
}

static const char *run_sum(mpfr_t *args, size_t n)
{
    for (size_t i = 1; i < n; i++)
        mpfr_add(args[0], args[0], args[i], ROUND);
    return NULL;
}

static const char *run_avg(mpfr_t *args, size_t n)
{
    run_sum(args, n);
    mpfr_div_ui(args[0], args[0], (unsigned long)n, ROUND);
    return NULL;
}

static bool can_divide(mpfr_t *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        function_snap(args[i]);
        if (!mpfr_integer_p(args[i]) ||
            (mpfr_regular_p(args[i]) && mpfr_get_exp(args[i]) > TRUSTED_BITS))
            return false;
    }
    return true;
}

/* Euclid: at most about 1.5 times as many steps as bits. a becomes the result, b is used up. */
static void divisor(mpfr_t a, mpfr_t b)
{
    while (!mpfr_zero_p(b)) {
        mpfr_fmod(a, a, b, ROUND);
        mpfr_swap(a, b);
    }
    mpfr_abs(a, a, ROUND);
}

static const char *run_gcd(mpfr_t *args, size_t n)
{
    if (!can_divide(args, n))
        return whole;
    for (size_t i = 1; i < n; i++)
        divisor(args[0], args[i]);
    return NULL;
}

static const char *run_lcm(mpfr_t *args, size_t n)
{
    mpfr_t common, other;

    if (!can_divide(args, n))
        return whole;
    mpfr_inits2(EXPR_BITS, common, other, (mpfr_ptr)NULL);
    for (size_t i = 1; i < n && !mpfr_zero_p(args[0]); i++) {
        mpfr_set(common, args[0], ROUND);
        mpfr_set(other, args[i], ROUND);
        divisor(common, other);
        mpfr_div(args[0], args[0], common, ROUND);
        mpfr_mul(args[0], args[0], args[i], ROUND);
    }
    mpfr_abs(args[0], args[0], ROUND);
    mpfr_clears(common, other, (mpfr_ptr)NULL);
    return NULL;
}

/* ---- constants ------------------------------------------------------------------------------- */

static const char *run_pi(mpfr_t *args, size_t n)
{
    (void)n;
    mpfr_const_pi(args[0], ROUND);
    return NULL;
}

static const char *run_tau(mpfr_t *args, size_t n)
{
    run_pi(args, n);
    mpfr_mul_ui(args[0], args[0], 2, ROUND);
    return NULL;
}

static const char *run_deg(mpfr_t *args, size_t n)
{
    run_pi(args, n);
    mpfr_div_ui(args[0], args[0], 180, ROUND);
    return NULL;
}

static const char *run_e(mpfr_t *args, size_t n)
{
    (void)n;
    mpfr_set_ui(args[0], 1, ROUND);
    mpfr_exp(args[0], args[0], ROUND);
    return NULL;
}

static const struct function functions[] = {
    {"pi", 0, 0, run_pi},       {"tau", 0, 0, run_tau},
    {"e", 0, 0, run_e},         {"deg", 0, 0, run_deg},
    {"abs", 1, 1, run_abs},     {"sqrt", 1, 1, run_sqrt},
    {"cbrt", 1, 1, run_cbrt},   {"exp", 1, 1, run_exp},
    {"ln", 1, 1, run_ln},       {"log", 1, 2, run_log},
    {"log2", 1, 1, run_log2},   {"log10", 1, 1, run_log10},
    {"sin", 1, 1, run_sin},     {"cos", 1, 1, run_cos},
    {"tan", 1, 1, run_tan},     {"asin", 1, 1, run_asin},
    {"acos", 1, 1, run_acos},   {"atan", 1, 1, run_atan},
    {"sinh", 1, 1, run_sinh},   {"cosh", 1, 1, run_cosh},
    {"tanh", 1, 1, run_tanh},   {"floor", 1, 1, run_floor},
    {"ceil", 1, 1, run_ceil},   {"trunc", 1, 1, run_trunc},
    {"sign", 1, 1, run_sign},   {"factorial", 1, 1, run_factorial},
    {"round", 1, 2, run_round}, {"root", 2, 2, run_root},
    {"hypot", 2, 2, run_hypot}, {"atan2", 2, 2, run_atan2},
    {"ncr", 2, 2, run_ncr},     {"npr", 2, 2, run_npr},
    {"min", 1, 32, run_min},    {"max", 1, 32, run_max},
    {"sum", 1, 32, run_sum},    {"avg", 1, 32, run_avg},
    {"gcd", 1, 32, run_gcd},    {"lcm", 1, 32, run_lcm},
};

const struct function *function_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (strlen(functions[i].name) == len && strncasecmp(functions[i].name, name, len) == 0)
            return &functions[i];
    }
    return NULL;
}
