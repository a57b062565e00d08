// SPDX-License-Identifier: GPL-2.0-only
/* VMs and their running requests, kept up to date by events. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"

/* Where the VM is, or would have to be. */
static size_t position(const struct top_model *model, uint64_t id)
{
	size_t low = 0, high = model->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (model->rows[middle].vm.vm_id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct top_row *find(const struct top_model *model, uint64_t id)
{
	size_t at = position(model, id);

	return at < model->count && model->rows[at].vm.vm_id == id ?
		&model->rows[at] : NULL;
}

static struct top_row *insert(struct top_model *model, uint64_t id)
{
	size_t at = position(model, id), room = model->room * 2 + 16;
	struct top_row *rows = model->rows;

	if (model->count == model->room) {
		rows = reallocarray(rows, room, sizeof(*rows));
		if (!rows)
			return NULL;
		model->rows = rows;
		model->room = room;
	}
	memmove(&rows[at + 1], &rows[at], (model->count - at) * sizeof(*rows));
	memset(&rows[at], 0, sizeof(*rows));
	model->count++;
	return &rows[at];
}

static void forget(struct top_model *model, uint64_t id)
{
	struct top_row *row = find(model, id);

	if (!row)
		return;
	model->count--;
	memmove(row, row + 1, (&model->rows[model->count] - row) *
		sizeof(*row));
}

/* An event has not all that a dump has: what it lacks stays as it was. */
static void update_vm(struct vmguest_vm_get *to,
		      const struct vmguest_event *event)
{
	const struct vmguest_vm_get before = *to;

	*to = *event->vm;
	if (event->type == VMGUEST_EVENT_VM)
		return;
	to->last_task_id = before.last_task_id;
	if (!(to->vm_flags & VMGUEST_VM_AGENT))
		return;
	to->heartbeat_ms = before.heartbeat_ms;
	to->heartbeat_percent = before.heartbeat_percent;
}

static int learn_vm(struct top_model *model, const struct vmguest_event *event)
{
	uint64_t id = event->vm->vm_id;
	struct top_row *row = find(model, id);

	if (event->type == VMGUEST_EVENT_VM_UNREGISTERED) {
		forget(model, id);
		return 0;
	}
	if (!row)
		row = insert(model, id);
	if (!row)
		return -ENOMEM;
	update_vm(&row->vm, event);
	return 0;
}

/* Tasks of VMs that are not there any more may be kept; no matter here. */
static void learn_task(struct top_model *model,
		       const struct vmguest_task_get *task)
{
	struct top_row *row = find(model, task->vm_id);

	if (!row || task->verb == VMGUEST_VERB_PING)
		return;
	if (!(task->task_flags & VMGUEST_TASK_COMPLETE))
		row->task = *task;
	else if (row->task.task_id == task->task_id)
		memset(&row->task, 0, sizeof(row->task));
}

int model_learn(struct top_model *model, const struct vmguest_event *event)
{
	if (event->type == VMGUEST_EVENT_SYNC_BEGIN)
		model_clear(model);
	if (event->vm)
		return learn_vm(model, event);
	if (event->task)
		learn_task(model, event->task);
	return 0;
}

void model_clear(struct top_model *model)
{
	model->count = 0;
}

void model_free(struct top_model *model)
{
	free(model->rows);
}
