/* inbox - messages from any thread to one owner. The poster calls wake() only when the inbox was
 * empty. Messages are intrusive: the poster allocates, the handler owns and frees. Unbounded by
 * itself: each kind of poster has its own bound (pool jobs, http requests, store records, forwarded
 * client frames). Free it only when no thread can post any more; what ctx points to must outlive
 * the last poster's wake(). A message posted while draining runs in the next drain. */
#ifndef BASE_INBOX_H
#define BASE_INBOX_H
#include "base/status.h"

struct inbox_message {
    struct inbox_message *next;
    /* [owner] Runs the message and frees it. dropped: the owner is shutting down, only free. */
    void (*run)(void *owner, struct inbox_message *message, bool dropped);
};
struct inbox;
enum antiphon_status inbox_new(void (*wake)(void *ctx), void *ctx, struct inbox **inbox) MUST_CHECK;
void inbox_post(struct inbox *inbox, struct inbox_message *message); /* any thread */
void inbox_drain(struct inbox *inbox, void *owner);                  /* [owner]; in posting order */
void inbox_free(struct inbox *inbox, void *owner);                   /* drops what is left */
#endif
