// SPDX-License-Identifier: GPL-2.0-only
/*
 * What there is: whole dumps. Each is over a socket of its own, so that no event
 * comes in between and nothing is left of one that failed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* An entry of a dump, kept until the dump turns out to be whole. */
struct entry {
	struct entry *next;
	struct vmguest_event event;
	union {
		struct vmguest_vm_get vm;
		struct vmguest_task_get task;
	};
	struct vmguest_task_blocker blocker[];
};

struct list {
	struct entry *first;
	struct entry **end;
	size_t count;
};

/* A request under way. */
struct call {
	struct vmguest_monitor *monitor;
	struct list *list;		/* of a dump */
	struct vmguest_stats *stats;	/* of stats-get */
	struct record record;
	bool interrupted;
	bool done;
	int error;
};

static void list_clear(struct list *list)
{
	struct entry *entry;

	while ((entry = list->first)) {
		list->first = entry->next;
		free(entry);
	}
	list->end = &list->first;
	list->count = 0;
}

static int list_add(struct list *list, const struct record *record)
{
	const struct vmguest_event *event = &record->event;
	size_t bytes = event->blockers * sizeof(struct vmguest_task_blocker);
	struct entry *entry;

	entry = malloc(sizeof(*entry) + bytes);
	if (!entry)
		return -ENOMEM;
	entry->next = NULL;
	entry->event = *event;
	if (event->vm) {
		entry->vm = record->vm;
		entry->event.vm = &entry->vm;
	} else {
		entry->task = record->task;
		entry->event.task = &entry->task;
	}
	if (bytes) {
		memcpy(entry->blocker, record->blocker, bytes);
		entry->event.blocker = entry->blocker;
	}
	*list->end = entry;
	list->end = &entry->next;
	list->count++;
	return 0;
}

static int take_answer(struct nl_msg *message, void *data)
{
	struct call *call = data;

	if (call->error)
		return NL_OK;
	if (call->stats) {
		call->error = stats_decode(call->stats, nlmsg_hdr(message));
		return NL_OK;
	}
	call->error = record_decode(&call->record, nlmsg_hdr(message));
	if (!call->error)
		call->error = list_add(call->list, &call->record);
	return NL_OK;
}

static int take_end(struct nl_msg *message, void *data)
{
	struct call *call = data;

	(void)message;
	call->done = true;
	return NL_STOP;
}

static int take_error(struct sockaddr_nl *from, struct nlmsgerr *error,
		      void *data)
{
	struct call *call = data;

	(void)from;
	call->error = error->error;
	call->done = true;
	return NL_STOP;
}

static int take_interrupted(struct nl_msg *message, void *data)
{
	struct call *call = data;

	(void)message;
	call->interrupted = true;
	return NL_OK;
}

static int prepare(struct nl_sock *socket, struct call *call)
{
	static const struct {
		enum nl_cb_type type;
		nl_recvmsg_msg_cb_t function;
	} table[] = {
		{ NL_CB_VALID, take_answer },
		{ NL_CB_FINISH, take_end },
		{ NL_CB_ACK, take_end },
		{ NL_CB_DUMP_INTR, take_interrupted },
	};
	struct nl_cb *cb = nl_socket_get_cb(socket);
	size_t i;
	int ret;

	for (i = 0, ret = 0; i < ARRAY_SIZE(table) && !ret; i++)
		ret = nl_cb_set(cb, table[i].type, NL_CB_CUSTOM,
				table[i].function, call);
	if (!ret)
		ret = nl_cb_err(cb, NL_CB_CUSTOM, take_error, call);
	nl_cb_put(cb);
	return ret;
}

static int ask(struct nl_sock *socket, struct call *call, uint8_t command,
	       int flags)
{
	int family, ret;

	ret = genl_connect(socket);
	if (ret)
		return monitor_errno(ret);
	family = genl_ctrl_resolve(socket, VMGUEST_FAMILY_NAME);
	if (family < 0)
		return monitor_errno(family);
	ret = prepare(socket, call);
	if (!ret)
		ret = genl_send_simple(socket, family, command,
				       VMGUEST_FAMILY_VERSION, flags);
	while (ret >= 0 && !call->done)
		ret = nl_recvmsgs_default(socket);
	if (call->error)
		return call->error;
	if (ret < 0)
		return monitor_errno(ret);
	return call->interrupted ? -EINTR : 0;
}

static int request(struct call *call, uint8_t command, int flags)
{
	struct nl_sock *socket = nl_socket_alloc();
	int ret;

	if (!socket)
		return -ENOMEM;
	ret = ask(socket, call, command, flags);
	nl_socket_free(socket);
	return ret;
}

/* One group, whole. */
static int collect(struct vmguest_monitor *monitor, uint8_t command,
		   struct list *list)
{
	struct call call;
	int i, ret = -EINTR;

	for (i = 0; i < DUMP_TRIES && ret == -EINTR; i++) {
		list_clear(list);
		call = (struct call) { .monitor = monitor, .list = list };
		ret = request(&call, command, NLM_F_DUMP);
	}
	return ret == -EINTR ? -EAGAIN : ret;
}

static int collect_groups(struct vmguest_monitor *monitor, unsigned int groups,
			  struct list lists[GROUPS])
{
	int ret = 0;

	if (groups & VMGUEST_MONITOR_VM)
		ret = collect(monitor, VMGUEST_CMD_VM_GET, &lists[0]);
	if (!ret && (groups & VMGUEST_MONITOR_TASK))
		ret = collect(monitor, VMGUEST_CMD_TASK_GET, &lists[1]);
	return ret;
}

static void clear_lists(struct list lists[GROUPS])
{
	unsigned int i;

	for (i = 0; i < GROUPS; i++)
		list_clear(&lists[i]);
}

static int tell_entries(struct vmguest_monitor *monitor,
			const struct list lists[GROUPS], vmguest_event_fn *tell,
			void *context)
{
	const struct entry *entry;
	unsigned int i;
	int ret;

	for (i = 0; i < GROUPS; i++)
		for (entry = lists[i].first; entry; entry = entry->next) {
			if (!monitor_wants(monitor, &entry->event))
				continue;
			ret = tell(&entry->event, context);
			if (ret < 0)
				return ret;
		}
	return 0;
}

int vmguest_monitor_dump(struct vmguest_monitor *monitor, unsigned int groups,
			 vmguest_event_fn *tell, void *context)
{
	struct list lists[GROUPS] = { };
	int ret;

	if (!groups || (groups & ~(unsigned int)VMGUEST_MONITOR_ALL))
		return -EINVAL;
	ret = collect_groups(monitor, groups, lists);
	if (!ret)
		ret = tell_entries(monitor, lists, tell, context);
	clear_lists(lists);
	return ret;
}

static int remember(struct vmguest_monitor *monitor, unsigned int group,
		    const struct list *list)
{
	struct seen_list *to = &monitor->seen[group];
	const struct entry *entry;

	if (!list->count)
		return 0;
	to->seen = calloc(list->count, sizeof(*to->seen));
	if (!to->seen)
		return -ENOMEM;
	for (entry = list->first; entry; entry = entry->next) {
		struct seen *seen = &to->seen[to->count++];

		seen->id = entry->event.vm ? entry->vm.vm_id :
			entry->task.task_id;
		seen->seq = entry->event.seq;
	}
	return 0;
}

static int remember_all(struct vmguest_monitor *monitor,
			const struct list lists[GROUPS])
{
	struct vmguest_stats stats = { .size = sizeof(stats) };
	unsigned int i;
	int ret;

	ret = vmguest_monitor_stats(monitor, &stats);
	if (ret)
		return ret;
	monitor_forget_seen(monitor);
	monitor->seen_seq = stats.events;
	for (i = 0; i < GROUPS; i++)
		if (remember(monitor, i, &lists[i])) {
			monitor_forget_seen(monitor);
			return -ENOMEM;
		}
	return 0;
}

static int tell_sync(struct vmguest_monitor *monitor,
		     const struct list lists[GROUPS], vmguest_event_fn *tell,
		     void *context)
{
	struct vmguest_event event = { .type = VMGUEST_EVENT_SYNC_BEGIN };
	int ret;

	ret = tell(&event, context);
	if (ret >= 0)
		ret = tell_entries(monitor, lists, tell, context);
	event.type = VMGUEST_EVENT_SYNC_END;
	if (ret >= 0)
		ret = tell(&event, context);
	return ret < 0 ? ret : 0;
}

/*
 * What waits is older than the dumps. It has to go first: a socket that has
 * overrun takes nothing until it is empty, so events during the dumps would be
 * lost, and without a word. What is lost later is told by ENOBUFS; the next
 * number of each group may therefore be any.
 */
int vmguest_monitor_resync(struct vmguest_monitor *monitor,
			   vmguest_event_fn *tell, void *context)
{
	struct list lists[GROUPS] = { };
	int ret;

	if (!monitor->groups)
		return -EINVAL;
	ret = monitor_drain(monitor);
	if (ret)
		return ret;
	memset(monitor->group_seq, 0, sizeof(monitor->group_seq));
	monitor->resyncs++;
	ret = collect_groups(monitor, monitor->groups, lists);
	if (!ret)
		ret = remember_all(monitor, lists);
	if (!ret)
		ret = tell_sync(monitor, lists, tell, context);
	clear_lists(lists);
	return ret;
}

int vmguest_monitor_stats(struct vmguest_monitor *monitor,
			  struct vmguest_stats *stats)
{
	struct vmguest_stats now = { .size = sizeof(now) };
	struct call call = { .monitor = monitor, .stats = &now };
	uint32_t size = stats->size;
	int ret;

	if (size < sizeof(size))
		return -EINVAL;
	ret = request(&call, VMGUEST_CMD_STATS_GET, 0);
	if (ret)
		return ret;
	memset(stats, 0, size);
	memcpy(stats, &now, size < sizeof(now) ? size : sizeof(now));
	stats->size = size;
	return 0;
}
