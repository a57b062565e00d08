// SPDX-License-Identifier: GPL-2.0-only
/* Requests under way, whoever started them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

static int parse_tasks(char **words, int count, uint64_t *ids)
{
	int i;

	for (i = 0; i < count; i++)
		if (parse_number(words[i], 1, UINT64_MAX, &ids[i]))
			return usage_error("'%s' is not the number of a task",
					   words[i]);
	return 0;
}

/* The job of a task, with a first look; 0 or an exit code after saying why. */
static int open_job(const struct options *options, int client, uint64_t id,
		    const char *word, struct job *job)
{
	int ret;

	job->subject = word;
	job->fd = vmguest_open_task(client, id);
	ret = job->fd < 0 ? job->fd : look(job);
	if (!ret) {
		snprintf(job->name, sizeof(job->name), "%s",
			 job->task.vm_name);
		return 0;
	}
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	return call_failed(options, VMGUEST_LAYER_CALL, word,
			   "cannot open this task", ret);
}

static int wait_all(const struct options *options, struct job *jobs, int count,
		    int ret)
{
	int signals = catch_signals();

	if (signals < 0) {
		complain("cannot catch signals: %s", strerror(-signals));
		return EXIT_REFUSED;
	}
	ret = worse(ret, watch(options, jobs, count, signals));
	close(signals);
	return ret;
}

static int cancel_all(const struct options *options, struct job *jobs,
		      int count, char **words, int ret)
{
	int i, error;

	for (i = 0; i < count; i++) {
		if (jobs[i].fd < 0)
			continue;
		error = vmguest_cancel(jobs[i].fd);
		if (error) {
			ret = worse(ret, call_failed(options,
						     VMGUEST_LAYER_CANCEL,
						     words[i],
						     "cannot cancel this task",
						     error));
			continue;
		}
		if (!options->json)
			say("%s: task %s cancelled", jobs[i].name, words[i]);
		else if (!look(&jobs[i]))
			json_print(json_of_job(&jobs[i]));
	}
	return ret;
}

static int show(const struct options *options, struct job *job)
{
	if (job->fd < 0)
		return EXIT_DONE;
	job->exit = EXIT_DONE;
	report_task(options, job);
	return EXIT_DONE;
}

static int act(const struct options *options, enum command_bit what,
	       struct job *jobs, char **words, int count, int ret)
{
	switch (what) {
	case COMMAND_WAIT:
		return wait_all(options, jobs, count, ret);
	case COMMAND_CANCEL:
		return cancel_all(options, jobs, count, words, ret);
	default:
		return worse(ret, show(options, jobs));
	}
}

static int with_tasks(const struct options *options, enum command_bit what,
		      char **words, int count)
{
	uint64_t *ids = calloc(count, sizeof(*ids));
	struct job *jobs = calloc(count, sizeof(*jobs));
	int i, client, ret;

	if (!ids || !jobs) {
		complain("out of memory");
		ret = EXIT_REFUSED;
		goto out;
	}
	ret = parse_tasks(words, count, ids);
	if (ret)
		goto out;
	client = open_client(options);
	if (client < 0) {
		ret = -client;
		goto out;
	}
	for (i = 0; i < count; i++)
		ret = worse(ret, open_job(options, client, ids[i], words[i],
					  &jobs[i]));
	ret = act(options, what, jobs, words, count, ret);
	close(client);
out:
	free(jobs);
	free(ids);
	return ret;
}

int wait_command(const struct options *options, char **words, int count)
{
	return with_tasks(options, COMMAND_WAIT, words, count);
}

int cancel_command(const struct options *options, char **words, int count)
{
	return with_tasks(options, COMMAND_CANCEL, words, count);
}

int task_command(const struct options *options, char **words, int count)
{
	return with_tasks(options, COMMAND_TASK, words, count);
}
