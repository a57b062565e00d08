// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the time of one cycle goes, over loopback. What the client sees of its
 * own calls; what the module's stage_ns and end_ns, and the far end's clock, say
 * of the way between them; and what the parts cost that no cycle can be without.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "caller.h"
#include "peer.h"
#include "sample.h"
#include "vmg.h"

#define STEPS_MAX	12
#define TURN		100
#define TURN_QUICK	10

/* No call of the module's has it. */
#define NO_CALL		_IO(VMGUEST_IOC_MAGIC, 0xff)

/**
 * struct steps - What one arm's cycles took
 * @names: Names of the steps, the first NULL ends them.
 * @ns: What each took, in each cycle of a turn.
 */
struct steps {
	const char *names[STEPS_MAX + 1];
	uint64_t ns[STEPS_MAX][TURN];
};

/**
 * struct bench - All that is measured with
 * @loopback: Who asks the module.
 * @fd: A file of the module's.
 * @echo: The far end of raw sockets.
 * @lean: The far end of the module.
 */
struct bench {
	struct caller loopback;
	int fd;
	struct peer echo;
	struct peer lean;
};

/* On two processors what is later on paper can be earlier by the clock. */
static uint64_t passed(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static struct steps ping_steps = {
	.names = {
		"call", "poll", "result", "close", "whole",
		"1 until sent", "2 until the agent has it", "3 in the agent",
		"4 until the task has ended", "5 until poll returns",
	},
};

static void ping_cycle(struct bench *bench, unsigned int i)
{
	struct peer_times *far = bench->lean.times;
	struct vmguest_task_get info;
	uint64_t t[5], sent;
	int task;

	t[0] = sample_now_ns();
	task = caller_ask(&bench->loopback, VMGUEST_PING, 0);
	t[1] = sample_now_ns();
	caller_wait(task);
	t[2] = sample_now_ns();
	caller_get(task, &info);
	t[3] = sample_now_ns();
	close(task);
	t[4] = sample_now_ns();

	sent = info.stage_ns[VMGUEST_STAGE_SENT];
	ping_steps.ns[0][i] = t[1] - t[0];
	ping_steps.ns[1][i] = t[2] - t[1];
	ping_steps.ns[2][i] = t[3] - t[2];
	ping_steps.ns[3][i] = t[4] - t[3];
	ping_steps.ns[4][i] = t[4] - t[0];
	ping_steps.ns[5][i] = passed(t[0], sent);
	ping_steps.ns[6][i] = passed(sent, far->got_ns);
	ping_steps.ns[7][i] = passed(far->got_ns, far->sent_ns);
	ping_steps.ns[8][i] = passed(far->sent_ns, info.end_ns);
	ping_steps.ns[9][i] = passed(info.end_ns, t[2]);
}

static struct steps raw_steps = {
	.names = {
		"write", "poll", "read", "whole",
		"1 until the far end has it", "2 in the far end",
		"3 until poll returns",
	},
};

static void raw_cycle(struct bench *bench, unsigned int i)
{
	struct pollfd pfd = { .fd = bench->echo.fd, .events = POLLIN };
	struct peer_times *far = bench->echo.times;
	uint8_t ping[PEER_FRAME], reply[PEER_FRAME];
	uint64_t t[4];

	peer_ping(ping);
	t[0] = sample_now_ns();
	if (write(pfd.fd, ping, sizeof(ping)) != sizeof(ping))
		sample_die(-errno, "write");
	t[1] = sample_now_ns();
	if (poll(&pfd, 1, VMG_PATIENCE_MS) <= 0)
		sample_die(-errno, "no answer");
	t[2] = sample_now_ns();
	if (read(pfd.fd, reply, sizeof(reply)) != sizeof(reply))
		sample_die(-errno, "read");
	t[3] = sample_now_ns();

	raw_steps.ns[0][i] = t[1] - t[0];
	raw_steps.ns[1][i] = t[2] - t[1];
	raw_steps.ns[2][i] = t[3] - t[2];
	raw_steps.ns[3][i] = t[3] - t[0];
	raw_steps.ns[4][i] = passed(t[0], far->got_ns);
	raw_steps.ns[5][i] = passed(far->got_ns, far->sent_ns);
	raw_steps.ns[6][i] = passed(far->sent_ns, t[2]);
}

static struct steps part_steps = {
	.names = {
		"a look at the clock", "a call that does nothing",
		"a fd made and closed", "a poll that finds something",
	},
};

static void part_cycle(struct bench *bench, unsigned int i)
{
	struct pollfd pfd = { .events = POLLIN };
	uint64_t t[5];

	t[0] = sample_now_ns();
	t[1] = sample_now_ns();
	ioctl(bench->fd, NO_CALL, NULL);
	t[2] = sample_now_ns();
	pfd.fd = eventfd(1, EFD_CLOEXEC);
	close(pfd.fd);
	t[3] = sample_now_ns();
	part_steps.ns[0][i] = t[1] - t[0];
	part_steps.ns[1][i] = t[2] - t[1];
	part_steps.ns[2][i] = t[3] - t[2];

	pfd.fd = eventfd(1, EFD_CLOEXEC);
	t[3] = sample_now_ns();
	if (poll(&pfd, 1, VMG_PATIENCE_MS) <= 0)
		sample_die(-errno, "poll");
	t[4] = sample_now_ns();
	close(pfd.fd);
	part_steps.ns[3][i] = t[4] - t[3];
}

static const struct {
	const char *name;
	void (*cycle)(struct bench *bench, unsigned int i);
	struct steps *steps;
} arms[] = {
	{ "ping", ping_cycle, &ping_steps },
	{ "raw", raw_cycle, &raw_steps },
	{ "parts", part_cycle, &part_steps },
};

#define ARMS	(sizeof(arms) / sizeof(arms[0]))

static void measure_turn(struct bench *bench, unsigned int arm,
			 unsigned int round, unsigned int turn)
{
	struct steps *steps = arms[arm].steps;
	unsigned int i;

	for (i = 0; i < turn; i++)
		arms[arm].cycle(bench, i);
	for (i = 0; steps->names[i]; i++)
		sample_row("steps", arms[arm].name, 1, round, steps->names[i],
			   sample_quantile(steps->ns[i], turn, 0.5) / 1e3,
			   "us");
}

int main(int argc, char **argv)
{
	struct sample_options options = sample_parse(argc, argv, 20, 2);
	unsigned int turn = options.quick ? TURN_QUICK : TURN;
	struct bench bench = { .fd = vmg_open() };
	unsigned int round, i;

	if (bench.fd < 0)
		sample_die(-errno, "/dev/vmguest");
	bench.loopback = caller_make(bench.fd, "loopback", VMG_CID);
	bench.echo = peer_echo();
	bench.lean = peer_answer();
	caller_meet(&bench.loopback);
	bench.echo.times->wanted = true;
	bench.lean.times->wanted = true;

	for (round = 0; round < options.rounds; round++)
		for (i = 0; i < ARMS; i++)
			measure_turn(&bench, sample_turn(round, i, ARMS),
				     round, turn);
	peer_stop(&bench.lean);
	peer_stop(&bench.echo);
	vmg_unregister_all(bench.fd);
	close(bench.fd);
	return 0;
}
