// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task in words: what is known about it, and no more. Only the caller knows
 * who reads it, so nothing of what the guest wrote is in here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

struct sentence {
	char *text;
	size_t size;
	size_t length;
};

__attribute__((format(printf, 2, 3)))
static void add(struct sentence *s, const char *format, ...)
{
	size_t at = s->length < s->size ? s->length : s->size;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(s->text + at, s->size - at, format, arguments);
	va_end(arguments);
	if (length > 0)
		s->length += length;
}

static int proven(const struct vmguest_task_get *task, unsigned int proofs)
{
	return (task->proofs & proofs) == proofs;
}

static void running(struct sentence *s, const struct vmguest_task_get *task)
{
	static const char * const words[VMGUEST_STAGE_COUNT] = {
		[VMGUEST_STAGE_QUEUED]	= "waiting for the guest's agent",
		[VMGUEST_STAGE_SENT]	= "sent, not answered yet",
		[VMGUEST_STAGE_ACCEPTED] = "the guest's agent accepted",
		[VMGUEST_STAGE_BLOCKED]	=
			"somebody in the guest stands in the way",
		[VMGUEST_STAGE_STOPPING] = "the guest is stopping",
		[VMGUEST_STAGE_LAST_BREATH] = "the guest is about to end",
		[VMGUEST_STAGE_CHANNEL_DOWN] =
			"the guest is down, its VMM still runs",
		[VMGUEST_STAGE_VM_GONE]	= "the VM is gone",
	};

	if (task->stage >= VMGUEST_STAGE_COUNT)
		add(s, "running");
	else if (task->verb == VMGUEST_VERB_RESTART &&
		 task->stage == VMGUEST_STAGE_CHANNEL_DOWN)
		add(s, "the guest is down, not back yet");
	else if (task->verb == VMGUEST_VERB_LOGOFF &&
		 task->stage == VMGUEST_STAGE_STOPPING)
		add(s, "the sessions are ending");
	else
		add(s, "%s", words[task->stage]);
}

static void shut_down(struct sentence *s, const struct vmguest_task_get *task)
{
	if (task->until == VMGUEST_UNTIL_DOWN)
		add(s, "the guest is down");
	else if (task->task_flags & VMGUEST_TASK_CLEAN_UNKNOWN)
		add(s, "the VM is gone; whether cleanly is not known: its agent cannot tell");
	else
		add(s, "the VM is gone, cleanly");
}

static void logged_off(struct sentence *s, const struct vmguest_task_get *task)
{
	if (task->ended == 1)
		add(s, "the session has ended");
	else
		add(s, "all %u sessions have ended", task->ended);
}

static void succeeded(struct sentence *s, const struct vmguest_task_get *task)
{
	if (task->verb == VMGUEST_VERB_PING)
		add(s, "the guest's agent answered");
	else if (task->until == VMGUEST_UNTIL_ACCEPTED)
		add(s, "the guest's agent accepted");
	else if (task->verb == VMGUEST_VERB_SHUTDOWN)
		shut_down(s, task);
	else if (task->verb == VMGUEST_VERB_RESTART)
		add(s, "the guest has restarted");
	else
		logged_off(s, task);
}

static void cancelled(struct sentence *s, const struct vmguest_task_get *task)
{
	if (task->superseded_by)
		add(s, "superseded by task %llu",
		    (unsigned long long)task->superseded_by);
	else if (task->canceller.pid)
		add(s, "cancelled by uid %u, pid %d", task->canceller.uid,
		    task->canceller.pid);
	else if (task->task_flags & VMGUEST_TASK_VM_UNREGISTERED)
		add(s, "cancelled: the VM was unregistered");
	else
		add(s, "cancelled");
}

/* Past the deadline, how far it came says what is to be done about it. */
static void late(struct sentence *s, const struct vmguest_task_get *task)
{
	add(s, "deadline passed: ");
	if (proven(task, VMGUEST_PROOF_CHANNEL_DOWN))
		add(s, task->verb == VMGUEST_VERB_RESTART ?
		    "the guest is down and has not come back" :
		    "the guest is down but its VMM still runs");
	else if (proven(task, VMGUEST_PROOF_LAST_BREATH))
		add(s, "the guest was about to end and is still there");
	else if (proven(task, VMGUEST_PROOF_COMMITTED))
		add(s, task->verb == VMGUEST_VERB_LOGOFF ?
		    "not all sessions have ended" :
		    "the guest is still stopping");
	else if (task->stage == VMGUEST_STAGE_QUEUED)
		add(s, "the guest's agent was not there to be asked");
	else if (task->stage == VMGUEST_STAGE_BLOCKED)
		add(s, "somebody in the guest stands in the way; nothing was done");
	else if (proven(task, VMGUEST_PROOF_ACCEPTED))
		add(s, "the guest had not begun and will not");
	else
		add(s, "the guest's agent did not answer");
}

static void ended_otherwise(struct sentence *s,
			    const struct vmguest_task_get *task)
{
	if (task->verb == VMGUEST_VERB_SHUTDOWN &&
	    proven(task, VMGUEST_PROOF_NEW_BOOT))
		add(s, "the guest restarted instead of shutting down");
	else if (task->verb == VMGUEST_VERB_LOGOFF)
		add(s, "the guest ended before its sessions did");
	else if (task->verb == VMGUEST_VERB_RESTART &&
		 proven(task, VMGUEST_PROOF_LAST_BREATH))
		add(s, "the guest went down instead of restarting");
	else if (proven(task, VMGUEST_PROOF_LAST_BREATH))
		add(s, "the guest ended in another way than asked for");
	else if (proven(task, VMGUEST_PROOF_VM_GONE))
		add(s, "gone, not clean: it ended without last breath (crash, kill or migration)");
	else
		add(s, "not clean: the guest ended without last breath");
}

static void failed(struct sentence *s, const struct vmguest_task_get *task)
{
	switch (-task->error) {
	case ECONNABORTED:
		ended_otherwise(s, task);
		break;
	case ENOTCONN:
		add(s, "the guest's agent went away");
		break;
	case EIO:
		add(s, "the guest's agent tried and failed");
		break;
	default:
		add(s, "%s", vmguest_error_of(VMGUEST_LAYER_TASK, task->verb,
					      task->error)->words);
	}
}

static void refused(struct sentence *s, const struct vmguest_task_get *task)
{
	switch (-task->error) {
	case EACCES:
		add(s, "refused: the guest's own rules forbid it");
		break;
	case EBUSY:
		add(s, "blocked: somebody in the guest stands in the way");
		break;
	default:
		add(s, "refused: %s",
		    vmguest_error_of(VMGUEST_LAYER_TASK, task->verb,
				     task->error)->words);
	}
}

static void ended(struct sentence *s, const struct vmguest_task_get *task)
{
	switch (task->result) {
	case VMGUEST_RESULT_SUCCESS:
		succeeded(s, task);
		break;
	case VMGUEST_RESULT_CANCELLED:
		cancelled(s, task);
		break;
	case VMGUEST_RESULT_TIMEOUT:
		late(s, task);
		break;
	case VMGUEST_RESULT_SHUTDOWN_ABORT:
		refused(s, task);
		break;
	case VMGUEST_RESULT_OUT_OF_MEMORY:
		add(s, "the guest ran out of memory");
		break;
	case VMGUEST_RESULT_ILLEGAL_VALUE:
		add(s, "the guest's agent could not make sense of the request");
		break;
	default:
		failed(s, task);
	}
}

/* What has been added to an outcome that would else be told in silence. */
static void remarks(struct sentence *s, const struct vmguest_task_get *task)
{
	if ((task->task_flags & VMGUEST_TASK_ESCALATED) &&
	    !task->force_after_ms)
		add(s, "; forced");
	else if (task->task_flags & VMGUEST_TASK_ESCALATED)
		add(s, "; forced after %g s", task->force_after_ms / 1000.0);
	if (task->verb == VMGUEST_VERB_LOGOFF && task->left)
		add(s, "; %u of %u sessions left", task->left, task->targeted);
}

int vmguest_describe(const struct vmguest_task_get *task, char *text,
		     size_t size)
{
	struct sentence s = { .text = text, .size = size };

	if (size)
		text[0] = '\0';
	if (task->task_flags & VMGUEST_TASK_COMPLETE)
		ended(&s, task);
	else
		running(&s, task);
	remarks(&s, task);
	return s.length;
}

static void not_started(struct sentence *s,
			const struct vmguest_group_record *record)
{
	add(s, "%s", vmguest_error_of(VMGUEST_LAYER_CALL, record->verb,
				      record->error)->words);
	if (record->task_id)
		add(s, ": task %llu", (unsigned long long)record->task_id);
}

int vmguest_describe_record(const struct vmguest_group_record *record,
			    char *text, size_t size)
{
	const struct vmguest_task_get task = {
		.verb = record->verb, .stage = record->stage,
		.task_flags = record->task_flags, .proofs = record->proofs,
		.until = record->until, .result = record->result,
		.error = record->error, .targeted = record->targeted,
		.ended = record->ended, .left = record->left,
		.superseded_by = record->superseded_by,
	};
	struct sentence s = { .text = text, .size = size };

	if (size)
		text[0] = '\0';
	if (!(record->record_flags & VMGUEST_RECORD_STARTED)) {
		not_started(&s, record);
		return s.length;
	}
	if (!(record->task_flags & VMGUEST_TASK_COMPLETE))
		add(&s, "its task goes on: ");
	ended(&s, &task);
	remarks(&s, &task);
	return s.length;
}
