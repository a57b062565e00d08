// SPDX-License-Identifier: GPL-2.0-only
/* Results as JSON objects; vmguestctl(1) documents the keys. */
#include <stdlib.h>
#include <string.h>

#include "vmguestctl.h"

typedef struct json_object json;

static json *checked(json *object)
{
	if (!object) {
		complain("out of memory");
		exit(EXIT_REFUSED);
	}
	return object;
}

static void add(json *object, const char *key, json *value)
{
	if (json_object_object_add(object, key, value))
		checked(NULL);
}

static void add_number(json *object, const char *key, uint64_t number)
{
	add(object, key, checked(json_object_new_uint64(number)));
}

static void add_bool(json *object, const char *key, bool value)
{
	add(object, key, checked(json_object_new_boolean(value)));
}

/* What is not valid UTF-8 would make the whole object unreadable. */
static void add_text(json *object, const char *key, const char *text)
{
	char valid[1024];

	valid_text(valid, sizeof(valid), text);
	add(object, key, checked(json_object_new_string(valid)));
}

/* null for what is not there. */
static void add_id(json *object, const char *key, uint64_t id)
{
	if (id)
		add_number(object, key, id);
	else
		add(object, key, NULL);
}

static void add_optional(json *object, const char *key, const char *text)
{
	if (text && *text)
		add_text(object, key, text);
	else
		add(object, key, NULL);
}

static void add_uuid(json *object, const char *key, const uint8_t *id)
{
	static const uint8_t never[16];
	char text[33];
	int i;

	for (i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	add_optional(object, key, memcmp(id, never, 16) ? text : NULL);
}

static void add_bits(json *object, const char *key, uint64_t bits,
		     const char *(*name_of)(unsigned int bit))
{
	json *array = checked(json_object_new_array());
	unsigned int bit;

	for (bit = 0; bit < 64; bit++)
		if (bits & UINT64_C(1) << bit && name_of(bit))
			json_object_array_add(array, checked(
				json_object_new_string(name_of(bit))));
	add(object, key, array);
}

/* No row: the original interface has nothing like it. */
static void add_error(json *object, const struct vmguest_error *row, int error)
{
	char hresult[11] = "";

	if (row)
		snprintf(hresult, sizeof(hresult), "0x%08X", row->hresult);
	add(object, "error", checked(json_object_new_int(error)));
	add_optional(object, "errno",
		     error ? strerrorname_np(-error) : NULL);
	add_optional(object, "hresult", hresult);
	add_optional(object, "hresult_name", row ? row->name : NULL);
}

void json_print(struct json_object *object)
{
	puts(checked(object) ? json_object_to_json_string_ext(object,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "");
	fflush(stdout);
	json_object_put(object);
}

static const char *layer_name(enum vmguest_layer layer)
{
	return layer == VMGUEST_LAYER_TASK ? "task" :
		layer == VMGUEST_LAYER_CANCEL ? "cancel" : "call";
}

struct json_object *json_of_call_error(const struct call_error *error)
{
	json *object = checked(json_object_new_object());
	const struct vmguest_error *row;

	row = vmguest_error_of(error->layer, error->verb, error->error);
	add_optional(object, "subject", error->subject);
	add_optional(object, "verb", error->verb ?
		     vmguest_verb_name(error->verb) : NULL);
	add_text(object, "layer", layer_name(error->layer));
	add_id(object, "task", error->task_id);
	add_error(object, error->words ? NULL : row, error->error);
	add_text(object, "message", error->exit == EXIT_DONE ? "already down" :
		 error->words ?: row->words);
	add_number(object, "exit", error->exit);
	return object;
}

static json *actor(const struct vmguest_actor *who)
{
	json *object = checked(json_object_new_object());

	add_number(object, "uid", who->uid);
	add(object, "pid", checked(json_object_new_int(who->pid)));
	return object;
}

static void add_actors(json *object, const struct vmguest_task_get *task)
{
	json *array = checked(json_object_new_array());
	uint32_t i;

	for (i = 0; i < task->joiners && i < VMGUEST_TASK_JOINERS; i++)
		json_object_array_add(array, actor(&task->joiner[i]));
	add(object, "starter", actor(&task->starter));
	add(object, "joiners", array);
	add_number(object, "joiner_count", task->joiners);
	add(object, "canceller", task->canceller.pid ?
	    actor(&task->canceller) : NULL);
}

/* When each stage was reached, in nanoseconds since the request. */
static json *stages(const struct vmguest_task_get *task)
{
	json *object = checked(json_object_new_object());
	uint32_t stage;

	for (stage = 0; stage < VMGUEST_STAGE_COUNT; stage++)
		if (task->stage_ns[stage])
			add_number(object, vmguest_stage_name(stage),
				   task->stage_ns[stage] - task->start_ns);
	return object;
}

static void add_sessions(json *object, const struct vmguest_task_get *task)
{
	json *sessions;

	if (task->verb != VMGUEST_VERB_LOGOFF) {
		add(object, "sessions", NULL);
		return;
	}
	sessions = checked(json_object_new_object());
	add_number(sessions, "targeted", task->targeted);
	add_number(sessions, "ended", task->ended);
	add_number(sessions, "left", task->left);
	add(object, "sessions", sessions);
}

/* true, false, or null when it cannot be known. */
static void add_clean(json *object, const struct vmguest_task_get *task)
{
	if (!(task->task_flags & VMGUEST_TASK_COMPLETE) ||
	    !(task->proofs & VMGUEST_PROOF_VM_GONE) ||
	    (task->task_flags & VMGUEST_TASK_CLEAN_UNKNOWN))
		add(object, "clean", NULL);
	else
		add_bool(object, "clean",
			 task->proofs & VMGUEST_PROOF_LAST_BREATH);
}

static void add_flags(json *object, const struct vmguest_task_get *task)
{
	const uint32_t flags = task->task_flags;

	add_bool(object, "complete", flags & VMGUEST_TASK_COMPLETE);
	add_bool(object, "cancelable", flags & VMGUEST_TASK_CANCELABLE);
	add_bool(object, "force", flags & VMGUEST_TASK_FORCE);
	add_bool(object, "escalated", flags & VMGUEST_TASK_ESCALATED);
	add_bool(object, "resent", flags & VMGUEST_TASK_RESENT);
	add_bool(object, "registered",
		 !(flags & VMGUEST_TASK_VM_UNREGISTERED));
}

static void add_result(json *object, const struct vmguest_task_get *task)
{
	static const char * const keys[] = {
		"result", "result_code", "error", "errno", "hresult",
		"hresult_name", "elapsed_ns",
	};
	size_t i;

	if (!(task->task_flags & VMGUEST_TASK_COMPLETE)) {
		for (i = 0; i < ARRAY_SIZE(keys); i++)
			add(object, keys[i], NULL);
		return;
	}
	add_optional(object, "result", vmguest_result_name(task->result));
	add_number(object, "result_code", task->result);
	add_error(object, vmguest_error_of(VMGUEST_LAYER_TASK, task->verb,
					   task->error), task->error);
	add_number(object, "elapsed_ns", task->end_ns - task->start_ns);
}

static json *blocker_of(const struct vmguest_task_blocker *blocker)
{
	json *object = checked(json_object_new_object());

	add_text(object, "kind", vmguest_blocker_name(blocker->kind));
	add_optional(object, "who", blocker->who);
	add_optional(object, "why", blocker->why);
	add_number(object, "uid", blocker->uid);
	add_number(object, "pid", blocker->pid);
	return object;
}

static json *blockers_of(const struct job *job)
{
	struct vmguest_task_blocker blocker;
	json *array = checked(json_object_new_array());
	uint32_t i = 0;

	while (next_blocker(job, &i, &blocker))
		json_object_array_add(array, blocker_of(&blocker));
	return array;
}

static json *blockers_told(const struct vmguest_event *event)
{
	json *array = checked(json_object_new_array());
	uint32_t i;

	for (i = 0; i < event->blockers; i++)
		json_object_array_add(array, blocker_of(&event->blocker[i]));
	return array;
}

/* What tasks have whoever tells of them. */
static void add_task(json *object, const struct vmguest_task_get *task)
{
	add_number(object, "task", task->task_id);
	add_text(object, "vm", task->vm_name);
	add_number(object, "vm_id", task->vm_id);
	add_number(object, "cid", task->cid);
	add_text(object, "verb", vmguest_verb_name(task->verb));
	add_text(object, "layer", "task");
	add_text(object, "until", vmguest_until_name(task->until));
	add_text(object, "stage", vmguest_stage_name(task->stage));
	add_number(object, "percent", task->percent);
	add_flags(object, task);
	add_result(object, task);
	add_clean(object, task);
	add_bits(object, "proofs", task->proofs, vmguest_proof_name);
	add(object, "stages_ns", stages(task));
	add_sessions(object, task);
	add_number(object, "deadline_ms", task->deadline_ms);
	add_number(object, "force_after_ms", task->force_after_ms);
	add_id(object, "superseded_by", task->superseded_by);
	add_actors(object, task);
	add_optional(object, "reason", task->reason);
	add_optional(object, "guest_says", task->guest_text);
}

static void add_description(json *object, const struct vmguest_task_get *task)
{
	char words[256];

	vmguest_describe(task, words, sizeof(words));
	add_text(object, "message", words);
}

struct json_object *json_of_job(const struct job *job)
{
	json *object = checked(json_object_new_object());

	add_text(object, "subject", job->subject);
	add_task(object, &job->task);
	add(object, "blockers", blockers_of(job));
	add_description(object, &job->task);
	add_number(object, "exit", job->exit);
	return object;
}

struct json_object *json_of_task(const struct vmguest_event *event,
				 uint64_t now)
{
	json *object = checked(json_object_new_object());
	int64_t left = deadline_left(event->task, now);

	add_task(object, event->task);
	if (left < 0)
		add(object, "left_ns", NULL);
	else
		add_number(object, "left_ns", left);
	add(object, "blockers", blockers_told(event));
	add_description(object, event->task);
	return object;
}

struct json_object *json_of_blockers(const struct job *job)
{
	json *object = checked(json_object_new_object());

	add_text(object, "subject", job->subject);
	add_text(object, "vm", job->name);
	add_id(object, "task", job->task.task_id);
	add(object, "blockers", blockers_of(job));
	add_number(object, "exit", job->exit);
	return object;
}

static json *guest_says(const struct vmguest_vm_get *vm)
{
	json *object = checked(json_object_new_object());

	add_optional(object, "hostname", vm->hostname);
	add_optional(object, "os", vm->os_name);
	add_optional(object, "os_version", vm->os_version);
	add_optional(object, "kernel", vm->kernel);
	add_optional(object, "agent_version", vm->agent_version);
	add_number(object, "sessions", vm->sessions);
	add_number(object, "locked", vm->locked);
	add_uuid(object, "boot_id", vm->boot_id);
	add_uuid(object, "machine_id", vm->machine_id);
	return object;
}

/* What is told of VMs in every event, too. */
static void add_vm(json *object, const struct vmguest_vm_get *vm)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", vm->mode & 0777);
	add_text(object, "vm", vm->name);
	add_number(object, "vm_id", vm->vm_id);
	add_number(object, "cid", vm->cid);
	add_number(object, "uid", vm->uid);
	add_number(object, "gid", vm->gid);
	add_text(object, "mode", mode);
	add_text(object, "state", vmguest_state_name(vm->state));
	add_bool(object, "agent", vm->vm_flags & VMGUEST_VM_AGENT);
	add_bool(object, "paused", vm->vm_flags & VMGUEST_VM_PAUSED);
	add_bool(object, "migrating", vm->vm_flags & VMGUEST_VM_MIGRATING);
	add_bool(object, "lifeline", vm->vm_flags & VMGUEST_VM_LIFELINE);
	add_bool(object, "registered",
		 !(vm->vm_flags & VMGUEST_VM_UNREGISTERED));
	add_bool(object, "heartbeating",
		 vm->vm_flags & VMGUEST_VM_HEARTBEATING);
}

static void add_counters(json *object, const struct vmguest_vm_get *vm)
{
	add_id(object, "last_task", vm->last_task_id);
	add_number(object, "frames_in", vm->frames_in);
	add_number(object, "frames_out", vm->frames_out);
	add_number(object, "malformed", vm->malformed);
	add_number(object, "refused", vm->refused);
}

static void add_vm_entry(json *object, const struct vmguest_vm_get *vm)
{
	add_vm(object, vm);
	add_number(object, "heartbeat_percent", vm->heartbeat_percent);
	add_number(object, "heartbeat_ms", vm->heartbeat_ms);
	add_bits(object, "capabilities", vm->capabilities,
		 vmguest_capability_name);
	add_id(object, "task", vm->task_id);
	add_counters(object, vm);
	add(object, "guest_says", guest_says(vm));
}

struct json_object *json_of_vm(const struct vmguest_vm_get *vm)
{
	json *object = checked(json_object_new_object());

	add_vm_entry(object, vm);
	return object;
}

static json *cause_of(const struct vmguest_cause *cause)
{
	json *object = checked(json_object_new_object());

	add_text(object, "by", vmguest_cause_name(cause->by));
	add_id(object, "task", cause->task_id);
	add_optional(object, "verb", cause->verb ?
		     vmguest_verb_name(cause->verb) : NULL);
	add(object, "actor", cause->actor.pid ? actor(&cause->actor) : NULL);
	add_optional(object, "reason", cause->reason);
	return object;
}

static json *logoff_of(const struct vmguest_event *event)
{
	json *object = checked(json_object_new_object());

	add_text(object, "type", vmguest_logoff_name(event->logoff));
	if (event->targeted)
		add_number(object, "targeted", event->targeted);
	else
		add(object, "targeted", NULL);
	add_number(object, "ended", event->ended);
	add_number(object, "left", event->left);
	add_optional(object, "guest_who", event->who);
	return object;
}

static void add_vm_event(json *object, const struct vmguest_event *event)
{
	const struct vmguest_vm_get *vm = event->vm;

	add_vm(object, vm);
	add_id(object, "task", vm->task_id);
	if (event->type == VMGUEST_EVENT_VM_AGENT_AVAILABLE) {
		add_bits(object, "capabilities", vm->capabilities,
			 vmguest_capability_name);
		add(object, "guest_says", guest_says(vm));
	}
	if (event->type == VMGUEST_EVENT_VM_CHANGED)
		add_bits(object, "changed", event->changed, vmguest_set_name);
	if (event->type == VMGUEST_EVENT_VM_GOING_DOWN)
		add_optional(object, "end", event->end ?
			     vmguest_end_name(event->end) : NULL);
	if (event->type == VMGUEST_EVENT_VM_LOGOFF)
		add(object, "logoff", logoff_of(event));
	add(object, "cause", cause_of(&event->cause));
}

static void add_task_event(json *object, const struct vmguest_event *event)
{
	add_task(object, event->task);
	add_number(object, "blocker_count", event->task->blockers);
	add(object, "blockers", blockers_told(event));
	add_description(object, event->task);
}

struct json_object *json_of_event(const char *time,
				  const struct vmguest_event *event)
{
	json *object = checked(json_object_new_object());

	add_text(object, "event", vmguest_event_name(event->type));
	add_text(object, "time", time);
	if (event->seq) {
		add_id(object, "time_ns", event->time_ns);
		add_number(object, "seq", event->seq);
		add_id(object, "group_seq", event->group_seq);
	}
	if (event->type == VMGUEST_EVENT_OVERRUN)
		add_id(object, "lost", event->lost);
	else if (event->type == VMGUEST_EVENT_VM)
		add_vm_entry(object, event->vm);
	else if (event->vm)
		add_vm_event(object, event);
	else if (event->task)
		add_task_event(object, event);
	return object;
}
