/*
 * A rig's socket in its set: what both are, how it comes and ends, and how something is sent.
 *
 * A socket is in its set from its first moment to connection_lost, and the set owns a reference to
 * it, so no event of the set points to what is gone. Any call of Python code may close, abort or
 * detach any socket: what is done after one looks at the socket's state again.
 */
#ifndef POOLSERVER_RIG_SOCKET_H
#define POOLSERVER_RIG_SOCKET_H

#include <Python.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "lane_glue.h"
#include "module_state.h"
#include "rig_glue.h"
#include "rig_sockets.h"

typedef struct RigSocket RigSocket;

/* What one event has brought: it is told by deliver(). */
struct delivery {
    RigSocket *socket;     /* owned */
    uint32_t offset, size; /* in the arena */
    int error;             /* errno; 0: none */
    bool is_end, is_sent;  /* the peer sends no more; something that waited was sent */
    size_t run;            /* of the lane's runs in this turn, from 1 on; 0: none */
};

struct arrival {
    PyObject *accept; /* owned */
    int fd;
    union rig_address peer;
};

/* What a turn has brought, until it is delivered. */
struct turn_stage {
    size_t delivery_count, arrival_count, used; /* used: of the arena */
    struct delivery deliveries[RIG_TURN_EVENTS];
    struct arrival arrivals[RIG_TURN_ACCEPTS];
    uint8_t arena[RIG_ARENA_SIZE];
};

typedef struct {
    PyObject_HEAD
    struct rig_set plain;
    RigSocket *first; /* all connections; each reference is owned */
    Py_ssize_t count;
    RigSocket *first_ended, *last_ended; /* those whose protocol is to be told */
    struct turn_stage *stage;            /* owned */
    ShareLane *lane;
    PyObject *call_soon, *data_received; /* the latter is a name */
    PyObject *now, *latency;             /* see LaneTurn */
    bool is_bury_due, is_delivering, is_closed;
} RigSockets;

struct RigSocket {
    PyObject_HEAD
    RigSockets *set; /* owned; NULL: it has left the set */
    RigSocket *previous, *next, *next_ended;
    PyObject *protocol; /* owned, or NULL, as is the rig */
    LaneRig *rig;
    struct rig_wire wire;
    uint32_t high, low;  /* bytes that wait: from which on writing is paused, and is resumed */
    uint32_t unanswered; /* turns whose answers for it are not released */
    int error;           /* errno it has ended with */
    bool is_closing, is_ended, is_paused;
    bool is_staged;      /* something of it is read and not delivered */
    bool is_within_line; /* what the protocol was given last did not end a line */
};

enum { OUTBOX_HIGH = 64 << 10 }; /* as asyncio's; low is a quarter of it */

static void set_reference(PyObject **place, PyObject *value)
{
    PyObject *before = *place;

    *place = Py_XNewRef(value);
    Py_XDECREF(before);
}

/* ---- In the set, and out of it --------------------------------------------------------------- */

/* A connection in the set; the descriptor is closed if that fails. A new reference. */
static RigSocket *add_socket(RigSockets *set, int fd)
{
    PyTypeObject *type = (PyTypeObject *)state_of((PyObject *)set)->rig_socket;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    RigSocket *self = (RigSocket *)allocate(type, 0); /* zeroed */

    if (self == NULL) {
        close(fd);
        return NULL;
    }
    self->high = OUTBOX_HIGH;
    self->low = OUTBOX_HIGH / 4;
    int error = rig_wire_open(&self->wire, &set->plain, fd);
    if (error != 0) {
        rig_wire_end(&self->wire);
        Py_DECREF((PyObject *)self);
        errno = error;
        return (RigSocket *)PyErr_SetFromErrno(PyExc_OSError);
    }
    self->set = (RigSockets *)Py_NewRef((PyObject *)set);
    self->next = set->first;
    if (set->first != NULL)
        set->first->previous = self;
    set->first = (RigSocket *)Py_NewRef((PyObject *)self);
    set->count++;
    return self;
}

/* The set's reference to it is the caller's from now on; it lets go of all that it holds. */
static void remove_socket(RigSocket *self)
{
    RigSockets *set = self->set;

    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        set->first = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    self->previous = self->next = NULL;
    self->set = NULL;
    self->is_closing = self->is_ended = true;
    rig_wire_end(&self->wire);
    if (--set->count == 0 && set->is_closed)
        rig_set_close(&set->plain);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->rig);
    Py_DECREF((PyObject *)set);
}

/* The end has come; the protocol is told in a turn of its own. False: it had come before. */
static bool mark_ended(RigSocket *self, int error)
{
    RigSockets *set = self->set;

    if (self->is_ended)
        return false;
    self->is_ended = self->is_closing = true;
    self->error = error;
    rig_wire_end(&self->wire);
    rig_set_resume(&set->plain); /* a descriptor is free */
    if (set->last_ended != NULL)
        set->last_ended->next_ended = self;
    else
        set->first_ended = self;
    set->last_ended = self;
    return true;
}

/* One call for all that end in a turn of the event loop. */
static void call_for_burial(RigSockets *set)
{
    if (set->is_bury_due || set->first_ended == NULL)
        return;
    set->is_bury_due = true;
    PyObject *bury = PyObject_GetAttrString((PyObject *)set, "_bury");
    PyObject *result =
        bury == NULL ? NULL : PyObject_CallFunctionObjArgs(set->call_soon, bury, NULL);
    Py_XDECREF(bury);
    Py_XDECREF(result);
    if (result == NULL) {
        set->is_bury_due = false; /* the next end tries again */
        PyErr_WriteUnraisable((PyObject *)set);
    }
}

static void end_socket(RigSocket *self, int error)
{
    RigSockets *set = self->set;

    if (mark_ended(self, error)) {
        Py_INCREF((PyObject *)set);
        call_for_burial(set);
        Py_DECREF((PyObject *)set);
    }
}

/* ---- What is sent ---------------------------------------------------------------------------- */

static void tell_of_writing(RigSocket *self, bool is_paused)
{
    self->is_paused = is_paused;
    if (self->protocol == NULL)
        return;
    PyObject *protocol = Py_NewRef(self->protocol);
    PyObject *result =
        PyObject_CallMethod(protocol, is_paused ? "pause_writing" : "resume_writing", NULL);
    if (result == NULL)
        PyErr_WriteUnraisable(protocol); /* the writer cannot help it */
    Py_XDECREF(result);
    Py_DECREF(protocol);
}

/* After something was sent, or kept; calls Python code. */
static void after_sending(RigSocket *self, int error)
{
    if (self->is_ended)
        return;
    if (error != 0) {
        end_socket(self, error);
        return;
    }
    const size_t waiting = rig_wire_waiting(&self->wire);
    if (self->is_closing && waiting == 0)
        end_socket(self, 0);
    else if (!self->is_paused && waiting > self->high)
        tell_of_writing(self, true);
    else if (self->is_paused && waiting <= self->low)
        tell_of_writing(self, false);
}

static void write_bytes(RigSocket *self, const struct bytes_view *data)
{
    if (!self->is_closing)
        after_sending(self, rig_wire_write(&self->wire, data->data, (size_t)data->size));
}

static void close_socket(RigSocket *self)
{
    if (self->is_closing)
        return;
    self->is_closing = true;
    rig_wire_stop_reading(&self->wire);
    if (self->wire.outbox == NULL)
        end_socket(self, 0);
}

/* A turn's answers for it are released, or there are none any more (NULL): lane_turn_glue.h. */
static void take_answers(PyObject *object, const uint8_t *replies, size_t size)
{
    RigSocket *self = (RigSocket *)object;
    const struct bytes_view data = {.data = replies, .size = (Py_ssize_t)size};

    self->unanswered--;
    if (replies != NULL)
        write_bytes(self, &data);
}

#endif
