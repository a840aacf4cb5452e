#include "nonce_scan.h"

#include "sha256_states.h"
#include "share_hash.h"

void nonce_scan_init(struct nonce_scan *scan, const uint8_t header[HEADER_SIZE],
                     uint32_t nonce_start, const uint8_t target_le[SHA256_DIGEST_SIZE])
{
    init_states(scan->midstate, 1);
    compress(scan->midstate, header, 1);
    memcpy(scan->tail, header + SHA256_BLOCK_SIZE, sizeof scan->tail);
    memcpy(scan->target_le, target_le, SHA256_DIGEST_SIZE);
    scan->nonce = nonce_start;
}

/* The header's second block, complete but for the nonce, once per lane. */
static void nonce_scan_blocks(const struct nonce_scan *scan, uint8_t *blocks)
{
    for (int lane = 0; lane < LANES_MAX; lane++) {
        uint8_t *block = blocks + SHA256_BLOCK_SIZE * lane;
        memcpy(block, scan->tail, sizeof scan->tail);
        block[HEADER_SIZE - SHA256_BLOCK_SIZE] = 0x80;
        pad_block(block, HEADER_SIZE - SHA256_BLOCK_SIZE + 1, HEADER_SIZE);
    }
}

uint64_t nonce_scan_step(struct nonce_scan *scan, uint64_t count, uint32_t *found, size_t capacity,
                         size_t *found_count)
{
    uint32_t states[STATE_WORDS * LANES_MAX];
    uint8_t blocks[SHA256_BLOCK_SIZE * LANES_MAX], hashes_le[SHA256_DIGEST_SIZE * LANES_MAX];
    uint64_t tried = 0;

    *found_count = 0;
    nonce_scan_blocks(scan, blocks);
    while (tried < count && *found_count + LANES_MAX <= capacity) {
        int lanes = count - tried >= 2 ? 2 : 1;
        for (int lane = 0; lane < lanes; lane++) {
            memcpy(states + STATE_WORDS * lane, scan->midstate, sizeof scan->midstate);
            store_le32(blocks + SHA256_BLOCK_SIZE * lane + sizeof scan->tail,
                       scan->nonce + (uint32_t)lane);
        }
        compress(states, blocks, lanes);
        sha256_hash_again(states, lanes);
        sha256_store_digests(hashes_le, states, lanes);
        for (int lane = 0; lane < lanes; lane++, scan->nonce++) {
            if (hash_meets_target(hashes_le + SHA256_DIGEST_SIZE * lane, scan->target_le))
                found[(*found_count)++] = scan->nonce;
        }
        tried += (uint64_t)lanes;
    }
    return tried;
}
