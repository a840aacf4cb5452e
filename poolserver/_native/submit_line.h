/*
 * One line of mining.submit in the form in which rigs send it, read without a copy.
 *
 * Taken is a JSON object of exactly the members id, method and params, in any order and with
 * any of JSON's white space: id a decimal number of at most 18 digits, method "mining.submit", params
 * 5 or 6 strings. No string may have an escape or a byte outside of printable ASCII. Each
 * line that is taken here means the same to the Stratum library's parser; what is not taken
 * is no error, but left to that parser.
 *
 * Plain C11 without Python.h.
 */
#ifndef POOLSERVER_SUBMIT_LINE_H
#define POOLSERVER_SUBMIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUBMIT_EXTRANONCE2_MAX = 16 };

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
