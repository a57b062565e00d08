/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A D-Bus connection in the agent's loop.
 */
#ifndef _VMGUEST_AGENT_BUS_H
#define _VMGUEST_AGENT_BUS_H

#include <systemd/sd-bus.h>

#include "loop.h"

/**
 * struct bus - A D-Bus connection
 * @loop: The loop.
 * @bus: The connection, NULL while there is none.
 * @source: Its descriptor in the loop.
 * @timer: Its timeout.
 * @ready: Somebody has served it, also when it is lost since.
 * @lost: Called when it has ended by itself; it is closed then.
 */
struct bus {
	struct loop *loop;
	sd_bus *bus;
	struct source source;
	struct timer timer;
	bool ready;
	void (*lost)(struct bus *bus, int err);
};

int bus_init(struct bus *bus, struct loop *loop,
	     void (*lost)(struct bus *bus, int err));

/* The system bus. One that is not there yet is waited for, not refused. */
int bus_open_system(struct bus *bus);

/* systemd itself, without a bus in between: it is there until the end. */
int bus_open_systemd(struct bus *bus);

void bus_close(struct bus *bus);

/* A call that fails now does so for that: libsystemd ends each before @lost. */
bool bus_is_ending(const struct bus *bus);

/* Wait for what the connection wants now. To be called after any use of it. */
void bus_arm(struct bus *bus);

#endif /* _VMGUEST_AGENT_BUS_H */
