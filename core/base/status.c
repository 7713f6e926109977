#include "base/status.h"
#include "base/banned.h"

const char *status_name(enum antiphon_status status)
{
    switch (status) {
    case ANTIPHON_OK:
        return "ok";
    case ANTIPHON_EINVAL:
        return "invalid input";
    case ANTIPHON_ENOMEM:
        return "out of memory";
    case ANTIPHON_ENOTFOUND:
        return "not found";
    case ANTIPHON_EDENIED:
        return "denied";
    case ANTIPHON_ETIMEOUT:
        return "timed out";
    case ANTIPHON_ECANCELLED:
        return "cancelled";
    case ANTIPHON_EBUSY:
        return "busy";
    case ANTIPHON_EUNAVAILABLE:
        return "unavailable";
    case ANTIPHON_EPROTOCOL:
        return "protocol error";
    case ANTIPHON_EINTERNAL:
        return "internal error";
    case ANTIPHON_ETOOBIG:
        return "too big";
    case ANTIPHON_EEXISTS:
        return "exists already";
    case ANTIPHON_ECONFIRM:
        return "needs confirmation";
    }
    /* A plugin may answer any number. */
    return "unknown error";
}
