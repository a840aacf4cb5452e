/*
 * A set of the hashes of shares: what has been seen on a job.
 *
 * Plain C11 without Python.h: set_glue.h is the glue, share_set.py says the same in Python.
 */
#ifndef POOLSERVER_SHARE_SET_H
#define POOLSERVER_SHARE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHARE_SET_HASH_SIZE = 32 };

/* Zeroed it is an empty set. Open addressing: no allocation a hash, as a Python set has. */
struct share_set {
    uint8_t (*hashes)[SHARE_SET_HASH_SIZE]; /* in the order in which they came; owned, like slots */
    uint32_t *slots;                        /* 0, or one more than a hash's index */
    size_t count, capacity, slot_count;
};

enum share_set_result { SHARE_SET_ADDED, SHARE_SET_WAS_THERE, SHARE_SET_NO_MEMORY };

enum share_set_result share_set_add(struct share_set *set, const uint8_t *hash_le);

/* Makes room for so many more: as many may then be added without fear for memory. */
bool share_set_reserve(struct share_set *set, size_t more);

/* Takes the hash out again that was added last; there must be one. */
void share_set_drop_last(struct share_set *set);

bool share_set_has(const struct share_set *set, const uint8_t *hash_le);

void share_set_free(struct share_set *set);

#endif
