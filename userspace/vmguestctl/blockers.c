// SPDX-License-Identifier: GPL-2.0-only
/* Who is in the way of a request. All that it tells is the guest's word. */
#include <errno.h>
#include <unistd.h>

#include "vmguestctl.h"

bool next_blocker(const struct job *job, uint32_t *index,
		  struct vmguest_task_blocker *blocker)
{
	blocker->size = sizeof(*blocker);
	return *index < job->task.blockers &&
	       !vmguest_blocker(job->fd, (*index)++, blocker);
}

static void print_blocker(const struct vmguest_task_blocker *blocker,
			  const char *prefix, FILE *to)
{
	char who[SAFE_SIZE(VMGUEST_TEXT_SIZE)];
	char why[SAFE_SIZE(VMGUEST_TEXT_SIZE)];

	safe_text(who, sizeof(who), blocker->who);
	safe_text(why, sizeof(why), blocker->why);
	fprintf(to, "%s%s \"%s\" (uid %u", prefix,
		vmguest_blocker_name(blocker->kind), who, blocker->uid);
	if (blocker->pid)
		fprintf(to, ", pid %u", blocker->pid);
	fprintf(to, ")%s%s\n", *why ? ": " : "", why);
}

void print_blockers(const struct job *job, const char *prefix, FILE *to)
{
	struct vmguest_task_blocker blocker;
	uint32_t i = 0;

	while (next_blocker(job, &i, &blocker))
		print_blocker(&blocker, prefix, to);
}

/* Whom a force did not ask; what still had to be stopped is no news. */
void print_overridden(const struct job *job, const char *prefix, FILE *to)
{
	struct vmguest_task_blocker blocker;
	uint32_t i = 0;

	if (!(job->task.task_flags & VMGUEST_TASK_FORCE))
		return;
	while (next_blocker(job, &i, &blocker))
		if (blocker.kind != VMGUEST_BLOCKER_STOP_JOB)
			print_blocker(&blocker, prefix, to);
}

static void tell_blockers(const struct options *options,
			  const struct job *job)
{
	if (options->json)
		json_print(json_of_blockers(job));
	else if (job->task.blockers)
		print_blockers(job, "", stdout);
	else
		say("%s: nobody is in the way", job->name);
}

/* Of the running request, or of the one that ended last; 0 or an errno. */
static int open_request(int client, const struct vmguest_vm_ref *vm,
			struct job *job)
{
	struct vmguest_vm_get info = { .size = sizeof(info) };
	int ret;

	ret = vmguest_find(client, vm, &info);
	if (ret)
		return ret;
	snprintf(job->name, sizeof(job->name), "%s", info.name);
	if (!info.task_id && !info.last_task_id)
		return 0;
	job->fd = vmguest_open_task(client, info.task_id ?: info.last_task_id);
	return job->fd < 0 ? job->fd : look(job);
}

int blockers_command(const struct options *options, char **words, int count)
{
	struct job job = { .subject = words[0], .fd = -1 };
	struct vmguest_vm_ref vm;
	int client, ret;

	(void)count;
	client = open_vm(options, words[0], &vm);
	if (client < 0)
		return -client;
	ret = open_request(client, &vm, &job);
	close(client);
	if (ret) {
		job.exit = call_failed(options, VMGUEST_LAYER_CALL, words[0],
				       "cannot read who is in the way", ret);
	} else {
		tell_blockers(options, &job);
	}
	if (job.fd >= 0)
		close(job.fd);
	return job.exit;
}
