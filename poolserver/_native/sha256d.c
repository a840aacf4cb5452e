#include "sha256d.h"

#include "sha256_states.h"

void sha256_hash_again(uint32_t *states, int lanes)
{
    static const uint32_t padding[BLOCK_WORDS - STATE_WORDS] = {0x80000000, [7] = 256}; /* bits */
    uint32_t blocks[BLOCK_WORDS * LANES_MAX];

    for (int lane = 0; lane < lanes; lane++) {
        uint32_t *block = blocks + BLOCK_WORDS * lane;
        memcpy(block, states + STATE_WORDS * lane, SHA256_DIGEST_SIZE);
        memcpy(block + STATE_WORDS, padding, sizeof padding);
    }
    init_states(states, lanes);
    compress_words(states, blocks, lanes);
}

void sha256_store_digests(uint8_t *digests, const uint32_t *states, int lanes)
{
    for (int lane = 0; lane < lanes; lane++)
        for (int i = 0; i < STATE_WORDS; i++)
            store_be32(digests + SHA256_DIGEST_SIZE * lane + 4 * i, states[STATE_WORDS * lane + i]);
}

void sha256_digest_words(uint32_t words[SHA256_DIGEST_WORDS],
                         const uint8_t digest[SHA256_DIGEST_SIZE])
{
    for (int i = 0; i < SHA256_DIGEST_WORDS; i++)
        words[i] = load_be32(digest + 4 * i);
}

void sha256_stream_init(struct sha256_stream *stream)
{
    init_states(stream->state, 1);
    stream->size = 0;
}

void sha256_stream_update(struct sha256_stream *stream, const uint8_t *data, size_t size)
{
    size_t used = (size_t)(stream->size % SHA256_BLOCK_SIZE);

    if (size == 0)
        return; /* `data` may be NULL then, which memcpy does not take */
    stream->size += size;
    if (used > 0) {
        size_t room = SHA256_BLOCK_SIZE - used;
        size_t taken = size < room ? size : room;
        memcpy(stream->tail + used, data, taken);
        if (taken < room)
            return;
        compress(stream->state, stream->tail, 1);
        data += taken;
        size -= taken;
    }
    for (; size >= SHA256_BLOCK_SIZE; size -= SHA256_BLOCK_SIZE, data += SHA256_BLOCK_SIZE)
        compress(stream->state, data, 1);
    memcpy(stream->tail, data, size);
}

void sha256d_stream_final(struct sha256_stream *stream, uint8_t digest[SHA256_DIGEST_SIZE])
{
    size_t used = (size_t)(stream->size % SHA256_BLOCK_SIZE);

    stream->tail[used++] = 0x80;
    if (used > SHA256_BLOCK_SIZE - 8) { /* no room for the length: one more block */
        memset(stream->tail + used, 0, SHA256_BLOCK_SIZE - used);
        compress(stream->state, stream->tail, 1);
        used = 0;
    }
    pad_block(stream->tail, used, stream->size);
    compress(stream->state, stream->tail, 1);
    sha256_hash_again(stream->state, 1);
    sha256_store_digests(digest, stream->state, 1);
}

void sha256d(const uint8_t *data, size_t size, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct sha256_stream stream;

    sha256_stream_init(&stream);
    sha256_stream_update(&stream, data, size);
    sha256d_stream_final(&stream, digest);
}

/* What follows the 64 bytes of a pair: the block that ends each such message, once per lane. */
void sha256_end_pairs(uint32_t *states, int lanes)
{
    static const _Alignas(16) uint32_t blocks[BLOCK_WORDS * LANES_MAX] = {
        [0] = 0x80000000, [15] = 512, [16] = 0x80000000, [16 + 15] = 512, /* bits */
    };

    compress_words(states, blocks, lanes);
    sha256_hash_again(states, lanes);
}

void sha256d_pairs(const uint8_t *pairs, size_t count, uint8_t *digests)
{
    uint32_t states[STATE_WORDS * LANES_MAX];

    while (count > 0) {
        int lanes = count >= 2 ? 2 : 1;
        init_states(states, lanes);
        compress(states, pairs, lanes);
        sha256_end_pairs(states, lanes);
        sha256_store_digests(digests, states, lanes);
        pairs += SHA256_BLOCK_SIZE * lanes;
        digests += SHA256_DIGEST_SIZE * lanes;
        count -= (size_t)lanes;
    }
}
