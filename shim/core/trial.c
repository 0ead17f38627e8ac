#include "core/trial.h"

uint32_t trial_dose(struct trial *trial, uint32_t waiting, bool helped, uint64_t now_ns)
{
    if (trial->given_ns != 0 && helped)
        *trial = (struct trial){.works = true};
    if (waiting == 0 ||
        (trial->given_ns != 0 &&
         now_ns < clock_after_ns(trial->given_ns, TRIAL_AGAIN_NS << trial->doublings)))
        return 0;
    if (trial->given_ns != 0)
        trial->works = false;
    return trial->works ? waiting : 1;
}

void trial_given(struct trial *trial, uint64_t now_ns)
{
    if (trial->given_ns != 0 && trial->doublings < TRIAL_DOUBLED)
        trial->doublings++;
    trial->given_ns = now_ns;
}
