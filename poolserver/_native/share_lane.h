/*
 * The lane: ordinary shares, judged many at a time without a Python object for each.
 *
 * A share is ordinary if the plain path (pool.Pool.submit_share) would accept it and do nothing
 * else: its line is mining.submit in the strict form of submit_line.h, from a worker that is
 * authorized on this connection, for a job on offer, and its hash is new, meets the share target and
 * not the network's. All else, and all that comes after it on the same connection, is left to the
 * plain path, byte for byte. So the lane never refuses anything, and the plain path is its twin.
 *
 * Plain C11 without Python.h; the `owner` pointers are the glue's.
 */
#ifndef POOLSERVER_SHARE_LANE_H
#define POOLSERVER_SHARE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sha256d.h"
#include "share_set.h"

enum {
    LANE_JOB_ID_MAX = 32,      /* ours have 13 to 28 hex digits (mining/identity.py) */
    LANE_EXTRANONCE1_MAX = 8,  /* ours have 4 bytes */
    LANE_NAME_MAX = 191,       /* limits.py: username_bytes */
    LANE_REQUEST_ID_MAX = 18,  /* digits: any such number fits 64 bits; a longer id is not ordinary */
};

/* ---- What shares are judged by ---------------------------------------------------------------- */

/* A job on offer: not stale, not a stopgap. */
struct lane_job {
    void *owner;
    char id[LANE_JOB_ID_MAX];
    uint8_t id_size;
    uint64_t number;
    uint32_t version, ntime_min, ntime_max;
    double expires_at; /* monotonic seconds; infinity for the current one */
    size_t variant_count;
    const struct share_job **variants; /* by size class of the coinbase; the array is owned */
    struct share_set *seen;
};

/* What holds on a connection for its jobs from `first_job` on: miner.ChangePoint. */
struct lane_terms {
    void *owner;
    uint64_t first_job, work_low, work_high;
    uint32_t version_mask;
    uint8_t target_le[SHA256_DIGEST_SIZE];
    uint8_t coinbase_class, extranonce1_size, extranonce1[LANE_EXTRANONCE1_MAX];
};

/* A worker that is authorized on a connection. */
struct lane_worker {
    void *owner;
    char *name; /* as it stands between the quotes; owned */
    uint32_t name_size, ref;
};

/* A connection. Most have one worker and one or two terms: looked through from the last. */
struct lane_rig {
    void *owner;
    bool is_open; /* false: nothing of this connection is ordinary */
    uint32_t version_mask;
    size_t terms_count, worker_count;
    struct lane_terms *terms;     /* by first_job, ascending; owned */
    struct lane_worker *workers;  /* owned */
    uint32_t *worker_slots;       /* NULL where there are few; else a hash table of them; owned */
    size_t worker_slot_count;
};

void lane_rig_free(struct lane_rig *rig);

/* ---- A turn ----------------------------------------------------------------------------------- */

/* Shares of one kind that follow each other: what Python's books are told at once. */
struct lane_credit {
    struct lane_rig *rig;
    const struct lane_worker *worker;
    const struct lane_terms *terms;
    const struct lane_job *job;
    uint32_t count;
};

/* What one lane_collect() brought, once it is judged. */
struct lane_run {
    struct lane_rig *rig;
    const uint8_t *data;
    size_t size;             /* of the lines that were collected */
    size_t taken;            /* after lane_judge(): of those that are settled; the rest is not ordinary */
    size_t first_share, share_count; /* in the lane's pending shares */
    size_t replies, replies_size;    /* in the lane's replies */
};

struct lane; /* jobs on offer, and the buffers of a turn: share_lane.c */

struct lane *lane_new(size_t extranonce2_size); /* NULL: no memory */
void lane_free(struct lane *lane);

/* Takes `job` over (its array too); false if there is no memory. Its number is above all before it. */
bool lane_offer(struct lane *lane, const struct lane_job *job);

/* Calls `let_go` for each job that is no longer on offer: all of them, or those that have expired. */
void lane_withdraw(struct lane *lane, double expired_before, void (*let_go)(struct lane_job *job));

/* Collects the whole lines at the beginning of `data` that look ordinary, at most `room` in a turn.
   `data` and `rig` must stay as they are until the turn ends. Returns how many bytes that is; 0: no
   run was made. A line ends with LF or CR LF; empty lines are skipped with the one before them. */
size_t lane_collect(struct lane *lane, struct lane_rig *rig, const uint8_t *data, size_t size,
                    double now, size_t room);

size_t lane_pending(const struct lane *lane); /* shares collected in this turn */

/* Hashes all that was collected, two at a time, and settles it in order: each accepted share has a
   record (journal_records.h; numbered from `sequence`), a reply {"id":N,"result":true,"error":null},
   and a part in a credit. At the first of a run that is not ordinary the rest of the run is left. False
   if there is no memory: nothing is settled then, and no set was added to. */
bool lane_judge(struct lane *lane, uint64_t sequence, uint64_t unix_ms);

/* After lane_judge(), until the next lane_begin(). */
struct lane_results {
    const struct lane_run *runs;
    const struct lane_credit *credits;
    const uint8_t *records, *replies;
    size_t run_count, credit_count, record_count, replies_size;
};

struct lane_results lane_results(const struct lane *lane);

void lane_begin(struct lane *lane); /* forget the last turn; the buffers stay */

#endif
