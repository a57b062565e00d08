// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors and outcomes, in words or as JSON. What went well goes to stdout, what
 * did not to stderr; all JSON goes to stdout.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

void say(const char *format, ...)
{
	va_list arguments;

	line_clear();
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

void complain(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	line_clear();
	fflush(stdout);
	fputs("vmguestctl: ", stderr);
	errno = error;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* A line that belongs to the one before it. */
__attribute__((format(printf, 1, 2)))
static void add(const char *format, ...)
{
	va_list arguments;

	fputs("  ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static void add_codes(enum vmguest_layer layer, enum vmguest_verb verb,
		      int error)
{
	const struct vmguest_error *row = vmguest_error_of(layer, verb, error);

	add("HRESULT 0x%08X %s", row->hresult, row->name);
}

/* Why it may be so, and what helps. */
static const char *advice(const struct call_error *error)
{
	const bool call = error->layer == VMGUEST_LAYER_CALL;
	const bool verb = call && error->verb;
	const struct {
		bool here;
		int error;
		const char *words;
	} table[] = {
		{ geteuid() && call, EACCES,
		  "callers other than root are not told which VMs and tasks exist" },
		{ verb, ENOTCONN,
		  "not installed, not running, or the guest is still booting; --queue waits" },
		{ verb, EOPNOTSUPP,
		  "it is too old for this, or has this turned off" },
		{ verb, EBUSY, "wait for it, cancel it, or use --force" },
		{ call, EBUSY, "wait for its request, or use --abort" },
		{ true, EBUSY, "the guest will end" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table) && !error->words; i++)
		if (table[i].here && table[i].error == -error->error)
			return table[i].words;
	return NULL;
}

static const char *words_of(const struct call_error *error)
{
	if (error->words)
		return error->words;
	if (error->error == -EACCES && geteuid())
		return error->layer == VMGUEST_LAYER_CANCEL ?
			"no permission" : "no permission, or no such VM";
	return vmguest_error_of(error->layer, error->verb,
				error->error)->words;
}

/* "web1: cannot shut down: the guest's agent is not connected (ENOTCONN)" */
static void complain_of_call(const struct call_error *error)
{
	const char *name = strerrorname_np(-error->error);
	char task[32] = "";

	if (error->task_id)
		snprintf(task, sizeof(task), ": task %llu",
			 (unsigned long long)error->task_id);
	complain("%s%s%s%s%s%s (%s)", error->subject ?: "",
		 error->subject ? ": " : "", error->what ?: "",
		 error->what ? ": " : "", words_of(error), task,
		 name ? name : "?");
}

void report_call_error(const struct options *options,
		       const struct call_error *error)
{
	if (options->json) {
		json_print(json_of_call_error(error));
		return;
	}
	if (error->exit == EXIT_DONE) {
		say("%s: already down", error->subject);
		return;
	}
	complain_of_call(error);
	if (advice(error))
		add("%s", advice(error));
	if (options->verbose && !error->words)
		add_codes(error->layer, error->verb, error->error);
}

/* Every stage since the last look, also those that passed in between. */
void report_stages(struct job *job)
{
	const struct vmguest_task_get *task = &job->task;
	char seconds[SECONDS_SIZE];
	char prefix[VMGUEST_NAME_SIZE + 16];
	uint32_t stage;

	for (stage = 0; stage < VMGUEST_STAGE_COUNT; stage++) {
		if (!task->stage_ns[stage] || (job->shown & 1U << stage))
			continue;
		job->shown |= 1U << stage;
		format_seconds(seconds,
			       task->stage_ns[stage] - task->start_ns);
		say("%s: +%s %s", job->name, seconds,
		    vmguest_stage_name(stage));
	}
	if (task->blockers != job->blockers) {
		line_clear();
		snprintf(prefix, sizeof(prefix), "%s: blocked by ", job->name);
		print_blockers(job, prefix, stdout);
		fflush(stdout);
		job->blockers = task->blockers;
	}
}

static const char *outcome_advice(const struct vmguest_task_get *task)
{
	if (task->result == VMGUEST_RESULT_SHUTDOWN_ABORT &&
	    (task->error == -EBUSY || task->error == -EACCES) &&
	    !(task->task_flags & VMGUEST_TASK_FORCE))
		return "--force, or --force-after TIME, asks nobody";
	if (task->result == VMGUEST_RESULT_TIMEOUT &&
	    (task->proofs & VMGUEST_PROOF_CHANNEL_DOWN) &&
	    task->verb == VMGUEST_VERB_SHUTDOWN)
		return "the guest has halted, or its VMM does not end with it";
	return NULL;
}

static void add_guest_text(const struct vmguest_task_get *task, FILE *to)
{
	char text[SAFE_SIZE(VMGUEST_TEXT_SIZE)];

	if (!task->guest_text[0])
		return;
	safe_text(text, sizeof(text), task->guest_text);
	fprintf(to, "  the guest says: %s\n", text);
}

static void tell_outcome(const struct options *options, const struct job *job)
{
	const struct vmguest_task_get *task = &job->task;
	char seconds[SECONDS_SIZE], words[256];
	const char *name = strerrorname_np(-task->error);

	vmguest_describe(task, words, sizeof(words));
	format_seconds(seconds, task->end_ns - task->start_ns);
	if (job->exit == EXIT_DONE) {
		say("%s: +%s %s", job->name, seconds, words);
		add_guest_text(task, stdout);
		print_overridden(job, "  the guest says: overridden: ", stdout);
		return;
	}
	complain("%s: +%s %s (%s)", job->name, seconds, words,
		 name ? name : "?");
	add_guest_text(task, stderr);
	print_blockers(job, "  the guest says: blocked by ", stderr);
	if (outcome_advice(task))
		add("%s", outcome_advice(task));
	if (!options->verbose)
		return;
	add("task %llu: %s", (unsigned long long)task->task_id,
	    vmguest_result_name(task->result) ?: "?");
	add_codes(VMGUEST_LAYER_TASK, task->verb, task->error);
}

void report_outcome(const struct options *options, const struct job *job)
{
	if (options->json)
		json_print(json_of_job(job));
	else
		tell_outcome(options, job);
}

/* A task that is left alone while it runs. */
void report_running(const struct options *options, const struct job *job)
{
	const struct vmguest_task_get *task = &job->task;
	char words[256];

	if (options->json) {
		json_print(json_of_job(job));
		return;
	}
	vmguest_describe(task, words, sizeof(words));
	complain("%s: stopped waiting, but task %llu goes on: %s", job->name,
		 (unsigned long long)task->task_id, words);
}

static void print_time(const char *label, uint64_t ns, uint64_t since)
{
	char seconds[SECONDS_SIZE];

	if (ns)
		printf("%-14s +%s\n", label, format_seconds(seconds, ns - since));
}

static void print_text(const char *label, const char *text)
{
	char safe[SAFE_SIZE(VMGUEST_TEXT_SIZE)];

	if (!*text)
		return;
	safe_text(safe, sizeof(safe), text);
	printf("%-14s %s\n", label, safe);
}

static void print_actors(const struct vmguest_task_get *task)
{
	uint32_t i;

	printf("%-14s uid %u, pid %d\n", "started by", task->starter.uid,
	       task->starter.pid);
	for (i = 0; i < task->joiners && i < VMGUEST_TASK_JOINERS; i++)
		printf("%-14s uid %u, pid %d\n", "joined by",
		       task->joiner[i].uid, task->joiner[i].pid);
	if (task->joiners > VMGUEST_TASK_JOINERS)
		printf("%-14s %u more\n", "joined by",
		       task->joiners - VMGUEST_TASK_JOINERS);
	if (task->canceller.pid)
		printf("%-14s uid %u, pid %d\n", "cancelled by",
		       task->canceller.uid, task->canceller.pid);
}

static void print_limits(const struct vmguest_task_get *task)
{
	char seconds[SECONDS_SIZE];

	if (task->verb == VMGUEST_VERB_SHUTDOWN)
		printf("%-14s %s\n", "until",
		       vmguest_until_name(task->until));
	printf("%-14s %s\n", "deadline", task->deadline_ms ?
	       format_seconds(seconds, task->deadline_ms * UINT64_C(1000000)) :
	       "none");
	if (task->force_after_ms)
		printf("%-14s %s\n", "forced after",
		       format_seconds(seconds, task->force_after_ms *
				      UINT64_C(1000000)));
}

static void print_task(const struct options *options, const struct job *job)
{
	const struct vmguest_task_get *task = &job->task;
	const bool complete = task->task_flags & VMGUEST_TASK_COMPLETE;
	char words[256];
	uint32_t stage;

	vmguest_describe(task, words, sizeof(words));
	printf("%-14s %llu\n", "task", (unsigned long long)task->task_id);
	printf("%-14s %s\n", "vm", task->vm_name);
	printf("%-14s %s%s\n", "verb", vmguest_verb_name(task->verb),
	       task->task_flags & VMGUEST_TASK_FORCE ? ", forced" : "");
	printf("%-14s %s\n", complete ? "ended" : "running", words);
	if (complete)
		printf("%-14s %s\n", "result",
		       vmguest_result_name(task->result) ?: "?");
	else
		printf("%-14s %s, %u %%, %s\n", "stage",
		       vmguest_stage_name(task->stage), task->percent,
		       task->task_flags & VMGUEST_TASK_CANCELABLE ?
		       "can be cancelled" : "cannot be cancelled");
	print_text("guest says", task->guest_text);
	print_blockers(job, "blocked by     ", stdout);
	print_text("reason", task->reason);
	print_actors(task);
	print_limits(task);
	for (stage = 0; stage < VMGUEST_STAGE_COUNT; stage++)
		print_time(vmguest_stage_name(stage), task->stage_ns[stage],
			   task->start_ns);
	print_time("end", task->end_ns, task->start_ns);
	if (options->verbose && complete) {
		const struct vmguest_error *row;

		row = vmguest_error_of(VMGUEST_LAYER_TASK, task->verb,
				       task->error);
		printf("%-14s 0x%08X %s\n", "HRESULT", row->hresult,
		       row->name);
	}
}

void report_task(const struct options *options, const struct job *job)
{
	if (options->json)
		json_print(json_of_job(job));
	else
		print_task(options, job);
}

static void print_guest_text(const char *label, const char *text)
{
	char with[32];

	snprintf(with, sizeof(with), "%s (guest says)", label);
	if (*text) {
		char safe[SAFE_SIZE(VMGUEST_INFO_SIZE)];

		safe_text(safe, sizeof(safe), text);
		printf("%-22s %s\n", with, safe);
	}
}

static void print_bits(const char *label, uint64_t bits,
		       const char *(*name_of)(unsigned int bit))
{
	unsigned int bit;

	printf("%-22s", label);
	for (bit = 0; bit < 64; bit++)
		if (bits & UINT64_C(1) << bit && name_of(bit))
			printf(" %s", name_of(bit));
	putchar('\n');
}

static void print_id(const char *label, uint64_t id)
{
	if (id)
		printf("%-22s %llu\n", label, (unsigned long long)id);
}

static const char *agent_of(const struct vmguest_vm_get *vm)
{
	return vm->vm_flags & VMGUEST_VM_AGENT ? "connected" : "no";
}

static void print_vm(const struct options *options,
		     const struct vmguest_vm_get *vm)
{
	printf("%-22s %s\n", "name", vm->name);
	print_id("id", vm->vm_id);
	printf("%-22s %u\n", "cid", vm->cid);
	printf("%-22s %s%s%s%s%s\n", "state", vmguest_state_name(vm->state),
	       vm->vm_flags & VMGUEST_VM_PAUSED ? ", paused" : "",
	       vm->vm_flags & VMGUEST_VM_MIGRATING ? ", migrating" : "",
	       vm->vm_flags & VMGUEST_VM_LIFELINE ? ", lifeline" : "",
	       vm->vm_flags & VMGUEST_VM_UNREGISTERED ?
	       ", registered by nobody" : "");
	printf("%-22s uid %u, gid %u, mode %04o\n", "owner", vm->uid, vm->gid,
	       vm->mode);
	printf("%-22s %s\n", "agent", agent_of(vm));
	if (vm->heartbeat_ms)
		printf("%-22s %s, %u %% of the last minute\n", "heartbeat",
		       vm->vm_flags & VMGUEST_VM_HEARTBEATING ? "yes" : "no",
		       vm->heartbeat_percent);
	if (vm->capabilities)
		print_bits("capabilities", vm->capabilities,
			   vmguest_capability_name);
	print_id("running task", vm->task_id);
	print_id("last task", vm->last_task_id);
	print_guest_text("host name", vm->hostname);
	print_guest_text("os", vm->os_name);
	print_guest_text("os version", vm->os_version);
	print_guest_text("kernel", vm->kernel);
	print_guest_text("agent", vm->agent_version);
	printf("%-22s %u", "sessions (guest says)", vm->sessions);
	if (vm->locked)
		printf(", %u locked", vm->locked);
	putchar('\n');
	if (options->verbose)
		printf("%-22s %llu in, %llu out, %llu malformed, %llu refused\n",
		       "frames", (unsigned long long)vm->frames_in,
		       (unsigned long long)vm->frames_out,
		       (unsigned long long)vm->malformed,
		       (unsigned long long)vm->refused);
}

void report_vm(const struct options *options, const struct vmguest_vm_get *vm)
{
	if (options->json)
		json_print(json_of_vm(vm));
	else
		print_vm(options, vm);
}

void report_vm_row(const struct vmguest_vm_get *vm)
{
	char task[24] = "-";

	if (vm->task_id)
		snprintf(task, sizeof(task), "%llu",
			 (unsigned long long)vm->task_id);
	printf("%-5llu %-24s %-10u %-9s %-10s %s\n",
	       (unsigned long long)vm->vm_id, vm->name, vm->cid,
	       vmguest_state_name(vm->state), agent_of(vm), task);
}
