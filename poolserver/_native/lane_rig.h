/*
 * A connection as the lane sees it: its terms and its workers.
 *
 * Plain C11 without Python.h; the `owner` pointers are the glue's.
 */
#ifndef POOLSERVER_LANE_RIG_H
#define POOLSERVER_LANE_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "share_hash.h"
#include "submit_line.h"

enum { LANE_EXTRANONCE1_MAX = 8 }; /* ours have 4 bytes */

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

/* Makes the table of workers of a rig that is new and has many; false if there is no memory. */
bool lane_rig_index(struct lane_rig *rig);

/* Frees what the rig owns, and leaves one that is closed and has nothing. */
void lane_rig_free(struct lane_rig *rig);

/* The worker of that name, and the terms that a job was issued with; NULL if there is none. */
const struct lane_worker *lane_rig_worker(const struct lane_rig *rig, const struct text_view *name);
const struct lane_terms *lane_rig_terms(const struct lane_rig *rig, uint64_t job_number);

#endif
