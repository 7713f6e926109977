#include "credentials.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "b64.h"
#include "backend.h"
#include "reader.h"

#define TOKEN_URI     "https://oauth2.googleapis.com/token"
#define METADATA_HOST "169.254.169.254"
#define SCOPE         "https://www.googleapis.com/auth/cloud-platform"
#define LIFETIME_S    3600

static bool copy(char **to, const char *from)
{
    *to = from && *from ? strdup(from) : NULL;
    return !from || !*from || *to;
}

/* No passphrase is ever asked for. */
static int no_password(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing, (void)ctx;
    return 0;
}

static EVP_PKEY *parse_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static const char *service_account(struct credentials *c, const cJSON *file)
{
    const char *pem = backend_setting(file, "private_key");
    const char *universe = backend_setting(file, "universe_domain");
    if (universe && strcmp(universe, "googleapis.com") != 0)
        return "is for another universe_domain than googleapis.com";
    if (!pem || !backend_setting(file, "client_email"))
        return "lacks client_email or private_key";
    c->kind = CREDENTIALS_SERVICE_ACCOUNT;
    c->key = parse_key(pem);
    if (!c->key)
        return "has a private_key that is not an RSA key in PEM";
    bool ok = copy(&c->email, backend_setting(file, "client_email")) &&
              copy(&c->key_id, backend_setting(file, "private_key_id")) &&
              copy(&c->project, backend_setting(file, "project_id"));
    return ok ? NULL : "does not fit into memory";
}

static const char *authorized_user(struct credentials *c, const cJSON *file)
{
    c->kind = CREDENTIALS_USER;
    if (!backend_setting(file, "client_id") || !backend_setting(file, "client_secret") ||
        !backend_setting(file, "refresh_token"))
        return "lacks client_id, client_secret or refresh_token";
    bool ok = copy(&c->client_id, backend_setting(file, "client_id")) &&
              copy(&c->client_secret, backend_setting(file, "client_secret")) &&
              copy(&c->refresh, backend_setting(file, "refresh_token"));
    return ok ? NULL : "does not fit into memory";
}

/* An assertion or refresh token must not cross a network in the clear. */
static bool is_token_uri(const char *uri)
{
    return strncmp(uri, "https://", 8) == 0 ||
           (strncmp(uri, "http://", 7) == 0 && backend_is_loopback(uri));
}

static const char *parse_file(struct credentials *c, const cJSON *file, char *unsupported,
                              size_t size)
{
    const char *type = backend_setting(file, "type"), *fault;
    const char *uri = backend_setting(file, "token_uri");
    if (!type)
        return "is not a credentials file: it has no \"type\"";
    if (strcmp(type, "service_account") == 0)
        fault = service_account(c, file);
    else if (strcmp(type, "authorized_user") == 0)
        fault = authorized_user(c, file);
    else {
        snprintf(unsupported, size,
                 "is of type \"%.40s\", which is not supported: use a service account key or "
                 "gcloud auth application-default login",
                 type);
        return unsupported;
    }
    if (fault)
        return fault;
    if (uri && !is_token_uri(uri))
        return "has a token_uri that is not https";
    bool ok = copy(&c->token_uri, uri ? uri : TOKEN_URI) &&
              copy(&c->quota_project, backend_setting(file, "quota_project_id"));
    return ok ? NULL : "does not fit into memory";
}

enum antiphon_status credentials_parse(struct credentials *credentials, const char *json,
                                       size_t len, const char *name, char *why, size_t why_size)
{
    char unsupported[192];
    struct value value;
    size_t where;
    const char *fault = "is not a JSON object";
    *credentials = (struct credentials){0};
    if (reader_check(json, len, &value, &where) && reader_is(value, '{')) {
        cJSON *file = cJSON_ParseWithLength(value.p, value.n);
        fault = file ? parse_file(credentials, file, unsupported, sizeof unsupported)
                     : "does not fit into memory";
        cJSON_Delete(file);
    }
    if (!fault)
        return ANTIPHON_OK;
    snprintf(why, why_size, "credentials file %s %s", name, fault);
    credentials_deinit(credentials);
    return ANTIPHON_EINVAL;
}

static enum antiphon_status read_file(const char *path, struct text *content, int *error)
{
    char block[4096];
    size_t n;
    FILE *file = fopen(path, "re");
    if (!file) {
        *error = errno;
        return ANTIPHON_ENOTFOUND;
    }
    while ((n = fread(block, 1, sizeof block, file)) > 0 && content->len <= CREDENTIALS_MAX_FILE)
        text_add(content, block, n);
    *error = ferror(file) ? EIO : 0;
    fclose(file);
    if (*error)
        return ANTIPHON_EUNAVAILABLE;
    return content->len > CREDENTIALS_MAX_FILE ? ANTIPHON_ETOOBIG : ANTIPHON_OK;
}

/* must: a file that is not there is a fault. ENOTFOUND without `why` otherwise. */
static enum antiphon_status load_file(struct credentials *credentials, const char *path, bool must,
                                      char *why, size_t why_size)
{
    struct text content = {0};
    int error = 0;
    enum antiphon_status status = read_file(path, &content, &error);
    if (status == ANTIPHON_OK)
        status = credentials_parse(credentials, content.data ? content.data : "", content.len, path,
                                   why, why_size);
    else if (status != ANTIPHON_ENOTFOUND || must || error != ENOENT) {
        snprintf(why, why_size, "credentials file %s: %s", path,
                 status == ANTIPHON_ETOOBIG ? "too large" : strerror(error));
        status = ANTIPHON_EUNAVAILABLE;
    }
    if (content.data)
        OPENSSL_cleanse(content.data, content.len);
    text_free(&content);
    return status;
}

static enum antiphon_status gcloud_file(struct credentials *credentials, const cJSON *config,
                                        char *why, size_t why_size)
{
    const char *folder = backend_setting(config, "cloudsdk_config");
    const char *home = backend_setting(config, "home");
    struct text path = {0};
    enum antiphon_status status = ANTIPHON_ENOTFOUND;
    if (folder)
        text_printf(&path, "%s/application_default_credentials.json", folder);
    else if (home)
        text_printf(&path, "%s/.config/gcloud/application_default_credentials.json", home);
    if (path.data)
        status = load_file(credentials, path.data, false, why, why_size);
    text_free(&path);
    return status;
}

static enum antiphon_status metadata(struct credentials *credentials, const cJSON *config)
{
    const char *host = backend_setting(config, "metadata_host");
    *credentials = (struct credentials){.kind = CREDENTIALS_METADATA};
    return copy(&credentials->metadata_host, host ? host : METADATA_HOST) ? ANTIPHON_OK
                                                                          : ANTIPHON_ENOMEM;
}

/* What the configuration says wins over the file. */
static enum antiphon_status override(struct credentials *credentials, const cJSON *config,
                                     char *why, size_t why_size)
{
    const char *uri = backend_setting(config, "token_uri");
    const char *quota = backend_setting(config, "quota_project");
    if (uri && !is_token_uri(uri)) {
        snprintf(why, why_size, "token_uri must be https");
        return ANTIPHON_EINVAL;
    }
    if (uri) {
        free(credentials->token_uri);
        if (!copy(&credentials->token_uri, uri))
            return ANTIPHON_ENOMEM;
    }
    if (quota) {
        free(credentials->quota_project);
        if (!copy(&credentials->quota_project, quota))
            return ANTIPHON_ENOMEM;
    }
    return ANTIPHON_OK;
}

enum antiphon_status credentials_load(struct credentials *credentials, const cJSON *config,
                                      char *why, size_t why_size)
{
    const char *named = backend_setting(config, "credentials");
    enum antiphon_status status;
    snprintf(why, why_size, "out of memory");
    *credentials = (struct credentials){0};
    if (named)
        status = load_file(credentials, named, true, why, why_size);
    else
        status = gcloud_file(credentials, config, why, why_size);
    if (status == ANTIPHON_ENOTFOUND)
        status = metadata(credentials, config);
    if (status == ANTIPHON_OK)
        status = override(credentials, config, why, why_size);
    if (status != ANTIPHON_OK)
        credentials_deinit(credentials);
    return status;
}

static void free_secret(char *secret)
{
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

void credentials_deinit(struct credentials *credentials)
{
    EVP_PKEY_free(credentials->key);
    free(credentials->token_uri);
    free(credentials->email);
    free(credentials->key_id);
    free(credentials->client_id);
    free_secret(credentials->client_secret);
    free_secret(credentials->refresh);
    free(credentials->project);
    free(credentials->quota_project);
    free(credentials->metadata_host);
    *credentials = (struct credentials){0};
}

const char *credentials_project(const struct credentials *credentials)
{
    if (!credentials->project && credentials->kind == CREDENTIALS_USER)
        return credentials->quota_project;
    return credentials->project;
}

static void add_b64url(struct text *out, const void *data, size_t len)
{
    char *encoded = malloc(b64_encoded_len(len) + 1);
    if (!encoded) {
        out->failed = true;
        return;
    }
    text_add(out, encoded, b64_encode_url(data, len, encoded));
    free(encoded);
}

static bool sign(EVP_PKEY *key, struct text *jwt)
{
    unsigned char signature[1024]; /* RSA of up to 8192 bits */
    size_t len = sizeof signature;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(md, NULL, &len, (const unsigned char *)jwt->data, jwt->len) == 1 &&
              len <= sizeof signature &&
              EVP_DigestSign(md, signature, &len, (const unsigned char *)jwt->data, jwt->len) == 1;
    EVP_MD_CTX_free(md);
    if (ok) {
        text_puts(jwt, ".");
        add_b64url(jwt, signature, len);
    }
    return ok;
}

enum antiphon_status credentials_jwt(const struct credentials *credentials, int64_t now,
                                     struct text *jwt)
{
    struct text head = {0}, claims = {0};
    text_puts(&head, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    if (credentials->key_id) {
        text_puts(&head, ",\"kid\":");
        text_json(&head, credentials->key_id, strlen(credentials->key_id));
    }
    text_puts(&head, "}");
    text_puts(&claims, "{\"iss\":");
    text_json(&claims, credentials->email, strlen(credentials->email));
    text_puts(&claims, ",\"scope\":\"" SCOPE "\",\"aud\":");
    text_json(&claims, credentials->token_uri, strlen(credentials->token_uri));
    text_printf(&claims, ",\"exp\":%lld,\"iat\":%lld}", (long long)now + LIFETIME_S,
                (long long)now);
    enum antiphon_status status = ANTIPHON_ENOMEM;
    if (!head.failed && !claims.failed) {
        add_b64url(jwt, head.data, head.len);
        text_puts(jwt, ".");
        add_b64url(jwt, claims.data, claims.len);
        status = jwt->failed                   ? ANTIPHON_ENOMEM
                 : sign(credentials->key, jwt) ? ANTIPHON_OK
                                               : ANTIPHON_EINTERNAL;
    }
    text_free(&head);
    text_free(&claims);
    return jwt->failed ? ANTIPHON_ENOMEM : status;
}

enum antiphon_status credentials_form(const struct credentials *credentials, int64_t now,
                                      struct text *form)
{
    enum antiphon_status status = ANTIPHON_OK;
    if (credentials->kind == CREDENTIALS_SERVICE_ACCOUNT) {
        struct text jwt = {0};
        status = credentials_jwt(credentials, now, &jwt);
        if (status == ANTIPHON_OK) {
            text_puts(form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
                            "&assertion=");
            text_url(form, jwt.data);
        }
        text_free(&jwt);
    } else {
        text_puts(form, "grant_type=refresh_token&client_id=");
        text_url(form, credentials->client_id);
        text_puts(form, "&client_secret=");
        text_url(form, credentials->client_secret);
        text_puts(form, "&refresh_token=");
        text_url(form, credentials->refresh);
    }
    return form->failed ? ANTIPHON_ENOMEM : status;
}

enum antiphon_status credentials_answer(const char *json, size_t len, char **token,
                                        int64_t *expires_in)
{
    struct value answer;
    struct text text = {0};
    size_t where;
    int64_t seconds = 0;
    if (!reader_check(json, len, &answer, &where) || !reader_is(answer, '{'))
        return ANTIPHON_EINVAL;
    bool ok = reader_string(reader_get(answer, "access_token", NULL), &text) && text.len &&
              !strpbrk(text.data, " \t\r\n");
    if (!reader_int(reader_get(answer, "expires_in", NULL), &seconds) || seconds <= 0)
        seconds = LIFETIME_S;
    if (!ok) {
        bool failed = text.failed;
        text_free(&text);
        return failed ? ANTIPHON_ENOMEM : ANTIPHON_EINVAL;
    }
    *token = text_take(&text);
    *expires_in = seconds > 86400 ? 86400 : seconds;
    return *token ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}
