#include "store/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "store/state_scan.h"
#include "base/hash.h"
#include "base/banned.h"

struct member {
    const char *key; /* borrowed: raw text between the quotes */
    size_t key_len;
    const char *value; /* borrowed: raw text */
    size_t value_len;
    size_t name, name_len; /* unescaped key in object.names */
    uint64_t hash;
    bool hidden; /* a later member has the same key */
};

struct object {
    struct member *members; /* owned */
    size_t n, cap;
    size_t *order; /* owned; indices of members by hash, then by place */
    struct buf names;
};

bool state_is_object(const char *text, size_t len)
{
    struct state_scan scan = {text, text + len, 0};
    if (!utf8_valid(text, len))
        return false;
    state_scan_space(&scan);
    if (scan.at == scan.end || *scan.at != '{' || !state_scan_value(&scan))
        return false;
    state_scan_space(&scan);
    return scan.at == scan.end;
}

/* ---- objects ------------------------------------------------------------------------------ */

static void add_name(struct object *object, struct member *member)
{
    const char *at = member->key, *end = member->key + member->key_len;
    member->name = object->names.len;
    while (at < end) {
        char text[4];
        size_t len = 1;
        if (*at == '\\')
            at += state_scan_unescape(at, end, text, &len);
        else
            text[0] = *at++;
        buf_append(&object->names, text, len);
    }
    member->name_len = object->names.len - member->name;
    member->hash = member->name_len ? hash_bytes(object->names.data + member->name, member->name_len)
                                    : hash_bytes("", 0);
}

static enum antiphon_status add_member(struct object *object, const struct member *member)
{
    if (object->n == STATE_MAX_MEMBERS)
        return ANTIPHON_ETOOBIG;
    if (object->n == object->cap) {
        size_t cap = object->cap ? object->cap * 2 : 16;
        struct member *grown = realloc(object->members, cap * sizeof(*grown));
        if (!grown)
            return ANTIPHON_ENOMEM;
        object->members = grown;
        object->cap = cap;
    }
    object->members[object->n] = *member;
    add_name(object, &object->members[object->n++]);
    return buf_status(&object->names);
}

static bool same_name(const struct object *a, const struct member *m, const struct object *b,
                      const struct member *n)
{
    return m->hash == n->hash && m->name_len == n->name_len &&
           (m->name_len == 0 ||
            memcmp(a->names.data + m->name, b->names.data + n->name, m->name_len) == 0);
}

static int compare_order(const void *a, const void *b, void *ctx)
{
    const struct member *members = ctx;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    if (members[i].hash != members[j].hash)
        return members[i].hash < members[j].hash ? -1 : 1;
    return i < j ? -1 : i > j;
}

static enum antiphon_status sort_members(struct object *object)
{
    if (object->n == 0)
        return ANTIPHON_OK;
    object->order = malloc(object->n * sizeof(*object->order));
    if (!object->order)
        return ANTIPHON_ENOMEM;
    for (size_t i = 0; i < object->n; i++)
        object->order[i] = i;
    qsort_r(object->order, object->n, sizeof(*object->order), compare_order, object->members);
    for (size_t i = 0; i + 1 < object->n; i++) {
        struct member *member = &object->members[object->order[i]];
        for (size_t j = i + 1; j < object->n && !member->hidden; j++) {
            const struct member *later = &object->members[object->order[j]];
            if (later->hash != member->hash)
                break;
            member->hidden = same_name(object, member, object, later);
        }
    }
    return ANTIPHON_OK;
}

static bool object_has(const struct object *object, const struct object *from,
                       const struct member *member)
{
    size_t low = 0, high = object->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (object->members[object->order[middle]].hash < member->hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < object->n; low++) {
        const struct member *other = &object->members[object->order[low]];
        if (other->hash != member->hash)
            return false;
        if (same_name(object, other, from, member))
            return true;
    }
    return false;
}

static void object_deinit(struct object *object)
{
    free(object->members);
    free(object->order);
    buf_deinit(&object->names);
}

static enum antiphon_status object_read(struct object *object, const char *text, size_t len)
{
    struct state_scan scan = {text, text + len, 0};
    enum antiphon_status status = ANTIPHON_OK;
    memset(object, 0, sizeof(*object));
    buf_init(&object->names, len);
    if (!state_is_object(text, len))
        return ANTIPHON_EINVAL;
    state_scan_char(&scan, '{');
    while (status == ANTIPHON_OK && state_scan_char(&scan, '"')) {
        struct member member = {0};
        state_scan_string(&scan, &member.key, &member.key_len);
        state_scan_char(&scan, ':');
        state_scan_space(&scan);
        member.value = scan.at;
        state_scan_value(&scan);
        member.value_len = (size_t)(scan.at - member.value);
        status = add_member(object, &member);
        state_scan_char(&scan, ',');
    }
    return status == ANTIPHON_OK ? sort_members(object) : status;
}

static bool has_prefix(const struct object *object, const struct member *member, const char *prefix)
{
    size_t len = strlen(prefix);
    return member->name_len >= len &&
           (len == 0 || memcmp(object->names.data + member->name, prefix, len) == 0);
}

/* The raw key behind its first n characters, each of which is ASCII. */
static const char *skip_characters(const struct member *member, size_t n)
{
    const char *at = member->key, *end = member->key + member->key_len;
    char text[4];
    size_t len;
    while (n--)
        at += *at == '\\' ? state_scan_unescape(at, end, text, &len) : 1;
    return at;
}

static void put_member(struct buf *out, const char *prefix, const struct member *member,
                       size_t skip)
{
    const char *key = skip_characters(member, skip);
    buf_puts(out, out->len == 0 ? "{\"" : ",\"");
    buf_puts(out, prefix);
    buf_append(out, key, member->key_len - (size_t)(key - member->key));
    buf_puts(out, "\":");
    buf_append(out, member->value, member->value_len);
}

static enum antiphon_status put_end(struct buf *out)
{
    buf_puts(out, out->len == 0 ? "{}" : "}");
    return buf_status(out);
}

/* ---- the interface ------------------------------------------------------------------------ */

void state_parts_init(struct state_parts *parts, size_t max)
{
    buf_init(&parts->app, max);
    buf_init(&parts->user, max);
    buf_init(&parts->session, max);
}

void state_parts_deinit(struct state_parts *parts)
{
    buf_deinit(&parts->app);
    buf_deinit(&parts->user);
    buf_deinit(&parts->session);
}

enum antiphon_status state_split(const char *delta, size_t len, struct state_parts *parts)
{
    struct object object;
    struct buf *const places[] = {&parts->app, &parts->user, &parts->session};
    enum antiphon_status status = object_read(&object, delta, len);
    for (size_t i = 0; status == ANTIPHON_OK && i < object.n; i++) {
        const struct member *member = &object.members[i];
        if (member->hidden || has_prefix(&object, member, "temp:"))
            continue;
        if (has_prefix(&object, member, "app:"))
            put_member(&parts->app, "", member, 4);
        else if (has_prefix(&object, member, "user:"))
            put_member(&parts->user, "", member, 5);
        else
            put_member(&parts->session, "", member, 0);
    }
    for (size_t i = 0; status == ANTIPHON_OK && i < 3; i++)
        if (places[i]->len > 0 || places[i]->failed)
            status = put_end(places[i]);
    object_deinit(&object);
    return status;
}

enum antiphon_status state_merge(const char *state, size_t state_len, const char *delta,
                                 size_t delta_len, struct buf *out)
{
    struct object old, new;
    enum antiphon_status status = object_read(&new, delta, delta_len);
    enum antiphon_status old_status = object_read(&old, state, state_len);
    size_t base = out->len;
    assert(base == 0);
    if (status == ANTIPHON_OK)
        status = old_status;
    for (size_t i = 0; status == ANTIPHON_OK && i < new.n; i++)
        if (!new.members[i].hidden)
            put_member(out, "", &new.members[i], 0);
    for (size_t i = 0; status == ANTIPHON_OK && i < old.n; i++)
        if (!old.members[i].hidden && !object_has(&new, &old, &old.members[i]))
            put_member(out, "", &old.members[i], 0);
    if (status == ANTIPHON_OK)
        status = put_end(out);
    object_deinit(&new);
    object_deinit(&old);
    return status;
}

static enum antiphon_status add_all(struct buf *out, const char *prefix, const char *text,
                                    const char *leave_out)
{
    struct object object;
    if (!text)
        return ANTIPHON_OK;
    enum antiphon_status status = object_read(&object, text, strlen(text));
    for (size_t i = 0; status == ANTIPHON_OK && i < object.n; i++) {
        const struct member *member = &object.members[i];
        if (!member->hidden && !(leave_out && has_prefix(&object, member, leave_out)))
            put_member(out, prefix, member, 0);
    }
    object_deinit(&object);
    return status;
}

enum antiphon_status state_join(const char *session, const char *app, const char *user,
                                struct buf *out)
{
    assert(out->len == 0);
    enum antiphon_status status = add_all(out, "", session, NULL);
    if (status == ANTIPHON_OK)
        status = add_all(out, "app:", app, NULL);
    if (status == ANTIPHON_OK)
        status = add_all(out, "user:", user, NULL);
    return status == ANTIPHON_OK ? put_end(out) : status;
}

enum antiphon_status state_without_temp(const char *delta, size_t len, struct buf *out)
{
    struct buf text;
    assert(out->len == 0);
    buf_init(&text, len + 1);
    enum antiphon_status status = buf_append(&text, delta, len);
    if (status == ANTIPHON_OK)
        status = add_all(out, "", buf_text(&text), "temp:");
    buf_deinit(&text);
    return status == ANTIPHON_OK ? put_end(out) : status;
}

enum antiphon_status state_find(const char *state, size_t len, const char *name, const char **value,
                                size_t *value_len)
{
    struct object object;
    const struct member *found = NULL;
    enum antiphon_status status = object_read(&object, state, len);
    for (size_t i = 0; status == ANTIPHON_OK && i < object.n; i++) {
        const struct member *member = &object.members[i];
        if (!member->hidden && member->name_len == strlen(name) && has_prefix(&object, member, name))
            found = member;
    }
    if (status == ANTIPHON_OK && !found)
        status = ANTIPHON_ENOTFOUND;
    if (status == ANTIPHON_OK) {
        *value = found->value;
        *value_len = found->value_len;
    }
    object_deinit(&object);
    return status;
}
