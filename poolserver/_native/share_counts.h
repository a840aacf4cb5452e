/*
 * What a sum of shares has besides work: how they were judged, the best one, the first and last.
 *
 * Plain C11 without Python.h: totals_glue.h is the glue, totals_twin.py says the same in Python.
 */
#ifndef POOLSERVER_SHARE_COUNTS_H
#define POOLSERVER_SHARE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "journal_records.h"

/* Two of the outcomes of mining.share.ShareOutcome. */
enum { OUTCOME_ACCEPTED = 0, OUTCOME_STALE = 1 };

/* All zeros: there is no share. What `has_` says is not there is zeros, too. */
struct share_counts {
    int64_t shares[SHARE_OUTCOMES]; /* of each outcome; signed as in a database */
    int64_t first_ms, last_ms;
    uint8_t best_hash_le[SHARE_HASH_SIZE];
    bool has_best, has_first, has_last;
};

/* False, with nothing changed, where a count would not fit. */
bool share_counts_add(struct share_counts *counts, const struct share_counts *other);

bool share_counts_equal(const struct share_counts *one, const struct share_counts *other);

int64_t share_counts_judged(const struct share_counts *counts);

/* The difficulty that the best share would have met, 0 where there is none. */
double share_counts_best_difficulty(const struct share_counts *counts);

/* As integers, of which the last byte is the highest. */
bool is_lower_hash(const uint8_t *hash_le, const uint8_t *other_le);

#endif
