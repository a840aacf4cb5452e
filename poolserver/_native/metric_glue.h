/*
 * What there are very many of as Prometheus reads it: the meters of 100,000 workers, 10,000 nodes
 * of the power tree. Included by module.c alone, behind meter_glue.h; metric_twin.py says the same
 * in Python.
 *
 * Nothing here lets the GIL go: who calls gives it a few thousand rows at a time.
 */
#ifndef POOLSERVER_METRIC_GLUE_H
#define POOLSERVER_METRIC_GLUE_H

#include <Python.h>

#include <math.h>
#include <string.h>

#include "arguments.h"
#include "meter_glue.h"

enum {
    /* What is read of a meter: rates of 5 minutes and an hour, their sigmas, the stale and the
       rejected part of the last hour's shares, and since when there was none. */
    READ_RATES = 0,
    READ_SIGMAS = 2,
    READ_STALE = 4,
    READ_REJECTED = 5,
    READ_SILENCE = 6,
    READ_NUMBERS = 7,
    READ_WINDOWS = 2,
    NUMBER_DECIMALS = 9,
    NUMBER_CHARS = 32, /* a sign, 19 digits and a point; or 24 as Python writes a double */
};

/* What is larger, with its decimals as digits, is no int64_t. */
static const double NUMBER_DIGITS = 1e18;

static const struct {
    int number;
    double tau_s;
} read_windows[READ_WINDOWS] = {{1, 300.0}, {METER_H1, 3600.0}};

static void meter_read(const double *meter, double now_s, double *read)
{
    const double last_s = meter[METER_LAST], began_s = meter[METER_LAST + 1];
    const double silence_s = now_s > last_s ? now_s - last_s : 0.0;
    const double age_s = (now_s > last_s ? now_s : last_s) - began_s;
    const double judged = meter[METER_HOUR];

    for (int i = 0; i < READ_WINDOWS; i++) {
        const double tau_s = read_windows[i].tau_s;
        const double work = meter[METER_WORK + read_windows[i].number];
        const double observed_s = -tau_s * expm1(-age_s / tau_s);
        const double rate = observed_s > 0.0 ? work * exp(-silence_s / tau_s) / observed_s : 0.0;
        read[READ_RATES + i] = rate;
        read[READ_SIGMAS + i] =
            work > 0.0 ? rate * (sqrt(meter[METER_SQUARES + read_windows[i].number]) / work) : NAN;
    }
    read[READ_STALE] = judged > 0.0 ? meter[METER_HOUR + 1] / judged : NAN;
    read[READ_REJECTED] = judged > 0.0 ? meter[METER_HOUR + 2] / judged : NAN;
    read[READ_SILENCE] = judged > 0.0 ? silence_s : NAN;
}

PyDoc_STRVAR(read_meters_doc, "read_meters($module, states, now_s, /)\n--\n\n"
                              "Seven columns of doubles, one behind the other: a row of each of a tuple of meters.");

static PyObject *module_read_meters(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    uint8_t *columns;

    (void)module;
    if (check_arg_count("read_meters", 2, arg_count) < 0)
        return NULL;
    if (!PyTuple_Check(args[0])) {
        wrong_type("states", "tuple", args[0]);
        return NULL;
    }
    const double now_s = PyFloat_AsDouble(args[1]);
    if (now_s == -1.0 && PyErr_Occurred())
        return NULL;
    const Py_ssize_t count = PyTuple_Size(args[0]);
    PyObject *result = new_bytes(count * READ_NUMBERS * (Py_ssize_t)sizeof(double), &columns);
    for (Py_ssize_t i = 0; result != NULL && i < count; i++) {
        double meter[METER_NUMBERS], read[READ_NUMBERS];
        const uint8_t *state = get_sized(PyTuple_GetItem(args[0], i), "state", sizeof meter);
        if (state == NULL) {
            Py_CLEAR(result);
            break;
        }
        memcpy(meter, state, sizeof meter); /* bytes are not aligned for doubles */
        meter_read(meter, now_s, read);
        for (Py_ssize_t column = 0; column < READ_NUMBERS; column++)
            memcpy(columns + (column * count + i) * sizeof *read, read + column, sizeof *read);
    }
    return result;
}

/* Of a whole number, two at a time, up to `end`; where they begin. */
static char *put_digits(char *end, uint64_t number)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                                "34353637383940414243444546474849505152535455565758596061626364656667"
                                "6869707172737475767778798081828384858687888990919293949596979899";

    for (; number >= 100; number /= 100)
        memcpy(end -= 2, pairs + 2 * (number % 100), 2);
    if (number >= 10)
        memcpy(end -= 2, pairs + 2 * number, 2);
    else
        *--end = (char)('0' + number);
    return end;
}

/* As Python writes it, or Prometheus if it has no end; NULL with an exception set. */
static char *put_double(char *into, double value)
{
    if (isinf(value))
        return (char *)memcpy(into, value < 0.0 ? "-Inf" : "+Inf", 4) + 4;
    char *exact = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (exact == NULL)
        return NULL;
    const size_t size = strlen(exact);
    memcpy(into, exact, size);
    PyMem_Free(exact);
    return into + size;
}

/* `value`, which is not NaN, to `decimals` places; NULL with an exception set. */
static char *put_number(char *into, double value, uint64_t decimals)
{
    static const double scales[NUMBER_DECIMALS + 1] = {1e0, 1e1, 1e2, 1e3, 1e4,
                                                       1e5, 1e6, 1e7, 1e8, 1e9};
    const double scaled = value * scales[decimals];
    char digits[NUMBER_CHARS], *const end = digits + sizeof digits;

    if (!(fabs(scaled) < NUMBER_DIGITS))
        return put_double(into, value);
    const int64_t rounded = llrint(scaled);
    char *begin = put_digits(end, (uint64_t)(rounded < 0 ? -rounded : rounded));
    while ((size_t)(end - begin) <= decimals)
        *--begin = '0';
    if (rounded < 0)
        *--begin = '-';
    const size_t whole = (size_t)(end - begin) - decimals;
    memcpy(into, begin, whole);
    into += whole;
    if (decimals > 0) {
        *into++ = '.';
        memcpy(into, begin + whole, decimals);
        into += decimals;
    }
    return into;
}

/* The first of `bytes`, which are given up: room was made for more than was written. */
static PyObject *cut(PyObject *bytes, Py_ssize_t size)
{
    PyObject *first = PyBytes_FromStringAndSize(PyBytes_AsString(bytes), size);
    Py_DECREF(bytes);
    return first;
}

static char *put_bytes(char *into, struct bytes_view bytes)
{
    memcpy(into, bytes.data, (size_t)bytes.size);
    return into + bytes.size;
}

/* A text as it stands within quotes: what would end it is escaped. */
static char *put_label(char *into, struct bytes_view text)
{
    for (Py_ssize_t i = 0; i < text.size; i++) {
        const char each = (char)text.data[i];
        if (each == '\\' || each == '"' || each == '\n')
            *into++ = '\\';
        *into++ = each == '\n' ? 'n' : each;
    }
    return into;
}

/* The texts of `name`, each behind what stands before it in `between`, and what ends them; the
   room that it takes at most. With `into` NULL nothing is written. -1 with an exception set. */
static Py_ssize_t put_labels(char **into, PyObject *name, PyObject *between)
{
    const Py_ssize_t count = PyTuple_Size(between) - 1;
    Py_ssize_t room = 0;
    struct bytes_view before, text;

    if (!PyTuple_Check(name) || PyTuple_Size(name) < count)
        return wrong_type("name", "tuple of enough texts", name);
    for (Py_ssize_t i = 0; i <= count; i++) {
        if (get_bytes(PyTuple_GetItem(between, i), "between", &before) < 0)
            return -1;
        room += before.size;
        if (into != NULL)
            *into = put_bytes(*into, before);
        if (i == count)
            break;
        PyObject *each = PyTuple_GetItem(name, i);
        if (!PyUnicode_Check(each))
            return wrong_type("name", "tuple of enough texts", name);
        text.data = (const uint8_t *)PyUnicode_AsUTF8AndSize(each, &text.size);
        if (text.data == NULL)
            return -1;
        room += 2 * text.size;
        if (into != NULL)
            *into = put_label(*into, text);
    }
    return room;
}

PyDoc_STRVAR(metric_labels_doc,
             "metric_labels($module, names, between, /)\n--\n\n"
             "Labels of tuples of texts, packed as metric_lines takes them.");

static PyObject *module_metric_labels(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    Py_ssize_t room = 0;
    uint8_t *begin;

    (void)module;
    if (check_arg_count("metric_labels", 2, arg_count) < 0)
        return NULL;
    PyObject *names = args[0], *between = args[1];
    if (!PyTuple_Check(names) || !PyTuple_Check(between) || PyTuple_Size(between) == 0) {
        wrong_type(PyTuple_Check(names) ? "between" : "names", "tuple",
                   PyTuple_Check(names) ? between : names);
        return NULL;
    }
    const Py_ssize_t count = PyTuple_Size(names);
    for (Py_ssize_t i = 0; i < count; i++) {
        const Py_ssize_t more = put_labels(NULL, PyTuple_GetItem(names, i), between);
        if (more < 0)
            return NULL;
        room += more + (Py_ssize_t)sizeof(uint32_t);
    }
    PyObject *result = new_bytes(room, &begin);
    if (result == NULL)
        return NULL;
    char *into = (char *)begin;
    for (Py_ssize_t i = 0; i < count; i++) {
        char *size_at = into;
        into += sizeof(uint32_t);
        put_labels(&into, PyTuple_GetItem(names, i), between); /* it was looked at */
        const uint32_t size = (uint32_t)(into - size_at - (Py_ssize_t)sizeof size);
        memcpy(size_at, &size, sizeof size);
    }
    return cut(result, into - (char *)begin);
}

/* The labels from `at` on; -1 with an exception set where they are none. */
static int next_label(struct bytes_view labels, Py_ssize_t *at, struct bytes_view *label)
{
    uint32_t size;

    if (labels.size - *at >= (Py_ssize_t)sizeof size) {
        memcpy(&size, labels.data + *at, sizeof size);
        *at += (Py_ssize_t)sizeof size;
        if (labels.size - *at >= (Py_ssize_t)size) {
            *label = (struct bytes_view){labels.data + *at, (Py_ssize_t)size};
            *at += (Py_ssize_t)size;
            return 0;
        }
    }
    PyErr_SetString(PyExc_ValueError, "labels must be as many as there are numbers");
    return -1;
}

struct metric_line {
    struct bytes_view head, label, tail;
    uint64_t decimals;
};

/* Nothing of NaN; NULL with an exception set. */
static char *put_line(char *into, const struct metric_line *line, double number)
{
    if (isnan(number))
        return into;
    into = put_bytes(put_bytes(put_bytes(into, line->head), line->label), line->tail);
    into = put_number(into, number, line->decimals);
    if (into != NULL)
        *into++ = '\n';
    return into;
}

PyDoc_STRVAR(metric_lines_doc, "metric_lines($module, head, labels, tail, numbers, decimals, /)\n"
                               "--\n\nA line for each of the labels whose number is not NaN.");

static PyObject *module_metric_lines(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    struct bytes_view labels, numbers;
    struct metric_line line;
    double number;
    Py_ssize_t at = 0;
    uint8_t *begin;

    (void)module;
    if (check_arg_count("metric_lines", 5, arg_count) < 0 ||
        get_bytes(args[0], "head", &line.head) < 0 || get_bytes(args[1], "labels", &labels) < 0 ||
        get_bytes(args[2], "tail", &line.tail) < 0 ||
        get_bytes(args[3], "numbers", &numbers) < 0 ||
        get_uint(args[4], "decimals", NUMBER_DECIMALS, &line.decimals) < 0)
        return NULL;
    const Py_ssize_t count = numbers.size / (Py_ssize_t)sizeof number;
    PyObject *result =
        new_bytes(count * (line.head.size + line.tail.size + NUMBER_CHARS) + labels.size, &begin);
    if (result == NULL)
        return NULL;
    char *into = (char *)begin;
    for (Py_ssize_t i = 0; i < count; i++) {
        memcpy(&number, numbers.data + i * (Py_ssize_t)sizeof number, sizeof number);
        if (next_label(labels, &at, &line.label) < 0 ||
            (into = put_line(into, &line, number)) == NULL) {
            Py_DECREF(result);
            return NULL;
        }
    }
    return cut(result, into - (char *)begin);
}

#endif
