/*
 * Double SHA-256 as Bitcoin uses it.
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

#endif
