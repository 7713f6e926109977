/* The turn machine: what it answers for every state and input, and the talks that matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "session/turn.h"

#define TELL (TURN_FLUSH | TURN_SAVE_OUTPUT | TURN_MARK_INTERRUPTED | TURN_TELL_INTERRUPTED)
#define DONE (TURN_SAVE_INPUT | TURN_SAVE_OUTPUT | TURN_TELL_COMPLETE | TURN_SEEN)
#define STOP                                                                                       \
    (TURN_FLUSH | TURN_CANCEL_TOOLS | TURN_SAVE_INPUT | TURN_SAVE_OUTPUT | TURN_MARK_INTERRUPTED | \
     TURN_TELL_INTERRUPTED | TURN_SEEN)
#define LOST (TURN_SAVE_INPUT | TURN_SEEN)

struct row {
    enum turn_state next;
    unsigned actions;
};

/* Nothing in flight. Rows by state, columns by input. */
static const struct row table[TURN_STATES][TURN_INPUTS] = {
    [TURN_IDLE] = {
        [TURN_IN_TEXT] = {TURN_THINKING, TURN_SAVE_INPUT | TURN_WAIT},
        [TURN_IN_SPEECH] = {TURN_LISTENING, 0},
        [TURN_IN_SPEECH_END] = {TURN_IDLE, 0},
        [TURN_IN_AUDIO] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_OUTPUT] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_TOOL_CALL] = {TURN_TOOL, TURN_SEEN},
        [TURN_IN_TOOLS_ANSWERED] = {TURN_THINKING, 0},
        [TURN_IN_COMPLETE] = {TURN_IDLE, DONE},
        [TURN_IN_INTERRUPTED] = {TURN_IDLE, TELL},
        [TURN_IN_STOP] = {TURN_IDLE, TURN_FLUSH},
        [TURN_IN_LOST] = {TURN_IDLE, LOST},
    },
    [TURN_LISTENING] = {
        [TURN_IN_TEXT] = {TURN_THINKING, TURN_SAVE_INPUT | TURN_WAIT},
        [TURN_IN_SPEECH] = {TURN_LISTENING, 0},
        [TURN_IN_SPEECH_END] = {TURN_THINKING, TURN_WAIT},
        [TURN_IN_AUDIO] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_OUTPUT] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_TOOL_CALL] = {TURN_TOOL, TURN_SEEN},
        [TURN_IN_TOOLS_ANSWERED] = {TURN_THINKING, 0},
        [TURN_IN_COMPLETE] = {TURN_IDLE, DONE},
        [TURN_IN_INTERRUPTED] = {TURN_LISTENING, TELL},
        [TURN_IN_STOP] = {TURN_LISTENING, TURN_FLUSH},
        [TURN_IN_LOST] = {TURN_IDLE, LOST},
    },
    [TURN_THINKING] = {
        [TURN_IN_TEXT] = {TURN_THINKING, TURN_SAVE_INPUT | TURN_WAIT},
        [TURN_IN_SPEECH] = {TURN_THINKING, 0},
        [TURN_IN_SPEECH_END] = {TURN_THINKING, 0},
        [TURN_IN_AUDIO] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_OUTPUT] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_TOOL_CALL] = {TURN_TOOL, TURN_SEEN},
        [TURN_IN_TOOLS_ANSWERED] = {TURN_THINKING, 0},
        [TURN_IN_COMPLETE] = {TURN_IDLE, DONE},
        [TURN_IN_INTERRUPTED] = {TURN_INTERRUPTED, TELL | TURN_SEEN},
        [TURN_IN_STOP] = {TURN_STOPPED, STOP},
        [TURN_IN_LOST] = {TURN_IDLE, LOST},
    },
    [TURN_SPEAKING] = {
        [TURN_IN_TEXT] = {TURN_SPEAKING, TURN_SAVE_INPUT | TURN_WAIT},
        [TURN_IN_SPEECH] = {TURN_SPEAKING, 0},
        [TURN_IN_SPEECH_END] = {TURN_SPEAKING, 0},
        [TURN_IN_AUDIO] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_OUTPUT] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_TOOL_CALL] = {TURN_TOOL, TURN_SEEN},
        [TURN_IN_TOOLS_ANSWERED] = {TURN_SPEAKING, 0},
        [TURN_IN_COMPLETE] = {TURN_IDLE, DONE},
        [TURN_IN_INTERRUPTED] = {TURN_INTERRUPTED, TELL | TURN_SEEN},
        [TURN_IN_STOP] = {TURN_STOPPED, STOP},
        [TURN_IN_LOST] = {TURN_IDLE, LOST | TELL | TURN_TELL_COMPLETE},
    },
    [TURN_TOOL] = {
        [TURN_IN_TEXT] = {TURN_TOOL, TURN_SAVE_INPUT | TURN_WAIT},
        [TURN_IN_SPEECH] = {TURN_TOOL, 0},
        [TURN_IN_SPEECH_END] = {TURN_TOOL, 0},
        [TURN_IN_AUDIO] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_OUTPUT] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_TOOL_CALL] = {TURN_TOOL, TURN_SEEN},
        [TURN_IN_TOOLS_ANSWERED] = {TURN_THINKING, TURN_WAIT},
        [TURN_IN_COMPLETE] = {TURN_IDLE, DONE},
        [TURN_IN_INTERRUPTED] = {TURN_INTERRUPTED, TELL | TURN_SEEN},
        [TURN_IN_STOP] = {TURN_STOPPED, STOP},
        [TURN_IN_LOST] = {TURN_IDLE, LOST | TELL | TURN_TELL_COMPLETE},
    },
    [TURN_INTERRUPTED] = {
        [TURN_IN_TEXT] = {TURN_INTERRUPTED, TURN_SAVE_INPUT | TURN_WAIT},
        [TURN_IN_SPEECH] = {TURN_INTERRUPTED, 0},
        [TURN_IN_SPEECH_END] = {TURN_INTERRUPTED, 0},
        [TURN_IN_AUDIO] = {TURN_INTERRUPTED, TURN_DROP},
        [TURN_IN_OUTPUT] = {TURN_SPEAKING, TURN_SEEN},
        [TURN_IN_TOOL_CALL] = {TURN_TOOL, TURN_SEEN},
        [TURN_IN_TOOLS_ANSWERED] = {TURN_INTERRUPTED, 0},
        [TURN_IN_COMPLETE] = {TURN_IDLE, DONE},
        [TURN_IN_INTERRUPTED] = {TURN_INTERRUPTED, TURN_FLUSH},
        [TURN_IN_STOP] = {TURN_INTERRUPTED, TURN_FLUSH},
        [TURN_IN_LOST] = {TURN_IDLE, LOST | TURN_TELL_COMPLETE},
    },
    [TURN_STOPPED] = {
        [TURN_IN_TEXT] = {TURN_STOPPED, TURN_SAVE_INPUT | TURN_WAIT},
        [TURN_IN_SPEECH] = {TURN_STOPPED, 0},
        [TURN_IN_SPEECH_END] = {TURN_STOPPED, 0},
        [TURN_IN_AUDIO] = {TURN_STOPPED, TURN_DROP},
        [TURN_IN_OUTPUT] = {TURN_STOPPED, TURN_DROP},
        [TURN_IN_TOOL_CALL] = {TURN_STOPPED, TURN_DROP},
        [TURN_IN_TOOLS_ANSWERED] = {TURN_STOPPED, 0},
        [TURN_IN_COMPLETE] = {TURN_IDLE, DONE},
        [TURN_IN_INTERRUPTED] = {TURN_STOPPED, 0},
        [TURN_IN_STOP] = {TURN_STOPPED, TURN_FLUSH},
        [TURN_IN_LOST] = {TURN_IDLE, LOST | TURN_TELL_COMPLETE},
    },
};

static void every_state_and_input(void **unused)
{
    (void)unused;
    for (unsigned state = 0; state < TURN_STATES; state++) {
        for (unsigned input = 0; input < TURN_INPUTS; input++) {
            struct turn turn = {.state = (enum turn_state)state};
            unsigned actions = turn_step(&turn, (enum turn_input)input);
            if (turn.state != table[state][input].next || actions != table[state][input].actions)
                fail_msg("%s + input %u: %s actions %#x, want %s %#x", turn_state_name(state), input,
                         turn_state_name(turn.state), actions, turn_state_name(table[state][input].next),
                         table[state][input].actions);
        }
    }
}

static void text_typed_over_an_answer_keeps_its_own_turn(void **unused)
{
    struct turn turn = {0};

    (void)unused;
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_OUTPUT);
    uint64_t first = turn.id;
    turn_step(&turn, TURN_IN_TEXT);
    assert_true(turn_step(&turn, TURN_IN_INTERRUPTED) & TURN_TELL_INTERRUPTED);
    assert_true(turn.waiting);
    unsigned end = turn_step(&turn, TURN_IN_COMPLETE);
    assert_true(end & TURN_TELL_COMPLETE);
    assert_true(end & TURN_WAIT);
    assert_int_equal(turn.state, TURN_THINKING);
    assert_true(turn.waiting);
    assert_true(turn.id > first);
    turn_step(&turn, TURN_IN_OUTPUT);
    turn_step(&turn, TURN_IN_COMPLETE);
    assert_int_equal(turn.state, TURN_IDLE);
    assert_false(turn.waiting);
}

static void text_is_sent_again_only_if_untouched(void **unused)
{
    struct turn turn = {0};

    (void)unused;
    turn_step(&turn, TURN_IN_TEXT);
    assert_true(turn_step(&turn, TURN_IN_LOST) & TURN_RESEND);

    turn = (struct turn){0};
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_OUTPUT);
    unsigned lost = turn_step(&turn, TURN_IN_LOST);
    assert_false(lost & TURN_RESEND);
    assert_true(lost & TURN_TELL_INTERRUPTED);
    assert_true(lost & TURN_TELL_COMPLETE);

    /* typed over an answer: the answer is cut short, the new text goes out again */
    turn = (struct turn){0};
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_OUTPUT);
    turn_step(&turn, TURN_IN_TEXT);
    lost = turn_step(&turn, TURN_IN_LOST);
    assert_true(lost & TURN_RESEND);
    assert_true(lost & TURN_TELL_INTERRUPTED);

    /* answered: nothing is in flight any more */
    turn = (struct turn){0};
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_OUTPUT);
    turn_step(&turn, TURN_IN_COMPLETE);
    assert_false(turn_step(&turn, TURN_IN_LOST) & TURN_RESEND);
}

static void a_text_that_made_the_model_call_tools_was_touched(void **unused)
{
    struct turn turn = {0};
    unsigned lost;

    (void)unused;
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_TOOL_CALL);
    assert_true(turn_step(&turn, TURN_IN_TOOLS_ANSWERED) & TURN_WAIT);
    assert_int_equal(turn.state, TURN_THINKING);
    lost = turn_step(&turn, TURN_IN_LOST);
    assert_false(lost & TURN_RESEND);
    assert_true(lost & TURN_TELL_INTERRUPTED);
    assert_true(lost & TURN_TELL_COMPLETE);

    /* text typed meanwhile was not, and has its own turn behind that one */
    turn = (struct turn){0};
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_TOOL_CALL);
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_TOOLS_ANSWERED);
    struct turn other = turn;
    assert_true(turn_step(&turn, TURN_IN_COMPLETE) & TURN_WAIT);
    assert_int_equal(turn.state, TURN_THINKING);
    assert_true(turn_step(&turn, TURN_IN_LOST) & TURN_RESEND);
    lost = turn_step(&other, TURN_IN_LOST);
    assert_true(lost & TURN_RESEND);
    assert_true(lost & TURN_TELL_COMPLETE);
}

static void results_after_the_turn_begin_another(void **unused)
{
    struct turn turn = {0};
    uint64_t id;

    (void)unused;
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_TOOL_CALL);
    turn_step(&turn, TURN_IN_COMPLETE);
    id = turn.id;
    assert_int_equal(turn_step(&turn, TURN_IN_TOOLS_ANSWERED), 0);
    assert_true(turn.id > id);
    assert_int_equal(turn.state, TURN_THINKING);
    assert_true(turn_step(&turn, TURN_IN_LOST) & TURN_TELL_COMPLETE);
}

static void two_texts_before_an_answer_may_be_answered_as_one(void **unused)
{
    struct turn turn = {0};

    (void)unused;
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_TEXT);
    turn_step(&turn, TURN_IN_COMPLETE);
    assert_int_equal(turn.state, TURN_IDLE);
    assert_false(turn.waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_input),
        cmocka_unit_test(text_typed_over_an_answer_keeps_its_own_turn),
        cmocka_unit_test(text_is_sent_again_only_if_untouched),
        cmocka_unit_test(a_text_that_made_the_model_call_tools_was_touched),
        cmocka_unit_test(results_after_the_turn_begin_another),
        cmocka_unit_test(two_texts_before_an_answer_may_be_answered_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
