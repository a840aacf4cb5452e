/*
 * Records of the share journal: packing one, stepping over many, adding shares up.
 *
 * Plain C11 without Python.h: journal_glue.h is the glue, journal_twin.py says the same in Python.
 * What the bytes mean: ledger/records.py.
 */
#ifndef POOLSERVER_JOURNAL_RECORDS_H
#define POOLSERVER_JOURNAL_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHARE_RECORD_SIZE = 85,
    SHARE_HASH_SIZE = 32,
    /* As many as mining.share.ShareOutcome has. */
    SHARE_OUTCOMES = 10,
};

/* Makes the tables of the checksum: to be called once, before all else here. */
void journal_init(void);

/* The CRC-32 of zlib: polynomial 0xedb88320, reflected, begun with ones and inverted. */
uint32_t journal_crc32(const uint8_t *data, size_t size);

struct share_record {
    uint64_t sequence, job_number, unix_ms, work_low, work_high;
    uint32_t worker_ref;
    uint8_t outcome, proven;
    const uint8_t *hash_le;
};

/* Writes SHARE_RECORD_SIZE bytes. */
void pack_share_record(uint8_t *to, const struct share_record *share);

/* Records that follow each other, the next one at `offset` being number `sequence`. */
struct record_walk {
    const uint8_t *records;
    size_t size, offset;
    uint64_t sequence;
};

/* Steps over whole records of known kinds, up to `enough` bytes or one more record than that. Ends
   before the first that is damaged, cut short or has not its number. */
void skip_whole_records(struct record_walk *walk, size_t enough);

/* Shares of one worker, interval and work, added up. */
struct share_sum {
    uint64_t interval_ms, work_low, work_high, first_ms, last_ms;
    uint32_t worker_ref;
    bool proven, has_best;
    uint32_t outcomes[SHARE_OUTCOMES];
    uint8_t best_hash_le[SHARE_HASH_SIZE]; /* of those that are proven and accepted */
};

/* Sums in the order in which each came up first, and a hash table of them. */
struct share_sums {
    struct share_sum *items; /* owned, like slots */
    size_t count, capacity;
    uint32_t *slots; /* 0, or one more than an item's index */
    size_t slot_count;
};

/* How shares are booked: by intervals of `interval_ms`, never 0, and none before `open_from_ms`. */
struct share_booking {
    uint64_t interval_ms, open_from_ms;
};

/* Adds up shares up to the first record that is no good one, where the walk ends. False if there
   is not enough memory. Either way free_share_sums() frees what is there. */
bool add_up_shares(struct record_walk *walk, struct share_booking booking, struct share_sums *sums);

void free_share_sums(struct share_sums *sums);

#endif
