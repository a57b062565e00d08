// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens, in a line: when, whom, what, and then key=value. What others
 * wrote is between quotation marks; the guest's word has a key that says so.
 */
#include <string.h>

#include "vmguestctl.h"

static void add_text(FILE *to, const char *key, const char *text)
{
	char quoted[SAFE_SIZE(VMGUEST_TEXT_SIZE)];

	if (!*text)
		return;
	quote_text(quoted, sizeof(quoted), text);
	fprintf(to, " %s=\"%s\"", key, quoted);
}

static void add_id(FILE *to, const char *key, uint64_t id)
{
	if (id)
		fprintf(to, " %s=%llu", key, (unsigned long long)id);
}

static void add_bits(FILE *to, const char *key, uint64_t bits,
		     const char *(*name_of)(unsigned int bit))
{
	const char *before = "";
	unsigned int bit;

	if (!bits)
		return;
	fprintf(to, " %s=", key);
	for (bit = 0; bit < 64; bit++)
		if (bits & UINT64_C(1) << bit && name_of(bit)) {
			fprintf(to, "%s%s", before, name_of(bit));
			before = ",";
		}
}

static void add_actor(FILE *to, const char *uid, const char *pid,
		      const struct vmguest_actor *who)
{
	if (who->pid)
		fprintf(to, " %s=%u %s=%d", uid, who->uid, pid, who->pid);
}

static void add_cause(FILE *to, const struct vmguest_cause *cause)
{
	fprintf(to, " by=%s", vmguest_cause_name(cause->by));
	add_id(to, "by-task", cause->task_id);
	if (cause->verb)
		fprintf(to, " by-verb=%s", vmguest_verb_name(cause->verb));
	add_actor(to, "by-uid", "by-pid", &cause->actor);
	add_text(to, "reason", cause->reason);
}

static void add_guest(FILE *to, const struct vmguest_vm_get *vm)
{
	add_bits(to, "capabilities", vm->capabilities,
		 vmguest_capability_name);
	add_text(to, "guest-hostname", vm->hostname);
	add_text(to, "guest-os", vm->os_name);
	add_text(to, "guest-os-version", vm->os_version);
	add_text(to, "guest-kernel", vm->kernel);
	add_text(to, "guest-agent", vm->agent_version);
}

static void add_logoff(FILE *to, const struct vmguest_event *event)
{
	fprintf(to, " logoff=%s", vmguest_logoff_name(event->logoff));
	if (event->targeted)
		fprintf(to, " targeted=%u", event->targeted);
	fprintf(to, " ended=%u left=%u", event->ended, event->left);
	add_text(to, "guest-who", event->who);
}

static void add_vm(FILE *to, const struct vmguest_event *event)
{
	const struct vmguest_vm_get *vm = event->vm;

	fprintf(to, " id=%llu cid=%u state=%s agent=%s",
		(unsigned long long)vm->vm_id, vm->cid, vmguest_state_name(vm->state),
		vm->vm_flags & VMGUEST_VM_AGENT ? "yes" : "no");
	add_id(to, "task", vm->task_id);
	add_bits(to, "changed", event->changed, vmguest_set_name);
	if (event->end)
		fprintf(to, " guest-end=%s", vmguest_end_name(event->end));
	if (event->type == VMGUEST_EVENT_VM_LOGOFF)
		add_logoff(to, event);
	if (event->type == VMGUEST_EVENT_VM) {
		if (vm->heartbeat_ms)
			fprintf(to, " heartbeat=%u%%", vm->heartbeat_percent);
		return;
	}
	if (event->type == VMGUEST_EVENT_VM_AGENT_AVAILABLE)
		add_guest(to, vm);
	add_cause(to, &event->cause);
}

static void add_blockers(FILE *to, const struct vmguest_event *event)
{
	const struct vmguest_task_blocker *blocker;
	uint32_t i;

	for (i = 0; i < event->blockers; i++) {
		blocker = &event->blocker[i];
		fprintf(to, " guest-blocker=%s",
			vmguest_blocker_name(blocker->kind));
		add_text(to, "guest-who", blocker->who);
		add_text(to, "guest-why", blocker->why);
		fprintf(to, " guest-uid=%u", blocker->uid);
		if (blocker->pid)
			fprintf(to, " guest-pid=%u", blocker->pid);
	}
}

static void add_outcome(FILE *to, const struct vmguest_task_get *task)
{
	const char *name = strerrorname_np(-task->error);
	const char *result = vmguest_result_name(task->result);
	char seconds[SECONDS_SIZE];

	fprintf(to, " result=%s error=%s elapsed=%s", result ?: "?",
		task->error ? name ?: "?" : "0",
		format_seconds(seconds, task->end_ns - task->start_ns));
	if (task->verb == VMGUEST_VERB_LOGOFF)
		fprintf(to, " targeted=%u ended=%u left=%u", task->targeted,
			task->ended, task->left);
	add_text(to, "guest-text", task->guest_text);
	add_actor(to, "cancelled-by-uid", "cancelled-by-pid",
		  &task->canceller);
}

static void add_task(FILE *to, const struct vmguest_event *event)
{
	const struct vmguest_task_get *task = event->task;
	const bool complete = task->task_flags & VMGUEST_TASK_COMPLETE;
	char seconds[SECONDS_SIZE];

	fprintf(to, " task=%llu verb=%s%s stage=%s percent=%u",
		(unsigned long long)task->task_id, vmguest_verb_name(task->verb),
		task->task_flags & VMGUEST_TASK_FORCE ? " force=yes" : "",
		vmguest_stage_name(task->stage), task->percent);
	if (!complete)
		fprintf(to, " cancelable=%s", task->task_flags &
			VMGUEST_TASK_CANCELABLE ? "yes" : "no");
	add_bits(to, "proofs", task->proofs, vmguest_proof_name);
	if (complete)
		add_outcome(to, task);
	format_seconds(seconds, task->deadline_ms * NS_PER_MS);
	if (task->deadline_ms)
		fprintf(to, " deadline=%s", seconds);
	add_id(to, "joiners", task->joiners);
	add_id(to, "blockers", task->blockers);
	add_id(to, "superseded-by", task->superseded_by);
	add_actor(to, "by-uid", "by-pid", &task->starter);
	add_text(to, "reason", task->reason);
	add_blockers(to, event);
}

void write_event(FILE *to, const char *time, const struct vmguest_event *event)
{
	const char *name = event->vm ? event->vm->name :
		event->task ? event->task->vm_name : "-";

	fprintf(to, "%s %s %s", time, name, vmguest_event_name(event->type));
	if (event->vm)
		add_vm(to, event);
	if (event->task)
		add_task(to, event);
	if (event->type == VMGUEST_EVENT_OVERRUN && event->lost)
		add_id(to, "lost", event->lost);
	else if (event->type == VMGUEST_EVENT_OVERRUN)
		fputs(" lost=unknown", to);
	fputc('\n', to);
}
