// SPDX-License-Identifier: GPL-2.0
/*
 * A D-Bus connection in the agent's loop. Nothing here waits: a slow peer never
 * keeps the agent from its host.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "bus.h"

#define SYSTEM_ADDRESS	"unix:path=/run/dbus/system_bus_socket"
#define SYSTEMD_ADDRESS	"unix:path=/run/systemd/private"

void bus_close(struct bus *bus)
{
	if (!bus->bus)
		return;
	timer_clear(&bus->timer);
	source_remove(bus->loop, &bus->source);
	bus->bus = sd_bus_close_unref(bus->bus);
}

bool bus_is_ending(const struct bus *bus)
{
	return bus->bus && sd_bus_is_open(bus->bus) <= 0;
}

static void bus_lost(struct bus *bus, int err)
{
	bus_close(bus);
	bus->lost(bus, err);
}

static uint64_t monotonic_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void bus_arm_timer(struct bus *bus)
{
	uint64_t until, now = monotonic_usec();

	if (sd_bus_get_timeout(bus->bus, &until) < 0 || until == UINT64_MAX)
		timer_clear(&bus->timer);
	else
		timer_set(&bus->timer,
			  until > now ? (until - now + 999) / 1000 : 0);
}

/* While it waits for its socket to appear it has another descriptor. */
static int bus_arm_source(struct bus *bus, __u32 wanted)
{
	int fd = sd_bus_get_fd(bus->bus);

	if (fd < 0)
		return fd;
	if (fd == bus->source.fd)
		return source_change(bus->loop, &bus->source, wanted);
	source_remove(bus->loop, &bus->source);
	bus->source.fd = fd;
	return source_add(bus->loop, &bus->source, wanted);
}

void bus_arm(struct bus *bus)
{
	__u32 wanted = 0;
	int events;

	if (!bus->bus)
		return;
	bus->ready |= sd_bus_is_ready(bus->bus) > 0;
	events = sd_bus_get_events(bus->bus);
	if (events < 0) {
		bus_lost(bus, events);
		return;
	}
	if (events & POLLIN)
		wanted |= EPOLLIN;
	if (events & POLLOUT)
		wanted |= EPOLLOUT;
	events = bus_arm_source(bus, wanted);
	if (events < 0)
		bus_lost(bus, events);
	else
		bus_arm_timer(bus);
}

static void bus_process(struct bus *bus)
{
	int n;

	do {
		n = bus->bus ? sd_bus_process(bus->bus, NULL) : 0;
	} while (n > 0);
	if (n < 0)
		bus_lost(bus, n);
	else
		bus_arm(bus);
}

static void bus_handle(struct source *source, __u32 events)
{
	(void)events;
	bus_process(container_of(source, struct bus, source));
}

static void bus_timeout(struct timer *timer)
{
	bus_process(container_of(timer, struct bus, timer));
}

static int bus_start(struct bus *bus, const char *address)
{
	int err;

	bus->ready = false;
	err = sd_bus_set_address(bus->bus, address);
	if (err >= 0)
		err = sd_bus_start(bus->bus);
	if (err < 0)
		bus_close(bus);
	else
		bus_arm(bus);
	return err < 0 ? err : 0;
}

int bus_open_system(struct bus *bus)
{
	const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	int err;

	if (bus->bus)
		return 0;
	err = sd_bus_new(&bus->bus);
	if (err < 0)
		return err;
	sd_bus_set_bus_client(bus->bus, true);
	sd_bus_set_watch_bind(bus->bus, true);
	return bus_start(bus, address ? address : SYSTEM_ADDRESS);
}

int bus_open_systemd(struct bus *bus)
{
	int err;

	if (bus->bus)
		return 0;
	err = sd_bus_new(&bus->bus);
	return err < 0 ? err : bus_start(bus, SYSTEMD_ADDRESS);
}

int bus_init(struct bus *bus, struct loop *loop,
	     void (*lost)(struct bus *bus, int err))
{
	bus->loop = loop;
	bus->lost = lost;
	bus->source = (struct source){ .fd = -1, .handle = bus_handle };
	return timer_init(loop, &bus->timer, bus_timeout);
}
