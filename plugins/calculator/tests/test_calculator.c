/* calculator - as its plugin, and its two halves. */
#include "kit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "expr.h"
#include "units.h"

static const struct {
    const char *text, *result; /* NULL: it has none, and `why` is said */
    const char *why;
} sums[] = {
    {"12.99*3", "38.97", NULL},
    {"0.1+0.2", "0.3", NULL},
    {"0.1 + 0.2 - 0.3", "0", NULL},
    {"1/3*3", "1", NULL},
    {"10/4", "2.5", NULL},
    {"-2^2", "-4", NULL},
    {"(-2)^2", "4", NULL},
    {"2^3^2", "512", NULL},
    {"2^-1", "0.5", NULL},
    {"2**10", "1024", NULL},
    {"2 - -3", "5", NULL},
    {"8/2/2", "2", NULL},
    {"10-3-2", "5", NULL},
    {"2+3*4", "14", NULL},
    {"(2+3)*4", "20", NULL},
    {"3!^2", "36", NULL},
    {"-3!", "-6", NULL},
    {"7 mod 3", "1", NULL},
    {"-7 mod 3", "2", NULL},
    {"7 MOD 3", NULL, "an operator such as * is missing at character 3"},
    {"15% of 80", "12", NULL},
    {"200 + 10%", "220", NULL},
    {"200 - 10%", "180", NULL},
    {"200 * 10%", "20", NULL},
    {"200 + (10%)", "200.1", NULL},
    {"200 + 5 * 10%", "200.5", NULL},
    {"10%", "0.1", NULL},
    {"2 × 3 ÷ 4 − 1", "0.5", NULL},
    {"π", "3.14159265358979", NULL},
    {"2*PI", "6.28318530717959", NULL},
    {"sin(30°)", "0.5", NULL},
    {"sin(pi)", "0", NULL},
    {"cos(60*deg)", "0.5", NULL},
    {"tan(45°)", "1", NULL},
    {"tan(90°)", NULL, "tan(): the tangent of a right angle is infinite"},
    {"sqrt(2)^2", "2", NULL},
    {"root(27, 3)", "3", NULL},
    {"root(2, 1.5)", NULL, "root(): root(x, n) needs a whole n from 1 to 10000"},
    {"sqrt(-1)", NULL, "this has no real result"},
    {"log(1000)", "3", NULL},
    {"log(8, 2)", "3", NULL},
    {"ln(e)", "1", NULL},
    {"ln(0)", NULL, "the result is too large"},
    {"floor(0.1*30)", "3", NULL},
    {"ceil(2.1)", "3", NULL},
    {"round(2.675, 2)", "2.68", NULL},
    {"round(-2.5)", "-3", NULL},
    {"round(1234, -2)", "1200", NULL},
    {"trunc(-2.7)", "-2", NULL},
    {"sign(-3)", "-1", NULL},
    {"abs(-3)", "3", NULL},
    {"min(3, 1, 2)", "1", NULL},
    {"max(3, 1, 2)", "3", NULL},
    {"avg(1, 2, 6)", "3", NULL},
    {"sum(1, 2, 6)", "9", NULL},
    {"gcd(12, 18, 27)", "3", NULL},
    {"lcm(4, 6, 10)", "60", NULL},
    {"lcm(0, 5)", "0", NULL},
    {"gcd(1.5, 3)", NULL, "gcd(): needs whole numbers"},
    {"hypot(3, 4)", "5", NULL},
    {"nCr(52, 5)", "2598960", NULL},
    {"nPr(5, 2)", "20", NULL},
    {"nCr(2, 5)", "0", NULL},
    {"25!", "15511210043330985984000000", NULL},
    {"factorial(5)", "120", NULL},
    {"0!", "1", NULL},
    {"2.5!", NULL, "a factorial needs a whole number that is not negative"},
    {"(-1)!", NULL, "a factorial needs a whole number that is not negative"},
    {"5001!", NULL, "factorials are worked out up to 5000!"},
    {"2^100", "1267650600228229401496703205376", NULL},
    {"2^200", "1.60693804425899e60", NULL},
    {"1e21", "1000000000000000000000", NULL},
    {"1e-5", "0.00001", NULL},
    {"1.5e-7", "1.5e-7", NULL},
    {"2e3", "2000", NULL},
    {".5", "0.5", NULL},
    {"0xFF + 0b11", "258", NULL},
    {"1000000*1.05^10", "1628894.62677744", NULL},
    {"9^9^9", NULL, "the result is too large"},
    {"1/0", NULL, "a division by zero has no result"},
    {"5 mod 0", NULL, "a division by zero has no result"},
    {"0^-1", NULL, "a division by zero has no result"},
    {"", NULL, "the expression ends where a number is missing"},
    {"3 +", NULL, "the expression ends where a number is missing"},
    {"(1", NULL, "the expression ends where a closing parenthesis is missing"},
    {"(1]", NULL, "a closing parenthesis is missing at character 3"},
    {"2(3)", NULL, "an operator such as * is missing at character 2"},
    {"1.2.3", NULL, "the number at character 1 is not one"},
    {"0x", NULL, "the number at character 1 is not one"},
    {"foo(1)", NULL, "'foo' is neither a function nor a constant here"},
    {"sqrt 2", NULL, "write sqrt with parentheses"},
    {"sqrt(1, 2)", NULL, "sqrt() takes at most 1 values"},
    {"root(1)", NULL, "root() takes at least 2 values"},
    {"load(\"/etc/passwd\")", NULL, "'load' is neither a function nor a constant here"},
    {"round(1, 99)", NULL, "round(): rounds to -50 to 50 places"},
    {"sin(1e100)", NULL, "sin(): the angle is too large"},
};

static void test_expressions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        char result[EXPR_TEXT_BYTES] = "", why[200] = "";
        enum antiphon_status status =
            expr_evaluate(sums[i].text, strlen(sums[i].text), 15, result, why, sizeof(why));
        if (strcmp(status == ANTIPHON_OK ? result : why,
                   sums[i].result ? sums[i].result : sums[i].why) != 0)
            fail_msg("%s gives %s", sums[i].text, status == ANTIPHON_OK ? result : why);
        assert_int_equal(status == ANTIPHON_OK, sums[i].result != NULL);
    }
}

static void test_digits(void **state)
{
    char result[EXPR_TEXT_BYTES], why[200];

    (void)state;
    assert_int_equal(expr_evaluate("1/3", 3, 50, result, why, sizeof(why)), ANTIPHON_OK);
    assert_string_equal(result, "0.33333333333333333333333333333333333333333333333333");
    assert_int_equal(expr_evaluate("-1e-30000/3", 11, 50, result, why, sizeof(why)), ANTIPHON_OK);
    assert_string_equal(result, "-3.3333333333333333333333333333333333333333333333333e-30001");
    assert_int_equal(expr_evaluate("2/3", 3, 1, result, why, sizeof(why)), ANTIPHON_OK);
    assert_string_equal(result, "0.7");
    assert_int_equal(expr_evaluate("123456", 6, 2, result, why, sizeof(why)), ANTIPHON_OK);
    assert_string_equal(result, "123456");
}

static void test_limits(void **state)
{
    char text[EXPR_MAX_BYTES + 2], result[EXPR_TEXT_BYTES], why[200];

    (void)state;
    memset(text, '(', sizeof(text));
    assert_int_equal(expr_evaluate(text, sizeof(text) - 1, 15, result, why, sizeof(why)),
                     ANTIPHON_ETOOBIG);
    assert_string_equal(why, "the expression is longer than 1000 bytes");
    assert_int_equal(expr_evaluate(text, EXPR_MAX_BYTES, 15, result, why, sizeof(why)),
                     ANTIPHON_ETOOBIG);
    assert_string_equal(why, "the expression is nested too deeply");
    memset(text, '-', EXPR_MAX_BYTES);
    assert_int_equal(expr_evaluate(text, EXPR_MAX_BYTES, 15, result, why, sizeof(why)),
                     ANTIPHON_ETOOBIG);
    memset(text, '9', EXPR_MAX_BYTES);
    assert_int_equal(expr_evaluate(text, EXPR_MAX_BYTES, 15, result, why, sizeof(why)),
                     ANTIPHON_OK);
    assert_string_equal(result, "1e1000");
}

static const struct {
    double value;
    const char *from, *to;
    double result; /* NAN: refused */
} measures[] = {
    {100, "km", "miles", 62.1371192237},
    {100, "celsius", "fahrenheit", 212},
    {-40, "degrees Fahrenheit", "degrees Celsius", -40},
    {0, "C", "F", 32},
    {300, "kelvin", "°C", 26.85},
    {60, "miles per hour", "km/h", 96.56064},
    {100, "km/h", "mph", 62.1371192237},
    {1, "square foot", "square meters", 0.09290304},
    {34, "평", "m2", 112.396694215},
    {1, "cubic meter", "liters", 1000},
    {1, "gallon", "liter", 3.785411784},
    {8, "fl oz", "ml", 236.5882365},
    {16, "ounces", "pounds", 1},
    {11, "stone", "kg", 69.85322498},
    {1, "kWh", "MJ", 3.6},
    {1, "GiB", "MB", 1073.741824},
    {100, "Mbps", "MB/s", 12.5},
    {8, "megabits", "megabyte", 1},
    {1, "byte", "bit", 8},
    {3000, "rpm", "Hz", 50},
    {60, "revolutions per minute", "rad/s", 6.28318530718},
    {180, "degrees", "rad", 3.14159265359},
    {5, "l/100km", "mpg", 47.0429166667},
    {90, "minutes", "hours", 1.5},
    {2, "nautical miles", "km", 3.704},
    {1, "kg", "m", NAN},
    {1, "byte", "m", NAN},
    {1, "foo", "m", NAN},
    {1, "m", "foo", NAN},
    {1, "", "m", NAN},
    {1, "square", "m", NAN},
    {1, "/", "m", NAN},
    {1e308, "km", "mm", NAN},
    {0, "s", "Hz", NAN},
};

static void test_units(void **state)
{
    struct units *units;
    char why[300], name[UNITS_MAX_BYTES + 2];
    double result;

    (void)state;
    assert_int_equal(units_new(&units, why, sizeof(why)), ANTIPHON_OK);
    for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
        double wanted = measures[i].result;
        enum antiphon_status status = units_convert(units, measures[i].value, measures[i].from,
                                                    measures[i].to, &result, why, sizeof(why));
        if (isnan(wanted)
                ? status != ANTIPHON_EINVAL
                : status != ANTIPHON_OK || fabs(result - wanted) > 1e-10 * fmax(1, fabs(wanted)))
            fail_msg("%g %s are %.12g %s (%d, %s)", measures[i].value, measures[i].from, result,
                     measures[i].to, status, why);
    }
    memset(name, 'm', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(units_convert(units, 1, name, "m", &result, why, sizeof(why)),
                     ANTIPHON_EINVAL);
    units_free(units);
}

static void test_tools(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit, "{\"digits\":6}");
    assert_int_equal(kit_call(&kit, "calculator", "{\"expression\":\"2/3\"}"), ANTIPHON_OK);
    assert_string_equal(kit.text, "{\"result\":\"0.666667\"}");
    assert_int_equal(kit_call(&kit, "calculator", "{\"expression\":\"2/3\",\"digits\":3}"),
                     ANTIPHON_OK);
    assert_string_equal(kit.text, "{\"result\":\"0.667\"}");
    assert_int_equal(kit_call(&kit, "calculator", "{\"expression\":\"1/0\"}"), ANTIPHON_EINVAL);
    assert_string_equal(kit.text, "a division by zero has no result");
    assert_int_equal(
        kit_call(&kit, "convert_unit", "{\"value\":1,\"from\":\"mile\",\"to\":\"km\"}"),
        ANTIPHON_OK);
    assert_string_equal(kit.text, "{\"result\":\"1.609344\",\"unit\":\"km\"}");
    assert_int_equal(
        kit_call(&kit, "convert_unit", "{\"value\":1,\"from\":\"USD\",\"to\":\"EUR\"}"),
        ANTIPHON_EINVAL);
    assert_non_null(strstr(kit.text, "the unit 'USD' is not known"));
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_digits),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_units),
        cmocka_unit_test(test_tools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
