#include "core/pressure.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "core/evict.h"
#include "core/examine.h"
#include "core/kernel.h"
#include "core/listeners.h"
#include "core/ports.h"
#include "core/reaper.h"
#include "core/remedy.h"
#include "core/report.h"
#include "core/sources.h"
#include "core/trial.h"
#include "core/waits.h"

#define LOOK_NS        (100 * CLOCK_MILLISECOND)
#define LOOK_SELDOM_NS CLOCK_SECOND
#define LOOK_SOON_NS   (10 * CLOCK_MILLISECOND)
#define LASTS_NS       CLOCK_SECOND
#define MANY           8U /* clients that a server lets down within LASTS_NS */
#define SAMPLE         1024U
#define DRIP_SEGMENTS  3U
#define DRIP_BYTES     32U /* to the segment, on average: no TLS client sends so little at a time */
#define HELLO_LEAST                                                                                \
    45U              /* bytes of a ClientHello without anything optional, RFC 8446 section 4.1.2 */
#define SPARE     4U /* descriptors that should stay free */
#define AT_A_TIME 1024U /* clients that a call of accept() turns away, some milliseconds' work */

/* So many looks in a row must find a queue unmoved before that is pressure: a quarter of a second,
 * or a second; and so many while pressure lasts. */
static const struct listeners_moments first = {.opened = 25, .inherited = 100};
static const struct listeners_moments further = {.opened = 2, .inherited = 2};

static _Atomic uint32_t progress; /* see pressure_got_on() */

static bool enabled(void)
{
    return ports_settings()->pressure;
}

static bool lasts(struct process *process, uint64_t now)
{
    return now < atomic_load_explicit(&process->pressed_ns, memory_order_relaxed);
}

static void press(struct process *process)
{
    uint64_t now = clock_now_ns();

    atomic_store_explicit(&process->pressed_ns, clock_after_ns(now, LASTS_NS),
                          memory_order_relaxed);
    reaper_by(process, now);
}

/* Room for one is needed now. */
static void want(struct process *process)
{
    atomic_fetch_add_explicit(&process->wanted, 1, memory_order_relaxed);
    press(process);
}

static bool nearly_the_last(int fd)
{
    struct rlimit limit;

    /* The lowest free number is given away: a high one means that all below are taken. */
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd + SPARE >= limit.rlim_cur;
}

void pressure_accepted(struct process *process, conn_handle handle, int fd)
{
    uint32_t source;

    if (!enabled())
        return;
    source =
        atomic_load_explicit(&conn_numbered(conn_number(handle))->source, memory_order_relaxed);
    if (nearly_the_last(fd))
        want(process);
    else if (lasts(process, clock_now_ns()) && evict_is_offender(source, false))
        reaper_by(process, clock_now_ns());
}

static bool blocks(int listener)
{
    long flags = syscall(SYS_fcntl, listener, F_GETFL);

    return flags < 0 || (flags & O_NONBLOCK) == 0;
}

static bool may_have_hello(const struct kernel_facts *facts)
{
    return facts->received >= HELLO_LEAST;
}

/* In the queue of the listener it has had its grace (the kernel counts from the TCP handshake on),
 * and has not sent what would have taken it no time; or it sends it drop by drop. */
static bool had_its_grace(const struct kernel_facts *facts)
{
    if (!facts->known || facts->left)
        return false;
    if (facts->segments >= DRIP_SEGMENTS &&
        facts->received < (uint64_t)DRIP_BYTES * facts->segments)
        return true;
    return !may_have_hello(facts) && facts->quiet_ns >= ports_settings()->grace_ns;
}

static bool is_unwanted(uint32_t source, const struct kernel_facts *facts)
{
    return evict_is_offender(source, may_have_hello(facts)) ||
           (sources_record(source).finished == 0 && had_its_grace(facts));
}

/* What becomes of one who is not wanted. */
static enum pressure_answer turn_away(struct pressure_door *door, int listener)
{
    bool enough;

    if (door->turned_away == 0)
        door->waiting = kernel_accept_queue(listener);
    enough = door->turned_away > door->waiting;
    if (door->turned_away >= AT_A_TIME)
        return PRESSURE_LET_IN;
    /* A server may have asked poll() whether somebody is there and then calls a blocking accept():
     * it must not be left waiting for the next one. */
    if (blocks(listener) && (enough || kernel_accept_queue(listener) == 0))
        return PRESSURE_LET_IN;
    door->turned_away++;
    return enough ? PRESSURE_NOBODY : PRESSURE_TAKE_NEXT;
}

enum pressure_answer pressure_at_the_door(struct pressure_door *door, int listener, int fd)
{
    enum pressure_answer answer;
    struct process *process = process_known();
    struct kernel_facts facts;
    uint64_t cookie = 0;
    uint16_t port;
    uint32_t source;

    if (process == NULL || !lasts(process, clock_now_ns()))
        return PRESSURE_LET_IN;
    source = sources_of(fd);
    kernel_look(fd, &facts);
    if (!is_unwanted(source, &facts) || process_here() == NULL)
        return PRESSURE_LET_IN;
    port = kernel_local_port(fd);
    if (ports_hands_off(port) || !kernel_cookie(listener, &cookie) ||
        !ports_begin_with_tls((uint32_t)cookie, port))
        return PRESSURE_LET_IN;
    answer = turn_away(door, listener);
    if (answer == PRESSURE_LET_IN)
        return answer;
    listeners_accepted(listener, (uint32_t)cookie);
    sources_shut(source, may_have_hello(&facts));
    counters_add(COUNTER_ACCEPTED);
    counters_add(COUNTER_SHUT_SILENT);
    counters_add(COUNTER_EVICTED);
    if (atomic_fetch_add_explicit(&process->refused, 1, memory_order_relaxed) == 0)
        reaper_by(process, clock_after_ns(clock_now_ns(), LOOK_SOON_NS));
    shutdown(fd, SHUT_RDWR);
    return answer;
}

void pressure_read(struct process *process, conn_handle handle)
{
    /* Who is no offender before his hello is none with it. */
    if (lasts(process, clock_now_ns()) &&
        evict_is_offender(
            atomic_load_explicit(&conn_numbered(conn_number(handle))->source, memory_order_relaxed),
            false))
        reaper_by(process, clock_now_ns());
}

void pressure_got_on(void)
{
    atomic_fetch_add_explicit(&progress, 1, memory_order_relaxed);
}

/* However often the server tries, it is the same client that waits. */
void pressure_no_descriptor(struct process *process)
{
    uint32_t none = 0;

    if (!enabled())
        return;
    atomic_compare_exchange_strong_explicit(&process->wanted, &none, 1, memory_order_relaxed,
                                            memory_order_relaxed);
    press(process);
}

void pressure_turned_away(struct process *process)
{
    if (enabled())
        want(process);
}

void pressure_let_down(struct process *process, uint32_t source, const struct kernel_facts *facts)
{
    uint64_t now = clock_now_ns();
    uint64_t since = atomic_load_explicit(&process->let_down_ns, memory_order_relaxed);

    if (!enabled())
        return;
    /* To this source's record it is as if we had shut it. */
    sources_shut(source, may_have_hello(facts));
    if (now > clock_after_ns(since, LASTS_NS)) {
        atomic_store_explicit(&process->let_down_ns, now, memory_order_relaxed);
        atomic_store_explicit(&process->let_down, 0, memory_order_relaxed);
    }
    /* Nobody else is shut for it: the server may just not want these clients. But those who come
     * again and again are kept out. */
    if (atomic_fetch_add_explicit(&process->let_down, 1, memory_order_relaxed) + 1 >= MANY)
        atomic_store_explicit(&process->pressed_ns, clock_after_ns(now, LASTS_NS),
                              memory_order_relaxed);
}

uint64_t pressure_first_look_ns(uint64_t started_ns)
{
    return enabled() ? clock_after_ns(started_ns, ports_settings()->grace_ns) : CLOCK_NEVER;
}

static uint32_t too_many(struct process *process)
{
    uint32_t limit = ports_settings()->max_pending;
    uint32_t watched = atomic_load_explicit(&process->watched, memory_order_relaxed);

    return limit != 0 && watched > limit ? watched - limit : 0;
}

/* Who is in the handshake: which queues may stand still for them, and how many of them the server
 * has let in but does not look at, their bytes lying there. */
static uint32_t survey(struct process *process, const struct deadlines *queue)
{
    static uint32_t from;
    uint32_t unread = 0;

    /* Of a long queue a part at each look, in turn. */
    for (uint32_t i = 0; i < queue->used && i < SAMPLE; i++) {
        conn_handle handle = conn_current(queue->heap[from++ % queue->used].number);

        if (!examine_is_pending(handle))
            continue;
        listeners_pending(atomic_load_explicit(&conn_numbered(conn_number(handle))->listener,
                                               memory_order_relaxed));
        if (examine_waits_for_server(process, handle))
            unread++;
    }
    return unread;
}

/* Of these, how many must have room made for them: none, until `moment` looks in a row have found
 * some, and a thread waiting for another client, and the server has got on with nobody meanwhile.
 * One blocking pool of workers behind an accepting thread shows only there; a server that works
 * them off does not, however many they are.
 */
static uint32_t unread_stuck(const struct process *process, uint32_t lying, uint32_t moment)
{
    static uint32_t looks;
    static uint32_t progress_seen;
    uint32_t now = atomic_load_explicit(&progress, memory_order_relaxed);

    looks = lying != 0 && now == progress_seen && waits_for_client(process) ? looks + 1 : 0;
    progress_seen = now;
    return looks >= moment ? lying : 0;
}

static uint64_t processor_ns(void)
{
    struct timespec used = {0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * CLOCK_SECOND + (uint64_t)used.tv_nsec;
}

/* A server that works at full speed takes its next client late, too, but not for want of room.
 * Since nobody waited last, has it worked for half of the time or more? */
static bool is_busy(uint64_t now, bool nobody_waits)
{
    static uint64_t since_ns;
    static uint64_t used_ns;
    uint64_t used = processor_ns();

    if (nobody_waits) {
        since_ns = now;
        used_ns = used;
    }
    return (used - used_ns) * 2 >= now - since_ns;
}

/* What is known of standstills, and how many must go for each. */
struct cure {
    struct remedy queues; /* that stand still */
    struct trial pool;    /* of threads that may be full */
    uint32_t for_queues;
    uint32_t for_pool;
};

/* A thread has taken up a client that had waited for it, as only those of a pool do; or the one
 * that accepts has gone on as soon as there was room. */
static bool a_pool_got_on(const struct trial *pool, bool moved, uint64_t now)
{
    static uint32_t seen;
    uint32_t before = seen;

    seen = waits_handed_over();
    return seen != before || (moved && now <= clock_after_ns(pool->given_ns, REMEDY_HELPS_NS));
}

/* That it has helped to evict is pressure: when that is first seen, and as long as it is needed. */
static bool presses(bool works, uint32_t dose, bool worked)
{
    return works && (dose != 0 || !worked);
}

/* Because somebody waits in a queue, or lies unread. */
static void look_at_queues(struct process *process, const struct deadlines *queue, uint64_t now,
                           struct cure *cure, uint64_t *next_ns)
{
    static uint64_t calm;
    bool lasting = lasts(process, now);
    bool worked;
    const struct listeners_moments *moments = lasting ? &further : &first;
    uint32_t lying = survey(process, queue);
    uint32_t unread = unread_stuck(process, lying, moments->opened);
    struct listeners_look look = listeners_look(process, moments);
    uint32_t waiting = look.waiting + lying;

    /* A stalled client that is in nobody's way is looked at less and less often. */
    if (waiting != 0)
        calm = 0;
    if (calm < LOOK_SELDOM_NS)
        calm += LOOK_NS;
    *next_ns = clock_after_ns(now, waiting != 0 ? LOOK_SOON_NS : calm);
    if (is_busy(now, waiting == 0) && !lasting)
        return;
    if (!lasting)
        cure->queues.works = cure->pool.works = false;
    worked = cure->queues.works || cure->pool.works;
    cure->for_queues = remedy_dose(&cure->queues, look.stuck, look.moved, now);
    cure->for_pool = trial_dose(&cure->pool, look.perhaps + unread,
                                a_pool_got_on(&cure->pool, look.moved, now), now);
    if (presses(cure->queues.works, cure->for_queues, worked) ||
        presses(cure->pool.works, cure->for_pool, worked))
        atomic_store_explicit(&process->pressed_ns, clock_after_ns(now, LASTS_NS),
                              memory_order_relaxed);
}

uint64_t pressure_round(struct process *process, struct deadlines *queue)
{
    static uint64_t next_look_ns;
    static struct cure cure;
    uint64_t now = clock_now_ns();
    uint32_t room = atomic_exchange_explicit(&process->wanted, 0, memory_order_relaxed);
    uint32_t refused;

    cure.for_queues = cure.for_pool = 0;
    refused = atomic_exchange_explicit(&process->refused, 0, memory_order_relaxed);
    report_refused(refused, now);
    /* Offenders in such numbers are pressure as soon as they are let in again. */
    if (refused >= MANY)
        atomic_store_explicit(&process->pressed_ns, clock_after_ns(now, LASTS_NS),
                              memory_order_relaxed);
    if (!enabled() || atomic_load_explicit(&process->watched, memory_order_seq_cst) == 0)
        return CLOCK_NEVER;
    room += too_many(process);
    if (now >= next_look_ns)
        look_at_queues(process, queue, now, &cure, &next_look_ns);
    if (cure.for_queues > room)
        room = cure.for_queues;
    if (room != 0 && evict(process, queue, room, EVICT_OLD) != 0 && cure.for_queues != 0)
        remedy_given(&cure.queues, now);
    if (cure.for_pool != 0 && evict(process, queue, cure.for_pool,
                                    waits_for_client(process) ? EVICT_WAITED_FOR : EVICT_OLD) != 0)
        trial_given(&cure.pool, now);
    if (lasts(process, now))
        evict(process, queue, UINT32_MAX, EVICT_OFFENDERS);
    return next_look_ns;
}
