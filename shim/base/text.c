#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"

static void text_bytes(struct text *text, const char *bytes, size_t length)
{
    size_t room = sizeof(text->bytes) - 1 - text->length;

    if (length > room)
        length = room;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

/* At least `width` digits, filled up with zeros. */
static void text_digits(struct text *text, uint64_t number, size_t width)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0 || sizeof(digits) - at < width);
    text_bytes(text, digits + at, sizeof(digits) - at);
}

void text_number(struct text *text, uint64_t number)
{
    text_digits(text, number, 1);
}

void text_seconds(struct text *text, uint64_t span_ns)
{
    text_number(text, span_ns / CLOCK_SECOND);
    text_string(text, ".");
    text_digits(text, span_ns % CLOCK_SECOND / CLOCK_MILLISECOND, 3);
}

/* Years are counted from March, so that the leap day is a year's last one: then the days before a
 * month follow from its number, and 400 years have 146097 days. */
static void text_date(struct text *text, uint64_t days)
{
    uint64_t from_march = days + 719468; /* since the first of March of the year 0 */
    uint64_t era = from_march / 146097;
    uint64_t day = from_march % 146097;
    uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint64_t month;

    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    text_digits(text, era * 400 + year + (month >= 10 ? 1 : 0), 4);
    text_string(text, "-");
    text_digits(text, month < 10 ? month + 3 : month - 9, 2);
    text_string(text, "-");
    text_digits(text, day + 1, 2);
}

void text_utc(struct text *text, uint64_t seconds)
{
    text_date(text, seconds / 86400);
    text_string(text, "T");
    text_digits(text, seconds / 3600 % 24, 2);
    text_string(text, ":");
    text_digits(text, seconds / 60 % 60, 2);
    text_string(text, ":");
    text_digits(text, seconds % 60, 2);
    text_string(text, "Z");
}

static void text_ipv4(struct text *text, const struct in_addr *address)
{
    char string[INET_ADDRSTRLEN] = "";

    inet_ntop(AF_INET, address, string, sizeof(string));
    text_string(text, string);
}

void text_address(struct text *text, const struct sockaddr *address)
{
    in_port_t port;

    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        text_ipv4(text, &in.sin_addr);
        port = in.sin_port;
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof(in6));
        port = in6.sin6_port;
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            struct in_addr mapped;

            memcpy(&mapped, &in6.sin6_addr.s6_addr[12], sizeof(mapped));
            text_ipv4(text, &mapped);
        } else {
            char string[INET6_ADDRSTRLEN] = "";

            inet_ntop(AF_INET6, &in6.sin6_addr, string, sizeof(string));
            text_string(text, "[");
            text_string(text, string);
            text_string(text, "]");
        }
    } else {
        text_string(text, "unknown");
        return;
    }
    text_string(text, ":");
    text_number(text, ntohs(port));
}

static const char *words(int error)
{
    static const struct {
        int error;
        const char *words;
    } known[] = {
        {EACCES, "permission denied"},
        {EPERM, "not permitted"},
        {ENOENT, "no such file or directory"},
        {ENOTDIR, "not a directory"},
        {EISDIR, "a directory"},
        {ELOOP, "a symbolic link"},
        {ENXIO, "a fifo that nobody reads"},
        {EROFS, "a file system that is read-only"},
        {ENOSPC, "no space left"},
        {ENAMETOOLONG, "too long a name"},
        {EMFILE, "too many open files"},
        {ENFILE, "too many open files in the system"},
        {ENOMEM, "not enough memory"},
        {EAGAIN, "a limit was reached"},
        {EINVAL, "not supported"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].error == error)
            return known[i].words;
    return NULL;
}

void text_error(struct text *text, int error)
{
    const char *what = words(error);

    text_string(text, " (errno ");
    text_number(text, (uint64_t)error);
    text_string(text, what != NULL ? ", " : "");
    text_string(text, what != NULL ? what : "");
    text_string(text, ")");
}
