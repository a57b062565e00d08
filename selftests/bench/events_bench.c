// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many events a second reach 1, 4 and 16 listeners of the netlink family,
 * and what each adds to a request.
 *
 * A request is a shutdown of a VM whose agent is not there, which waits, and is
 * cancelled: two events of the group "task". The listeners' process reads all
 * its sockets with one epoll, and says when the last has its last event.
 * "Request" is the same without a listener that reads meanwhile: the time of
 * the caller alone, while events pile up in buffers that are large enough.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vmguest_netlink.h>

#include "nl.h"
#include "peer.h"
#include "sample.h"
#include "vmg.h"

#define QUESTION	"events"
#define EVENTS_GROUP	1
#define REQUESTS	500
#define QUICK_REQUESTS	50
#define LISTENERS_MAX	16

/* Room for all events of a turn, which the kernel counts generously. */
#define BUFFER_BYTES	(16 << 20)

static const unsigned int counts[] = { 0, 1, 4, 16 };

#define COUNTS	(sizeof(counts) / sizeof(counts[0]))

/**
 * struct listeners - Some sockets that have joined the group
 * @count: How many.
 * @nl: They.
 */
struct listeners {
	unsigned int count;
	struct nl nl[LISTENERS_MAX];
};

/**
 * struct turn - One turn of requests
 * @fd: /dev/vmguest.
 * @vm: Whom they ask for.
 * @requests: How many.
 * @events: How many events each listener has got of a turn, 0 until known.
 */
struct turn {
	int fd;
	uint64_t vm;
	unsigned int requests;
	unsigned int events;
};

/* struct report - What the listeners' process says at the end */
struct report {
	uint64_t end_ns;
	uint64_t cpu_ns;
	unsigned int events;
};

static void listeners_open(struct listeners *listeners, unsigned int count)
{
	unsigned int i;
	int err;

	listeners->count = count;
	for (i = 0; i < count; i++) {
		struct nl *nl = &listeners->nl[i];

		err = nl_open(nl) ?: nl_limit(nl, BUFFER_BYTES) ?:
		      nl_join(nl, EVENTS_GROUP);
		if (err)
			sample_die(err, "listener %u", i);
	}
}

static void listeners_close(struct listeners *listeners)
{
	while (listeners->count)
		nl_close(&listeners->nl[--listeners->count]);
}

/* Reads what one has. Return: its events. */
static unsigned int listener_read(struct nl *nl)
{
	struct nl_message event;
	unsigned int events = 0;
	int err;

	while (!(err = nl_event(nl, &event, 0)))
		events++;
	if (err != -EAGAIN)
		sample_die(err, "events were lost");
	return events;
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec used;

	clock_gettime(clock, &used);
	return (uint64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void request(const struct turn *turn)
{
	struct vmguest_request cmd = vmg_request(turn->vm);
	int task, err;

	cmd.flags = VMGUEST_REQ_QUEUE;
	task = vmg_ask(turn->fd, VMGUEST_SHUTDOWN, &cmd);
	if (task < 0)
		sample_die(task, "shutdown");
	err = vmg_task_cancel(task);
	if (err)
		sample_die(err, "cancel");
	close(task);
}

static void tell(const char *arm, unsigned int count, unsigned int round,
		 const char *metric, double value, const char *unit)
{
	sample_row(QUESTION, arm, count, round, metric, value, unit);
}

/* Nobody reads until all requests are made. */
static void measure_requests(struct turn *turn, unsigned int count,
			     unsigned int round)
{
	static struct listeners listeners;
	uint64_t start, cpu;
	unsigned int i;

	listeners_open(&listeners, count);
	/* Once for nothing: what is run for the first time is slow. */
	request(turn);
	cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	start = sample_now_ns();
	for (i = 0; i < turn->requests; i++)
		request(turn);
	start = sample_now_ns() - start;
	cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	for (i = 0; i < count; i++)
		turn->events = listener_read(&listeners.nl[i]) *
			       turn->requests / (turn->requests + 1);
	listeners_close(&listeners);
	tell("request", count, round, "time", start / 1e3 / turn->requests,
	     "us");
	tell("request", count, round, "cpu", cpu / 1e3 / turn->requests, "us");
}

static void listeners_watch(const struct listeners *listeners, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN };
	unsigned int i;

	for (i = 0; i < listeners->count; i++) {
		event.data.u32 = i;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, listeners->nl[i].fd,
			      &event))
			sample_die(-errno, "epoll_ctl");
	}
}

/* Until each listener has @wanted events. */
static void listeners_live(struct listeners *listeners, unsigned int wanted,
			   int answer)
{
	struct epoll_event events[LISTENERS_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct report report = { 0 };
	struct nl *nl;
	int n, i;

	listeners_watch(listeners, epoll);
	while (report.events < wanted * listeners->count) {
		n = epoll_wait(epoll, events, LISTENERS_MAX, VMG_PATIENCE_MS);
		if (n <= 0)
			sample_die(0, "%u of %u events came", report.events,
				   wanted * listeners->count);
		for (i = 0; i < n; i++) {
			nl = &listeners->nl[events[i].data.u32];
			report.events += listener_read(nl);
		}
	}
	report.end_ns = sample_now_ns();
	report.cpu_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (write(answer, &report, sizeof(report)) != sizeof(report))
		_exit(1);
	_exit(0);
}

static void tell_events(const struct turn *turn, unsigned int count,
			unsigned int round, const struct report *report,
			uint64_t start)
{
	double s = (report->end_ns - start) / 1e9;

	tell("listen", count, round, "events", turn->events / s, "1/s");
	tell("listen", count, round, "delivered", report->events / s, "1/s");
	tell("listen", count, round, "cpu per event read",
	     report->cpu_ns / 1e3 / report->events, "us");
}

/* As fast as it goes. */
static void measure_events(const struct turn *turn, unsigned int count,
			   unsigned int round)
{
	static struct listeners listeners;
	struct report report;
	int answer[2];
	uint64_t start;
	unsigned int i;
	pid_t pid;

	if (!count)
		return;
	if (pipe(answer))
		sample_die(-errno, "pipe");
	listeners_open(&listeners, count);
	pid = peer_fork();
	if (!pid)
		listeners_live(&listeners, turn->events, answer[1]);
	start = sample_now_ns();
	for (i = 0; i < turn->requests; i++)
		request(turn);
	if (read(answer[0], &report, sizeof(report)) != sizeof(report))
		sample_die(0, "the listeners have ended");
	waitpid(pid, NULL, 0);
	listeners_close(&listeners);
	close(answer[0]);
	close(answer[1]);
	tell_events(turn, count, round, &report, start);
}

int main(int argc, char **argv)
{
	struct sample_options options = sample_parse(argc, argv, 20, 2);
	struct turn turn = {
		.fd = vmg_open(),
		.requests = options.quick ? QUICK_REQUESTS : REQUESTS,
	};
	unsigned int round, i, count;
	int err;

	if (turn.fd < 0)
		sample_die(-errno, "/dev/vmguest");
	vmg_unregister_all(turn.fd);
	/* With a lifeline it runs, even if nobody has its CID. */
	err = vmg_register(turn.fd, "nobody", VMG_ABSENT_CID,
			   eventfd(0, EFD_CLOEXEC), &turn.vm);
	if (err)
		sample_die(err, "register");
	for (round = 0; round < options.rounds; round++)
		for (i = 0; i < COUNTS; i++) {
			count = counts[sample_turn(round, i, COUNTS)];
			measure_requests(&turn, count, round);
			if (turn.events)
				measure_events(&turn, count, round);
		}
	vmg_unregister(turn.fd, turn.vm);
	return 0;
}
