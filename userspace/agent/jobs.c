// SPDX-License-Identifier: GPL-2.0
/*
 * What systemd still has to stop: its own list of jobs, read when it says that
 * one has come or gone, and once a second while any is left.
 *
 * systemd is asked without the bus, which ends earlier than the agent.
 */
#include <errno.h>
#include <stdlib.h>

#include "agent.h"
#include "bus.h"
#include "jobs.h"

#define SYSTEMD_PATH	"/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER	"org.freedesktop.systemd1.Manager"

#define JOBS_MAX	1024
#define UNIT_SIZE	VMGUEST_TEXT_SIZE

/* Signals come in crowds: one look for all of them. */
#define JOBS_SETTLE_MS	100
#define JOBS_TICK_MS	1000

/* A job that runs for so long is worth naming. */
#define JOB_PATIENCE_MS	1000

/**
 * struct job - A unit that is to be stopped
 * @id: systemd's number of the job.
 * @unit: The unit.
 * @since: When it was seen to run first, in now_ms(); 0 while it waits.
 * @listed: It is in the newest list.
 */
struct job {
	__u32 id;
	char unit[UNIT_SIZE];
	__u64 since;
	bool listed;
};

/**
 * struct jobs - All of them
 * @agent: The agent.
 * @bus: The connection to systemd.
 * @timer: The next look.
 * @list: The running call, or NULL.
 * @news: Something has changed since the call.
 * @begun: The jobs of the guest's end are there.
 * @delays: Who delays them.
 * @job: The jobs that are left.
 * @count: How many.
 * @gone: How many were there before.
 */
static struct jobs {
	struct agent *agent;
	struct bus bus;
	struct timer timer;
	sd_bus_slot *list;
	bool news;
	bool begun;
	struct blockers delays;
	struct job job[JOBS_MAX];
	unsigned int count;
	unsigned int gone;
} jobs;

/* Whole seconds at first, then steps of five: news, but not all the time. */
static void job_blocker(const struct job *job, struct blocker *blocker)
{
	unsigned int seconds = (now_ms() - job->since) / 1000;

	if (seconds > 5)
		seconds -= seconds % 5;
	*blocker = (struct blocker){ .kind = VMGUEST_BLOCKER_STOP_JOB };
	snprintf(blocker->who, sizeof(blocker->who), "%s", job->unit);
	snprintf(blocker->why, sizeof(blocker->why), "stopping for %u s",
		 seconds);
}

static void jobs_report(void)
{
	struct blockers slow = jobs.delays;
	struct blocker blocker;
	__u64 now = now_ms();
	unsigned int i;

	for (i = 0; i < jobs.count; i++) {
		if (!jobs.job[i].since ||
		    now - jobs.job[i].since < JOB_PATIENCE_MS)
			continue;
		job_blocker(&jobs.job[i], &blocker);
		blockers_add(&slow, &blocker);
	}
	agent_stop_jobs(jobs.agent, &slow);
	if (jobs.begun && jobs.count + jobs.gone)
		agent_progress(jobs.agent, 100 * jobs.gone /
			       (jobs.count + jobs.gone));
}

static bool job_is_end(const char *unit, const char *type)
{
	return !strcmp(type, "start") &&
	       (!strcmp(unit, "poweroff.target") ||
		!strcmp(unit, "reboot.target") ||
		!strcmp(unit, "halt.target") ||
		!strcmp(unit, "kexec.target"));
}

static struct job *job_find(__u32 id)
{
	unsigned int i;

	for (i = 0; i < jobs.count; i++)
		if (jobs.job[i].id == id)
			return &jobs.job[i];
	if (jobs.count == JOBS_MAX)
		return NULL;
	jobs.job[jobs.count] = (struct job){ .id = id };
	return &jobs.job[jobs.count++];
}

static void job_seen(__u32 id, const char *unit, const char *state)
{
	struct job *job = job_find(id);

	if (!job)
		return;
	snprintf(job->unit, sizeof(job->unit), "%s", unit);
	job->listed = true;
	if (!job->since && !strcmp(state, "running"))
		job->since = now_ms();
}

static void jobs_forget_gone(void)
{
	unsigned int i, kept = 0;

	for (i = 0; i < jobs.count; i++) {
		if (jobs.job[i].listed)
			jobs.job[kept++] = jobs.job[i];
		else
			jobs.gone++;
	}
	jobs.count = kept;
}

static int jobs_read(sd_bus_message *message)
{
	const char *unit, *type, *state;
	unsigned int i;
	uint32_t id;
	int err;

	err = sd_bus_message_enter_container(message, 'a', "(usssoo)");
	for (i = 0; i < jobs.count; i++)
		jobs.job[i].listed = false;
	while (err >= 0 &&
	       (err = sd_bus_message_read(message, "(usssoo)", &id, &unit,
					  &type, &state, NULL, NULL)) > 0) {
		if (!strcmp(type, "stop"))
			job_seen(id, unit, state);
		else if (job_is_end(unit, type))
			jobs.begun = true;
	}
	return err;
}

/* What stops before the guest's end has begun is nobody's delay. */
static void jobs_settle(void)
{
	jobs_forget_gone();
	if (!jobs.begun) {
		jobs.count = 0;
		jobs.gone = 0;
	} else {
		jobs.delays.count = 0;
	}
	jobs_report();
}

static int jobs_listed(sd_bus_message *message, void *data,
		       sd_bus_error *error)
{
	(void)data;
	(void)error;
	jobs.list = sd_bus_slot_unref(jobs.list);
	if (!sd_bus_message_is_method_error(message, NULL) &&
	    jobs_read(message) >= 0)
		jobs_settle();
	timer_set(&jobs.timer, jobs.news ? JOBS_SETTLE_MS : JOBS_TICK_MS);
	return 0;
}

static void jobs_look(struct timer *timer)
{
	(void)timer;
	if (!jobs.bus.bus || jobs.list)
		return;
	jobs.news = false;
	sd_bus_call_method_async(jobs.bus.bus, &jobs.list, NULL, SYSTEMD_PATH,
				 SYSTEMD_MANAGER, "ListJobs", jobs_listed, NULL,
				 "");
	bus_arm(&jobs.bus);
}

static int jobs_changed(sd_bus_message *message, void *data,
			sd_bus_error *error)
{
	(void)message;
	(void)data;
	(void)error;
	if (!jobs.news && !jobs.list)
		timer_set(&jobs.timer, JOBS_SETTLE_MS);
	jobs.news = true;
	return 0;
}

static void jobs_lost(struct bus *bus, int err)
{
	(void)bus;
	log_debug("connection to systemd lost: %s", strerror(-err));
	jobs.list = sd_bus_slot_unref(jobs.list);
	timer_clear(&jobs.timer);
}

static int jobs_match(const char *signal)
{
	return sd_bus_match_signal(jobs.bus.bus, NULL, NULL, SYSTEMD_PATH,
				   SYSTEMD_MANAGER, signal, jobs_changed,
				   NULL);
}

void jobs_watch(void)
{
	int err;

	if (jobs.bus.bus)
		return;
	jobs.count = 0;
	jobs.gone = 0;
	jobs.begun = false;
	err = bus_open_systemd(&jobs.bus);
	if (!err)
		err = jobs_match("JobNew");
	if (err >= 0)
		err = jobs_match("JobRemoved");
	if (err < 0) {
		log_warn("stop jobs are not known: %s", strerror(-err));
		bus_close(&jobs.bus);
		return;
	}
	timer_set(&jobs.timer, 0);
}

void jobs_set_delays(const struct blockers *delays)
{
	if (jobs.begun)
		return;
	jobs.delays = *delays;
	jobs_report();
}

void jobs_close(void)
{
	jobs.list = sd_bus_slot_unref(jobs.list);
	jobs.delays.count = 0;
	timer_clear(&jobs.timer);
	bus_close(&jobs.bus);
}

int jobs_init(struct agent *agent)
{
	int err;

	jobs.agent = agent;
	err = bus_init(&jobs.bus, &agent->loop, jobs_lost);
	if (err)
		return err;
	return timer_init(&agent->loop, &jobs.timer, jobs_look);
}
