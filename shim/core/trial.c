#include "core/trial.h"

static void look_for_success(struct trial *trial, uint32_t handed_over)
{
    if (trial->again_ns != 0 && handed_over != trial->handed_over) {
        trial->works = true;
        trial->again_ns = 0;
        trial->doublings = 0;
    }
    trial->handed_over = handed_over;
}

uint32_t trial_dose(struct trial *trial, uint32_t unread, uint32_t handed_over, uint64_t now_ns)
{
    look_for_success(trial, handed_over);
    if (unread == 0 || now_ns < trial->again_ns)
        return 0;
    if (trial->again_ns != 0)
        trial->works = false;
    return trial->works ? unread : 1;
}

void trial_given(struct trial *trial, uint64_t now_ns)
{
    if (trial->again_ns != 0 && trial->doublings < TRIAL_DOUBLED)
        trial->doublings++;
    trial->again_ns = clock_after_ns(now_ns, TRIAL_AGAIN_NS << trial->doublings);
}
