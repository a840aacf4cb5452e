/*
 * A rig's socket as Python sees it: an asyncio transport. See _sharecheck.pyi and rig_socket.h.
 */
#ifndef POOLSERVER_RIG_SOCKET_GLUE_H
#define POOLSERVER_RIG_SOCKET_GLUE_H

#include <Python.h>

#include <arpa/inet.h>

#include "rig_socket.h"

/* ---- Its methods ----------------------------------------------------------------------------- */

PyDoc_STRVAR(RigSocket_write_doc,
             "write($self, data, /)\n--\n\nSend; what the kernel does not take, waits.");

static PyObject *RigSocket_write(PyObject *object, PyObject *data)
{
    struct bytes_view view;

    if (get_bytes(data, "data", &view) < 0)
        return NULL;
    write_bytes((RigSocket *)object, &view);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(RigSocket_close_doc, "close($self, /)\n--\n\nRead no more; end when all is sent.");

static PyObject *RigSocket_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    close_socket((RigSocket *)object);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(RigSocket_abort_doc, "abort($self, /)\n--\n\nEnd at once.");

static PyObject *RigSocket_abort(PyObject *object, PyObject *unused)
{
    (void)unused;
    end_socket((RigSocket *)object, 0);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(RigSocket_is_closing_doc,
             "is_closing($self, /)\n--\n\nWhether it is closed, or on the way to it.");

static PyObject *RigSocket_is_closing(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((RigSocket *)object)->is_closing);
}

/* As Python's sockets name it; NULL without an exception: neither IPv4 nor IPv6. */
static PyObject *name_of(const union rig_address *address)
{
    char host[INET6_ADDRSTRLEN];

    if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->ip4.sin_addr, host, sizeof host);
        return Py_BuildValue("(si)", host, (int)ntohs(address->ip4.sin_port));
    }
    if (address->any.sa_family == AF_INET6) {
        const struct sockaddr_in6 *ip6 = &address->ip6;
        inet_ntop(AF_INET6, &ip6->sin6_addr, host, sizeof host);
        return Py_BuildValue("(siII)", host, (int)ntohs(ip6->sin6_port),
                             (unsigned)ntohl(ip6->sin6_flowinfo), (unsigned)ip6->sin6_scope_id);
    }
    return NULL;
}

PyDoc_STRVAR(RigSocket_get_extra_info_doc,
             "get_extra_info($self, name, default=None, /)\n--\n\npeername or sockname.");

static PyObject *RigSocket_get_extra_info(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"", "default", NULL};
    const RigSocket *self = (RigSocket *)object;
    PyObject *name, *otherwise = Py_None, *found = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|O:get_extra_info", keywords, &name,
                                     &otherwise))
        return NULL;
    if (PyUnicode_CompareWithASCIIString(name, "peername") == 0) {
        found = name_of(&self->wire.peer);
    } else if (PyUnicode_CompareWithASCIIString(name, "sockname") == 0) {
        union rig_address own;
        socklen_t size = sizeof own;
        if (self->wire.fd >= 0 && getsockname(self->wire.fd, &own.any, &size) == 0)
            found = name_of(&own);
    }
    if (found == NULL && !PyErr_Occurred())
        found = Py_NewRef(otherwise);
    return found;
}

PyDoc_STRVAR(RigSocket_get_write_buffer_size_doc,
             "get_write_buffer_size($self, /)\n--\n\nHow many bytes wait to be sent.");

static PyObject *RigSocket_get_write_buffer_size(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(rig_wire_waiting(&((RigSocket *)object)->wire));
}

PyDoc_STRVAR(RigSocket_set_write_buffer_limits_doc,
             "set_write_buffer_limits($self, high=None, low=None)\n--\n\n"
             "From how many bytes that wait on the protocol pauses, and down to how many.");

static PyObject *RigSocket_set_write_buffer_limits(PyObject *object, PyObject *args,
                                                   PyObject *kwargs)
{
    static char *keywords[] = {"high", "low", NULL};
    RigSocket *self = (RigSocket *)object;
    PyObject *high_given = Py_None, *low_given = Py_None;
    uint32_t high = OUTBOX_HIGH, low = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:set_write_buffer_limits", keywords,
                                     &high_given, &low_given))
        return NULL;
    if (low_given != Py_None && get_uint32(low_given, "low", &low) < 0)
        return NULL;
    if (high_given != Py_None) {
        if (get_uint32(high_given, "high", &high) < 0)
            return NULL;
    } else if (low_given != Py_None) {
        high = low > UINT32_MAX / 4 ? UINT32_MAX : 4 * low;
    }
    if (low_given == Py_None)
        low = high / 4;
    if (low > high) {
        PyErr_SetString(PyExc_ValueError, "low must not be above high");
        return NULL;
    }
    self->high = high;
    self->low = low;
    after_sending(self, 0);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(RigSocket_set_protocol_doc,
             "set_protocol($self, protocol, /)\n--\n\nWho is told from now on.");

static PyObject *RigSocket_set_protocol(PyObject *object, PyObject *protocol)
{
    RigSocket *self = (RigSocket *)object;

    if (self->set != NULL)
        set_reference(&self->protocol, protocol);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(RigSocket_get_protocol_doc, "get_protocol($self, /)\n--\n\nWho is told.");

static PyObject *RigSocket_get_protocol(PyObject *object, PyObject *unused)
{
    const RigSocket *self = (RigSocket *)object;

    (void)unused;
    return Py_NewRef(self->protocol == NULL ? Py_None : self->protocol);
}

PyDoc_STRVAR(RigSocket_detach_doc,
             "detach($self, /)\n--\n\nThe file descriptor, and what is not sent yet.");

static PyObject *RigSocket_detach(PyObject *object, PyObject *unused)
{
    RigSocket *self = (RigSocket *)object;

    (void)unused;
    if (self->is_closing || self->is_staged || self->unanswered > 0) {
        PyErr_SetString(PyExc_RuntimeError,
                        self->is_closing ? "the socket is closing or closed"
                                         : "something must be delivered or released first");
        return NULL;
    }
    PyObject *unsent = PyBytes_FromStringAndSize((const char *)rig_wire_unsent(&self->wire),
                                                 (Py_ssize_t)rig_wire_waiting(&self->wire));
    if (unsent == NULL)
        return NULL;
    int fd = rig_wire_take_out(&self->wire);
    remove_socket(self);
    Py_DECREF((PyObject *)self); /* the set's reference; the caller has one */
    return Py_BuildValue("(iN)", fd, unsent);
}

static PyObject *RigSocket_get_rig(PyObject *object, void *unused)
{
    const RigSocket *self = (RigSocket *)object;

    (void)unused;
    return Py_NewRef(self->rig == NULL ? Py_None : (PyObject *)self->rig);
}

static int RigSocket_set_rig(PyObject *object, PyObject *rig, void *unused)
{
    RigSocket *self = (RigSocket *)object;

    (void)unused;
    if (rig == NULL) {
        PyErr_SetString(PyExc_AttributeError, "rig cannot be deleted");
        return -1;
    }
    if (rig != Py_None && Py_TYPE(rig) != (PyTypeObject *)state_of(object)->lane_rig)
        return wrong_type("rig", "LaneRig", rig);
    if (self->set != NULL) {
        LaneRig *before = self->rig;
        self->rig = rig == Py_None ? NULL : (LaneRig *)Py_NewRef(rig);
        Py_XDECREF((PyObject *)before);
    }
    return 0;
}

/* ---- The type -------------------------------------------------------------------------------- */

static int RigSocket_traverse(PyObject *object, visitproc visit, void *arg)
{
    RigSocket *self = (RigSocket *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)self->set);
    Py_VISIT(self->protocol);
    Py_VISIT((PyObject *)self->rig);
    return 0;
}

/* Of a cycle that nobody can reach; the set, which closes the descriptor, has its own turn. */
static int RigSocket_clear(PyObject *object)
{
    RigSocket *self = (RigSocket *)object;

    Py_CLEAR(self->protocol);
    Py_CLEAR(self->rig);
    return 0;
}

static void RigSocket_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(object); /* it has left the set: that owned a reference */
    RigSocket_clear(object);
    release(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(RigSocket_doc, "One rig's plain TCP socket: what ServerProtocol asks of a transport.");

static PyMethodDef RigSocket_methods[] = {
    {"write", RigSocket_write, METH_O, RigSocket_write_doc},
    {"close", RigSocket_close, METH_NOARGS, RigSocket_close_doc},
    {"abort", RigSocket_abort, METH_NOARGS, RigSocket_abort_doc},
    {"is_closing", RigSocket_is_closing, METH_NOARGS, RigSocket_is_closing_doc},
    {"get_extra_info", (PyCFunction)(void (*)(void))RigSocket_get_extra_info,
     METH_VARARGS | METH_KEYWORDS, RigSocket_get_extra_info_doc},
    {"get_write_buffer_size", RigSocket_get_write_buffer_size, METH_NOARGS,
     RigSocket_get_write_buffer_size_doc},
    {"set_write_buffer_limits", (PyCFunction)(void (*)(void))RigSocket_set_write_buffer_limits,
     METH_VARARGS | METH_KEYWORDS, RigSocket_set_write_buffer_limits_doc},
    {"set_protocol", RigSocket_set_protocol, METH_O, RigSocket_set_protocol_doc},
    {"get_protocol", RigSocket_get_protocol, METH_NOARGS, RigSocket_get_protocol_doc},
    {"detach", RigSocket_detach, METH_NOARGS, RigSocket_detach_doc},
    {NULL},
};

static PyGetSetDef RigSocket_properties[] = {
    {"rig", RigSocket_get_rig, RigSocket_set_rig, "Set it, and the lane looks first.", NULL},
    {NULL},
};

static PyType_Slot RigSocket_slots[] = {
    {Py_tp_doc, (void *)RigSocket_doc},
    {Py_tp_dealloc, (void *)RigSocket_dealloc},
    {Py_tp_traverse, (void *)RigSocket_traverse},
    {Py_tp_clear, (void *)RigSocket_clear},
    {Py_tp_methods, RigSocket_methods},
    {Py_tp_getset, RigSocket_properties},
    {0, NULL},
};

static PyType_Spec RigSocket_spec = {
    .name = "poolserver._native._sharecheck.RigSocket",
    .basicsize = sizeof(RigSocket),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = RigSocket_slots,
};

#endif
