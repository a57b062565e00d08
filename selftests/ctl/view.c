// SPDX-License-Identifier: GPL-2.0-only
/* Events in a line, and what "vmguestctl top" makes of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"
#include "top.h"

#define TIME	"2026-02-03T04:05:06.789+0100"

static struct vmguest_vm_get vm = {
	.vm_id = 3, .cid = 5, .name = "web1", .state = VMGUEST_VM_RUNNING,
	.vm_flags = VMGUEST_VM_AGENT, .task_id = 7,
};

static struct vmguest_task_get task = {
	.task_id = 7, .vm_id = 3, .cid = 5, .vm_name = "web1",
	.verb = VMGUEST_VERB_SHUTDOWN, .stage = VMGUEST_STAGE_BLOCKED,
	.percent = 10, .deadline_ms = 30000, .start_ns = 1000000000,
	.task_flags = VMGUEST_TASK_CANCELABLE,
	.proofs = VMGUEST_PROOF_ACCEPTED, .starter = { 1000, 42 },
	.blockers = 2, .reason = "say \"hi\" result=Success\n",
};

static const struct vmguest_task_blocker blocker = {
	.kind = VMGUEST_BLOCKER_INHIBITOR, .who = "\033[2Japt\"",
	.why = "a\\b", .uid = 1000, .pid = 9,
};

static const struct vmguest_task_get ended = {
	.task_id = 7, .vm_id = 3, .cid = 5, .vm_name = "web1",
	.verb = VMGUEST_VERB_SHUTDOWN, .stage = VMGUEST_STAGE_BLOCKED,
	.percent = 10, .deadline_ms = 30000, .start_ns = 1000000000,
	.end_ns = 2234000000, .result = VMGUEST_RESULT_TIMEOUT,
	.error = -ETIMEDOUT, .guest_text = "too\r\nslow",
	.task_flags = VMGUEST_TASK_COMPLETE | VMGUEST_TASK_FORCE,
	.proofs = VMGUEST_PROOF_ACCEPTED, .starter = { 1000, 42 },
};

static const struct {
	struct vmguest_event event;
	const char *line;
} lines[] = {
	{ {
			.type = VMGUEST_EVENT_VM_GONE, .vm = &vm,
			.cause = {
				.by = VMGUEST_CAUSE_BY_TASK, .task_id = 7,
				.verb = VMGUEST_VERB_SHUTDOWN, .actor = { 0, 12 },
				.reason = "late",
			},
	}, "web1 vm-gone id=3 cid=5 state=running agent=yes task=7 by=task by-task=7 by-verb=shutdown by-uid=0 by-pid=12 reason=\"late\"\n" },
	{ {
			.type = VMGUEST_EVENT_VM_CHANGED, .vm = &vm,
			.changed = VMGUEST_SET_MODE | VMGUEST_SET_CID,
	}, "web1 vm-changed id=3 cid=5 state=running agent=yes task=7 changed=mode,cid by=unknown\n" },
	{ {
			.type = VMGUEST_EVENT_VM_GOING_DOWN, .vm = &vm, .end = 2,
			.cause.by = VMGUEST_CAUSE_BY_GUEST,
	}, "web1 vm-going-down id=3 cid=5 state=running agent=yes task=7 guest-end=reboot by=guest\n" },
	{ {
			.type = VMGUEST_EVENT_VM_LOGOFF, .vm = &vm,
			.logoff = VMGUEST_LOGOFF_TYPE_EXTERNAL, .targeted = 3,
			.ended = 2, .left = 1,
	}, "web1 vm-logoff id=3 cid=5 state=running agent=yes task=7 logoff=external targeted=3 ended=2 left=1 by=unknown\n" },
	{ {
			.type = VMGUEST_EVENT_TASK_BLOCKED, .task = &task,
			.blocker = &blocker, .blockers = 1,
	}, "web1 task-blocked task=7 verb=shutdown stage=blocked percent=10 cancelable=yes proofs=accepted deadline=30.000s blockers=2 by-uid=1000 by-pid=42 reason=\"say \\x22hi\\x22 result=Success\\x0a\" guest-blocker=inhibitor guest-who=\"\\x1b[2Japt\\x22\" guest-why=\"a\\x5cb\" guest-uid=1000 guest-pid=9\n" },
	{ {
			.type = VMGUEST_EVENT_TASK_COMPLETED, .task = &ended,
	}, "web1 task-completed task=7 verb=shutdown force=yes stage=blocked percent=10 proofs=accepted result=TimeOut error=ETIMEDOUT elapsed=1.234s guest-text=\"too\\x0d\\x0aslow\" deadline=30.000s by-uid=1000 by-pid=42\n" },
	{ {
			.type = VMGUEST_EVENT_OVERRUN,
	}, "- overrun lost=unknown\n" },
	{ {
			.type = VMGUEST_EVENT_OVERRUN, .lost = 12,
	}, "- overrun lost=12\n" },
	{ {
			.type = VMGUEST_EVENT_SYNC_END,
	}, "- sync-end\n" },
};

static void check_line(const struct vmguest_event *event, const char *want)
{
	char *line = NULL;
	size_t size;
	FILE *to = open_memstream(&line, &size);

	if (!to)
		exit(1);
	write_event(to, TIME, event);
	fclose(to);
	ktap_check(!strncmp(line, TIME " ", strlen(TIME) + 1) &&
		   !strcmp(line + strlen(TIME) + 1, want),
		   "the line of %s", vmguest_event_name(event->type));
	if (strcmp(line + strlen(TIME) + 1, want))
		printf("# %s# %s", line, want);
	free(line);
}

static void check_lines(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		check_line(&lines[i].event, lines[i].line);
}

/* Every number that the module tells has a word of its own. */
static void check_names(void)
{
	uint32_t a, b;
	int good = 1;

	for (a = VMGUEST_CMD_VM_APPEARED; a <= VMGUEST_CMD_MAX; a++) {
		good &= !!strcmp(vmguest_event_name(a), "?");
		for (b = VMGUEST_CMD_VM_APPEARED; b < a; b++)
			good &= !!strcmp(vmguest_event_name(a),
					 vmguest_event_name(b));
	}
	ktap_check(good, "every event has a name of its own");
	ktap_check(!strcmp(vmguest_event_name(0), "?") &&
		   !strcmp(vmguest_event_name(VMGUEST_CMD_STATS_GET), "?") &&
		   !strcmp(vmguest_event_name(UINT32_MAX), "?"),
		   "what is no event has none");
}

static void check_deadlines(void)
{
	struct vmguest_task_get other = ended;

	ktap_check(deadline_left(&task, 1000000000) == 30000000000,
		   "all of the time is left");
	ktap_check(deadline_left(&task, 31000000001) == 0,
		   "no time is left");
	ktap_check(deadline_left(&other, 1000000000) == -1,
		   "what has ended has no deadline");
	other = task;
	other.deadline_ms = 0;
	ktap_check(deadline_left(&other, 1000000000) == -1,
		   "not every task has a deadline");
}

static void learn(struct top_model *model, uint32_t type,
		  const struct vmguest_vm_get *of_vm,
		  const struct vmguest_task_get *of_task)
{
	const struct vmguest_event event = {
		.type = type, .vm = of_vm, .task = of_task,
	};

	if (model_learn(model, &event))
		exit(1);
}

/* The names in the order in which they are shown. */
static void check_order(struct top_view *view, const struct top_model *model,
			const char *want)
{
	char names[128] = "";
	size_t i;

	if (view_update(view, model, 1000000000))
		exit(1);
	for (i = 0; i < view->count; i++) {
		strcat(names, " ");
		strcat(names, view->rows[i]->vm.name);
	}
	ktap_check(!strcmp(names, want), "column %u%s, names with '%s':%s",
		   view->sort, view->reverse ? " reversed" : "", view->filter,
		   names);
}

static void check_row(const struct top_view *view, size_t index,
		      const char *want)
{
	char text[TOP_LINE_SIZE];

	view_row(view, index, text);
	ktap_check(!strcmp(text, want), "a row: %s", text);
}

static void check_top(void)
{
	static const char head[] =
		", VMs: 2, 0 unknown, 2 running, 0 stopping, 0 down, 0 gone; 2 with agent";
	struct top_model model = { 0 };
	struct top_view view = { .sort = column_of("id") };
	struct vmguest_vm_get other = vm, db = vm;
	char text[TOP_LINE_SIZE];

	vm.heartbeat_ms = 6000;
	vm.heartbeat_percent = 90;
	other.vm_id = 1;
	other.cid = 9;
	strcpy(other.name, "web2-with-a-name-that-is-too-long");
	db.vm_id = 9;
	strcpy(db.name, "db");
	learn(&model, VMGUEST_EVENT_VM, &vm, NULL);
	learn(&model, VMGUEST_EVENT_VM_REGISTERED, &db, NULL);
	learn(&model, VMGUEST_EVENT_VM, &other, NULL);
	learn(&model, VMGUEST_EVENT_TASK, NULL, &task);
	check_order(&view, &model,
		    " web2-with-a-name-that-is-too-long web1 db");
	view.reverse = true;
	check_order(&view, &model,
		    " db web1 web2-with-a-name-that-is-too-long");
	view.reverse = false;
	view.sort = column_of("name");
	check_order(&view, &model,
		    " db web1 web2-with-a-name-that-is-too-long");
	view.sort = column_of("left");
	check_order(&view, &model,
		    " web1 web2-with-a-name-that-is-too-long db");
	check_row(&view, 0,
		  "     3 web1                          5 running  yes      90       7 shutdown blocked        10     30.0s");
	check_row(&view, 1,
		  "     1 web2-with-a-name-th+          9 running  yes       -       - -        -               -         -");
	snprintf(view.filter, sizeof(view.filter), "web1");
	check_order(&view, &model, " web1");

	/* An event has no heartbeats: those that were known stay. */
	vm.heartbeat_ms = 0;
	vm.heartbeat_percent = 0;
	vm.state = VMGUEST_VM_STOPPING;
	learn(&model, VMGUEST_EVENT_VM_GOING_DOWN, &vm, NULL);
	learn(&model, VMGUEST_EVENT_TASK_COMPLETED, NULL, &ended);
	check_order(&view, &model, " web1");
	check_row(&view, 0,
		  "     3 web1                          5 stopping yes      90       - -        -               -         -");
	view.filter[0] = '\0';
	learn(&model, VMGUEST_EVENT_VM_UNREGISTERED, &vm, NULL);
	learn(&model, VMGUEST_EVENT_VM_UNREGISTERED, &vm, NULL);
	check_order(&view, &model,
		    " web2-with-a-name-that-is-too-long db");
	view_head(&view, &model, 0, text);
	ktap_check(!!strstr(text, head), "the head: %s", text);
	learn(&model, VMGUEST_EVENT_SYNC_BEGIN, NULL, NULL);
	check_order(&view, &model, "");
	ktap_check(column_of("nothing") == -EINVAL, "no such column");
	model_free(&model);
	view_free(&view);
}

int main(void)
{
	ktap_begin();
	check_lines();
	check_names();
	check_deadlines();
	check_top();
	return ktap_end();
}
