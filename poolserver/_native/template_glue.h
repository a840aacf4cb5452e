/* The Python face of template_json.c. Included by module.c alone. */
#ifndef POOLSERVER_TEMPLATE_GLUE_H
#define POOLSERVER_TEMPLATE_GLUE_H

#include <Python.h>

#include <string.h>

#include "arguments.h"
#include "template_json.h"

/* In the order of the tuple that take_transactions gives; the answer itself is its first item. */
enum { DATA_HEX_COLUMN = 1, RESULT_SIZE = 8 };

/* How many bytes a transaction has in each column behind that of its data. */
static const Py_ssize_t ITEM_SIZES[RESULT_SIZE] = {0, 0, 4, TRANSACTION_HASH_SIZE,
                                                   TRANSACTION_HASH_SIZE, 8, 4, 4};

/* The answer with the array emptied. */
static PyObject *without_transactions(PyObject *answer, const struct bytes_view *view,
                                      const struct transactions_found *found)
{
    uint8_t *to;

    if (found->begin == found->end) { /* empty already, or not there */
        Py_INCREF(answer);
        return answer;
    }
    size_t tail_size = (size_t)view->size - found->end;
    PyObject *rest = new_bytes((Py_ssize_t)(found->begin + tail_size), &to);
    if (rest != NULL) {
        memcpy(to, view->data, found->begin);
        memcpy(to + found->begin, view->data + found->end, tail_size);
    }
    return rest;
}

/* A `bytes` for each column, not filled yet. */
static int add_columns(PyObject *result, const struct transactions_found *found,
                       uint8_t *columns[RESULT_SIZE])
{
    for (Py_ssize_t i = DATA_HEX_COLUMN; i < RESULT_SIZE; i++) {
        /* No overflow: a transaction takes more bytes of the answer than of any column. */
        Py_ssize_t size = i == DATA_HEX_COLUMN ? (Py_ssize_t)found->data_hex_size
                                               : (Py_ssize_t)found->count * ITEM_SIZES[i];
        PyObject *column = new_bytes(size, &columns[i]);
        if (column == NULL || PyTuple_SetItem(result, i, column) < 0) /* takes the reference */
            return -1;
    }
    return 0;
}

PyDoc_STRVAR(take_transactions_doc,
             "take_transactions($module, answer, /)\n--\n\n"
             "An answer to getblocktemplate without its transactions, and these in columns.");

static PyObject *module_take_transactions(PyObject *module, PyObject *arg)
{
    struct bytes_view answer;
    struct transactions_found found;
    struct json_fault fault;
    uint8_t *columns[RESULT_SIZE];
    bool good;

    (void)module;
    if (get_bytes(arg, "answer", &answer) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    good = find_transactions(answer.data, (size_t)answer.size, &found, &fault);
    Py_END_ALLOW_THREADS
    if (!good)
        return PyErr_Format(PyExc_ValueError, "%s at byte %zu", fault.text, fault.at);

    PyObject *rest = without_transactions(arg, &answer, &found);
    if (rest == NULL)
        return NULL;
    PyObject *result = PyTuple_New(RESULT_SIZE);
    if (result == NULL) {
        Py_DECREF(rest);
        return NULL;
    }
    PyTuple_SetItem(result, 0, rest);
    if (add_columns(result, &found, columns) < 0) {
        Py_DECREF(result);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    fill_columns(answer.data, &found,
                 (struct transaction_columns){columns[1], columns[2], columns[3], columns[4],
                                              columns[5], columns[6], columns[7]});
    Py_END_ALLOW_THREADS
    return result;
}

#endif
