// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loop: guests' devices, guests' timers and the test's own fds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guestsim.h"
#include "sim.h"

/* Conditions that no fd tells of are looked at so often. */
#define SIM_TICK_MS	5

#define SIM_EVENTS	64

/**
 * struct sim_watch - A fd of the test's
 * @next: The next one.
 * @fd: The fd.
 * @ready: What to call.
 * @data: With what.
 */
struct sim_watch {
	struct sim_watch *next;
	int fd;
	void (*ready)(void *data);
	void *data;
};

/**
 * struct sim - A simulation
 * @epoll: The epoll fd. Guests are tagged by bit 0 of the pointer.
 * @guests: All guests.
 * @watches: All fds of the test's.
 * @changed: Guests or watches went: what epoll told may be stale.
 * @due_ns: No guest's timer ends before, 0 for none.
 * @host_port: The module's vsock port.
 */
struct sim {
	int epoll;
	struct sim_guest *guests;
	struct sim_watch *watches;
	bool changed;
	uint64_t due_ns;
	uint32_t host_port;
};

uint64_t sim_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sim_raise_limits(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 1 << 18;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static uint32_t sim_ask_port(void)
{
	struct vmguest_get_api api = { .size = sizeof(api) };
	int fd = open("/dev/vmguest", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, VMGUEST_GET_API, &api))
		api.vsock_port = VMGUEST_WIRE_PORT;
	if (fd >= 0)
		close(fd);
	return api.vsock_port;
}

struct sim *sim_create(void)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	sim_raise_limits();
	sim->epoll = epoll_create1(EPOLL_CLOEXEC);
	sim->host_port = sim_ask_port();
	return sim;
}

void sim_hurry(void)
{
	int fd = open("/sys/kernel/rcu_expedited", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		printf("# cannot hurry RCU\n");
	if (fd >= 0)
		close(fd);
}

void sim_destroy(struct sim *sim)
{
	struct sim_guest *guest;

	while ((guest = sim->guests)) {
		sim->guests = guest->next;
		guest_free(guest);
	}
	while (sim->watches)
		sim_unwatch(sim, sim->watches->fd);
	close(sim->epoll);
	free(sim);
}

uint32_t sim_host_port(const struct sim *sim)
{
	return sim->host_port;
}

struct sim_guest *sim_guest_add(struct sim *sim, uint32_t cid)
{
	struct sim_guest *guest = calloc(1, sizeof(*guest));

	guest->sim = sim;
	guest->next = sim->guests;
	sim->guests = guest;
	device_init(&guest->device);
	guest->device.cid = cid;
	guest->host_port = sim->host_port;
	guest->room = 4096;
	guest->mtu = DEVICE_PAYLOAD;
	guest->lifeline = -1;
	guest->capabilities = SIM_CAPABILITIES;
	guest->loud = true;
	return guest;
}

void sim_add_device(struct sim *sim, struct sim_guest *guest)
{
	struct epoll_event ev = {
		.events = EPOLLIN,
		.data.u64 = (uintptr_t)guest | 1,
	};

	epoll_ctl(sim->epoll, EPOLL_CTL_ADD, guest->device.call, &ev);
}

void sim_remove_device(struct sim *sim, struct sim_guest *guest)
{
	epoll_ctl(sim->epoll, EPOLL_CTL_DEL, guest->device.call, NULL);
	sim->changed = true;
}

void sim_note_due(struct sim *sim, uint64_t due_ns)
{
	if (!sim->due_ns || due_ns < sim->due_ns)
		sim->due_ns = due_ns;
}

int sim_watch(struct sim *sim, int fd, uint32_t events,
	      void (*ready)(void *data), void *data)
{
	struct sim_watch *watch = malloc(sizeof(*watch));
	struct epoll_event ev = { .events = events, .data.ptr = watch };

	*watch = (struct sim_watch) { sim->watches, fd, ready, data };
	if (epoll_ctl(sim->epoll, EPOLL_CTL_ADD, fd, &ev)) {
		free(watch);
		return -errno;
	}
	sim->watches = watch;
	return 0;
}

void sim_unwatch(struct sim *sim, int fd)
{
	struct sim_watch **where = &sim->watches;
	struct sim_watch *watch;

	while ((watch = *where) && watch->fd != fd)
		where = &watch->next;
	if (!watch)
		return;
	epoll_ctl(sim->epoll, EPOLL_CTL_DEL, fd, NULL);
	*where = watch->next;
	free(watch);
	sim->changed = true;
}

/* The earliest timer is looked for only when one has run out. */
static void sim_run_timers(struct sim *sim)
{
	uint64_t now = sim_now_ns();
	struct sim_guest *guest;

	if (!sim->due_ns || now < sim->due_ns)
		return;
	sim->due_ns = 0;
	for (guest = sim->guests; guest; guest = guest->next) {
		if (guest->due_ns && guest->due_ns <= now) {
			guest->due_ns = 0;
			guest->wake(guest);
			guest_settle(guest);
		}
		if (guest->due_ns)
			sim_note_due(sim, guest->due_ns);
	}
}

static void sim_dispatch(struct epoll_event *ev)
{
	struct sim_guest *guest = (void *)(uintptr_t)(ev->data.u64 & ~1ULL);
	struct sim_watch *watch = ev->data.ptr;
	eventfd_t count;

	if (ev->data.u64 & 1) {
		eventfd_read(guest->device.call, &count);
		guest_poll(guest);
	} else {
		watch->ready(watch->data);
	}
}

static int sim_wait_ms(const struct sim *sim, uint64_t now, uint64_t end_ns)
{
	uint64_t until = end_ns;

	if (sim->due_ns && sim->due_ns < until)
		until = sim->due_ns;
	if (until <= now)
		return 0;
	if (until - now >= SIM_TICK_MS * 1000000ULL)
		return SIM_TICK_MS;
	return (until - now + 999999) / 1000000;
}

bool sim_step(struct sim *sim, uint64_t end_ns)
{
	struct epoll_event events[SIM_EVENTS];
	uint64_t now = sim_now_ns();
	int i, n;

	if (now >= end_ns)
		return false;
	n = epoll_wait(sim->epoll, events, SIM_EVENTS,
		       sim_wait_ms(sim, now, end_ns));
	sim->changed = false;
	/* All events are level-triggered: stale ones are asked for again. */
	for (i = 0; i < n && !sim->changed; i++)
		sim_dispatch(&events[i]);
	sim_run_timers(sim);
	return true;
}

void sim_pass(struct sim *sim, unsigned int ms)
{
	sim_until(sim, false, ms);
}

static void sim_nothing(void *data __attribute__((unused)))
{
}

struct vmguest_task_get sim_task(struct sim *sim, int task_fd, unsigned int ms)
{
	struct vmguest_task_get task = { .size = sizeof(task) };
	struct pollfd pfd = { .fd = task_fd, .events = POLLIN };

	sim_watch(sim, task_fd, EPOLLIN, sim_nothing, NULL);
	sim_until(sim, poll(&pfd, 1, 0) > 0, ms);
	sim_unwatch(sim, task_fd);
	if (ioctl(task_fd, VMGUEST_TASK_GET, &task))
		task.error = -errno;
	return task;
}
