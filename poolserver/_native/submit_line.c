/* See submit_line.h. */
#include "submit_line.h"

#include <string.h>

/* What is left of the line. Each function below steps over what it takes; false: it is not so. */
struct rest {
    const char *at, *end;
};

static void skip_space(struct rest *rest)
{
    while (rest->at < rest->end &&
           (*rest->at == ' ' || *rest->at == '\t' || *rest->at == '\r' || *rest->at == '\n'))
        rest->at++;
}

static bool take(struct rest *rest, char wanted)
{
    if (rest->at == rest->end || *rest->at != wanted)
        return false;
    rest->at++;
    return true;
}

/* `wanted` with space on both sides. */
static bool take_mark(struct rest *rest, char wanted)
{
    skip_space(rest);
    if (!take(rest, wanted))
        return false;
    skip_space(rest);
    return true;
}

static bool take_string(struct rest *rest, struct text_view *text)
{
    if (!take(rest, '"'))
        return false;
    text->data = rest->at;
    for (; rest->at < rest->end; rest->at++) {
        const char c = *rest->at;
        if (c == '"') {
            text->size = (size_t)(rest->at++ - text->data);
            return true;
        }
        if (c < ' ' || c > '~' || c == '\\') /* beyond ASCII a char is negative, or above '~' */
            return false;
    }
    return false;
}

static bool text_is(const struct text_view *text, const char *wanted, size_t size)
{
    return text->size == size && memcmp(text->data, wanted, size) == 0;
}

#define TEXT_IS(text, literal) text_is(text, literal, sizeof literal - 1)

static bool take_id(struct rest *rest, struct text_view *id)
{
    id->data = rest->at;
    while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9')
        rest->at++;
    id->size = (size_t)(rest->at - id->data);
    return id->size > 0 && id->size <= SUBMIT_ID_MAX && (id->data[0] != '0' || id->size == 1);
}

/* ---- Hex ------------------------------------------------------------------------------------- */

/* 0x10 + the digit's value; 0 for what is no hex digit. */
static const uint8_t HEX_DIGITS[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
    ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b,
    ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f, ['A'] = 0x1a, ['B'] = 0x1b,
    ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f,
};

static bool read_hex(const struct text_view *text, uint8_t *bytes, size_t size)
{
    uint8_t all = 0x10;

    if (text->size != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        const uint8_t high = HEX_DIGITS[(uint8_t)text->data[2 * i]];
        const uint8_t low = HEX_DIGITS[(uint8_t)text->data[2 * i + 1]];
        all &= high & low;
        bytes[i] = (uint8_t)(high << 4 | (low & 0x0f));
    }
    return all != 0;
}

static bool read_word(const struct text_view *text, uint32_t *word)
{
    uint8_t bytes[4];

    if (!read_hex(text, bytes, sizeof bytes))
        return false;
    *word = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
            bytes[3];
    return true;
}

/* ---- The message ----------------------------------------------------------------------------- */

enum { PARAMS_MAX = 6, WITHOUT_VERSION_BITS = 5 };

struct params {
    struct text_view items[PARAMS_MAX];
    size_t count;
};

static bool take_params(struct rest *rest, struct params *params)
{
    params->count = 0;
    if (!take_mark(rest, '['))
        return false;
    do {
        if (params->count == PARAMS_MAX || !take_string(rest, &params->items[params->count++]))
            return false;
    } while (take_mark(rest, ','));
    return take(rest, ']');
}

static bool read_params(const struct params *params, size_t extranonce2_size,
                        struct submit_line *submit)
{
    const struct text_view *item = params->items;

    submit->worker_name = item[0];
    submit->job_id = item[1];
    submit->has_version_bits = params->count == PARAMS_MAX;
    submit->version_bits = 0;
    return params->count >= WITHOUT_VERSION_BITS && item[0].size <= SUBMIT_NAME_MAX &&
           item[1].size <= SUBMIT_JOB_ID_MAX &&
           read_hex(&item[2], submit->extranonce2, extranonce2_size) &&
           read_word(&item[3], &submit->ntime) && read_word(&item[4], &submit->nonce) &&
           (!submit->has_version_bits || read_word(&item[5], &submit->version_bits));
}

enum { HAS_ID = 1, HAS_METHOD = 2, HAS_PARAMS = 4, HAS_ALL = 7 };

/* The value of the member whose key that is; which one it was, 0 if it is none that is meant. */
static int take_member(struct rest *rest, const struct text_view *key, struct params *params,
                       struct text_view *id)
{
    struct text_view method;

    if (TEXT_IS(key, "id"))
        return take_id(rest, id) ? HAS_ID : 0;
    if (TEXT_IS(key, "method"))
        return take_string(rest, &method) && TEXT_IS(&method, "mining.submit") ? HAS_METHOD : 0;
    if (TEXT_IS(key, "params"))
        return take_params(rest, params) ? HAS_PARAMS : 0;
    return 0;
}

bool read_submit_line(const char *line, size_t size, size_t extranonce2_size,
                      struct submit_line *submit)
{
    struct rest rest = {line, line + size};
    struct params params;
    struct text_view key;
    int had = 0, member;

    if (extranonce2_size > SUBMIT_EXTRANONCE2_MAX || !take_mark(&rest, '{'))
        return false;
    do {
        if (!take_string(&rest, &key) || !take_mark(&rest, ':'))
            return false;
        member = take_member(&rest, &key, &params, &submit->id);
        if (member == 0 || (had & member) != 0)
            return false;
        had |= member;
    } while (take_mark(&rest, ','));
    if (had != HAS_ALL || !take_mark(&rest, '}'))
        return false;
    return rest.at == rest.end && read_params(&params, extranonce2_size, submit);
}
