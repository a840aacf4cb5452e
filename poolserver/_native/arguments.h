/*
 * What a Python argument must be. Included by module.c and the glue in it alone.
 *
 * The messages are those of twin.py, word for word. Only `bytes` are taken: no other buffer stays
 * unchanged for sure while it is read, and the session decodes hex into bytes anyway.
 */
#ifndef POOLSERVER_ARGUMENTS_H
#define POOLSERVER_ARGUMENTS_H

#include <Python.h>

#include <stdint.h>

struct bytes_view {
    const uint8_t *data;
    Py_ssize_t size;
};

static int wrong_type(const char *name, const char *wanted, PyObject *arg)
{
    PyObject *type_name = PyType_GetName(Py_TYPE(arg));
    if (type_name != NULL) {
        PyErr_Format(PyExc_TypeError, "%s must be %s, not %U", name, wanted, type_name);
        Py_DECREF(type_name);
    }
    return -1;
}

static int get_bytes(PyObject *arg, const char *name, struct bytes_view *view)
{
    if (!PyBytes_Check(arg))
        return wrong_type(name, "bytes", arg);
    view->data = (const uint8_t *)PyBytes_AsString(arg);
    view->size = PyBytes_Size(arg);
    return 0;
}

/* NULL, with an exception set, unless `arg` is `bytes` of that size. */
static const uint8_t *get_sized(PyObject *arg, const char *name, Py_ssize_t size)
{
    struct bytes_view view;

    if (get_bytes(arg, name, &view) < 0)
        return NULL;
    if (view.size != size) {
        PyErr_Format(PyExc_ValueError, "%s must be %zd bytes, is %zd", name, size, view.size);
        return NULL;
    }
    return view.data;
}

/* An int in 0..max, never wrapped. */
static int get_uint(PyObject *arg, const char *name, uint64_t max, uint64_t *value)
{
    if (!PyLong_Check(arg))
        return wrong_type(name, "int", arg);
    *value = PyLong_AsUnsignedLongLong(arg);
    if (*value == UINT64_MAX && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear(); /* negative or above 2^64: refused below, like all that is out of range */
    } else if (*value <= max) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "%s must be in 0..%llu", name, (unsigned long long)max);
    return -1;
}

static int get_uint32(PyObject *arg, const char *name, uint32_t *value)
{
    uint64_t wide;

    if (get_uint(arg, name, UINT32_MAX, &wide) < 0)
        return -1;
    *value = (uint32_t)wide;
    return 0;
}

static int check_arg_count(const char *function, Py_ssize_t wanted, Py_ssize_t given)
{
    if (given == wanted)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd positional arguments but %zd were given",
                 function, wanted, given);
    return -1;
}

/* A new `bytes` object to be filled through *data. */
static PyObject *new_bytes(Py_ssize_t size, uint8_t **data)
{
    PyObject *result = PyBytes_FromStringAndSize(NULL, size);
    if (result != NULL)
        *data = (uint8_t *)PyBytes_AsString(result);
    return result;
}

#endif
