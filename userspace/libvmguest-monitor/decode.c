// SPDX-License-Identifier: GPL-2.0-only
/* Messages of the family to structs. */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define VM(name)	VMGUEST_A_VM_##name
#define TASK(name)	VMGUEST_A_TASK_##name

static void get_u32(uint32_t *to, const struct nlattr *attr)
{
	if (attr && nla_len(attr) == sizeof(*to))
		*to = nla_get_u32(attr);
}

static void get_u64(uint64_t *to, const struct nlattr *attr)
{
	if (attr && nla_len(attr) == sizeof(*to))
		*to = nla_get_u64(attr);
}

/* A text, terminated or not; it ends at the first NUL. */
static void get_text(char *to, size_t size, const struct nlattr *attr)
{
	size_t length;

	if (!attr)
		return;
	length = strnlen(nla_data(attr), nla_len(attr));
	if (length >= size)
		length = size - 1;
	memcpy(to, nla_data(attr), length);
	to[length] = '\0';
}

static void get_id(uint8_t *to, const struct nlattr *attr)
{
	if (attr && nla_len(attr) == 16)
		memcpy(to, nla_data(attr), 16);
}

/* Without an attribute everything in it is absent. */
static int get_nest(struct nlattr **to, int max, struct nlattr *attr)
{
	if (!attr) {
		memset(to, 0, (max + 1) * sizeof(*to));
		return 0;
	}
	return nla_parse_nested(to, max, attr, NULL) ? -EBADMSG : 0;
}

static int get_actor(struct vmguest_actor *to, struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_ACTOR_MAX + 1];
	uint32_t pid = 0;

	if (get_nest(attrs, VMGUEST_A_ACTOR_MAX, attr))
		return -EBADMSG;
	get_u32(&to->uid, attrs[VMGUEST_A_ACTOR_UID]);
	get_u32(&pid, attrs[VMGUEST_A_ACTOR_PID]);
	to->pid = pid;
	return 0;
}

static int get_cause(struct vmguest_cause *to, struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_CAUSE_MAX + 1];

	if (get_nest(attrs, VMGUEST_A_CAUSE_MAX, attr))
		return -EBADMSG;
	get_u32(&to->by, attrs[VMGUEST_A_CAUSE_BY]);
	get_u32(&to->verb, attrs[VMGUEST_A_CAUSE_VERB]);
	get_u64(&to->task_id, attrs[VMGUEST_A_CAUSE_TASK_ID]);
	get_text(to->reason, sizeof(to->reason),
		 attrs[VMGUEST_A_CAUSE_REASON]);
	return get_actor(&to->actor, attrs[VMGUEST_A_CAUSE_ACTOR]);
}

static int get_sessions(uint32_t *targeted, uint32_t *ended, uint32_t *left,
			struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_SESSIONS_MAX + 1];

	if (get_nest(attrs, VMGUEST_A_SESSIONS_MAX, attr))
		return -EBADMSG;
	get_u32(targeted, attrs[VMGUEST_A_SESSIONS_TARGETED]);
	get_u32(ended, attrs[VMGUEST_A_SESSIONS_ENDED]);
	get_u32(left, attrs[VMGUEST_A_SESSIONS_LEFT]);
	return 0;
}

static int get_logoff(struct vmguest_event *event, struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_LOGOFF_MAX + 1];

	if (get_nest(attrs, VMGUEST_A_LOGOFF_MAX, attr))
		return -EBADMSG;
	get_u32(&event->logoff, attrs[VMGUEST_A_LOGOFF_TYPE]);
	get_text(event->who, sizeof(event->who), attrs[VMGUEST_A_LOGOFF_WHO]);
	return get_sessions(&event->targeted, &event->ended, &event->left,
			    attrs[VMGUEST_A_LOGOFF_SESSIONS]);
}

static int get_guest(struct vmguest_vm_get *vm, struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_GUEST_MAX + 1];

	if (get_nest(attrs, VMGUEST_A_GUEST_MAX, attr))
		return -EBADMSG;
	get_u32(&vm->sessions, attrs[VMGUEST_A_GUEST_SESSIONS]);
	get_u32(&vm->locked, attrs[VMGUEST_A_GUEST_LOCKED]);
	get_id(vm->boot_id, attrs[VMGUEST_A_GUEST_BOOT_ID]);
	get_id(vm->machine_id, attrs[VMGUEST_A_GUEST_MACHINE_ID]);
	get_text(vm->hostname, sizeof(vm->hostname),
		 attrs[VMGUEST_A_GUEST_HOSTNAME]);
	get_text(vm->os_name, sizeof(vm->os_name),
		 attrs[VMGUEST_A_GUEST_OS_NAME]);
	get_text(vm->os_version, sizeof(vm->os_version),
		 attrs[VMGUEST_A_GUEST_OS_VERSION]);
	get_text(vm->kernel, sizeof(vm->kernel),
		 attrs[VMGUEST_A_GUEST_KERNEL]);
	get_text(vm->agent_version, sizeof(vm->agent_version),
		 attrs[VMGUEST_A_GUEST_AGENT_VERSION]);
	return 0;
}

/* The aligned types of the uapi are not those of <stdint.h>. */
#define GET_U64(to, attr) do {		\
	uint64_t value_ = 0;		\
					\
	get_u64(&value_, attr);		\
	(to) = value_;			\
} while (0)

static int get_vm(struct vmguest_vm_get *vm, struct nlattr **attrs)
{
	vm->size = sizeof(*vm);
	GET_U64(vm->vm_id, attrs[VM(ID)]);
	get_u32(&vm->cid, attrs[VM(CID)]);
	get_u32(&vm->uid, attrs[VM(UID)]);
	get_u32(&vm->gid, attrs[VM(GID)]);
	get_u32(&vm->mode, attrs[VM(MODE)]);
	get_u32(&vm->state, attrs[VM(STATE)]);
	get_u32(&vm->vm_flags, attrs[VM(FLAGS)]);
	GET_U64(vm->task_id, attrs[VM(TASK_ID)]);
	GET_U64(vm->last_task_id, attrs[VM(LAST_TASK_ID)]);
	GET_U64(vm->capabilities, attrs[VM(CAPABILITIES)]);
	GET_U64(vm->frames_in, attrs[VM(FRAMES_IN)]);
	GET_U64(vm->frames_out, attrs[VM(FRAMES_OUT)]);
	GET_U64(vm->malformed, attrs[VM(MALFORMED)]);
	GET_U64(vm->refused, attrs[VM(REFUSED)]);
	get_u32(&vm->heartbeat_ms, attrs[VM(HEARTBEAT_MS)]);
	get_u32(&vm->heartbeat_percent, attrs[VM(HEARTBEAT_PERCENT)]);
	get_text(vm->name, sizeof(vm->name), attrs[VM(NAME)]);
	return get_guest(vm, attrs[VM(GUEST)]);
}

static int decode_vm(struct record *record, struct nlmsghdr *message)
{
	struct vmguest_event *event = &record->event;
	struct nlattr *attrs[VMGUEST_A_VM_MAX + 1];

	if (genlmsg_parse(message, 0, attrs, VMGUEST_A_VM_MAX, NULL) ||
	    !attrs[VM(ID)] || get_vm(&record->vm, attrs))
		return -EBADMSG;
	event->vm = &record->vm;
	get_u64(&event->seq, attrs[VM(SEQ)]);
	get_u64(&event->group_seq, attrs[VM(GROUP_SEQ)]);
	get_u64(&event->time_ns, attrs[VM(TIME_NS)]);
	get_u32(&event->changed, attrs[VM(CHANGED)]);
	get_u32(&event->end, attrs[VM(END)]);
	if (get_cause(&event->cause, attrs[VM(CAUSE)]))
		return -EBADMSG;
	return get_logoff(event, attrs[VM(LOGOFF)]);
}

static int add_reached(struct vmguest_task_get *task, struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_REACHED_MAX + 1];
	uint32_t stage = VMGUEST_STAGE_COUNT;

	if (get_nest(attrs, VMGUEST_A_REACHED_MAX, attr))
		return -EBADMSG;
	get_u32(&stage, attrs[VMGUEST_A_REACHED_STAGE]);
	if (stage < VMGUEST_STAGE_COUNT)
		GET_U64(task->stage_ns[stage],
			attrs[VMGUEST_A_REACHED_TIME_NS]);
	return 0;
}

static int add_blocker(struct record *record, struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_BLOCKER_MAX + 1];
	struct vmguest_event *event = &record->event;
	struct vmguest_task_blocker *blocker;

	if (event->blockers == VMGUEST_BLOCKERS_MAX)
		return 0;
	if (get_nest(attrs, VMGUEST_A_BLOCKER_MAX, attr))
		return -EBADMSG;
	blocker = &record->blocker[event->blockers];
	blocker->size = sizeof(*blocker);
	blocker->index = event->blockers++;
	event->blocker = record->blocker;
	get_u32(&blocker->kind, attrs[VMGUEST_A_BLOCKER_KIND]);
	get_u32(&blocker->uid, attrs[VMGUEST_A_BLOCKER_UID]);
	get_u32(&blocker->pid, attrs[VMGUEST_A_BLOCKER_PID]);
	get_text(blocker->who, sizeof(blocker->who),
		 attrs[VMGUEST_A_BLOCKER_WHO]);
	get_text(blocker->why, sizeof(blocker->why),
		 attrs[VMGUEST_A_BLOCKER_WHY]);
	return 0;
}

/* The attributes of which there can be several. */
static int get_many(struct record *record, const struct nlmsghdr *message)
{
	const struct genlmsghdr *header = nlmsg_data(message);
	struct vmguest_task_get *task = &record->task;
	struct nlattr *attr;
	int left, ret = 0;
	uint32_t joiner = 0;

	nla_for_each_attr(attr, genlmsg_attrdata(header, 0),
			  genlmsg_attrlen(header, 0), left) {
		if (nla_type(attr) == TASK(REACHED))
			ret = add_reached(task, attr);
		else if (nla_type(attr) == TASK(BLOCKER))
			ret = add_blocker(record, attr);
		else if (nla_type(attr) == TASK(JOINER) &&
			 joiner < VMGUEST_TASK_JOINERS)
			ret = get_actor(&task->joiner[joiner++], attr);
		if (ret)
			return ret;
	}
	return 0;
}

static int get_task(struct vmguest_task_get *task, struct nlattr **attrs)
{
	uint32_t error = 0;

	task->size = sizeof(*task);
	GET_U64(task->task_id, attrs[TASK(ID)]);
	GET_U64(task->vm_id, attrs[TASK(VM_ID)]);
	get_u32(&task->cid, attrs[TASK(CID)]);
	get_u32(&task->verb, attrs[TASK(VERB)]);
	get_u32(&task->stage, attrs[TASK(STAGE)]);
	get_u32(&task->percent, attrs[TASK(PERCENT)]);
	get_u32(&task->task_flags, attrs[TASK(FLAGS)]);
	get_u32(&task->proofs, attrs[TASK(PROOFS)]);
	get_u32(&task->until, attrs[TASK(UNTIL)]);
	get_u32(&task->result, attrs[TASK(RESULT)]);
	get_u32(&error, attrs[TASK(ERROR)]);
	task->error = error;
	get_u32(&task->deadline_ms, attrs[TASK(DEADLINE_MS)]);
	get_u32(&task->force_after_ms, attrs[TASK(FORCE_AFTER_MS)]);
	GET_U64(task->superseded_by, attrs[TASK(SUPERSEDED_BY)]);
	GET_U64(task->start_ns, attrs[TASK(START_NS)]);
	GET_U64(task->end_ns, attrs[TASK(END_NS)]);
	get_u32(&task->joiners, attrs[TASK(JOINERS)]);
	get_u32(&task->blockers, attrs[TASK(BLOCKERS)]);
	get_text(task->vm_name, sizeof(task->vm_name), attrs[TASK(VM_NAME)]);
	get_text(task->reason, sizeof(task->reason), attrs[TASK(REASON)]);
	get_text(task->guest_text, sizeof(task->guest_text),
		 attrs[TASK(GUEST_TEXT)]);
	if (get_sessions(&task->targeted, &task->ended, &task->left,
			 attrs[TASK(SESSIONS)]) ||
	    get_actor(&task->starter, attrs[TASK(STARTER)]))
		return -EBADMSG;
	return get_actor(&task->canceller, attrs[TASK(CANCELLER)]);
}

static int decode_task(struct record *record, struct nlmsghdr *message)
{
	struct vmguest_event *event = &record->event;
	struct nlattr *attrs[VMGUEST_A_TASK_MAX + 1];

	if (genlmsg_parse(message, 0, attrs, VMGUEST_A_TASK_MAX, NULL) ||
	    !attrs[TASK(ID)] || get_task(&record->task, attrs))
		return -EBADMSG;
	event->task = &record->task;
	get_u64(&event->seq, attrs[TASK(SEQ)]);
	get_u64(&event->group_seq, attrs[TASK(GROUP_SEQ)]);
	get_u64(&event->time_ns, attrs[TASK(TIME_NS)]);
	return get_many(record, message);
}

int record_decode(struct record *record, struct nlmsghdr *message)
{
	const struct genlmsghdr *header = nlmsg_data(message);

	if (!genlmsg_valid_hdr(message, 0))
		return -EBADMSG;
	memset(record, 0, sizeof(*record));
	record->event.type = header->cmd;
	switch (header->cmd) {
	case VMGUEST_CMD_VM_GET:
		record->event.type = VMGUEST_EVENT_VM;
		return decode_vm(record, message);
	case VMGUEST_CMD_TASK_GET:
		record->event.type = VMGUEST_EVENT_TASK;
		return decode_task(record, message);
	case VMGUEST_CMD_VM_APPEARED ... VMGUEST_CMD_VM_UNREGISTERED:
		return decode_vm(record, message);
	case VMGUEST_CMD_TASK_STARTED ... VMGUEST_CMD_TASK_COMPLETED:
		return decode_task(record, message);
	default:
		return -ENOMSG;
	}
}

static int add_count(struct vmguest_stats *stats, struct nlattr *attr)
{
	struct nlattr *attrs[VMGUEST_A_TASK_COUNT_MAX + 1];
	uint32_t result = VMGUEST_STATS_RESULTS;

	if (get_nest(attrs, VMGUEST_A_TASK_COUNT_MAX, attr))
		return -EBADMSG;
	get_u32(&result, attrs[VMGUEST_A_TASK_COUNT_RESULT]);
	if (result < VMGUEST_STATS_RESULTS)
		get_u64(&stats->tasks[result],
			attrs[VMGUEST_A_TASK_COUNT_COUNT]);
	return 0;
}

int stats_decode(struct vmguest_stats *stats, struct nlmsghdr *message)
{
	const struct genlmsghdr *header = nlmsg_data(message);
	struct nlattr *attrs[VMGUEST_A_STATS_MAX + 1], *attr;
	int left;

	if (genlmsg_parse(message, 0, attrs, VMGUEST_A_STATS_MAX, NULL))
		return -EBADMSG;
	get_u32(&stats->vms, attrs[VMGUEST_A_STATS_VMS]);
	get_u32(&stats->channels, attrs[VMGUEST_A_STATS_CHANNELS]);
	get_u64(&stats->frames_in, attrs[VMGUEST_A_STATS_FRAMES_IN]);
	get_u64(&stats->frames_out, attrs[VMGUEST_A_STATS_FRAMES_OUT]);
	get_u64(&stats->malformed, attrs[VMGUEST_A_STATS_MALFORMED]);
	get_u64(&stats->refused, attrs[VMGUEST_A_STATS_REFUSED]);
	get_u64(&stats->events, attrs[VMGUEST_A_STATS_EVENTS]);
	get_u64(&stats->events_dropped,
		attrs[VMGUEST_A_STATS_EVENTS_DROPPED]);
	nla_for_each_attr(attr, genlmsg_attrdata(header, 0),
			  genlmsg_attrlen(header, 0), left)
		if (nla_type(attr) == VMGUEST_A_STATS_TASKS &&
		    add_count(stats, attr))
			return -EBADMSG;
	return 0;
}
