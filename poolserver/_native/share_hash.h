/* The hash of the block header that a share makes of its job, and whether it meets a target. */
#ifndef POOLSERVER_SHARE_HASH_H
#define POOLSERVER_SHARE_HASH_H

#include "sha256d.h"

enum {
    HEADER_SIZE = 80,
    /* The smallest transaction has 60 bytes (240 weight units), so a block of 4,000,000 (BIP141)
       holds less than 2^15 of them and its branch has at most 15 items. */
    MERKLE_BRANCH_MAX = 32,
    /* Consensus gives the coinbase's scriptSig 100 bytes, one direct push takes 75 of them, and
       the extranonce shares that push with the job's tag. */
    EXTRANONCE_MAX = 64,
};

/* All of a job that does not change from share to share. */
struct share_job {
    struct sha256_stream after_coinb1; /* each coinbase starts alike: coinb1 is hashed once */
    const uint8_t *coinb2;             /* not owned */
    size_t coinb2_size;
    size_t branch_count;
    uint32_t branch[MERKLE_BRANCH_MAX][SHA256_DIGEST_WORDS]; /* see sha256_digest_words */
    uint32_t prevhash[SHA256_DIGEST_WORDS];                  /* the same */
    uint32_t nbits;
    uint8_t network_target_le[SHA256_DIGEST_SIZE];
};

/* What a miner chose. */
struct share {
    const uint8_t *extranonce;
    size_t extranonce_size;
    uint32_t version;
    uint32_t ntime;
    uint32_t nonce;
};

/* Writes the hash of the block header that the share makes of the job. */
void share_hash(const struct share_job *job, const struct share *share,
                uint8_t hash_le[SHA256_DIGEST_SIZE]);

/* The same of many, two at a time: share i is of jobs[i]. */
void share_hashes(const struct share_job *const *jobs, const struct share *shares, size_t count,
                  uint8_t (*hashes_le)[SHA256_DIGEST_SIZE]);

/* True when hash <= target. */
bool hash_meets_target(const uint8_t hash_le[SHA256_DIGEST_SIZE],
                       const uint8_t target_le[SHA256_DIGEST_SIZE]);

#endif
