#include "base/ebb.h"

#include "base/banned.h"

bool ebb_low(struct ebb *ebb, unsigned count)
{
    bool low = ebb->high >= EBB_MIN && count <= ebb->high / 2;

    if (count > ebb->high)
        ebb->high = count;
    ebb->asked = low ? ebb->asked + 1 : 0;
    if (ebb->asked < EBB_ASKED)
        return false;
    *ebb = (struct ebb){.high = count};
    return true;
}
