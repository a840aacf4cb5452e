/*
 * A meter of stats/meter.py taking in shares: once for each worker that sends, each second.
 * Included by module.c alone; meter_twin.py says the same in Python.
 */
#ifndef POOLSERVER_METER_GLUE_H
#define POOLSERVER_METER_GLUE_H

#include <Python.h>

#include <string.h>

#include "arguments.h"

enum {
    METER_WINDOWS = 7,
    /* In a state of 24 doubles: the last share's time, the beginning, the work of each window and
       its squares, judged, stale and rejected shares of an hour and of a day, the best share and
       its round. */
    METER_LAST = 0,
    METER_WORK = 2,
    METER_SQUARES = METER_WORK + METER_WINDOWS,
    METER_HOUR = METER_SQUARES + METER_WINDOWS,
    METER_DAY = METER_HOUR + 3,
    METER_BEST = METER_DAY + 3,
    METER_ROUND = METER_BEST + 1,
    METER_NUMBERS = METER_ROUND + 1,
    METER_DECAYS = 2 * METER_WINDOWS, /* of the work, and of its squares */
    /* Which windows these are. */
    METER_H1 = 3,
    METER_D1 = 5,
};

struct meter_news {
    double at_s, work, squares, counts[3], best, round;
};

static void meter_add(double *meter, const double *decays, const struct meter_news *news)
{
    meter[METER_LAST] = news->at_s;
    for (int i = 0; i < METER_WINDOWS; i++) {
        meter[METER_WORK + i] = meter[METER_WORK + i] * decays[i] + news->work;
        meter[METER_SQUARES + i] =
            meter[METER_SQUARES + i] * decays[METER_WINDOWS + i] + news->squares;
    }
    for (int i = 0; i < 3; i++) {
        meter[METER_HOUR + i] = meter[METER_HOUR + i] * decays[METER_H1] + news->counts[i];
        meter[METER_DAY + i] = meter[METER_DAY + i] * decays[METER_D1] + news->counts[i];
    }
    if (meter[METER_ROUND] != news->round || news->best > meter[METER_BEST])
        meter[METER_BEST] = news->best;
    meter[METER_ROUND] = news->round;
}

PyDoc_STRVAR(update_meter_doc,
             "update_meter($module, state, decays, at_s, work, squares, judged, stale, rejected, "
             "best, round_number, /)\n--\n\nThe state of a meter with some more shares in it.");

static PyObject *module_update_meter(PyObject *module, PyObject *const *args, Py_ssize_t arg_count)
{
    enum { NEWS = 8 };
    double meter[METER_NUMBERS], decays[METER_DECAYS], numbers[NEWS];
    const uint8_t *state, *packed;

    (void)module;
    if (check_arg_count("update_meter", 2 + NEWS, arg_count) < 0 ||
        (state = get_sized(args[0], "state", sizeof meter)) == NULL ||
        (packed = get_sized(args[1], "decays", sizeof decays)) == NULL)
        return NULL;
    for (int i = 0; i < NEWS; i++) {
        numbers[i] = PyFloat_AsDouble(args[2 + i]);
        if (numbers[i] == -1.0 && PyErr_Occurred())
            return NULL;
    }
    memcpy(meter, state, sizeof meter); /* bytes are not aligned for doubles */
    memcpy(decays, packed, sizeof decays);
    const struct meter_news news = {
        .at_s = numbers[0],
        .work = numbers[1],
        .squares = numbers[2],
        .counts = {numbers[3], numbers[4], numbers[5]},
        .best = numbers[6],
        .round = numbers[7],
    };
    meter_add(meter, decays, &news);
    return PyBytes_FromStringAndSize((const char *)meter, sizeof meter);
}

#endif
