/* What the module keeps. Included by module.c and the glue in it alone. */
#ifndef POOLSERVER_MODULE_STATE_H
#define POOLSERVER_MODULE_STATE_H

#include <Python.h>

struct module_state {
    PyObject *share_sum; /* the class in share_sum.py: what sum_shares gives */
    PyObject *share_totals;                 /* the type of its sums */
    /* Types whose instances are arguments, or are made here. */
    PyObject *histogram, *job_hasher, *share_set, *lane_rig, *share_lane, *lane_turn;
    PyObject *rig_socket, *rig_sockets; /* NULL but on Linux */
};

/* Of an instance of one of the module's types, none of which can be subclassed. */
static const struct module_state *state_of(PyObject *object)
{
    return PyType_GetModuleState(Py_TYPE(object));
}

#endif
