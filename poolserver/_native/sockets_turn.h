/*
 * What a turn of the rigs' sockets does: gather, judge, and tell.
 *
 * To gather and judge calls no Python code, so all pointers that the kernel gives stay good to its
 * end; what it has brought is staged with references, and is told by calls that may do anything.
 */
#ifndef POOLSERVER_SOCKETS_TURN_H
#define POOLSERVER_SOCKETS_TURN_H

#include <sys/epoll.h>

#include "rig_socket.h"

/* ---- Gather and judge ------------------------------------------------------------------------ */

static struct delivery *stage_delivery(RigSockets *self, RigSocket *socket)
{
    struct delivery *staged = &self->stage->deliveries[self->stage->delivery_count++];

    *staged = (struct delivery){.socket = (RigSocket *)Py_NewRef((PyObject *)socket)};
    socket->is_staged = true;
    return staged;
}

static void gather_read(struct turn_stage *stage, RigSocket *socket, struct delivery *staged,
                        size_t most)
{
    uint8_t *data = stage->arena + stage->used;
    ptrdiff_t size = rig_wire_read(&socket->wire, data, most, &staged->error);

    staged->is_end = size == 0;
    if (size > 0) {
        staged->offset = (uint32_t)stage->used;
        staged->size = (uint32_t)size;
        stage->used += (size_t)size;
    }
}

static void gather_wire(RigSockets *self, RigSocket *socket, uint32_t events, size_t most)
{
    struct delivery *staged = stage_delivery(self, socket);

    if (events & EPOLLOUT) {
        staged->is_sent = true;
        staged->error = rig_wire_flush(&socket->wire);
    }
    if (staged->error == 0 && socket->wire.is_reading && (events & ~(uint32_t)EPOLLOUT))
        gather_read(self->stage, socket, staged, most);
    else if (staged->error == 0 && !socket->wire.is_reading && (events & (EPOLLERR | EPOLLHUP)))
        staged->error = rig_wire_error(&socket->wire);
}

static void gather_arrivals(RigSockets *self, const struct rig_listener *listener)
{
    struct turn_stage *stage = self->stage;

    while (stage->arrival_count < RIG_TURN_ACCEPTS) {
        struct arrival *arrival = &stage->arrivals[stage->arrival_count];
        arrival->fd = rig_accept(&self->plain, listener, &arrival->peer);
        if (arrival->fd < 0)
            break;
        arrival->accept = Py_NewRef((PyObject *)listener->owner);
        stage->arrival_count++;
    }
}

/* How much may be read from the next of so many that are ready, the last of them included: what is
   left goes to all alike. The kernel tells of the same first at each turn, so if some could take all,
   who comes behind them would never be read. */
static size_t fair_share(const struct turn_stage *stage, size_t ready)
{
    const size_t share = (RIG_ARENA_SIZE - stage->used) / ready;

    return share < RIG_READ_SIZE ? share : RIG_READ_SIZE;
}

/* What there is, up to the limits; the set is level-triggered, so the rest is told of again. */
static void gather(RigSockets *self)
{
    struct epoll_event events[RIG_TURN_EVENTS];
    const int count = epoll_wait(self->plain.epoll_fd, events, RIG_TURN_EVENTS, 0);

    for (int i = 0; i < count; i++) {
        uint8_t *watched = events[i].data.ptr;
        switch (*watched) {
        case RIG_WIRE:
            gather_wire(self, (RigSocket *)(watched - offsetof(RigSocket, wire)),
                        events[i].events, fair_share(self->stage, (size_t)(count - i)));
            break;
        case RIG_LISTENER:
            gather_arrivals(self, (struct rig_listener *)watched);
            break;
        case RIG_TIMER:
            rig_set_resume(&self->plain);
        }
    }
}

/* Whether the lane may look at what was read: not in the midst of a line that it has not seen. */
static bool is_for_lane(const struct delivery *staged)
{
    const RigSocket *socket = staged->socket;

    return staged->size > 0 && socket->rig != NULL && socket->rig->rig.is_open &&
           !socket->is_within_line;
}

static void collect(RigSockets *self, double now, size_t room)
{
    struct turn_stage *stage = self->stage;
    size_t runs = 0;

    lane_begin(self->lane->lane);
    for (size_t i = 0; i < stage->delivery_count; i++) {
        struct delivery *staged = &stage->deliveries[i];
        if (is_for_lane(staged) &&
            lane_collect(self->lane->lane, &staged->socket->rig->rig,
                         stage->arena + staged->offset, staged->size, now, room) > 0)
            staged->run = ++runs;
    }
}

/* What is settled is not delivered, and is answered when the turn is released. */
static int settle(RigSockets *self, const struct lane_results *results, LaneTurn *turn)
{
    struct turn_stage *stage = self->stage;

    turn->sockets = malloc(results->run_count * sizeof *turn->sockets);
    turn->reply_ends = malloc(results->run_count * sizeof *turn->reply_ends);
    turn->send = take_answers;
    if (turn->sockets == NULL || turn->reply_ends == NULL)
        return -1;
    for (size_t i = 0; i < stage->delivery_count; i++) {
        struct delivery *staged = &stage->deliveries[i];
        if (staged->run == 0 || results->runs[staged->run - 1].taken == 0)
            continue;
        const struct lane_run *run = &results->runs[staged->run - 1];
        staged->offset += (uint32_t)run->taken;
        staged->size -= (uint32_t)run->taken;
        staged->socket->unanswered++;
        turn->sockets[turn->socket_count] = Py_NewRef((PyObject *)staged->socket);
        turn->reply_ends[turn->socket_count++] = run->replies + run->replies_size;
    }
    turn->latency = Py_NewRef(self->latency);
    turn->now = Py_NewRef(self->now);
    return 0;
}

/* The ordinary shares of all that was read; the rest of it stays staged. All of it does where there
   is no memory to judge them, or for what is to be told of it. */
static PyObject *judge(RigSockets *self, double now, uint64_t sequence, uint64_t unix_ms)
{
    struct lane *lane = self->lane->lane;

    if (lane_pending(lane) == 0 || !lane_judge(lane, sequence, unix_ms))
        Py_RETURN_NONE;
    const struct lane_results results = lane_results(lane);
    if (results.record_count == 0)
        Py_RETURN_NONE;
    LaneTurn *turn = lane_turn_take(self->lane);
    if (turn == NULL)
        return NULL;
    turn->began_at = now;
    if (settle(self, &results, turn) < 0) {
        lane_take_back(lane);
        Py_DECREF((PyObject *)turn);
        return PyErr_NoMemory();
    }
    return (PyObject *)turn;
}

/* ---- What it brought is told ----------------------------------------------------------------- */

/* The first error of many calls; all others are only reported. */
struct first_error {
    PyObject *type, *value, *traceback;
};

static void note_error(struct first_error *first, PyObject *where)
{
    if (!PyErr_Occurred())
        return;
    if (first->type == NULL)
        PyErr_Fetch(&first->type, &first->value, &first->traceback);
    else
        PyErr_WriteUnraisable(where);
}

static PyObject *none_or_error(struct first_error *first)
{
    if (first->type == NULL)
        Py_RETURN_NONE;
    PyErr_Restore(first->type, first->value, first->traceback);
    return NULL;
}

static void deliver_data(RigSockets *self, const struct delivery *staged, struct first_error *first)
{
    RigSocket *socket = staged->socket;
    const char *data = (const char *)self->stage->arena + staged->offset;
    PyObject *bytes = PyBytes_FromStringAndSize(data, staged->size);

    socket->is_within_line = data[staged->size - 1] != '\n';
    if (bytes != NULL && socket->protocol != NULL) {
        PyObject *protocol = Py_NewRef(socket->protocol);
        Py_XDECREF(PyObject_CallMethodObjArgs(protocol, self->data_received, bytes, NULL));
        Py_DECREF(protocol);
    }
    note_error(first, (PyObject *)socket);
    if (bytes == NULL) /* it cannot go on with a gap in what it has sent */
        end_socket(socket, ENOMEM);
    Py_XDECREF(bytes);
}

static void deliver_end(RigSocket *socket, struct first_error *first)
{
    PyObject *protocol = Py_XNewRef(socket->protocol);
    PyObject *answer =
        protocol == NULL ? NULL : PyObject_CallMethod(protocol, "eof_received", NULL);
    const int stays = answer == NULL ? 0 : PyObject_IsTrue(answer);

    note_error(first, (PyObject *)socket);
    if (stays > 0)
        rig_wire_stop_reading(&socket->wire);
    else
        close_socket(socket);
    Py_XDECREF(answer);
    Py_XDECREF(protocol);
}

static void deliver_one(RigSockets *self, const struct delivery *staged, struct first_error *first)
{
    RigSocket *socket = staged->socket;

    socket->is_staged = false;
    if (staged->is_sent)
        after_sending(socket, 0);
    if (staged->size > 0 && socket->wire.is_reading)
        deliver_data(self, staged, first);
    if (staged->is_end && socket->wire.is_reading)
        deliver_end(socket, first);
    if (staged->error != 0)
        end_socket(socket, staged->error);
}

static int call_method(PyObject *object, const char *name, PyObject *argument)
{
    PyObject *result = PyObject_CallMethod(object, name, "O", argument);

    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static void deliver_arrival(RigSockets *self, struct arrival *arrival, struct first_error *first)
{
    RigSocket *socket = add_socket(self, arrival->fd);

    arrival->fd = -1; /* the socket's, or closed */
    if (socket == NULL) {
        note_error(first, (PyObject *)self);
        return;
    }
    socket->wire.peer = arrival->peer;
    PyObject *protocol = PyObject_CallFunctionObjArgs(arrival->accept, (PyObject *)socket, NULL);
    if (protocol != NULL && !socket->is_ended) {
        set_reference(&socket->protocol, protocol);
        call_method(protocol, "connection_made", (PyObject *)socket);
    }
    note_error(first, (PyObject *)self);
    if (protocol == NULL)
        end_socket(socket, 0); /* nobody is to be told */
    Py_XDECREF(protocol);
    Py_DECREF((PyObject *)socket);
}

static void empty_stage(struct turn_stage *stage)
{
    while (stage->delivery_count > 0)
        Py_DECREF((PyObject *)stage->deliveries[--stage->delivery_count].socket);
    while (stage->arrival_count > 0) {
        const struct arrival *arrival = &stage->arrivals[--stage->arrival_count];
        if (arrival->fd >= 0)
            close(arrival->fd);
        Py_DECREF(arrival->accept);
    }
    stage->used = 0;
}

static PyObject *cause_of_end(const RigSocket *socket)
{
    if (socket->error == 0)
        Py_RETURN_NONE;
    return PyObject_CallFunction(PyExc_OSError, "is", socket->error, strerror(socket->error));
}

static void bury_one(RigSocket *socket, struct first_error *first)
{
    PyObject *protocol = socket->protocol, *cause = cause_of_end(socket);

    socket->protocol = NULL;
    if (protocol != NULL && cause != NULL)
        call_method(protocol, "connection_lost", cause);
    note_error(first, (PyObject *)socket);
    remove_socket(socket);
    Py_XDECREF(cause);
    Py_XDECREF(protocol);
    Py_DECREF((PyObject *)socket); /* the set's reference */
}

#endif
