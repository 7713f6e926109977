/* calculator - arithmetic and units for an agent. Nothing is guessed by the model, and nothing
 * leaves the process: no network, no files but the tables of units. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/reply.h"
#include "antiphon/plugin.h"
#include "expr.h"
#include "units.h"

/* clang-format off */
ANTIPHON_MANIFEST({
    "name": "calculator",
    "version": "1.0.0",
    "description": "Exact arithmetic and conversion of units.",
    "licence": "Apache-2.0",
    "tools": [{
        "name": "calculator",
        "description": "Works out an arithmetic expression exactly. Use it for every calculation beyond the simplest. Operators: + - * / ^ mod, ! and % (15% of 80; 200 + 10% is 220), parentheses. Functions: sqrt cbrt root(x,n) abs exp ln log(x) log(x,base) log2 sin cos tan asin acos atan atan2 sinh cosh tanh (radians; write sin(30°) for degrees) floor ceil trunc round(x,places) sign min max sum avg gcd lcm hypot factorial nCr(n,k) nPr(n,k). Constants: pi, tau, e. Write every multiplication sign; no thousands separators; no units.",
        "parameters": {
            "type": "object",
            "properties": {
                "expression": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "Such as 1250*1.05^10 or (3+4)/2."},
                "digits": {"type": "integer", "minimum": 1, "maximum": 50, "description": "Significant digits of the result; 15 if absent."}
            },
            "required": ["expression"]
        },
        "flags": ["read_only"]
    }, {
        "name": "convert_unit",
        "description": "Converts a value from one unit to another: lengths, areas, volumes, masses, speeds, temperatures, energy, power, pressure, data, time and what is composed of them. Units are English names or symbols such as km/h, miles per hour, square feet, fahrenheit, kWh, GiB, m^3. Gallons, pints, cups and ounces are those of the US unless 'imperial' stands before them. Not for money.",
        "parameters": {
            "type": "object",
            "properties": {
                "value": {"type": "number"},
                "from": {"type": "string", "minLength": 1, "maxLength": 100},
                "to": {"type": "string", "minLength": 1, "maxLength": 100}
            },
            "required": ["value", "from", "to"]
        },
        "flags": ["read_only"]
    }],
    "config": {
        "type": "object",
        "properties": {
            "digits": {"type": "integer", "minimum": 1, "maximum": 50, "default": 15, "description": "Significant digits of results, unless a call asks for others."}
        }
    },
    "permissions": {"files": ["/usr/share/xml/udunits"]}
});
/* clang-format on */

#define CONVERTED_DIGITS 12 /* a double has 15, and tables of units fewer */

struct calculator {
    const struct antiphon_host *h; /* borrowed */
    struct units *units;           /* owned */
    int digits;
};

static enum antiphon_status calculate(void *state, struct antiphon_call *call)
{
    const struct calculator *calculator = state;
    char result[EXPR_TEXT_BYTES], why[REPLY_MAX_ERROR_BYTES];
    cJSON *args = reply_args(calculator->h, call);
    const char *text = reply_text(args, "expression");

    if (!args)
        return ANTIPHON_OK;
    enum antiphon_status status =
        expr_evaluate(text, strlen(text), (int)reply_integer(args, "digits", calculator->digits),
                      result, why, sizeof(why));
    cJSON_Delete(args);
    if (status != ANTIPHON_OK) {
        reply_error(calculator->h, call, status, "%s", why);
        return ANTIPHON_OK;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "result", result);
    reply_json(calculator->h, call, answer);
    return ANTIPHON_OK;
}

static enum antiphon_status convert(void *state, struct antiphon_call *call)
{
    const struct calculator *calculator = state;
    char why[REPLY_MAX_ERROR_BYTES], result[32];
    double value = 0;
    cJSON *args = reply_args(calculator->h, call);
    const char *to = reply_text(args, "to");

    if (!args)
        return ANTIPHON_OK;
    enum antiphon_status status = units_convert(
        calculator->units, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(args, "value")),
        reply_text(args, "from"), to, &value, why, sizeof(why));
    if (status == ANTIPHON_OK) {
        cJSON *answer = cJSON_CreateObject();
        (void)snprintf(result, sizeof(result), "%.*g", CONVERTED_DIGITS, value);
        cJSON_AddStringToObject(answer, "result", result);
        cJSON_AddStringToObject(answer, "unit", to);
        reply_json(calculator->h, call, answer);
    } else {
        reply_error(calculator->h, call, status, "%s", why);
    }
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

static const struct antiphon_tool tools[] = {
    {.struct_size = sizeof(struct antiphon_tool), .name = "calculator", .invoke = calculate},
    {.struct_size = sizeof(struct antiphon_tool), .name = "convert_unit", .invoke = convert},
};

static void shut_down(void *state)
{
    struct calculator *calculator = state;

    units_free(calculator->units);
    free(calculator);
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    struct calculator *calculator = calloc(1, sizeof(*calculator));
    cJSON *settings = cJSON_Parse(config);
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (!calculator || !settings) {
        (void)snprintf(why, why_size, "out of memory");
        goto out;
    }
    calculator->h = h;
    calculator->digits = (int)reply_integer(settings, "digits", 15);
    status = units_new(&calculator->units, why, why_size);
    for (size_t i = 0; status == ANTIPHON_OK && i < sizeof(tools) / sizeof(tools[0]); i++)
        status = h->add_tool(h, &tools[i]);
out:
    cJSON_Delete(settings);
    if (status == ANTIPHON_OK) {
        *state = calculator;
    } else if (calculator) {
        shut_down(calculator);
    }
    return status;
}

static enum antiphon_status self_test(void *state, char *why, size_t why_size)
{
    struct calculator *calculator = state;
    char result[EXPR_TEXT_BYTES];
    double metres = 0;
    enum antiphon_status status = expr_evaluate("0.1+0.2", 7, 15, result, why, why_size);

    if (status == ANTIPHON_OK)
        status = units_convert(calculator->units, 1, "km", "m", &metres, why, why_size);
    if (status == ANTIPHON_OK && (strcmp(result, "0.3") != 0 || fabs(metres - 1000) > 1e-9)) {
        (void)snprintf(why, why_size, "0.1+0.2 is %s and a kilometre has %g metres", result,
                       metres);
        status = ANTIPHON_EINTERNAL;
    }
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "calculator",
    .version = "1.0.0",
    .init = init,
    .shutdown = shut_down,
    .self_test = self_test,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
