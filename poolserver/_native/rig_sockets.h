/*
 * Rigs' plain TCP sockets in one epoll set: reading, sending, accepting.
 *
 * Plain C11 for Linux without Python.h; rig_socket.h and sockets_turn.h are built on it. Nothing
 * here blocks. A descriptor is taken out of the set before it is closed, for a process that is just
 * being forked may still have a copy, and then the set would go on to tell of it, with a pointer to
 * what is gone.
 */
#ifndef POOLSERVER_RIG_SOCKETS_H
#define POOLSERVER_RIG_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <sys/socket.h>

/* A turn of the event loop does so much, and what is left has the next one: so no crowd keeps
   timers and other sockets waiting for more than a few milliseconds. */
enum {
    RIG_TURN_EVENTS = 256,
    RIG_TURN_ACCEPTS = 100,   /* as server/listening.py's ACCEPTS_PER_TURN */
    RIG_READ_SIZE = 64 << 10, /* 250 submits: no honest rig has so many on their way */
    RIG_ARENA_SIZE = 1 << 20, /* what is read in a turn; only what is used of it takes memory */
    RIG_ACCEPT_RETRY_MS = 100,
};

/* What an event of the set points to begins with one of these bytes. */
enum rig_kind { RIG_WIRE, RIG_LISTENER, RIG_TIMER };

struct rig_set {
    uint8_t kind; /* RIG_TIMER: the timer's event points to the set itself */
    int epoll_fd; /* -1: closed */
    int timer_fd; /* ends a pause of the listeners; made early, for then there may be none left */
    struct rig_listener *listeners; /* owned */
    bool is_paused;
    int accept_errno; /* of the last failure to accept */
    uint64_t accept_failures;
};

union rig_address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
};

struct rig_listener {
    uint8_t kind;
    int fd; /* not ours to close */
    struct rig_listener *next;
    void *owner; /* the glue's */
};

struct rig_outbox; /* what waits to be sent */

/* A connection. */
struct rig_wire {
    uint8_t kind;
    uint8_t watched; /* EPOLLIN, EPOLLOUT */
    bool is_reading;
    int fd;        /* -1: ended */
    int epoll_fd;
    struct rig_outbox *outbox; /* NULL: nothing waits; owned */
    union rig_address peer;
};

/* ---- The set: 0, or an errno ----------------------------------------------------------------- */

int rig_set_open(struct rig_set *set);
void rig_set_close(struct rig_set *set); /* the glue has freed what owners there are */

int rig_set_listen(struct rig_set *set, int fd, void *owner);
void *rig_set_unlisten(struct rig_set *set, int fd); /* the owner; NULL: not listened at */

/* A connection that has come; its descriptor, or -1 where there is none (for now). */
int rig_accept(struct rig_set *set, const struct rig_listener *listener, union rig_address *peer);

void rig_set_resume(struct rig_set *set); /* accept again: a descriptor is free, or it is time */

/* ---- A connection: 0, or the errno by which it has failed ------------------------------------ */

int rig_wire_open(struct rig_wire *wire, const struct rig_set *set, int fd);

/* Out of the set, and what waits is forgotten. The descriptor, which the caller has to close. */
int rig_wire_take_out(struct rig_wire *wire);

void rig_wire_end(struct rig_wire *wire); /* the same, and closes it; may be called twice */

/* As recv(2): the number of bytes, 0 at the end, -1 with *error: 0 if there is nothing now. */
ptrdiff_t rig_wire_read(const struct rig_wire *wire, uint8_t *data, size_t size, int *error);

void rig_wire_stop_reading(struct rig_wire *wire);

/* Send at once, or behind what waits. */
int rig_wire_write(struct rig_wire *wire, const uint8_t *data, size_t size);

/* Send what waits. */
int rig_wire_flush(struct rig_wire *wire);

/* What waits. */
size_t rig_wire_waiting(const struct rig_wire *wire);
const uint8_t *rig_wire_unsent(const struct rig_wire *wire);

int rig_wire_error(const struct rig_wire *wire); /* why it has hung up */

#endif
