/* SPDX-License-Identifier: GPL-2.0-only */
/* What the library's files share and its users do not see. */
#ifndef LIBVMGUEST_MONITOR_INTERNAL_H
#define LIBVMGUEST_MONITOR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/vmguest_protocol.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "libvmguest-monitor.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* A dump that is interrupted so often will not get better. */
#define DUMP_TRIES		32

/* decode.c: messages to structs */

/* An event with room for what it points at. */
struct record {
	struct vmguest_event event;
	struct vmguest_vm_get vm;
	struct vmguest_task_get task;
	struct vmguest_task_blocker blocker[VMGUEST_BLOCKERS_MAX];
};

/* 0, -EBADMSG, or -ENOMSG for what later modules may tell. */
int record_decode(struct record *record, struct nlmsghdr *message);
int stats_decode(struct vmguest_stats *stats, struct nlmsghdr *message);

/* dump.c */

/* What an entry of a dump has seen, by the id of the VM or task. */
struct seen {
	uint64_t id;
	uint64_t seq;
};

/* Of one group, by ascending id; and the newest id that was told of since. */
struct seen_list {
	struct seen *seen;
	size_t count;
	uint64_t newest;
};

/* monitor.c */
#define GROUPS	2

struct vmguest_monitor {
	struct nl_sock *socket;
	unsigned int groups;
	struct vmguest_vm_ref *filter;
	size_t filters;
	struct record record;		/* the message received last */
	int decoded;			/* 1 with one, 0, or a negative errno */
	bool draining;
	uint64_t group_seq[GROUPS];	/* the last one, 0: any may come next */
	struct seen_list seen[GROUPS];	/* by the last resync */
	uint64_t seen_seq;		/* what has a higher number is newer */
	unsigned int resyncs;
};

bool monitor_wants(const struct vmguest_monitor *monitor,
		   const struct vmguest_event *event);
/* Drop what waits, and with it the kernel's memory of an overrun. */
int monitor_drain(struct vmguest_monitor *monitor);
void monitor_forget_seen(struct vmguest_monitor *monitor);
/* libnl's error to a negative errno. */
int monitor_errno(int error);

#endif /* LIBVMGUEST_MONITOR_INTERNAL_H */
