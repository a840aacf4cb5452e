/*
 * Hashing with the backend in use, one message or two side by side: what sha256d.c, share_hash.c and
 * nonce_scan.c are made of. `states` are those of `lanes` messages, one behind the other.
 */
#ifndef POOLSERVER_SHA256_STATES_H
#define POOLSERVER_SHA256_STATES_H

#include <string.h>

#include "sha256_backend.h"
#include "word_bytes.h"

static inline const struct sha256_backend *active_backend(void)
{
    return atomic_load_explicit(&sha256_active, memory_order_relaxed);
}

static inline void compress(uint32_t *states, const uint8_t *blocks, int lanes)
{
    active_backend()->compress[lanes - 1](states, blocks);
}

static inline void compress_words(uint32_t *states, const uint32_t *blocks, int lanes)
{
    active_backend()->compress_words[lanes - 1](states, blocks);
}

static inline void init_states(uint32_t *states, int lanes)
{
    static const uint32_t initial[STATE_WORDS] = { /* FIPS 180-4, 5.3.3 */
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };

    for (int lane = 0; lane < lanes; lane++)
        memcpy(states + STATE_WORDS * lane, initial, sizeof initial);
}

/* Fills a message's last block, `used` bytes of which are taken, up to the length at its end. */
static inline void pad_block(uint8_t block[SHA256_BLOCK_SIZE], size_t used, uint64_t message_size)
{
    memset(block + used, 0, SHA256_BLOCK_SIZE - used);
    store_be64(block + 56, message_size << 3);
}
/* The second SHA-256, over the digest of the first, which is in each lane's state: in place. */
void sha256_hash_again(uint32_t *states, int lanes);

/* Hashes the block that ends a message of 64 bytes, and all again: a pair's digest in each state. */
void sha256_end_pairs(uint32_t *states, int lanes);

void sha256_store_digests(uint8_t *digests, const uint32_t *states, int lanes);

#endif
