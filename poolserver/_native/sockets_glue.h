/*
 * RigSockets, the rigs' sockets as Python sees them. See _sharecheck.pyi. Linux only.
 */
#ifndef POOLSERVER_SOCKETS_GLUE_H
#define POOLSERVER_SOCKETS_GLUE_H
#ifdef __linux__

#include <Python.h>

#include "rig_socket_glue.h"
#include "sockets_turn.h"

/* ---- A turn ---------------------------------------------------------------------------------- */

PyDoc_STRVAR(RigSockets_turn_doc,
             "turn($self, now, sequence, unix_ms, room, /)\n--\n\n"
             "Accept, read and judge what there is; the ordinary shares, or None.");

static PyObject *RigSockets_turn(PyObject *object, PyObject *const *args, Py_ssize_t arg_count)
{
    RigSockets *self = (RigSockets *)object;
    uint64_t sequence, unix_ms, room;

    if (check_arg_count("turn", 4, arg_count) < 0)
        return NULL;
    const double now = PyFloat_AsDouble(args[0]);
    if ((now == -1.0 && PyErr_Occurred()) ||
        get_uint(args[1], "sequence", UINT64_MAX, &sequence) < 0 ||
        get_uint(args[2], "unix_ms", UINT64_MAX, &unix_ms) < 0 ||
        get_uint(args[3], "room", UINT32_MAX, &room) < 0)
        return NULL;
    if (self->is_delivering)
        return PyErr_Format(PyExc_RuntimeError, "a turn within deliver()");
    if (self->stage->delivery_count > 0 || self->stage->arrival_count > 0 || self->is_closed)
        Py_RETURN_NONE; /* the last turn is not delivered, after an error perhaps: it comes first */
    gather(self);
    collect(self, now, (size_t)room);
    return judge(self, now, sequence, unix_ms);
}

PyDoc_STRVAR(RigSockets_deliver_doc,
             "deliver($self, /)\n--\n\nTell the protocols what the turn has brought for them.");

static PyObject *RigSockets_deliver(PyObject *object, PyObject *unused)
{
    RigSockets *self = (RigSockets *)object;
    struct turn_stage *stage = self->stage;
    struct first_error first = {0};

    (void)unused;
    if (self->is_delivering)
        return PyErr_Format(PyExc_RuntimeError, "deliver() within deliver()");
    self->is_delivering = true;
    for (size_t i = 0; i < stage->delivery_count; i++)
        deliver_one(self, &stage->deliveries[i], &first);
    for (size_t i = 0; i < stage->arrival_count && !self->is_closed; i++)
        deliver_arrival(self, &stage->arrivals[i], &first);
    empty_stage(stage);
    self->is_delivering = false;
    return none_or_error(&first);
}

/* Called by the event loop. Those that end meanwhile have a call of their own. */
static PyObject *RigSockets_bury(PyObject *object, PyObject *unused)
{
    RigSockets *self = (RigSockets *)object;
    struct first_error first = {0};

    (void)unused;
    self->is_bury_due = false;
    for (RigSocket *socket = NULL, *last = self->last_ended;
         socket != last && self->first_ended != NULL;) {
        socket = self->first_ended;
        self->first_ended = socket->next_ended;
        if (socket == self->last_ended)
            self->last_ended = NULL;
        bury_one(socket, &first);
    }
    return none_or_error(&first);
}

/* ---- Who listens, who comes and goes --------------------------------------------------------- */

static bool is_refused(const RigSockets *self)
{
    if (self->is_closed)
        PyErr_SetString(PyExc_RuntimeError, "the sockets are closed");
    return self->is_closed;
}

PyDoc_STRVAR(RigSockets_fileno_doc, "fileno($self, /)\n--\n\nWhat to watch; -1: closed.");

static PyObject *RigSockets_fileno(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(((RigSockets *)object)->plain.epoll_fd);
}

PyDoc_STRVAR(RigSockets_listen_doc,
             "listen($self, fd, accept, /)\n--\n\nAccept from a listening socket.");

static PyObject *RigSockets_listen(PyObject *object, PyObject *args)
{
    RigSockets *self = (RigSockets *)object;
    PyObject *accept;
    int fd;

    if (!PyArg_ParseTuple(args, "iO:listen", &fd, &accept) || is_refused(self))
        return NULL;
    errno = rig_set_listen(&self->plain, fd, accept);
    if (errno != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_INCREF(accept);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(RigSockets_unlisten_doc,
             "unlisten($self, fd, /)\n--\n\nAccept from it no more.");

static PyObject *RigSockets_unlisten(PyObject *object, PyObject *arg)
{
    const int fd = (int)PyLong_AsLong(arg);

    if (fd == -1 && PyErr_Occurred())
        return NULL;
    Py_XDECREF((PyObject *)rig_set_unlisten(&((RigSockets *)object)->plain, fd));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(RigSockets_adopt_doc,
             "adopt($self, fd, unsent, protocol, /)\n--\n\nTake over a connected socket.");

static PyObject *RigSockets_adopt(PyObject *object, PyObject *args)
{
    RigSockets *self = (RigSockets *)object;
    PyObject *unsent, *protocol;
    struct bytes_view view;
    int fd;

    if (!PyArg_ParseTuple(args, "iOO:adopt", &fd, &unsent, &protocol) ||
        get_bytes(unsent, "unsent", &view) < 0 || is_refused(self))
        return NULL;
    RigSocket *socket = add_socket(self, fd);
    if (socket == NULL)
        return NULL;
    socklen_t size = sizeof socket->wire.peer;
    getpeername(fd, &socket->wire.peer.any, &size);
    set_reference(&socket->protocol, protocol);
    /* Who takes over says first how much may wait: then it is told if that is more. */
    const int error = rig_wire_write(&socket->wire, view.data, (size_t)view.size);
    if (error != 0)
        end_socket(socket, error);
    return (PyObject *)socket;
}

PyDoc_STRVAR(RigSockets_write_all_doc,
             "write_all($self, sockets, data, /)\n--\n\nThe same to many, in their order.");

static PyObject *RigSockets_write_all(PyObject *object, PyObject *args)
{
    PyObject *sockets, *data;
    struct bytes_view view;

    if (!PyArg_ParseTuple(args, "OO:write_all", &sockets, &data) ||
        get_bytes(data, "data", &view) < 0)
        return NULL;
    PyObject *all = PySequence_Tuple(sockets); /* a list could change under our hands */
    if (all == NULL)
        return NULL;
    const Py_ssize_t count = PyTuple_Size(all);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *socket = PyTuple_GetItem(all, i);
        if (Py_TYPE(socket) != (PyTypeObject *)state_of(object)->rig_socket) {
            wrong_type("sockets", "RigSockets' own", socket);
            Py_DECREF(all);
            return NULL;
        }
        write_bytes((RigSocket *)socket, &view);
    }
    Py_DECREF(all);
    Py_RETURN_NONE;
}

static void unlisten_all(RigSockets *self)
{
    while (self->plain.listeners != NULL)
        Py_DECREF((PyObject *)rig_set_unlisten(&self->plain, self->plain.listeners->fd));
}

PyDoc_STRVAR(RigSockets_close_doc,
             "close($self, /)\n--\n\nAbort all connections; end when they have been told.");

static PyObject *RigSockets_close(PyObject *object, PyObject *unused)
{
    RigSockets *self = (RigSockets *)object;

    (void)unused;
    if (self->is_closed)
        Py_RETURN_NONE;
    self->is_closed = true;
    unlisten_all(self);
    if (!self->is_delivering)
        empty_stage(self->stage);
    for (RigSocket *socket = self->first; socket != NULL; socket = socket->next)
        mark_ended(socket, 0);
    if (self->first == NULL)
        rig_set_close(&self->plain);
    call_for_burial(self);
    Py_RETURN_NONE;
}

static Py_ssize_t RigSockets_length(PyObject *object)
{
    return ((RigSockets *)object)->count;
}

static PyObject *RigSockets_get_staged(PyObject *object, void *unused)
{
    const struct turn_stage *stage = ((RigSockets *)object)->stage;

    (void)unused;
    return PyLong_FromSize_t(stage == NULL ? 0 : stage->delivery_count + stage->arrival_count);
}

static PyObject *RigSockets_get_accept_failures(PyObject *object, void *unused)
{
    const struct rig_set *set = &((RigSockets *)object)->plain;

    (void)unused;
    return PyLong_FromUnsignedLongLong(set->accept_failures);
}

static PyObject *RigSockets_get_accept_errno(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLong(((RigSockets *)object)->plain.accept_errno);
}

/* ---- The type -------------------------------------------------------------------------------- */

static PyObject *RigSockets_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"lane", "call_soon", "now", "latency", NULL};
    PyObject *lane, *call_soon, *now, *latency;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:RigSockets", keywords, &lane, &call_soon,
                                     &now, &latency))
        return NULL;
    const struct module_state *state = PyType_GetModuleState(type);
    if (Py_TYPE(lane) != (PyTypeObject *)state->share_lane) {
        wrong_type("lane", "ShareLane", lane);
        return NULL;
    }
    if (Py_TYPE(latency) != (PyTypeObject *)state->histogram) {
        wrong_type("latency", "Histogram", latency);
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    RigSockets *self = (RigSockets *)allocate(type, 0); /* zeroed */
    if (self == NULL)
        return NULL;
    self->plain.epoll_fd = self->plain.timer_fd = -1;
    self->lane = (ShareLane *)Py_NewRef(lane);
    self->call_soon = Py_NewRef(call_soon);
    self->now = Py_NewRef(now);
    self->latency = Py_NewRef(latency);
    self->data_received = PyUnicode_InternFromString("data_received");
    self->stage = PyMem_Malloc(sizeof *self->stage);
    if (self->stage == NULL)
        PyErr_NoMemory();
    else
        self->stage->delivery_count = self->stage->arrival_count = self->stage->used = 0;
    if (!PyErr_Occurred() && (errno = rig_set_open(&self->plain)) != 0)
        PyErr_SetFromErrno(PyExc_OSError);
    if (PyErr_Occurred()) {
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static int RigSockets_traverse(PyObject *object, visitproc visit, void *arg)
{
    const RigSockets *self = (RigSockets *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)self->lane);
    Py_VISIT(self->call_soon);
    Py_VISIT(self->now);
    for (RigSocket *socket = self->first; socket != NULL; socket = socket->next)
        Py_VISIT((PyObject *)socket);
    for (struct rig_listener *each = self->plain.listeners; each != NULL; each = each->next)
        Py_VISIT((PyObject *)each->owner);
    for (size_t i = 0; self->stage != NULL && i < self->stage->delivery_count; i++)
        Py_VISIT((PyObject *)self->stage->deliveries[i].socket);
    for (size_t i = 0; self->stage != NULL && i < self->stage->arrival_count; i++)
        Py_VISIT(self->stage->arrivals[i].accept);
    return 0;
}

/* Nobody can reach it: its connections end without a word. */
static int RigSockets_clear(PyObject *object)
{
    RigSockets *self = (RigSockets *)object;

    self->is_closed = true;
    unlisten_all(self);
    if (self->stage != NULL)
        empty_stage(self->stage);
    self->first_ended = self->last_ended = NULL;
    while (self->first != NULL) {
        RigSocket *socket = self->first;
        remove_socket(socket);
        Py_DECREF((PyObject *)socket);
    }
    Py_CLEAR(self->lane);
    Py_CLEAR(self->call_soon);
    Py_CLEAR(self->now);
    Py_CLEAR(self->latency);
    return 0;
}

static void RigSockets_dealloc(PyObject *object)
{
    RigSockets *self = (RigSockets *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(object);
    RigSockets_clear(object);
    rig_set_close(&self->plain);
    PyMem_Free(self->stage);
    Py_CLEAR(self->data_received);
    release(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(RigSockets_doc,
             "RigSockets(lane, call_soon, now, latency)\n--\n\n"
             "The plain TCP sockets of all rigs of a process, in one epoll set.");

static PyMethodDef RigSockets_methods[] = {
    {"fileno", RigSockets_fileno, METH_NOARGS, RigSockets_fileno_doc},
    {"listen", RigSockets_listen, METH_VARARGS, RigSockets_listen_doc},
    {"unlisten", RigSockets_unlisten, METH_O, RigSockets_unlisten_doc},
    {"adopt", RigSockets_adopt, METH_VARARGS, RigSockets_adopt_doc},
    {"turn", (PyCFunction)(void (*)(void))RigSockets_turn, METH_FASTCALL, RigSockets_turn_doc},
    {"deliver", RigSockets_deliver, METH_NOARGS, RigSockets_deliver_doc},
    {"write_all", RigSockets_write_all, METH_VARARGS, RigSockets_write_all_doc},
    {"close", RigSockets_close, METH_NOARGS, RigSockets_close_doc},
    {"_bury", RigSockets_bury, METH_NOARGS, NULL},
    {NULL},
};

static PyGetSetDef RigSockets_properties[] = {
    {"staged", RigSockets_get_staged, NULL, "How many sockets wait for deliver().", NULL},
    {"accept_failures", RigSockets_get_accept_failures, NULL, "How often accepting failed.", NULL},
    {"accept_errno", RigSockets_get_accept_errno, NULL, "By what it failed last; 0: never.", NULL},
    {NULL},
};

static PyType_Slot RigSockets_slots[] = {
    {Py_tp_doc, (void *)RigSockets_doc},
    {Py_tp_new, (void *)RigSockets_new},
    {Py_tp_dealloc, (void *)RigSockets_dealloc},
    {Py_tp_traverse, (void *)RigSockets_traverse},
    {Py_tp_clear, (void *)RigSockets_clear},
    {Py_tp_methods, RigSockets_methods},
    {Py_tp_getset, RigSockets_properties},
    {Py_sq_length, (void *)RigSockets_length},
    {0, NULL},
};

static PyType_Spec RigSockets_spec = {
    .name = "poolserver._native._sharecheck.RigSockets",
    .basicsize = sizeof(RigSockets),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = RigSockets_slots,
};

#endif
#endif
