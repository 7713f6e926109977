/* Credentials files, the signed assertion, the requests and answers of the token endpoint. */
#include "support.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>
#include <unistd.h>

#include "b64.h"
#include "credentials.h"
#include "reader.h"
#include "token.h"

static EVP_PKEY *rsa; /* one for all tests: making one is slow */

static char *pem_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    long n = BIO_get_mem_data(bio, &data);
    char *out = strndup(data, (size_t)n);
    BIO_free(bio);
    return out;
}

static char *service_account(EVP_PKEY *key, const char *more)
{
    char *pem = pem_of(key);
    struct text out = {0};
    text_puts(&out,
              "{\"type\":\"service_account\",\"client_email\":\"svc@p.iam.gserviceaccount.com\","
              "\"private_key_id\":\"kid1\",\"project_id\":\"my-proj\",\"private_key\":");
    text_json(&out, pem, strlen(pem));
    text_printf(&out, "%s}", more);
    free(pem);
    return text_take(&out);
}

static const char user_file[] =
    "{\"type\":\"authorized_user\",\"client_id\":\"cid.apps\",\"client_secret\":"
    "\"s&c\",\"refresh_token\":\"1//rt\",\"quota_project_id\":\"payer\"}";

static enum antiphon_status parse(struct credentials *credentials, const char *json, char why[256])
{
    why[0] = '\0';
    return credentials_parse(credentials, json, strlen(json), "/f.json", why, 256);
}

static void test_jwt(void **unused)
{
    struct credentials credentials;
    char why[256],
        *json = service_account(rsa, ",\"token_uri\":\"https://oauth2.googleapis.com/token\"");
    struct text jwt = {0};
    unsigned char out[2048];
    (void)unused;
    assert_int_equal(parse(&credentials, json, why), ANTIPHON_OK);
    assert_string_equal(credentials.project, "my-proj");
    assert_int_equal(credentials_jwt(&credentials, 1795353820, &jwt), ANTIPHON_OK);
    char *claims = strchr(jwt.data, '.'), *signature = strrchr(jwt.data, '.');
    assert_true(claims && signature > claims);
    assert_null(strpbrk(jwt.data, "+/="));
    size_t n = b64_decode(jwt.data, (size_t)(claims - jwt.data), out);
    out[n] = '\0';
    assert_string_equal((char *)out, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"kid1\"}");
    n = b64_decode(claims + 1, (size_t)(signature - claims - 1), out);
    out[n] = '\0';
    assert_string_equal(
        (char *)out,
        "{\"iss\":\"svc@p.iam.gserviceaccount.com\",\"scope\":"
        "\"https://www.googleapis.com/auth/cloud-platform\",\"aud\":"
        "\"https://oauth2.googleapis.com/token\",\"exp\":1795357420,\"iat\":1795353820}");
    n = b64_decode(signature + 1, strlen(signature + 1), out);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, rsa), 1);
    assert_int_equal(
        EVP_DigestVerify(md, out, n, (unsigned char *)jwt.data, (size_t)(signature - jwt.data)), 1);
    EVP_MD_CTX_free(md);
    text_free(&jwt);
    credentials_deinit(&credentials);
    free(json);
}

static void test_forms(void **unused)
{
    struct credentials credentials;
    char why[256], *json = service_account(rsa, "");
    struct text form = {0};
    (void)unused;
    assert_int_equal(parse(&credentials, json, why), ANTIPHON_OK);
    assert_int_equal(credentials_form(&credentials, 1, &form), ANTIPHON_OK);
    assert_int_equal(
        strncmp(form.data,
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ",
                78),
        0);
    text_free(&form);
    credentials_deinit(&credentials);
    free(json);
    assert_int_equal(parse(&credentials, user_file, why), ANTIPHON_OK);
    assert_string_equal(credentials.quota_project, "payer");
    assert_string_equal(credentials.token_uri, "https://oauth2.googleapis.com/token");
    assert_int_equal(credentials_form(&credentials, 1, &form), ANTIPHON_OK);
    assert_string_equal(form.data, "grant_type=refresh_token&client_id=cid.apps&client_secret=s%26c"
                                   "&refresh_token=1%2F%2Frt");
    text_free(&form);
    credentials_deinit(&credentials);
}

static void test_refused_files(void **unused)
{
    static const struct {
        const char *json, *piece;
    } cases[] = {
        {"", "is not a JSON object"},
        {"[]", "is not a JSON object"},
        {"{}", "has no \"type\""},
        {"{\"type\":\"external_account\"}",
         "is of type \"external_account\", which is not supported"},
        {"{\"type\":\"impersonated_service_account\"}", "impersonated_service_account"},
        {"{\"type\":\"service_account\"}", "lacks client_email or private_key"},
        {"{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"SECRET\"}",
         "has a private_key that is not an RSA key"},
        {"{\"type\":\"authorized_user\",\"client_id\":\"a\"}", "lacks client_id, client_secret"},
        {"{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"SECRET\","
         "\"refresh_token\":\"SECRET\",\"token_uri\":\"http://evil.com\"}",
         "token_uri that is not https"},
        {"{\"type\":\"service_account\",\"universe_domain\":\"x.com\"}", "another universe_domain"},
    };
    struct credentials credentials;
    char why[256];
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(&credentials, cases[i].json, why), ANTIPHON_EINVAL);
        if (!strstr(why, cases[i].piece) || strstr(why, "SECRET") || !strstr(why, "/f.json"))
            fail_msg("%s: %s", cases[i].json, why);
    }
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    char *json = service_account(ec, "");
    assert_int_equal(parse(&credentials, json, why), ANTIPHON_EINVAL);
    free(json);
    EVP_PKEY_free(ec);
}

static void test_answers(void **unused)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "{}",
                                      "{\"access_token\":7}",
                                      "{\"access_token\":\"\"}",
                                      "{\"access_token\":\"a b\"}",
                                      "{\"error\":\"invalid_grant\"}"};
    char *token = NULL;
    int64_t seconds = 0;
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(credentials_answer(bad[i], strlen(bad[i]), &token, &seconds),
                         ANTIPHON_EINVAL);
    static const char good[] =
        "{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}";
    assert_int_equal(credentials_answer(good, sizeof good - 1, &token, &seconds), ANTIPHON_OK);
    assert_string_equal(token, "ya29.x");
    assert_int_equal(seconds, 3599);
    free(token);
}

/* ---- where they are looked for --------------------------------------------------------------- */

static char folder[] = "/tmp/gemini-credentials-XXXXXX";

static void put_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static struct credentials loaded(const char *json)
{
    cJSON *config = cJSON_Parse(json);
    struct credentials credentials;
    char why[256] = "";
    if (credentials_load(&credentials, config, why, sizeof why) != ANTIPHON_OK)
        fail_msg("%s: %s", json, why);
    cJSON_Delete(config);
    return credentials;
}

static void test_search(void **unused)
{
    struct credentials credentials;
    char path[200], config[600], why[256];
    (void)unused;
    snprintf(config, sizeof config, "{\"home\":\"%s\",\"metadata_host\":\"h:1\"}", folder);
    credentials = loaded(config);
    assert_int_equal(credentials.kind, CREDENTIALS_METADATA);
    assert_string_equal(credentials.metadata_host, "h:1");
    credentials_deinit(&credentials);
    credentials = loaded("{}");
    assert_string_equal(credentials.metadata_host, "169.254.169.254");
    credentials_deinit(&credentials);

    snprintf(path, sizeof path, "%s/.config", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/.config/gcloud", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/.config/gcloud/application_default_credentials.json", folder);
    put_file(path, user_file);
    credentials = loaded(config);
    assert_int_equal(credentials.kind, CREDENTIALS_USER);
    credentials_deinit(&credentials);

    char *json = service_account(rsa, "");
    snprintf(path, sizeof path, "%s/application_default_credentials.json", folder);
    put_file(path, json);
    free(json);
    snprintf(config, sizeof config,
             "{\"home\":\"%s\",\"cloudsdk_config\":\"%s\",\"quota_project\":\"q\","
             "\"token_uri\":\"http://127.0.0.1:1/t\"}",
             folder, folder);
    credentials = loaded(config);
    assert_int_equal(credentials.kind, CREDENTIALS_SERVICE_ACCOUNT);
    assert_string_equal(credentials.token_uri, "http://127.0.0.1:1/t");
    assert_string_equal(credentials.quota_project, "q");
    credentials_deinit(&credentials);

    snprintf(path, sizeof path, "%s/broken.json", folder);
    put_file(path, "{");
    snprintf(config, sizeof config, "{\"credentials\":\"%s\"}", path);
    cJSON *tree = cJSON_Parse(config);
    assert_int_equal(credentials_load(&credentials, tree, why, sizeof why), ANTIPHON_EINVAL);
    assert_non_null(strstr(why, "broken.json is not a JSON object"));
    cJSON_Delete(tree);
}

/* ---- the token endpoint ---------------------------------------------------------------------- */

static void test_endpoint(void **unused)
{
    struct fake_host fake;
    struct credentials credentials;
    struct token token = {0};
    struct token_fault fault = {0};
    uint64_t first = 0, second = 0, third = 0;
    char why[256];
    (void)unused;
    fake_init(&fake);
    assert_int_equal(parse(&credentials, user_file, why), ANTIPHON_OK);
    struct token_cache *cache = token_cache_new(&fake.host, &credentials, false);
    assert_int_equal(token_get(cache, 1, &first, &token, &fault), ANTIPHON_EBUSY);
    assert_int_equal(token_get(cache, 2, &second, &token, &fault), ANTIPHON_EBUSY);
    assert_int_equal(fake.http_n, 1); /* one request for both */
    assert_string_equal(fake.http[0].method, "POST");
    assert_string_equal(fake.http[0].url, "https://oauth2.googleapis.com/token");
    assert_string_equal(fake.http[0].headers, "Content-Type: application/x-www-form-urlencoded\n");
    assert_int_equal(fake.http[0].flags, 0);
    assert_non_null(strstr(fake.http[0].body, "grant_type=refresh_token"));
    fake_answer(&fake, 0, 400, "", "{\"error\":\"invalid_grant\"}");
    assert_int_equal(fake.wakes_n, 2);
    assert_int_equal(token_get(cache, 1, &first, &token, &fault), ANTIPHON_EDENIED);
    assert_non_null(strstr(fault.next, "gcloud auth application-default login"));
    assert_non_null(strstr(fault.cause, "HTTP 400"));
    assert_int_equal(token_get(cache, 2, &second, &token, &fault), ANTIPHON_EDENIED);
    assert_int_equal(fake.http_n, 1); /* their question was answered; the next one asks anew */
    assert_int_equal(token_get(cache, 3, &third, &token, &fault), ANTIPHON_EBUSY);
    fake_answer(&fake, 1, 200, "", "{\"access_token\":\"ya29.t\",\"expires_in\":\"100\"}");
    assert_int_equal(token_get(cache, 3, &third, &token, &fault), ANTIPHON_OK);
    assert_string_equal(token.text, "ya29.t");
    token_free(&token);
    assert_int_equal(fake.http_n, 3); /* it ends within five minutes: the next one is on its way */
    fake_answer(&fake, 2, 200, "", "{\"access_token\":\"ya29.u\",\"expires_in\":3600}");
    third = 0;
    assert_int_equal(token_get(cache, 3, &third, &token, &fault), ANTIPHON_OK);
    assert_string_equal(token.text, "ya29.u");
    token_refused(cache, token.number);
    token_free(&token);
    third = 0;
    fake.http_status = ANTIPHON_EBUSY; /* not even asked */
    fake.wakes_n = 0;
    assert_int_equal(token_get(cache, 3, &third, &token, &fault), ANTIPHON_EBUSY);
    assert_int_equal(fake.wakes_n, 1);
    assert_int_equal(token_get(cache, 3, &third, &token, &fault), ANTIPHON_EBUSY);
    assert_non_null(strstr(fault.cause, "could not be reached"));
    token_cache_free(cache);
    credentials_deinit(&credentials);
    fake_deinit(&fake);
}

/* A token that lives shorter than is kept in reserve is used all the same, once. */
static void test_short_life(void **unused)
{
    struct fake_host fake;
    struct credentials credentials;
    struct token token = {0};
    struct token_fault fault = {0};
    uint64_t first = 0, second = 0;
    char why[256];
    (void)unused;
    fake_init(&fake);
    assert_int_equal(parse(&credentials, user_file, why), ANTIPHON_OK);
    struct token_cache *cache = token_cache_new(&fake.host, &credentials, false);
    assert_int_equal(token_get(cache, 1, &first, &token, &fault), ANTIPHON_EBUSY);
    fake_answer(&fake, 0, 200, "", "{\"access_token\":\"ya29.t\",\"expires_in\":5}");
    assert_int_equal(token_get(cache, 2, &second, &token, &fault), ANTIPHON_EBUSY);
    assert_int_equal(token_get(cache, 1, &first, &token, &fault), ANTIPHON_OK);
    token_free(&token);
    fake_answer(&fake, 1, 200, "", "{\"access_token\":\"ya29.u\",\"expires_in\":5}");
    token_refused(cache, 2); /* before the second asker came back */
    assert_int_equal(token_get(cache, 2, &second, &token, &fault), ANTIPHON_EBUSY);
    fake_answer(&fake, 2, 200, "", "{\"access_token\":\"ya29.v\",\"expires_in\":5}");
    assert_int_equal(token_get(cache, 2, &second, &token, &fault), ANTIPHON_OK);
    assert_string_equal(token.text, "ya29.v");
    token_free(&token);
    token_cache_free(cache);
    fake_fail(&fake, 3, ANTIPHON_ECANCELLED); /* the renewal that was begun beside */
    credentials_deinit(&credentials);
    fake_deinit(&fake);
}

/* Something else answers at the metadata server's address. */
static void test_metadata_flavor(void **unused)
{
    struct fake_host fake;
    struct credentials credentials = {.kind = CREDENTIALS_METADATA, .metadata_host = strdup("h")};
    struct token token = {0};
    struct token_fault fault = {0};
    uint64_t ticket = 0;
    (void)unused;
    fake_init(&fake);
    struct token_cache *cache = token_cache_new(&fake.host, &credentials, false);
    assert_int_equal(token_get(cache, 1, &ticket, &token, &fault), ANTIPHON_EBUSY);
    fake_answer(&fake, 0, 200, "Server: router\r\n", "{\"access_token\":\"x\",\"expires_in\":9}");
    assert_int_equal(token_get(cache, 1, &ticket, &token, &fault), ANTIPHON_EDENIED);
    token_cache_free(cache);
    credentials_deinit(&credentials);
    fake_deinit(&fake);
}

static int make_key(void **unused)
{
    (void)unused;
    rsa = EVP_RSA_gen(2048);
    return rsa && mkdtemp(folder) ? 0 : -1;
}

static int drop_key(void **unused)
{
    static const char *const paths[] = {"/.config/gcloud/application_default_credentials.json",
                                        "/application_default_credentials.json", "/broken.json"};
    char path[200];
    (void)unused;
    EVP_PKEY_free(rsa);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", folder, paths[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/.config/gcloud", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/.config", folder);
    rmdir(path);
    rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jwt),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused_files),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_metadata_flavor),
        cmocka_unit_test(test_short_life),
    };
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
