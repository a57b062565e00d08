// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm: many guests that die, hang, reboot and reconnect, many requests to
 * them, and an oracle that tells from what both sides did how each must end.
 *
 *	storm [--tasks N] [--guests N] [--seed S] [--time-limit S] [--slow N]
 *
 * --slow makes all times so many times longer, for a kernel that is slow.
 *
 * Each guest lives through episodes: a plan is drawn and carried out, its tasks
 * end, the oracle judges them, the guest is brought back to order. KTAP.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "guestsim.h"
#include "histogram.h"
#include "oracle.h"
#include "plan.h"
#include "stall.h"
#include "vmg.h"

#define CID_FIRST	1000
#define MS		((uint64_t)1000000)

/*
 * How much later than its deadline a task may end, while processors are to be
 * had: the kernel's timers have a grain of 4 ms and run from a work
 * queue, on an emulated machine that also runs all the guests.
 */
#define DEADLINE_SLACK_MS	50

/*
 * And later by so many times what the threads that watch the processors had to
 * wait meanwhile: they sleep nearly all the time, so they wait less than others.
 */
#define WAIT_WEIGHT	10

/* What a thread may wait for a processor and it does not count. */
#define STALL_MS	6

/*
 * A round of the loop takes longer only when the kernel takes long to start or
 * to end a VMM: it waits for grace periods and threads, as its work queues do.
 */
#define ROUND_MS	25

/* An episode is quiet when its waits are shorter in all. */
#define QUIET_MS	30

/* How late the module may hear of what a guest does. */
#define LATE_MS		60

/* What is still on its way when the last task has ended. */
#define CALM_MS		8

/*
 * The time from a call to the guest's getting it in which the storm paces
 * itself: more guests at a time would only make each slower than its deadlines.
 */
#define PACE_MS		20
#define ACTIVE_MIN	4

/* Longest time for a guest to be back, and for one that is dialling. */
#define RETURN_MS	20000
#define DIAL_MS		200

/* Mismatches that are shown in full. */
#define SHOWN		5

/*
 * Tasks that could end in one way only, at least, in percent. The slower the
 * machine, the more happens at the same time: seen were 95.4 to 95.7 when it had
 * nothing else to do, and 93 otherwise.
 */
#define UNIQUE_PERCENT		90
#define UNIQUE_PERCENT_SLOW	85

/* Percents of fewer tasks say little. */
#define MANY		1000

#define FDS		4

/**
 * struct task - A task of an episode
 * @slot: Whose.
 * @fd: Shows it.
 * @close_fds: Its fds with CANCEL_ON_CLOSE.
 * @closes: How many.
 * @act: The call that started it.
 * @open: Its end has not been told.
 * @told: How often it was.
 * @info: What was told.
 */
struct task {
	struct slot *slot;
	int fd;
	int close_fds[FDS];
	unsigned int closes;
	const struct oracle_act *act;
	bool open;
	unsigned int told;
	struct vmguest_task_get info;
};

/**
 * enum slot_phase - What a slot is at
 * @SLOT_READY: The guest is in order.
 * @SLOT_RUNS: A plan is being carried out.
 * @SLOT_CALM: It is done; what is on its way arrives.
 * @SLOT_SETTLES: The guest may be dialling, which shall end first.
 * @SLOT_RETURNS: The guest comes back.
 * @SLOT_DONE: Enough.
 */
enum slot_phase {
	SLOT_READY,
	SLOT_RUNS,
	SLOT_CALM,
	SLOT_SETTLES,
	SLOT_RETURNS,
	SLOT_DONE,
};

/**
 * struct slot - A guest and what is done with it
 * @guest: The guest.
 * @name: Its VM's name.
 * @vm: Its VM's id, 0 when it is not registered.
 * @lifeline: It has one.
 * @capabilities: What its agent offers.
 * @random: State of its random numbers.
 * @phase: enum slot_phase.
 * @due_ns: When to go on, in phases that wait for a time.
 * @plan: The plan.
 * @next: Its next step.
 * @begin_ns: When it began.
 * @turn_ns: When it was looked at last.
 * @clogged: The guest's packets had to wait then.
 * @clogged_ns: For how long the guest's packets had to wait.
 * @port: From which the agent has dialled.
 * @acts: What was done, by number.
 * @act: That.
 * @call_task: Index of the task by number of the call in the plan, -1 for none.
 * @calls: How many calls were made.
 * @tasks: Number of tasks.
 * @task: They.
 * @open: How many of them have not ended.
 * @started: Tasks in all episodes.
 */
struct slot {
	struct sim_guest *guest;
	char name[16];
	uint64_t vm;
	bool lifeline;
	uint64_t capabilities;
	uint64_t random;
	enum slot_phase phase;
	uint64_t due_ns;
	struct plan plan;
	unsigned int next;
	uint64_t begin_ns;
	uint64_t turn_ns;
	bool clogged;
	uint64_t clogged_ns;
	uint32_t port;
	unsigned int acts;
	struct oracle_act act[2 * PLAN_STEPS];
	int call_task[PLAN_STEPS];
	unsigned int calls;
	unsigned int tasks;
	struct task task[PLAN_STEPS];
	unsigned int open;
	unsigned int started;
};

static struct {
	unsigned int tasks;
	unsigned int guests;
	uint64_t seed;
	unsigned int time_limit_s;
	unsigned int slow;
} options = {
	.tasks = 10000,
	.guests = 64,
	.slow = 1,
};

static struct {
	int fd;
	struct sim *sim;
	struct slot *slots;
	uint64_t start_ns;
	unsigned int running;
	unsigned int active;
	unsigned int limit;
	unsigned int first;
	unsigned int started;
	unsigned int quiet;
	unsigned int episodes;
	unsigned int unique;
	unsigned int wrong;
	unsigned int twice;
	unsigned int late;
	unsigned int acted;
	unsigned int lost;
	unsigned int stuck;
	int64_t latest_ns;
} storm;

/* Complaints */

__attribute__((format(printf, 2, 3)))
static void complain(unsigned int *count, const char *format, ...)
{
	va_list args;

	if ((*count)++ >= SHOWN)
		return;
	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

static double to_ms(uint64_t ns)
{
	return (double)ns / MS;
}

static void print_act(const struct oracle_act *act)
{
	static const char * const kinds[] = {
		[ORACLE_CALL] = "call",
		[ORACLE_CANCEL] = "cancel",
		[ORACLE_CLOSE] = "close",
		[ORACLE_UNREGISTER] = "unregister",
		[ORACLE_TOLD] = "told",
	};

	printf("# %.6f to %.6f ms %s task %llu: %d", to_ms(act->before_ns),
	       to_ms(act->after_ns), kinds[act->kind],
	       (unsigned long long)act->task_id, act->answer);
	if (act->kind == ORACLE_CALL)
		printf("; verb %u flags %#x until %u deadline %u force %u",
		       act->verb, act->flags, act->until, act->deadline_ms,
		       act->force_after_ms);
	printf("\n");
}

static void print_outcome(const char *who, const struct oracle_outcome *o)
{
	printf("#   %s: result %u error %d proofs %#x flags %#x by %llu\n",
	       who, o->result, o->error, o->proofs, o->flags,
	       (unsigned long long)o->superseded_by);
}

static void print_history(const struct slot *slot)
{
	unsigned int i;

	printf("# %s, %s lifeline, capabilities %#llx\n", slot->name,
	       slot->lifeline ? "with" : "without",
	       (unsigned long long)slot->capabilities);
	for (i = 0; i < slot->acts; i++)
		print_act(&slot->act[i]);
	for (i = 0; i < slot->tasks; i++) {
		const struct vmguest_task_get *info = &slot->task[i].info;

		printf("# task %llu: started at %.6f ms, ended at %.6f ms\n",
		       info->task_id, to_ms(info->start_ns),
		       to_ms(info->end_ns));
	}
	sim_guest_print_log(slot->guest);
}

/* Looking at tasks */

static struct oracle_outcome outcome_of(const struct vmguest_task_get *info)
{
	return (struct oracle_outcome) {
		.result = info->result,
		.error = info->error,
		.proofs = info->proofs,
		.flags = info->task_flags & (VMGUEST_TASK_FORCE |
					     VMGUEST_TASK_ESCALATED |
					     VMGUEST_TASK_CLEAN_UNKNOWN),
		.superseded_by = info->superseded_by,
	};
}

static bool guest_got(const struct slot *slot, uint16_t type, uint64_t task_id)
{
	size_t count, i;
	const struct sim_event *log = sim_guest_log(slot->guest, &count);

	for (i = 0; i < count; i++)
		if (log[i].kind == SIM_EV_GOT && log[i].what == type &&
		    log[i].task_id == task_id)
			return true;
	return false;
}

static void check_times(const struct slot *slot, const struct task *task)
{
	const struct vmguest_task_get *info = &task->info;
	int64_t over = info->end_ns - info->start_ns -
		       task->act->deadline_ms * MS;

	uint64_t waits = stall_between(info->start_ns, info->end_ns);
	int64_t slack = options.slow * DEADLINE_SLACK_MS * MS +
			WAIT_WEIGHT * waits;

	if (!waits && over > storm.latest_ns)
		storm.latest_ns = over;
	if (info->start_ns < task->act->before_ns ||
	    info->start_ns > task->act->after_ns ||
	    info->end_ns < info->start_ns ||
	    over > slack)
		complain(&storm.late, "%s task %llu ended %.3f ms after its deadline",
			 slot->name, info->task_id, (double)over / MS);
}

/* Independent of the oracle: what a result promises about the guest. */
static void check_promise(const struct slot *slot, const struct task *task)
{
	const struct vmguest_task_get *info = &task->info;
	bool granted = guest_got(slot, VMGUEST_WIRE_GO, info->task_id);
	bool kept = true;

	if (!(info->proofs & VMGUEST_PROOF_COMMITTED) &&
	    (info->result == VMGUEST_RESULT_CANCELLED ||
	     info->result == VMGUEST_RESULT_TIMEOUT))
		kept = !granted;
	if (info->result == VMGUEST_RESULT_SUCCESS &&
	    info->until == VMGUEST_UNTIL_GONE)
		kept = (granted ||
			(info->task_flags & VMGUEST_TASK_CLEAN_UNKNOWN)) &&
		       sim_guest_count(slot->guest, SIM_EV_DIED, -1);
	if (info->result == VMGUEST_RESULT_SUCCESS &&
	    info->verb == VMGUEST_VERB_RESTART &&
	    info->until != VMGUEST_UNTIL_ACCEPTED)
		kept = sim_guest_count(slot->guest, SIM_EV_BOOT, -1);
	if (!kept)
		complain(&storm.acted,
			 "%s task %llu: not so: result %u error %d proofs %#x",
			 slot->name, info->task_id, info->result, info->error,
			 info->proofs);
}

/* It ended once: nothing has changed since that was told. */
static void check_once(const struct slot *slot, const struct task *task)
{
	struct vmguest_task_get again = vmg_task(task->fd);
	short events = vmg_poll(task->fd, POLLIN, 0);

	again.task_flags &= ~VMGUEST_TASK_VM_UNREGISTERED;
	if (task->told != 1 || events != (POLLIN | POLLHUP) ||
	    !(again.task_flags & VMGUEST_TASK_COMPLETE) ||
	    memcmp(&again, &task->info, sizeof(again)))
		complain(&storm.twice,
			 "%s task %llu was told %u times, or changed later",
			 slot->name, again.task_id, task->told);
}

/* Steps */

static struct oracle_act *slot_act(struct slot *slot,
				   enum oracle_act_kind kind)
{
	struct oracle_act *act = &slot->act[slot->acts++];

	memset(act, 0, sizeof(*act));
	act->kind = kind;
	act->before_ns = sim_now_ns();
	return act;
}

static void task_ended(void *data)
{
	struct task *task = data;
	struct oracle_act *act;

	task->told++;
	sim_unwatch(storm.sim, task->fd);
	task->info = vmg_task(task->fd);
	task->info.task_flags &= ~VMGUEST_TASK_VM_UNREGISTERED;
	task->open = false;
	act = slot_act(task->slot, ORACLE_TOLD);
	act->task_id = task->info.task_id;
	act->after_ns = act->before_ns;
}

static struct task *slot_find_task(struct slot *slot, uint64_t task_id)
{
	unsigned int i;

	for (i = 0; i < slot->tasks; i++)
		if (slot->task[i].act->task_id == task_id)
			return &slot->task[i];
	return NULL;
}

/* A fd with CANCEL_ON_CLOSE is there to be closed; another one shows the end. */
static struct task *slot_add_task(struct slot *slot,
				  const struct oracle_act *act, int fd)
{
	struct task *task = &slot->task[slot->tasks++];

	memset(task, 0, sizeof(*task));
	task->act = act;
	task->slot = slot;
	task->fd = fd;
	task->open = true;
	if (act->flags & VMGUEST_REQ_CANCEL_ON_CLOSE) {
		task->fd = vmg_task_open(storm.fd, act->task_id);
		task->close_fds[task->closes++] = fd;
	}
	if (task->fd < 0 || sim_watch(storm.sim, task->fd, EPOLLIN, task_ended,
				      task))
		complain(&storm.stuck, "%s task %llu cannot be watched",
			 slot->name, (unsigned long long)act->task_id);
	slot->started++;
	storm.started++;
	return task;
}

static void task_add_fd(struct task *task, const struct oracle_act *act, int fd)
{
	if ((act->flags & VMGUEST_REQ_CANCEL_ON_CLOSE) && task->closes < FDS)
		task->close_fds[task->closes++] = fd;
	else
		close(fd);
}

static void slot_call(struct slot *slot, const struct plan_step *step)
{
	static const unsigned long calls[] = {
		[VMGUEST_VERB_SHUTDOWN] = VMGUEST_SHUTDOWN,
		[VMGUEST_VERB_RESTART] = VMGUEST_RESTART,
		[VMGUEST_VERB_LOGOFF] = VMGUEST_LOGOFF,
		[VMGUEST_VERB_PING] = VMGUEST_PING,
	};
	struct vmguest_request request = {
		.size = sizeof(request),
		.vm_id = slot->vm,
		.flags = step->flags,
		.until = step->until,
		.deadline_ms = step->deadline_ms,
		.force_after_ms = step->force_after_ms,
	};
	struct oracle_act *act = slot_act(slot, ORACLE_CALL);
	struct task *task;
	int fd;

	act->verb = step->verb;
	act->flags = step->flags;
	act->until = step->until;
	act->deadline_ms = step->deadline_ms;
	act->force_after_ms = step->force_after_ms;
	fd = vmg_ask(storm.fd, calls[step->verb], &request);
	act->after_ns = sim_now_ns();
	act->answer = fd < 0 ? fd : 0;
	act->task_id = request.task_id;
	task = slot_find_task(slot, act->task_id);
	if (fd < 0 || task)
		histogram_count_call(act);
	if (fd >= 0 && task)
		task_add_fd(task, act, fd);
	else if (fd >= 0)
		task = slot_add_task(slot, act, fd);
	slot->call_task[slot->calls++] = fd < 0 ? -1 : task - slot->task;
}

static struct task *slot_called(struct slot *slot, unsigned int call)
{
	if (call >= slot->calls || slot->call_task[call] < 0)
		return NULL;
	return &slot->task[slot->call_task[call]];
}

static void slot_cancel(struct slot *slot, struct task *task)
{
	struct oracle_act *act;

	if (!task)
		return;
	act = slot_act(slot, ORACLE_CANCEL);
	act->task_id = task->act->task_id;
	act->answer = vmg_task_cancel(task->fd);
	act->after_ns = sim_now_ns();
}

static void slot_close(struct slot *slot, struct task *task)
{
	struct oracle_act *act;

	if (!task || !task->closes)
		return;
	act = slot_act(slot, ORACLE_CLOSE);
	act->task_id = task->act->task_id;
	close(task->close_fds[--task->closes]);
	act->after_ns = sim_now_ns();
}

/* Nothing can be asked of the VM afterwards. */
static void slot_unregister(struct slot *slot)
{
	struct oracle_act *act = slot_act(slot, ORACLE_UNREGISTER);

	act->answer = vmg_unregister(storm.fd, slot->vm);
	act->after_ns = sim_now_ns();
	slot->vm = 0;
	slot->next = slot->plan.steps;
}

static bool slot_is_gone(const struct slot *slot)
{
	return sim_guest_count(slot->guest, SIM_EV_LIFELINE, -1);
}

static void slot_step(struct slot *slot)
{
	const struct plan_step *step = &slot->plan.step[slot->next++];

	switch (step->kind) {
	case PLAN_CALL:
		slot_call(slot, step);
		break;
	case PLAN_CANCEL:
		slot_cancel(slot, slot_called(slot, step->call));
		break;
	case PLAN_CLOSE:
		slot_close(slot, slot_called(slot, step->call));
		break;
	case PLAN_UNREGISTER:
		slot_unregister(slot);
		break;
	case PLAN_DEED:
		if (sim_guest_is_on(slot->guest))
			sim_guest_do(slot->guest, step->deed, step->arg);
		break;
	case PLAN_BOOT:
		if (!sim_guest_is_on(slot->guest) && !slot_is_gone(slot))
			sim_guest_boot(slot->guest);
		break;
	}
}

/* Judgement */

/* Return: whether the task ended as predicted. */
static bool judge_task(const struct task *task, bool quiet,
		       const struct oracle_prediction *prediction)
{
	struct oracle_outcome outcome = outcome_of(&task->info);
	unsigned int i, j;

	for (i = 0; i < prediction->count; i++) {
		const struct oracle_task *wanted = &prediction->task[i];

		if (wanted->task_id != task->info.task_id)
			continue;
		storm.quiet += quiet;
		storm.unique += quiet && wanted->count == 1;
		for (j = 0; j < wanted->count; j++)
			if (!memcmp(&wanted->outcome[j], &outcome,
				    sizeof(outcome)))
				return true;
	}
	return false;
}

static void show_mismatch(const struct slot *slot,
			  const struct oracle_prediction *prediction)
{
	unsigned int i, j;

	if (storm.wrong++ >= SHOWN)
		return;
	if (prediction->verdict == ORACLE_BAFFLED)
		printf("# what was told cannot be explained\n");
	for (i = 0; i < prediction->count; i++) {
		printf("# task %llu\n",
		       (unsigned long long)prediction->task[i].task_id);
		for (j = 0; j < prediction->task[i].count; j++)
			print_outcome("the oracle",
				      &prediction->task[i].outcome[j]);
	}
	for (i = 0; i < slot->tasks; i++) {
		struct oracle_outcome outcome =
			outcome_of(&slot->task[i].info);

		printf("# task %llu\n", slot->task[i].info.task_id);
		print_outcome("the module", &outcome);
	}
	print_history(slot);
}

static void slot_judge(struct slot *slot)
{
	uint64_t now = sim_now_ns();
	uint64_t stalled = stall_between(slot->begin_ns, now) +
			   stall_servants_between(slot->begin_ns, now) +
			   slot->clogged_ns;
	struct oracle_prediction prediction;
	struct oracle_history history = {
		.acts = slot->act,
		.act_count = slot->acts,
		.lifeline = slot->lifeline,
		.capabilities = slot->capabilities,
		.port = slot->port,
		.late_ns = options.slow * LATE_MS * MS + stalled,
	};
	bool quiet = stalled < options.slow * QUIET_MS * MS;
	bool right;
	unsigned int i;

	history.log = sim_guest_log(slot->guest, &history.log_count);
	oracle_predict(&history, &prediction);
	if (prediction.verdict == ORACLE_LOST) {
		storm.lost += slot->tasks;
		return;
	}
	right = prediction.verdict == ORACLE_KNOWS &&
		prediction.count == slot->tasks;
	for (i = 0; i < slot->tasks && right; i++)
		right = judge_task(&slot->task[i], quiet, &prediction);
	if (right)
		return;
	show_mismatch(slot, &prediction);
	printf("# threads waited %.3f ms for a processor meanwhile\n",
	       (double)stalled / MS);
}

static void slot_finish_tasks(struct slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->tasks; i++) {
		struct task *task = &slot->task[i];

		check_once(slot, task);
		check_times(slot, task);
		check_promise(slot, task);
		histogram_count_task(&task->info);
		while (task->closes)
			close(task->close_fds[--task->closes]);
		close(task->fd);
	}
}

/* Episodes */

static bool slot_is_busy(const struct slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->tasks; i++)
		if (slot->task[i].open)
			return true;
	return false;
}

static bool slot_has_enough(const struct slot *slot)
{
	uint64_t limit_ns = options.time_limit_s * 1000 * MS;

	return slot->started >= (options.tasks + options.guests - 1) /
				options.guests ||
	       (limit_ns && sim_now_ns() - storm.start_ns > limit_ns);
}

/* Deeds after which an agent works on. */
static bool is_harmless(const struct sim_event *deed)
{
	return deed->what == SIM_FORGE || deed->what == SIM_LIE ||
	       deed->what == SIM_FLOOD ||
	       (deed->what == SIM_RESULT &&
		deed->arg != VMGUEST_WIRE_NO_SESSIONS);
}

/* It is as it was in the beginning: connected, and working on nothing. */
static bool slot_is_in_order(const struct slot *slot)
{
	size_t count, i;
	const struct sim_event *log = sim_guest_log(slot->guest, &count);
	uint64_t task_id = 0;
	bool strayed = false;

	for (i = 0; i < count; i++) {
		const struct sim_event *ev = &log[i];

		if (ev->kind == SIM_EV_DEED)
			strayed |= !is_harmless(ev);
		if (ev->kind == SIM_EV_GOT && ev->what == VMGUEST_WIRE_REQUEST)
			task_id = ev->task_id;
		if (((ev->kind == SIM_EV_GOT &&
		      ev->what == VMGUEST_WIRE_CANCEL) ||
		     (ev->kind == SIM_EV_SENT &&
		      ev->what == VMGUEST_WIRE_RESULT)) &&
		    ev->task_id == task_id)
			task_id = 0;
		if (ev->kind == SIM_EV_GOT &&
		    ev->what == VMGUEST_WIRE_WELCOME) {
			task_id = 0;
			strayed = false;
		}
	}
	return sim_guest_is_welcome(slot->guest) && !task_id && !strayed;
}

static void slot_begin(struct slot *slot)
{
	if (slot_has_enough(slot)) {
		slot->phase = SLOT_DONE;
		storm.running--;
		return;
	}
	if (storm.active >= storm.limit)
		return;
	/* What it was told before may have reached it late. */
	if (!slot_is_in_order(slot)) {
		slot->phase = SLOT_SETTLES;
		slot->due_ns = sim_now_ns() + options.slow * DIAL_MS * MS;
		return;
	}
	storm.active++;
	sim_guest_forget_log(slot->guest);
	slot->port = sim_guest_port(slot->guest);
	plan_draw(&slot->plan, &slot->random, slot->guest, options.slow);
	sim_guest_set_delay(slot->guest, slot->plan.delay_ms);
	slot->next = 0;
	slot->acts = 0;
	slot->calls = 0;
	slot->tasks = 0;
	slot->phase = SLOT_RUNS;
	slot->begin_ns = sim_now_ns();
	slot->due_ns = slot->begin_ns;
	slot->turn_ns = slot->begin_ns;
	slot->clogged = false;
	slot->clogged_ns = 0;
	storm.episodes++;
}

static void slot_run(struct slot *slot)
{
	uint64_t now = sim_now_ns();
	const struct plan_step *step = &slot->plan.step[slot->next];
	bool busy = slot_is_busy(slot);

	if (slot->next < slot->plan.steps) {
		if (now < slot->due_ns || (step->calm && busy))
			return;
		slot_step(slot);
		slot->due_ns = now;
		if (slot->next < slot->plan.steps)
			slot->due_ns += slot->plan.step[slot->next].after_us *
					1000ULL;
	} else if (!busy) {
		slot->phase = SLOT_CALM;
		slot->due_ns = now + options.slow * CALM_MS * MS;
	}
}

/* How long the first call took to the guest, 0 when it did not get there. */
static uint64_t slot_pace(const struct slot *slot)
{
	size_t count, i;
	const struct sim_event *log = sim_guest_log(slot->guest, &count);

	for (i = 0; i < count; i++)
		if (log[i].kind == SIM_EV_GOT && log[i].task_id &&
		    log[i].task_id == slot->act[0].task_id)
			return log[i].ns - slot->act[0].before_ns;
	return 0;
}

static void storm_adapt(uint64_t pace_ns)
{
	uint64_t wanted_ns = options.slow * PACE_MS * MS;

	if (pace_ns > wanted_ns && storm.limit > ACTIVE_MIN)
		storm.limit--;
	else if (pace_ns && pace_ns < wanted_ns / 2 &&
		 storm.limit < options.guests)
		storm.limit++;
}

static void slot_conclude(struct slot *slot)
{
	if (sim_now_ns() < slot->due_ns)
		return;
	storm.active--;
	storm_adapt(slot_pace(slot));
	slot_judge(slot);
	slot_finish_tasks(slot);
	slot->phase = SLOT_SETTLES;
	slot->due_ns = sim_now_ns() + options.slow * DIAL_MS * MS;
}

static void slot_register(struct slot *slot)
{
	int lifeline = slot->lifeline ? sim_guest_lifeline(slot->guest) : -1;
	int err = vmg_register(storm.fd, slot->name, sim_guest_cid(slot->guest),
			       lifeline, &slot->vm);

	if (err)
		complain(&storm.stuck, "%s cannot be registered: %d",
			 slot->name, err);
}

/* A connection without a HELLO would stay with the host for a while. */
static void slot_settle(struct slot *slot)
{
	struct sim_guest *guest = slot->guest;
	bool in_order;
	int err = 0;

	if (sim_guest_is_dialling(guest) && sim_now_ns() < slot->due_ns)
		return;
	sim_guest_obey(guest);
	sim_guest_set_delay(guest, 0);
	if (slot_is_gone(slot) && slot->vm) {
		vmg_unregister(storm.fd, slot->vm);
		slot->vm = 0;
	}
	in_order = slot->vm && slot_is_in_order(slot);
	if (!slot->vm)
		slot_register(slot);
	if (!sim_guest_is_on(guest))
		err = sim_guest_boot(guest);
	else if (!in_order)
		sim_guest_do(guest, SIM_REBOOT, 0);
	if (err)
		complain(&storm.stuck, "%s does not boot: %d", slot->name, err);
	slot->phase = SLOT_RETURNS;
	slot->due_ns = sim_now_ns() + RETURN_MS * MS;
}

static void slot_return(struct slot *slot)
{
	if (sim_guest_is_welcome(slot->guest)) {
		slot->phase = SLOT_READY;
	} else if (sim_now_ns() > slot->due_ns) {
		complain(&storm.stuck, "%s does not come back", slot->name);
		sim_guest_print_log(slot->guest);
		slot->phase = SLOT_DONE;
		storm.running--;
	}
}

/* Packets that wait were logged, but not sent yet. */
static void slot_look_for_clog(struct slot *slot)
{
	uint64_t now = sim_now_ns();
	bool clogged = sim_guest_is_clogged(slot->guest);

	if (clogged || slot->clogged)
		slot->clogged_ns += now - slot->turn_ns;
	slot->clogged = clogged;
	slot->turn_ns = now;
}

static void slot_turn(struct slot *slot)
{
	slot_look_for_clog(slot);
	if (slot->phase == SLOT_CALM)
		slot_conclude(slot);
	if (slot->phase == SLOT_SETTLES)
		slot_settle(slot);
	if (slot->phase == SLOT_RETURNS)
		slot_return(slot);
	if (slot->phase == SLOT_READY)
		slot_begin(slot);
	if (slot->phase == SLOT_RUNS)
		slot_run(slot);
}

/* The storm */

static uint64_t slot_capabilities(unsigned int i)
{
	switch (i % 16) {
	case 1:
	case 4:
	case 9:
	case 12:
		return SIM_CAPABILITIES & ~VMGUEST_CAP_LAST_BREATH;
	case 2:
	case 10:
		return SIM_CAPABILITIES & ~VMGUEST_CAP_FORCE;
	case 3:
		return SIM_CAPABILITIES & ~VMGUEST_CAP_LOGOFF;
	default:
		return SIM_CAPABILITIES;
	}
}

static void slot_init(struct slot *slot, unsigned int i)
{
	slot->random = options.seed + i;
	slot->random = plan_random(&slot->random);
	slot->lifeline = i % 3;
	slot->capabilities = slot_capabilities(i);
	snprintf(slot->name, sizeof(slot->name), "guest%u", i);
	slot->guest = sim_guest_add(storm.sim, CID_FIRST + i);
	sim_guest_set_capabilities(slot->guest, slot->capabilities);
	sim_guest_set_sessions(slot->guest, 2);
	slot->phase = SLOT_SETTLES;
	storm.running++;
}

static uint64_t next_due(void)
{
	uint64_t now = sim_now_ns();
	uint64_t due = now + 5 * MS;
	unsigned int i;

	for (i = 0; i < options.guests; i++) {
		const struct slot *slot = &storm.slots[i];

		if ((slot->phase == SLOT_RUNS || slot->phase == SLOT_CALM) &&
		    slot->due_ns > now && slot->due_ns < due)
			due = slot->due_ns;
	}
	return due;
}

static void rage(void)
{
	uint64_t round_ns, now;
	unsigned int i;

	storm.start_ns = sim_now_ns();
	storm.slots = calloc(options.guests, sizeof(*storm.slots));
	for (i = 0; i < options.guests; i++)
		slot_init(&storm.slots[i], i);
	storm.limit = ACTIVE_MIN;
	while (storm.running) {
		round_ns = sim_now_ns();
		for (i = 0; i < options.guests; i++)
			slot_turn(&storm.slots[(storm.first + i) %
					       options.guests]);
		storm.first++;
		sim_step(storm.sim, next_due());
		now = sim_now_ns();
		if (now - round_ns > options.slow * ROUND_MS * MS)
			stall_add(round_ns, now);
	}
}

/* Return: whether no VM is left, registered or not. */
static bool tidy_up(void)
{
	sim_destroy(storm.sim);
	vmg_unregister_all(storm.fd);
	return vmg_wait_count(storm.fd, 0) && !close(storm.fd);
}

static unsigned int failures, skips, tests;

static void report(bool good, const char *words)
{
	printf("%sok %u %s\n", good ? "" : "not ", ++tests, words);
	failures += !good;
}

static void skip(const char *words, const char *why)
{
	printf("ok %u %s # SKIP %s\n", ++tests, words, why);
	skips++;
}

static int conclude(void)
{
	double ms = to_ms(sim_now_ns() - storm.start_ns);
	unsigned int unique = options.slow > 1 ? UNIQUE_PERCENT_SLOW :
			      UNIQUE_PERCENT;
	bool full = histogram_print();

	printf("# %u tasks in %u episodes of %u guests in %.0f s, %.0f a second\n",
	       storm.started, storm.episodes, options.guests, ms / 1000,
	       storm.started * 1000 / ms);
	printf("# one way to end: %u of %u in quiet episodes; not judged: %u\n",
	       storm.unique, storm.quiet, storm.lost);
	printf("# latest end: %.3f ms after the deadline, where nothing had to wait\n"
	       "# longest wait for a processor: %.0f ms, of a kernel's thread %.0f ms\n",
	       (double)storm.latest_ns / MS, to_ms(stall_longest()),
	       to_ms(stall_servants_longest()));
	report(!storm.stuck, "every guest came back, every task was watched");
	report(!storm.twice, "every task ended exactly once");
	report(!storm.late, "every task ended by its deadline");
	report(!storm.wrong, "every task ended as the oracle says");
	report(!storm.acted, "every result says what the guest did");
	if (storm.quiet < MANY)
		skip("one way to end", "the machine has too much else to do");
	else
		report(storm.unique * 100ULL >= storm.quiet * unique,
		       "the oracle knows one way to end of nearly all");
	if (storm.started < MANY)
		skip("the histogram", "too few tasks for percents");
	else
		report(full, "enough in each class");
	report(tidy_up(), "no VM is left");
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:0\n",
	       tests - failures - skips, failures, skips);
	return failures ? 1 : 0;
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "tasks", required_argument, NULL, 't' },
		{ "guests", required_argument, NULL, 'g' },
		{ "seed", required_argument, NULL, 's' },
		{ "time-limit", required_argument, NULL, 'l' },
		{ "slow", required_argument, NULL, 'w' },
		{ }
	};
	int c;

	getrandom(&options.seed, sizeof(uint32_t), 0);
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 0) : 0;

		if (c == 't')
			options.tasks = n;
		else if (c == 'g')
			options.guests = n ?: 1;
		else if (c == 's')
			options.seed = n;
		else if (c == 'l')
			options.time_limit_s = n;
		else if (c == 'w')
			options.slow = n ?: 1;
		else
			exit(2);
	}
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..8\n# seed %llu\n",
	       (unsigned long long)options.seed);
	storm.fd = vmg_open();
	if (storm.fd < 0) {
		printf("Bail out! /dev/vmguest: %s\n", strerror(errno));
		return 1;
	}
	storm.sim = sim_create();
	sim_hurry();
	/* The guests wait for the host, not the host for the guests. */
	if (stall_watch(STALL_MS * options.slow) || nice(10) < 0)
		printf("# cannot change priorities\n");
	if (stall_watch_servants())
		printf("# the kernel does not tell how long its threads wait\n");
	rage();
	stall_leave_servants();
	return conclude();
}
