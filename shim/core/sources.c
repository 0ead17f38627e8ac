#include "core/sources.h"

#include <linux/random.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define PLACES          8192U
#define HALF_LIFE_NS    (60 * CLOCK_SECOND)
#define COUNT_MAX       255U
#define NOTHING_LEFT    8U /* of it after so many half-lives */
#define FINISHED_WEIGHT 4U /* a finished handshake is remembered for longer than a shut one */

/* tag:19 (the rest of it is the place), half-life number:16, finished:8, halfway:8, silent:8; one
 * word, so that it changes in one step. */
static _Atomic uint64_t places[PLACES];

#define TAG(source)    ((source) / PLACES)
#define TAG_OF(word)   ((uint32_t)((word) >> 40))
#define AGE(word)      ((uint16_t)((word) >> 24))
#define FINISHED(word) ((uint32_t)((word) >> 16 & COUNT_MAX))
#define HALFWAY(word)  ((uint32_t)((word) >> 8 & COUNT_MAX))
#define SILENT(word)   ((uint32_t)((word)&COUNT_MAX))
#define WORD(tag, age, finished, halfway, silent)                                                  \
    ((uint64_t)(tag) << 40 | (uint64_t)(uint16_t)(age) << 24 | (uint64_t)(finished) << 16 |        \
     (uint64_t)(halfway) << 8 | (uint64_t)(silent))

/* The raw system call: libc's is a point of cancellation, and accept() has its descriptor by now.
 */
static uint64_t key(void)
{
    static _Atomic uint64_t kept;
    uint64_t value = atomic_load_explicit(&kept, memory_order_relaxed);
    uint64_t none = 0;

    if (value != 0)
        return value;
    if (syscall(SYS_getrandom, &value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
        value = clock_now_ns();
    value |= 1;
    return atomic_compare_exchange_strong_explicit(&kept, &none, value, memory_order_relaxed,
                                                   memory_order_relaxed)
               ? value
               : none;
}

/* A keyed mix of 64 bits (the finaliser of MurmurHash3, before and after the key). */
static uint64_t mix(uint64_t value)
{
    value ^= value >> 33;
    value *= UINT64_C(0xff51afd7ed558ccd);
    value ^= value >> 33;
    value *= UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ value >> 33;
}

/* The family too: an IPv4 address and an IPv6 network may have the same bits. */
static uint32_t tag_of(sa_family_t family, uint64_t address)
{
    uint32_t tag = (uint32_t)(mix(mix(address ^ key()) + key() + family) >> 32);

    return tag != 0 ? tag : 1;
}

uint32_t sources_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    } peer;
    socklen_t length = sizeof(peer);
    uint64_t prefix = 0;

    memset(&peer, 0, sizeof(peer));
    if (getpeername(fd, &peer.any, &length) != 0)
        return 0;
    if (peer.any.sa_family == AF_INET)
        return tag_of(AF_INET, peer.in.sin_addr.s_addr);
    if (peer.any.sa_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&peer.in6.sin6_addr)) {
        uint32_t mapped;

        memcpy(&mapped, &peer.in6.sin6_addr.s6_addr[12], sizeof(mapped));
        return tag_of(AF_INET, mapped);
    }
    memcpy(&prefix, peer.in6.sin6_addr.s6_addr, sizeof(prefix));
    return tag_of(AF_INET6, prefix);
}

static uint16_t half_lives(void)
{
    return (uint16_t)(clock_now_ns() / HALF_LIFE_NS);
}

static uint32_t up_to(uint32_t most, uint32_t count)
{
    return count < most ? count : most;
}

/* What is left of this word's counts by now. Counts are halved at fixed times, so that it does not
 * matter how often the word was written between them. */
static uint64_t decayed(uint64_t word, uint16_t now)
{
    uint16_t passed = (uint16_t)(now - AGE(word));
    uint32_t shift = up_to(NOTHING_LEFT, passed);
    uint32_t slower = up_to(NOTHING_LEFT, (AGE(word) % FINISHED_WEIGHT + passed) / FINISHED_WEIGHT);

    return WORD(TAG_OF(word), now, FINISHED(word) >> slower, HALFWAY(word) >> shift,
                SILENT(word) >> shift);
}

static void add(uint32_t source, struct source_record more)
{
    _Atomic uint64_t *place = &places[source % PLACES];
    uint64_t before = atomic_load_explicit(place, memory_order_relaxed);
    uint16_t now = half_lives();
    uint64_t after;

    if (source == 0)
        return;
    do {
        uint64_t word = decayed(before, now);

        if (TAG_OF(word) != TAG(source)) {
            /* Who has finished lately keeps the place against those that were shut. */
            if (FINISHED(word) != 0 && more.finished == 0)
                return;
            word = 0;
        }
        after = WORD(TAG(source), now, up_to(COUNT_MAX, FINISHED(word) + more.finished),
                     up_to(COUNT_MAX, HALFWAY(word) + more.halfway),
                     up_to(COUNT_MAX, SILENT(word) + more.silent));
    } while (!atomic_compare_exchange_weak_explicit(place, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

void sources_finished(uint32_t source)
{
    add(source, (struct source_record){.finished = 1});
}

void sources_shut(uint32_t source, bool with_hello)
{
    add(source, (struct source_record){.silent = !with_hello, .halfway = with_hello});
}

struct source_record sources_record(uint32_t source)
{
    uint64_t word =
        decayed(atomic_load_explicit(&places[source % PLACES], memory_order_relaxed), half_lives());

    if (source == 0 || TAG_OF(word) != TAG(source))
        return (struct source_record){0};
    return (struct source_record){
        .finished = FINISHED(word), .silent = SILENT(word), .halfway = HALFWAY(word)};
}
