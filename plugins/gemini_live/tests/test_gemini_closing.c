/* Every row of the table, with the reasons as the service writes (and cuts) them. */
#include "support.h"

#include "closing.h"

#define RESUME  ANTIPHON_FLAG_MAY_RESUME
#define RESTART ANTIPHON_FLAG_MAY_RESTART
#define AGAIN   (RESUME | RESTART)
#define WAIT    ANTIPHON_FLAG_BACK_OFF

enum phase { FIRST, HANDLE, LATER };

static const struct {
    int code;
    enum phase phase;
    const char *reason, *name;
    uint32_t flags;
} cases[] = {
    {1000, LATER, "", "closed", AGAIN},
    {1000, LATER, "bye", "closed", AGAIN},
    {1005, LATER, "", "closed", AGAIN},
    {1001, LATER, "", "unavailable", AGAIN},
    {1006, LATER, "", "unavailable", AGAIN},
    {1006, FIRST, "connection reset", "unavailable", AGAIN},
    {1007, FIRST, "API key not valid. Please pass a valid API key.", "api_key_invalid", 0},
    {1007, FIRST, "API key expired. Please renew the API key.", "api_key_invalid", 0},
    {1008, FIRST, "Your API key was reported as leaked. Please use another API key.",
     "api_key_invalid", 0},
    {1007, FIRST, "User location is not supported for the API use.", "location", 0},
    {1007, FIRST,
     "Invalid JSON payload received. Unknown name \"x\" at 'setup': Cannot find field.",
     "invalid_argument", 0},
    {1007, FIRST, "Request contains an invalid argument.", "invalid_argument", 0},
    {1007, HANDLE, "Request contains an invalid argument.", "invalid_argument", RESTART},
    {1007, LATER, "Request contains an invalid argument.", "invalid_argument", RESTART},
    {1007, FIRST, "Precondition check failed.", "unsupported", 0},
    {1007, FIRST,
     "The requested combination of response modalities (TEXT) is not supported by the model. "
     "models/X "
     "accepts the following comb",
     "modality_unsupported", 0},
    {1007, FIRST, "Cannot extract voices from a non-audio request.", "modality_unsupported", 0},
    {1007, LATER,
     "Explicit activity control is not supported when automatic activity detection is enabled.",
     "invalid_argument", 0},
    {1007, FIRST, "* BidiGenerateContentRequest.setup.tools[0].function_declarations[3].name: bad",
     "invalid_argument", 0},
    {1007, HANDLE, "Invalid session handle", "session_not_found", RESTART},
    {1007, FIRST, "Request trace id: 0123abcd, m is not supported in the live api.",
     "model_not_found", 0},
    {1007, FIRST, "Invalid resource field value in the request.", "model_not_found", 0},
    {1007, LATER, "something new", "invalid_argument", 0},
    {1008, FIRST,
     "models/X is not found for API version v1beta, or is not supported for bidiGenerateContent. "
     "Call ListMod",
     "model_not_found", 0},
    {1008, FIRST, "Operation is not implemented, or supported, or enabled.", "unsupported", 0},
    {1008, LATER, "Operation is not implemented, or supported, or enabled.", "unsupported", AGAIN},
    {1008, FIRST, "Requested entity was not found.", "model_not_found", 0},
    {1008, HANDLE, "Requested entity was not found.", "session_not_found", RESTART},
    {1008, LATER, "Requested entity was not found.", "session_not_found", RESTART},
    {1008, HANDLE, "BidiGenerateContent session not found", "session_not_found", RESTART},
    {1008, FIRST,
     "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
     "or "
     "other valid authentication c",
     "credentials", 0},
    {1008, FIRST,
     "Method doesn't allow unregistered callers (callers without established identity). Please use "
     "API "
     "Key or other form of API c",
     "credentials", 0},
    {1008, FIRST, "Project 'projects/no-such' not found or deleted.", "credentials", 0},
    {1008, FIRST, "Permission 'aiplatform.endpoints.predict' denied on resource", "credentials", 0},
    {1008, LATER, "x", "refused", 0},
    {1009, LATER, "", "invalid_argument", AGAIN},
    {1011, LATER, "Internal error encountered.", "internal", AGAIN},
    {1011, LATER, "Internal error occurred.", "internal", AGAIN},
    {1011, LATER, "The service is currently unavailable.", "unavailable", AGAIN | WAIT},
    {1011, LATER, "Deadline expired before operation could complete.", "deadline", AGAIN},
    {1011, FIRST,
     "You exceeded your current quota, please check your plan and billing details. For", "quota",
     WAIT},
    {1011, FIRST, "RESOURCE_EXHAUSTED: Maximum concurrent sessions exceeded", "concurrency",
     AGAIN | WAIT},
    {1011, FIRST, "RESOURCE_EXHAUSTED: tokens", "quota", WAIT},
    {1012, LATER, "", "unavailable", AGAIN},
    {1013, LATER, "", "unavailable", AGAIN | WAIT},
    {1014, LATER, "", "unavailable", AGAIN | WAIT},
    {4000, LATER, "what", "unavailable", AGAIN},
};

static void check(struct closing closing, const char *name, uint32_t flags, const char *what)
{
    if (strcmp(closing.name, name) != 0 || closing.flags != flags)
        fail_msg("%s: %s %x, wanted %s %x", what, closing.name, closing.flags, name, flags);
    assert_true(strlen(closing.cause) > 15 && strlen(closing.next) > 10);
    assert_int_equal(closing.cause[strlen(closing.cause) - 1], '.');
    assert_int_equal(closing.next[strlen(closing.next) - 1], '.');
}

static void test_codes(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct closing_context context = {.ready = cases[i].phase == LATER,
                                          .handle = cases[i].phase == HANDLE};
        check(closing_of_code(cases[i].code, cases[i].reason, &context), cases[i].name,
              cases[i].flags, cases[i].reason);
    }
}

static void test_bearer_may_try_again(void **unused)
{
    const struct closing_context bearer = {.vertex = true, .bearer = true};
    (void)unused;
    check(closing_of_code(1008, "Request had invalid authentication credentials.", &bearer),
          "credentials", AGAIN, "bearer");
    struct antiphon_ws_end end = {.struct_size = sizeof end,
                                  .stage = ANTIPHON_WS_UPGRADE,
                                  .status = ANTIPHON_EPROTOCOL,
                                  .http_status = 401,
                                  .reason = ""};
    check(closing_of_end(&end, &bearer), "credentials", AGAIN, "401");
    end.http_status = 403;
    check(closing_of_end(&end, &bearer), "credentials", 0, "403");
}

static void test_vertex_names_the_location(void **unused)
{
    const struct closing_context vertex = {.vertex = true, .bearer = true};
    struct closing closing = closing_of_code(1008, "is not found for API version", &vertex);
    (void)unused;
    assert_non_null(strstr(closing.next, "DEMO_AGENT_MODEL"));
    assert_non_null(strstr(closing.next, "GOOGLE_CLOUD_LOCATION"));
}

static void test_stages(void **unused)
{
    static const struct {
        enum antiphon_ws_stage stage;
        enum antiphon_status status;
        int http;
        const char *reason, *name;
        uint32_t flags;
    } ends[] = {
        {ANTIPHON_WS_RESOLVE, ANTIPHON_EUNAVAILABLE, 0, "no such host", "resolve_failed",
         AGAIN | WAIT},
        {ANTIPHON_WS_RESOLVE, ANTIPHON_ETIMEOUT, 0, "", "timeout", AGAIN | WAIT},
        {ANTIPHON_WS_CONNECT, ANTIPHON_EUNAVAILABLE, 0, "refused", "connect_failed", AGAIN | WAIT},
        {ANTIPHON_WS_CONNECT, ANTIPHON_ETIMEOUT, 0, "", "timeout", AGAIN | WAIT},
        {ANTIPHON_WS_TLS, ANTIPHON_EPROTOCOL, 0, "certificate", "tls_failed", 0},
        {ANTIPHON_WS_TLS, ANTIPHON_ETIMEOUT, 0, "", "timeout", AGAIN | WAIT},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_ETIMEOUT, 0, "", "timeout", AGAIN | WAIT},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EUNAVAILABLE, 0, "", "connect_failed", AGAIN | WAIT},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 404, "Not Found", "upgrade_refused", 0},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 400, "API key not valid", "api_key_invalid", 0},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 401, "", "credentials", 0},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 429, "", "quota", WAIT},
        {ANTIPHON_WS_UPGRADE, ANTIPHON_EPROTOCOL, 502, "", "unavailable", AGAIN | WAIT},
        {ANTIPHON_WS_OPEN, ANTIPHON_EUNAVAILABLE, 0, "", "unavailable", AGAIN},
    };
    const struct closing_context context = {0};
    (void)unused;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const struct antiphon_ws_end end = {.struct_size = sizeof end,
                                            .stage = ends[i].stage,
                                            .status = ends[i].status,
                                            .code = 1006,
                                            .http_status = ends[i].http,
                                            .reason = ends[i].reason};
        char what[32];
        snprintf(what, sizeof what, "end %zu", i);
        check(closing_of_end(&end, &context), ends[i].name, ends[i].flags, what);
    }
}

static void test_error_objects(void **unused)
{
    const struct closing_context context = {0};
    (void)unused;
    check(closing_of_error(400, "API key not valid", &context), "api_key_invalid", 0, "key");
    check(closing_of_error(400, "hm", &context), "invalid_argument", 0, "400");
    check(closing_of_error(403, "hm", &context), "credentials", 0, "403");
    check(closing_of_error(404, "hm", &context), "model_not_found", 0, "404");
    check(closing_of_error(429, "hm", &context), "quota", WAIT, "429");
    check(closing_of_error(503, "hm", &context), "unavailable", AGAIN | WAIT, "503");
    check(closing_of_error(0, "hm", &context), "unavailable", AGAIN, "0");
    check(closing_of_nonsense(), "protocol", AGAIN, "nonsense");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_bearer_may_try_again),
        cmocka_unit_test(test_vertex_names_the_location),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_error_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
