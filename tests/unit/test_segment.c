/* The segment machine: what it answers for every state and input, what holds for every combination of facts, and the
 * ladders that a talk climbs down. */
#include "unit.h"

#include "session/segment.h"

#define OPENING(how) (SEGMENT_CLOSE | (how) | SEGMENT_ARM | SEGMENT_TELL_RECONNECTING)
#define START(how) ((how) | SEGMENT_ARM | SEGMENT_TELL_CONNECTING)
#define FAIL (SEGMENT_CLOSE | SEGMENT_DISARM | SEGMENT_FAIL)

struct row {
    enum segment_state next;
    unsigned actions;
    uint32_t delay_ms;
};

/* A talk that was live before, in the middle of a turn, with a handle; CLOSED allows everything but says nothing of
 * waiting. Rows by state, columns by input. */
static const struct segment_facts table_facts = {
    .has_handle = true, .may_resume = true, .may_restart = true, .time_ms = 10000};
static const struct row table[SEGMENT_STATES][SEGMENT_INPUTS] = {
    [SEGMENT_OFF] = {
        [SEGMENT_IN_WANT] = {SEGMENT_RESUMING, START(SEGMENT_OPEN_RESUME), 0},
        [SEGMENT_IN_UNWANT] = {SEGMENT_OFF, SEGMENT_DISARM, 0},
        [SEGMENT_IN_READY] = {SEGMENT_OFF, 0, 0},
        [SEGMENT_IN_CLOSED] = {SEGMENT_OFF, 0, 0},
        [SEGMENT_IN_GO_AWAY] = {SEGMENT_OFF, 0, 0},
        [SEGMENT_IN_TURN_ENDED] = {SEGMENT_OFF, 0, 0},
        [SEGMENT_IN_HANDLE] = {SEGMENT_OFF, 0, 0},
        [SEGMENT_IN_TIMER] = {SEGMENT_OFF, 0, 0},
        [SEGMENT_IN_TEXT] = {SEGMENT_OFF, 0, 0},
        [SEGMENT_IN_REOPEN] = {SEGMENT_OFF, 0, 0},
    },
    [SEGMENT_RESUMING] = {
        [SEGMENT_IN_WANT] = {SEGMENT_RESUMING, 0, 0},
        [SEGMENT_IN_UNWANT] = {SEGMENT_OFF, SEGMENT_DISARM | SEGMENT_CLOSE, 0},
        [SEGMENT_IN_READY] = {SEGMENT_LIVE, SEGMENT_DISARM | SEGMENT_TELL_LIVE, 0},
        [SEGMENT_IN_CLOSED] = {SEGMENT_FRESH,
                               SEGMENT_CLOSE | SEGMENT_DROP_HANDLE | SEGMENT_OPEN_FRESH | SEGMENT_ARM, 0},
        [SEGMENT_IN_GO_AWAY] = {SEGMENT_RESUMING, 0, 0},
        [SEGMENT_IN_TURN_ENDED] = {SEGMENT_RESUMING, 0, 0},
        [SEGMENT_IN_HANDLE] = {SEGMENT_RESUMING, 0, 0},
        [SEGMENT_IN_TIMER] = {SEGMENT_FRESH,
                              SEGMENT_CLOSE | SEGMENT_DROP_HANDLE | SEGMENT_OPEN_FRESH | SEGMENT_ARM, 0},
        [SEGMENT_IN_TEXT] = {SEGMENT_RESUMING, 0, 0},
        [SEGMENT_IN_REOPEN] = {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME), 0},
    },
    [SEGMENT_FRESH] = {
        [SEGMENT_IN_WANT] = {SEGMENT_FRESH, 0, 0},
        [SEGMENT_IN_UNWANT] = {SEGMENT_OFF, SEGMENT_DISARM | SEGMENT_CLOSE, 0},
        [SEGMENT_IN_READY] = {SEGMENT_LIVE, SEGMENT_DISARM | SEGMENT_TELL_LIVE, 0},
        [SEGMENT_IN_CLOSED] = {SEGMENT_WAITING, SEGMENT_CLOSE | SEGMENT_ARM | SEGMENT_TELL_RECONNECTING, 250},
        [SEGMENT_IN_GO_AWAY] = {SEGMENT_FRESH, 0, 0},
        [SEGMENT_IN_TURN_ENDED] = {SEGMENT_FRESH, 0, 0},
        [SEGMENT_IN_HANDLE] = {SEGMENT_FRESH, 0, 0},
        [SEGMENT_IN_TIMER] = {SEGMENT_WAITING, SEGMENT_CLOSE | SEGMENT_ARM | SEGMENT_TELL_RECONNECTING, 250},
        [SEGMENT_IN_TEXT] = {SEGMENT_FRESH, 0, 0},
        [SEGMENT_IN_REOPEN] = {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME), 0},
    },
    [SEGMENT_LIVE] = {
        [SEGMENT_IN_WANT] = {SEGMENT_LIVE, 0, 0},
        [SEGMENT_IN_UNWANT] = {SEGMENT_OFF, SEGMENT_DISARM | SEGMENT_CLOSE, 0},
        [SEGMENT_IN_READY] = {SEGMENT_LIVE, 0, 0},
        [SEGMENT_IN_CLOSED] = {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME) | SEGMENT_LOST, 0},
        [SEGMENT_IN_GO_AWAY] = {SEGMENT_DRAINING, SEGMENT_ARM, 10000 - SEGMENT_GO_AWAY_MARGIN_MS},
        [SEGMENT_IN_TURN_ENDED] = {SEGMENT_LIVE, 0, 0},
        [SEGMENT_IN_HANDLE] = {SEGMENT_LIVE, 0, 0},
        [SEGMENT_IN_TIMER] = {SEGMENT_LIVE, 0, 0},
        [SEGMENT_IN_TEXT] = {SEGMENT_LIVE, 0, 0},
        [SEGMENT_IN_REOPEN] = {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME) | SEGMENT_LOST, 0},
    },
    [SEGMENT_DRAINING] = {
        [SEGMENT_IN_WANT] = {SEGMENT_DRAINING, 0, 0},
        [SEGMENT_IN_UNWANT] = {SEGMENT_OFF, SEGMENT_DISARM | SEGMENT_CLOSE, 0},
        [SEGMENT_IN_READY] = {SEGMENT_DRAINING, 0, 0},
        [SEGMENT_IN_CLOSED] = {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME) | SEGMENT_LOST, 0},
        [SEGMENT_IN_GO_AWAY] = {SEGMENT_DRAINING, SEGMENT_ARM, 10000 - SEGMENT_GO_AWAY_MARGIN_MS},
        [SEGMENT_IN_TURN_ENDED] = {SEGMENT_DRAINING, SEGMENT_ARM, SEGMENT_HANDLE_GRACE_MS},
        [SEGMENT_IN_HANDLE] = {SEGMENT_DRAINING, 0, 0},
        [SEGMENT_IN_TIMER] = {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME) | SEGMENT_LOST, 0},
        [SEGMENT_IN_TEXT] = {SEGMENT_DRAINING, 0, 0},
        [SEGMENT_IN_REOPEN] = {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME) | SEGMENT_LOST, 0},
    },
    [SEGMENT_WAITING] = {
        [SEGMENT_IN_WANT] = {SEGMENT_WAITING, 0, 0},
        [SEGMENT_IN_UNWANT] = {SEGMENT_OFF, SEGMENT_DISARM, 0},
        [SEGMENT_IN_READY] = {SEGMENT_WAITING, 0, 0},
        [SEGMENT_IN_CLOSED] = {SEGMENT_WAITING, 0, 0},
        [SEGMENT_IN_GO_AWAY] = {SEGMENT_WAITING, 0, 0},
        [SEGMENT_IN_TURN_ENDED] = {SEGMENT_WAITING, 0, 0},
        [SEGMENT_IN_HANDLE] = {SEGMENT_WAITING, 0, 0},
        [SEGMENT_IN_TIMER] = {SEGMENT_RESUMING, SEGMENT_OPEN_RESUME | SEGMENT_ARM, 0},
        [SEGMENT_IN_TEXT] = {SEGMENT_WAITING, 0, 0},
        [SEGMENT_IN_REOPEN] = {SEGMENT_RESUMING, SEGMENT_OPEN_RESUME | SEGMENT_ARM, 0},
    },
    [SEGMENT_FAILED] = {
        [SEGMENT_IN_WANT] = {SEGMENT_RESUMING, START(SEGMENT_OPEN_RESUME), 0},
        [SEGMENT_IN_UNWANT] = {SEGMENT_OFF, SEGMENT_DISARM, 0},
        [SEGMENT_IN_READY] = {SEGMENT_FAILED, 0, 0},
        [SEGMENT_IN_CLOSED] = {SEGMENT_FAILED, 0, 0},
        [SEGMENT_IN_GO_AWAY] = {SEGMENT_FAILED, 0, 0},
        [SEGMENT_IN_TURN_ENDED] = {SEGMENT_FAILED, 0, 0},
        [SEGMENT_IN_HANDLE] = {SEGMENT_FAILED, 0, 0},
        [SEGMENT_IN_TIMER] = {SEGMENT_FAILED, 0, 0},
        [SEGMENT_IN_TEXT] = {SEGMENT_RESUMING, START(SEGMENT_OPEN_RESUME), 0},
        [SEGMENT_IN_REOPEN] = {SEGMENT_RESUMING, START(SEGMENT_OPEN_RESUME), 0},
    },
};

static void every_state_and_input(void **unused)
{
    (void)unused;
    for (unsigned state = 0; state < SEGMENT_STATES; state++) {
        for (unsigned input = 0; input < SEGMENT_INPUTS; input++) {
            struct segment segment = {.state = (enum segment_state)state, .was_live = true};
            const struct row *want = &table[state][input];
            struct segment_step step = segment_step(&segment, (enum segment_input)input, &table_facts);
            if (segment.state != want->next || step.actions != want->actions || step.delay_ms != want->delay_ms)
                fail_msg("%s + input %u: %s actions %#x after %u ms, want %s %#x after %u ms",
                         segment_state_name((enum segment_state)state), input, segment_state_name(segment.state),
                         step.actions, step.delay_ms, segment_state_name(want->next), want->actions,
                         want->delay_ms);
        }
    }
}

/* ---- where the facts decide ---- */

struct turnout {
    const char *name;
    enum segment_state state;
    unsigned attempts;
    bool was_live;
    enum segment_input input;
    struct segment_facts facts;
    struct row want;
};

static const struct turnout turnouts[] = {
    {"no handle: the first connection is fresh", SEGMENT_OFF, 0, false, SEGMENT_IN_WANT, {0},
     {SEGMENT_FRESH, START(SEGMENT_OPEN_FRESH), 0}},
    {"no handle: text after a failure", SEGMENT_FAILED, 3, false, SEGMENT_IN_TEXT, {0},
     {SEGMENT_FRESH, START(SEGMENT_OPEN_FRESH), 0}},
    {"the pause is over, the handle was dropped", SEGMENT_WAITING, 2, true, SEGMENT_IN_TIMER, {0},
     {SEGMENT_FRESH, SEGMENT_OPEN_FRESH | SEGMENT_ARM, 0}},

    {"cut, nothing may help", SEGMENT_LIVE, 0, true, SEGMENT_IN_CLOSED, {.has_handle = true},
     {SEGMENT_FAILED, FAIL | SEGMENT_LOST, 0}},
    {"cut, waiting alone is no permission", SEGMENT_LIVE, 0, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .back_off = true}, {SEGMENT_FAILED, FAIL | SEGMENT_LOST, 0}},
    {"cut, no handle", SEGMENT_LIVE, 0, true, SEGMENT_IN_CLOSED, {.may_resume = true, .may_restart = true},
     {SEGMENT_FRESH, OPENING(SEGMENT_OPEN_FRESH) | SEGMENT_LOST, 0}},
    {"cut, the handle would not help", SEGMENT_LIVE, 0, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_restart = true},
     {SEGMENT_FRESH, OPENING(SEGMENT_OPEN_FRESH) | SEGMENT_LOST | SEGMENT_DROP_HANDLE, 0}},
    {"cut for the second time without a turn in between", SEGMENT_LIVE, 1, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_resume = true, .may_restart = true},
     {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME) | SEGMENT_LOST, 0}},
    {"cut for the third time: the handle is not trusted any more", SEGMENT_LIVE, 2, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_resume = true, .may_restart = true},
     {SEGMENT_FRESH, OPENING(SEGMENT_OPEN_FRESH) | SEGMENT_LOST | SEGMENT_DROP_HANDLE, 0}},
    {"cut too often", SEGMENT_LIVE, SEGMENT_MAX_ATTEMPTS, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_resume = true, .may_restart = true}, {SEGMENT_FAILED, FAIL | SEGMENT_LOST, 0}},
    {"cut by an overload: the handle is kept", SEGMENT_LIVE, 0, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_resume = true, .may_restart = true, .back_off = true},
     {SEGMENT_WAITING, SEGMENT_CLOSE | SEGMENT_LOST | SEGMENT_ARM | SEGMENT_TELL_RECONNECTING, 250}},
    {"cut by an overload, the handle would not help", SEGMENT_LIVE, 0, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_restart = true, .back_off = true},
     {SEGMENT_WAITING,
      SEGMENT_CLOSE | SEGMENT_LOST | SEGMENT_DROP_HANDLE | SEGMENT_ARM | SEGMENT_TELL_RECONNECTING, 250}},
    {"cut while draining", SEGMENT_DRAINING, 0, true, SEGMENT_IN_CLOSED,
     {.may_resume = true, .turn_idle = true}, {SEGMENT_FRESH, OPENING(SEGMENT_OPEN_FRESH) | SEGMENT_LOST, 0}},

    {"the handle is refused at the very first", SEGMENT_RESUMING, 0, false, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_restart = true},
     {SEGMENT_FRESH, SEGMENT_CLOSE | SEGMENT_DROP_HANDLE | SEGMENT_OPEN_FRESH | SEGMENT_ARM, 0}},
    {"the key is refused while resuming", SEGMENT_RESUMING, 0, true, SEGMENT_IN_CLOSED, {.has_handle = true},
     {SEGMENT_FAILED, FAIL, 0}},
    {"the network is down while resuming: the handle is kept", SEGMENT_RESUMING, 1, true, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_resume = true, .may_restart = true, .back_off = true},
     {SEGMENT_WAITING, SEGMENT_CLOSE | SEGMENT_ARM | SEGMENT_TELL_RECONNECTING, 500}},
    {"the network is down at the very first", SEGMENT_RESUMING, 0, false, SEGMENT_IN_CLOSED,
     {.has_handle = true, .may_resume = true, .may_restart = true, .back_off = true}, {SEGMENT_FAILED, FAIL, 0}},
    {"the first connection is not retried", SEGMENT_FRESH, 0, false, SEGMENT_IN_CLOSED,
     {.may_resume = true, .may_restart = true, .back_off = true}, {SEGMENT_FAILED, FAIL, 0}},
    {"the first connection takes too long", SEGMENT_FRESH, 0, false, SEGMENT_IN_TIMER,
     {.may_resume = true, .may_restart = true}, {SEGMENT_FAILED, FAIL, 0}},
    {"a fresh one is refused for good after it was live", SEGMENT_FRESH, 1, true, SEGMENT_IN_CLOSED,
     {.may_restart = true}, {SEGMENT_FAILED, FAIL, 0}},
    {"refused too often", SEGMENT_FRESH, SEGMENT_MAX_ATTEMPTS, true, SEGMENT_IN_CLOSED, {.may_resume = true},
     {SEGMENT_FAILED, FAIL, 0}},

    {"goAway between turns", SEGMENT_LIVE, 0, true, SEGMENT_IN_GO_AWAY,
     {.has_handle = true, .turn_idle = true, .time_ms = 10000},
     {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME), 0}},
    {"goAway between turns, no handle", SEGMENT_LIVE, 0, true, SEGMENT_IN_GO_AWAY, {.turn_idle = true},
     {SEGMENT_FRESH, OPENING(SEGMENT_OPEN_FRESH), 0}},
    {"goAway in a turn, nothing left", SEGMENT_LIVE, 0, true, SEGMENT_IN_GO_AWAY, {.time_ms = 0},
     {SEGMENT_DRAINING, SEGMENT_ARM, 1}},
    {"goAway in a turn, less than nothing left", SEGMENT_LIVE, 0, true, SEGMENT_IN_GO_AWAY,
     {.time_ms = INT64_MIN}, {SEGMENT_DRAINING, SEGMENT_ARM, 1}},
    {"goAway in a turn, for ever left", SEGMENT_LIVE, 0, true, SEGMENT_IN_GO_AWAY, {.time_ms = INT64_MAX},
     {SEGMENT_DRAINING, SEGMENT_ARM, 60000}},
    {"draining: the turn's handle is there", SEGMENT_DRAINING, 0, true, SEGMENT_IN_HANDLE,
     {.has_handle = true, .turn_idle = true}, {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME), 0}},
    {"draining: no handle came in time", SEGMENT_DRAINING, 0, true, SEGMENT_IN_TIMER, {.turn_idle = true},
     {SEGMENT_FRESH, OPENING(SEGMENT_OPEN_FRESH), 0}},
    {"another modality between turns", SEGMENT_LIVE, 0, true, SEGMENT_IN_REOPEN,
     {.has_handle = true, .turn_idle = true}, {SEGMENT_RESUMING, OPENING(SEGMENT_OPEN_RESUME), 0}},
    {"another modality while connecting, no handle", SEGMENT_FRESH, 0, false, SEGMENT_IN_REOPEN, {0},
     {SEGMENT_FRESH, OPENING(SEGMENT_OPEN_FRESH), 0}},
};

static void facts_decide(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(turnouts) / sizeof(turnouts[0]); i++) {
        const struct turnout *t = &turnouts[i];
        struct segment segment = {.state = t->state, .attempts = t->attempts, .was_live = t->was_live};
        struct segment_step step = segment_step(&segment, t->input, &t->facts);
        if (segment.state != t->want.next || step.actions != t->want.actions || step.delay_ms != t->want.delay_ms)
            fail_msg("%s: %s actions %#x after %u ms, want %s %#x after %u ms", t->name,
                     segment_state_name(segment.state), step.actions, step.delay_ms,
                     segment_state_name(t->want.next), t->want.actions, t->want.delay_ms);
    }
}

/* ---- what holds whatever the facts ---- */

static bool has_socket(enum segment_state state)
{
    return state == SEGMENT_RESUMING || state == SEGMENT_FRESH || state == SEGMENT_LIVE ||
           state == SEGMENT_DRAINING;
}

#define HOLDS(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("%s + input %u -> %s actions %#x: %s", segment_state_name(before->state), input,        \
                     segment_state_name(after->state), step->actions, #condition);                           \
    } while (0)

static void check_step(const struct segment *before, unsigned input, const struct segment_facts *facts,
                       const struct segment *after, const struct segment_step *step)
{
    unsigned opens = step->actions & (SEGMENT_OPEN_RESUME | SEGMENT_OPEN_FRESH);
    unsigned timer = step->actions & (SEGMENT_ARM | SEGMENT_DISARM);
    bool live = after->state == SEGMENT_LIVE || after->state == SEGMENT_DRAINING;

    HOLDS(after->state < SEGMENT_STATES);
    HOLDS(after->attempts <= SEGMENT_MAX_ATTEMPTS + 1);
    HOLDS(opens != (SEGMENT_OPEN_RESUME | SEGMENT_OPEN_FRESH));
    HOLDS(!opens == !(after->state == SEGMENT_RESUMING || after->state == SEGMENT_FRESH) ||
          (!step->actions && before->state == after->state));
    HOLDS(!(opens & SEGMENT_OPEN_RESUME) || (after->state == SEGMENT_RESUMING && facts->has_handle));
    HOLDS(!(opens & SEGMENT_OPEN_FRESH) || after->state == SEGMENT_FRESH);
    /* never two sockets, and none is forgotten */
    HOLDS(!opens || !has_socket(before->state) || step->actions & SEGMENT_CLOSE);
    HOLDS(!has_socket(before->state) || has_socket(after->state) || step->actions & SEGMENT_CLOSE);
    HOLDS(has_socket(before->state) || !(step->actions & SEGMENT_CLOSE));
    /* whoever waits has a deadline */
    HOLDS(timer != (SEGMENT_ARM | SEGMENT_DISARM));
    HOLDS(!opens || timer == SEGMENT_ARM);
    HOLDS(after->state == before->state || after->state != SEGMENT_WAITING || timer == SEGMENT_ARM);
    HOLDS(after->state == before->state || after->state != SEGMENT_DRAINING || timer == SEGMENT_ARM);
    HOLDS(step->delay_ms == 0 || timer == SEGMENT_ARM);
    HOLDS(step->delay_ms <= 60000);
    HOLDS(opens ? step->delay_ms == 0 : timer != SEGMENT_ARM || step->delay_ms > 0);
    /* what is told */
    HOLDS(!(step->actions & SEGMENT_FAIL) == !(after->state == SEGMENT_FAILED && before->state != SEGMENT_FAILED));
    HOLDS(!(step->actions & SEGMENT_TELL_LIVE) == !(live && !segment_live(before)));
    HOLDS(!(step->actions & SEGMENT_LOST) || segment_live(before));
    HOLDS(!(step->actions & SEGMENT_DROP_HANDLE) || !(opens & SEGMENT_OPEN_RESUME));
    HOLDS(after->was_live || after->state != SEGMENT_LIVE);
    HOLDS(segment_live(after) == live);
    HOLDS(segment_pending(after) == (after->state == SEGMENT_RESUMING || after->state == SEGMENT_FRESH ||
                                     after->state == SEGMENT_WAITING));
}

static void every_combination_of_facts(void **unused)
{
    static const unsigned attempts[] = {0, 1, 2, 3, SEGMENT_MAX_ATTEMPTS - 1, SEGMENT_MAX_ATTEMPTS};
    static const int64_t times[] = {INT64_MIN, 0, 1001, 50000, INT64_MAX};
    unsigned n = 0;

    (void)unused;
    for (unsigned code = 0; code < SEGMENT_STATES * SEGMENT_INPUTS * 64u; code++) {
        unsigned bits = code % 64, input = code / 64 % SEGMENT_INPUTS;
        enum segment_state state = (enum segment_state)(code / 64 / SEGMENT_INPUTS);
        bool handle = bits & 1 || state == SEGMENT_RESUMING; /* it resumes with one */
        bool was_live = bits & 32 || state == SEGMENT_LIVE || state == SEGMENT_DRAINING;
        for (size_t a = 0; a < sizeof(attempts) / sizeof(attempts[0]); a++) {
            struct segment_facts facts = {handle, bits & 2, bits & 4, bits & 8, bits & 16, times[n % 5]};
            struct segment before = {state, attempts[a], was_live}, after = before;
            struct segment_step step = segment_step(&after, (enum segment_input)input, &facts);
            check_step(&before, input, &facts, &after, &step);
            n++;
        }
    }
    assert_int_equal(n, SEGMENT_STATES * SEGMENT_INPUTS * 64 * 6);
}

/* ---- ladders ---- */

static const struct segment_facts network = {.may_resume = true, .may_restart = true, .back_off = true};
static const struct segment_facts none = {0};

static struct segment live(void)
{
    struct segment segment = {.state = SEGMENT_OFF};

    segment_step(&segment, SEGMENT_IN_WANT, &none);
    segment_step(&segment, SEGMENT_IN_READY, &none);
    assert_int_equal(segment.state, SEGMENT_LIVE);
    return segment;
}

static void handle_then_fresh_then_the_error(void **unused)
{
    const struct segment_facts broke = {.has_handle = true, .may_resume = true, .may_restart = true};
    const struct segment_facts unknown = {.has_handle = true, .may_restart = true};
    struct segment segment = live();
    unsigned actions;

    (void)unused;
    assert_true(segment_step(&segment, SEGMENT_IN_CLOSED, &broke).actions & SEGMENT_OPEN_RESUME);
    actions = segment_step(&segment, SEGMENT_IN_CLOSED, &unknown).actions;
    assert_true(actions & SEGMENT_DROP_HANDLE);
    assert_true(actions & SEGMENT_OPEN_FRESH);
    assert_true(segment_step(&segment, SEGMENT_IN_CLOSED, &none).actions & SEGMENT_FAIL);
    assert_int_equal(segment.state, SEGMENT_FAILED);
    /* the next text tries once more, and anew: this time it is the first connection again */
    assert_true(segment_step(&segment, SEGMENT_IN_TEXT, &none).actions & SEGMENT_OPEN_FRESH);
    assert_true(segment_step(&segment, SEGMENT_IN_CLOSED, &network).actions & SEGMENT_FAIL);
}

static void pauses_grow_and_end(void **unused)
{
    static const uint32_t want[SEGMENT_MAX_ATTEMPTS] = {250, 500, 1000, 2000, 4000};
    struct segment segment = live();
    struct segment_step step;

    (void)unused;
    for (unsigned i = 0; i < SEGMENT_MAX_ATTEMPTS; i++) {
        step = segment_step(&segment, SEGMENT_IN_CLOSED, &network);
        assert_int_equal(segment.state, SEGMENT_WAITING);
        assert_int_equal(step.delay_ms, want[i]);
        segment_step(&segment, SEGMENT_IN_TIMER, &none);
        assert_int_equal(segment.state, SEGMENT_FRESH);
    }
    assert_true(segment_step(&segment, SEGMENT_IN_CLOSED, &network).actions & SEGMENT_FAIL);
}

static void a_turn_that_ended_well_forgives(void **unused)
{
    const struct segment_facts broke = {.has_handle = true, .may_resume = true, .may_restart = true};
    struct segment segment = live();

    (void)unused;
    for (unsigned i = 0; i < 3 * SEGMENT_MAX_ATTEMPTS; i++) {
        segment_step(&segment, SEGMENT_IN_CLOSED, &broke);
        assert_int_equal(segment.state, SEGMENT_RESUMING);
        segment_step(&segment, SEGMENT_IN_READY, &none);
        segment_step(&segment, SEGMENT_IN_TURN_ENDED, &none);
        assert_int_equal(segment.attempts, 0);
    }
}

static void a_connection_that_dies_again_and_again_is_given_up(void **unused)
{
    const struct segment_facts broke = {.has_handle = true, .may_resume = true, .may_restart = true};
    struct segment segment = live();
    unsigned n = 0;

    (void)unused;
    while (segment.state != SEGMENT_FAILED) {
        segment_step(&segment, SEGMENT_IN_CLOSED, &broke);
        if (segment.state != SEGMENT_FAILED)
            segment_step(&segment, SEGMENT_IN_READY, &none);
        assert_true(++n <= SEGMENT_MAX_ATTEMPTS + 1);
    }
    assert_int_equal(n, SEGMENT_MAX_ATTEMPTS + 1);
}

static void go_away_lets_the_turn_end(void **unused)
{
    const struct segment_facts busy = {.has_handle = true, .time_ms = 5000};
    const struct segment_facts idle = {.has_handle = true, .turn_idle = true};
    struct segment segment = live();
    struct segment_step step;

    (void)unused;
    step = segment_step(&segment, SEGMENT_IN_GO_AWAY, &busy);
    assert_int_equal(step.delay_ms, 4000);
    assert_true(segment_live(&segment)); /* it is still talked to */
    assert_int_equal(segment_step(&segment, SEGMENT_IN_HANDLE, &busy).actions, 0);
    step = segment_step(&segment, SEGMENT_IN_TURN_ENDED, &idle);
    assert_int_equal(step.delay_ms, SEGMENT_HANDLE_GRACE_MS);
    step = segment_step(&segment, SEGMENT_IN_HANDLE, &idle);
    assert_int_equal(segment.state, SEGMENT_RESUMING);
    assert_false(step.actions & SEGMENT_LOST);
    /* it does not count against the connection */
    assert_int_equal(segment.attempts, 0);
    /* and being replaced, it may be retried like any that was live */
    segment_step(&segment, SEGMENT_IN_CLOSED, &network);
    assert_int_equal(segment.state, SEGMENT_WAITING);
}

static void go_away_cuts_a_turn_that_does_not_end(void **unused)
{
    const struct segment_facts busy = {.has_handle = true, .time_ms = 5000};
    struct segment segment = live();
    unsigned actions;

    (void)unused;
    segment_step(&segment, SEGMENT_IN_GO_AWAY, &busy);
    actions = segment_step(&segment, SEGMENT_IN_TIMER, &busy).actions;
    assert_true(actions & SEGMENT_LOST);
    assert_true(actions & SEGMENT_CLOSE);
    assert_true(actions & SEGMENT_OPEN_RESUME);
}

static void nobody_left_ends_everything(void **unused)
{
    (void)unused;
    for (unsigned state = 0; state < SEGMENT_STATES; state++) {
        struct segment segment = {.state = (enum segment_state)state, .attempts = 3, .was_live = true};
        segment_step(&segment, SEGMENT_IN_UNWANT, &none);
        assert_int_equal(segment.state, SEGMENT_OFF);
        assert_false(segment.was_live);
        assert_true(segment_step(&segment, SEGMENT_IN_WANT, &none).actions & SEGMENT_TELL_CONNECTING);
        assert_int_equal(segment.attempts, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_input),
        cmocka_unit_test(facts_decide),
        cmocka_unit_test(every_combination_of_facts),
        cmocka_unit_test(handle_then_fresh_then_the_error),
        cmocka_unit_test(pauses_grow_and_end),
        cmocka_unit_test(a_turn_that_ended_well_forgives),
        cmocka_unit_test(a_connection_that_dies_again_and_again_is_given_up),
        cmocka_unit_test(go_away_lets_the_turn_end),
        cmocka_unit_test(go_away_cuts_a_turn_that_does_not_end),
        cmocka_unit_test(nobody_left_ends_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
