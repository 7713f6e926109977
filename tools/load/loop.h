/* loop - an event loop on epoll with timers of nanoseconds: one thread, no library between us and
 * the kernel, so that what is measured is the other side. */
#ifndef LOAD_LOOP_H
#define LOAD_LOOP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A descriptor that is watched; embedded in what it belongs to. */
struct watch {
    int fd;
    uint32_t events;
    bool gone; /* no events any more; the loop frees it with free_fn once it is safe */
    void (*on_event)(struct watch *watch, uint32_t events);
    void (*free_fn)(struct watch *watch);
    struct watch *next_gone;
};

struct timer {
    uint64_t due_ns;
    size_t at; /* place in the heap, from 1 on; 0: asleep */
    void (*on_due)(struct timer *timer, uint64_t now_ns);
};

struct loop {
    int epoll;
    bool stop;
    struct timer **heap; /* owned */
    size_t timers, cap;
    struct watch *gone;
    uint64_t wakes; /* returns of epoll_wait */
};

uint64_t loop_now(void); /* CLOCK_MONOTONIC in ns */

bool loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);
/* Until loop->stop. */
void loop_run(struct loop *loop);

bool loop_watch(struct loop *loop, struct watch *watch, uint32_t events);
void loop_change(struct loop *loop, struct watch *watch, uint32_t events);
/* Closes the descriptor; the memory goes with free_fn after the present round of events. */
void loop_forget(struct loop *loop, struct watch *watch);

/* Sets or moves a timer. Out of memory ends the program: a generator that lost a timer would lie.
 */
void loop_timer(struct loop *loop, struct timer *timer, uint64_t due_ns);
void loop_timer_stop(struct loop *loop, struct timer *timer);
#endif
