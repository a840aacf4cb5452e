/*
 * The jobs on offer to ordinary shares.
 *
 * Plain C11 without Python.h; the `owner` pointers are the glue's.
 */
#ifndef POOLSERVER_LANE_JOBS_H
#define POOLSERVER_LANE_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "share_hash.h"
#include "share_set.h"
#include "submit_line.h"

/* A job on offer: not stale, not a stopgap. */
struct lane_job {
    void *owner;
    char id[SUBMIT_JOB_ID_MAX];
    uint8_t id_size;
    uint64_t number;
    uint32_t version, ntime_min, ntime_max;
    double expires_at; /* monotonic seconds; infinity for the current one */
    size_t variant_count;
    const struct share_job **variants; /* by size class of the coinbase; the array is owned */
    struct share_set *seen;
    struct lane_job *next; /* among those that are withdrawn */
};

/* Zeroed there are none. */
struct lane_jobs {
    struct lane_job **items, **slots; /* in the order in which they came; by id. Both owned. */
    size_t count, capacity, slot_count;
};

/* A copy of `job`, whose array is taken over; false if there is no memory. */
bool lane_jobs_add(struct lane_jobs *jobs, const struct lane_job *job);

/* The job of that id, NULL if there is none. */
const struct lane_job *lane_jobs_find(const struct lane_jobs *jobs, const struct text_view *id);

/* Takes those away whose time is over by then, and then calls `let_go` for each, which may come
   back here. */
void lane_jobs_withdraw(struct lane_jobs *jobs, double expired_before,
                        void (*let_go)(struct lane_job *job));

/* There must be no job left. */
void lane_jobs_free(struct lane_jobs *jobs);

#endif
