// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a request to its answer, one guest. Two parts, each with rows of its own
 * question:
 *
 *	reply		our cycle against raw sockets and qemu-ga, with far ends
 *			that do nothing else
 *	reply_agent	the agent of this tree against qemu-ga
 */
#include <errno.h>
#include <unistd.h>

#include "caller.h"
#include "peer.h"
#include "sample.h"
#include "vmg.h"

#define CID		1001
#define RAW_CID		1002

/* Both make a qemu-ga of 7.2 answer with one line. */
static const char guest_ping[] = "{\"execute\":\"guest-ping\"}\n";

static void run_ping(void *data)
{
	caller_cycle(data, VMGUEST_PING);
}

static void run_shutdown(void *data)
{
	caller_cycle(data, VMGUEST_SHUTDOWN);
}

static void run_exchange(void *data)
{
	peer_exchange(data);
}

static struct peer_talk talk_raw(const struct peer *peer)
{
	static uint8_t frame[PEER_FRAME];

	peer_ping(frame);
	return (struct peer_talk) {
		.fd = peer->fd,
		.request = frame,
		.request_len = sizeof(frame),
		.reply_len = sizeof(frame),
	};
}

static struct peer_talk talk_qemu_ga(const struct peer *peer)
{
	return (struct peer_talk) {
		.fd = peer->fd,
		.request = guest_ping,
		.request_len = sizeof(guest_ping) - 1,
	};
}

static struct sample_plan plan_of(const struct sample_options *options,
				  const char *question)
{
	return (struct sample_plan) {
		.question = question,
		.rounds = options->rounds,
		.turn = options->quick ? 10 : 100,
		.warm = 10,
		.told = 2,
	};
}

/*
 * Each SHUTDOWN is preceded by a PING, as each PING is: what the guest or the
 * module may still have to do for the one before is over then.
 */
static void measure_reply(int fd, const struct sample_options *options,
			  const struct peer *ga)
{
	struct sample_plan plan = plan_of(options, "reply");
	struct caller loopback = caller_make(fd, "loopback", VMG_CID);
	struct caller guest = caller_make(fd, "guest", CID);
	struct peer echo = peer_echo();
	struct peer lean = peer_answer();
	struct peer guests = peer_guests(CID, RAW_CID);
	struct peer_talk raw = talk_raw(&echo), raw_cid = talk_raw(&guests);
	struct peer_talk qemu_ga = talk_qemu_ga(ga);
	const struct sample_arm arms[] = {
		{ "raw", run_exchange, NULL, &raw },
		{ "ping", run_ping, NULL, &loopback },
		{ "qemu-ga", run_exchange, NULL, &qemu_ga },
		{ "raw-cid", run_exchange, NULL, &raw_cid },
		{ "ping-cid", run_ping, NULL, &guest },
		{ "accepted-cid", run_shutdown, run_ping, &guest },
	};

	caller_meet(&loopback);
	caller_meet(&guest);
	sample_arms(&plan, arms, sizeof(arms) / sizeof(arms[0]));
	peer_stop(&guests);
	peer_stop(&lean);
	peer_stop(&echo);
	vmg_unregister_all(fd);
}

static void measure_agent(int fd, const struct sample_options *options,
			  const struct peer *ga, const char *path)
{
	struct sample_plan plan = plan_of(options, "reply_agent");
	struct caller loopback = caller_make(fd, "loopback", VMG_CID);
	struct peer agent = peer_agent(path);
	struct peer_talk qemu_ga = talk_qemu_ga(ga);
	const struct sample_arm arms[] = {
		{ "agent", run_ping, NULL, &loopback },
		{ "qemu-ga", run_exchange, NULL, &qemu_ga },
	};

	caller_meet(&loopback);
	sample_arms(&plan, arms, sizeof(arms) / sizeof(arms[0]));
	peer_stop(&agent);
	vmg_unregister_all(fd);
}

int main(int argc, char **argv)
{
	struct sample_options options = sample_parse(argc, argv, 20, 2);
	int fd = vmg_open();
	struct peer ga;

	if (fd < 0)
		sample_die(-errno, "/dev/vmguest");
	ga = peer_qemu_ga();
	measure_reply(fd, &options, &ga);
	measure_agent(fd, &options, &ga, "build/user/vmguest-agent");
	peer_stop(&ga);
	close(fd);
	return 0;
}
