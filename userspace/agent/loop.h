/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The event loop: file descriptors and timers.
 */
#ifndef _VMGUEST_AGENT_LOOP_H
#define _VMGUEST_AGENT_LOOP_H

#include "util.h"

/**
 * struct loop - One epoll loop
 * @epoll_fd: Its epoll instance.
 * @stop: Leave loop_run().
 * @status: What loop_run() then returns.
 */
struct loop {
	int epoll_fd;
	bool stop;
	int status;
};

/**
 * struct source - A file descriptor that the loop watches
 * @fd: The descriptor, -1 while there is none.
 * @handle: Called with the epoll events of @fd. May delete any source.
 */
struct source {
	int fd;
	void (*handle)(struct source *source, __u32 events);
};

/**
 * struct timer - A timer of elapsed time, suspend included
 * @source: Its timerfd.
 * @expired: Called once when it has expired.
 */
struct timer {
	struct source source;
	void (*expired)(struct timer *timer);
};

int loop_init(struct loop *loop);
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int status);

int source_add(struct loop *loop, struct source *source, __u32 events);
int source_change(struct loop *loop, struct source *source, __u32 events);
void source_remove(struct loop *loop, struct source *source);
void source_close(struct loop *loop, struct source *source);

int timer_init(struct loop *loop, struct timer *timer,
	       void (*expired)(struct timer *timer));
void timer_set(struct timer *timer, __u64 ms);
void timer_clear(struct timer *timer);

#endif /* _VMGUEST_AGENT_LOOP_H */
