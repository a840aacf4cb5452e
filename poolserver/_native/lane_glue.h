/*
 * The Python face of the lane: ShareLane, which makes a LaneTurn of a turn.
 *
 * Included by module.c and the glue in it alone. Who else collects (the rigs' sockets) calls
 * lane_turn_take() at the end of a turn, in which no Python code may run.
 */
#ifndef POOLSERVER_LANE_GLUE_H
#define POOLSERVER_LANE_GLUE_H

#include <Python.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "job_glue.h"
#include "journal_records.h"
#include "lane_turn_glue.h"
#include "module_state.h"
#include "rig_glue.h"
#include "set_glue.h"
#include "share_lane.h"

/* ---- ShareLane ------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    struct lane *lane;
} ShareLane;

/* A job's owner is a tuple: the owner that Python named, the hashers, the set of what is seen. */
enum { JOB_OWNER, JOB_HASHERS, JOB_SEEN };

static void let_go_of_job(struct lane_job *job)
{
    Py_DECREF((PyObject *)job->owner);
}

static void withdraw_jobs(ShareLane *self, double expired_before)
{
    lane_begin(self->lane); /* the turn may point to them */
    lane_jobs_withdraw(lane_jobs_of(self->lane), expired_before, let_go_of_job);
}

static PyObject *ShareLane_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"extranonce2_size", NULL};
    PyObject *arg;
    uint64_t extranonce2_size;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:ShareLane", keywords, &arg) ||
        get_uint(arg, "extranonce2_size", SUBMIT_EXTRANONCE2_MAX, &extranonce2_size) < 0)
        return NULL;
    ShareLane *self = (ShareLane *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self != NULL && (self->lane = lane_new((size_t)extranonce2_size)) == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static int ShareLane_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct lane *lane = ((ShareLane *)object)->lane;

    Py_VISIT(Py_TYPE(object));
    if (lane != NULL)
        for (size_t i = 0; i < lane_jobs_of(lane)->count; i++)
            Py_VISIT((PyObject *)lane_jobs_of(lane)->items[i]->owner);
    return 0;
}

static int ShareLane_clear(PyObject *object)
{
    if (((ShareLane *)object)->lane != NULL)
        withdraw_jobs((ShareLane *)object, INFINITY);
    return 0;
}

static void ShareLane_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(object);
    ShareLane_clear(object);
    lane_free(((ShareLane *)object)->lane);
    release(object);
    Py_DECREF(type);
}

static Py_ssize_t ShareLane_length(PyObject *object)
{
    return (Py_ssize_t)lane_jobs_of(((ShareLane *)object)->lane)->count;
}

static int get_job_id(PyObject *arg, struct lane_job *job)
{
    Py_ssize_t size;

    if (!PyUnicode_Check(arg))
        return wrong_type("job_id", "str", arg);
    const char *id = PyUnicode_AsUTF8AndSize(arg, &size);
    if (id == NULL)
        return -1;
    if (size < 1 || size > SUBMIT_JOB_ID_MAX) {
        PyErr_Format(PyExc_ValueError, "job_id must be 1..%d bytes, is %zd", SUBMIT_JOB_ID_MAX,
                     size);
        return -1;
    }
    memcpy(job->id, id, (size_t)size);
    job->id_size = (uint8_t)size;
    return 0;
}

/* Points the variants of the job to those of the hashers, which are a tuple. */
static int get_variants(PyObject *hashers, PyObject *hasher_type, struct lane_job *job)
{
    const Py_ssize_t count = PyTuple_Size(hashers);

    job->variants = malloc(((size_t)count + 1) * sizeof *job->variants);
    if (job->variants == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *hasher = PyTuple_GetItem(hashers, i);
        if (Py_TYPE(hasher) != (PyTypeObject *)hasher_type)
            return wrong_type("hashers", "of JobHasher", hasher);
        job->variants[i] = &((JobHasher *)hasher)->job;
    }
    job->variant_count = (size_t)count;
    return 0;
}

/* Puts the job on offer with what it is made of, all of which is held from then on. */
static int offer_job(ShareLane *self, struct lane_job *job, PyObject *owner, PyObject *hashers,
                     PyObject *seen)
{
    const struct module_state *state = state_of((PyObject *)self);

    if (Py_TYPE(seen) != (PyTypeObject *)state->share_set)
        return wrong_type("seen", "ShareSet", seen);
    if (get_variants(hashers, state->job_hasher, job) < 0)
        return -1;
    job->seen = &((ShareSet *)seen)->set;
    job->owner = PyTuple_Pack(3, owner, hashers, seen);
    if (job->owner != NULL && lane_jobs_add(lane_jobs_of(self->lane), job))
        return 0;
    if (job->owner != NULL)
        PyErr_NoMemory();
    Py_XDECREF((PyObject *)job->owner);
    return -1;
}

PyDoc_STRVAR(ShareLane_offer_doc,
             "offer($self, owner, job_id, number, version, ntime_min, ntime_max, hashers, seen,\n"
             "      /)\n--\n\n"
             "Put a job on offer, without an end to its time.");

static PyObject *ShareLane_offer(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    struct lane_job job = {.expires_at = INFINITY};
    PyObject *hashers;

    if (check_arg_count("offer", 8, arg_count) < 0 || get_job_id(args[1], &job) < 0 ||
        get_uint(args[2], "number", UINT64_MAX, &job.number) < 0 ||
        get_uint32(args[3], "version", &job.version) < 0 ||
        get_uint32(args[4], "ntime_min", &job.ntime_min) < 0 ||
        get_uint32(args[5], "ntime_max", &job.ntime_max) < 0 ||
        (hashers = items_of(args[6], "hashers")) == NULL)
        return NULL;
    int status = offer_job((ShareLane *)object, &job, args[0], hashers, args[7]);
    Py_DECREF(hashers);
    if (status < 0) {
        free(job.variants);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(ShareLane_expire_doc,
             "expire($self, owner, at, /)\n--\n\n"
             "The job of that owner is on offer until then and no longer.");

static PyObject *ShareLane_expire(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    struct lane_jobs *jobs = lane_jobs_of(((ShareLane *)object)->lane);
    double at;

    if (check_arg_count("expire", 2, arg_count) < 0)
        return NULL;
    at = PyFloat_AsDouble(args[1]);
    if (at == -1.0 && PyErr_Occurred())
        return NULL;
    for (size_t i = 0; i < jobs->count; i++)
        if (PyTuple_GetItem((PyObject *)jobs->items[i]->owner, JOB_OWNER) == args[0])
            jobs->items[i]->expires_at = at;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(ShareLane_withdraw_doc,
             "withdraw($self, expired_before, /)\n--\n\n"
             "Take jobs whose time is over by then off the offer; with inf all jobs.");

static PyObject *ShareLane_withdraw(PyObject *object, PyObject *arg)
{
    const double expired_before = PyFloat_AsDouble(arg);

    if (expired_before == -1.0 && PyErr_Occurred())
        return NULL;
    withdraw_jobs((ShareLane *)object, expired_before);
    Py_RETURN_NONE;
}

/* ---- A turn ---------------------------------------------------------------------------------- */

/* (rig, worker, terms, job, count): the owners, and how many shares. */
static PyObject *make_credit(const struct lane_credit *credit)
{
    PyObject *count = PyLong_FromUnsignedLong(credit->count), *result = NULL;

    if (count != NULL)
        result = PyTuple_Pack(5, (PyObject *)credit->rig->owner, (PyObject *)credit->worker->owner,
                              (PyObject *)credit->terms->owner,
                              PyTuple_GetItem((PyObject *)credit->job->owner, JOB_OWNER), count);
    Py_XDECREF(count);
    return result;
}

static PyObject *make_credits(const struct lane_results *results)
{
    PyObject *credits = PyList_New((Py_ssize_t)results->credit_count);

    for (size_t i = 0; credits != NULL && i < results->credit_count; i++) {
        PyObject *credit = make_credit(&results->credits[i]);
        if (credit == NULL || PyList_SetItem(credits, (Py_ssize_t)i, credit) < 0)
            Py_CLEAR(credits);
    }
    return credits;
}

static LaneTurn *make_turn(PyTypeObject *type, const struct lane_results *results)
{
    LaneTurn *turn = (LaneTurn *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);

    if (turn == NULL)
        return NULL;
    turn->count = results->record_count;
    turn->records = PyBytes_FromStringAndSize(
        (const char *)results->records, (Py_ssize_t)(results->record_count * SHARE_RECORD_SIZE));
    turn->replies = PyBytes_FromStringAndSize((const char *)results->replies,
                                              (Py_ssize_t)results->replies_size);
    turn->credits = make_credits(results);
    if (turn->records == NULL || turn->replies == NULL || turn->credits == NULL)
        Py_CLEAR(turn);
    return turn;
}

/* A new LaneTurn of what lane_judge() has settled, with copies of all; its sockets are for the
   caller to fill in. NULL, with an exception set, if there is no memory: nothing is settled then. */
static LaneTurn *lane_turn_take(ShareLane *self)
{
    const struct lane_results results = lane_results(self->lane);
    /* A collection could run code that closes a rig or withdraws a job while we read them. */
    const int was_enabled = PyGC_Disable();
    LaneTurn *turn = make_turn((PyTypeObject *)state_of((PyObject *)self)->lane_turn, &results);

    if (was_enabled)
        PyGC_Enable();
    if (turn == NULL)
        lane_take_back(self->lane);
    return turn;
}

PyDoc_STRVAR(ShareLane_judge_doc,
             "judge($self, rig, data, now, sequence, unix_ms, room, /)\n--\n\n"
             "A turn with one connection's data; None if none of it is ordinary.");

static PyObject *ShareLane_judge(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    ShareLane *self = (ShareLane *)object;
    struct bytes_view data;
    uint64_t sequence, unix_ms, room;

    if (check_arg_count("judge", 6, arg_count) < 0)
        return NULL;
    if (Py_TYPE(args[0]) != (PyTypeObject *)state_of(object)->lane_rig) {
        wrong_type("rig", "LaneRig", args[0]);
        return NULL;
    }
    const double now = PyFloat_AsDouble(args[2]);
    if ((now == -1.0 && PyErr_Occurred()) || get_bytes(args[1], "data", &data) < 0 ||
        get_uint(args[3], "sequence", UINT64_MAX, &sequence) < 0 ||
        get_uint(args[4], "unix_ms", UINT64_MAX, &unix_ms) < 0 ||
        get_uint(args[5], "room", UINT32_MAX, &room) < 0)
        return NULL;
    lane_begin(self->lane);
    lane_collect(self->lane, &((LaneRig *)args[0])->rig, data.data, (size_t)data.size, now,
                 (size_t)room);
    if (!lane_judge(self->lane, sequence, unix_ms))
        return PyErr_NoMemory();
    if (lane_results(self->lane).record_count == 0)
        Py_RETURN_NONE;
    LaneTurn *turn = lane_turn_take(self);
    if (turn != NULL)
        turn->taken = lane_results(self->lane).runs[0].taken;
    return (PyObject *)turn;
}

/* ---- The type -------------------------------------------------------------------------------- */

PyDoc_STRVAR(ShareLane_doc, "ShareLane(extranonce2_size)\n--\n\n"
                            "The jobs on offer to ordinary shares, and the judge of these.");

static PyMethodDef ShareLane_methods[] = {
    {"offer", (PyCFunction)(void (*)(void))ShareLane_offer, METH_FASTCALL, ShareLane_offer_doc},
    {"expire", (PyCFunction)(void (*)(void))ShareLane_expire, METH_FASTCALL, ShareLane_expire_doc},
    {"withdraw", ShareLane_withdraw, METH_O, ShareLane_withdraw_doc},
    {"judge", (PyCFunction)(void (*)(void))ShareLane_judge, METH_FASTCALL, ShareLane_judge_doc},
    {NULL},
};

static PyType_Slot ShareLane_slots[] = {
    {Py_tp_doc, (void *)ShareLane_doc},
    {Py_tp_new, (void *)ShareLane_new},
    {Py_tp_dealloc, (void *)ShareLane_dealloc},
    {Py_tp_traverse, (void *)ShareLane_traverse},
    {Py_tp_clear, (void *)ShareLane_clear},
    {Py_tp_methods, ShareLane_methods},
    {Py_sq_length, (void *)ShareLane_length},
    {0, NULL},
};

static PyType_Spec ShareLane_spec = {
    .name = "poolserver._native._sharecheck.ShareLane",
    .basicsize = sizeof(ShareLane),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = ShareLane_slots,
};

#endif
