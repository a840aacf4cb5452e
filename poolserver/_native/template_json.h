/*
 * The transactions in a node's answer to getblocktemplate, which are nearly all of its megabytes.
 *
 * Plain C11 without Python.h: template_glue.h is the glue, twin.py says the same in Python.
 *
 * A strict reader of JSON (RFC 8259), with two exceptions. Bytes above 0x7f are taken as they are
 * inside of strings: whether they are UTF-8 is for who decodes the rest. And a key with an escape
 * is refused where keys are looked at, as it could be one of those in disguise; no node writes one.
 */
#ifndef POOLSERVER_TEMPLATE_JSON_H
#define POOLSERVER_TEMPLATE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* A template has five levels: answer, result, transactions, one of them, its depends. */
    JSON_DEPTH_MAX = 64,
    TRANSACTION_HASH_SIZE = 32,
};

/* What is wrong with an answer, and at which of its bytes. */
struct json_fault {
    const char *text;
    size_t at;
};

/* The array "transactions" of the object "result". */
struct transactions_found {
    bool is_there; /* false, and all else zero, in an answer without such an array */
    size_t begin;  /* where its contents begin, behind the '[' */
    size_t end;    /* where its ']' is */
    size_t count;
    size_t data_hex_size; /* of all "data" together */
};

/* The transactions, a column for each field: `count` items each, integers little-endian. */
struct transaction_columns {
    uint8_t *data_hex;   /* one behind the other, as hex digits */
    uint8_t *sizes_le;   /* 4 bytes each: a transaction's bytes, half of its hex digits */
    uint8_t *txids_le;   /* 32 bytes each, the hex's order turned round, as a merkle tree has them */
    uint8_t *wtxids_le;  /* the same of "hash" */
    uint8_t *fees_le;    /* 8 bytes each, in satoshi */
    uint8_t *weights_le; /* 4 bytes each */
    uint8_t *sigops_le;  /* 4 bytes each: their cost (BIP141) */
};

/* Reads the whole answer. False, and *fault says why, if it is not JSON or a transaction is not as
   it must be. */
bool find_transactions(const uint8_t *answer, size_t size, struct transactions_found *found,
                       struct json_fault *fault);

/* Fills the columns from the same answer, which find_transactions has found to be good. */
void fill_columns(const uint8_t *answer, const struct transactions_found *found,
                  struct transaction_columns columns);

#endif
