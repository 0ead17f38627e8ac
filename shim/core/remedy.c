#include "core/remedy.h"

#define MOST_DOUBLINGS 20U

static void judge(struct remedy *remedy, bool moved, uint64_t now_ns)
{
    bool soon = now_ns <= clock_after_ns(remedy->given_ns, REMEDY_HELPS_NS);

    if (remedy->given_ns == 0 || (soon && !moved))
        return;
    remedy->works = soon;
    remedy->given_ns = 0;
    remedy->doublings = 0;
}

uint32_t remedy_dose(struct remedy *remedy, uint32_t stuck, bool moved, uint64_t now_ns)
{
    uint32_t dose;

    if (stuck == 0) {
        judge(remedy, moved, now_ns);
        return 0;
    }
    if (remedy->given_ns != 0 && now_ns > clock_after_ns(remedy->given_ns, REMEDY_HELPS_NS))
        remedy->works = false;
    if (remedy->given_ns != 0 && now_ns < clock_after_ns(remedy->given_ns, REMEDY_AGAIN_NS))
        return 0;
    dose = remedy->given_ns == 0 ? 1 : UINT32_C(2) << remedy->doublings;
    return remedy->works || dose > stuck ? stuck : dose;
}

void remedy_given(struct remedy *remedy, uint64_t now_ns)
{
    if (remedy->given_ns != 0 && remedy->doublings < MOST_DOUBLINGS)
        remedy->doublings++;
    remedy->given_ns = now_ns;
}
