// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a request to its answer, one guest. Three parts, each with rows of its
 * own question:
 *
 *	reply		our cycle against raw sockets and qemu-ga, with far ends
 *			that do nothing else
 *	reply_agent	the agent of this tree against qemu-ga
 *	reply_steps	where the time of one cycle goes
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "peer.h"
#include "sample.h"
#include "vmg.h"

#define CID		1001
#define RAW_CID		1002

/* Both make a qemu-ga of 7.2 answer with one line. */
static const char guest_ping[] = "{\"execute\":\"guest-ping\"}\n";

/**
 * struct caller - Who asks the module
 * @fd: /dev/vmguest.
 * @vm: Whom to ask.
 */
struct caller {
	int fd;
	uint64_t vm;
};

static int caller_ask(const struct caller *caller, unsigned long nr,
		      uint32_t flags)
{
	struct vmguest_request request = {
		.size = sizeof(request),
		.vm_id = caller->vm,
		.flags = flags,
		.deadline_ms = VMG_PATIENCE_MS,
	};

	if (nr == VMGUEST_SHUTDOWN)
		request.until = VMGUEST_UNTIL_ACCEPTED;
	if (ioctl(caller->fd, nr, &request))
		sample_die(-errno, "request");
	return request.task_fd;
}

static void task_wait(int task)
{
	struct pollfd pfd = { .fd = task, .events = POLLIN };

	if (poll(&pfd, 1, VMG_PATIENCE_MS) <= 0)
		sample_die(-errno, "the task does not end");
}

static void task_get(int task, struct vmguest_task_get *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (ioctl(task, VMGUEST_TASK_GET, info))
		sample_die(-errno, "result");
	if (!(info->task_flags & VMGUEST_TASK_COMPLETE) || info->result)
		sample_die(info->error, "the task failed");
}

static void caller_cycle(const struct caller *caller, unsigned long nr)
{
	struct vmguest_task_get info;
	int task = caller_ask(caller, nr, 0);

	task_wait(task);
	task_get(task, &info);
	close(task);
}

/* The first one, which waits until the agent is there. */
static void caller_meet(const struct caller *caller)
{
	struct vmguest_task_get info;
	int task = caller_ask(caller, VMGUEST_PING, VMGUEST_REQ_QUEUE);

	task_wait(task);
	task_get(task, &info);
	close(task);
}

static struct caller caller_make(int fd, const char *name, uint32_t cid)
{
	struct caller caller = { .fd = fd };
	int err = vmg_register(fd, name, cid, -1, &caller.vm);

	if (err)
		sample_die(err, "register");
	return caller;
}

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
	struct peer echo = peer_echo();
	struct peer lean = peer_answer();
	struct peer guests = peer_guests(CID, RAW_CID);
	struct caller loopback = caller_make(fd, "loopback", VMG_CID);
	struct caller guest = caller_make(fd, "guest", CID);
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
	vmg_unregister_all(fd);
	peer_stop(&guests);
	peer_stop(&lean);
	peer_stop(&echo);
}

static void measure_agent(int fd, const struct sample_options *options,
			  const struct peer *ga, const char *path)
{
	struct sample_plan plan = plan_of(options, "reply_agent");
	struct peer agent = peer_agent(path);
	struct caller loopback = caller_make(fd, "loopback", VMG_CID);
	struct peer_talk qemu_ga = talk_qemu_ga(ga);
	const struct sample_arm arms[] = {
		{ "agent", run_ping, NULL, &loopback },
		{ "qemu-ga", run_exchange, NULL, &qemu_ga },
	};

	caller_meet(&loopback);
	sample_arms(&plan, arms, sizeof(arms) / sizeof(arms[0]));
	vmg_unregister_all(fd);
	peer_stop(&agent);
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
