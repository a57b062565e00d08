// SPDX-License-Identifier: GPL-2.0-only
/* All tasks in one loop, until they are complete or we have enough. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmguestctl.h"

#define MS_PER_SECOND	1000
#define SIGNALS		UINT32_MAX	/* instead of the index of a job */
#define LINE_SIZE	1024

struct watcher {
	const struct options *options;
	struct job *jobs;
	int count;
	int running;
	int epoll;
	int signals;
	uint64_t start_ns;
	int exit;
};

/* Whoever had us ignore one, such as nohup(1), means it. */
static void add_signal(sigset_t *set, int number)
{
	struct sigaction action;

	if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

int catch_signals_and(int also)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	add_signal(&set, SIGINT);
	add_signal(&set, SIGTERM);
	add_signal(&set, SIGHUP);
	if (also)
		sigaddset(&set, also);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int catch_signals(void)
{
	return catch_signals_and(0);
}

int look(struct job *job)
{
	job->task.size = sizeof(job->task);
	return vmguest_look(job->fd, &job->task);
}

static void end_job(struct watcher *w, struct job *job)
{
	/* Closing takes it out of the epoll, too. */
	close(job->fd);
	job->fd = -1;
	w->running--;
	w->exit = worse(w->exit, job->exit);
}

static void update(struct watcher *w, struct job *job)
{
	int ret = look(job);

	if (ret) {
		job->exit = EXIT_REFUSED;
		report_call_error(w->options, &(struct call_error) {
			.subject = job->name, .layer = VMGUEST_LAYER_CALL,
			.what = "cannot read its task", .error = ret,
			.exit = job->exit,
		});
		end_job(w, job);
		return;
	}
	if (!w->options->json && (!line_is_live() || w->options->verbose))
		report_stages(job);
	if (!(job->task.task_flags & VMGUEST_TASK_COMPLETE))
		return;
	job->exit = exit_of_task(&job->task);
	report_outcome(w->options, job);
	end_job(w, job);
}

static void tell_joined(const struct watcher *w, const struct job *job)
{
	const struct vmguest_task_get *task = &job->task;
	char reason[SAFE_SIZE(VMGUEST_TEXT_SIZE)];

	if (w->options->json || !job->asked || task->starter.pid == getpid())
		return;
	safe_text(reason, sizeof(reason), task->reason);
	say("%s: joined task %llu of uid %u, pid %d%s%s", job->name,
	    (unsigned long long)task->task_id, task->starter.uid,
	    task->starter.pid, *reason ? ": " : "", reason);
}

static int add_fd(struct watcher *w, int fd, uint32_t events, uint32_t index)
{
	struct epoll_event event = { .events = events, .data.u32 = index };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int add_jobs(struct watcher *w)
{
	int i, ret;

	for (i = 0; i < w->count; i++) {
		if (w->jobs[i].fd < 0)
			continue;
		ret = add_fd(w, w->jobs[i].fd, EPOLLIN | EPOLLPRI, i);
		if (ret)
			return ret;
		w->running++;
	}
	return add_fd(w, w->signals, EPOLLIN, SIGNALS);
}

/* What is there at first; before any waiting. */
static void first_look(struct watcher *w)
{
	int i;

	for (i = 0; i < w->count; i++) {
		struct job *job = &w->jobs[i];

		if (job->fd < 0)
			continue;
		if (!look(job))
			tell_joined(w, job);
		update(w, job);
	}
}

/* "12s  web1 stopping 45%  db sent 0%" */
static void show_progress(const struct watcher *w)
{
	char line[LINE_SIZE];
	int i, length;

	if (!line_is_live() || !w->running)
		return;
	length = snprintf(line, sizeof(line), "%llus",
			  (unsigned long long)((now_ns() - w->start_ns) /
					       NS_PER_MS / MS_PER_SECOND));
	for (i = 0; i < w->count && length < LINE_SIZE; i++) {
		const struct job *job = &w->jobs[i];

		if (job->fd < 0)
			continue;
		length += snprintf(line + length, sizeof(line) - length,
				   "  %s %s %u%%", job->name,
				   vmguest_stage_name(job->task.stage),
				   job->task.percent);
	}
	line_show(line);
}

/* Milliseconds to sleep at most, 0 when the patience has ended. */
static int sleep_ms(const struct watcher *w)
{
	int64_t left = INT64_MAX, spent;

	if (w->options->wait_ms >= 0) {
		spent = (now_ns() - w->start_ns) / NS_PER_MS;
		left = w->options->wait_ms - spent;
		if (left <= 0)
			return 0;
	}
	if (line_is_live() && left > MS_PER_SECOND)
		return MS_PER_SECOND;
	return left > INT32_MAX ? -1 : (int)left;
}

/* Words of a shell: the ids of what still runs. */
static void running_ids(const struct watcher *w, char *text, size_t size)
{
	size_t length = 0;
	int i;

	*text = '\0';
	for (i = 0; i < w->count && length < size; i++)
		if (w->jobs[i].fd >= 0)
			length += snprintf(text + length, size - length,
				" %llu", (unsigned long long)
				w->jobs[i].task.task_id);
}

static void leave(struct watcher *w, int exit_code)
{
	int i;

	for (i = 0; i < w->count; i++) {
		struct job *job = &w->jobs[i];

		if (job->fd < 0)
			continue;
		job->exit = exit_code;
		if (w->options->json || exit_code == EXIT_DEADLINE)
			report_running(w->options, job);
	}
	w->exit = worse(w->exit, exit_code);
}

/* How the user who left can come back. */
static void tell_way_back(const struct watcher *w, bool interrupted)
{
	size_t size = 24 * (w->count + 1);
	char *ids = malloc(size);

	if (!ids)
		return;
	running_ids(w, ids, size);
	if (interrupted)
		complain("interrupted; %s on in the background",
			 w->running == 1 ? "the request goes" :
			 "the requests go");
	fprintf(stderr, "  wait for it: vmguestctl wait%s\n", ids);
	fprintf(stderr, "  cancel it:   vmguestctl cancel%s\n", ids);
	free(ids);
}

int leave_running(const struct options *options, struct job *jobs, int count,
		  int exit_code, bool interrupted)
{
	struct watcher w = {
		.options = options, .jobs = jobs, .count = count,
	};
	int i;

	for (i = 0; i < count; i++)
		w.running += jobs[i].fd >= 0;
	leave(&w, exit_code);
	if (w.running && (interrupted || !options->json))
		tell_way_back(&w, interrupted);
	return w.exit;
}

static bool interrupted_by(struct watcher *w)
{
	struct signalfd_siginfo info;

	if (read(w->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	leave(w, 128 + info.ssi_signo);
	tell_way_back(w, true);
	return true;
}

/* One sleep; true when it is time to leave. */
static bool sleep_once(struct watcher *w)
{
	struct epoll_event events[64];
	int i, count, ms = sleep_ms(w);

	count = epoll_wait(w->epoll, events, ARRAY_SIZE(events), ms);
	for (i = 0; i < count; i++) {
		if (events[i].data.u32 == SIGNALS) {
			if (interrupted_by(w))
				return true;
			continue;
		}
		update(w, &w->jobs[events[i].data.u32]);
	}
	if (count || ms || !w->running)
		return false;
	leave(w, EXIT_DEADLINE);
	if (!w->options->json)
		tell_way_back(w, false);
	return true;
}

int watch(const struct options *options, struct job *jobs, int count,
	  int signals)
{
	struct watcher w = {
		.options = options, .jobs = jobs, .count = count,
		.signals = signals, .start_ns = now_ns(),
	};
	int ret;

	w.epoll = epoll_create1(EPOLL_CLOEXEC);
	ret = w.epoll < 0 ? -errno : add_jobs(&w);
	if (ret) {
		complain("cannot wait: %s", strerror(-ret));
		w.exit = EXIT_REFUSED;
		goto out;
	}
	first_look(&w);
	show_progress(&w);
	while (w.running && !sleep_once(&w))
		show_progress(&w);
out:
	line_clear();
	if (w.epoll >= 0)
		close(w.epoll);
	return w.exit;
}
