/* clock - as its plugin, and its parts. The kit's clock starts on Sunday, 2026-03-01 08:30:00 UTC.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agenda.h"
#include "moment.h"
#include "zones.h"

#define CONFIG "{\"time_zone\":\"Europe/Berlin\",\"max_reminders\":3}"

static int setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    assert_non_null(kit);
    kit_open(kit, CONFIG);
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

static void restart(struct kit *kit, int64_t down_ms)
{
    kit_restart(kit, CONFIG, down_ms);
    assert_int_equal(antiphon_fake_status(kit->fake), ANTIPHON_OK);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void test_now(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(kit_call(kit, "clock", "{}"), ANTIPHON_OK);
    assert_string_equal(kit->text,
                        "{\"date\":\"2026-03-01\",\"time\":\"09:30:00\",\"weekday\":\"Sunday\","
                        "\"time_zone\":\"Europe/Berlin\",\"utc_offset\":\"+01:00\"}");
    assert_int_equal(kit_call(kit, "clock", "{\"time_zone\":\"seoul\"}"), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "time"), "17:30:00");
    assert_string_equal(kit_get(kit, "time_zone"), "Asia/Seoul");
    assert_int_equal(kit_call(kit, "clock", "{\"time_zone\":\"New York\"}"), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "time"), "03:30:00");
    assert_int_equal(kit_call(kit, "clock", "{\"time_zone\":\"Asia/Calcutta\"}"), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "utc_offset"), "+05:30");
    assert_int_equal(kit_call(kit, "clock", "{\"time_zone\":\"Europe/Berli\"}"),
                     ANTIPHON_ENOTFOUND);
    assert_string_equal(
        kit->text, "there is no time zone 'Europe/Berli'; give an IANA name such as Europe/Berlin");
}

/* Nothing but names of zones: no paths, no rules. */
static void test_zone_names(void **state)
{
    static const char *const wrong[] = {"../../../etc/passwd",
                                        "/etc/localtime",
                                        "Europe/../../../etc/passwd",
                                        "CET-1CEST",
                                        "+09:00",
                                        "Europe//Berlin",
                                        "Europe/",
                                        "a/b",
                                        "posixrules/x"};
    struct kit *kit = *state;
    char why[256];
    struct zones *zones;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(kit_call(kit, "clock", "{\"time_zone\":\"%s\"}", wrong[i]),
                         ANTIPHON_ENOTFOUND);
    assert_int_equal(zones_new("/nowhere", &zones, why, sizeof(why)), ANTIPHON_EUNAVAILABLE);
    assert_string_equal(why, "/nowhere/zone.tab cannot be read; it belongs to the package tzdata");
    struct antiphon_fake *fake =
        antiphon_fake_open(antiphon_plugin_v1(), "{\"time_zone\":\"Moon/Base\"}");
    assert_int_equal(antiphon_fake_status(fake), ANTIPHON_ENOTFOUND);
    assert_non_null(strstr(antiphon_fake_why(fake), "there is no time zone 'Moon/Base'"));
    assert_int_equal(antiphon_fake_close(fake), 0);
}

static void test_own_zone(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(kit_call(kit, "set_time_zone", "{\"time_zone\":\"Tokyo\"}"), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "time"), "17:30:00");
    assert_int_equal(kit_call(kit, "clock", "{}"), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "time_zone"), "Asia/Tokyo");
    assert_int_equal(kit_call(kit, "set_time_zone", "{\"time_zone\":\"Atlantis\"}"),
                     ANTIPHON_ENOTFOUND);
}

static const char *within(const struct kit *kit, const char *part, const char *member)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(kit->json, part);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, member));
    return text ? text : "";
}

static void test_convert(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(kit_call(kit, "convert_time",
                              "{\"time\":\"2026-07-01T18:30\",\"from\":\"Berlin\","
                              "\"to\":\"Los Angeles\"}"),
                     ANTIPHON_OK);
    assert_string_equal(within(kit, "to", "time"), "09:30:00");
    assert_string_equal(within(kit, "to", "utc_offset"), "-07:00");
    assert_int_equal(kit_call(kit, "convert_time", "{\"time\":\"23:00\",\"to\":\"Seoul\"}"),
                     ANTIPHON_OK);
    assert_string_equal(within(kit, "to", "date"), "2026-03-02");
    assert_string_equal(within(kit, "to", "time"), "07:00:00");
    /* An hour that Berlin's clocks skip. */
    assert_int_equal(
        kit_call(kit, "convert_time", "{\"time\":\"2026-03-29 02:30\",\"to\":\"UTC\"}"),
        ANTIPHON_OK);
    assert_string_equal(within(kit, "to", "time"), "01:00:00");
    assert_int_equal(
        kit_call(kit, "convert_time", "{\"time\":\"2026-03-01T10:00+09:00\",\"to\":\"UTC\"}"),
        ANTIPHON_OK);
    assert_string_equal(within(kit, "to", "time"), "01:00:00");
    assert_int_equal(kit_call(kit, "convert_time", "{\"time\":\"noon\"}"), ANTIPHON_EINVAL);
    assert_string_equal(
        kit->text, "time: 'noon' is no time; write 2026-03-01, 2026-03-01T18:30, 18:30 or now");
}

static void expect_span(struct kit *kit, const char *from, const char *to, const char *wanted)
{
    assert_int_equal(kit_call(kit, "date_difference", "{\"from\":\"%s\",\"to\":\"%s\"}", from, to),
                     ANTIPHON_OK);
    if (!strstr(kit->text, wanted))
        fail_msg("%s to %s: %s", from, to, kit->text);
}

static void test_difference(void **state)
{
    struct kit *kit = *state;

    expect_span(kit, "2026-03-01", "2026-12-25",
                "\"calendar\":{\"years\":0,\"months\":9,\"days\":24},\"days\":299,"
                "\"to_is_before_from\":false");
    expect_span(kit, "1990-02-28", "2026-03-01", "{\"years\":36,\"months\":0,\"days\":1}");
    expect_span(kit, "2024-01-31", "2024-03-01",
                "{\"years\":0,\"months\":1,\"days\":1},\"days\":30");
    expect_span(kit, "2026-12-25", "2026-03-01", "\"days\":299,\"to_is_before_from\":true");
    expect_span(kit, "2026-03-01T10:00", "2026-03-01T12:30", "\"seconds\":9000");
    /* A day on which the clocks are put forward has 23 hours. */
    expect_span(kit, "2026-03-28T12:00", "2026-03-29T12:00", "\"days\":1,\"seconds\":82800");
    expect_span(kit, "", "2026-03-08", "\"days\":7");
    expect_span(kit, "now", "2026-03-01T10:00", "\"seconds\":1800");
    expect_span(kit, "0001-01-01", "9999-12-31", "\"days\":3652058");
}

static void test_add(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(kit_call(kit, "date_add", "{\"from\":\"2026-03-01\",\"days\":90}"),
                     ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "date"), "2026-05-30");
    assert_string_equal(kit_get(kit, "weekday"), "Saturday");
    assert_int_equal(kit_call(kit, "date_add", "{\"from\":\"2026-01-31\",\"months\":1}"),
                     ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "date"), "2026-02-28");
    assert_int_equal(kit_call(kit, "date_add", "{\"hours\":-10}"), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "date"), "2026-02-28");
    assert_string_equal(kit_get(kit, "time"), "23:30:00");
    assert_int_equal(kit_call(kit, "date_add", "{\"years\":9000}"), ANTIPHON_EINVAL);
}

static void test_moment_forms(void **state)
{
    static const char *const right[] = {"now",
                                        "2026-03-01",
                                        "2024-02-29",
                                        "18:30",
                                        "18:30:05",
                                        "18:30:05.25",
                                        "2026-03-01T18:30",
                                        "2026-03-01 18:30:00",
                                        "2026-03-01T18:30Z",
                                        "2026-03-01T18:30+09:00",
                                        "2026-03-01T18:30-0330",
                                        "18:30+02",
                                        "0001-01-01"};
    static const char *const wrong[] = {"",
                                        "2026-02-29",
                                        "2026-13-01",
                                        "2026-3-1",
                                        "24:00",
                                        "18:60",
                                        "18:30:60",
                                        "18:30x",
                                        "2026-03-01T",
                                        "2026-03-01T18:30+19:00",
                                        "18:3",
                                        "+09:00",
                                        "2026-03-01T18:30+09:60",
                                        "0000-01-01",
                                        "today",
                                        "2026-03-01T18:30:00.0000000000000000000000000"};
    struct moment_parts parts;

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        if (!moment_read(right[i], &parts))
            fail_msg("%s was not read", right[i]);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (moment_read(wrong[i], &parts))
            fail_msg("%s was read", wrong[i]);
    assert_true(moment_read("2026-03-01T18:30:05-03:30", &parts));
    assert_int_equal(parts.offset_s, -12600);
    assert_int_equal(parts.second, 5);
}

/* ---- reminders ------------------------------------------------------------------------------- */

static void set(struct kit *kit, const char *args, char id[64])
{
    assert_int_equal(kit_call(kit, "set_reminder", "%s", args), ANTIPHON_OK);
    if (id)
        (void)snprintf(id, 64, "%s", kit_get(kit, "id"));
}

static void test_reminder_is_told(void **state)
{
    struct kit *kit = *state;

    set(kit, "{\"text\":\"turn off the oven\",\"in_seconds\":300}", NULL);
    assert_string_equal(within(kit, "due", "time"), "09:35:00");
    assert_int_equal(kit_rows(kit), 2);
    kit_advance(kit, 299999);
    assert_int_equal(kit_notices(kit), 0);
    kit_advance(kit, 1);
    assert_int_equal(kit_notices(kit), 1);
    assert_true(kit_said(kit,
                         "A reminder that the user set 5 minutes ago is due now: \"turn off the "
                         "oven\". Tell the user now, briefly."));
    assert_int_equal(kit_rows(kit), 0);
    kit_advance(kit, 86400000);
    assert_int_equal(kit_notices(kit), 1);
}

static void test_at(void **state)
{
    struct kit *kit = *state;

    set(kit, "{\"text\":\"a\",\"at\":\"18:00\"}", NULL);
    assert_string_equal(within(kit, "due", "date"), "2026-03-01");
    set(kit, "{\"text\":\"b\",\"at\":\"08:00\"}", NULL);
    assert_string_equal(within(kit, "due", "date"), "2026-03-02");
    set(kit, "{\"text\":\"c\",\"at\":\"2026-03-01T18:00\",\"time_zone\":\"Seoul\"}", NULL);
    assert_string_equal(within(kit, "due", "utc_offset"), "+09:00");
    kit_advance(kit, 30 * 60 * 1000);
    assert_int_equal(kit_notices(kit), 1);
    assert_true(kit_said(kit, "\"c\""));
    kit_advance(kit, 86400000);
    assert_int_equal(kit_notices(kit), 3);
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"x\",\"at\":\"2020-01-01\"}"),
                     ANTIPHON_EINVAL);
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"x\",\"at\":\"2099-01-01\"}"),
                     ANTIPHON_EINVAL);
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"x\",\"at\":\"later\"}"),
                     ANTIPHON_EINVAL);
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"x\"}"), ANTIPHON_EINVAL);
    assert_int_equal(
        kit_call(kit, "set_reminder", "{\"text\":\"x\",\"at\":\"18:00\",\"in_seconds\":1}"),
        ANTIPHON_EINVAL);
}

static void test_list_and_cancel(void **state)
{
    struct kit *kit = *state;
    char first[64], second[64];

    set(kit, "{\"text\":\"later\",\"in_seconds\":600}", second);
    set(kit, "{\"text\":\"sooner\",\"in_seconds\":60}", first);
    assert_int_equal(kit_call(kit, "list_reminders", "{}"), ANTIPHON_OK);
    assert_int_equal(kit_count(kit, "reminders"), 2);
    assert_true(strstr(kit->text, "sooner") < strstr(kit->text, "later"));
    antiphon_fake_as(kit->fake, "bob", NULL, NULL);
    assert_int_equal(kit_call(kit, "list_reminders", "{}"), ANTIPHON_OK);
    assert_int_equal(kit_count(kit, "reminders"), 0);
    assert_int_equal(kit_call(kit, "cancel_reminder", "{\"id\":\"%s\"}", first),
                     ANTIPHON_ENOTFOUND);
    antiphon_fake_as(kit->fake, "ann", NULL, NULL);
    assert_int_equal(kit_call(kit, "cancel_reminder", "{\"id\":\"%s\"}", first), ANTIPHON_OK);
    assert_string_equal(within(kit, "cancelled", "text"), "sooner");
    kit_advance(kit, 599999);
    assert_int_equal(kit_notices(kit), 0);
    kit_advance(kit, 1);
    assert_int_equal(kit_notices(kit), 1);
    assert_int_equal(kit_call(kit, "cancel_reminder", "{\"id\":\"%s\"}", second),
                     ANTIPHON_ENOTFOUND);
    assert_int_equal(kit_call(kit, "cancel_reminder", "{\"id\":\"x\"}"), ANTIPHON_ENOTFOUND);
}

static void test_undo(void **state)
{
    struct kit *kit = *state;
    char id[64];

    set(kit, "{\"text\":\"a \\\"quote\\\"\",\"in_seconds\":60}", id);
    assert_int_equal(kit_call(kit, "cancel_reminder", "{\"id\":\"%s\"}", id), ANTIPHON_OK);
    assert_int_equal(kit_undo(kit, kit->call), ANTIPHON_OK);
    kit_advance(kit, 60000);
    assert_int_equal(kit_notices(kit), 1);
    assert_true(kit_said(kit, "a \"quote\""));
    set(kit, "{\"text\":\"b\",\"in_seconds\":60}", NULL);
    assert_int_equal(kit_undo(kit, kit->call), ANTIPHON_OK);
    kit_advance(kit, 60000);
    assert_int_equal(kit_notices(kit), 1);
    antiphon_fake_break(kit->fake, "receipt", ANTIPHON_ECANCELLED);
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"c\",\"in_seconds\":60}"),
                     ANTIPHON_ECANCELLED);
    assert_int_equal(kit_rows(kit), 0);
}

static void test_survives_restart(void **state)
{
    struct kit *kit = *state;

    set(kit, "{\"text\":\"soon\",\"in_seconds\":600}", NULL);
    antiphon_fake_as(kit->fake, NULL, "s2", NULL);
    set(kit, "{\"text\":\"missed\",\"in_seconds\":60}", NULL);
    restart(kit, 300000);
    kit_advance(kit, 0);
    assert_int_equal(kit_notices(kit), 1);
    assert_true(
        kit_said(kit, "A reminder that the user set 5 minutes ago was due 4 minutes ago, when it "
                      "could not be told: "
                      "\"missed\". Tell the user now, briefly, that it is late."));
    restart(kit, 0);
    kit_advance(kit, 300000);
    assert_int_equal(kit_notices(kit), 2);
    assert_int_equal(kit_rows(kit), 0);
}

/* What cannot be told now is told later; what nobody can be told is dropped. */
static void test_notify_fails(void **state)
{
    struct kit *kit = *state;

    set(kit, "{\"text\":\"a\",\"in_seconds\":60}", NULL);
    antiphon_fake_break(kit->fake, "notify", ANTIPHON_EBUSY);
    kit_advance(kit, 60000 + 30000 + 59999);
    assert_int_equal(kit_notices(kit), 0);
    assert_int_equal(kit_rows(kit), 2);
    antiphon_fake_break(kit->fake, "notify", ANTIPHON_OK);
    kit_advance(kit, 1);
    assert_int_equal(kit_notices(kit), 1);
    assert_int_equal(kit_rows(kit), 0);
    set(kit, "{\"text\":\"b\",\"in_seconds\":60}", NULL);
    antiphon_fake_break(kit->fake, "notify", ANTIPHON_ENOTFOUND);
    kit_advance(kit, 60000);
    assert_int_equal(kit_rows(kit), 0);
    assert_true(kit_logged(kit, "a reminder was dropped: its conversation is gone"));
}

/* A user whose data was deleted is not reminded; what is left of the reminder goes. */
static void test_data_deleted(void **state)
{
    struct kit *kit = *state;
    char key[128], id[64];

    set(kit, "{\"text\":\"a\",\"in_seconds\":60}", id);
    (void)snprintf(key, sizeof(key), "reminder/%s", id);
    antiphon_fake_put(kit->fake, "ann", key, NULL);
    restart(kit, 0);
    kit_advance(kit, 60000);
    assert_int_equal(kit_notices(kit), 0);
    assert_int_equal(kit_rows(kit), 0);
}

static void test_limit(void **state)
{
    struct kit *kit = *state;

    for (int i = 0; i < 3; i++)
        set(kit, "{\"text\":\"a\",\"in_seconds\":60}", NULL);
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"b\",\"in_seconds\":60}"),
                     ANTIPHON_EBUSY);
    antiphon_fake_as(kit->fake, "bob", NULL, NULL);
    set(kit, "{\"text\":\"a\",\"in_seconds\":60}", NULL);
    kit_advance(kit, 60000);
    assert_int_equal(kit_notices(kit), 4);
}

/* The clock is looked at every hour: a reminder keeps its time when it is set forward. */
static void test_clock_set(void **state)
{
    struct kit *kit = *state;

    set(kit, "{\"text\":\"a\",\"in_seconds\":86400}", NULL);
    kit->wall_ms += 82800000;
    antiphon_fake_set_wall(kit->fake, kit->wall_ms);
    kit_advance(kit, 3599999);
    assert_int_equal(kit_notices(kit), 0);
    kit_advance(kit, 1);
    assert_int_equal(kit_notices(kit), 1);
}

static void test_without_store(void **state)
{
    struct kit *kit = *state;

    antiphon_fake_break(kit->fake, "store", ANTIPHON_EUNAVAILABLE);
    kit_restart(kit, "{}", 0);
    assert_int_equal(antiphon_fake_status(kit->fake), ANTIPHON_OK);
    assert_int_equal(kit_call(kit, "clock", "{}"), ANTIPHON_OK);
    assert_string_equal(kit_get(kit, "time_zone"), "UTC");
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"a\",\"in_seconds\":1}"),
                     ANTIPHON_EUNAVAILABLE);
    assert_string_equal(kit->text, "reminders cannot be kept here: there is no database");
    assert_int_equal(kit_call(kit, "list_reminders", "{}"), ANTIPHON_EUNAVAILABLE);
    assert_int_equal(kit_call(kit, "cancel_reminder", "{\"id\":\"0123456789abcdef\"}"),
                     ANTIPHON_EUNAVAILABLE);
    antiphon_fake_break(kit->fake, "store", ANTIPHON_ETIMEOUT);
    kit_restart(kit, "{}", 0);
    assert_int_equal(antiphon_fake_status(kit->fake), ANTIPHON_ETIMEOUT);
    assert_string_equal(antiphon_fake_why(kit->fake),
                        "the reminders of the last run cannot be read");
}

static void test_store_fails(void **state)
{
    struct kit *kit = *state;
    char id[64];

    set(kit, "{\"text\":\"a\",\"in_seconds\":60}", id);
    antiphon_fake_break(kit->fake, "store", ANTIPHON_ETIMEOUT);
    assert_int_equal(kit_call(kit, "set_reminder", "{\"text\":\"b\",\"in_seconds\":60}"),
                     ANTIPHON_ETIMEOUT);
    assert_int_equal(kit_call(kit, "cancel_reminder", "{\"id\":\"%s\"}", id), ANTIPHON_ETIMEOUT);
    assert_int_equal(kit_call(kit, "list_reminders", "{}"), ANTIPHON_ETIMEOUT);
    kit_advance(kit, 60000);
    assert_int_equal(kit_notices(kit), 0);
    antiphon_fake_break(kit->fake, "store", ANTIPHON_OK);
    kit_advance(kit, 30000);
    assert_int_equal(kit_notices(kit), 1);
    assert_true(kit_said(kit, "\"a\""));
}

static void test_agenda(void **state)
{
    struct agenda agenda = {0};
    char id[REMINDERS_ID_BYTES];

    (void)state;
    for (int i = 0; i < AGENDA_MAX_ENTRIES; i++) {
        (void)snprintf(id, sizeof(id), "%016d", i);
        assert_int_equal(agenda_add(&agenda, i % 2 ? "ann" : "bob", id, (i * 7919) % 10007),
                         ANTIPHON_OK);
    }
    assert_int_equal(agenda_add(&agenda, "ann", "x", 1), ANTIPHON_EBUSY);
    assert_int_equal(agenda_count(&agenda, "ann"), AGENDA_MAX_ENTRIES / 2);
    for (size_t i = 1; i < agenda.n; i++)
        assert_true(agenda.entries[i - 1].at_ms <= agenda.entries[i].at_ms);
    agenda_next(&agenda)->busy = true;
    assert_ptr_equal(agenda_next(&agenda), &agenda.entries[1]);
    agenda_postpone(&agenda, &agenda.entries[0], 20000);
    assert_int_equal(agenda.entries[agenda.n - 1].tries, 1);
    assert_false(agenda.entries[agenda.n - 1].busy);
    assert_null(agenda_find(&agenda, "ann", "0000000000000002"));
    agenda_remove(&agenda, agenda_find(&agenda, "bob", "0000000000000002"));
    assert_int_equal(agenda.n, AGENDA_MAX_ENTRIES - 1);
    agenda_deinit(&agenda);
}

#define WITH_KIT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KIT(test_now),
        WITH_KIT(test_zone_names),
        WITH_KIT(test_own_zone),
        WITH_KIT(test_convert),
        WITH_KIT(test_difference),
        WITH_KIT(test_add),
        cmocka_unit_test(test_moment_forms),
        WITH_KIT(test_reminder_is_told),
        WITH_KIT(test_at),
        WITH_KIT(test_list_and_cancel),
        WITH_KIT(test_undo),
        WITH_KIT(test_survives_restart),
        WITH_KIT(test_notify_fails),
        WITH_KIT(test_data_deleted),
        WITH_KIT(test_limit),
        WITH_KIT(test_clock_set),
        WITH_KIT(test_without_store),
        WITH_KIT(test_store_fails),
        cmocka_unit_test(test_agenda),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
