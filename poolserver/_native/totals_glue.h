/*
 * The sums of ledger/totals.py: made once for each worker that sends, each second, and added up.
 * Included by module.c and the glue in it alone; totals_twin.py says the same in Python.
 */
#ifndef POOLSERVER_TOTALS_GLUE_H
#define POOLSERVER_TOTALS_GLUE_H

#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <string.h>

#include "arguments.h"
#include "share_counts.h"

/* Work is Python's own ints, since no sum of a pool's life may overflow, and never NULL. No more
   than ints are held, so the garbage collector need not know. */
typedef struct {
    PyObject_HEAD
    PyObject *accepted_work, *proven_work, *proven_work_sq;
    struct share_counts counts;
} ShareTotals;

/* Takes over the references, of which each may be NULL, with an exception set: then so is this. */
static ShareTotals *new_totals(PyTypeObject *type, PyObject *accepted_work, PyObject *proven_work,
                               PyObject *proven_work_sq)
{
    ShareTotals *self = NULL;

    if (accepted_work != NULL && proven_work != NULL && proven_work_sq != NULL)
        self = (ShareTotals *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL) {
        Py_XDECREF(accepted_work);
        Py_XDECREF(proven_work);
        Py_XDECREF(proven_work_sq);
        return NULL;
    }
    self->accepted_work = accepted_work;
    self->proven_work = proven_work;
    self->proven_work_sq = proven_work_sq;
    return self;
}

static void ShareTotals_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    ShareTotals *self = (ShareTotals *)object;

    Py_XDECREF(self->accepted_work);
    Py_XDECREF(self->proven_work);
    Py_XDECREF(self->proven_work_sq);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* ---- From Python ----------------------------------------------------------------------------- */

/* A new reference; 0 where nothing was given. */
static PyObject *get_exact_work(PyObject *arg, const char *name)
{
    if (arg == NULL)
        return PyLong_FromLong(0);
    if (PyLong_CheckExact(arg))
        return Py_NewRef(arg);
    wrong_type(name, "int", arg);
    return NULL;
}

static int get_int64(PyObject *arg, const char *name, int64_t *value)
{
    if (!PyLong_Check(arg))
        return wrong_type(name, "int", arg);
    *value = PyLong_AsLongLong(arg);
    if (*value != -1 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_Format(PyExc_ValueError, "%s must fit into 64 bits", name);
    return -1;
}

static int get_time(PyObject *arg, const char *name, bool *has, int64_t *ms)
{
    *has = arg != NULL && arg != Py_None;
    return *has ? get_int64(arg, name, ms) : 0;
}

static int get_counts(PyObject *arg, int64_t *counts)
{
    if (arg == NULL)
        return 0; /* zeroed */
    PyObject *given = PySequence_Tuple(arg);
    if (given == NULL)
        return -1;
    Py_ssize_t size = PyTuple_Size(given);
    int status = 0;
    if (size != SHARE_OUTCOMES) {
        PyErr_Format(PyExc_ValueError, "shares must have %d items, has %zd", SHARE_OUTCOMES, size);
        status = -1;
    }
    for (Py_ssize_t i = 0; status == 0 && i < size; i++)
        status = get_int64(PyTuple_GetItem(given, i), "shares", &counts[i]);
    Py_DECREF(given);
    return status;
}

static const char HEX_DIGITS[] = "0123456789abcdef";

/* Of "0x" and digits, the highest first, into zeros; -1 for what is negative, or too long. */
static int read_hash(const char *text, uint8_t *hash_le)
{
    size_t length = strlen(text);

    if (text[0] == '-' || length > 2 + 2 * SHARE_HASH_SIZE)
        return -1;
    for (size_t place = 0; place < length - 2; place++) {
        uint8_t digit = (uint8_t)(strchr(HEX_DIGITS, text[length - 1 - place]) - HEX_DIGITS);
        hash_le[place / 2] |= (uint8_t)(digit << 4 * (place % 2));
    }
    return 0;
}

static int get_best_hash(PyObject *arg, struct share_counts *counts)
{
    counts->has_best = arg != NULL && arg != Py_None;
    if (!counts->has_best)
        return 0;
    if (!PyLong_Check(arg))
        return wrong_type("best_hash", "int", arg);
    PyObject *digits = PyNumber_ToBase(arg, 16);
    const char *text = digits == NULL ? NULL : PyUnicode_AsUTF8AndSize(digits, NULL);
    int status = text == NULL ? -1 : read_hash(text, counts->best_hash_le);
    if (text != NULL && status < 0)
        PyErr_SetString(PyExc_ValueError, "best_hash must fit into 256 bits");
    Py_XDECREF(digits);
    return status;
}

static PyObject *ShareTotals_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"accepted_work", "proven_work", "proven_work_sq", "shares",
                               "best_hash",     "first_ms",    "last_ms",        NULL};
    PyObject *given[7] = {NULL};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOOOO:ShareTotals", keywords, &given[0],
                                     &given[1], &given[2], &given[3], &given[4], &given[5],
                                     &given[6]))
        return NULL;
    PyObject *work[3] = {NULL};
    for (int i = 0; i < 3 && (work[i] = get_exact_work(given[i], keywords[i])) != NULL; i++)
        ;
    ShareTotals *self = new_totals(type, work[0], work[1], work[2]);
    if (self != NULL &&
        (get_counts(given[3], self->counts.shares) < 0 ||
         get_best_hash(given[4], &self->counts) < 0 ||
         get_time(given[5], "first_ms", &self->counts.has_first, &self->counts.first_ms) < 0 ||
         get_time(given[6], "last_ms", &self->counts.has_last, &self->counts.last_ms) < 0))
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* ---- To Python ------------------------------------------------------------------------------- */

static PyMemberDef ShareTotals_members[] = {
    {"accepted_work", T_OBJECT_EX, offsetof(ShareTotals, accepted_work), READONLY,
     "Credit: the work of accepted shares."},
    {"proven_work", T_OBJECT_EX, offsetof(ShareTotals, proven_work), READONLY,
     "The work of every share whose hash proved it."},
    {"proven_work_sq", T_OBJECT_EX, offsetof(ShareTotals, proven_work_sq), READONLY,
     "The sum of squares of the proven work."},
    {NULL},
};

static struct share_counts *counts_of(PyObject *object)
{
    return &((ShareTotals *)object)->counts;
}

static PyObject *ShareTotals_get_shares(PyObject *object, void *unused)
{
    PyObject *shares = PyTuple_New(SHARE_OUTCOMES);

    (void)unused;
    for (Py_ssize_t i = 0; shares != NULL && i < SHARE_OUTCOMES; i++) {
        PyObject *count = PyLong_FromLongLong(counts_of(object)->shares[i]);
        if (count == NULL || PyTuple_SetItem(shares, i, count) < 0) /* takes the reference */
            Py_CLEAR(shares);
    }
    return shares;
}

static PyObject *ShareTotals_get_best_hash(PyObject *object, void *unused)
{
    const struct share_counts *counts = counts_of(object);

    (void)unused;
    if (!counts->has_best)
        Py_RETURN_NONE;
    char digits[2 * SHARE_HASH_SIZE + 1] = {0};
    for (int i = 0; i < SHARE_HASH_SIZE; i++) {
        uint8_t byte = counts->best_hash_le[SHARE_HASH_SIZE - 1 - i];
        digits[2 * i] = HEX_DIGITS[byte >> 4];
        digits[2 * i + 1] = HEX_DIGITS[byte & 15];
    }
    return PyLong_FromString(digits, NULL, 16);
}

static PyObject *ShareTotals_get_best_difficulty(PyObject *object, void *unused)
{
    (void)unused;
    return PyFloat_FromDouble(share_counts_best_difficulty(counts_of(object)));
}

static PyObject *time_or_none(bool has, int64_t ms)
{
    if (!has)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(ms);
}

static PyObject *ShareTotals_get_first_ms(PyObject *object, void *unused)
{
    (void)unused;
    return time_or_none(counts_of(object)->has_first, counts_of(object)->first_ms);
}

static PyObject *ShareTotals_get_last_ms(PyObject *object, void *unused)
{
    (void)unused;
    return time_or_none(counts_of(object)->has_last, counts_of(object)->last_ms);
}

static PyGetSetDef ShareTotals_properties[] = {
    {"shares", ShareTotals_get_shares, NULL, "How many there were of each outcome.", NULL},
    {"best_hash", ShareTotals_get_best_hash, NULL, "The lowest hash of an accepted share.", NULL},
    {"best_difficulty", ShareTotals_get_best_difficulty, NULL,
     "The difficulty that the best share would have met; 0 before the first one.", NULL},
    {"first_ms", ShareTotals_get_first_ms, NULL, "When the first one came.", NULL},
    {"last_ms", ShareTotals_get_last_ms, NULL, "When the last one came.", NULL},
    {NULL},
};

static PyObject *ShareTotals_repr(PyObject *object)
{
    const ShareTotals *self = (ShareTotals *)object;
    PyObject *shares = ShareTotals_get_shares(object, NULL);
    PyObject *best = ShareTotals_get_best_hash(object, NULL);
    PyObject *first = ShareTotals_get_first_ms(object, NULL);
    PyObject *last = ShareTotals_get_last_ms(object, NULL);
    PyObject *text = NULL;

    if (shares != NULL && best != NULL && first != NULL && last != NULL)
        text = PyUnicode_FromFormat(
            "ShareTotals(accepted_work=%R, proven_work=%R, proven_work_sq=%R, shares=%R, "
            "best_hash=%R, first_ms=%R, last_ms=%R)",
            self->accepted_work, self->proven_work, self->proven_work_sq, shares, best, first,
            last);
    Py_XDECREF(shares);
    Py_XDECREF(best);
    Py_XDECREF(first);
    Py_XDECREF(last);
    return text;
}

/* 1, 0, or -1 with an exception set. */
static int is_equal(const ShareTotals *one, const ShareTotals *other)
{
    int same = share_counts_equal(&one->counts, &other->counts);

    if (same == 1)
        same = PyObject_RichCompareBool(one->accepted_work, other->accepted_work, Py_EQ);
    if (same == 1)
        same = PyObject_RichCompareBool(one->proven_work, other->proven_work, Py_EQ);
    if (same == 1)
        same = PyObject_RichCompareBool(one->proven_work_sq, other->proven_work_sq, Py_EQ);
    return same;
}

static PyObject *ShareTotals_compare(PyObject *object, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(object) != Py_TYPE(other))
        Py_RETURN_NOTIMPLEMENTED;
    int same = is_equal((ShareTotals *)object, (ShareTotals *)other);
    return same < 0 ? NULL : PyBool_FromLong(same == (op == Py_EQ));
}

/* ---- Adding up ------------------------------------------------------------------------------- */

PyDoc_STRVAR(ShareTotals_copy_doc, "copy($self, /)\n--\n\nOne of its own.");

static PyObject *ShareTotals_copy(PyObject *object, PyObject *unused)
{
    const ShareTotals *from = (ShareTotals *)object;
    ShareTotals *self =
        new_totals(Py_TYPE(object), Py_NewRef(from->accepted_work), Py_NewRef(from->proven_work),
                   Py_NewRef(from->proven_work_sq));

    (void)unused;
    if (self != NULL)
        self->counts = from->counts;
    return (PyObject *)self;
}

/* Puts `fresh` in the place of what is there; what that sets free cannot run code. */
static void replace_work(PyObject **work, PyObject *fresh)
{
    PyObject *old = *work;

    *work = fresh;
    Py_DECREF(old);
}

/* All of it or, with an exception set, nothing. */
static int add_totals(ShareTotals *self, const ShareTotals *other)
{
    PyObject *accepted = PyNumber_Add(self->accepted_work, other->accepted_work);
    PyObject *proven = PyNumber_Add(self->proven_work, other->proven_work);
    PyObject *squares = PyNumber_Add(self->proven_work_sq, other->proven_work_sq);

    if (accepted != NULL && proven != NULL && squares != NULL) {
        if (share_counts_add(&self->counts, &other->counts)) {
            replace_work(&self->accepted_work, accepted);
            replace_work(&self->proven_work, proven);
            replace_work(&self->proven_work_sq, squares);
            return 0;
        }
        PyErr_SetString(PyExc_ValueError, "shares must fit into 64 bits");
    }
    Py_XDECREF(accepted);
    Py_XDECREF(proven);
    Py_XDECREF(squares);
    return -1;
}

PyDoc_STRVAR(ShareTotals_add_doc, "add($self, other, /)\n--\n\nTake in the other's shares.");

static PyObject *ShareTotals_add(PyObject *object, PyObject *other)
{
    if (Py_TYPE(object) != Py_TYPE(other)) {
        wrong_type("other", "ShareTotals", other);
        return NULL;
    }
    if (add_totals((ShareTotals *)object, (ShareTotals *)other) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Of an int times `scale`, NULL meaning 1; -1.0, with an exception set, where that is no double. */
static double work_as_double(PyObject *work, PyObject *scale)
{
    if (scale == NULL)
        return PyLong_AsDouble(work);
    PyObject *scaled = PyNumber_Multiply(work, scale);
    double value = scaled == NULL ? -1.0 : PyLong_AsDouble(scaled);
    Py_XDECREF(scaled);
    return value;
}

PyDoc_STRVAR(ShareTotals_figures_doc,
             "figures($self, work_scale, /)\n--\n\n"
             "What meters take: proven work and its squares, judged, stale, rejected, best.");

static PyObject *ShareTotals_figures(PyObject *object, PyObject *work_scale)
{
    const ShareTotals *self = (ShareTotals *)object;
    const struct share_counts *counts = &self->counts;
    PyObject *squared = NULL;

    if (!PyLong_Check(work_scale)) {
        wrong_type("work_scale", "int", work_scale);
        return NULL;
    }
    const bool is_scaled = PyLong_AsLong(work_scale) != 1;
    PyErr_Clear(); /* too large for a long */
    if (is_scaled && (squared = PyNumber_Multiply(work_scale, work_scale)) == NULL)
        return NULL;
    const double work = work_as_double(self->proven_work, is_scaled ? work_scale : NULL);
    const double squares = PyErr_Occurred() ? -1.0 : work_as_double(self->proven_work_sq, squared);
    Py_XDECREF(squared);
    if (PyErr_Occurred())
        return NULL;
    const int64_t judged = share_counts_judged(counts), stale = counts->shares[OUTCOME_STALE];
    return Py_BuildValue("(ddLLLd)", work, squares, (long long)judged, (long long)stale,
                         (long long)(judged - stale - counts->shares[OUTCOME_ACCEPTED]),
                         share_counts_best_difficulty(counts));
}

static PyMethodDef ShareTotals_methods[] = {
    {"add", ShareTotals_add, METH_O, ShareTotals_add_doc},
    {"copy", ShareTotals_copy, METH_NOARGS, ShareTotals_copy_doc},
    {"figures", ShareTotals_figures, METH_O, ShareTotals_figures_doc},
    {NULL},
};

PyDoc_STRVAR(ShareTotals_doc,
             "ShareTotals(accepted_work=0, proven_work=0, proven_work_sq=0, shares=(0,) * 10,\n"
             "            best_hash=None, first_ms=None, last_ms=None)\n--\n\n"
             "The sum of some shares.");

static PyType_Slot ShareTotals_slots[] = {
    {Py_tp_doc, (void *)ShareTotals_doc},
    {Py_tp_new, (void *)ShareTotals_new},
    {Py_tp_dealloc, (void *)ShareTotals_dealloc},
    {Py_tp_hash, (void *)PyObject_HashNotImplemented},
    {Py_tp_repr, (void *)ShareTotals_repr},
    {Py_tp_richcompare, (void *)ShareTotals_compare},
    {Py_tp_members, ShareTotals_members},
    {Py_tp_getset, ShareTotals_properties},
    {Py_tp_methods, ShareTotals_methods},
    {0, NULL},
};

static PyType_Spec ShareTotals_spec = {
    .name = "poolserver._native._sharecheck.ShareTotals",
    .basicsize = sizeof(ShareTotals),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ShareTotals_slots,
};

#endif
