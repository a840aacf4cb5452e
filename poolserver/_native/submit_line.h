/*
 * One line of mining.submit in the form in which rigs send it, read without a copy.
 *
 * Taken is a JSON object of exactly the members id, method and params, in any order and with
 * any of JSON's white space: id a decimal number, method "mining.submit", params 5 or 6 strings.
 * No string may have an escape or a byte outside of printable ASCII, nor id or a name be longer
 * than below: then there are never more brackets than the Stratum library's parser puts up with.
 * Each line that is taken here means the same to that parser; what is not taken is no error, but
 * left to it.
 *
 * Plain C11 without Python.h.
 */
#ifndef POOLSERVER_SUBMIT_LINE_H
#define POOLSERVER_SUBMIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SUBMIT_EXTRANONCE2_MAX = 16,
    SUBMIT_ID_MAX = 18,     /* digits: any such number fits 64 bits */
    SUBMIT_NAME_MAX = 191,  /* limits.py: username_bytes */
    SUBMIT_JOB_ID_MAX = 32, /* ours have 13 to 28 hex digits (mining/identity.py) */
};

struct text_view {
    const char *data;
    size_t size;
};

struct submit_line {
    struct text_view id, worker_name, job_id; /* as they stand in the line */
    uint8_t extranonce2[SUBMIT_EXTRANONCE2_MAX];
    uint32_t ntime, nonce, version_bits;
    bool has_version_bits;
};

/* `line` without its end. False: not in this form, or extranonce2 has not that size. */
bool read_submit_line(const char *line, size_t size, size_t extranonce2_size,
                      struct submit_line *submit);

#endif
