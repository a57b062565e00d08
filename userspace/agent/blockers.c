// SPDX-License-Identifier: GPL-2.0
/*
 * Who stands in the way of a request, as the host is told: the whole list anew
 * when anything in it has changed, nothing when not.
 */
#include "blockers.h"

static const char * const kind_names[] = {
	[VMGUEST_BLOCKER_INHIBITOR] = "inhibitor",
	[VMGUEST_BLOCKER_SESSION] = "session",
	[VMGUEST_BLOCKER_LOCK] = "lock",
	[VMGUEST_BLOCKER_STOP_JOB] = "stop job",
};

/* Zero behind the texts, so that two can be compared as a whole. */
void blockers_add(struct blockers *blockers, const struct blocker *blocker)
{
	struct blocker *item;

	if (blockers->count == ARRAY_SIZE(blockers->item))
		return;
	item = &blockers->item[blockers->count++];
	memset(item, 0, sizeof(*item));
	item->kind = blocker->kind;
	item->uid = blocker->uid;
	item->pid = blocker->pid;
	snprintf(item->who, sizeof(item->who), "%s", blocker->who);
	snprintf(item->why, sizeof(item->why), "%s", blocker->why);
}

static bool blockers_equal(const struct blockers *a, const struct blockers *b)
{
	return a->count == b->count &&
	       !memcmp(a->item, b->item, a->count * sizeof(a->item[0]));
}

static void blockers_say(struct connection *conn, __u64 task,
			 const struct blocker *blocker)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_BLOCKED,
		.task_id = task,
		.blocked = {
			.kind = blocker->kind,
			.uid = blocker->uid,
			.pid = blocker->pid,
		},
		.text[VMGUEST_BLOCKED_WHO] = {
			blocker->who, strlen(blocker->who)
		},
		.text[VMGUEST_BLOCKED_WHY] = {
			blocker->why, strlen(blocker->why)
		},
	};

	connection_send(conn, &frame);
}

void blockers_tell(struct connection *conn, __u64 task, struct blockers *told,
		   const struct blockers *now)
{
	static const struct blocker nobody;
	unsigned int i;

	if (!connection_is_open(conn) || blockers_equal(told, now))
		return;
	if (told->count)
		blockers_say(conn, task, &nobody);
	for (i = 0; i < now->count; i++)
		blockers_say(conn, task, &now->item[i]);
	*told = *now;
}

void blockers_log(const struct blockers *blockers, __u64 task,
		  const char *verb)
{
	const struct blocker *item;
	unsigned int i;

	for (i = 0; i < blockers->count; i++) {
		item = &blockers->item[i];
		log_task(LOG_NOTICE, task, "%s %s \"%s\" of uid %u, pid %u%s%s",
			 verb, kind_names[item->kind], item->who, item->uid,
			 item->pid, *item->why ? ": " : "", item->why);
	}
}
