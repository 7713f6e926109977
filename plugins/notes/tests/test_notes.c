/* notes - as its plugin, and how it finds what is asked for. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recall.h"

static int setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    assert_non_null(kit);
    kit_open(kit, "{}");
    antiphon_fake_as(kit->fake, "ann", NULL, NULL);
    *state = kit;
    return 0;
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

static void keep(struct kit *kit, const char *text, char id[64])
{
    assert_int_equal(kit_call(kit, "remember", "{\"text\":\"%s\"}", text), ANTIPHON_OK);
    if (id)
        (void)snprintf(id, 64, "%s", kit_get(kit, "id"));
    kit_advance(kit, 1000);
}

static const char *text_of(const struct kit *kit, int index)
{
    const cJSON *note =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(kit->json, "notes"), index);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(note, "text"));
    return text ? text : "";
}

static void test_newest_first(void **state)
{
    struct kit *kit = *state;

    keep(kit, "the first", NULL);
    keep(kit, "the second", NULL);
    keep(kit, "the third", NULL);
    assert_int_equal(kit_call(kit, "notes", "{\"limit\":2}"), ANTIPHON_OK);
    assert_int_equal(kit_count(kit, "notes"), 2);
    assert_string_equal(text_of(kit, 0), "the third");
    assert_string_equal(text_of(kit, 1), "the second");
    assert_non_null(strstr(kit->text, "\"written\":\"2026-03-01T08:30:02Z\""));
    assert_int_equal(kit_call(kit, "notes", "{}"), ANTIPHON_OK);
    assert_int_equal(kit_count(kit, "notes"), 3);
}

static void test_survives_restart(void **state)
{
    struct kit *kit = *state;

    keep(kit, "the door code is 4711", NULL);
    kit_restart(kit, "{}", 1000);
    assert_int_equal(antiphon_fake_status(kit->fake), ANTIPHON_OK);
    assert_int_equal(kit_call(kit, "recall", "{\"query\":\"door\"}"), ANTIPHON_OK);
    assert_string_equal(text_of(kit, 0), "the door code is 4711");
}

static void test_each_user_has_own(void **state)
{
    struct kit *kit = *state;
    char id[64];

    keep(kit, "a secret of ann", id);
    antiphon_fake_as(kit->fake, "bob", NULL, NULL);
    assert_int_equal(kit_call(kit, "notes", "{}"), ANTIPHON_OK);
    assert_int_equal(kit_count(kit, "notes"), 0);
    assert_int_equal(kit_call(kit, "recall", "{\"query\":\"secret\"}"), ANTIPHON_OK);
    assert_int_equal(kit_count(kit, "notes"), 0);
    assert_int_equal(kit_call(kit, "forget", "{\"id\":\"%s\"}", id), ANTIPHON_ENOTFOUND);
    antiphon_fake_as(kit->fake, "ann", NULL, NULL);
    assert_int_equal(kit_call(kit, "notes", "{}"), ANTIPHON_OK);
    assert_int_equal(kit_count(kit, "notes"), 1);
}

static void expect_found(struct kit *kit, const char *query, int n, const char *first)
{
    assert_int_equal(kit_call(kit, "recall", "{\"query\":\"%s\"}", query), ANTIPHON_OK);
    if (kit_count(kit, "notes") != n || strcmp(text_of(kit, 0), first) != 0)
        fail_msg("%s finds %s", query, kit->text);
}

static void test_recall(void **state)
{
    struct kit *kit = *state;

    keep(kit, "The car is parked on level B3 near the lift", NULL);
    keep(kit, "Mum's birthday is on 3 May", NULL);
    keep(kit, "내 차는 지하 3층 주차장 B구역에 있다", NULL);
    keep(kit, "The spare key is under the blue pot", NULL);
    expect_found(kit, "car parked", 1, "The car is parked on level B3 near the lift");
    expect_found(kit, "CAR", 1, "The car is parked on level B3 near the lift");
    expect_found(kit, "where did I leave the car?", 2,
                 "The car is parked on level B3 near the lift");
    expect_found(kit, "주차장", 1, "내 차는 지하 3층 주차장 B구역에 있다");
    expect_found(kit, "주차장에서", 1, "내 차는 지하 3층 주차장 B구역에 있다");
    expect_found(kit, "차 어디 주차했지", 1, "내 차는 지하 3층 주차장 B구역에 있다");
    expect_found(kit, "birthdays", 1, "Mum's birthday is on 3 May");
    expect_found(kit, "zebra", 0, "");
    expect_found(kit, "?!", 0, "");
    expect_found(kit, "  ", 4, "The spare key is under the blue pot");
}

static void test_stems(void **state)
{
    (void)state;
    assert_int_equal(recall_stem("keys", 4), 0);
    assert_int_equal(recall_stem("birthdays", 9), 8);
    assert_int_equal(recall_stem("주차장에서", 15), 12);
    assert_int_equal(recall_stem("주차", 6), 0);
    assert_int_equal(recall_stem("집에", 6), 3);
    assert_int_equal(recall_stem("집", 3), 0);
}

static void test_forget_and_undo(void **state)
{
    struct kit *kit = *state;
    char id[64];
    unsigned remembered;

    keep(kit, "milk and \\\"bread\\\"", id);
    remembered = kit->call;
    assert_int_equal(kit_call(kit, "forget", "{\"id\":\"%s\"}", id), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "forgotten"), "milk and \"bread\"");
    assert_int_equal(kit_rows(kit), 0);

    /* Undo of forgetting: as it was, with the same id. */
    assert_int_equal(kit_undo(kit, kit->call), ANTIPHON_OK);
    assert_int_equal(kit_call(kit, "notes", "{}"), ANTIPHON_OK);
    assert_string_equal(text_of(kit, 0), "milk and \"bread\"");
    assert_non_null(strstr(kit->text, id));

    /* Undo of remembering. */
    assert_int_equal(kit_undo(kit, remembered), ANTIPHON_OK);
    assert_int_equal(kit_rows(kit), 0);
    assert_int_equal(kit_call(kit, "forget", "{\"id\":\"%s\"}", id), ANTIPHON_ENOTFOUND);
    assert_null(kit->receipt);
}

/* A call that was cancelled in time does nothing. */
static void test_cancelled_before_effect(void **state)
{
    struct kit *kit = *state;

    antiphon_fake_break(kit->fake, "receipt", ANTIPHON_ECANCELLED);
    assert_int_equal(kit_call(kit, "remember", "{\"text\":\"no\"}"), ANTIPHON_ECANCELLED);
    assert_int_equal(kit_rows(kit), 0);
}

static void test_forget_all_asks(void **state)
{
    struct kit *kit = *state;
    char text[32];

    for (int i = 0; i < 120; i++) {
        (void)snprintf(text, sizeof(text), "note %d", i);
        keep(kit, text, NULL);
    }
    assert_int_equal(kit_call(kit, "forget", "{\"all\":true}"), ANTIPHON_ECONFIRM);
    assert_int_equal(kit_rows(kit), 120);
    antiphon_fake_set_call(kit->fake, ANTIPHON_CALL_CONFIRMED, 0);
    assert_int_equal(kit_call(kit, "forget", "{\"all\":true}"), ANTIPHON_OK);
    assert_string_equal(kit->text, "{\"forgotten_notes\":120}");
    assert_int_equal(kit_rows(kit), 0);
    assert_int_equal(kit_call(kit, "forget", "{}"), ANTIPHON_EINVAL);
}

static void test_store_fails(void **state)
{
    struct kit *kit = *state;

    antiphon_fake_break(kit->fake, "store", ANTIPHON_EBUSY);
    assert_int_equal(kit_call(kit, "remember", "{\"text\":\"x\"}"), ANTIPHON_EBUSY);
    assert_string_equal(kit->text, "there are as many notes as can be kept; forget some first");
    antiphon_fake_break(kit->fake, "store", ANTIPHON_ETIMEOUT);
    assert_int_equal(kit_call(kit, "recall", "{\"query\":\"x\"}"), ANTIPHON_ETIMEOUT);
    assert_int_equal(kit_call(kit, "notes", "{}"), ANTIPHON_ETIMEOUT);
    assert_int_equal(kit_call(kit, "forget", "{\"id\":\"x\"}"), ANTIPHON_ETIMEOUT);
    antiphon_fake_set_call(kit->fake, ANTIPHON_CALL_CONFIRMED, 0);
    assert_int_equal(kit_call(kit, "forget", "{\"all\":true}"), ANTIPHON_ETIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_survives_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_user_has_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recall, setup, teardown),
        cmocka_unit_test(test_stems),
        cmocka_unit_test_setup_teardown(test_forget_and_undo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_before_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget_all_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
