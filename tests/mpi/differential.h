/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The differential driver: random collectives, run once through MPI_X (where vcoll sits when it is preloaded)
 * and once through the underlying MPI, on the same memory with the same contents. Everything that happens is
 * a function of the seed and the number of the case, so a failure replays by naming both.
 */
#ifndef VC_TESTS_DIFFERENTIAL_H
#define VC_TESTS_DIFFERENTIAL_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- random numbers: splitmix64; streams are made by hashing ---- */
struct rng {
    uint64_t s;
};

static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static inline uint64_t rng_hash(uint64_t a, uint64_t b)
{
    return rng_mix(a * 0x9e3779b97f4a7c15u + rng_mix(b + 0x9e3779b97f4a7c15u));
}
static inline uint64_t rng_next(struct rng *r)
{
    r->s += 0x9e3779b97f4a7c15u;
    return rng_mix(r->s);
}
/** 0..n-1 */
static inline int rng_below(struct rng *r, int n)
{
    return n > 1 ? (int)((rng_next(r) >> 11) % (uint64_t)n) : 0;
}
/** True once in n. */
static inline bool rng_once_in(struct rng *r, int n)
{
    return rng_below(r, n) == 0;
}

/* ---- basic types and operators ---- */
enum basic_kind { B_INT, B_UINT, B_FLOAT, B_LDOUBLE, B_COMPLEX, B_LDCOMPLEX, B_BOOL, B_BYTE, B_CHAR, B_PAIR };

struct piece {
    ptrdiff_t at;
    size_t len;
};

struct basic {
    const char *name;
    MPI_Datatype type;
    enum basic_kind kind;
    size_t size; /**< of the C object */
    int npieces; /**< 2 for pairs whose halves have a gap between them */
    struct piece piece[2];
    unsigned ops; /**< bit per predefined operator that the MPI accepts with it */
    bool strides; /**< the MPI can move it with any stride */
};

enum { OPS_PREDEFINED = 12, OPS_USER = 5 };

/** How values are drawn so that every order of evaluation gives the same bits, or, for floats, nearly. */
enum value_mode { V_BITS, V_SMALL, V_FACTORS, V_TRUTH, V_RANDOM_SUM, V_RANDOM_PROD };

struct operation {
    const char *name;
    MPI_Op op;
    bool user;
    bool commutative;
    enum value_mode mode;
    int fields; /**< user: 64-bit unsigned fields per element */
};

void basics_init(void);
const struct basic *basic_random(struct rng *r, bool pairs_too);
/**
 * Whether this MPI can only be trusted with elements that lie at multiples of their size from each other:
 * Open MPI 5.0 loses its place in others where a fragment of a message ends.
 */
bool basics_need_grid(void);
/** A basic type together with one of the predefined operators that are valid for it. */
const struct basic *basic_random_reducible(struct rng *r, const struct operation **op);
const struct operation *op_user_random(struct rng *r);
void ops_init(void);
void ops_fini(void);
/** Writes one value. */
void basic_fill(const struct basic *b, enum value_mode mode, const char *opname, struct rng *r, void *out);
/** Compares one value, exactly or within the tolerance that the mode asks for. */
bool basic_equal(const struct basic *b, enum value_mode mode, const void *x, const void *y);

/* ---- layouts: a datatype and where we say its bytes are ---- */
#define MAX_FIELDS 4

struct signature {
    int nfields;
    const struct basic *field[MAX_FIELDS];
    size_t packed; /**< bytes of one atom in signature order */
};

/** Index of the first element that differs in two streams of `bytes` bytes in signature order, or -1. */
long signature_difference(const struct signature *sig, enum value_mode mode, size_t bytes, const char *a,
                          const char *b);

struct layout {
    MPI_Datatype type;
    bool predefined;
    MPI_Datatype made[8]; /**< to be freed */
    int nmade;
    size_t atoms; /**< repetitions of the signature in one instance */
    size_t npieces;
    struct piece *piece; /**< in signature order */
    size_t packed;
    MPI_Aint lb, extent;
    char text[160];
};

/** A random datatype of `atoms` atoms; at most `ninst` instances of it will be laid side by side (0: not
 * known). */
void layout_random(struct layout *l, const struct signature *sig, size_t atoms, size_t ninst, struct rng *r);
/** The type itself, without anything derived. */
void layout_plain(struct layout *l, const struct basic *b);
void layout_free(struct layout *l);

/** Memory of one buffer: blocks of instances, gaps and guards filled with a pattern. */
struct view {
    struct layout *lay;
    int nblocks;
    int *count;    /**< instances per block */
    MPI_Aint *at;  /**< bytes from the buffer's address */
    int *displ;    /**< the same in extents, where that is how the call wants it */
    size_t packed; /**< bytes of all blocks in signature order */
    char *mem;     /**< the allocation */
    size_t len;
    char *base;            /**< the buffer's address as MPI sees it */
    unsigned char *mask;   /**< 1: byte belongs to the type */
    char *image;           /**< contents before the call */
    MPI_Datatype absolute; /**< for MPI_BOTTOM, or MPI_DATATYPE_NULL */
};

enum placement { PLACE_ROW, PLACE_DISPLS, PLACE_BYTES };

/** natoms[b] is a multiple of lay->atoms (or anything when both are 0). `grid`: alignment the call is
 * entitled to. */
void view_make(struct view *v, struct layout *lay, int nblocks, const size_t *natoms, enum placement place,
               size_t grid, struct rng *r);
void view_fill(struct view *v, const struct signature *sig, enum value_mode mode, const char *opname,
               struct rng *r);
void view_reset(struct view *v);
/** Bytes of the type in signature order. */
void view_pack(const struct view *v, char *out);
/** True when a byte differs from the image; *where is the first one's offset from the buffer. data_too: also
 * data. */
bool view_touched(const struct view *v, bool data_too, ptrdiff_t *where);
void view_free(struct view *v);

/**
 * Whether the MPI underneath moves `natoms` atoms of the layout as the standard says: packed, unpacked, and
 * sent to itself. It does not always: Open MPI 5.0 steps over float complex in units of its size, whatever
 * the stride.
 */
bool layout_moves(struct layout *l, const struct signature *sig, size_t natoms);
/** How often that was denied. */
long layouts_refused(void);

/* ---- user operators look here for where the fields of an element are ---- */
extern const struct layout *op_layout;
extern int op_complaints;

/* ---- communicators ---- */
struct pool_comm {
    MPI_Comm comm; /**< MPI_COMM_NULL: this rank is not in it */
    bool inter;
    bool owned;
    char text[64];
};

void comm_make(struct pool_comm *c, uint64_t seed);
void comm_drop(struct pool_comm *c);

/* ---- calls ---- */
enum coll_id {
    C_BARRIER,
    C_BCAST,
    C_REDUCE,
    C_ALLREDUCE,
    C_ALLGATHER,
    C_ALLTOALL,
    C_GATHER,
    C_SCATTER,
    C_VARIANTS, /**< the first of those with a count for each rank, and of others of which empty types are not
                   drawn */
    C_GATHERV = C_VARIANTS,
    C_SCATTERV,
    C_ALLGATHERV,
    C_ALLTOALLV,
    C_ALLTOALLW,
    C_REDUCE_SCATTER,
    C_REDUCE_SCATTER_BLOCK,
    C_SCAN,
    C_EXSCAN,
    C_COUNT
};
extern const char *const coll_names[C_COUNT];
bool coll_reduces(enum coll_id c);

struct call {
    enum coll_id coll;
    MPI_Comm comm;
    int root;
    MPI_Op op;
    const void *sbuf;
    void *rbuf;
    int scount, rcount;
    MPI_Datatype stype, rtype;
    const int *scounts, *sdispls, *rcounts, *rdispls;
    const MPI_Datatype *stypes, *rtypes;
};

/* clang-format off */
#define EACH_COLL(X)                                                                                         \
    X(Barrier) X(Bcast) X(Reduce) X(Allreduce) X(Allgather) X(Alltoall) X(Gather) X(Gatherv) X(Scatter)      \
    X(Scatterv) X(Allgatherv) X(Alltoallv) X(Alltoallw) X(Reduce_scatter) X(Reduce_scatter_block) X(Scan)    \
    X(Exscan)
#define EACH_POST(X)                                                                                         \
    X(Ibarrier) X(Ibcast) X(Ireduce) X(Iallreduce) X(Iallgather) X(Ialltoall) X(Igather) X(Igatherv)         \
    X(Iscatter) X(Iscatterv) X(Iallgatherv) X(Ialltoallv) X(Ialltoallw) X(Ireduce_scatter)                   \
    X(Ireduce_scatter_block) X(Iscan) X(Iexscan)
/* clang-format on */

struct calls {
#define X(name) __typeof__(&MPI_##name) name;
    EACH_COLL(X) EACH_POST(X)
#undef X
};

/** The functions under test, and the underlying ones. */
extern struct calls tested, native;
/** Finds both. True when vcoll is there. */
bool calls_init(void);
/** Puts something wrong in place of a tested function; false when it does not know the word. */
bool calls_break(const char *how);
int call_perform(const struct calls *f, const struct call *c);
/** The nonblocking one. Its types are freed before it is over. */
int call_post(const struct calls *f, const struct call *c, MPI_Request *req);

/* ---- one random call with its memory ---- */
struct trial {
    struct call call;
    struct signature sig;
    const struct operation *op;
    enum value_mode mode;
    struct layout slay, rlay;
    struct view send, recv;
    bool has_send, has_recv; /**< memory exists */
    bool recv_written;       /**< this rank's result is defined; otherwise nothing may be written */
    bool recv_undefined;     /**< the standard leaves it open: not compared */
    bool same_everywhere;    /**< the result must be bit-identical on all ranks */
    bool inter;
    bool in_place; /**< on the ranks where the call may be */
    int blocks;    /**< at most, in a buffer; gaps of up to three instances may follow each */
    int sleep_us;
    MPI_Datatype *type_list[2];
    char *got;              /**< packed result of the tested call */
    uint64_t entered, left; /**< barrier: when */
    char text[512];
};

struct limits {
    size_t max_bytes;
    unsigned only; /**< bit per collective; 0: all, weighted */
    int favour;    /**< collective that gets most of the calls, or -1 */
    bool simple;   /**< no derived types */
};

void trial_make(struct trial *t, const struct pool_comm *c, uint64_t seed, const struct limits *lim);
void trial_free(struct trial *t);

#endif
