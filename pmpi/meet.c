/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/meet.h"
#include "pmpi/gather.h"

#include "pmpi/arena.h"
#include "pmpi/ft.h"
#include "pmpi/world.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- boards ---- */

/* What a process says, which it alone writes. */
struct slot {
    _Atomic uint64_t stamp; /* stamp_of() */
    char said[VC_MEET_MOST];
};

/* A board (vc_arena_board_bytes()): a slot, a word for each process, room for what each says. */
#define WORDS_AT VC_LINE_PAIR

static size_t table_at(int n)
{
    return WORDS_AT + vc_round_up((size_t)n * sizeof(_Atomic uint64_t), VC_LINE_PAIR);
}

_Static_assert(sizeof(struct slot) <= WORDS_AT, "a slot is one pair of lines");

/* The word for a member: the number of the meeting, and how it went. */
enum answer { ANSWER_TABLE = 1, ANSWER_SAME, ANSWER_FAILED, ANSWERS };

struct peer {
    const struct vc_kin *kin;
    uint32_t led, joined; /* meetings with it: those that this process led, those that the other one led */
    uint64_t reading;     /* the stamp of a member that may still read this process's table; 0: none */
};

static struct peer *peer; /* [places]; NULL: no meetings */
static int places, own_place, readers;

static struct slot *slot_of(int place)
{
    return vc_arena_board(vc_memory, place);
}

static _Atomic uint64_t *word_for(int leader, int member)
{
    return (_Atomic uint64_t *)(void *)((char *)vc_arena_board(vc_memory, leader) + WORDS_AT) + member;
}

static char *table_of(int leader)
{
    return (char *)vc_arena_board(vc_memory, leader) + table_at(places);
}

#define STAMP_READ UINT64_C(1) /* the member has read the table */
static uint64_t stamp_of(int leader, uint32_t count)
{
    return (uint64_t)(leader + 1) << 33 | (uint64_t)count << 1;
}

static uint64_t word_of(uint32_t count, enum answer answer)
{
    return (uint64_t)count * ANSWERS + answer;
}

/* Whether the word answers this meeting, or a later one. That a leader holds after this one without this
 * process only if both have failed. */
static bool has_answered(uint64_t word, uint32_t count)
{
    return (int32_t)((uint32_t)(word / ANSWERS) - count) >= 0;
}

/* ---- waiting ---- */

/* So long a rank polls and yields, as the MPI's own collectives do. Later it sleeps as the settings say. */
#define POLL_NS  UINT64_C(10000000)
#define ALIVE_NS UINT64_C(500000000)
/* Most waits end within so many turns, which leave the clock alone. */
#define BLIND_TURNS 64

struct wait {
    struct vc_waiter w;
    struct vc_wait_cfg cfg;
    uint64_t begun, looked;
    unsigned turns;
};

static void begin_wait(struct wait *w)
{
    w->cfg = vc_wait;
    w->cfg.mode = VC_WAIT_POLL;
    w->turns = 0;
    vc_wait_begin(&w->w, &w->cfg, NULL);
}

/* After a look in vain for something of the process at this place. */
static int wait_turn(struct wait *w, const struct vc_kin *whom)
{
    int err = vc_wait_idle(&w->w, VC_WAIT_ANY);
    if (err != VC_OK || w->turns < BLIND_TURNS) {
        w->turns++;
        return err;
    }
    /* Each of these turns may yield or sleep, and be woken late on a busy machine: no number of them is a
     * time. */
    uint64_t now = vc_now_ns();
    if (w->turns == BLIND_TURNS) {
        w->turns++;
        w->begun = w->looked = now;
    }
    if (w->cfg.mode == VC_WAIT_POLL && vc_wait.mode != VC_WAIT_POLL && now - w->begun > POLL_NS) {
        w->cfg.mode = vc_wait.mode;
        vc_wait_begin(&w->w, &w->cfg, NULL);
    }
    if (now - w->looked < ALIVE_NS)
        return VC_OK;
    w->looked = now;
    return vc_peer_alive(&whom->id) ? VC_OK
                                    : vc_fail(VC_ERR_PEER,
                                              "rank %d (process %ld) died in the set-up of a "
                                              "communicator",
                                              whom->rank, (long)whom->id.pid);
}

/* ---- the leader ---- */

/* What the last table said has been read by all. */
static void await_readers(void)
{
    struct wait w;
    begin_wait(&w);
    for (int i = 0; readers > 0 && i < places; i++) {
        if (peer[i].reading == 0)
            continue;
        /* Acquire: pairs with the release in hear(); its reads come before the next table's writes. If it is
         * dead, it reads nothing. */
        while (atomic_load_explicit(&slot_of(i)->stamp, memory_order_acquire) == peer[i].reading)
            if (wait_turn(&w, peer[i].kin) != VC_OK)
                break;
        peer[i].reading = 0;
        readers--;
    }
    vc_wait_end(&w.w);
}

/* What a member says. */
static int collect(const struct vc_kin *from, void *to, size_t bytes)
{
    struct wait w;
    const struct slot *s = slot_of(from->place);
    uint64_t stamp = stamp_of(own_place, peer[from->place].led + 1);
    int err = VC_OK;
    /* Acquire: pairs with the release in vc_meet(), what it says is then visible. */
    if (atomic_load_explicit(&s->stamp, memory_order_acquire) != stamp) {
        begin_wait(&w);
        while (err == VC_OK && atomic_load_explicit(&s->stamp, memory_order_acquire) != stamp)
            err = wait_turn(&w, from);
        vc_wait_end(&w.w);
    }
    if (err == VC_OK)
        memcpy(to, s->said, bytes);
    return err;
}

static int lead(const int *world, int n, int me, char *all, size_t bytes)
{
    bool same = true;
    int err = VC_OK;
    for (int i = 0; err == VC_OK && i < n; i++)
        if (i != me) {
            err = collect(vc_world_kin(world[i]), all + (size_t)i * bytes, bytes);
            same = same && memcmp(all + (size_t)i * bytes, all + (size_t)me * bytes, bytes) == 0;
        }
    if (err == VC_OK && !same) {
        await_readers();
        memcpy(table_of(own_place), all, (size_t)n * bytes);
    }
    enum answer answer = err != VC_OK ? ANSWER_FAILED : same ? ANSWER_SAME : ANSWER_TABLE;
    for (int i = 0; i < n; i++) {
        if (i == me)
            continue;
        int place = vc_world_kin(world[i])->place;
        struct peer *p = &peer[place];
        uint32_t count = ++p->led;
        if (answer == ANSWER_TABLE) {
            p->reading = stamp_of(own_place, count);
            readers++;
        }
        /* Release: pairs with the acquire in hear(). */
        atomic_store_explicit(word_for(own_place, place), word_of(count, answer), memory_order_release);
    }
    return err;
}

/* ---- a member ---- */

static int hear(const struct vc_kin *leader, int n, const void *mine, char *all, size_t bytes)
{
    struct wait w;
    struct slot *s = slot_of(own_place);
    uint32_t count = ++peer[leader->place].joined;
    uint64_t stamp = stamp_of(leader->place, count), word;
    const _Atomic uint64_t *at = word_for(leader->place, own_place);
    int err = VC_OK;
    memcpy(s->said, mine, bytes);
    /* Release: pairs with the acquire in collect(). */
    atomic_store_explicit(&s->stamp, stamp, memory_order_release);
    begin_wait(&w);
    /* Acquire: pairs with the release in lead(); the table is then there. */
    while (!has_answered(word = atomic_load_explicit(at, memory_order_acquire), count) && err == VC_OK)
        err = wait_turn(&w, leader);
    vc_wait_end(&w.w);
    if (err != VC_OK)
        return err;
    if (word == word_of(count, ANSWER_SAME)) {
        for (int i = 0; i < n; i++)
            memcpy(all + (size_t)i * bytes, mine, bytes);
    } else if (word == word_of(count, ANSWER_TABLE)) {
        memcpy(all, table_of(leader->place), (size_t)n * bytes);
        /* Release: pairs with the acquire in await_readers(). */
        atomic_store_explicit(&s->stamp, stamp | STAMP_READ, memory_order_release);
    } else {
        return vc_fail(VC_ERR_PEER, "another rank has died in the set-up of a communicator");
    }
    return VC_OK;
}

/* ---- the whole ---- */

bool vc_meet_fit(void)
{
    int level = MPI_THREAD_MULTIPLE;
    return vc_next.Query_thread(&level) == MPI_SUCCESS && level != MPI_THREAD_MULTIPLE && !vc_ft_on();
}

int vc_meet_init(void)
{
    for (int i = 0; i < vc_world.nkin; i++)
        places += vc_world.kin[i].place >= 0;
    own_place = vc_world_kin(vc_world.rank)->place;
    peer = calloc((size_t)places, sizeof *peer);
    if (!peer)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", places);
    for (int i = 0; i < vc_world.nkin; i++)
        if (vc_world.kin[i].place >= 0)
            peer[vc_world.kin[i].place].kin = &vc_world.kin[i];
    return VC_OK;
}

bool vc_meet_everywhere;

int vc_meet_agree(void)
{
    const struct vc_world *w = &vc_world;
    int mine = peer != NULL || w->nkin == 1, all = 0;
    for (int os = 0; os < w->nos; os++)
        mine &= w->os_ranks[os] <= VC_MEET_RANKS;
    if (w->prints || w->nos == 1) /* some ranks may be disabled and do not come here; all know */
        return VC_OK;
    vc_told_collective(sizeof mine);
    if (vc_next.Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed right after MPI_Init");
    vc_meet_everywhere = all;
    return VC_OK;
}

void vc_meet_fini(void)
{
    vc_meet_everywhere = false;
    free(peer);
    peer = NULL;
    places = readers = 0;
}

bool vc_meet_possible(const int *world, int n)
{
    int os = vc_world.os_of[vc_world.rank];
    for (int i = 0; peer && i < n; i++)
        if (vc_world.os_of[world[i]] != os)
            return false;
    return peer && n <= VC_MEET_RANKS;
}

int vc_meet(const int *world, int n, int me, const void *mine, void *all, size_t bytes)
{
    memcpy((char *)all + (size_t)me * bytes, mine, bytes);
    return me == 0 ? lead(world, n, me, all, bytes) : hear(vc_world_kin(world[0]), n, mine, all, bytes);
}
