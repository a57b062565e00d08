/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who stands in the way of a request, as the host is told.
 */
#ifndef _VMGUEST_AGENT_BLOCKERS_H
#define _VMGUEST_AGENT_BLOCKERS_H

#include <linux/vmguest.h>

#include "connection.h"

/**
 * struct blocker - Somebody, or something, in the way
 * @kind: enum vmguest_blocker_kind.
 * @uid: Its uid.
 * @pid: Its pid, 0 for none.
 * @who: Its name.
 * @why: Its reason.
 */
struct blocker {
	__u32 kind;
	__u32 uid;
	__u32 pid;
	char who[VMGUEST_TEXT_SIZE];
	char why[VMGUEST_TEXT_SIZE];
};

/**
 * struct blockers - All of them; more than the host keeps are left out
 * @count: How many.
 * @item: They.
 */
struct blockers {
	unsigned int count;
	struct blocker item[VMGUEST_BLOCKERS_MAX];
};

void blockers_add(struct blockers *blockers, const struct blocker *blocker);

/* Tell the host @now, if @told differs from it, and remember that in @told. */
void blockers_tell(struct connection *conn, __u64 task, struct blockers *told,
		   const struct blockers *now);

/* In @task's log, with @verb as in "blocked by". */
void blockers_log(const struct blockers *blockers, __u64 task,
		  const char *verb);

#endif /* _VMGUEST_AGENT_BLOCKERS_H */
