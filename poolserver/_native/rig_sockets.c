/* See rig_sockets.h. */
#ifdef __linux__
#define _GNU_SOURCE /* accept4 */
#include "rig_sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---- The set ---------------------------------------------------------------------------------- */

static int set_control(int epoll_fd, int operation, int fd, uint32_t events, void *watched)
{
    struct epoll_event event = {.events = events, .data.ptr = watched};

    return epoll_ctl(epoll_fd, operation, fd, &event) < 0 ? errno : 0;
}

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int rig_set_open(struct rig_set *set)
{
    *set = (struct rig_set){.kind = RIG_TIMER, .timer_fd = -1};
    set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll_fd >= 0)
        set->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int error = set->timer_fd < 0
                    ? errno
                    : set_control(set->epoll_fd, EPOLL_CTL_ADD, set->timer_fd, EPOLLIN, set);
    if (error != 0)
        rig_set_close(set);
    return error;
}

void rig_set_close(struct rig_set *set)
{
    while (set->listeners != NULL)
        rig_set_unlisten(set, set->listeners->fd);
    close_if_open(&set->timer_fd);
    close_if_open(&set->epoll_fd);
}

int rig_set_listen(struct rig_set *set, int fd, void *owner)
{
    struct rig_listener *listener = malloc(sizeof *listener);

    if (listener == NULL)
        return ENOMEM;
    *listener = (struct rig_listener){
        .kind = RIG_LISTENER, .fd = fd, .next = set->listeners, .owner = owner};
    const uint32_t events = set->is_paused ? 0 : EPOLLIN;
    int error = set_control(set->epoll_fd, EPOLL_CTL_ADD, fd, events, listener);
    if (error != 0) {
        free(listener);
        return error;
    }
    set->listeners = listener;
    return 0;
}

void *rig_set_unlisten(struct rig_set *set, int fd)
{
    struct rig_listener **link = &set->listeners;

    while (*link != NULL && (*link)->fd != fd)
        link = &(*link)->next;
    struct rig_listener *listener = *link;
    if (listener == NULL)
        return NULL;
    *link = listener->next;
    set_control(set->epoll_fd, EPOLL_CTL_DEL, fd, 0, NULL);
    void *owner = listener->owner;
    free(listener);
    return owner;
}

static void watch_listeners(struct rig_set *set, bool is_paused)
{
    const struct itimerspec period = {.it_value.tv_nsec = RIG_ACCEPT_RETRY_MS * 1000000L};
    const struct itimerspec never = {0};

    set->is_paused = is_paused;
    timerfd_settime(set->timer_fd, 0, is_paused ? &period : &never, NULL);
    for (struct rig_listener *each = set->listeners; each != NULL; each = each->next)
        set_control(set->epoll_fd, EPOLL_CTL_MOD, each->fd, is_paused ? 0 : EPOLLIN, each);
}

void rig_set_resume(struct rig_set *set)
{
    if (set->is_paused)
        watch_listeners(set, false);
}

/* Errors of the one connection that was to be accepted; the next may be sound: accept(2). */
static bool is_lost_connection(int error)
{
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == ENETUNREACH || error == EHOSTDOWN ||
           error == EHOSTUNREACH || error == ENOPROTOOPT || error == ENONET || error == EOPNOTSUPP;
}

int rig_accept(struct rig_set *set, const struct rig_listener *listener, union rig_address *peer)
{
    socklen_t size = sizeof *peer;
    int fd = accept4(listener->fd, &peer->any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0 || errno == EAGAIN || is_lost_connection(errno))
        return fd; /* the rest of the backlog is told of again */
    set->accept_failures++;
    set->accept_errno = errno;
    watch_listeners(set, true); /* mostly there is no descriptor left: no use to try at each turn */
    return -1;
}

/* ---- What waits to be sent -------------------------------------------------------------------- */

struct rig_outbox {
    size_t start, size, capacity; /* data[start .. start + size) waits */
    uint8_t data[];
};

enum { OUTBOX_LEAST = 1024 };

/* Room for so much more. False: no memory. */
static bool make_room(struct rig_wire *wire, size_t more)
{
    struct rig_outbox *old = wire->outbox;
    const size_t size = old == NULL ? 0 : old->size;

    if (old != NULL && old->capacity - old->start - size >= more)
        return true;
    size_t capacity = size + more < OUTBOX_LEAST ? OUTBOX_LEAST : (size + more) * 3 / 2;
    struct rig_outbox *new = malloc(sizeof *new + capacity);
    if (new == NULL)
        return false;
    new->start = 0;
    new->size = size;
    new->capacity = capacity;
    if (old != NULL)
        memcpy(new->data, old->data + old->start, size);
    free(old);
    wire->outbox = new;
    return true;
}

static void drop_outbox(struct rig_wire *wire)
{
    free(wire->outbox);
    wire->outbox = NULL;
}

size_t rig_wire_waiting(const struct rig_wire *wire)
{
    return wire->outbox == NULL ? 0 : wire->outbox->size;
}

const uint8_t *rig_wire_unsent(const struct rig_wire *wire)
{
    return wire->outbox == NULL ? NULL : wire->outbox->data + wire->outbox->start;
}

/* ---- A connection ----------------------------------------------------------------------------- */

static int watch(struct rig_wire *wire)
{
    uint32_t wanted = wire->is_reading ? EPOLLIN : 0;

    if (wire->outbox != NULL)
        wanted |= EPOLLOUT;
    if (wanted == wire->watched)
        return 0;
    wire->watched = (uint8_t)wanted;
    return set_control(wire->epoll_fd, EPOLL_CTL_MOD, wire->fd, wanted, wire);
}

int rig_wire_open(struct rig_wire *wire, const struct rig_set *set, int fd)
{
    wire->kind = RIG_WIRE;
    wire->is_reading = true;
    wire->watched = EPOLLIN;
    wire->epoll_fd = set->epoll_fd;
    wire->fd = fd;
    return set_control(wire->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, wire);
}

int rig_wire_take_out(struct rig_wire *wire)
{
    int fd = wire->fd;

    if (fd >= 0)
        set_control(wire->epoll_fd, EPOLL_CTL_DEL, fd, 0, NULL);
    wire->fd = -1;
    wire->is_reading = false;
    drop_outbox(wire);
    return fd;
}

void rig_wire_end(struct rig_wire *wire)
{
    int fd = rig_wire_take_out(wire);

    close_if_open(&fd);
}

static bool is_for_now(int error)
{
    return error == EAGAIN || error == EINTR;
}

ptrdiff_t rig_wire_read(const struct rig_wire *wire, uint8_t *data, size_t size, int *error)
{
    ptrdiff_t count = recv(wire->fd, data, size, MSG_DONTWAIT);

    *error = count >= 0 || is_for_now(errno) ? 0 : errno;
    return count;
}

void rig_wire_stop_reading(struct rig_wire *wire)
{
    wire->is_reading = false;
    if (wire->fd >= 0)
        watch(wire);
}

/* What the kernel takes now. */
static size_t send_some(const struct rig_wire *wire, const uint8_t *data, size_t size, int *error)
{
    ptrdiff_t sent = send(wire->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    *error = sent >= 0 || is_for_now(errno) ? 0 : errno;
    return sent > 0 ? (size_t)sent : 0;
}

static int keep(struct rig_wire *wire, const uint8_t *data, size_t size)
{
    if (!make_room(wire, size))
        return ENOMEM;
    struct rig_outbox *outbox = wire->outbox;
    memcpy(outbox->data + outbox->start + outbox->size, data, size);
    outbox->size += size;
    return watch(wire);
}

int rig_wire_write(struct rig_wire *wire, const uint8_t *data, size_t size)
{
    size_t sent = 0;
    int error = 0;

    if (wire->outbox == NULL && size > 0)
        sent = send_some(wire, data, size, &error);
    return error != 0 || sent == size ? error : keep(wire, data + sent, size - sent);
}

int rig_wire_flush(struct rig_wire *wire)
{
    struct rig_outbox *outbox = wire->outbox;
    int error = 0;

    if (outbox != NULL) {
        size_t sent = send_some(wire, outbox->data + outbox->start, outbox->size, &error);
        outbox->start += sent;
        outbox->size -= sent;
        if (outbox->size == 0)
            drop_outbox(wire);
    }
    return error != 0 ? error : watch(wire);
}

int rig_wire_error(const struct rig_wire *wire)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    return error != 0 ? error : EPIPE;
}

#else
typedef int rig_sockets_are_for_linux; /* a C file must not be empty */
#endif
