// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ask.h"
#include "sample.h"
#include "vmg.h"

#define ASK_EVENTS	64
#define ASK_RECORDS	64

static int ask_epoll(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		sample_die(-errno, "epoll");
	return epoll;
}

static void ask_watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		sample_die(-errno, "epoll_ctl");
}

static void ask_one(const struct crowd *crowd, unsigned int i,
		    unsigned long nr, int epoll)
{
	struct vmguest_request request = vmg_request(crowd->vms[i]);
	int task;

	request.deadline_ms = ASK_DEADLINE_MS;
	task = vmg_ask(crowd->fd, nr, &request);
	if (task < 0)
		sample_die(task, "request to guest %u of %u", i, crowd->count);
	ask_watch(epoll, task);
}

/* Return: how many have ended. */
static unsigned int ask_collect(struct ask *ask, int epoll)
{
	struct epoll_event events[ASK_EVENTS];
	struct vmguest_task_get task;
	int n, i;

	n = epoll_wait(epoll, events, ASK_EVENTS, CROWD_PATIENCE_MS);
	for (i = 0; i < n; i++) {
		task = vmg_task(events[i].data.fd);
		if (!(task.task_flags & VMGUEST_TASK_COMPLETE))
			sample_die(0, "a task is readable and not complete");
		ask->succeeded += task.result == VMGUEST_RESULT_SUCCESS &&
				  !task.error;
		close(events[i].data.fd);
	}
	return n > 0 ? n : 0;
}

struct ask ask_singly(const struct crowd *crowd, unsigned long nr)
{
	struct ask ask = { .fds = crowd->count };
	uint64_t start = sample_now_ns();
	unsigned int i, ended;
	int epoll = ask_epoll();

	for (i = 0; i < crowd->count; i++)
		ask_one(crowd, i, nr, epoll);
	ask.issued_ns = sample_now_ns() - start;
	ask.lost = crowd->count;
	while (ask.lost && (ended = ask_collect(&ask, epoll)))
		ask.lost -= ended;
	ask.collected_ns = sample_now_ns() - start;
	close(epoll);
	return ask;
}

/* Return: how many records came, 0 at the end. */
static unsigned int ask_read(struct ask *ask, int epoll, int group)
{
	struct vmguest_group_record records[ASK_RECORDS];
	struct epoll_event event;
	ssize_t len;
	int n, i;

	if (epoll_wait(epoll, &event, 1, CROWD_PATIENCE_MS) != 1)
		return 0;
	len = read(group, records, sizeof(records));
	if (len < 0)
		sample_die(-errno, "read of a group");
	n = len / sizeof(records[0]);
	for (i = 0; i < n; i++)
		ask->succeeded += !records[i].error &&
				  records[i].result == VMGUEST_RESULT_SUCCESS;
	return n;
}

struct ask ask_group(const struct crowd *crowd, uint32_t verb)
{
	struct vmguest_group_member *members;
	struct ask ask = { .fds = 1, .lost = crowd->count };
	uint64_t start = sample_now_ns();
	int epoll = ask_epoll();
	unsigned int i, ended;
	int group;

	members = calloc(crowd->count, sizeof(*members));
	for (i = 0; i < crowd->count; i++) {
		members[i] = vmg_member(crowd->vms[i], verb);
		members[i].deadline_ms = ASK_DEADLINE_MS;
	}
	group = vmg_group(crowd->fd, members, crowd->count, 0);
	free(members);
	if (group < 0)
		sample_die(group, "group of %u", crowd->count);
	ask_watch(epoll, group);
	ask.issued_ns = sample_now_ns() - start;
	while (ask.lost && (ended = ask_read(&ask, epoll, group)))
		ask.lost -= ended;
	close(group);
	ask.collected_ns = sample_now_ns() - start;
	close(epoll);
	return ask;
}

/* Return: how many lines came to their end. */
static unsigned int ask_read_lines(int epoll)
{
	struct epoll_event events[ASK_EVENTS];
	unsigned int ended = 0;
	char answer[256];
	ssize_t len;
	int n, i;

	n = epoll_wait(epoll, events, ASK_EVENTS, CROWD_PATIENCE_MS);
	for (i = 0; i < n; i++) {
		len = read(events[i].data.fd, answer, sizeof(answer));
		if (len <= 0)
			sample_die(len ? -errno : 0, "a peer has closed");
		ended += answer[len - 1] == '\n';
	}
	if (n <= 0)
		sample_die(0, "a peer does not answer");
	return ended;
}

struct ask ask_lines(const int *fds, unsigned int count, const char *line)
{
	struct ask ask = { .fds = count };
	uint64_t start = sample_now_ns();
	ssize_t len = strlen(line);
	int epoll = ask_epoll();
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (write(fds[i], line, len) != len)
			sample_die(-errno, "a line to peer %u", i);
		ask_watch(epoll, fds[i]);
	}
	ask.issued_ns = sample_now_ns() - start;
	while (ask.succeeded < count)
		ask.succeeded += ask_read_lines(epoll);
	ask.collected_ns = sample_now_ns() - start;
	close(epoll);
	return ask;
}
