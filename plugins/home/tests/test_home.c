#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web.h"

static const char config[] =
    "{\"url\":\"http://ha:8123/\",\"token\":\"{{secret:token}}\",\"max_devices\":2}";
static const char states[] = "[{\"entity_id\":\"light.kitchen\",\"state\":\"off\",\"attributes\":{"
                             "\"friendly_name\":\"Kitchen\"}},"
                             "{\"entity_id\":\"light.hall\",\"state\":\"on\",\"attributes\":{}},{"
                             "\"entity_id\":\"lock.door\",\"state\":\"locked\"},"
                             "{\"entity_id\":\"lightning.x\",\"state\":\"on\"}]";

static struct web_answer house(struct web *web, const struct web_asked *asked)
{
    const char *path = asked->url + strlen("http://ha:8123/api/");
    struct web_answer *instead = web->ctx;

    assert_memory_equal(asked->url, "http://ha:8123/api/", 19);
    assert_non_null(strstr(asked->headers, "Authorization: Bearer {{secret:token}}\n"));
    if (instead)
        return *instead;
    if (!strcmp(path, "states"))
        return (struct web_answer){0, 200, "", states, 0, NULL};
    if (!strcmp(path, "states/light.kitchen"))
        return (struct web_answer){
            0, 200, "", "{\"entity_id\":\"light.kitchen\",\"state\":\"off\",\"context\":{}}",
            0, NULL};
    if (!strncmp(path, "services/light/", 15))
        return (struct web_answer){
            0, 200, "", "[{\"entity_id\":\"light.kitchen\",\"state\":\"on\"}]", 0, NULL};
    if (!strcmp(path, "services/lock/unlock"))
        return (struct web_answer){0, 200, "", "[]", 0, NULL};
    return (struct web_answer){0, strncmp(path, "services", 8) ? 404 : 400, "", "{}", 0, NULL};
}

static void looks(void **state)
{
    struct web web = {.answer = house};

    (void)state;
    web_open(&web, config);
    assert_int_equal(web_call(&web, "home_list", "{}"), ANTIPHON_OK);
    assert_string_equal(
        web.text,
        "{\"devices\":[{\"entity_id\":\"light.kitchen\",\"name\":\"Kitchen\",\"state\":\"off\"},"
        "{\"entity_id\":\"light.hall\",\"state\":\"on\"}],\"left_out\":2}");
    assert_int_equal(web_call(&web, "home_list", "{\"domain\":\"light\",\"search\":\"KIT\"}"),
                     ANTIPHON_OK);
    assert_null(strstr(web.text, "hall"));
    assert_non_null(strstr(web.text, "kitchen"));
    assert_int_equal(web_call(&web, "home_state", "{\"entity_id\":\"light.kitchen\"}"),
                     ANTIPHON_OK);
    assert_string_equal(web.text, "{\"entity_id\":\"light.kitchen\",\"state\":\"off\"}");
    assert_int_equal(web_call(&web, "home_state", "{\"entity_id\":\"light.none\"}"),
                     ANTIPHON_ENOTFOUND);
    size_t before = web.asked_n;
    assert_int_equal(web_call(&web, "home_state", "{\"entity_id\":\"../config\"}"),
                     ANTIPHON_EINVAL);
    assert_int_equal(web.asked_n, before);
    web_close(&web);
}

static void switches(void **state)
{
    struct web web = {.answer = house};

    (void)state;
    web_open(&web, config);
    assert_int_equal(
        web_call(&web, "home_call",
                 "{\"entity_id\":\"light.kitchen\",\"service\":\"turn_on\","
                 "\"data\":{\"brightness_pct\":50,\"entity_id\":\"all\",\"area_id\":\"x\"}}"),
        ANTIPHON_OK);
    assert_string_equal(web.text, "{\"done\":true,\"state\":\"on\"}");
    assert_string_equal(web.asked[1].method, "POST");
    assert_string_equal(web.asked[1].body,
                        "{\"brightness_pct\":50,\"entity_id\":\"light.kitchen\"}");
    assert_string_equal(web.receipt, "{\"entity_id\":\"light.kitchen\",\"state\":\"off\"}");
    assert_int_equal(web_undo(&web, "home_call", web.receipt), ANTIPHON_OK);
    assert_non_null(strstr(web.asked[2].url, "/services/light/turn_off"));
    assert_int_equal(
        web_call(&web, "home_call", "{\"entity_id\":\"climate.x\",\"service\":\"sing\"}"),
        ANTIPHON_EINVAL);
    assert_int_equal(
        web_call(&web, "home_call", "{\"entity_id\":\"light.kitchen\",\"service\":\"a/b\"}"),
        ANTIPHON_EINVAL);
    web_close(&web);
}

static void asks(void **state)
{
    static const char unlock[] = "{\"entity_id\":\"lock.door\",\"service\":\"unlock\"}";
    struct web web = {.answer = house};

    (void)state;
    web_open(&web, config);
    assert_int_equal(web_call(&web, "home_call", unlock), ANTIPHON_ECONFIRM);
    assert_string_equal(web.text, "Shall unlock be done with lock.door?");
    assert_int_equal(web.asked_n, 0);
    web.call_flags = ANTIPHON_CALL_CONFIRMED;
    assert_int_equal(web_call(&web, "home_call", unlock), ANTIPHON_OK);
    assert_int_equal(web.asked_n, 1);
    assert_null(web.receipt); /* a door is not locked again by itself */
    web_close(&web);
}

static void failures(void **state)
{
    static const struct {
        struct web_answer answer;
        enum antiphon_status status;
    } all[] = {
        {{ANTIPHON_ETIMEOUT, 0, "", NULL, 0, "timeout"}, ANTIPHON_ETIMEOUT},
        {{0, 401, "", "", 0, NULL}, ANTIPHON_EDENIED},
        {{0, 500, "", "", 0, NULL}, ANTIPHON_EUNAVAILABLE},
        {{0, 200, "", "<html>", 0, NULL}, ANTIPHON_EPROTOCOL},
    };
    struct web web = {.answer = house};

    (void)state;
    web_open(&web, config);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        web.ctx = (void *)(uintptr_t)&all[i].answer;
        assert_int_equal(web_call(&web, "home_list", "{}"), all[i].status);
    }
    web_close(&web);
    assert_int_equal(web_try(&web, "{\"url\":\"ftp://x/y\",\"token\":\"t\"}"), ANTIPHON_EINVAL);
    web_close(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks),
        cmocka_unit_test(switches),
        cmocka_unit_test(asks),
        cmocka_unit_test(failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
