#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_WAKE 256

uint64_t loop_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool loop_init(struct loop *loop)
{
    memset(loop, 0, sizeof(*loop));
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll >= 0;
}

static void bury(struct loop *loop)
{
    while (loop->gone) {
        struct watch *watch = loop->gone;
        loop->gone = watch->next_gone;
        if (watch->free_fn)
            watch->free_fn(watch);
    }
}

void loop_deinit(struct loop *loop)
{
    bury(loop);
    if (loop->epoll >= 0)
        close(loop->epoll);
    free(loop->heap);
}

/* ---- timers: a binary heap
 * -------------------------------------------------------------------------- */

static void place(struct loop *loop, size_t at, struct timer *timer)
{
    loop->heap[at] = timer;
    timer->at = at;
}

static void sift_up(struct loop *loop, struct timer *timer)
{
    size_t at = timer->at;

    while (at > 1 && loop->heap[at / 2]->due_ns > timer->due_ns) {
        place(loop, at, loop->heap[at / 2]);
        at /= 2;
    }
    place(loop, at, timer);
}

static void sift_down(struct loop *loop, struct timer *timer)
{
    size_t at = timer->at;

    for (;;) {
        size_t child = at * 2;
        if (child > loop->timers)
            break;
        if (child < loop->timers && loop->heap[child + 1]->due_ns < loop->heap[child]->due_ns)
            child++;
        if (loop->heap[child]->due_ns >= timer->due_ns)
            break;
        place(loop, at, loop->heap[child]);
        at = child;
    }
    place(loop, at, timer);
}

static void make_room(struct loop *loop)
{
    size_t cap = loop->cap ? loop->cap * 2 : 1024;
    struct timer **heap;

    if (loop->timers + 2 <= loop->cap)
        return;
    heap = realloc(loop->heap, cap * sizeof(struct timer *));
    if (!heap) {
        (void)fputs("load: out of memory\n", stderr);
        exit(1);
    }
    loop->heap = heap;
    loop->cap = cap;
}

void loop_timer(struct loop *loop, struct timer *timer, uint64_t due_ns)
{
    timer->due_ns = due_ns;
    if (!timer->at) {
        make_room(loop);
        place(loop, ++loop->timers, timer);
    }
    sift_up(loop, timer);
    sift_down(loop, timer);
}

void loop_timer_stop(struct loop *loop, struct timer *timer)
{
    struct timer *last;
    size_t at = timer->at;

    if (!at)
        return;
    timer->at = 0;
    last = loop->heap[loop->timers--];
    if (last == timer)
        return;
    place(loop, at, last);
    sift_up(loop, last);
    sift_down(loop, last);
}

static void run_timers(struct loop *loop)
{
    uint64_t now = loop_now();

    while (loop->timers && loop->heap[1]->due_ns <= now && !loop->stop) {
        struct timer *timer = loop->heap[1];
        loop_timer_stop(loop, timer);
        timer->on_due(timer, now);
    }
}

/* ---- descriptors
 * ------------------------------------------------------------------------------------- */

bool loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    watch->events = events;
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

void loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (watch->gone || watch->events == events)
        return;
    watch->events = events;
    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_forget(struct loop *loop, struct watch *watch)
{
    if (watch->gone)
        return;
    watch->gone = true;
    if (watch->fd >= 0)
        close(watch->fd); /* which also takes it out of the epoll set */
    watch->next_gone = loop->gone;
    loop->gone = watch;
}

void loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_WAKE];

    while (!loop->stop) {
        struct timespec wait;
        int n;
        if (loop->timers) {
            uint64_t now = loop_now(), due = loop->heap[1]->due_ns;
            uint64_t ns = due > now ? due - now : 0;
            wait = (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
            n = epoll_pwait2(loop->epoll, events, EVENTS_PER_WAKE, &wait, NULL);
        } else {
            n = epoll_wait(loop->epoll, events, EVENTS_PER_WAKE, -1);
        }
        loop->wakes++;
        if (n < 0 && errno != EINTR)
            break;
        for (int i = 0; i < n; i++) {
            struct watch *watch = events[i].data.ptr;
            if (!watch->gone)
                watch->on_event(watch, events[i].events);
        }
        run_timers(loop);
        bury(loop);
    }
}
