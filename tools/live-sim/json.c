#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_LIMIT 9007199254740992.0 /* 2^53 */

static uint32_t next_code_point(const char **at)
{
    const unsigned char *p = (const unsigned char *)*at;
    uint32_t code = *p++;
    int more = code >= 0xF0 ? 3 : code >= 0xE0 ? 2 : code >= 0xC0 ? 1 : 0;
    if (more)
        code &= 0x3FU >> more;
    while (more-- > 0 && (*p & 0xC0) == 0x80)
        code = code << 6 | (*p++ & 0x3FU);
    *at = (const char *)p;
    return code;
}

static void write_escape(struct bytes *out, uint32_t code)
{
    if (code > 0xFFFF) {
        code -= 0x10000;
        bytes_printf(out, "\\u%04x\\u%04x", (unsigned)(0xD800 + (code >> 10)),
                     (unsigned)(0xDC00 + (code & 0x3FF)));
    } else {
        bytes_printf(out, "\\u%04x", (unsigned)code);
    }
}

void json_write_string(struct bytes *out, const char *text, bool ascii)
{
    bytes_add(out, "\"", 1);
    while (*text) {
        size_t plain = 0;
        for (unsigned char c; (c = (unsigned char)text[plain]) >= 0x20 && c != '"' && c != '\\' &&
                              (c < 0x7F || !ascii);)
            plain++;
        bytes_add(out, text, plain);
        text += plain;
        if (!*text)
            break;
        const char *simple = strchr("\"\"\\\\\nn\rr\tt\bb\ff", *text);
        if (simple) {
            bytes_printf(out, "\\%c", simple[1]);
            text++;
        } else {
            write_escape(out, next_code_point(&text));
        }
    }
    bytes_add(out, "\"", 1);
}

static void write_number(struct bytes *out, double number)
{
    char text[40];
    if (!isfinite(number)) {
        bytes_text(out, "null");
        return;
    }
    if (fabs(number) < EXACT_LIMIT && number == floor(number)) {
        bytes_printf(out, "%.0f", number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    bytes_text(out, text);
}

static void break_line(struct bytes *out, struct json_style style, int depth)
{
    if (style.compact)
        return;
    bytes_add(out, "\n", 1);
    for (int i = 0; i < depth; i++)
        bytes_add(out, "  ", 2);
}

static void write_value(struct bytes *out, const cJSON *value, struct json_style style, int depth);

static void write_children(struct bytes *out, const cJSON *value, struct json_style style, int depth)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        if (child != value->child)
            bytes_add(out, ",", 1);
        break_line(out, style, depth + 1);
        if (cJSON_IsObject(value)) {
            json_write_string(out, child->string, style.ascii);
            bytes_text(out, style.compact ? ":" : ": ");
        }
        write_value(out, child, style, depth + 1);
    }
    if (value->child)
        break_line(out, style, depth);
}

static void write_value(struct bytes *out, const cJSON *value, struct json_style style, int depth)
{
    if (cJSON_IsString(value)) {
        json_write_string(out, value->valuestring, style.ascii);
    } else if (cJSON_IsNumber(value)) {
        write_number(out, value->valuedouble);
    } else if (cJSON_IsRaw(value)) {
        bytes_text(out, value->valuestring);
    } else if (cJSON_IsBool(value)) {
        bytes_text(out, cJSON_IsTrue(value) ? "true" : "false");
    } else if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
        bytes_add(out, cJSON_IsObject(value) ? "{" : "[", 1);
        write_children(out, value, style, depth);
        bytes_add(out, cJSON_IsObject(value) ? "}" : "]", 1);
    } else {
        bytes_text(out, "null");
    }
}

void json_write(struct bytes *out, const cJSON *value, struct json_style style)
{
    write_value(out, value, style, 0);
    if (!style.compact)
        bytes_add(out, "\n", 1);
}

static bool too_deep(const char *text, size_t len)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']') && depth > 0)
            depth--;
        if (depth > JSON_MAX_DEPTH)
            return true;
    }
    return false;
}

cJSON *json_parse(const char *text, size_t len)
{
    const char *end = NULL;
    if (!mem_utf8_valid(text, len) || too_deep(text, len))
        return NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (!value)
        return NULL;
    while (end < text + len && *end && strchr(" \t\r\n", *end))
        end++;
    if (end != text + len) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

const cJSON *json_at(const cJSON *object, const char *path)
{
    while (object && *path) {
        char name[128];
        size_t len = strcspn(path, ".");
        if (len >= sizeof name)
            return NULL;
        memcpy(name, path, len);
        name[len] = 0;
        path += len + (path[len] == '.');
        object = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
    }
    return object;
}

const char *json_text(const cJSON *object, const char *path)
{
    const cJSON *value = json_at(object, path);
    return cJSON_IsString(value) ? value->valuestring : "";
}

bool json_true(const cJSON *object, const char *path)
{
    return cJSON_IsTrue(json_at(object, path));
}

double json_number(const cJSON *object, const char *path, double fallback)
{
    const cJSON *value = json_at(object, path);
    char *end = NULL;
    if (cJSON_IsNumber(value))
        return value->valuedouble;
    if (!cJSON_IsString(value) || !*value->valuestring)
        return fallback;
    double number = strtod(value->valuestring, &end);
    return *end ? fallback : number;
}
