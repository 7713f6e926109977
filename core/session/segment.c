#include "session/segment.h"

#define GO_AWAY_MAX_MS (60000 + SEGMENT_GO_AWAY_MARGIN_MS)

const char *segment_state_name(enum segment_state state)
{
    static const char *const names[SEGMENT_STATES] = {"off",      "resuming", "fresh", "live",
                                                      "draining", "waiting",  "failed"};
    return names[state];
}

bool segment_live(const struct segment *segment)
{
    return segment->state == SEGMENT_LIVE || segment->state == SEGMENT_DRAINING;
}

bool segment_pending(const struct segment *segment)
{
    return segment->state == SEGMENT_RESUMING || segment->state == SEGMENT_FRESH ||
           segment->state == SEGMENT_WAITING;
}

static unsigned segment_open(struct segment *segment, bool resume)
{
    segment->state = resume ? SEGMENT_RESUMING : SEGMENT_FRESH;
    return (resume ? SEGMENT_OPEN_RESUME : SEGMENT_OPEN_FRESH) | SEGMENT_ARM;
}

static struct segment_step segment_start(struct segment *segment, const struct segment_facts *facts)
{
    segment->attempts = 0;
    segment->was_live = false;
    return (struct segment_step){segment_open(segment, facts->has_handle) | SEGMENT_TELL_CONNECTING, 0};
}

static struct segment_step segment_fail(struct segment *segment, unsigned actions)
{
    segment->state = SEGMENT_FAILED;
    segment->was_live = false;
    return (struct segment_step){actions | SEGMENT_DISARM | SEGMENT_FAIL, 0};
}

static struct segment_step segment_pause(struct segment *segment, unsigned actions)
{
    uint32_t delay_ms = 250u << (segment->attempts < 5 ? segment->attempts : 5);

    if (segment->attempts >= SEGMENT_MAX_ATTEMPTS)
        return segment_fail(segment, actions);
    segment->attempts++;
    segment->state = SEGMENT_WAITING;
    return (struct segment_step){actions | SEGMENT_ARM | SEGMENT_TELL_RECONNECTING, delay_ms};
}

/* A live connection ended. */
static struct segment_step segment_cut(struct segment *segment, const struct segment_facts *facts)
{
    unsigned actions = SEGMENT_CLOSE | SEGMENT_LOST;
    /* A handle can carry the state that killed the last connection: do not trust it for ever. */
    bool resume = facts->has_handle && facts->may_resume && segment->attempts < 2;

    if (!facts->may_resume && !facts->may_restart)
        return segment_fail(segment, actions);
    if (segment->attempts >= SEGMENT_MAX_ATTEMPTS)
        return segment_fail(segment, actions);
    if (facts->has_handle && !resume)
        actions |= SEGMENT_DROP_HANDLE;
    if (facts->back_off)
        return segment_pause(segment, actions);
    segment->attempts++;
    return (struct segment_step){actions | segment_open(segment, resume) | SEGMENT_TELL_RECONNECTING, 0};
}

/* A connection could not be made. */
static struct segment_step segment_refused(struct segment *segment, const struct segment_facts *facts)
{
    unsigned actions = SEGMENT_CLOSE;

    /* A network that is down or a service that is overloaded says nothing about the handle. */
    if (segment->state == SEGMENT_RESUMING && facts->may_restart && !facts->back_off) {
        segment->attempts++;
        return (struct segment_step){actions | SEGMENT_DROP_HANDLE | segment_open(segment, false), 0};
    }
    if (segment->was_live && facts->may_resume)
        return segment_pause(segment, actions);
    return segment_fail(segment, actions);
}

static struct segment_step segment_reopen(struct segment *segment, const struct segment_facts *facts,
                                          unsigned actions)
{
    return (struct segment_step){actions | SEGMENT_CLOSE | segment_open(segment, facts->has_handle) |
                                     SEGMENT_TELL_RECONNECTING, 0};
}

static struct segment_step segment_on_live(struct segment *segment, enum segment_input input,
                                           const struct segment_facts *facts)
{
    bool draining = segment->state == SEGMENT_DRAINING;
    int64_t left;

    switch (input) {
    case SEGMENT_IN_CLOSED:
        return segment_cut(segment, facts);
    case SEGMENT_IN_GO_AWAY:
        if (facts->turn_idle)
            return segment_reopen(segment, facts, 0);
        segment->state = SEGMENT_DRAINING;
        left = facts->time_ms < GO_AWAY_MAX_MS ? facts->time_ms : GO_AWAY_MAX_MS;
        left = left > SEGMENT_GO_AWAY_MARGIN_MS ? left - SEGMENT_GO_AWAY_MARGIN_MS : 1;
        return (struct segment_step){SEGMENT_ARM, (uint32_t)left};
    case SEGMENT_IN_TURN_ENDED:
        segment->attempts = 0;
        return draining ? (struct segment_step){SEGMENT_ARM, SEGMENT_HANDLE_GRACE_MS}
                        : (struct segment_step){0, 0};
    case SEGMENT_IN_HANDLE:
        if (draining && facts->turn_idle)
            return segment_reopen(segment, facts, 0);
        break;
    case SEGMENT_IN_TIMER:
        if (draining)
            return segment_reopen(segment, facts, facts->turn_idle ? 0 : SEGMENT_LOST);
        break;
    case SEGMENT_IN_REOPEN:
        return segment_reopen(segment, facts, facts->turn_idle ? 0 : SEGMENT_LOST);
    default:
        break;
    }
    return (struct segment_step){0, 0};
}

static struct segment_step segment_on_opening(struct segment *segment, enum segment_input input,
                                              const struct segment_facts *facts)
{
    switch (input) {
    case SEGMENT_IN_READY:
        segment->state = SEGMENT_LIVE;
        segment->was_live = true;
        return (struct segment_step){SEGMENT_DISARM | SEGMENT_TELL_LIVE, 0};
    case SEGMENT_IN_TIMER: /* the setup deadline; the caller has filled in what that allows */
    case SEGMENT_IN_CLOSED:
        return segment_refused(segment, facts);
    case SEGMENT_IN_REOPEN:
        return segment_reopen(segment, facts, 0);
    default:
        return (struct segment_step){0, 0};
    }
}

static struct segment_step segment_on_down(struct segment *segment, enum segment_input input,
                                           const struct segment_facts *facts)
{
    bool open = false;

    switch (segment->state) {
    case SEGMENT_OFF:
        open = input == SEGMENT_IN_WANT;
        break;
    case SEGMENT_FAILED:
        open = input == SEGMENT_IN_WANT || input == SEGMENT_IN_TEXT || input == SEGMENT_IN_REOPEN;
        break;
    case SEGMENT_WAITING:
        if (input == SEGMENT_IN_TIMER || input == SEGMENT_IN_REOPEN)
            return (struct segment_step){segment_open(segment, facts->has_handle), 0};
        break;
    default:
        break;
    }
    return open ? segment_start(segment, facts) : (struct segment_step){0, 0};
}

struct segment_step segment_step(struct segment *segment, enum segment_input input,
                                 const struct segment_facts *facts)
{
    if (input == SEGMENT_IN_UNWANT) {
        bool open = segment->state != SEGMENT_OFF && segment->state != SEGMENT_FAILED &&
                    segment->state != SEGMENT_WAITING;
        segment->state = SEGMENT_OFF;
        segment->was_live = false;
        return (struct segment_step){SEGMENT_DISARM | (open ? SEGMENT_CLOSE : 0u), 0};
    }
    if (segment_live(segment))
        return segment_on_live(segment, input, facts);
    if (segment->state == SEGMENT_RESUMING || segment->state == SEGMENT_FRESH)
        return segment_on_opening(segment, input, facts);
    return segment_on_down(segment, input, facts);
}
