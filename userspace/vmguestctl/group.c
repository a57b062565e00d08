// SPDX-License-Identifier: GPL-2.0-only
/* Many requests in one call: each outcome as it comes, and how many are left. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmguestctl.h"

#define MS_PER_SECOND	1000
#define BAR_WIDTH	20
#define RECORDS		64

struct group {
	struct batch *batch;
	int fd;
	int signals;
	bool *told;		/* whose record was read */
	int told_count;
	int done;		/* of those, in success */
	uint64_t start_ns;
};

static int fill_members(const struct batch *batch,
			struct vmguest_group_member *members)
{
	struct vmguest_options how = batch->how;
	int i, ret = 0;

	how.reason = NULL;
	for (i = 0; i < batch->targets.count && !ret; i++) {
		ret = vmguest_fill_member(&members[i], sizeof(members[i]),
					  batch->verb, &batch->targets.vms[i],
					  &how);
		members[i].order = batch->targets.orders[i];
	}
	return ret;
}

/* The group's fd, or a negative errno. */
static int start_group(const struct batch *batch)
{
	struct vmguest_group_options how = VMGUEST_GROUP_OPTIONS;
	struct vmguest_group_member *members;
	int ret;

	how.parallel = batch->options->parallel;
	how.reason = batch->how.reason;
	members = calloc(batch->targets.count, sizeof(*members));
	if (!members)
		return -ENOMEM;
	ret = fill_members(batch, members);
	if (!ret)
		ret = vmguest_group(batch->client, members,
				    batch->targets.count, &how);
	free(members);
	if (ret >= 0 && fcntl(ret, F_SETFL, O_NONBLOCK))
		ret = -errno;
	return ret;
}

/* Of one that may not be seen, or is not kept any more, the record is all. */
static void look_at(const struct batch *batch, struct job *job,
		    const struct vmguest_group_record *record)
{
	job->fd = vmguest_open_task(batch->client, record->task_id);
	if (job->fd >= 0 && !look(job))
		return;
	job->task = (struct vmguest_task_get) {
		.task_id = record->task_id, .vm_id = record->vm_id,
		.verb = record->verb, .stage = record->stage,
		.task_flags = record->task_flags, .proofs = record->proofs,
		.until = record->until, .result = record->result,
		.error = record->error, .targeted = record->targeted,
		.ended = record->ended, .left = record->left,
		.superseded_by = record->superseded_by,
		.start_ns = record->start_ns, .end_ns = record->end_ns,
	};
	snprintf(job->task.vm_name, sizeof(job->task.vm_name), "%s",
		 job->name);
}

/* It had joined a task that has more time than it. */
static void tell_given_up(const struct batch *batch, const struct job *job)
{
	if (batch->options->json)
		json_print(json_of_job(job));
	else
		complain("%s: the deadline passed, but task %llu, which ran before, goes on (ETIMEDOUT)",
			 job->name, (unsigned long long)job->task.task_id);
}

static void tell_task(const struct batch *batch, struct job *job,
		      const struct vmguest_group_record *record)
{
	const struct options *options = batch->options;

	look_at(batch, job, record);
	if (!(record->task_flags & VMGUEST_TASK_COMPLETE)) {
		job->exit = EXIT_DEADLINE;
		tell_given_up(batch, job);
	} else {
		job->exit = exit_of_task(&job->task);
		/* The bar counts what needs no more words. */
		if (job->exit != EXIT_DONE || !line_is_live() ||
		    options->verbose)
			report_outcome(options, job);
	}
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
}

static void tell(struct group *group,
		 const struct vmguest_group_record *record)
{
	struct batch *batch = group->batch;
	struct job *job = &batch->jobs[record->index];

	if (record->record_flags & VMGUEST_RECORD_STARTED)
		tell_task(batch, job, record);
	else
		ask_failed(batch, record->index, record->error,
			   record->task_id);
	batch->exit = worse(batch->exit, job->exit);
	group->told[record->index] = true;
	group->told_count++;
	group->done += job->exit == EXIT_DONE;
}

/* What there is by now. Return: 1 when there will be more, 0, or an errno. */
static int tell_all(struct group *group)
{
	struct vmguest_group_record records[RECORDS];
	int i, count;

	while ((count = vmguest_group_read(group->fd, records,
					   sizeof(records[0]), RECORDS)) > 0)
		for (i = 0; i < count; i++)
			tell(group, &records[i]);
	return count == -EAGAIN ? 1 : count;
}

/* "[##########..........] 20/40 guests, 1 failed, 12s" */
static void show_bar(const struct group *group)
{
	int count = group->batch->targets.count, i;
	int filled = (int64_t)group->told_count * BAR_WIDTH / count;
	char bar[BAR_WIDTH + 1] = "", failed[32] = "", line[128];

	if (!line_is_live())
		return;
	for (i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < filled ? '#' : '.';
	if (group->done < group->told_count)
		snprintf(failed, sizeof(failed), ", %d failed",
			 group->told_count - group->done);
	snprintf(line, sizeof(line), "[%s] %d/%d guests%s, %llus", bar,
		 group->told_count, count, failed,
		 (unsigned long long)((now_ns() - group->start_ns) /
				      NS_PER_MS / MS_PER_SECOND));
	line_show(line);
}

static void tell_sum(const struct group *group)
{
	char seconds[SECONDS_SIZE];

	if (group->batch->options->json)
		return;
	format_seconds(seconds, now_ns() - group->start_ns);
	say("%d of %d guests done in %s", group->done,
	    group->batch->targets.count, seconds);
}

/* Milliseconds to sleep at most, 0 when the patience has ended. */
static int sleep_ms(const struct group *group)
{
	int64_t wait_ms = group->batch->options->wait_ms;
	int64_t left = INT64_MAX;

	if (wait_ms >= 0)
		left = wait_ms -
			(int64_t)((now_ns() - group->start_ns) / NS_PER_MS);
	if (left <= 0)
		return 0;
	if (line_is_live() && left > MS_PER_SECOND)
		return MS_PER_SECOND;
	return left > INT32_MAX ? -1 : (int)left;
}

/* Another's that was there before is not this group's, unless it may join. */
static bool may_be_ours(const struct group *group,
			const struct vmguest_task_get *task)
{
	return task->verb == group->batch->verb &&
	       (task->start_ns >= group->start_ns ||
		(group->batch->how.flags & VMGUEST_REQ_JOIN));
}

/* The task of a member that has no record, or nothing to leave. */
static void find_task(const struct group *group, int index)
{
	const struct batch *batch = group->batch;
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	struct job *job = &batch->jobs[index];

	if (vmguest_find(batch->client, &batch->targets.vms[index], &vm) ||
	    !vm.task_id)
		return;
	job->fd = vmguest_open_task(batch->client, vm.task_id);
	if (job->fd < 0)
		return;
	if (!look(job) && may_be_ours(group, &job->task))
		return;
	close(job->fd);
	job->fd = -1;
}

/* Nobody can tell which PINGs of a VM are whose: they do not stand in its way. */
static void tell_no_task(struct batch *batch, int index, int exit_code)
{
	bool ping = batch->verb == VMGUEST_VERB_PING;

	report_call_error(batch->options, &(struct call_error) {
		.subject = batch->targets.words[index],
		.verb = batch->verb,
		.layer = VMGUEST_LAYER_CALL,
		.words = ping ? "has not answered" :
				"not started, and will not be",
		.error = -ECANCELED,
		.exit = exit_code,
	});
	batch->exit = worse(batch->exit, exit_code);
}

/* Nothing starts any more; what runs goes on, and the user is told how. */
static void leave(struct group *group, int exit_code, bool interrupted)
{
	struct batch *batch = group->batch;
	int i;

	close(group->fd);
	group->fd = -1;
	for (i = 0; i < batch->targets.count; i++) {
		if (group->told[i])
			continue;
		find_task(group, i);
		if (batch->jobs[i].fd < 0)
			tell_no_task(batch, i, exit_code);
	}
	batch->exit = worse(batch->exit,
			    leave_running(batch->options, batch->jobs,
					  batch->targets.count, exit_code,
					  interrupted));
}

/* The exit code of a signal that came, or 0. */
static int caught(const struct group *group)
{
	struct signalfd_siginfo info;

	if (read(group->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	return 128 + info.ssi_signo;
}

static void watch_group(struct group *group)
{
	struct pollfd fds[] = {
		{ .fd = group->fd, .events = POLLIN },
		{ .fd = group->signals, .events = POLLIN },
	};
	int ret, ms, signal = 0;

	while ((ret = tell_all(group)) > 0) {
		show_bar(group);
		ms = sleep_ms(group);
		if (!poll(fds, ARRAY_SIZE(fds), ms) && !ms) {
			leave(group, EXIT_DEADLINE, false);
			break;
		}
		signal = caught(group);
		if (signal) {
			tell_all(group);
			leave(group, signal, true);
			break;
		}
	}
	line_clear();
	if (ret < 0) {
		complain("cannot wait: %s", strerror(-ret));
		group->batch->exit = worse(group->batch->exit, EXIT_REFUSED);
	}
}

int ask_group(struct batch *batch, int signals)
{
	struct group group = {
		.batch = batch, .signals = signals, .start_ns = now_ns(),
	};

	if (!batch->targets.count) {
		if (!batch->options->json)
			say("no VM is there");
		return EXIT_DONE;
	}
	group.told = calloc(batch->targets.count, sizeof(*group.told));
	group.fd = group.told ? start_group(batch) : -ENOMEM;
	if (group.fd < 0) {
		free(group.told);
		if (batch->targets.count > VMGUEST_GROUP_MAX) {
			complain("more than %d VMs", VMGUEST_GROUP_MAX);
			return EXIT_USAGE;
		}
		return call_failed(batch->options, VMGUEST_LAYER_CALL, NULL,
				   "cannot ask anybody", group.fd);
	}
	watch_group(&group);
	tell_sum(&group);
	if (group.fd >= 0)
		close(group.fd);
	free(group.told);
	return batch->exit;
}
