#include "config/yaml_scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

#define MAX_NUMBER 64               /* bytes of a number; anything longer is text */
#define MAX_EXACT  9007199254740992 /* 2^53: what a double counts exactly */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+ */
static bool is_int(const char *text, int *base)
{
    if (text[0] == '0' && (text[1] == 'o' || text[1] == 'x')) {
        *base = text[1] == 'o' ? 8 : 16;
        size_t n = strspn(text + 2, *base == 8 ? "01234567" : "0123456789abcdefABCDEF");
        return n > 0 && text[2 + n] == '\0';
    }
    *base = 10;
    if (*text == '-' || *text == '+')
        text++;
    return digits(text) > 0 && text[digits(text)] == '\0';
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *text)
{
    if (*text == '-' || *text == '+')
        text++;
    size_t whole = digits(text), fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = digits(text + 1);
        text += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+')
            text++;
        if (digits(text) == 0)
            return false;
        text += digits(text);
    }
    return *text == '\0';
}

static enum antiphon_status number(double value, bool whole, cJSON **node, struct err *err)
{
    if (!isfinite(value))
        return err_set(err, ANTIPHON_EINVAL, "a number must be finite");
    if (whole && fabs(value) > (double)MAX_EXACT)
        return err_set(err, ANTIPHON_EINVAL,
                       "an integer beyond 2^53 would lose digits; quote it if it is text");
    *node = cJSON_CreateNumber(value);
    return ANTIPHON_OK;
}

static enum antiphon_status plain_value(const char *text, cJSON **node, struct err *err)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const infinite[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                           "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                                           ".NaN",  ".NAN",  NULL};
    int base;

    if (is_one_of(text, nulls))
        *node = cJSON_CreateNull();
    else if (is_one_of(text, trues))
        *node = cJSON_CreateTrue();
    else if (is_one_of(text, falses))
        *node = cJSON_CreateFalse();
    else if (is_int(text, &base))
        return number(base == 10 ? strtod(text, NULL) : (double)strtoull(text + 2, NULL, base),
                      true, node, err);
    else if (is_float(text))
        return number(strtod(text, NULL), false, node, err);
    else if (is_one_of(text, infinite))
        return number(HUGE_VAL, false, node, err);
    return ANTIPHON_OK;
}

enum antiphon_status yaml_scalar(const char *text, size_t len, bool plain, cJSON **node,
                                 struct err *err)
{
    cJSON *made = NULL;

    if (memchr(text, '\0', len))
        return err_set(err, ANTIPHON_EINVAL, "text must not hold a NUL character");
    if (!json_is_utf8(text, len))
        return err_set(err, ANTIPHON_EINVAL, "text is not valid UTF-8");
    if (plain && len < MAX_NUMBER) {
        char word[MAX_NUMBER];
        memcpy(word, text, len);
        word[len] = '\0';
        enum antiphon_status status = plain_value(word, &made, err);
        if (status != ANTIPHON_OK)
            return status;
    }
    if (!made) {
        char *copy = strndup(text, len);
        made = copy ? cJSON_CreateString(copy) : NULL;
        free(copy);
    }
    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    *node = made;
    return ANTIPHON_OK;
}
