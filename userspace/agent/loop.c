// SPDX-License-Identifier: GPL-2.0
/*
 * The event loop: file descriptors and timers.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

int loop_init(struct loop *loop)
{
	loop->stop = false;
	loop->status = 0;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd < 0 ? -errno : 0;
}

/* One event at a time: a handler may then close any other source. */
int loop_run(struct loop *loop)
{
	struct epoll_event event;
	struct source *source;
	int n;

	while (!loop->stop) {
		n = epoll_wait(loop->epoll_fd, &event, 1, -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n != 1)
			continue;
		source = event.data.ptr;
		source->handle(source, event.events);
	}
	return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
	loop->stop = true;
	loop->status = status;
}

static int source_control(struct loop *loop, int op, struct source *source,
			  __u32 events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, op, source->fd, &event))
		return -errno;
	return 0;
}

int source_add(struct loop *loop, struct source *source, __u32 events)
{
	return source_control(loop, EPOLL_CTL_ADD, source, events);
}

int source_change(struct loop *loop, struct source *source, __u32 events)
{
	return source_control(loop, EPOLL_CTL_MOD, source, events);
}

/* For a descriptor that somebody else closes. */
void source_remove(struct loop *loop, struct source *source)
{
	if (source->fd >= 0)
		source_control(loop, EPOLL_CTL_DEL, source, 0);
	source->fd = -1;
}

void source_close(struct loop *loop, struct source *source)
{
	int fd = source->fd;

	source_remove(loop, source);
	if (fd >= 0)
		close(fd);
}

static void timer_handle(struct source *source, __u32 events)
{
	struct timer *timer = container_of(source, struct timer, source);
	__u64 expirations;

	(void)events;
	/* Set anew since epoll saw it: not due any more. */
	if (read(source->fd, &expirations, sizeof(expirations)) < 0)
		return;
	timer->expired(timer);
}

int timer_init(struct loop *loop, struct timer *timer,
	       void (*expired)(struct timer *timer))
{
	timer->expired = expired;
	timer->source.handle = timer_handle;
	timer->source.fd = timerfd_create(CLOCK_BOOTTIME,
					  TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer->source.fd < 0)
		return -errno;
	return source_add(loop, &timer->source, EPOLLIN);
}

/* 0 is due at once. */
void timer_set(struct timer *timer, __u64 ms)
{
	struct itimerspec when = {
		.it_value.tv_sec = ms / 1000,
		.it_value.tv_nsec = ms % 1000 * 1000000,
	};

	if (!ms)
		when.it_value.tv_nsec = 1;
	timerfd_settime(timer->source.fd, 0, &when, NULL);
}

void timer_clear(struct timer *timer)
{
	struct itimerspec never = { };

	timerfd_settime(timer->source.fd, 0, &never, NULL);
}
