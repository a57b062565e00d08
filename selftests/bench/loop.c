// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thing again and again, over loopback, for a profiler:
 *
 *	loop ping|raw TIMES
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caller.h"
#include "peer.h"
#include "sample.h"
#include "vmg.h"

static void loop_ping(unsigned long times)
{
	int fd = vmg_open();
	struct caller caller;
	struct peer peer;

	if (fd < 0)
		sample_die(-errno, "/dev/vmguest");
	caller = caller_make(fd, "loopback", VMG_CID);
	peer = peer_answer();
	caller_meet(&caller);
	while (times--)
		caller_cycle(&caller, VMGUEST_PING);
	peer_stop(&peer);
	vmg_unregister_all(fd);
	close(fd);
}

static void loop_raw(unsigned long times)
{
	struct peer peer = peer_echo();
	uint8_t ping[PEER_FRAME];
	const struct peer_talk talk = {
		.fd = peer.fd,
		.request = ping,
		.request_len = sizeof(ping),
		.reply_len = sizeof(ping),
	};

	peer_ping(ping);
	while (times--)
		peer_exchange(&talk);
	peer_stop(&peer);
}

int main(int argc, char **argv)
{
	unsigned long times = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (times && !strcmp(argv[1], "ping"))
		loop_ping(times);
	else if (times && !strcmp(argv[1], "raw"))
		loop_raw(times);
	else
		sample_die(0, "usage: loop ping|raw TIMES");
	return 0;
}
