// SPDX-License-Identifier: GPL-2.0-only
/* All tasks: those that run, and those that ended and are kept. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

struct listing {
	const struct options *options;
	uint64_t now;
};

static void print_row(const struct vmguest_task_get *task, uint64_t now)
{
	const bool complete = task->task_flags & VMGUEST_TASK_COMPLETE;
	char left[SECONDS_SIZE] = "-", by[16] = "-";
	char reason[SAFE_SIZE(VMGUEST_TEXT_SIZE)];
	int64_t ns = deadline_left(task, now);

	if (ns >= 0)
		format_seconds(left, ns);
	if (task->starter.pid)
		snprintf(by, sizeof(by), "%u", task->starter.uid);
	safe_text(reason, sizeof(reason), task->reason);
	printf("%-7llu %-24s %-8s %-22s %4u %10s %5s %s\n",
	       (unsigned long long)task->task_id, task->vm_name,
	       vmguest_verb_name(task->verb), complete ?
	       vmguest_result_name(task->result) ?: "?" :
	       vmguest_stage_name(task->stage), task->percent, left, by,
	       *reason ? reason : "-");
}

static int tell(const struct vmguest_event *event, void *context)
{
	const struct listing *listing = context;

	if (listing->options->json)
		json_print(json_of_task(event, listing->now));
	else
		print_row(event->task, listing->now);
	return 0;
}

/* As with the other commands, a name means the VM that has it now. */
static int filter_one(const struct options *options, int client,
		      struct vmguest_monitor *monitor, const char *word)
{
	struct vmguest_vm_get info = { .size = sizeof(info) };
	struct vmguest_vm_ref vm;
	int error;

	parse_vm(word, &vm);
	error = vmguest_find(client, &vm, &info);
	if (!error) {
		vm = (struct vmguest_vm_ref) { .id = info.vm_id };
		error = vmguest_monitor_filter(monitor, &vm);
	}
	return error ? call_failed(options, VMGUEST_LAYER_CALL, word,
				   "cannot list its tasks", error) : EXIT_DONE;
}

static int filter(const struct options *options,
		  struct vmguest_monitor *monitor, char **words, int count,
		  int *failed)
{
	int i, ret, client, worst = EXIT_DONE;

	if (!count)
		return EXIT_DONE;
	client = open_client(options);
	if (client < 0) {
		*failed = count;
		return -client;
	}
	for (i = 0; i < count; i++) {
		ret = filter_one(options, client, monitor, words[i]);
		*failed += ret != EXIT_DONE;
		worst = worse(worst, ret);
	}
	close(client);
	return worst;
}

static int list_tasks(const struct options *options,
		      struct vmguest_monitor *monitor)
{
	struct listing listing = { .options = options, .now = now_ns() };
	int error;

	if (!options->json)
		printf("%-7s %-24s %-8s %-22s %4s %10s %5s %s\n", "TASK", "VM",
		       "VERB", "STATE", "%", "LEFT", "UID", "REASON");
	error = vmguest_monitor_dump(monitor, VMGUEST_MONITOR_TASK, tell,
				     &listing);
	return error ? monitor_failed(options, "cannot list", error) :
		EXIT_DONE;
}

int tasks_command(const struct options *options, char **words, int count)
{
	struct vmguest_monitor *monitor;
	int ret, failed = 0;

	ret = check_vms(words, count);
	if (ret)
		return ret;
	ret = open_monitor(options, 0, &monitor);
	if (ret)
		return ret;
	ret = filter(options, monitor, words, count, &failed);
	if (!count || failed < count)
		ret = worse(ret, list_tasks(options, monitor));
	vmguest_monitor_close(monitor);
	return ret;
}
