/*
 * The lane: ordinary shares, judged many at a time without a Python object for each.
 *
 * A share is ordinary if the plain path (judge.Judge.submit_share) would accept it and do nothing
 * else: its line is mining.submit in the strict form of submit_line.h, from a worker that is
 * authorized on this connection, for a job on offer, and its hash is new, meets the share target
 * and not the network's. All else, and all that comes after it on the same connection, is left to the
 * plain path, byte for byte. So the lane never refuses anything, and the plain path is its twin.
 *
 * Plain C11 without Python.h; the `owner` pointers are the glue's.
 */
#ifndef POOLSERVER_SHARE_LANE_H
#define POOLSERVER_SHARE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lane_jobs.h"
#include "lane_rig.h"

/* An honest submit has some 350 bytes at most; no connection may be told to take less than 1,024 in
   a line (config/rigs.py: line_limit). */
enum { LANE_LINE_MAX = 512 };

/* ---- A turn ---------------------------------------------------------------------------------- */

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
    size_t size;  /* of the lines that were collected */
    size_t taken; /* of those that are settled, after lane_judge(); the rest is not ordinary */
    size_t first_share, share_count; /* in the lane's pending shares */
    size_t replies, replies_size;    /* in the lane's replies */
};

struct lane; /* jobs on offer, and the buffers of a turn: share_lane.c */

struct lane *lane_new(size_t extranonce2_size); /* NULL: no memory */
void lane_free(struct lane *lane); /* there must be no job left */

/* The jobs on offer. A turn must not go on when one of them was taken away: lane_begin() then. */
struct lane_jobs *lane_jobs_of(struct lane *lane);

/* Collects the whole lines at the beginning of `data` that look ordinary, at most `room` in a turn.
   `data` and `rig` must stay as they are until the turn ends. Returns how many bytes that is; 0: no
   run was made. A line ends with LF or CR LF; empty lines are skipped, as framing.py does. */
size_t lane_collect(struct lane *lane, struct lane_rig *rig, const uint8_t *data, size_t size,
                    double now, size_t room);

size_t lane_pending(const struct lane *lane); /* shares collected in this turn */

/* Hashes all that was collected, two at a time, and settles it in order: each accepted share has a
   record (journal_records.h; numbered from `sequence`), a reply {"id":N,"result":true,"error":null}
   and a part in a credit. At the first of a run that is not ordinary the rest of the run is left.
   False if there is no memory: nothing is settled then, and no set was added to. */
bool lane_judge(struct lane *lane, uint64_t sequence, uint64_t unix_ms);

/* Takes back what was settled, as if none of it had been seen: there is no memory for what is to be
   made of it. The turn is forgotten. */
void lane_take_back(struct lane *lane);

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
