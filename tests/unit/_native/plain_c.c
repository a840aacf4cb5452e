/*
 * Runs sha256d.c without Python, for test_plain_c.py: for each backend of this CPU
 *     backend NAME
 *     sha256d SIZE DIGEST       of the bytes 0, 1, 2, ..., for each size up to 200
 *     pairs COUNT DIGESTS
 *     share HASH
 *     nonces N...               of a header of zeros, by a target that one hash in 16 meets
 */
#include <stdio.h>
#include <string.h>

#include "sha256d.h"

static uint8_t data[256];

static void print_hex(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
    putchar('\n');
}

static void print_hashes(void)
{
    uint8_t digests[3 * SHA256_DIGEST_SIZE];

    for (size_t size = 0; size <= 200; size++) {
        sha256d(data, size, digests);
        printf("sha256d %zu ", size);
        print_hex(digests, SHA256_DIGEST_SIZE);
    }
    for (size_t count = 1; count <= 3; count++) {
        sha256d_pairs(data, count, digests);
        printf("pairs %zu ", count);
        print_hex(digests, count * SHA256_DIGEST_SIZE);
    }
}

/* coinb1 is data[:100], the extranonce data[100:112], coinb2 data[112:250]; two levels of branch. */
static void print_share(void)
{
    struct share_job job = {.coinb2 = data + 112, .coinb2_size = 138, .branch_count = 2, .nbits = 7};
    struct share share = {data + 100, 12, 0x20000000, 1000, 0xffffffff};
    uint8_t hash_le[SHA256_DIGEST_SIZE];

    sha256_stream_init(&job.after_coinb1);
    sha256_stream_update(&job.after_coinb1, data, 100);
    memcpy(job.branch, data, 2 * SHA256_DIGEST_SIZE);
    share_hash(&job, &share, hash_le);
    printf("share ");
    print_hex(hash_le, sizeof hash_le);
}

static void print_nonces(void)
{
    static const uint8_t header[HEADER_SIZE];
    struct nonce_scan scan;
    uint8_t target_le[SHA256_DIGEST_SIZE];
    uint32_t found[101];
    size_t found_count;

    memset(target_le, 0xff, sizeof target_le);
    target_le[31] = 0x0f;
    nonce_scan_init(&scan, header, 0xffffffce, target_le);
    nonce_scan_step(&scan, 101, found, 101, &found_count);
    printf("nonces");
    for (size_t i = 0; i < found_count; i++)
        printf(" %u", (unsigned)found[i]);
    putchar('\n');
}

int main(void)
{
    const char *name;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    for (size_t i = 0; (name = sha256_backend_name(i)) != NULL; i++) {
        if (!sha256_set_backend(name))
            return 1;
        printf("backend %s\n", sha256_backend());
        print_hashes();
        print_share();
        print_nonces();
    }
    return 0;
}
