/* The Python face of a lane_rig. Included by module.c and the glue in it alone. */
#ifndef POOLSERVER_RIG_GLUE_H
#define POOLSERVER_RIG_GLUE_H

#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "journal_glue.h"
#include "lane_rig.h"

/* The owner, and those of terms and workers, are Python objects, held by reference. */
typedef struct {
    PyObject_HEAD
    struct lane_rig rig;
} LaneRig;

/* Lets go of all but the owner; `rig` is not the one in use any more, whatever that sets free. */
static void drop_rig(struct lane_rig *rig)
{
    for (size_t i = 0; i < rig->terms_count; i++)
        Py_XDECREF((PyObject *)rig->terms[i].owner);
    for (size_t i = 0; i < rig->worker_count; i++)
        Py_XDECREF((PyObject *)rig->workers[i].owner);
    lane_rig_free(rig);
}

/* Puts `fresh` in place of what is there, but for the owner, and lets go of that. */
static void replace_rig(LaneRig *self, const struct lane_rig *fresh)
{
    struct lane_rig old = self->rig;

    self->rig = *fresh;
    self->rig.owner = old.owner;
    drop_rig(&old);
}

static PyObject *LaneRig_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"owner", NULL};
    PyObject *owner;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:LaneRig", keywords, &owner))
        return NULL;
    LaneRig *self = (LaneRig *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self != NULL)
        self->rig.owner = Py_NewRef(owner);
    return (PyObject *)self;
}

static int LaneRig_traverse(PyObject *object, visitproc visit, void *arg)
{
    const struct lane_rig *rig = &((LaneRig *)object)->rig;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)rig->owner);
    for (size_t i = 0; i < rig->terms_count; i++)
        Py_VISIT((PyObject *)rig->terms[i].owner);
    for (size_t i = 0; i < rig->worker_count; i++)
        Py_VISIT((PyObject *)rig->workers[i].owner);
    return 0;
}

static int LaneRig_clear(PyObject *object)
{
    LaneRig *self = (LaneRig *)object;
    PyObject *owner = self->rig.owner;

    self->rig.owner = NULL;
    replace_rig(self, &(struct lane_rig){0});
    Py_XDECREF(owner);
    return 0;
}

static void LaneRig_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(object);
    LaneRig_clear(object);
    release(object);
    Py_DECREF(type);
}

/* ---- open ------------------------------------------------------------------------------------ */

/* The items of a tuple or list, which could change under our hands, as a new tuple. */
static PyObject *items_of(PyObject *sequence, const char *name)
{
    if (!PyTuple_Check(sequence) && !PyList_Check(sequence)) {
        wrong_type(name, "a tuple or list", sequence);
        return NULL;
    }
    return PySequence_Tuple(sequence);
}

/* The fields of one item, borrowed from it: it has to be a tuple of so many. */
static int get_fields(PyObject *item, const char *name, PyObject **fields, Py_ssize_t count)
{
    if (!PyTuple_Check(item))
        return wrong_type(name, "a tuple", item);
    if (PyTuple_Size(item) != count) {
        PyErr_Format(PyExc_ValueError, "%s must have %zd fields, has %zd", name, count,
                     PyTuple_Size(item));
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        fields[i] = PyTuple_GetItem(item, i);
    return 0;
}

static int get_extranonce1(PyObject *arg, struct lane_terms *terms)
{
    struct bytes_view extranonce1;

    if (get_bytes(arg, "extranonce1", &extranonce1) < 0)
        return -1;
    if (extranonce1.size > LANE_EXTRANONCE1_MAX) {
        PyErr_Format(PyExc_ValueError, "extranonce1 must be at most %d bytes, is %zd",
                     LANE_EXTRANONCE1_MAX, extranonce1.size);
        return -1;
    }
    memcpy(terms->extranonce1, extranonce1.data, (size_t)extranonce1.size);
    terms->extranonce1_size = (uint8_t)extranonce1.size;
    return 0;
}

static int add_terms(struct lane_rig *rig, PyObject *item)
{
    enum { FIELDS = 7 };
    PyObject *fields[FIELDS];
    const uint8_t *target_le;
    struct lane_terms terms = {0};

    if (get_fields(item, "terms", fields, FIELDS) < 0 ||
        get_uint(fields[1], "first_job", UINT64_MAX, &terms.first_job) < 0 ||
        (target_le = get_sized(fields[2], "target_le", SHA256_DIGEST_SIZE)) == NULL ||
        get_work(fields[3], &terms.work_low, &terms.work_high) < 0 ||
        get_uint32(fields[4], "version_mask", &terms.version_mask) < 0 ||
        get_extranonce1(fields[5], &terms) < 0 ||
        get_uint8(fields[6], "coinbase_class", UINT8_MAX, &terms.coinbase_class) < 0)
        return -1;
    if (rig->terms_count > 0 && rig->terms[rig->terms_count - 1].first_job > terms.first_job) {
        PyErr_SetString(PyExc_ValueError, "terms must ascend by their first job");
        return -1;
    }
    memcpy(terms.target_le, target_le, SHA256_DIGEST_SIZE);
    terms.owner = Py_NewRef(fields[0]);
    rig->terms[rig->terms_count++] = terms;
    return 0;
}

/* Whether a name stands in JSON as it is, and is no longer than submit_line.h takes it. */
static bool is_plain(const struct bytes_view *name)
{
    if (name->size > SUBMIT_NAME_MAX)
        return false;
    for (Py_ssize_t i = 0; i < name->size; i++)
        if (name->data[i] < ' ' || name->data[i] > '~' || name->data[i] == '"' ||
            name->data[i] == '\\')
            return false;
    return true;
}

static int add_worker(struct lane_rig *rig, PyObject *item)
{
    enum { FIELDS = 3 };
    PyObject *fields[FIELDS];
    struct bytes_view name;
    struct lane_worker worker = {0};

    if (get_fields(item, "workers", fields, FIELDS) < 0 ||
        get_bytes(fields[1], "name", &name) < 0 || get_uint32(fields[2], "ref", &worker.ref) < 0)
        return -1;
    if (!is_plain(&name))
        return 0;
    worker.name_size = (uint32_t)name.size;
    worker.name = malloc((size_t)name.size + 1);
    if (worker.name == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(worker.name, name.data, (size_t)name.size);
    worker.owner = Py_NewRef(fields[0]);
    rig->workers[rig->worker_count++] = worker;
    return 0;
}

static int fill_rig(struct lane_rig *rig, PyObject *terms, PyObject *workers)
{
    const Py_ssize_t terms_count = PyTuple_Size(terms), worker_count = PyTuple_Size(workers);

    /* One more: what malloc gives for nothing may be NULL. */
    rig->terms = malloc(((size_t)terms_count + 1) * sizeof *rig->terms);
    rig->workers = malloc(((size_t)worker_count + 1) * sizeof *rig->workers);
    if (rig->terms == NULL || rig->workers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < terms_count; i++)
        if (add_terms(rig, PyTuple_GetItem(terms, i)) < 0)
            return -1;
    for (Py_ssize_t i = 0; i < worker_count; i++)
        if (add_worker(rig, PyTuple_GetItem(workers, i)) < 0)
            return -1;
    if (!lane_rig_index(rig)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(LaneRig_open_doc,
             "open($self, version_mask, terms, workers, /)\n--\n\n"
             "From now on what this connection sends may be ordinary.");

static PyObject *LaneRig_open(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    struct lane_rig fresh = {.is_open = true};
    PyObject *terms, *workers = NULL;
    int status = -1;

    if (check_arg_count("open", 3, arg_count) < 0 ||
        get_uint32(args[0], "version_mask", &fresh.version_mask) < 0 ||
        (terms = items_of(args[1], "terms")) == NULL)
        return NULL;
    if ((workers = items_of(args[2], "workers")) != NULL)
        status = fill_rig(&fresh, terms, workers);
    Py_DECREF(terms);
    Py_XDECREF(workers);
    if (status < 0) {
        drop_rig(&fresh);
        return NULL;
    }
    replace_rig((LaneRig *)object, &fresh);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(LaneRig_close_doc,
             "close($self, /)\n--\n\nNothing of this connection is ordinary any more.");

static PyObject *LaneRig_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    replace_rig((LaneRig *)object, &(struct lane_rig){0});
    Py_RETURN_NONE;
}

static PyObject *LaneRig_is_open(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((LaneRig *)object)->rig.is_open);
}

/* ---- The type -------------------------------------------------------------------------------- */

PyDoc_STRVAR(LaneRig_doc, "LaneRig(owner)\n--\n\n"
                          "What the ordinary shares of one connection are judged by.");

static PyMethodDef LaneRig_methods[] = {
    {"open", (PyCFunction)(void (*)(void))LaneRig_open, METH_FASTCALL, LaneRig_open_doc},
    {"close", LaneRig_close, METH_NOARGS, LaneRig_close_doc},
    {NULL},
};

static PyGetSetDef LaneRig_getset[] = {
    {"is_open", LaneRig_is_open, NULL, "Whether anything of it may be ordinary.", NULL},
    {NULL},
};

static PyType_Slot LaneRig_slots[] = {
    {Py_tp_doc, (void *)LaneRig_doc},
    {Py_tp_new, (void *)LaneRig_new},
    {Py_tp_dealloc, (void *)LaneRig_dealloc},
    {Py_tp_traverse, (void *)LaneRig_traverse},
    {Py_tp_clear, (void *)LaneRig_clear},
    {Py_tp_methods, LaneRig_methods},
    {Py_tp_getset, LaneRig_getset},
    {0, NULL},
};

static PyType_Spec LaneRig_spec = {
    .name = "poolserver._native._sharecheck.LaneRig",
    .basicsize = sizeof(LaneRig),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = LaneRig_slots,
};

#endif
