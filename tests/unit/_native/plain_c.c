/*
 * Runs the hashing without Python, for test_plain_c.py: for each backend of this CPU
 *     backend NAME
 *     sha256d SIZE DIGEST       of the bytes 0, 1, 2, ..., for each size up to 200
 *     pairs COUNT DIGESTS
 *     share COINB2_SIZE BRANCH_COUNT HASH
 *     nonces N...               of a header of zeros, by a target that one hash in 16 meets
 */
#include <stdio.h>
#include <string.h>

#include "nonce_scan.h"

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

/* coinb1 is data[:100], the extranonce data[100:112]. */
static void set_job(struct share_job *job, size_t coinb2_size, size_t branch_count)
{
    *job = (struct share_job){
        .coinb2 = data + 112, .coinb2_size = coinb2_size, .branch_count = branch_count, .nbits = 7};
    sha256_stream_init(&job->after_coinb1);
    sha256_stream_update(&job->after_coinb1, data, 100);
    for (size_t i = 0; i < branch_count; i++)
        sha256_digest_words(job->branch[i], data + SHA256_DIGEST_SIZE * i);
}

/* Of jobs that differ in the blocks of their coinbase, in their branch, in both, and in neither. */
static void print_shares(void)
{
    enum { COUNT = 9 };
    static const size_t shapes[COUNT][2] = {{138, 2}, {138, 2}, {0, 2}, {138, 2}, {144, 0},
                                            {7, 5},   {8, 1},   {6, 4}, {138, 8}};
    struct share_job jobs[COUNT];
    const struct share_job *of[COUNT];
    struct share shares[COUNT];
    uint8_t hashes_le[COUNT][SHA256_DIGEST_SIZE], hash_le[SHA256_DIGEST_SIZE];

    for (size_t i = 0; i < COUNT; i++) {
        set_job(&jobs[i], shapes[i][0], shapes[i][1]);
        of[i] = &jobs[i];
        shares[i] = (struct share){data + 100, 12, 0x20000000, 1000, 0xffffffff - (uint32_t)i};
    }
    for (size_t count = 0; count <= COUNT; count++)
        share_hashes(of, shares, count, hashes_le); /* odd counts too */
    for (size_t i = 0; i < COUNT; i++) {
        share_hash(of[i], &shares[i], hash_le);
        printf("share %zu %zu ", shapes[i][0], shapes[i][1]);
        print_hex(hashes_le[i], SHA256_DIGEST_SIZE);
        if (memcmp(hash_le, hashes_le[i], sizeof hash_le) != 0)
            printf("not what it is alone\n");
    }
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
        print_shares();
        print_nonces();
    }
    return 0;
}
