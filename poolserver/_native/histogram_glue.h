/*
 * Histogram: how often something took how long. Included by module.c and the glue in it alone;
 * histogram.py says the same in Python.
 */
#ifndef POOLSERVER_HISTOGRAM_GLUE_H
#define POOLSERVER_HISTOGRAM_GLUE_H

#include <Python.h>

#include <stdint.h>

#include "arguments.h"

enum { HISTOGRAM_BOUNDS_MAX = 16 }; /* ours have a dozen, and each is a series of Prometheus' */

typedef struct {
    PyObject_HEAD
    Py_ssize_t bound_count;
    double bounds_s[HISTOGRAM_BOUNDS_MAX], seconds;
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* the last one in use: beyond all bounds */
} Histogram;

/* Most are below one of the first bounds: to go through them is faster than to bisect. */
static void histogram_note(Histogram *self, double seconds, uint64_t count)
{
    Py_ssize_t place = 0;

    while (place < self->bound_count && self->bounds_s[place] < seconds)
        place++;
    self->counts[place] += count;
    self->seconds += seconds * (double)count;
}

static int get_seconds(PyObject *arg, double *seconds)
{
    *seconds = PyFloat_AsDouble(arg);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *Histogram_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"bounds_s", NULL};
    PyObject *bounds_s;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Histogram", keywords, &bounds_s))
        return NULL;
    if (!PyTuple_Check(bounds_s)) {
        wrong_type("bounds_s", "tuple", bounds_s);
        return NULL;
    }
    if (PyTuple_Size(bounds_s) > HISTOGRAM_BOUNDS_MAX)
        return PyErr_Format(PyExc_ValueError, "bounds_s may have %d items", HISTOGRAM_BOUNDS_MAX);
    Histogram *self = (Histogram *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL; /* else all of it is zero */
    self->bound_count = PyTuple_Size(bounds_s);
    for (Py_ssize_t i = 0; i < self->bound_count; i++)
        if (get_seconds(PyTuple_GetItem(bounds_s, i), &self->bounds_s[i]) < 0) {
            Py_DECREF((PyObject *)self);
            return NULL;
        }
    return (PyObject *)self;
}

static void Histogram_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(Histogram_note_doc,
             "note($self, seconds, count=1, /)\n--\n\ncount of them took so long, each.");

static PyObject *Histogram_note(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    uint64_t count = 1;
    double seconds;

    if ((arg_count != 1 && check_arg_count("note", 2, arg_count) < 0) ||
        get_seconds(args[0], &seconds) < 0 ||
        (arg_count == 2 && get_uint(args[1], "count", UINT32_MAX, &count) < 0))
        return NULL;
    histogram_note((Histogram *)object, seconds, count);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(Histogram_add_doc,
             "add($self, counts, seconds, /)\n--\n\n"
             "Those of another one, which is left out where its bounds are not these.");

static PyObject *Histogram_add(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    Histogram *self = (Histogram *)object;
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1];
    double seconds;

    if (check_arg_count("add", 2, arg_count) < 0)
        return NULL;
    if (!PyTuple_Check(args[0])) {
        wrong_type("counts", "tuple", args[0]);
        return NULL;
    }
    if (get_seconds(args[1], &seconds) < 0)
        return NULL;
    if (PyTuple_Size(args[0]) != self->bound_count + 1)
        Py_RETURN_NONE;
    for (Py_ssize_t i = 0; i <= self->bound_count; i++)
        if (get_uint(PyTuple_GetItem(args[0], i), "a count", UINT64_MAX, &counts[i]) < 0)
            return NULL;
    for (Py_ssize_t i = 0; i <= self->bound_count; i++)
        self->counts[i] += counts[i];
    self->seconds += seconds;
    Py_RETURN_NONE;
}

/* A tuple of what `item` makes, or NULL. */
static PyObject *tuple_of(Histogram *self, Py_ssize_t count,
                          PyObject *(*item)(const Histogram *self, Py_ssize_t i))
{
    PyObject *tuple = PyTuple_New(count);

    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *value = item(self, i);
        if (value == NULL || PyTuple_SetItem(tuple, i, value) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *bound_at(const Histogram *self, Py_ssize_t i)
{
    return PyFloat_FromDouble(self->bounds_s[i]);
}

static PyObject *count_at(const Histogram *self, Py_ssize_t i)
{
    return PyLong_FromUnsignedLongLong(self->counts[i]);
}

static PyObject *Histogram_bounds_s(PyObject *object, void *unused)
{
    Histogram *self = (Histogram *)object;

    (void)unused;
    return tuple_of(self, self->bound_count, bound_at);
}

static PyObject *Histogram_counts(PyObject *object, void *unused)
{
    Histogram *self = (Histogram *)object;

    (void)unused;
    return tuple_of(self, self->bound_count + 1, count_at);
}

static PyObject *Histogram_seconds(PyObject *object, void *unused)
{
    (void)unused;
    return PyFloat_FromDouble(((Histogram *)object)->seconds);
}

PyDoc_STRVAR(Histogram_doc,
             "Histogram(bounds_s)\n--\n\nHow often something took how long, by upper bounds.");

static PyMethodDef Histogram_methods[] = {
    {"note", (PyCFunction)(void (*)(void))Histogram_note, METH_FASTCALL, Histogram_note_doc},
    {"add", (PyCFunction)(void (*)(void))Histogram_add, METH_FASTCALL, Histogram_add_doc},
    {NULL},
};

static PyGetSetDef Histogram_getset[] = {
    {"bounds_s", Histogram_bounds_s, NULL, "The upper bounds.", NULL},
    {"counts", Histogram_counts, NULL, "How many are up to each bound, and beyond all.", NULL},
    {"seconds", Histogram_seconds, NULL, "The sum of all.", NULL},
    {NULL},
};

static PyType_Slot Histogram_slots[] = {
    {Py_tp_doc, (void *)Histogram_doc},
    {Py_tp_new, (void *)Histogram_new},
    {Py_tp_dealloc, (void *)Histogram_dealloc},
    {Py_tp_methods, Histogram_methods},
    {Py_tp_getset, Histogram_getset},
    {0, NULL},
};

/* No Py_TPFLAGS_HAVE_GC: it holds no Python object. */
static PyType_Spec Histogram_spec = {
    .name = "poolserver._native._sharecheck.Histogram",
    .basicsize = sizeof(Histogram),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Histogram_slots,
};

#endif
