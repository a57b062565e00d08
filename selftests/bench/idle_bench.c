// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a heartbeat costs the host, beside what the same bytes cost a program
 * that reads them from a socket: 1 000 and 10 000 guests are connected, each
 * with the module and, over a second connection of the same kind, with a reader
 * that has one epoll. By turns all guests send one heartbeat on the one or the
 * other, as evenly as in one interval of six seconds; or nobody sends anything.
 *
 * The guests' process is not counted. Reading is what the module's workers use,
 * or the reader. The threads of vhost, which carry the bytes and wake who reads
 * them, are the rest, and told apart.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "cost.h"
#include "crowd.h"
#include "peer.h"
#include "protocol.h"
#include "sample.h"
#include "vmg.h"

#define QUESTION	"idle"
#define INTERVAL_MS	6000
#define INTERVAL	"6000"

/* Until all that was sent at once has been read. */
#define SETTLE_MS	500

#define READER_EVENTS	64
#define READER_BACKLOG	128

enum idle_how {
	MODULE,
	READER,
	NOBODY,
	HOWS,
};

static const char * const idle_names[] = {
	[MODULE] = "module",
	[READER] = "bare reader",
	[NOBODY] = "nobody sends",
};

/**
 * struct reader - A program that reads
 * @pid: Its process.
 * @port: Where it listens.
 */
struct reader {
	pid_t pid;
	unsigned int port;
};

/**
 * struct idle - Some guests and their two ends
 * @crowd: They.
 * @reader: One end; the module is the other.
 */
struct idle {
	struct crowd crowd;
	struct reader reader;
};

static void reader_watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		sample_die(-errno, "epoll_ctl");
}

static void reader_accept(int epoll, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		sample_die(-errno, "accept");
	reader_watch(epoll, fd);
}

/* The most that one read can bring is what one guest has said. */
static void reader_read(int fd)
{
	char buf[4096];

	if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
		close(fd);
}

__attribute__((noreturn))
static void reader_live(int listener)
{
	struct epoll_event events[READER_EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int n, i;

	reader_watch(epoll, listener);
	for (;;) {
		n = epoll_wait(epoll, events, READER_EVENTS, -1);
		for (i = 0; i < n; i++)
			if (events[i].data.fd == listener)
				reader_accept(epoll, listener);
			else
				reader_read(events[i].data.fd);
	}
}

static void reader_start(struct reader *reader)
{
	int listener = peer_listen(&reader->port);

	listen(listener, READER_BACKLOG);
	reader->pid = peer_fork();
	if (!reader->pid)
		reader_live(listener);
	close(listener);
}

/* Each guest gets its connection with the reader. */
static uint64_t dial_reader(struct crowd_inside *inside, uint64_t port)
{
	unsigned int i;

	for (i = 0; i < inside->count; i++) {
		sim_hand_dial_to(inside->guests[i], port);
		if (!sim_until(inside->sim, sim_hand_is_open(inside->guests[i]),
			       CROWD_PATIENCE_MS))
			sample_die(0, "guest %u does not reach the reader", i);
	}
	return 0;
}

static void send_to_module(struct sim_guest *guest)
{
	sim_guest_do(guest, SIM_FLOOD, 1);
	sim_guest_forget_log(guest);
}

static void send_to_reader(struct sim_guest *guest)
{
	const struct vmguest_frame pong = { .type = VMGUEST_WIRE_PONG };
	uint8_t beat[sizeof(struct vmguest_wire_header)];

	vmguest_protocol_encode(&pong, beat, sizeof(beat));
	sim_hand_send(guest, beat, sizeof(beat));
}

/* Return: how many guests have had their turn. */
static uint64_t send_evenly(struct crowd_inside *inside,
			    void (*beat)(struct sim_guest *guest))
{
	uint64_t start = sim_now_ns();
	uint64_t step = INTERVAL_MS * 1000000ULL / inside->count;
	unsigned int i;

	for (i = 0; i < inside->count; i++) {
		while (sim_step(inside->sim, start + i * step))
			;
		beat(inside->guests[i]);
	}
	while (sim_step(inside->sim, start + i * step))
		;
	return i;
}

/* So that no guest is missed while others have their turn. */
static uint64_t send_now(struct crowd_inside *inside,
			 uint64_t unused __attribute__((unused)))
{
	unsigned int i;

	for (i = 0; i < inside->count; i++)
		send_to_module(inside->guests[i]);
	sim_pass(inside->sim, SETTLE_MS);
	return 0;
}

static uint64_t do_interval(struct crowd_inside *inside, uint64_t how)
{
	switch (how) {
	case MODULE:
		return send_evenly(inside, send_to_module);
	case READER:
		return send_evenly(inside, send_to_reader);
	default:
		sim_pass(inside->sim, INTERVAL_MS);
		return inside->count;
	}
}

static uint64_t frames_in(const struct idle *idle)
{
	struct vmguest_vm_get vm;
	uint64_t frames = 0;
	unsigned int i;

	for (i = 0; i < idle->crowd.count; i++) {
		if (vmg_get(idle->crowd.fd, idle->crowd.vms[i], &vm))
			sample_die(0, "a guest is gone");
		frames += vm.frames_in;
	}
	return frames;
}

static void tell(const struct idle *idle, enum idle_how how, unsigned int round,
		 const char *metric, double value, const char *unit)
{
	sample_row(QUESTION, idle_names[how], idle->crowd.count, round, metric,
		   value, unit);
}

static uint64_t reader_ns(const struct reader *reader)
{
	struct cost_thread thread;

	if (!cost_read_thread(&thread, reader->pid))
		sample_die(0, "the reader has ended");
	return thread.ns;
}

static void tell_interval(const struct idle *idle, enum idle_how how,
			  unsigned int round, const struct cost *cost,
			  uint64_t reader)
{
	double us = 1e3 * idle->crowd.count;
	uint64_t reading = how == READER ? reader : cost->worker_ns;

	tell(idle, how, round, "reading per heartbeat", reading / us, "us");
	tell(idle, how, round, "vhost and rest per heartbeat",
	     (cost->rest_ns - reader) / us, "us");
	tell(idle, how, round, "all per heartbeat",
	     (cost->rest_ns + cost->worker_ns) / us, "us");
	tell(idle, how, round, "cpu", 100.0 *
	     (cost->rest_ns + cost->worker_ns) / cost->wall_ns, "percent");
	tell(idle, how, round, "wakeups",
	     (cost->all_runs - cost->other_runs) * 1e9 / cost->wall_ns, "1/s");
	tell(idle, how, round, "wakeups of workers",
	     cost->worker_runs * 1e9 / cost->wall_ns, "1/s");
}

static void measure(const struct idle *idle, enum idle_how how,
		    unsigned int round, bool told)
{
	static struct cost_mark mark;
	uint64_t frames, reader;
	struct cost cost;

	crowd_ask(&idle->crowd, send_now, 0);
	frames = frames_in(idle);
	reader = reader_ns(&idle->reader);
	cost_begin(&mark, idle->crowd.pid);
	crowd_ask(&idle->crowd, do_interval, how);
	cost = cost_end(&mark);
	reader = reader_ns(&idle->reader) - reader;
	frames = frames_in(idle) - frames;
	if (frames != (how == MODULE ? idle->crowd.count : 0))
		sample_die(0, "%llu heartbeats came of %u guests",
			   (unsigned long long)frames, idle->crowd.count);
	if (told)
		tell_interval(idle, how, round, &cost, reader);
}

static void measure_count(int fd, unsigned int count, unsigned int rounds)
{
	struct idle idle;
	struct peer reader;
	unsigned int round, i;

	reader_start(&idle.reader);
	crowd_start(&idle.crowd, fd, count);
	crowd_boot(&idle.crowd);
	crowd_ask(&idle.crowd, dial_reader, idle.reader.port);
	crowd_ask(&idle.crowd, crowd_forget_logs, 0);
	measure(&idle, MODULE, 0, false);
	for (round = 0; round < rounds; round++)
		for (i = 0; i < HOWS; i++)
			measure(&idle, sample_turn(round, i, HOWS), round,
				true);
	crowd_end(&idle.crowd);
	reader = (struct peer) { .pid = idle.reader.pid, .fd = -1 };
	peer_stop(&reader);
}

static void raise_limits(void)
{
	struct rlimit limit = { .rlim_cur = 1 << 18, .rlim_max = 1 << 18 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		sample_die(-errno, "setrlimit");
}

int main(int argc, char **argv)
{
	struct sample_options options = sample_parse(argc, argv, 5, 1);
	int fd = vmg_open();

	if (fd < 0)
		sample_die(-errno, "/dev/vmguest");
	vmg_unregister_all(fd);
	raise_limits();
	sim_hurry();
	vmg_set_parameter("heartbeat_ms", INTERVAL);
	measure_count(fd, options.quick ? 50 : 1000, options.rounds);
	if (!options.quick)
		measure_count(fd, 10000, options.rounds);
	return 0;
}
