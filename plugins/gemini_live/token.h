/* token - the process's OAuth access token for Vertex AI: fetched on the HTTP thread, kept until it
 * nears its end, fetched anew five minutes ahead of it. [any]; one mutex.
 *
 * A connection never waits here: it asks, is told EBUSY, and asks again when its sink is woken. */
#ifndef GEMINI_TOKEN_H
#define GEMINI_TOKEN_H
#include "credentials.h"

#define TOKEN_REFRESH_S   300  /* so long before its end a new one is fetched */
#define TOKEN_SPARE_S     30   /* so long before its end it is not given out any more */
#define TOKEN_TIMEOUT_MS  5000 /* of one request */
#define TOKEN_MAX_WAITERS 4096 /* connections that wait for one fetch; more are refused (EBUSY) */

struct token_cache;
struct token {
    char *text;      /* owned by the caller: token_free() */
    char *project;   /* owned by the caller; NULL unless the metadata server was asked for it */
    uint64_t number; /* which fetch it came from */
};
struct token_fault {
    enum antiphon_status status;
    char cause[256], next[160]; /* sentences, without secrets */
};

/* credentials stay the caller's and live until token_cache_free(). need_project: ask the metadata
 * server for the project as well. NULL: out of memory. */
struct token_cache *token_cache_new(const struct antiphon_host *host,
                                    const struct credentials *credentials, bool need_project);
/* No request that is under way touches the host or the credentials afterwards. */
void token_cache_free(struct token_cache *cache);

/* *ticket is 0 for the first question and kept by the asker. OK: *token is filled in. EBUSY: sink
 * will be woken. Anything else: *fault says why. */
enum antiphon_status token_get(struct token_cache *cache, antiphon_sink sink, uint64_t *ticket,
                               struct token *token, struct token_fault *fault);
/* The service refused the token of that fetch: the next question fetches another. */
void token_refused(struct token_cache *cache, uint64_t number);
void token_free(struct token *token); /* wipes the text */
#endif
