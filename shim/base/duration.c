#include "base/duration.h"

#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

struct unit {
    char suffix[3];
    uint64_t ns;
};

static const struct unit units[] = {
    {"", SECOND_NS},       {"ms", SECOND_NS / 1000}, {"s", SECOND_NS},
    {"m", 60 * SECOND_NS}, {"h", 3600 * SECOND_NS},
};

static size_t count_digits(const char *text, size_t length)
{
    size_t count = 0;

    /* not isdigit(): that one asks the locale */
    while (count < length && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

static uint64_t digit(char c)
{
    return (uint64_t)(c - '0');
}

/* Whole numbers above the greatest duration in the smallest unit are all the same: too long. */
static uint64_t whole_value(const char *digits, size_t count)
{
    const uint64_t too_long = DURATION_MAX_NS + 1;
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++) {
        value = value * 10 + digit(digits[i]);
        if (value > too_long)
            return too_long;
    }
    return value;
}

/* 0.DIGITS of a unit, rounded down. From the last digit to the first, so that nothing is lost: each
   step divides an exact integer, and floor((a + floor(x)) / 10) equals floor((a + x) / 10). */
static uint64_t fraction_ns(const char *digits, size_t count, uint64_t unit_ns)
{
    uint64_t value = 0;

    while (count > 0)
        value = (digit(digits[--count]) * unit_ns + value) / 10;
    return value;
}

static const struct unit *find_unit(const char *suffix, size_t length)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].suffix) == length && memcmp(units[i].suffix, suffix, length) == 0)
            return &units[i];
    }
    return NULL;
}

bool duration_parse(const char *text, size_t length, uint64_t *out_ns)
{
    size_t whole_digits = count_digits(text, length);
    size_t at = whole_digits;
    size_t fraction_at = at;
    size_t fraction_digits = 0;

    if (at < length && text[at] == '.') {
        fraction_at = at + 1;
        fraction_digits = count_digits(text + fraction_at, length - fraction_at);
        at = fraction_at + fraction_digits;
    }

    const struct unit *unit = find_unit(text + at, length - at);
    if (!unit)
        return false;

    uint64_t whole = whole_value(text, whole_digits);
    if (whole > DURATION_MAX_NS / unit->ns)
        return false;

    uint64_t ns = whole * unit->ns + fraction_ns(text + fraction_at, fraction_digits, unit->ns);
    if (ns < DURATION_MIN_NS || ns > DURATION_MAX_NS)
        return false;
    *out_ns = ns;
    return true;
}

bool duration_parse_seconds(const char *text, size_t length, uint64_t *out_ns)
{
    if (length == 0 || (text[length - 1] != '.' && count_digits(text + length - 1, 1) == 0))
        return false;
    return duration_parse(text, length, out_ns);
}
