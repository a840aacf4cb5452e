/* A search for nonces, for the simulated rigs and for tests. */
#ifndef POOLSERVER_NONCE_SCAN_H
#define POOLSERVER_NONCE_SCAN_H

#include "share_hash.h"

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
