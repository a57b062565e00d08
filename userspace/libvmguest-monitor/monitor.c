// SPDX-License-Identifier: GPL-2.0-only
/* Listening: events in order, and what is missing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

#define BUFFER_BYTES	(4 << 20)

/* Taken before the caller's loop has its turn again. */
#define DISPATCH_MAX	256

/* Whoever is still not at the end then will not get there. */
#define DRAIN_MAX	1000000

int monitor_errno(int error)
{
	static const struct {
		int nl;
		int error;
	} table[] = {
		{ NLE_AGAIN, EAGAIN }, { NLE_INTR, EINTR },
		{ NLE_NOMEM, ENOMEM }, { NLE_PERM, EPERM },
		{ NLE_NOACCESS, EACCES }, { NLE_INVAL, EINVAL },
		{ NLE_OBJ_NOTFOUND, ENOENT }, { NLE_NODEV, ENODEV },
		{ NLE_OPNOTSUPP, EOPNOTSUPP }, { NLE_BUSY, EBUSY },
		{ NLE_AF_NOSUPPORT, EAFNOSUPPORT },
		{ NLE_PROTO_MISMATCH, EPROTONOSUPPORT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].nl == -error)
			return -table[i].error;
	return error < 0 ? -EIO : 0;
}

static int receive(struct nl_msg *message, void *data)
{
	struct vmguest_monitor *monitor = data;

	/* Anybody in this network namespace may send to a socket. */
	if (nlmsg_get_src(message)->nl_pid || monitor->draining)
		return NL_OK;
	monitor->decoded = record_decode(&monitor->record,
					 nlmsg_hdr(message)) ?: 1;
	return NL_OK;
}

static const struct {
	unsigned int bit;
	const char *name;
} groups_of_family[GROUPS] = {
	{ VMGUEST_MONITOR_VM, VMGUEST_MCGRP_VM },
	{ VMGUEST_MONITOR_TASK, VMGUEST_MCGRP_TASK },
};

/* All are found before one is joined: its events would be taken for answers. */
static int join(struct vmguest_monitor *monitor)
{
	int ids[GROUPS], error = 0;
	unsigned int i;

	for (i = 0; i < GROUPS; i++) {
		ids[i] = genl_ctrl_resolve_grp(monitor->socket,
					       VMGUEST_FAMILY_NAME,
					       groups_of_family[i].name);
		if (ids[i] < 0)
			return monitor_errno(ids[i]);
	}
	nl_socket_disable_seq_check(monitor->socket);
	for (i = 0; i < GROUPS && !error; i++)
		if (monitor->groups & groups_of_family[i].bit)
			error = nl_socket_add_membership(monitor->socket,
							 ids[i]);
	return monitor_errno(error);
}

static int open_socket(struct vmguest_monitor *monitor)
{
	int error;

	monitor->socket = nl_socket_alloc();
	if (!monitor->socket)
		return -ENOMEM;
	error = genl_connect(monitor->socket);
	if (error)
		return monitor_errno(error);
	error = vmguest_monitor_set_buffer(monitor, BUFFER_BYTES);
	if (!error)
		error = join(monitor);
	if (error)
		return error;
	error = nl_socket_modify_cb(monitor->socket, NL_CB_VALID, NL_CB_CUSTOM,
				    receive, monitor);
	if (!error)
		error = nl_socket_set_nonblocking(monitor->socket);
	return monitor_errno(error);
}

int vmguest_monitor_open(unsigned int groups, struct vmguest_monitor **monitor)
{
	int error;

	*monitor = NULL;
	if (groups & ~(unsigned int)VMGUEST_MONITOR_ALL)
		return -EINVAL;
	*monitor = calloc(1, sizeof(**monitor));
	if (!*monitor)
		return -ENOMEM;
	(*monitor)->groups = groups;
	error = open_socket(*monitor);
	if (error) {
		vmguest_monitor_close(*monitor);
		*monitor = NULL;
	}
	return error;
}

void monitor_forget_seen(struct vmguest_monitor *monitor)
{
	unsigned int i;

	for (i = 0; i < GROUPS; i++) {
		free(monitor->seen[i].seen);
		monitor->seen[i] = (struct seen_list) { 0 };
	}
	monitor->seen_seq = 0;
}

void vmguest_monitor_close(struct vmguest_monitor *monitor)
{
	size_t i;

	if (!monitor)
		return;
	nl_socket_free(monitor->socket);
	monitor_forget_seen(monitor);
	for (i = 0; i < monitor->filters; i++)
		free((char *)monitor->filter[i].name);
	free(monitor->filter);
	free(monitor);
}

int vmguest_monitor_fd(const struct vmguest_monitor *monitor)
{
	return nl_socket_get_fd(monitor->socket);
}

int vmguest_monitor_set_buffer(struct vmguest_monitor *monitor,
			       unsigned int bytes)
{
	int size = bytes < INT32_MAX / 2 ? (int)bytes : INT32_MAX / 2;
	int fd = nl_socket_get_fd(monitor->socket);

	if (!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    !setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)))
		return 0;
	return -errno;
}

int vmguest_monitor_filter(struct vmguest_monitor *monitor,
			   const struct vmguest_vm_ref *vm)
{
	struct vmguest_vm_ref *filter, *last;

	if (!!vm->id + !!vm->cid + !!vm->name != 1)
		return -EINVAL;
	filter = reallocarray(monitor->filter, monitor->filters + 1,
			      sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	monitor->filter = filter;
	last = &filter[monitor->filters];
	*last = *vm;
	if (vm->name) {
		last->name = strdup(vm->name);
		if (!last->name)
			return -ENOMEM;
	}
	monitor->filters++;
	return 0;
}

bool monitor_wants(const struct vmguest_monitor *monitor,
		   const struct vmguest_event *event)
{
	const struct vmguest_vm_get *vm = event->vm;
	const struct vmguest_task_get *task = event->task;
	const char *name = vm ? vm->name : task->vm_name;
	uint64_t id = vm ? vm->vm_id : task->vm_id;
	uint32_t cid = vm ? vm->cid : task->cid;
	const struct vmguest_vm_ref *ref;
	size_t i;

	for (i = 0; i < monitor->filters; i++) {
		ref = &monitor->filter[i];
		if (ref->name ? !strcmp(ref->name, name) :
		    ref->cid ? ref->cid == cid : ref->id == id)
			return true;
	}
	return !monitor->filters;
}

/* 1 with a message, 0 without one, or a negative errno. */
static int receive_one(struct vmguest_monitor *monitor)
{
	struct nl_cb *cb = nl_socket_get_cb(monitor->socket);
	int ret;

	monitor->decoded = 0;
	ret = nl_recvmsgs_report(monitor->socket, cb);
	nl_cb_put(cb);
	if (ret == -NLE_AGAIN)
		return 0;
	/* libnl's word for ENOBUFS, and for ENOMEM: it may go on like that. */
	if (ret == -NLE_NOMEM)
		return -ENOBUFS;
	return ret < 0 ? monitor_errno(ret) : 1;
}

int monitor_drain(struct vmguest_monitor *monitor)
{
	int i, ret = 1;

	monitor->draining = true;
	for (i = 0; i < DRAIN_MAX && (ret > 0 || ret == -ENOBUFS); i++)
		ret = receive_one(monitor);
	monitor->draining = false;
	return ret > 0 || ret == -ENOBUFS ? -EAGAIN : ret;
}

static int compare_seen(const void *key, const void *member)
{
	uint64_t id = *(const uint64_t *)key;
	const struct seen *seen = member;

	return id < seen->id ? -1 : id > seen->id;
}

static bool is_first(uint32_t type)
{
	return type == VMGUEST_EVENT_VM_APPEARED ||
	       type == VMGUEST_EVENT_VM_REGISTERED ||
	       type == VMGUEST_EVENT_TASK_STARTED;
}

/*
 * About something that is not in the dump: it came after it and its first event
 * has been told, or it had gone before. Ids only grow. A PING has one event.
 */
static bool is_over(struct seen_list *list, const struct vmguest_event *event,
		    uint64_t id)
{
	uint64_t last = list->count ? list->seen[list->count - 1].id : 0;

	if (event->task && event->task->verb == VMGUEST_VERB_PING)
		return false;
	if (is_first(event->type) && id > list->newest)
		list->newest = id;
	return id <= last || id > list->newest;
}

/* Is it in what the last resync told? */
static bool is_seen(struct vmguest_monitor *monitor,
		    const struct vmguest_event *event)
{
	uint64_t id = event->vm ? event->vm->vm_id : event->task->task_id;
	struct seen_list *list = &monitor->seen[!event->vm];
	const struct seen *seen = NULL;

	if (event->seq > monitor->seen_seq) {
		monitor_forget_seen(monitor);
		return false;
	}
	if (list->count)
		seen = bsearch(&id, list->seen, list->count, sizeof(*seen),
			       compare_seen);
	return seen ? event->seq <= seen->seq : is_over(list, event, id);
}

static int tell_overrun(uint64_t lost, vmguest_event_fn *tell, void *context)
{
	const struct vmguest_event event = {
		.type = VMGUEST_EVENT_OVERRUN,
		.lost = lost,
	};

	return tell(&event, context);
}

/* A number that is missing is told before the event behind the hole. */
static int tell_hole(struct vmguest_monitor *monitor, vmguest_event_fn *tell,
		     void *context)
{
	const struct vmguest_event *event = &monitor->record.event;
	uint64_t *last = &monitor->group_seq[!event->vm];
	uint64_t before = *last;

	*last = event->group_seq;
	if (!before || event->group_seq <= before + 1)
		return 0;
	return tell_overrun(event->group_seq - before - 1, tell, context);
}

static int tell_received(struct vmguest_monitor *monitor,
			 vmguest_event_fn *tell, void *context)
{
	const struct vmguest_event *event = &monitor->record.event;
	unsigned int resyncs = monitor->resyncs;
	int ret;

	ret = tell_hole(monitor, tell, context);
	/* Who resyncs in between has seen what was received before. */
	if (ret < 0 || monitor->resyncs != resyncs)
		return ret;
	if (is_seen(monitor, event) || !monitor_wants(monitor, event))
		return 0;
	return tell(event, context);
}

int vmguest_monitor_dispatch(struct vmguest_monitor *monitor,
			     vmguest_event_fn *tell, void *context)
{
	int i, ret;

	for (i = 0; i < DISPATCH_MAX; i++) {
		ret = receive_one(monitor);
		if (!ret)
			break;
		if (ret == -ENOBUFS) {
			ret = tell_overrun(0, tell, context);
			return ret < 0 ? ret : i + 1;
		}
		if (ret < 0)
			return ret;
		/* One that makes no sense to us is as good as lost. */
		if (monitor->decoded == -EBADMSG)
			ret = tell_overrun(1, tell, context);
		else if (monitor->decoded == 1)
			ret = tell_received(monitor, tell, context);
		if (ret < 0)
			return ret;
	}
	return i;
}
