#include "core/conn.h"

#include <stddef.h>
#include <sys/mman.h>

#define CHUNK_CONNS 1024U
#define CHUNKS      4096U

#define STATE(word)      ((enum conn_state)((word)&0xff))
#define REFERENCES(word) ((word) >> 8 & 0xffffff)
#define GENERATION(word) ((uint32_t)((word) >> 32))
#define WORD(generation, references, state)                                                        \
    ((uint64_t)(generation) << 32 | (uint64_t)(references) << 8 | (uint64_t)(state))

static struct conn *_Atomic chunks[CHUNKS];
static _Atomic uint32_t numbers_used;
static _Atomic uint64_t free_list; /* tag << 32 | number; the tag changes with every removal */
static _Atomic uint32_t open_count;
static _Atomic uint32_t open_ever;

static uint32_t handle_generation(conn_handle handle)
{
    return (uint32_t)(handle >> 32);
}

uint32_t conn_number(conn_handle handle)
{
    return (uint32_t)handle;
}

struct conn *conn_numbered(uint32_t number)
{
    uint32_t index = number - 1;
    struct conn *chunk;

    if (index / CHUNK_CONNS >= CHUNKS)
        return NULL;
    chunk = atomic_load_explicit(&chunks[index / CHUNK_CONNS], memory_order_acquire);
    return chunk != NULL ? &chunk[index % CHUNK_CONNS] : NULL;
}

uint32_t conn_numbers_used(void)
{
    return atomic_load_explicit(&numbers_used, memory_order_relaxed);
}

uint32_t conn_open_count(void)
{
    return atomic_load_explicit(&open_count, memory_order_acquire);
}

uint32_t conn_open_ever(void)
{
    return atomic_load_explicit(&open_ever, memory_order_acquire);
}

static void count_move(enum conn_state from, enum conn_state to)
{
    if (from == CONN_OPEN && to != CONN_OPEN)
        atomic_fetch_sub_explicit(&open_count, 1, memory_order_release);
    if (from != CONN_OPEN && to == CONN_OPEN) {
        atomic_fetch_add_explicit(&open_count, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&open_ever, 1, memory_order_release);
    }
}

static bool map_chunk(uint32_t which)
{
    struct conn *expected = NULL;
    size_t size = CHUNK_CONNS * sizeof(struct conn);
    void *fresh;

    if (which >= CHUNKS)
        return false;
    if (atomic_load_explicit(&chunks[which], memory_order_acquire) != NULL)
        return true;
    fresh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED)
        return false;
    /* Pairs with the acquire load in conn_numbered(). */
    if (!atomic_compare_exchange_strong_explicit(&chunks[which], &expected, fresh,
                                                 memory_order_release, memory_order_relaxed))
        munmap(fresh, size);
    return true;
}

/* Treiber's stack. A record that is taken off while another thread holds the same head changes the
 * tag, so that thread's exchange fails. */
static uint32_t take_free(void)
{
    uint64_t head = atomic_load_explicit(&free_list, memory_order_acquire);

    while ((uint32_t)head != 0) {
        uint32_t number = (uint32_t)head;
        uint32_t next = atomic_load_explicit(&conn_numbered(number)->source, memory_order_relaxed);
        uint64_t rest = ((head >> 32) + 1) << 32 | next;

        if (atomic_compare_exchange_weak_explicit(&free_list, &head, rest, memory_order_acq_rel,
                                                  memory_order_acquire))
            return number;
    }
    return 0;
}

static void give_free(uint32_t number)
{
    struct conn *conn = conn_numbered(number);
    uint64_t head = atomic_load_explicit(&free_list, memory_order_relaxed);

    do {
        atomic_store_explicit(&conn->source, (uint32_t)head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&free_list, &head, (head >> 32) << 32 | number,
                                                    memory_order_release, memory_order_relaxed));
}

static uint32_t take_unused(void)
{
    uint32_t used = atomic_load_explicit(&numbers_used, memory_order_relaxed);

    do {
        if (!map_chunk(used / CHUNK_CONNS))
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&numbers_used, &used, used + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return used + 1;
}

uint32_t conn_alloc(void)
{
    uint32_t number = take_free();

    return number != 0 ? number : take_unused();
}

conn_handle conn_publish(uint32_t number)
{
    struct conn *conn = conn_numbered(number);
    uint32_t generation = GENERATION(atomic_load_explicit(&conn->word, memory_order_relaxed)) + 1;

    /* Pairs with conn_get(): who sees this life sees what was filled in. */
    atomic_store_explicit(&conn->word, WORD(generation, 1, CONN_OPEN), memory_order_release);
    count_move(CONN_FREE, CONN_OPEN);
    return (uint64_t)generation << 32 | number;
}

struct conn *conn_get(conn_handle handle)
{
    struct conn *conn = handle != 0 ? conn_numbered(conn_number(handle)) : NULL;
    uint64_t word;

    if (conn == NULL)
        return NULL;
    word = atomic_load_explicit(&conn->word, memory_order_acquire);
    return GENERATION(word) == handle_generation(handle) && STATE(word) != CONN_FREE ? conn : NULL;
}

bool conn_alive(conn_handle handle)
{
    atomic_thread_fence(memory_order_acquire);
    return conn_get(handle) != NULL;
}

enum conn_state conn_state(conn_handle handle)
{
    const struct conn *conn = handle != 0 ? conn_numbered(conn_number(handle)) : NULL;
    uint64_t word;

    if (conn == NULL)
        return CONN_FREE;
    word = atomic_load_explicit(&conn->word, memory_order_acquire);
    return GENERATION(word) == handle_generation(handle) ? STATE(word) : CONN_FREE;
}

conn_handle conn_current(uint32_t number)
{
    const struct conn *conn = conn_numbered(number);
    uint64_t word;

    if (conn == NULL)
        return 0;
    word = atomic_load_explicit(&conn->word, memory_order_acquire);
    return STATE(word) != CONN_FREE ? (uint64_t)GENERATION(word) << 32 | number : 0;
}

/* Replaces the word of a live record: by one more or less reference, and a new state for those in
 * `from`. Returns the word that was replaced, 0 if the record is not alive or in no such state. */
static uint64_t change(conn_handle handle, unsigned int from, int references, enum conn_state to)
{
    struct conn *conn = conn_get(handle);
    uint64_t word;
    uint64_t wanted;

    if (conn == NULL)
        return 0;
    word = atomic_load_explicit(&conn->word, memory_order_acquire);
    do {
        enum conn_state state = STATE(word);
        uint64_t held = REFERENCES(word) + (uint64_t)(int64_t)references;

        if (GENERATION(word) != handle_generation(handle) || (from & CONN_IN(state)) == 0)
            return 0;
        if (references == 0)
            state = to;
        else if (held == 0)
            state = CONN_FREE;
        wanted = WORD(GENERATION(word), held, state);
    } while (!atomic_compare_exchange_weak_explicit(&conn->word, &word, wanted,
                                                    memory_order_acq_rel, memory_order_acquire));
    if (STATE(wanted) != CONN_FREE)
        count_move(STATE(word), STATE(wanted));
    return word;
}

enum conn_state conn_move(conn_handle handle, unsigned int from, enum conn_state to)
{
    return STATE(change(handle, from, 0, to));
}

#define ANY_LIVE                                                                                   \
    (CONN_IN(CONN_OPEN) | CONN_IN(CONN_HANDSHAKE) | CONN_IN(CONN_FINISHED) | CONN_IN(CONN_SHUT))

uint32_t conn_references(conn_handle handle)
{
    const struct conn *conn = conn_get(handle);

    return conn != NULL
               ? (uint32_t)REFERENCES(atomic_load_explicit(&conn->word, memory_order_acquire))
               : 0;
}

bool conn_hold(conn_handle handle)
{
    return change(handle, ANY_LIVE, 1, CONN_FREE) != 0;
}

enum conn_state conn_drop(conn_handle handle)
{
    uint64_t word = change(handle, ANY_LIVE, -1, CONN_FREE);

    return word != 0 && REFERENCES(word) == 1 ? STATE(word) : CONN_FREE;
}

void conn_recycle(conn_handle handle, enum conn_state ended)
{
    count_move(ended, CONN_FREE);
    give_free(conn_number(handle));
}
