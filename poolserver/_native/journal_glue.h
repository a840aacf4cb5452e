/* The Python face of journal_records.c. Included by module.c alone. */
#ifndef POOLSERVER_JOURNAL_GLUE_H
#define POOLSERVER_JOURNAL_GLUE_H

#include <Python.h>

#include "arguments.h"
#include "journal_records.h"
#include "module_state.h"
#include "totals_glue.h"

/* From so many bytes on the GIL is released: 770 shares, 30 us of work. */
enum { RECORDS_WITHOUT_GIL = 64 * 1024 };

/* ---- pack_share ------------------------------------------------------------------------------ */

#define WORK_MAXIMUM "340282366920938463463374607431768211455"

/* Work above 64 bits: one share of more than 10^9 times the difficulty of today's rigs. */
static int get_wide_work(PyObject *arg, uint64_t *low, uint64_t *high)
{
    PyObject *shift = PyLong_FromLong(64);
    PyObject *mask = PyLong_FromUnsignedLongLong(UINT64_MAX);
    PyObject *above = NULL, *below = NULL;
    int status = -1;

    if (shift != NULL && mask != NULL && (above = PyNumber_Rshift(arg, shift)) != NULL &&
        (below = PyNumber_And(arg, mask)) != NULL) {
        *low = PyLong_AsUnsignedLongLong(below);
        *high = PyLong_AsUnsignedLongLong(above); /* fails if it is negative, or still too long */
        if (!PyErr_Occurred())
            status = 0;
        else if (PyErr_ExceptionMatches(PyExc_OverflowError))
            PyErr_SetString(PyExc_ValueError, "work must be in 0.." WORK_MAXIMUM);
    }
    Py_XDECREF(shift);
    Py_XDECREF(mask);
    Py_XDECREF(above);
    Py_XDECREF(below);
    return status;
}

static int get_work(PyObject *arg, uint64_t *low, uint64_t *high)
{
    if (!PyLong_Check(arg))
        return wrong_type("work", "int", arg);
    *high = 0;
    *low = PyLong_AsUnsignedLongLong(arg);
    if (*low != UINT64_MAX || !PyErr_Occurred())
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    return get_wide_work(arg, low, high);
}

static int get_uint8(PyObject *arg, const char *name, uint64_t max, uint8_t *value)
{
    uint64_t wide;

    if (get_uint(arg, name, max, &wide) < 0)
        return -1;
    *value = (uint8_t)wide;
    return 0;
}

static int get_share_record(PyObject *const *args, struct share_record *share)
{
    if (get_uint(args[0], "sequence", UINT64_MAX, &share->sequence) < 0 ||
        get_uint32(args[1], "worker_ref", &share->worker_ref) < 0 ||
        get_uint8(args[2], "outcome", UINT8_MAX, &share->outcome) < 0 ||
        get_uint8(args[3], "proven", 1, &share->proven) < 0 ||
        get_work(args[4], &share->work_low, &share->work_high) < 0 ||
        get_uint(args[5], "job_number", UINT64_MAX, &share->job_number) < 0 ||
        get_uint(args[6], "unix_ms", UINT64_MAX, &share->unix_ms) < 0)
        return -1;
    share->hash_le = get_sized(args[7], "hash_le", SHARE_HASH_SIZE);
    return share->hash_le == NULL ? -1 : 0;
}

/* Where the record goes; NULL, with an exception set, if there is no room for it. */
static uint8_t *get_room(const Py_buffer *buffer, PyObject *offset_arg)
{
    uint64_t offset;

    if (buffer->len < SHARE_RECORD_SIZE) {
        PyErr_Format(PyExc_ValueError, "buffer must have at least %d bytes, has %zd",
                     SHARE_RECORD_SIZE, buffer->len);
        return NULL;
    }
    if (get_uint(offset_arg, "offset", (uint64_t)(buffer->len - SHARE_RECORD_SIZE), &offset) < 0)
        return NULL;
    return (uint8_t *)buffer->buf + offset;
}

PyDoc_STRVAR(pack_share_doc,
             "pack_share($module, buffer, offset, sequence, worker_ref, outcome, proven, work,\n"
             "           job_number, unix_ms, hash_le, /)\n--\n\n"
             "Write a share's record into buffer.");

static PyObject *module_pack_share(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    struct share_record share;
    Py_buffer buffer;
    uint8_t *to;

    (void)module;
    if (check_arg_count("pack_share", 10, arg_count) < 0)
        return NULL;
    if (!PyObject_CheckBuffer(args[0])) {
        wrong_type("buffer", "a writable buffer", args[0]);
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &buffer, PyBUF_WRITABLE) < 0) {
        PyErr_Clear(); /* each type has its own words for it */
        PyErr_SetString(PyExc_BufferError, "buffer must be writable and in one piece");
        return NULL;
    }
    to = get_room(&buffer, args[1]);
    int status = to == NULL ? -1 : get_share_record(args + 2, &share);
    if (status == 0)
        pack_share_record(to, &share);
    PyBuffer_Release(&buffer);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- skip_records, sum_shares ---------------------------------------------------------------- */

/* 2^63 records are more than there will be, so the walk's sequence does not overflow. */
static int get_walk(PyObject *const *args, struct record_walk *walk)
{
    struct bytes_view records;
    uint64_t offset;

    if (get_bytes(args[0], "records", &records) < 0 ||
        get_uint(args[1], "offset", (uint64_t)records.size, &offset) < 0 ||
        get_uint(args[2], "sequence", INT64_MAX, &walk->sequence) < 0)
        return -1;
    walk->records = records.data;
    walk->size = (size_t)records.size;
    walk->offset = (size_t)offset;
    return 0;
}

static PyThreadState *release_gil_for(const struct record_walk *walk)
{
    return walk->size - walk->offset < RECORDS_WITHOUT_GIL ? NULL : PyEval_SaveThread();
}

static void take_gil_back(PyThreadState *released)
{
    if (released != NULL)
        PyEval_RestoreThread(released);
}

PyDoc_STRVAR(skip_records_doc,
             "skip_records($module, records, offset, sequence, enough, /)\n--\n\n"
             "Step over whole records: where that ends, and how many there were.");

static PyObject *module_skip_records(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    struct record_walk walk;
    uint64_t enough;

    (void)module;
    if (check_arg_count("skip_records", 4, arg_count) < 0 || get_walk(args, &walk) < 0 ||
        get_uint(args[3], "enough", INT64_MAX, &enough) < 0)
        return NULL;
    const uint64_t first_sequence = walk.sequence;
    PyThreadState *released = release_gil_for(&walk);
    skip_whole_records(&walk, (size_t)enough);
    take_gil_back(released);
    return Py_BuildValue("(nK)", (Py_ssize_t)walk.offset,
                         (unsigned long long)(walk.sequence - first_sequence));
}

/* Python objects that many sums have in common. */
struct sum_maker {
    PyTypeObject *sum_type, *totals_type;
    newfunc make_tuple;
    uint64_t interval_ms, work_low, work_high;
    PyObject *interval, *work, *work_sq; /* of the numbers above; owned */
};

static PyObject *work_as_int(uint64_t low, uint64_t high)
{
    PyObject *result = NULL, *above, *shift, *shifted, *below;

    if (high == 0)
        return PyLong_FromUnsignedLongLong(low);
    above = PyLong_FromUnsignedLongLong(high);
    below = PyLong_FromUnsignedLongLong(low);
    shift = PyLong_FromLong(64);
    if (above != NULL && below != NULL && shift != NULL &&
        (shifted = PyNumber_Lshift(above, shift)) != NULL) {
        result = PyNumber_Or(shifted, below);
        Py_DECREF(shifted);
    }
    Py_XDECREF(above);
    Py_XDECREF(below);
    Py_XDECREF(shift);
    return result;
}

/* A new reference to the interval's number, the last one's if it is the same. */
static PyObject *interval_of(struct sum_maker *maker, const struct share_sum *sum)
{
    if (maker->interval == NULL || maker->interval_ms != sum->interval_ms) {
        Py_XDECREF(maker->interval);
        maker->interval = PyLong_FromUnsignedLongLong(sum->interval_ms);
        maker->interval_ms = sum->interval_ms;
    }
    Py_XINCREF(maker->interval);
    return maker->interval;
}

/* Has the maker's work be that of the sum; -1, with an exception set, if it cannot be. */
static int take_work(struct sum_maker *maker, const struct share_sum *sum)
{
    if (maker->work_sq != NULL && maker->work_low == sum->work_low &&
        maker->work_high == sum->work_high)
        return 0;
    Py_CLEAR(maker->work_sq);
    Py_XDECREF(maker->work);
    maker->work = work_as_int(sum->work_low, sum->work_high);
    maker->work_low = sum->work_low;
    maker->work_high = sum->work_high;
    if (maker->work != NULL)
        maker->work_sq = PyNumber_Multiply(maker->work, maker->work);
    return maker->work_sq == NULL ? -1 : 0;
}

/* A new reference. */
static PyObject *times(PyObject *work, uint64_t count)
{
    if (count == 1)
        return Py_NewRef(work);
    PyObject *factor = PyLong_FromUnsignedLongLong(count);
    PyObject *product = factor == NULL ? NULL : PyNumber_Multiply(work, factor);
    Py_XDECREF(factor);
    return product;
}

/* Only a proven share's work was done, and only an accepted one's gives credit. */
static PyObject *totals_of(struct sum_maker *maker, const struct share_sum *sum)
{
    uint64_t count = 0, accepted = 0;

    if (take_work(maker, sum) < 0)
        return NULL;
    if (sum->proven) {
        accepted = sum->outcomes[OUTCOME_ACCEPTED];
        for (int i = 0; i < SHARE_OUTCOMES; i++)
            count += sum->outcomes[i];
    }
    ShareTotals *totals =
        new_totals(maker->totals_type, times(maker->work, accepted), times(maker->work, count),
                   times(maker->work_sq, count));
    if (totals == NULL)
        return NULL;
    struct share_counts *counts = &totals->counts;
    for (int i = 0; i < SHARE_OUTCOMES; i++)
        counts->shares[i] = sum->outcomes[i];
    counts->has_best = sum->has_best;
    memcpy(counts->best_hash_le, sum->best_hash_le, SHARE_HASH_SIZE);
    counts->has_first = counts->has_last = true;
    counts->first_ms = (int64_t)sum->first_ms;
    counts->last_ms = (int64_t)sum->last_ms;
    return (PyObject *)totals;
}

enum { SUM_FIELDS = 3 };

/* One ShareSum: a tuple first, which tuple.__new__ makes one of that class of. */
static PyObject *make_sum(struct sum_maker *maker, const struct share_sum *sum)
{
    PyObject *fields[SUM_FIELDS] = {
        PyLong_FromUnsignedLong(sum->worker_ref),
        interval_of(maker, sum),
        totals_of(maker, sum),
    };
    PyObject *result = NULL, *plain = PyTuple_New(SUM_FIELDS);
    bool is_whole = plain != NULL;

    for (Py_ssize_t i = 0; i < SUM_FIELDS; i++) {
        if (fields[i] == NULL)
            is_whole = false;
        if (plain == NULL)
            Py_XDECREF(fields[i]);
        else
            PyTuple_SetItem(plain, i, fields[i]);
    }
    PyObject *args = is_whole ? PyTuple_Pack(1, plain) : NULL;
    if (args != NULL)
        result = maker->make_tuple(maker->sum_type, args, NULL);
    Py_XDECREF(args);
    Py_XDECREF(plain);
    return result;
}

static PyObject *list_of_sums(const struct module_state *state, const struct share_sums *sums)
{
    struct sum_maker maker = {
        .sum_type = (PyTypeObject *)state->share_sum,
        .totals_type = (PyTypeObject *)state->share_totals,
        .make_tuple = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new),
    };
    PyObject *list = PyList_New((Py_ssize_t)sums->count);

    for (size_t i = 0; list != NULL && i < sums->count; i++) {
        PyObject *sum = make_sum(&maker, &sums->items[i]);
        if (sum == NULL || PyList_SetItem(list, (Py_ssize_t)i, sum) < 0)
            Py_CLEAR(list);
    }
    Py_XDECREF(maker.interval);
    Py_XDECREF(maker.work);
    Py_XDECREF(maker.work_sq);
    return list;
}

PyDoc_STRVAR(sum_shares_doc,
             "sum_shares($module, records, offset, sequence, interval_ms, open_from_ms, /)\n--\n\n"
             "Add up shares: where they end, how many there were, and their sums.");

static PyObject *sum_shares(const struct module_state *state, PyObject *const *args,
                            Py_ssize_t arg_count)
{
    struct record_walk walk;
    struct share_booking booking;
    struct share_sums sums = {0};

    if (check_arg_count("sum_shares", 5, arg_count) < 0 || get_walk(args, &walk) < 0 ||
        get_uint(args[3], "interval_ms", UINT64_MAX, &booking.interval_ms) < 0 ||
        get_uint(args[4], "open_from_ms", UINT64_MAX, &booking.open_from_ms) < 0)
        return NULL;
    if (booking.interval_ms == 0) {
        PyErr_SetString(PyExc_ValueError, "interval_ms must not be 0");
        return NULL;
    }
    const uint64_t first_sequence = walk.sequence;
    PyThreadState *released = release_gil_for(&walk);
    bool is_done = add_up_shares(&walk, booking, &sums);
    take_gil_back(released);
    PyObject *list = is_done ? list_of_sums(state, &sums) : PyErr_NoMemory();
    free_share_sums(&sums);
    if (list == NULL)
        return NULL;
    return Py_BuildValue("(nKN)", (Py_ssize_t)walk.offset,
                         (unsigned long long)(walk.sequence - first_sequence), list);
}

#endif
