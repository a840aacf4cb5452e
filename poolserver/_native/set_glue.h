/* The Python face of a share_set. Included by module.c and the glue in it alone. */
#ifndef POOLSERVER_SET_GLUE_H
#define POOLSERVER_SET_GLUE_H

#include <Python.h>

#include <string.h>

#include "arguments.h"
#include "share_set.h"

typedef struct {
    PyObject_HEAD
    struct share_set set;
} ShareSet;

static PyObject *ShareSet_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":ShareSet", keywords))
        return NULL;
    return ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* zeroed: an empty set */
}

static void ShareSet_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    share_set_free(&((ShareSet *)object)->set);
    release(object);
    Py_DECREF(type);
}

static Py_ssize_t ShareSet_length(PyObject *object)
{
    return (Py_ssize_t)((ShareSet *)object)->set.count;
}

/* As of a set: what can be in no ShareSet is not in this one. */
static int ShareSet_contains(PyObject *object, PyObject *item)
{
    if (!PyBytes_Check(item) || PyBytes_Size(item) != SHARE_SET_HASH_SIZE)
        return 0;
    return share_set_has(&((ShareSet *)object)->set, (const uint8_t *)PyBytes_AsString(item));
}

PyDoc_STRVAR(ShareSet_add_doc,
             "add($self, hash_le, /)\n--\n\nAdd a hash; False if it was there.");

static PyObject *ShareSet_add(PyObject *object, PyObject *arg)
{
    const uint8_t *hash_le = get_sized(arg, "hash_le", SHARE_SET_HASH_SIZE);

    if (hash_le == NULL)
        return NULL;
    switch (share_set_add(&((ShareSet *)object)->set, hash_le)) {
    case SHARE_SET_ADDED:
        Py_RETURN_TRUE;
    case SHARE_SET_WAS_THERE:
        Py_RETURN_FALSE;
    default:
        return PyErr_NoMemory();
    }
}

PyDoc_STRVAR(ShareSet_to_bytes_doc,
             "to_bytes($self, /)\n--\n\nAll hashes, one behind the other.");

static PyObject *ShareSet_to_bytes(PyObject *object, PyObject *unused)
{
    const struct share_set *set = &((ShareSet *)object)->set;

    (void)unused;
    return PyBytes_FromStringAndSize((const char *)set->hashes,
                                     (Py_ssize_t)(set->count * SHARE_SET_HASH_SIZE));
}

PyDoc_STRVAR(ShareSet_update_doc,
             "update($self, hashes_le, /)\n--\n\nAdd what to_bytes gave.");

static PyObject *ShareSet_update(PyObject *object, PyObject *arg)
{
    struct share_set *set = &((ShareSet *)object)->set;
    struct bytes_view hashes;

    if (get_bytes(arg, "hashes_le", &hashes) < 0)
        return NULL;
    if (hashes.size % SHARE_SET_HASH_SIZE != 0) {
        PyErr_Format(PyExc_ValueError, "hashes_le must be a multiple of %d bytes, is %zd",
                     SHARE_SET_HASH_SIZE, hashes.size);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < hashes.size; i += SHARE_SET_HASH_SIZE)
        if (share_set_add(set, hashes.data + i) == SHARE_SET_NO_MEMORY)
            return PyErr_NoMemory();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(ShareSet_doc,
             "ShareSet()\n--\n\n"
             "Hashes of shares, each of 32 bytes, in the order in which they were added.");

static PyMethodDef ShareSet_methods[] = {
    {"add", ShareSet_add, METH_O, ShareSet_add_doc},
    {"to_bytes", ShareSet_to_bytes, METH_NOARGS, ShareSet_to_bytes_doc},
    {"update", ShareSet_update, METH_O, ShareSet_update_doc},
    {NULL},
};

static PyType_Slot ShareSet_slots[] = {
    {Py_tp_doc, (void *)ShareSet_doc},
    {Py_tp_new, (void *)ShareSet_new},
    {Py_tp_dealloc, (void *)ShareSet_dealloc},
    {Py_tp_methods, ShareSet_methods},
    {Py_sq_length, (void *)ShareSet_length},
    {Py_sq_contains, (void *)ShareSet_contains},
    {0, NULL},
};

/* No Py_TPFLAGS_HAVE_GC: it holds no Python object. */
static PyType_Spec ShareSet_spec = {
    .name = "poolserver._native._sharecheck.ShareSet",
    .basicsize = sizeof(ShareSet),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ShareSet_slots,
};

#endif
