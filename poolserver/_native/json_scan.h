/*
 * Steps over JSON (RFC 8259). Included by template_json.c alone, which says what is not as there.
 *
 * Each function looks at the next byte and steps over what it takes. False: the text is not so, and
 * where the caller cannot say more the scanner's fault says why.
 */
#ifndef POOLSERVER_JSON_SCAN_H
#define POOLSERVER_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "template_json.h"

/* A part of the text. */
struct span {
    size_t begin, end;
};

struct scanner {
    const uint8_t *text;
    size_t size;
    size_t at; /* the next byte to look at; at most size */
    struct json_fault fault;
};

static bool fail(struct scanner *scanner, size_t at, const char *text)
{
    scanner->fault = (struct json_fault){text, at};
    return false;
}

/* The next byte, -1 at the end. */
static int peek(const struct scanner *scanner)
{
    return scanner->at < scanner->size ? scanner->text[scanner->at] : -1;
}

static void skip_space(struct scanner *scanner)
{
    int c;

    while ((c = peek(scanner)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        scanner->at++;
}

/* Steps over the byte c, if it is next. */
static bool take(struct scanner *scanner, int c)
{
    if (peek(scanner) != c)
        return false;
    scanner->at++;
    return true;
}

/* ---- Hex ------------------------------------------------------------------------------------- */

/* 0x10 + the digit's value; 0 for what is no hex digit. */
static const uint8_t HEX_DIGITS[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
    ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b,
    ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f, ['A'] = 0x1a, ['B'] = 0x1b,
    ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f,
};

static unsigned hex_value(uint8_t digit)
{
    return HEX_DIGITS[digit] & 0x0fu;
}

/* So many bytes are looked at together: compilers make vector instructions of it. */
enum { HEX_BLOCK_SIZE = 64 };

static bool all_hex(const uint8_t block[HEX_BLOCK_SIZE])
{
    uint8_t others = 0;

    for (size_t i = 0; i < HEX_BLOCK_SIZE; i++) {
        uint8_t digit = (uint8_t)(block[i] - '0'), letter = (uint8_t)((block[i] | 0x20) - 'a');
        others |= (uint8_t)((digit > 9) & (letter > 5));
    }
    return others == 0;
}

/* Steps over hex digits, at most so many. */
static void skip_hex(struct scanner *scanner, size_t most)
{
    const size_t rest = scanner->size - scanner->at;
    const size_t end = scanner->at + (rest < most ? rest : most);

    while (end - scanner->at >= HEX_BLOCK_SIZE && all_hex(scanner->text + scanner->at))
        scanner->at += HEX_BLOCK_SIZE;
    while (scanner->at < end && HEX_DIGITS[scanner->text[scanner->at]])
        scanner->at++;
}

/* ---- Values that are stepped over ------------------------------------------------------------ */

static bool skip_escape(struct scanner *scanner)
{
    int c = peek(scanner);

    if (c == -1 || c == 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return false;
    scanner->at++;
    if (c != 'u')
        return true;
    size_t begin = scanner->at;
    skip_hex(scanner, 4);
    return scanner->at - begin == 4;
}

/* A string; *inner is what is between its quotes, *escaped says if there is an escape in it. */
static bool scan_string(struct scanner *scanner, struct span *inner, bool *escaped)
{
    *escaped = false;
    if (!take(scanner, '"'))
        return false;
    inner->begin = scanner->at;
    for (;;) {
        int c = peek(scanner);
        if (c < 0x20) /* a control character, or the end */
            return false;
        inner->end = scanner->at++;
        if (c == '"')
            return true;
        if (c == '\\') {
            *escaped = true;
            if (!skip_escape(scanner))
                return false;
        }
    }
}

/* At least one decimal digit. */
static bool skip_digits(struct scanner *scanner)
{
    size_t begin = scanner->at;
    int c;

    while ((c = peek(scanner)) >= '0' && c <= '9')
        scanner->at++;
    return scanner->at > begin;
}

static bool skip_number(struct scanner *scanner)
{
    take(scanner, '-');
    if (!take(scanner, '0') && !skip_digits(scanner))
        return false;
    if (take(scanner, '.') && !skip_digits(scanner))
        return false;
    if (take(scanner, 'e') || take(scanner, 'E')) {
        if (!take(scanner, '+'))
            take(scanner, '-');
        return skip_digits(scanner);
    }
    return true;
}

static bool skip_word(struct scanner *scanner, const char *word)
{
    size_t length = strlen(word);

    if (scanner->size - scanner->at < length ||
        memcmp(scanner->text + scanner->at, word, length) != 0)
        return false;
    scanner->at += length;
    return true;
}

static bool skip_scalar(struct scanner *scanner)
{
    struct span inner;
    bool escaped;

    switch (peek(scanner)) {
    case '"':
        return scan_string(scanner, &inner, &escaped);
    case 't':
        return skip_word(scanner, "true");
    case 'f':
        return skip_word(scanner, "false");
    case 'n':
        return skip_word(scanner, "null");
    default:
        return skip_number(scanner);
    }
}

/* ---- Objects and arrays ---------------------------------------------------------------------- */

/* A member's key, up to behind its colon. */
struct key {
    struct span name;
    size_t at; /* where its string begins */
    bool escaped;
};

/* The next key of the object whose '{' was stepped over; *more is false at its '}'. */
static bool next_key(struct scanner *scanner, bool is_first, struct key *key, bool *more)
{
    skip_space(scanner);
    *more = false;
    if (take(scanner, '}'))
        return true;
    if (!is_first) {
        if (!take(scanner, ','))
            return fail(scanner, scanner->at, "no ',' or '}'");
        skip_space(scanner);
    }
    key->at = scanner->at;
    if (!scan_string(scanner, &key->name, &key->escaped))
        return fail(scanner, key->at, "no key");
    skip_space(scanner);
    if (!take(scanner, ':'))
        return fail(scanner, scanner->at, "no ':'");
    skip_space(scanner);
    *more = true;
    return true;
}

/* The next item of the array whose '[' was stepped over; *more is false at its ']'. */
static bool next_item(struct scanner *scanner, bool is_first, bool *more)
{
    skip_space(scanner);
    *more = false;
    if (take(scanner, ']'))
        return true;
    if (!is_first) {
        if (!take(scanner, ','))
            return fail(scanner, scanner->at, "no ',' or ']'");
        skip_space(scanner);
    }
    *more = true;
    return true;
}

static bool key_is(const struct scanner *scanner, const struct key *key, const char *name)
{
    size_t length = key->name.end - key->name.begin;

    return length == strlen(name) && memcmp(scanner->text + key->name.begin, name, length) == 0;
}

/* Any value, inside of `depth` objects and arrays. Recursive, so the depth has a limit. */
static bool skip_value(struct scanner *scanner, int depth)
{
    const size_t begin = scanner->at;
    const bool is_object = peek(scanner) == '{';
    struct key key;
    bool more;

    if (!is_object && peek(scanner) != '[')
        return skip_scalar(scanner) || fail(scanner, begin, "not a JSON value");
    if (depth >= JSON_DEPTH_MAX)
        return fail(scanner, begin, "nested too deep");
    scanner->at++;
    for (bool is_first = true;; is_first = false) {
        if (is_object ? !next_key(scanner, is_first, &key, &more)
                      : !next_item(scanner, is_first, &more))
            return false;
        if (!more)
            return true;
        if (!skip_value(scanner, depth + 1))
            return false;
    }
}

#endif
