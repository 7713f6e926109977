#include "base/quarantine.h"

#include "base/banned.h"

void *quarantine_swap(struct quarantine *quarantine, void *item)
{
    void *oldest;

    pthread_mutex_lock(&quarantine->mutex);
    oldest = quarantine->item[quarantine->at];
    quarantine->item[quarantine->at] = item;
    quarantine->at = (quarantine->at + 1) % quarantine->size;
    pthread_mutex_unlock(&quarantine->mutex);
    return oldest;
}
