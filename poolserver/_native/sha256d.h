/*
 * Double SHA-256 as Bitcoin uses it, and the check of one share.
 *
 * Plain C11 without Python.h: module.c is the glue, twin.py says the same in Python.
 *
 * Byte order: a digest, a target and a merkle node are 32 bytes in digest order, which Bitcoin
 * reads as one little-endian 256-bit integer (hence _le); explorers show them reversed.
 *
 * The state of a hash in progress is the same for each backend, so the backend may change at any
 * time, also while another thread is hashing.
 */
#ifndef POOLSERVER_SHA256D_H
#define POOLSERVER_SHA256D_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHA256_BLOCK_SIZE = 64,
    SHA256_DIGEST_SIZE = 32,
    SHA256_DIGEST_WORDS = 8,
    HEADER_SIZE = 80,
    /* The smallest transaction has 60 bytes (240 weight units), so a block of 4,000,000 (BIP141)
       holds less than 2^15 of them and its branch has at most 15 items. */
    MERKLE_BRANCH_MAX = 32,
    /* Consensus gives the coinbase's scriptSig 100 bytes, one direct push takes 75 of them, and
       the extranonce shares that push with the job's tag. */
    EXTRANONCE_MAX = 64,
};

/* ---- Backends -------------------------------------------------------------------------------- */

/* The name of the index-th backend this CPU can run, best first; NULL after the last. */
const char *sha256_backend_name(size_t index);

/* The name of the backend in use: "portable" until sha256_set_backend is called. */
const char *sha256_backend(void);

/* False, and nothing changes, when this CPU has no backend of that name. */
bool sha256_set_backend(const char *name);

/* ---- Hashing --------------------------------------------------------------------------------- */

/* A SHA-256 over data that comes in pieces. */
struct sha256_stream {
    uint32_t state[8];
    uint64_t size;                    /* bytes so far */
    uint8_t tail[SHA256_BLOCK_SIZE];  /* the last size % 64 of them wait here */
};

void sha256_stream_init(struct sha256_stream *stream);
void sha256_stream_update(struct sha256_stream *stream, const uint8_t *data, size_t size);

/* Writes SHA-256(SHA-256(all that came)). The stream is used up. */
void sha256d_stream_final(struct sha256_stream *stream, uint8_t digest[SHA256_DIGEST_SIZE]);

/* What SHA-256 reads 32 bytes as: big-endian words. */
void sha256_digest_words(uint32_t words[SHA256_DIGEST_WORDS],
                         const uint8_t digest[SHA256_DIGEST_SIZE]);

/* SHA-256(SHA-256(data)). */
void sha256d(const uint8_t *data, size_t size, uint8_t digest[SHA256_DIGEST_SIZE]);

/* sha256d of each of `count` 64-byte pairs; `digests` has 32 * count bytes, apart from `pairs`. */
void sha256d_pairs(const uint8_t *pairs, size_t count, uint8_t *digests);

/* ---- Shares ---------------------------------------------------------------------------------- */

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

/* ---- Search for nonces ----------------------------------------------------------------------- */

/* A walk over nonces, in steps that the caller bounds. */
struct nonce_scan {
    uint32_t midstate[8]; /* after the header's first 64 bytes, which hold no nonce */
    uint8_t tail[12];     /* the header from there to its nonce */
    uint8_t target_le[SHA256_DIGEST_SIZE];
    uint32_t nonce;       /* the next to try; after 2^32-1 comes 0 */
};

void nonce_scan_init(struct nonce_scan *scan, const uint8_t header[HEADER_SIZE],
                     uint32_t nonce_start, const uint8_t target_le[SHA256_DIGEST_SIZE]);

/* Tries up to `count` nonces, fewer when found[] (capacity >= 2) is nearly full.
   Returns how many were tried; *found_count of them were found. */
uint64_t nonce_scan_step(struct nonce_scan *scan, uint64_t count, uint32_t *found, size_t capacity,
                         size_t *found_count);

#endif
