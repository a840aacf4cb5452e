/* See template_json.h. Two passes: the first checks everything and counts, the second fills. */
#include "template_json.h"

#include "json_scan.h"

#define UINT32_MAXIMUM UINT64_C(0xffffffff)

/* ---- A transaction --------------------------------------------------------------------------- */

enum kind { HEX_OF_ANY_SIZE, HEX_OF_A_HASH, INTEGER };

enum { DATA, TXID, WTXID, FEE, SIGOPS, WEIGHT, FIELD_COUNT };

static const struct {
    const char *name;
    enum kind kind;
    uint64_t max;
    const char *missing, *twice, *wrong;
} FIELDS[FIELD_COUNT] = {
    [DATA] = {"data", HEX_OF_ANY_SIZE, 0, "a transaction without data", "data is there twice",
              "data is not the hex of a transaction"},
    [TXID] = {"txid", HEX_OF_A_HASH, 0, "a transaction without txid", "txid is there twice",
              "txid is not the hex of a hash"},
    [WTXID] = {"hash", HEX_OF_A_HASH, 0, "a transaction without hash", "hash is there twice",
               "hash is not the hex of a hash"},
    [FEE] = {"fee", INTEGER, INT64_MAX, "a transaction without fee", "fee is there twice",
             "fee is not an integer of 0..2^63-1"},
    [SIGOPS] = {"sigops", INTEGER, UINT32_MAXIMUM, "a transaction without sigops",
                "sigops is there twice", "sigops is not an integer of 0..2^32-1"},
    [WEIGHT] = {"weight", INTEGER, UINT32_MAXIMUM, "a transaction without weight",
                "weight is there twice", "weight is not an integer of 0..2^32-1"},
};

/* A field's value: hex digits, or an integer. */
union value {
    struct span hex;
    uint64_t integer;
};

static bool scan_hex(struct scanner *scanner, struct span *digits)
{
    if (!take(scanner, '"'))
        return false;
    digits->begin = scanner->at;
    skip_hex(scanner, scanner->size);
    digits->end = scanner->at;
    return take(scanner, '"');
}

/* A number that is written as an integer: no sign, point or exponent. */
static bool scan_integer(struct scanner *scanner, uint64_t max, uint64_t *value)
{
    const size_t begin = scanner->at;

    *value = 0;
    if (!skip_number(scanner))
        return false;
    for (size_t i = begin; i < scanner->at; i++) {
        unsigned digit = scanner->text[i] - (unsigned)'0';
        if (digit > 9 || *value > (max - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return true;
}

static bool scan_field(struct scanner *scanner, size_t field, union value *value)
{
    struct span *hex = &value->hex;
    size_t digits;

    if (FIELDS[field].kind == INTEGER)
        return scan_integer(scanner, FIELDS[field].max, &value->integer);
    if (!scan_hex(scanner, hex))
        return false;
    digits = hex->end - hex->begin;
    if (FIELDS[field].kind == HEX_OF_A_HASH)
        return digits == 2 * TRANSACTION_HASH_SIZE;
    return digits > 0 && digits % 2 == 0 && digits / 2 <= UINT32_MAXIMUM;
}

static bool scan_transaction(struct scanner *scanner, union value values[FIELD_COUNT])
{
    const size_t begin = scanner->at;
    bool seen[FIELD_COUNT] = {false};
    struct key key;
    bool more;

    if (!take(scanner, '{'))
        return fail(scanner, begin, "a transaction that is not an object");
    for (bool is_first = true;; is_first = false) {
        size_t field = 0;
        if (!next_key(scanner, is_first, &key, &more))
            return false;
        if (!more)
            break;
        if (key.escaped)
            return fail(scanner, key.at, "a key with an escape");
        while (field < FIELD_COUNT && !key_is(scanner, &key, FIELDS[field].name))
            field++;
        if (field == FIELD_COUNT) {
            if (!skip_value(scanner, 4)) /* answer, result, transactions, this one */
                return false;
            continue;
        }
        if (seen[field])
            return fail(scanner, key.at, FIELDS[field].twice);
        seen[field] = true;
        size_t value_at = scanner->at;
        if (!scan_field(scanner, field, &values[field]))
            return fail(scanner, value_at, FIELDS[field].wrong);
    }
    for (size_t field = 0; field < FIELD_COUNT; field++) {
        if (!seen[field])
            return fail(scanner, begin, FIELDS[field].missing);
    }
    return true;
}

/* ---- First pass ------------------------------------------------------------------------------ */

static bool scan_transactions(struct scanner *scanner, struct transactions_found *found)
{
    union value values[FIELD_COUNT];
    bool more;

    scanner->at++; /* the '[' */
    *found = (struct transactions_found){.is_there = true, .begin = scanner->at};
    for (;;) {
        if (!next_item(scanner, found->count == 0, &more))
            return false;
        if (!more)
            break;
        if (!scan_transaction(scanner, values))
            return false;
        found->count++;
        found->data_hex_size += values[DATA].hex.end - values[DATA].hex.begin;
    }
    found->end = scanner->at - 1;
    return true;
}

/* The members of the answer, or of its result, which is `is_result`. */
static bool scan_envelope(struct scanner *scanner, bool is_result, struct transactions_found *found)
{
    const char *name = is_result ? "transactions" : "result";
    const int depth = is_result ? 2 : 1;
    bool seen = false;
    struct key key;
    bool more;

    scanner->at++; /* the '{' */
    for (bool is_first = true;; is_first = false) {
        bool good;
        if (!next_key(scanner, is_first, &key, &more))
            return false;
        if (!more)
            return true;
        if (key.escaped)
            return fail(scanner, key.at, "a key with an escape");
        bool is_it = key_is(scanner, &key, name);
        if (is_it && seen)
            return fail(scanner, key.at,
                        is_result ? "transactions is there twice" : "result is there twice");
        seen = seen || is_it;
        if (is_it && is_result && peek(scanner) == '[')
            good = scan_transactions(scanner, found);
        else if (is_it && !is_result && peek(scanner) == '{')
            good = scan_envelope(scanner, true, found);
        else
            good = skip_value(scanner, depth);
        if (!good)
            return false;
    }
}

bool find_transactions(const uint8_t *answer, size_t size, struct transactions_found *found,
                       struct json_fault *fault)
{
    struct scanner scanner = {.text = answer, .size = size};
    bool good;

    *found = (struct transactions_found){0};
    skip_space(&scanner);
    good = peek(&scanner) == '{' ? scan_envelope(&scanner, false, found) : skip_value(&scanner, 0);
    if (good) {
        skip_space(&scanner);
        good = scanner.at == size || fail(&scanner, scanner.at, "more behind the value");
    }
    *fault = scanner.fault;
    return good;
}

/* ---- Second pass ----------------------------------------------------------------------------- */

static uint8_t *put_integer(uint8_t *to, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        *to++ = (uint8_t)(value >> (8 * i));
    return to;
}

/* Turns the order round: hashes are written as one big-endian number. */
static uint8_t *put_hash(uint8_t *to, const uint8_t *digits)
{
    for (int i = TRANSACTION_HASH_SIZE - 1; i >= 0; i--)
        *to++ = (uint8_t)(hex_value(digits[2 * i]) << 4 | hex_value(digits[2 * i + 1]));
    return to;
}

void fill_columns(const uint8_t *answer, const struct transactions_found *found,
                  struct transaction_columns columns)
{
    struct scanner scanner = {.text = answer, .size = found->end, .at = found->begin};
    union value values[FIELD_COUNT];
    bool more;

    for (size_t i = 0; i < found->count; i++) {
        if (!next_item(&scanner, i == 0, &more) || !more || !scan_transaction(&scanner, values))
            return; /* never: it is the text that the first pass has found to be good */
        size_t digits = values[DATA].hex.end - values[DATA].hex.begin;
        memcpy(columns.data_hex, answer + values[DATA].hex.begin, digits);
        columns.data_hex += digits;
        columns.sizes_le = put_integer(columns.sizes_le, digits / 2, 4);
        columns.txids_le = put_hash(columns.txids_le, answer + values[TXID].hex.begin);
        columns.wtxids_le = put_hash(columns.wtxids_le, answer + values[WTXID].hex.begin);
        columns.fees_le = put_integer(columns.fees_le, values[FEE].integer, 8);
        columns.weights_le = put_integer(columns.weights_le, values[WEIGHT].integer, 4);
        columns.sigops_le = put_integer(columns.sigops_le, values[SIGOPS].integer, 4);
    }
}
