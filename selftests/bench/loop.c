// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thing again and again, for a profiler:
 *
 *	loop WHAT TIMES [FIFO ACKS]
 *
 *	ping, raw	a PING, or as many bytes, over loopback
 *	ping-cid, raw-cid
 *			the same with a real CID
 *	singly, group	LOOP_GUESTS guests are shut down
 *
 * FIFO and ACKS are those of perf's --control: it records the thing alone, without
 * what has to be there for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "caller.h"
#include "crowd.h"
#include "peer.h"
#include "sample.h"
#include "vmg.h"

#define LOOP_GUESTS	1000
#define LOOP_CID	1001
#define LOOP_RAW_CID	1002

/**
 * struct loop - What is done, and how often
 * @fd: /dev/vmguest.
 * @times: How often.
 * @fifo: The profiler's, or -1.
 * @acks: Where it says that it has done what it was told.
 */
struct loop {
	int fd;
	unsigned long times;
	int fifo;
	int acks;
};

static void loop_tell(const struct loop *loop, const char *command)
{
	ssize_t len = strlen(command);
	char ack[sizeof("ack\n")];

	if (loop->fifo < 0)
		return;
	if (write(loop->fifo, command, len) != len ||
	    read(loop->acks, ack, sizeof(ack)) <= 0)
		sample_die(-errno, "the profiler");
}

static void loop_begin(const struct loop *loop)
{
	loop_tell(loop, "enable\n");
}

static void loop_end(const struct loop *loop)
{
	loop_tell(loop, "disable\n");
}

static void loop_cycles(const struct loop *loop, struct caller *caller)
{
	unsigned long i;

	caller_meet(caller);
	loop_begin(loop);
	for (i = 0; i < loop->times; i++)
		caller_cycle(caller, VMGUEST_PING);
	loop_end(loop);
}

static void loop_exchanges(const struct loop *loop, const struct peer *peer)
{
	uint8_t ping[PEER_FRAME];
	const struct peer_talk talk = {
		.fd = peer->fd,
		.request = ping,
		.request_len = sizeof(ping),
		.reply_len = sizeof(ping),
	};
	unsigned long i;

	peer_ping(ping);
	loop_begin(loop);
	for (i = 0; i < loop->times; i++)
		peer_exchange(&talk);
	loop_end(loop);
}

static void loop_ping(const struct loop *loop)
{
	struct caller caller = caller_make(loop->fd, "loopback", VMG_CID);
	struct peer peer = peer_answer();

	loop_cycles(loop, &caller);
	peer_stop(&peer);
	vmg_unregister_all(loop->fd);
}

static void loop_raw(const struct loop *loop)
{
	struct peer peer = peer_echo();

	loop_exchanges(loop, &peer);
	peer_stop(&peer);
}

static void loop_ping_cid(const struct loop *loop)
{
	struct caller caller = caller_make(loop->fd, "guest", LOOP_CID);
	struct peer guests = peer_guests(LOOP_CID, LOOP_RAW_CID);

	loop_cycles(loop, &caller);
	peer_stop(&guests);
	vmg_unregister_all(loop->fd);
}

static void loop_raw_cid(const struct loop *loop)
{
	struct caller caller = caller_make(loop->fd, "guest", LOOP_CID);
	struct peer guests = peer_guests(LOOP_CID, LOOP_RAW_CID);

	caller_meet(&caller);
	loop_exchanges(loop, &guests);
	peer_stop(&guests);
	vmg_unregister_all(loop->fd);
}

static void loop_crowd(const struct loop *loop, bool in_group)
{
	struct crowd crowd;
	unsigned long i;

	sim_hurry();
	vmg_set_parameter("heartbeat_ms", "0");
	for (i = 0; i < loop->times; i++) {
		crowd_start(&crowd, loop->fd, LOOP_GUESTS);
		crowd_boot(&crowd);
		crowd_ask(&crowd, crowd_depart_at_last, 0);
		loop_begin(loop);
		if (in_group)
			ask_group(&crowd, VMGUEST_VERB_SHUTDOWN);
		else
			ask_singly(&crowd, VMGUEST_SHUTDOWN);
		loop_end(loop);
		crowd_end(&crowd);
	}
	vmg_set_parameter("heartbeat_ms", "6000");
}

static void loop_singly(const struct loop *loop)
{
	loop_crowd(loop, false);
}

static void loop_group(const struct loop *loop)
{
	loop_crowd(loop, true);
}

static const struct {
	const char *name;
	void (*run)(const struct loop *loop);
} things[] = {
	{ "ping", loop_ping },
	{ "raw", loop_raw },
	{ "ping-cid", loop_ping_cid },
	{ "raw-cid", loop_raw_cid },
	{ "singly", loop_singly },
	{ "group", loop_group },
};

static bool loop_run(const struct loop *loop, const char *what)
{
	unsigned int i;

	for (i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		if (strcmp(things[i].name, what))
			continue;
		things[i].run(loop);
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct loop loop = { .fd = vmg_open(), .fifo = -1 };

	if (loop.fd < 0)
		sample_die(-errno, "/dev/vmguest");
	if (argc == 3 || argc == 5)
		loop.times = strtoul(argv[2], NULL, 10);
	if (argc == 5) {
		loop.fifo = open(argv[3], O_WRONLY | O_CLOEXEC);
		loop.acks = open(argv[4], O_RDONLY | O_CLOEXEC);
		if (loop.fifo < 0 || loop.acks < 0)
			sample_die(-errno, "%s, %s", argv[3], argv[4]);
	}
	if (!loop.times || !loop_run(&loop, argv[1]))
		sample_die(0, "usage: loop WHAT TIMES [FIFO ACKS]");
	return 0;
}
