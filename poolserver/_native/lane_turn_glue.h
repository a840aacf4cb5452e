/*
 * LaneTurn: the ordinary shares of one turn, as Python is given them. See _sharecheck.pyi.
 *
 * Included by lane_glue.h alone, which makes them.
 */
#ifndef POOLSERVER_LANE_TURN_GLUE_H
#define POOLSERVER_LANE_TURN_GLUE_H

#include <Python.h>

#include <stdint.h>
#include <stdlib.h>

#include "histogram_glue.h"

typedef struct {
    PyObject_HEAD
    PyObject *records, *replies, *credits;
    size_t count, taken;
    /* Whose the replies are: those of sockets[i] end at reply_ends[i], where the next one's begin.
       All owned (by malloc), references too, and NULL unless the turn was one of sockets. */
    PyObject **sockets;
    size_t *reply_ends, socket_count;
    /* Told once for each: its replies, or NULL where they are given up. May run Python code. */
    void (*send)(PyObject *socket, const uint8_t *replies, size_t size);
    /* Where the time from began_at to the release is noted, once for each share, and who tells it.
       NULL unless the turn was one of sockets, and after that. */
    PyObject *latency, *now;
    double began_at;
} LaneTurn;

static int LaneTurn_traverse(PyObject *object, visitproc visit, void *arg)
{
    const LaneTurn *self = (LaneTurn *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->credits);
    Py_VISIT(self->now);
    for (size_t i = 0; i < self->socket_count; i++)
        Py_VISIT(self->sockets[i]);
    return 0;
}

/* Sends the replies, or gives them up; the second time there is nothing left to do. */
static void settle_replies(LaneTurn *self, const uint8_t *replies)
{
    PyObject **sockets = self->sockets;
    size_t *ends = self->reply_ends, count = self->socket_count, begin = 0;

    self->sockets = NULL;
    self->reply_ends = NULL;
    self->socket_count = 0;
    for (size_t i = 0; i < count; begin = ends[i++]) {
        self->send(sockets[i], replies == NULL ? NULL : replies + begin, ends[i] - begin);
        Py_DECREF(sockets[i]);
    }
    free(sockets);
    free(ends);
}

static int LaneTurn_clear(PyObject *object)
{
    LaneTurn *self = (LaneTurn *)object;

    Py_CLEAR(self->records);
    Py_CLEAR(self->replies);
    Py_CLEAR(self->credits);
    Py_CLEAR(self->latency);
    Py_CLEAR(self->now);
    settle_replies(self, NULL);
    return 0;
}

static void LaneTurn_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(object);
    LaneTurn_clear(object);
    release(object);
    Py_DECREF(type);
}

static PyObject *LaneTurn_count(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(((LaneTurn *)object)->count);
}

static PyObject *LaneTurn_taken(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(((LaneTurn *)object)->taken);
}

/* One of the objects it holds, at `offset` in the struct; None once the collector has cleared it. */
static PyObject *LaneTurn_object(PyObject *object, void *offset)
{
    PyObject *held = *(PyObject **)((char *)object + (uintptr_t)offset);

    return Py_NewRef(held == NULL ? Py_None : held);
}

static int note_latency(LaneTurn *self)
{
    PyObject *latency = self->latency, *now = self->now;
    double now_s = 0.0;

    if (now == NULL)
        return 0;
    self->latency = self->now = NULL;
    PyObject *told = PyObject_CallNoArgs(now);
    const int status = told == NULL ? -1 : get_seconds(told, &now_s);
    if (status == 0)
        histogram_note((Histogram *)latency, now_s - self->began_at, self->count);
    Py_XDECREF(told);
    Py_DECREF(latency);
    Py_DECREF(now);
    return status;
}

PyDoc_STRVAR(LaneTurn_release_doc,
             "release($self, /)\n--\n\n"
             "Send the answers to all that are still connected, and note how long that took. Once.");

static PyObject *LaneTurn_release(PyObject *object, PyObject *unused)
{
    LaneTurn *self = (LaneTurn *)object;
    PyObject *replies = Py_XNewRef(self->replies);

    (void)unused;
    if (replies != NULL)
        settle_replies(self, (const uint8_t *)PyBytes_AsString(replies));
    Py_XDECREF(replies);
    if (note_latency(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(LaneTurn_doc, "The ordinary shares of one turn of the event loop.");

static PyMethodDef LaneTurn_methods[] = {
    {"release", LaneTurn_release, METH_NOARGS, LaneTurn_release_doc},
    {NULL},
};

static PyGetSetDef LaneTurn_getset[] = {
    {"count", LaneTurn_count, NULL, "How many shares there are.", NULL},
    {"records", LaneTurn_object, NULL, "Their journal records.",
     (void *)offsetof(LaneTurn, records)},
    {"credits", LaneTurn_object, NULL, "Owners of (rig, worker, terms, job), and how many shares.",
     (void *)offsetof(LaneTurn, credits)},
    {"taken", LaneTurn_taken, NULL, "How many bytes are settled.", NULL},
    {"replies", LaneTurn_object, NULL, "All answers.", (void *)offsetof(LaneTurn, replies)},
    {NULL},
};

static PyType_Slot LaneTurn_slots[] = {
    {Py_tp_doc, (void *)LaneTurn_doc},
    {Py_tp_dealloc, (void *)LaneTurn_dealloc},
    {Py_tp_traverse, (void *)LaneTurn_traverse},
    {Py_tp_clear, (void *)LaneTurn_clear},
    {Py_tp_methods, LaneTurn_methods},
    {Py_tp_getset, LaneTurn_getset},
    {0, NULL},
};

static PyType_Spec LaneTurn_spec = {
    .name = "poolserver._native._sharecheck.LaneTurn",
    .basicsize = sizeof(LaneTurn),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = LaneTurn_slots,
};

#endif
