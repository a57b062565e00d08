// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to shut down 100, 1 000, 4 000 and 10 000 guests at once, each
 * with a CID of its own on the host's real transport, from one process with one
 * epoll: time to issue all requests, time to collect all ends, CPU time for
 * each guest, memory and descriptors. And 1 000 of them as one group.
 *
 * The CPU time of a guest is that of the asking process and of the kernel's
 * workers that do the module's work. The guests' process is told apart, and so
 * is the rest, above all the threads of vhost.
 *
 * When a VMM dies, the transport looks at each connection of the host, and
 * wakes the module in the middle of that. The scheduler then takes what is left
 * of it for the worker's time: it does not look at the clock a second time when
 * it has been told to switch. So these VMMs outlive what is measured, and only
 * the lifeline tells; "deaths" has them die.
 *
 * The peer is one client of 100 qemu-ga over loopback, which it asks for a sign
 * of life; the module asks 100 guests for the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ask.h"
#include "cost.h"
#include "crowd.h"
#include "kmem.h"
#include "peer.h"
#include "sample.h"
#include "vmg.h"

#define QUESTION	"bulk"

/* Guests of which the memory is counted. */
#define MEMORY_GUESTS	100

#define PEERS		100

/* So many need long: in one round of so many only. */
#define MANY		10000
#define MANY_EVERY	5

enum bulk_how {
	SINGLE_CALLS,
	GROUP,
	VMM_DEATHS,
	PINGS,
	QEMU_GA,
};

static const char * const bulk_names[] = {
	[SINGLE_CALLS] = "single calls",
	[GROUP] = "group",
	[VMM_DEATHS] = "single calls and deaths",
	[PINGS] = "ping",
	[QEMU_GA] = "qemu-ga: guest-ping",
};

/**
 * struct bulk_arm - One way to ask so many
 * @how: Which.
 * @count: How many guests.
 */
struct bulk_arm {
	enum bulk_how how;
	unsigned int count;
};

static const struct bulk_arm arms[] = {
	{ SINGLE_CALLS, 100 },
	{ SINGLE_CALLS, 1000 },
	{ GROUP, 1000 },
	{ SINGLE_CALLS, 4000 },
	{ VMM_DEATHS, 100 },
	{ VMM_DEATHS, 1000 },
	{ VMM_DEATHS, 4000 },
	{ VMM_DEATHS, MANY },
	{ PINGS, PEERS },
	{ QEMU_GA, PEERS },
};

static const struct bulk_arm quick_arms[] = {
	{ SINGLE_CALLS, 20 },
	{ SINGLE_CALLS, 60 },
	{ GROUP, 60 },
	{ VMM_DEATHS, 60 },
	{ PINGS, 5 },
	{ QEMU_GA, 5 },
};

/**
 * struct bulk - What all arms have
 * @fd: /dev/vmguest.
 * @peers: How many qemu-ga run.
 * @peer: They.
 * @peer_fds: Connections to them.
 */
struct bulk {
	int fd;
	unsigned int peers;
	struct peer peer[PEERS];
	int peer_fds[PEERS];
};

static void tell(const struct bulk_arm *arm, unsigned int round,
		 const char *metric, double value, const char *unit)
{
	sample_row(QUESTION, bulk_names[arm->how], arm->count, round, metric,
		   value, unit);
}

static void tell_ask(const struct bulk_arm *arm, unsigned int round,
		     const struct ask *ask)
{
	tell(arm, round, "issue all", ask->issued_ns / 1e6, "ms");
	tell(arm, round, "collect all", ask->collected_ns / 1e6, "ms");
	tell(arm, round, "succeeded", ask->succeeded, "tasks");
	tell(arm, round, "lost", ask->lost, "tasks");
	tell(arm, round, "fds", ask->fds, "fds");
}

static void tell_cost(const struct bulk_arm *arm, unsigned int round,
		      const struct cost *cost)
{
	const double us = 1e3 * arm->count;

	tell(arm, round, "cpu per guest", (cost->own_ns + cost->worker_ns) / us,
	     "us");
	tell(arm, round, "cpu per guest: caller", cost->own_ns / us, "us");
	tell(arm, round, "cpu per guest: workers", cost->worker_ns / us, "us");
	tell(arm, round, "cpu per guest: vhost and rest", cost->rest_ns / us,
	     "us");
	tell(arm, round, "cpu per guest: the guest", cost->other_ns / us, "us");
}

static struct ask ask_crowd(enum bulk_how how, const struct crowd *crowd)
{
	switch (how) {
	case GROUP:
		return ask_group(crowd, VMGUEST_VERB_SHUTDOWN);
	case PINGS:
		return ask_singly(crowd, VMGUEST_PING);
	default:
		return ask_singly(crowd, VMGUEST_SHUTDOWN);
	}
}

static struct ask measure_crowd(const struct bulk_arm *arm, int fd,
				struct cost *cost)
{
	static struct cost_mark mark;
	struct crowd crowd;
	struct ask ask;

	crowd_start(&crowd, fd, arm->count);
	crowd_boot(&crowd);
	if (arm->how != VMM_DEATHS)
		crowd_ask(&crowd, crowd_depart_at_last, 0);
	cost_begin(&mark, crowd.pid);
	ask = ask_crowd(arm->how, &crowd);
	*cost = cost_end(&mark);
	crowd_end(&crowd);
	return ask;
}

/* What the peers use is in the rest: they are many processes. */
static struct ask measure_peers(const struct bulk *bulk, struct cost *cost)
{
	static struct cost_mark mark;
	struct ask ask;

	cost_begin(&mark, 0);
	ask = ask_lines(bulk->peer_fds, bulk->peers,
			"{\"execute\":\"guest-ping\"}\n");
	*cost = cost_end(&mark);
	return ask;
}

/* @told: say what came of it. */
static void measure(const struct bulk_arm *arm, const struct bulk *bulk,
		    unsigned int round, bool told)
{
	struct cost cost;
	struct ask ask;

	if (arm->how == QEMU_GA)
		ask = measure_peers(bulk, &cost);
	else
		ask = measure_crowd(arm, bulk->fd, &cost);
	if (told) {
		tell_ask(arm, round, &ask);
		tell_cost(arm, round, &cost);
	}
	if (ask.lost || ask.succeeded != arm->count)
		sample_die(0, "%u of %u tasks did not succeed, %u were lost",
			   arm->count - ask.succeeded - ask.lost, arm->count,
			   ask.lost);
}

/* A guest that has accepted and goes no further: its task stays. */
static uint64_t accept_only(struct crowd_inside *inside,
			    uint64_t unused __attribute__((unused)))
{
	unsigned int i;

	for (i = 0; i < inside->count; i++)
		sim_guest_at(inside->guests[i], SIM_AT_ACCEPTED, SIM_HANG);
	return 0;
}

/* struct memory - What has been allocated, by the module and by anybody */
struct memory {
	uint64_t own;
	uint64_t slabs;
};

static struct memory memory_begin(void)
{
	kmem_begin();
	return (struct memory) { .slabs = kmem_slabs() };
}

static void memory_end(struct memory *memory, const char *what)
{
	memory->slabs = kmem_slabs() - memory->slabs;
	memory->own = kmem_end(what, MEMORY_GUESTS);
}

static void tell_memory(const char *what, const struct memory *memory)
{
	sample_row(QUESTION, what, MEMORY_GUESTS, 0, "own memory",
		   (double)memory->own / MEMORY_GUESTS, "bytes");
	sample_row(QUESTION, what, MEMORY_GUESTS, 0, "all slabs",
		   (double)memory->slabs / MEMORY_GUESTS, "bytes");
}

static void start_tasks(const struct crowd *crowd, int *tasks)
{
	struct vmguest_request request;
	unsigned int i;

	for (i = 0; i < crowd->count; i++) {
		request = vmg_request(crowd->vms[i]);
		request.deadline_ms = ASK_DEADLINE_MS;
		tasks[i] = vmg_ask(crowd->fd, VMGUEST_SHUTDOWN, &request);
		if (tasks[i] < 0)
			sample_die(tasks[i], "shutdown");
	}
	for (i = 0; i < crowd->count; i++)
		vmg_wait_stage(tasks[i], VMGUEST_STAGE_ACCEPTED);
}

static void measure_tasks(struct crowd *crowd)
{
	int tasks[MEMORY_GUESTS];
	struct memory memory;
	unsigned int i;

	crowd_ask(crowd, accept_only, 0);
	memory = memory_begin();
	start_tasks(crowd, tasks);
	memory_end(&memory, "task");
	tell_memory("task", &memory);
	for (i = 0; i < MEMORY_GUESTS; i++)
		close(tasks[i]);
}

/* In all slabs is what vhost has for the guests, and what a socket takes. */
static void measure_memory(int fd)
{
	struct memory registered, connected;
	struct crowd crowd;

	registered = memory_begin();
	crowd_start(&crowd, fd, MEMORY_GUESTS);
	memory_end(&registered, "registered");
	tell_memory("registered guest", &registered);
	connected = memory_begin();
	crowd_boot(&crowd);
	memory_end(&connected, "connected, on top");
	connected.own += registered.own;
	connected.slabs += registered.slabs;
	tell_memory("connected guest", &connected);
	measure_tasks(&crowd);
	crowd_end(&crowd);
}

static void start_peers(struct bulk *bulk, unsigned int count)
{
	for (; bulk->peers < count; bulk->peers++) {
		struct peer *peer = &bulk->peer[bulk->peers];

		*peer = peer_qemu_ga_at(PEER_QEMU_GA_PORT + bulk->peers);
		bulk->peer_fds[bulk->peers] = peer->fd;
	}
}

static void measure_arms(const struct bulk_arm *list, unsigned int count,
			 const struct bulk *bulk, unsigned int rounds)
{
	const struct bulk_arm *arm;
	unsigned int round, i;

	/* Once for nothing: what is run for the first time is slow. */
	measure(&list[0], bulk, 0, false);
	for (round = 0; round < rounds; round++)
		for (i = 0; i < count; i++) {
			arm = &list[sample_turn(round, i, count)];
			if (arm->count != MANY || round % MANY_EVERY == 0)
				measure(arm, bulk, round, true);
		}
}

#define COUNT(list)	(sizeof(list) / sizeof((list)[0]))

int main(int argc, char **argv)
{
	struct sample_options options = sample_parse(argc, argv, 10, 1);
	const struct bulk_arm *list = options.quick ? quick_arms : arms;
	unsigned int count = options.quick ? COUNT(quick_arms) : COUNT(arms);
	static struct bulk bulk;

	bulk.fd = vmg_open();
	if (bulk.fd < 0)
		sample_die(-errno, "/dev/vmguest");
	vmg_unregister_all(bulk.fd);
	sim_hurry();
	/* These guests have none, and it is not what is asked here. */
	vmg_set_parameter("heartbeat_ms", "0");
	measure_memory(bulk.fd);
	start_peers(&bulk, list[count - 1].count);
	measure_arms(list, count, &bulk, options.rounds);
	while (bulk.peers)
		peer_stop(&bulk.peer[--bulk.peers]);
	vmg_set_parameter("heartbeat_ms", "6000");
	return 0;
}
