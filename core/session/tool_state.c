#include "session/tool_state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/state.h"
#include "base/banned.h"

struct tool_state {
    atomic_uint refs;
    pthread_mutex_t lock;
    struct buf all; /* under lock, as every delta; empty stands for {} */
};

enum antiphon_status tool_state_new(struct tool_state **state)
{
    struct tool_state *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    atomic_init(&made->refs, 1);
    pthread_mutex_init(&made->lock, NULL);
    buf_init(&made->all, TOOL_STATE_MAX_BYTES);
    *state = made;
    return ANTIPHON_OK;
}

struct tool_state *tool_state_ref(struct tool_state *state)
{
    atomic_fetch_add(&state->refs, 1);
    return state;
}

void tool_state_unref(struct tool_state *state)
{
    if (!state || atomic_fetch_sub(&state->refs, 1) != 1)
        return;
    buf_deinit(&state->all);
    pthread_mutex_destroy(&state->lock);
    free(state);
}

static const char *text_of(const struct buf *object)
{
    return object->len ? object->data : "{}";
}

static size_t len_of(const struct buf *object)
{
    return object->len ? object->len : 2;
}

/* delta over object, in its place. */
static enum antiphon_status merge(struct buf *object, const char *delta, size_t len)
{
    struct buf merged;
    enum antiphon_status status;

    buf_init(&merged, TOOL_STATE_MAX_BYTES);
    status = state_merge(text_of(object), len_of(object), delta, len, &merged);
    if (status) {
        buf_deinit(&merged);
        return status;
    }
    buf_deinit(object);
    *object = merged;
    return ANTIPHON_OK;
}

enum antiphon_status tool_state_load(struct tool_state *state, const char *json, size_t len)
{
    struct buf loaded;
    enum antiphon_status status;

    if (!state_is_object(json, len))
        return ANTIPHON_EINVAL;
    buf_init(&loaded, TOOL_STATE_MAX_BYTES);
    status = buf_append(&loaded, json, len);
    pthread_mutex_lock(&state->lock);
    if (!status)
        status = merge(&loaded, text_of(&state->all), len_of(&state->all));
    if (status) {
        buf_deinit(&loaded);
    } else {
        buf_deinit(&state->all);
        state->all = loaded;
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum antiphon_status tool_state_get(struct tool_state *state, const char *key, char *json, size_t size, size_t *len)
{
    const char *value = NULL;
    size_t found = 0;

    pthread_mutex_lock(&state->lock);
    enum antiphon_status status = state_find(text_of(&state->all), len_of(&state->all), key, &value, &found);
    if (!status && len)
        *len = found;
    if (!status && found >= size)
        status = ANTIPHON_ETOOBIG;
    if (!status) {
        memcpy(json, value, found);
        json[found] = '\0';
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum antiphon_status tool_state_set(struct tool_state *state, const char *key, const char *json, size_t len,
                                    struct buf *delta)
{
    struct buf change;
    enum antiphon_status status;

    buf_init(&change, TOOL_STATE_MAX_BYTES);
    buf_puts(&change, "{");
    buf_json_string(&change, key, strlen(key));
    buf_puts(&change, ":");
    buf_append(&change, json, len);
    buf_puts(&change, "}");
    status = buf_status(&change);
    pthread_mutex_lock(&state->lock);
    if (!status)
        status = merge(delta, change.data, change.len);
    if (!status)
        status = merge(&state->all, change.data, change.len);
    pthread_mutex_unlock(&state->lock);
    buf_deinit(&change);
    return status;
}

char *tool_state_take(struct tool_state *state, struct buf *delta)
{
    char *text = NULL;

    pthread_mutex_lock(&state->lock);
    if (delta->len)
        text = buf_take(delta);
    buf_deinit(delta);
    pthread_mutex_unlock(&state->lock);
    return text;
}

void tool_state_end_turn(struct tool_state *state)
{
    struct buf kept;

    buf_init(&kept, TOOL_STATE_MAX_BYTES);
    pthread_mutex_lock(&state->lock);
    if (state->all.len && !state_without_temp(state->all.data, state->all.len, &kept)) {
        buf_deinit(&state->all);
        state->all = kept;
        buf_init(&kept, 0);
    }
    pthread_mutex_unlock(&state->lock);
    buf_deinit(&kept);
}

enum antiphon_status tool_state_print(struct tool_state *state, struct buf *out)
{
    pthread_mutex_lock(&state->lock);
    enum antiphon_status status = buf_append(out, text_of(&state->all), len_of(&state->all));
    pthread_mutex_unlock(&state->lock);
    return status;
}
