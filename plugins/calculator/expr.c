#include "expr.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "function.h"

#define ROUND         MPFR_RNDN
#define MAX_EXPONENT  100000 /* bits; 10^30102 */
#define MAX_NAME      12
#define MAX_PLAIN_EXP 21 /* digits before the point that are written out */
#define MIN_PLAIN_EXP (-6)

/* How tightly operators bind. */
enum rank { RANK_NONE, RANK_SUM, RANK_PRODUCT, RANK_SIGN, RANK_POWER };

struct parser {
    const char *text;
    size_t len, at;
    int depth;
    bool percent; /* the value that was read last is a bare percentage */
    enum antiphon_status status;
    char *why;
    size_t why_size;
};

static void read_value(struct parser *parser, enum rank rank, mpfr_t value);

ANTIPHON_PRINTF(3, 4)
static void fail(struct parser *parser, enum antiphon_status status, const char *fmt, ...)
{
    va_list args;

    if (parser->status != ANTIPHON_OK)
        return;
    parser->status = status;
    va_start(args, fmt);
    (void)vsnprintf(parser->why, parser->why_size, fmt, args);
    va_end(args);
}

/* ---- characters ------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char peek(const struct parser *parser, size_t ahead)
{
    return parser->at + ahead < parser->len ? parser->text[parser->at + ahead] : '\0';
}

static bool starts_with(const struct parser *parser, const char *word)
{
    size_t n = strlen(word);

    return parser->len - parser->at >= n && memcmp(parser->text + parser->at, word, n) == 0;
}

static void skip_space(struct parser *parser)
{
    for (;;) {
        if (peek(parser, 0) == ' ' || peek(parser, 0) == '\t' || peek(parser, 0) == '\n')
            parser->at++;
        else if (starts_with(parser, "\u00a0"))
            parser->at += strlen("\u00a0");
        else
            return;
    }
}

static bool take(struct parser *parser, const char *word)
{
    skip_space(parser);
    if (!starts_with(parser, word))
        return false;
    parser->at += strlen(word);
    return true;
}

static size_t name_length(const struct parser *parser)
{
    size_t n = 0;

    if (!is_letter(peek(parser, 0)))
        return 0;
    while (is_letter(peek(parser, n)) || is_digit(peek(parser, n)))
        n++;
    return n;
}

static void fail_here(struct parser *parser, const char *wanted)
{
    skip_space(parser);
    if (parser->at >= parser->len)
        fail(parser, ANTIPHON_EINVAL, "the expression ends where %s is missing", wanted);
    else
        fail(parser, ANTIPHON_EINVAL, "%s is missing at character %zu", wanted, parser->at + 1);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void check_range(struct parser *parser, mpfr_t value)
{
    if (mpfr_nan_p(value))
        fail(parser, ANTIPHON_EINVAL, "this has no real result");
    else if (mpfr_inf_p(value))
        fail(parser, ANTIPHON_ETOOBIG, "the result is too large");
}

static size_t skip_digits(const struct parser *parser, size_t at, const char *digits)
{
    while (at < parser->len && parser->text[at] && strchr(digits, parser->text[at]))
        at++;
    return at;
}

/* Behind "e5" or "e-5", or where it is not. */
static size_t skip_exponent(const struct parser *parser, size_t at)
{
    size_t digits = at + 1;

    if (at >= parser->len || (parser->text[at] | 0x20) != 'e')
        return at;
    if (digits < parser->len && (parser->text[digits] == '+' || parser->text[digits] == '-'))
        digits++;
    size_t end = skip_digits(parser, digits, "0123456789");
    return end > digits ? end : at;
}

/* 0x and 0b are whole numbers; else digits with a point and an exponent. */
static void read_number(struct parser *parser, mpfr_t value)
{
    char digits[EXPR_MAX_BYTES + 1], *rest;
    char kind = peek(parser, 0) == '0' ? (char)(peek(parser, 1) | 0x20) : '\0';
    size_t start = parser->at, end;
    int base = 10;

    if (kind == 'x' || kind == 'b') {
        base = kind == 'x' ? 16 : 2;
        start += 2;
        end = skip_digits(parser, start, "0123456789abcdefABCDEF");
    } else {
        end = skip_exponent(parser, skip_digits(parser, start, "0123456789."));
    }
    memcpy(digits, parser->text + start, end - start);
    digits[end - start] = '\0';
    mpfr_strtofr(value, digits, &rest, base, ROUND);
    if (rest == digits || *rest)
        fail(parser, ANTIPHON_EINVAL, "the number at character %zu is not one", parser->at + 1);
    parser->at = end;
}

static void read_arguments(struct parser *parser, const struct function *function, mpfr_t value)
{
    mpfr_t args[FUNCTION_MAX_ARGS];
    const char *why = NULL;
    size_t n = 0;

    do {
        if (n == function->max) {
            fail(parser, ANTIPHON_EINVAL, "%s() takes at most %zu values", function->name,
                 function->max);
            break;
        }
        mpfr_init2(args[n], EXPR_BITS);
        read_value(parser, RANK_NONE, args[n++]);
    } while (parser->status == ANTIPHON_OK && take(parser, ","));
    if (parser->status == ANTIPHON_OK && !take(parser, ")"))
        fail_here(parser, "a closing parenthesis");
    if (parser->status == ANTIPHON_OK && n < function->min)
        fail(parser, ANTIPHON_EINVAL, "%s() takes at least %zu values", function->name,
             function->min);
    if (parser->status == ANTIPHON_OK)
        why = function->run(args, n);
    if (why)
        fail(parser, ANTIPHON_EINVAL, "%s(): %s", function->name, why);
    mpfr_swap(value, args[0]);
    for (size_t i = 0; i < n; i++)
        mpfr_clear(args[i]);
}

static void read_name(struct parser *parser, mpfr_t value)
{
    size_t n = name_length(parser);
    const struct function *function = function_find(parser->text + parser->at, n);

    if (!function) {
        fail(parser, ANTIPHON_EINVAL, "'%.*s' is neither a function nor a constant here",
             (int)(n < MAX_NAME ? n : MAX_NAME), parser->text + parser->at);
        return;
    }
    parser->at += n;
    if (function->max == 0)
        (void)function->run((mpfr_t *)value, 1);
    else if (take(parser, "("))
        read_arguments(parser, function, value);
    else
        fail(parser, ANTIPHON_EINVAL, "write %s with parentheses", function->name);
}

static void read_operand(struct parser *parser, mpfr_t value)
{
    skip_space(parser);
    if (is_digit(peek(parser, 0)) || (peek(parser, 0) == '.' && is_digit(peek(parser, 1)))) {
        read_number(parser, value);
    } else if (take(parser, "(")) {
        read_value(parser, RANK_NONE, value);
        if (parser->status == ANTIPHON_OK && !take(parser, ")"))
            fail_here(parser, "a closing parenthesis");
    } else if (take(parser, "π")) {
        mpfr_const_pi(value, ROUND);
    } else if (name_length(parser) > 0) {
        read_name(parser, value);
    } else {
        fail_here(parser, "a number");
    }
}

/* What stands behind a value. */
static void read_suffixes(struct parser *parser, mpfr_t value)
{
    mpfr_t degree[1];

    parser->percent = false;
    while (parser->status == ANTIPHON_OK) {
        if (take(parser, "!")) {
            const char *why = function_factorial(value);
            if (why)
                fail(parser, ANTIPHON_EINVAL, "%s", why);
            parser->percent = false;
        } else if (take(parser, "%")) {
            mpfr_div_ui(value, value, 100, ROUND);
            parser->percent = true;
        } else if (take(parser, "°")) {
            mpfr_init2(degree[0], EXPR_BITS);
            (void)function_find("deg", 3)->run(degree, 1);
            mpfr_mul(value, value, degree[0], ROUND);
            mpfr_clear(degree[0]);
            parser->percent = false;
        } else {
            return;
        }
    }
}

/* ---- operators ------------------------------------------------------------------------------- */

static const struct infix {
    const char *text;
    enum rank rank;
    char kind;
} infixes[] = {
    {"**", RANK_POWER, '^'},  {"^", RANK_POWER, '^'},     {"*", RANK_PRODUCT, '*'},
    {"×", RANK_PRODUCT, '*'}, {"·", RANK_PRODUCT, '*'},   {"/", RANK_PRODUCT, '/'},
    {"÷", RANK_PRODUCT, '/'}, {"mod", RANK_PRODUCT, 'm'}, {"of", RANK_PRODUCT, '*'},
    {"+", RANK_SUM, '+'},     {"-", RANK_SUM, '-'},       {"−", RANK_SUM, '-'},
};

static const struct infix *peek_infix(struct parser *parser)
{
    skip_space(parser);
    for (size_t i = 0; i < sizeof(infixes) / sizeof(infixes[0]); i++) {
        size_t n = strlen(infixes[i].text);
        if (starts_with(parser, infixes[i].text) &&
            (!is_letter(infixes[i].text[0]) || name_length(parser) == n))
            return &infixes[i];
    }
    return NULL;
}

static mpfr_exp_t size_of(mpfr_t value)
{
    return mpfr_regular_p(value) ? mpfr_get_exp(value) : mpfr_get_emin();
}

static void add(mpfr_t left, mpfr_t right, bool negative, bool percent)
{
    mpfr_exp_t size = size_of(left);

    if (percent)
        mpfr_mul(right, right, left, ROUND);
    if (size_of(right) > size)
        size = size_of(right);
    if (negative)
        mpfr_neg(right, right, ROUND);
    mpfr_add(left, left, right, ROUND);
    function_quiet(left, size);
}

static void apply(struct parser *parser, char kind, mpfr_t left, mpfr_t right)
{
    if ((kind == '/' || kind == 'm') && mpfr_zero_p(right)) {
        fail(parser, ANTIPHON_EINVAL, "a division by zero has no result");
        return;
    }
    switch (kind) {
    case '+':
    case '-':
        add(left, right, kind == '-', parser->percent);
        break;
    case '*':
        mpfr_mul(left, left, right, ROUND);
        break;
    case '/':
        mpfr_div(left, left, right, ROUND);
        break;
    case 'm': { /* has the sign of the divisor, as people expect of clocks */
        function_snap(left);
        function_snap(right);
        mpfr_fmod(left, left, right, ROUND);
        if (!mpfr_zero_p(left) && mpfr_signbit(left) != mpfr_signbit(right))
            mpfr_add(left, left, right, ROUND);
        break;
    }
    default:
        if (mpfr_zero_p(left) && mpfr_sgn(right) < 0)
            fail(parser, ANTIPHON_EINVAL, "a division by zero has no result");
        mpfr_pow(left, left, right, ROUND);
    }
}

/* A value and all operators behind it that bind more tightly than rank. */
static void read_value(struct parser *parser, enum rank rank, mpfr_t value)
{
    const struct infix *infix;
    mpfr_t right;
    bool percent;

    if (++parser->depth > EXPR_MAX_DEPTH)
        fail(parser, ANTIPHON_ETOOBIG, "the expression is nested too deeply");
    if (parser->status != ANTIPHON_OK)
        goto out;
    if (take(parser, "-") || take(parser, "−")) {
        read_value(parser, RANK_SIGN, value);
        mpfr_neg(value, value, ROUND);
    } else if (take(parser, "+")) {
        read_value(parser, RANK_SIGN, value);
    } else {
        read_operand(parser, value);
        read_suffixes(parser, value);
    }
    percent = parser->percent;
    while (parser->status == ANTIPHON_OK && (infix = peek_infix(parser)) && infix->rank > rank) {
        parser->at += strlen(infix->text);
        mpfr_init2(right, EXPR_BITS);
        /* Powers bind to the right: 2^3^2 is 2^9. */
        read_value(parser, infix->rank == RANK_POWER ? RANK_SIGN : infix->rank, right);
        if (parser->status == ANTIPHON_OK)
            apply(parser, infix->kind, value, right);
        mpfr_clear(right);
        percent = false;
        check_range(parser, value);
    }
    parser->percent = percent;
    check_range(parser, value);
out:
    parser->depth--;
}

/* ---- the result ------------------------------------------------------------------------------ */

/* digits: without a sign; point: how many of them stand before the point. */
static void write_plain(const char *digits, long point, char *to, size_t size)
{
    size_t n = strlen(digits), used = 0;

    if (point <= 0) {
        used = (size_t)snprintf(to, size, "0.");
        for (long i = point; i < 0 && used + 1 < size; i++)
            to[used++] = '0';
        (void)snprintf(to + used, size - used, "%s", digits);
        return;
    }
    for (size_t i = 0; (i < n || i < (size_t)point) && used + 2 < size; i++) {
        if (i == (size_t)point)
            to[used++] = '.';
        to[used++] = i < n ? digits[i] : '0';
    }
    to[used] = '\0';
}

static void write_result(mpfr_t value, int digits, char *result)
{
    char text[EXPR_MAX_DIGITS + 4];
    char *mantissa = text;
    mpfr_exp_t point;
    size_t n;

    if (mpfr_zero_p(value)) {
        (void)snprintf(result, EXPR_TEXT_BYTES, "0");
        return;
    }
    function_snap(value);
    if (mpfr_integer_p(value) && mpfr_get_exp(value) <= 166) /* 10^50 has 167 bits */
        digits = EXPR_MAX_DIGITS;
    (void)mpfr_get_str(text, &point, 10, (size_t)digits, value, ROUND);
    if (*mantissa == '-') {
        *result++ = '-';
        mantissa++;
    }
    n = strlen(mantissa);
    while (n > 1 && mantissa[n - 1] == '0')
        mantissa[--n] = '\0';
    if (point > MIN_PLAIN_EXP && (point <= MAX_PLAIN_EXP || point <= digits))
        write_plain(mantissa, (long)point, result, EXPR_TEXT_BYTES - 1);
    else
        (void)snprintf(result, EXPR_TEXT_BYTES - 1, "%c%s%se%ld", mantissa[0], n > 1 ? "." : "",
                       mantissa + 1, (long)point - 1);
}

enum antiphon_status expr_evaluate(const char *text, size_t len, int digits, char *result,
                                   char *why, size_t why_size)
{
    struct parser parser = {.text = text, .len = len, .why = why, .why_size = why_size};
    /* The range of exponents belongs to the thread, which others use after us. */
    mpfr_exp_t low = mpfr_get_emin(), high = mpfr_get_emax();
    mpfr_t value;

    if (len > EXPR_MAX_BYTES) {
        fail(&parser, ANTIPHON_ETOOBIG, "the expression is longer than %d bytes", EXPR_MAX_BYTES);
        return parser.status;
    }
    mpfr_set_emin(-MAX_EXPONENT);
    mpfr_set_emax(MAX_EXPONENT);
    mpfr_init2(value, EXPR_BITS);
    read_value(&parser, RANK_NONE, value);
    skip_space(&parser);
    if (parser.status == ANTIPHON_OK && parser.at < len)
        fail(&parser, ANTIPHON_EINVAL, "an operator such as * is missing at character %zu",
             parser.at + 1);
    if (parser.status == ANTIPHON_OK)
        write_result(value, digits, result);
    mpfr_clear(value);
    mpfr_set_emin(low);
    mpfr_set_emax(high);
    mpfr_free_cache2(MPFR_FREE_LOCAL_CACHE);
    return parser.status;
}
