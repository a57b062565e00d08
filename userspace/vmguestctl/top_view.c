// SPDX-License-Identifier: GPL-2.0-only
/* VMs and tasks as lines of text. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top.h"

#define NAME_WIDTH	20

static uint64_t time_left(const struct vmguest_task_get *task, uint64_t now)
{
	int64_t left = deadline_left(task, now);

	/* None is last: no task at all, and a task without a deadline. */
	if (!task->task_id)
		return UINT64_MAX;
	return left < 0 ? UINT64_MAX - 1 : (uint64_t)left;
}

static uint64_t id_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->vm.vm_id;
}

static uint64_t cid_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->vm.cid;
}

static uint64_t state_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->vm.state;
}

static uint64_t agent_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return !(row->vm.vm_flags & VMGUEST_VM_AGENT);
}

static uint64_t beat_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->vm.heartbeat_ms ? row->vm.heartbeat_percent : UINT32_MAX;
}

static uint64_t task_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->task.task_id ?: UINT64_MAX;
}

static uint64_t verb_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->task.task_id ? row->task.verb : UINT64_MAX;
}

static uint64_t stage_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->task.task_id ? row->task.stage : UINT64_MAX;
}

static uint64_t percent_of(const struct top_row *row, uint64_t now)
{
	(void)now;
	return row->task.task_id ? row->task.percent : UINT64_MAX;
}

static uint64_t left_of(const struct top_row *row, uint64_t now)
{
	return time_left(&row->task, now);
}

/* Without a function: by name. */
static const struct {
	const char *name;
	uint64_t (*key)(const struct top_row *row, uint64_t now);
} columns[] = {
	{ "id", id_of },
	{ "name", NULL },
	{ "cid", cid_of },
	{ "state", state_of },
	{ "agent", agent_of },
	{ "beat", beat_of },
	{ "task", task_of },
	{ "verb", verb_of },
	{ "stage", stage_of },
	{ "percent", percent_of },
	{ "left", left_of },
};

int column_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(columns); i++)
		if (!strcmp(columns[i].name, name))
			return i;
	return -EINVAL;
}

unsigned int view_columns(void)
{
	return ARRAY_SIZE(columns);
}

/* Equals stand by id, whichever way the others do. */
static int compare(const void *a, const void *b, void *context)
{
	const struct top_row *one = *(const struct top_row * const *)a;
	const struct top_row *two = *(const struct top_row * const *)b;
	const struct top_view *view = context;
	uint64_t x, y;
	int order;

	if (columns[view->sort].key) {
		x = columns[view->sort].key(one, view->now);
		y = columns[view->sort].key(two, view->now);
		order = (x > y) - (x < y);
	} else {
		order = strcmp(one->vm.name, two->vm.name);
	}
	if (order)
		return view->reverse ? -order : order;
	return (one->vm.vm_id > two->vm.vm_id) -
	       (one->vm.vm_id < two->vm.vm_id);
}

int view_update(struct top_view *view, const struct top_model *model,
		uint64_t now)
{
	const struct top_row **rows;
	size_t i;

	rows = reallocarray(view->rows, model->count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	view->rows = rows;
	view->count = 0;
	view->now = now;
	for (i = 0; i < model->count; i++)
		if (strstr(model->rows[i].vm.name, view->filter))
			rows[view->count++] = &model->rows[i];
	qsort_r(rows, view->count, sizeof(*rows), compare, view);
	return 0;
}

void view_free(struct top_view *view)
{
	free(view->rows);
}

__attribute__((format(printf, 2, 3)))
static void add(char *text, const char *format, ...)
{
	size_t length = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + length, TOP_LINE_SIZE - length, format, arguments);
	va_end(arguments);
}

static void head_of_vms(const struct top_model *model, char *text)
{
	unsigned int states[VMGUEST_VM_GONE + 1] = { 0 }, agents = 0, i;
	char clock[16];
	time_t now = time(NULL);
	struct tm local;
	size_t row;

	for (row = 0; row < model->count; row++) {
		const struct vmguest_vm_get *vm = &model->rows[row].vm;

		if (vm->state <= VMGUEST_VM_GONE)
			states[vm->state]++;
		agents += !!(vm->vm_flags & VMGUEST_VM_AGENT);
	}
	localtime_r(&now, &local);
	strftime(clock, sizeof(clock), "%T", &local);
	add(text, "vmguestctl top - %s, VMs: %zu", clock, model->count);
	for (i = 0; i <= VMGUEST_VM_GONE; i++)
		add(text, ", %u %s", states[i], vmguest_state_name(i));
	add(text, "; %u with agent", agents);
}

static void head_of_tasks(const struct top_model *model, char *text)
{
	const struct vmguest_stats *stats = &model->stats;
	unsigned int running = 0, i;
	const char *before = " ";
	size_t row;

	for (row = 0; row < model->count; row++)
		running += !!model->rows[row].task.task_id;
	add(text, "Requests: %u running", running);
	if (!model->has_stats)
		return;
	add(text, "; tasks that ended:");
	for (i = 0; i < VMGUEST_STATS_RESULTS; i++) {
		if (!stats->tasks[i])
			continue;
		add(text, "%s%llu %s", before,
		    (unsigned long long)stats->tasks[i],
		    vmguest_result_name(i) ?: "?");
		before = ", ";
	}
	if (*before == ' ')
		add(text, " none");
}

static void head_of_frames(const struct top_model *model, char *text)
{
	const struct vmguest_stats *stats = &model->stats;

	if (!model->has_stats) {
		add(text, "Counters: only for CAP_SYS_ADMIN");
		return;
	}
	add(text, "Frames: %llu in, %llu out; connections: %u, %llu malformed, %llu refused; events: %llu, %llu dropped",
	    (unsigned long long)stats->frames_in,
	    (unsigned long long)stats->frames_out, stats->channels,
	    (unsigned long long)stats->malformed,
	    (unsigned long long)stats->refused,
	    (unsigned long long)stats->events,
	    (unsigned long long)stats->events_dropped);
}

static void head_of_view(const struct top_view *view, char *text)
{
	if (*view->filter)
		add(text, "Names with '%s': %zu", view->filter, view->count);
}

static void head_of_columns(char *text)
{
	add(text, "%6s %-*s %10s %-8s %-5s %5s %7s %-8s %-12s %4s %9s", "ID",
	    NAME_WIDTH, "NAME", "CID", "STATE", "AGENT", "BEAT%", "TASK",
	    "VERB", "STAGE", "%", "LEFT");
}

void view_head(const struct top_view *view, const struct top_model *model,
	       unsigned int line, char *text)
{
	*text = '\0';
	switch (line) {
	case 0:
		head_of_vms(model, text);
		break;
	case 1:
		head_of_tasks(model, text);
		break;
	case 2:
		head_of_frames(model, text);
		break;
	case TOP_WORDS:
		head_of_view(view, text);
		break;
	default:
		head_of_columns(text);
	}
}

static void add_vm(char *text, const struct vmguest_vm_get *vm)
{
	const bool cut = strlen(vm->name) > NAME_WIDTH;
	char beat[16] = "-";

	if (vm->heartbeat_ms)
		snprintf(beat, sizeof(beat), "%u", vm->heartbeat_percent);
	add(text, "%6llu %-*.*s%s %10u %-8s %-5s %5s",
	    (unsigned long long)vm->vm_id, NAME_WIDTH - cut, NAME_WIDTH - cut,
	    vm->name, cut ? "+" : "", vm->cid, vmguest_state_name(vm->state),
	    vm->vm_flags & VMGUEST_VM_AGENT ? "yes" : "no", beat);
}

static void add_task(char *text, const struct vmguest_task_get *task,
		     uint64_t now)
{
	int64_t ns = deadline_left(task, now);
	char left[SECONDS_SIZE] = "none";

	if (!task->task_id) {
		add(text, " %7s %-8s %-12s %4s %9s", "-", "-", "-", "-", "-");
		return;
	}
	if (ns >= 0)
		snprintf(left, sizeof(left), "%llu.%llus",
			 (unsigned long long)(ns / NS_PER_MS / 1000),
			 (unsigned long long)(ns / NS_PER_MS % 1000 / 100));
	add(text, " %7llu %-8s %-12s %4u %9s",
	    (unsigned long long)task->task_id, vmguest_verb_name(task->verb),
	    vmguest_stage_name(task->stage), task->percent, left);
}

void view_row(const struct top_view *view, size_t index, char *text)
{
	const struct top_row *row = view->rows[index];

	*text = '\0';
	add_vm(text, &row->vm);
	add_task(text, &row->task, view->now);
}

const char *view_help(unsigned int line)
{
	static const char * const lines[] = {
		"Keys of vmguestctl top",
		"",
		"  q                  quit",
		"  h ?                this",
		"  space              look anew, now",
		"  d s                seconds from one look to the next",
		"  arrows PgUp PgDn   go through the VMs; Home, End",
		"  < >                sort by the column to the left or right",
		"  I N S T P          sort by id, name, state, time left, percent",
		"  R                  turn the order round",
		"  / o                only VMs with this in their name; empty: all",
		"",
		"BEAT% is heartbeats of the last minute in percent of those expected.",
		"LEFT is the time to the deadline of the running request.",
		"",
		"Any key goes on.",
	};

	return line < ARRAY_SIZE(lines) ? lines[line] : NULL;
}
