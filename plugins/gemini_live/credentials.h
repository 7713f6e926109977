/* credentials - Application Default Credentials: what the file says, and the requests that turn it
 * into an access token. Pure but for credentials_load(), which reads the file, and the signature,
 * which takes about a millisecond.
 *
 * Order of search: the file that is named, gcloud's own file, the metadata server of Google Cloud.
 * Sources: RFC 7523 (JWT bearer), RFC 6749 section 6, Google's metadata server documentation. */
#ifndef GEMINI_CREDENTIALS_H
#define GEMINI_CREDENTIALS_H
#include <cjson/cJSON.h>
#include <openssl/evp.h>

#include "text.h"

enum credentials_kind { CREDENTIALS_SERVICE_ACCOUNT, CREDENTIALS_USER, CREDENTIALS_METADATA };

#define CREDENTIALS_MAX_FILE (64u * 1024)

struct credentials {
    enum credentials_kind kind;
    char *token_uri;                           /* owned */
    char *email, *key_id;                      /* owned; service account */
    EVP_PKEY *key;                             /* owned; service account; secret */
    char *client_id, *client_secret, *refresh; /* owned; user; secrets */
    char *project, *quota_project;             /* owned; NULL if the file names none */
    char *metadata_host;                       /* owned; host[:port] */
};

/* The content of an ADC file. why: one sentence without secrets; name is the file's, for it. */
enum antiphon_status credentials_parse(struct credentials *credentials, const char *json,
                                       size_t len, const char *name, char *why, size_t why_size);
/* Finds and reads what config says: credentials, cloudsdk_config, home, metadata_host, token_uri,
 * quota_project. */
enum antiphon_status credentials_load(struct credentials *credentials, const cJSON *config,
                                      char *why, size_t why_size);
void credentials_deinit(struct credentials *credentials);

/* The project they belong to, or NULL. gcloud's sign-in names none but that which is charged. */
const char *credentials_project(const struct credentials *credentials);

/* The signed assertion of a service account, valid for an hour from `now` (seconds since 1970). */
enum antiphon_status credentials_jwt(const struct credentials *credentials, int64_t now,
                                     struct text *jwt);
/* The form that is posted to token_uri (service account and user). */
enum antiphon_status credentials_form(const struct credentials *credentials, int64_t now,
                                      struct text *form);
/* An answer of the token endpoint or the metadata server. EINVAL: it is none. */
enum antiphon_status credentials_answer(const char *json, size_t len, char **token,
                                        int64_t *expires_in);
#endif
