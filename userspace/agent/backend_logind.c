// SPDX-License-Identifier: GPL-2.0
/*
 * A guest with systemd-logind.
 *
 * What logind knows of sessions is read from its own files through libsystemd;
 * it is asked over D-Bus only to act and for inhibitors. All calls are
 * asynchronous: a slow logind never keeps the agent from its host.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "agent.h"
#include "bus.h"
#include "jobs.h"

#define LOGIND_NAME	"org.freedesktop.login1"
#define LOGIND_PATH	"/org/freedesktop/login1"
#define LOGIND_MANAGER	"org.freedesktop.login1.Manager"

/* Flags of PowerOffWithFlags() and RebootWithFlags(). */
#define LOGIND_CHECK_INHIBITORS_AS_ROOT	1
#define LOGIND_SKIP_INHIBITORS		16

/* How long to wait before a bus that went away is looked for again. */
#define BUS_RETRY_MS	1000

/**
 * struct logind - The backend
 * @agent: The agent.
 * @bus: The system bus.
 * @retry: When to look for it again.
 * @monitor: Tells when sessions have changed.
 * @monitor_source: Its descriptor in the loop.
 * @changes: Tells when inhibitors have changed, or NULL.
 * @list: The running call of ListInhibitors, or NULL.
 * @checking: It is for agent_checked(), not for who delays a stop.
 * @stop: The running call that ends the guest, or NULL.
 * @end: What @stop is for.
 * @force: Inhibitors do not count.
 * @attempt: Which form of the call @stop is.
 */
static struct logind {
	struct agent *agent;
	struct bus bus;
	struct timer retry;
	sd_login_monitor *monitor;
	struct source monitor_source;
	sd_bus_slot *changes;
	sd_bus_slot *list;
	bool checking;
	sd_bus_slot *stop;
	enum vmguest_wire_end end;
	bool force;
	unsigned int attempt;
} logind;

static const char * const hook_paths[] = {
	"/usr/lib/systemd/system-shutdown/vmguest",
	"/lib/systemd/system-shutdown/vmguest",
	"/etc/systemd/system-shutdown/vmguest",
};

static void logind_forget_calls(void)
{
	logind.changes = sd_bus_slot_unref(logind.changes);
	logind.list = sd_bus_slot_unref(logind.list);
	logind.stop = sd_bus_slot_unref(logind.stop);
}

/*
 * The calls that were under way will not be answered any more. A bus that goes
 * away while the guest is to stop is what the guest's end looks like.
 */
static void logind_bus_lost(struct bus *bus, int err)
{
	bool checking = logind.list && logind.checking;

	(void)bus;
	log_info("connection to the system bus lost: %s", strerror(-err));
	logind_forget_calls();
	timer_set(&logind.retry, BUS_RETRY_MS);
	if (checking)
		agent_checked(logind.agent, err);
}

/*
 * The guest goes down, or comes back from it, at somebody's wish. What it comes
 * to is not said; nothing here depends on it.
 */
static int logind_prepare(sd_bus_message *message, void *data,
			  sd_bus_error *error)
{
	int start;

	(void)data;
	(void)error;
	if (sd_bus_message_read(message, "b", &start) > 0)
		agent_going_down(logind.agent,
				 start ? VMGUEST_END_POWEROFF : 0);
	return 0;
}

/* The bus comes up after the agent, and may be restarted. */
static int logind_open_bus(void)
{
	int err;

	if (logind.bus.bus)
		return 0;
	err = bus_open_system(&logind.bus);
	if (!err)
		err = sd_bus_match_signal_async(logind.bus.bus, NULL,
						LOGIND_NAME, LOGIND_PATH,
						LOGIND_MANAGER,
						"PrepareForShutdown",
						logind_prepare, NULL, NULL);
	if (err < 0) {
		bus_close(&logind.bus);
		return err;
	}
	timer_clear(&logind.retry);
	bus_arm(&logind.bus);
	return 0;
}

static void logind_retry(struct timer *timer)
{
	(void)timer;
	if (logind_open_bus())
		timer_set(&logind.retry, BUS_RETRY_MS);
	else
		agent_blockers_changed(logind.agent);
}

static int logind_monitor_open(void)
{
	int err;

	err = sd_login_monitor_new("session", &logind.monitor);
	if (err < 0)
		return err;
	logind.monitor_source.fd = sd_login_monitor_get_fd(logind.monitor);
	return source_add(&logind.agent->loop, &logind.monitor_source,
			  EPOLLIN);
}

static void logind_monitor_close(void)
{
	if (!logind.monitor)
		return;
	source_remove(&logind.agent->loop, &logind.monitor_source);
	logind.monitor = sd_login_monitor_unref(logind.monitor);
}

static void logind_monitor_handle(struct source *source, __u32 events)
{
	(void)source;
	(void)events;
	sd_login_monitor_flush(logind.monitor);
	agent_sessions_changed(logind.agent);
}

/* Watched only while sessions are being ended. */
static int logind_watch_sessions(bool on)
{
	if (!on)
		logind_monitor_close();
	else if (!logind.monitor)
		return logind_monitor_open();
	return 0;
}

static int logind_open(struct agent *agent, const char *arg)
{
	int err;

	if (arg)
		return -EINVAL;
	logind.agent = agent;
	logind.monitor_source = (struct source){
		.fd = -1,
		.handle = logind_monitor_handle,
	};
	err = timer_init(&agent->loop, &logind.retry, logind_retry);
	if (!err)
		err = bus_init(&logind.bus, &agent->loop, logind_bus_lost);
	if (!err)
		err = jobs_init(agent);
	if (err)
		return err;
	err = logind_open_bus();
	if (err) {
		log_warn("system bus: %s", strerror(-err));
		timer_set(&logind.retry, BUS_RETRY_MS);
	}
	return 0;
}

static void logind_close(void)
{
	logind_monitor_close();
	jobs_close();
	logind_forget_calls();
	bus_close(&logind.bus);
}

static __u64 logind_capabilities(void)
{
	__u64 capabilities = CAPABILITIES_BASE | VMGUEST_CAP_LOGOFF;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hook_paths); i++)
		if (!access(hook_paths[i], X_OK))
			return capabilities | VMGUEST_CAP_LAST_BREATH;
	return capabilities;
}

/* Class "user", and its kinds "user-early", "user-light" of later versions. */
static bool session_is_user(const char *id)
{
	char *class = NULL;
	bool is_user;

	is_user = sd_session_get_class(id, &class) >= 0 &&
		  !strncmp(class, "user", 4);
	free(class);
	return is_user;
}

static bool session_is_closing(const char *id)
{
	char *state = NULL;
	bool closing;

	closing = sd_session_get_state(id, &state) >= 0 &&
		  !strcmp(state, "closing");
	free(state);
	return closing;
}

static void session_fill(struct session *session, const char *id)
{
	char *tty = NULL;

	memset(session, 0, sizeof(*session));
	session->watch.fd = -1;
	snprintf(session->name, sizeof(session->name), "%s", id);
	if (sd_session_get_tty(id, &tty) >= 0)
		snprintf(session->line, sizeof(session->line), "%s", tty);
	free(tty);
	session->closing = session_is_closing(id);
	if (sd_session_get_uid(id, &session->uid) < 0) {
		session->uid = (uid_t)-1;
		strcpy(session->user, "somebody");
		return;
	}
	snprintf(session->user, sizeof(session->user), "uid %u", session->uid);
}

static int logind_sessions(struct session *sessions, int max)
{
	int i, n, count = 0;
	char **ids = NULL;

	n = sd_get_sessions(&ids);
	if (n < 0)
		return n == -ENOENT ? 0 : n;
	for (i = 0; i < n; i++) {
		if (count < max && session_is_user(ids[i]))
			session_fill(&sessions[count++], ids[i]);
		free(ids[i]);
	}
	free(ids);
	return count;
}

static bool logind_session_lives(const struct session *session)
{
	uid_t uid;

	return sd_session_get_uid(session->name, &uid) >= 0;
}

static void logind_forget_session(struct session *session)
{
	(void)session;
}

static int session_ended(sd_bus_message *message, void *data,
			 sd_bus_error *error)
{
	const sd_bus_error *failure = sd_bus_message_get_error(message);

	(void)data;
	(void)error;
	if (failure)
		log_warn("logind: %s", failure->message);
	/* It may have been gone before: look. */
	agent_sessions_changed(logind.agent);
	return 0;
}

static int session_terminate(const struct session *session)
{
	return sd_bus_call_method_async(logind.bus.bus, NULL, LOGIND_NAME,
					LOGIND_PATH, LOGIND_MANAGER,
					"TerminateSession", session_ended, NULL,
					"s", session->name);
}

static int session_kill(const struct session *session)
{
	return sd_bus_call_method_async(logind.bus.bus, NULL, LOGIND_NAME,
					LOGIND_PATH, LOGIND_MANAGER,
					"KillSession", session_ended, NULL,
					"ssi", session->name, "all", SIGKILL);
}

static int logind_end_session(struct session *session, bool kill)
{
	int err;

	err = logind_open_bus();
	if (err)
		return err;
	/* Killed processes do not end the session: that takes both. */
	if (kill)
		err = session_kill(session);
	if (err >= 0)
		err = session_terminate(session);
	bus_arm(&logind.bus);
	return err < 0 ? err : 0;
}

/* The inhibitor's "what" is a list: sleep:shutdown:idle. */
static bool inhibits_shutdown(const char *what)
{
	size_t len;

	while (*what) {
		len = strcspn(what, ":");
		if (len == 8 && !strncmp(what, "shutdown", 8))
			return true;
		what += len;
		what += *what == ':';
	}
	return false;
}

/* A lock in someone's way to the guest's end. Of mode "block-weak", too. */
static void inhibitor_blocks(struct blocker *blocker)
{
	blocker->kind = VMGUEST_BLOCKER_INHIBITOR;
	agent_blocker(logind.agent, blocker);
}

/* One that logind waits for, but not for long. */
static void inhibitor_delays(struct blockers *delays, struct blocker *blocker,
			     const char *why)
{
	blocker->kind = VMGUEST_BLOCKER_STOP_JOB;
	snprintf(blocker->why, sizeof(blocker->why), "delays: %.118s", why);
	blockers_add(delays, blocker);
}

static int inhibitors_read(sd_bus_message *message, struct blockers *delays)
{
	const char *what, *who, *why, *mode;
	struct blocker blocker = { };
	int err;

	err = sd_bus_message_enter_container(message, 'a', "(ssssuu)");
	if (err < 0)
		return err;
	while ((err = sd_bus_message_read(message, "(ssssuu)", &what, &who,
					  &why, &mode, &blocker.uid,
					  &blocker.pid)) > 0) {
		if (!inhibits_shutdown(what))
			continue;
		snprintf(blocker.who, sizeof(blocker.who), "%s", who);
		snprintf(blocker.why, sizeof(blocker.why), "%s", why);
		if (!strcmp(mode, "delay"))
			inhibitor_delays(delays, &blocker, why);
		else if (logind.checking)
			inhibitor_blocks(&blocker);
	}
	return err;
}

static int inhibitors_listed(sd_bus_message *message, void *data,
			     sd_bus_error *error)
{
	struct blockers delays = { };
	int err;

	(void)data;
	(void)error;
	logind.list = sd_bus_slot_unref(logind.list);
	if (sd_bus_message_is_method_error(message, NULL))
		err = -sd_bus_message_get_errno(message);
	else
		err = inhibitors_read(message, &delays);
	if (logind.checking)
		agent_checked(logind.agent, err);
	else if (err >= 0)
		jobs_set_delays(&delays);
	return 0;
}

static int inhibitors_list(void)
{
	int err;

	logind.list = sd_bus_slot_unref(logind.list);
	err = sd_bus_call_method_async(logind.bus.bus, &logind.list,
				       LOGIND_NAME, LOGIND_PATH,
				       LOGIND_MANAGER, "ListInhibitors",
				       inhibitors_listed, NULL, "");
	bus_arm(&logind.bus);
	return err < 0 ? err : 0;
}

/* logind says so for every lock that comes or goes, also for the second one. */
static int inhibitors_changed(sd_bus_message *message, void *data,
			      sd_bus_error *error)
{
	(void)message;
	(void)data;
	(void)error;
	if (logind.checking)
		agent_blockers_changed(logind.agent);
	else
		inhibitors_list();
	return 0;
}

static int inhibitors_watch(void)
{
	if (logind.changes)
		return 0;
	return sd_bus_match_signal_async(logind.bus.bus, &logind.changes,
					 LOGIND_NAME, LOGIND_PATH,
					 "org.freedesktop.DBus.Properties",
					 "PropertiesChanged",
					 inhibitors_changed, NULL, NULL);
}

/* logind waves root through, so the agent looks for itself. */
static int logind_check(void)
{
	int err;

	err = logind_open_bus();
	if (!err)
		err = inhibitors_watch();
	if (err < 0)
		return err;
	logind.checking = true;
	err = inhibitors_list();
	return err ? err : -EINPROGRESS;
}

static void logind_check_over(void)
{
	logind.checking = false;
	logind.list = sd_bus_slot_unref(logind.list);
	logind.changes = sd_bus_slot_unref(logind.changes);
}

/**
 * struct stop_form - One way to ask logind for the guest's end
 * @suffix: Behind the name of the method.
 * @flags: Its argument, for a method with flags.
 */
struct stop_form {
	const char *suffix;
	uint64_t flags;
};

/* From the newest logind to the oldest; what it does not know it refuses. */
static const struct stop_form stop_soft[] = {
	{ "WithFlags", LOGIND_CHECK_INHIBITORS_AS_ROOT },
	{ "", 0 },
	{ }
};

static const struct stop_form stop_force[] = {
	{ "WithFlags", LOGIND_SKIP_INHIBITORS },
	{ "WithFlags", 0 },
	{ "", 0 },
	{ }
};

static int stop_answered(sd_bus_message *message, void *data,
			 sd_bus_error *error);

/* Return: 0 when logind was asked, -EOPNOTSUPP when no form is left. */
static int stop_ask(void)
{
	static const char * const methods[] = {
		[VMGUEST_END_POWEROFF] = "PowerOff",
		[VMGUEST_END_REBOOT] = "Reboot",
		[VMGUEST_END_HALT] = "Halt",
	};
	const struct stop_form *form =
		(logind.force ? stop_force : stop_soft) + logind.attempt;
	char method[32];
	int err;

	if (!form->suffix)
		return -EOPNOTSUPP;
	snprintf(method, sizeof(method), "%s%s", methods[logind.end],
		 form->suffix);
	if (*form->suffix)
		err = sd_bus_call_method_async(logind.bus.bus, &logind.stop,
					       LOGIND_NAME, LOGIND_PATH,
					       LOGIND_MANAGER, method,
					       stop_answered, NULL, "t",
					       form->flags);
	else
		err = sd_bus_call_method_async(logind.bus.bus, &logind.stop,
					       LOGIND_NAME, LOGIND_PATH,
					       LOGIND_MANAGER, method,
					       stop_answered, NULL, "b", 0);
	bus_arm(&logind.bus);
	return err < 0 ? err : 0;
}

static void stop_failed(const sd_bus_error *failure)
{
	int err = -sd_bus_error_get_errno(failure);

	if (sd_bus_error_has_name(failure, LOGIND_NAME ".OperationInProgress"))
		return;
	if (sd_bus_error_has_name(failure,
				  LOGIND_NAME ".BlockedByInhibitorLock"))
		err = -EBUSY;
	jobs_close();
	agent_stop_failed(logind.agent, err, failure->message);
}

static int stop_answered(sd_bus_message *message, void *data,
			 sd_bus_error *error)
{
	const sd_bus_error *failure = sd_bus_message_get_error(message);
	int err = 0;

	(void)data;
	(void)error;
	logind.stop = sd_bus_slot_unref(logind.stop);
	if (!failure) {
		log_debug("logind brings the guest down");
		return 0;
	}
	if (sd_bus_error_has_names(failure, SD_BUS_ERROR_UNKNOWN_METHOD,
				   SD_BUS_ERROR_INVALID_ARGS)) {
		logind.attempt++;
		err = stop_ask();
		if (!err)
			return 0;
	}
	stop_failed(failure);
	return 0;
}

static int logind_stop(enum vmguest_wire_end end, bool force)
{
	int err;

	err = logind_open_bus();
	if (err)
		return err;
	jobs_watch();
	if (inhibitors_watch() < 0 || inhibitors_list())
		log_debug("who delays the end is not known");
	logind.stop = sd_bus_slot_unref(logind.stop);
	logind.end = end;
	logind.force = force;
	logind.attempt = 0;
	return stop_ask();
}

/* systemd ends the guest, not the agent. */
static void logind_finish(enum vmguest_wire_end end)
{
	log_debug("%s is systemd's", end_name(end));
}

const struct vmguest_backend backend_logind = {
	.name = "logind",
	.breath_at_end = false,
	.open = logind_open,
	.close = logind_close,
	.capabilities = logind_capabilities,
	.sessions = logind_sessions,
	.end_session = logind_end_session,
	.session_lives = logind_session_lives,
	.forget_session = logind_forget_session,
	.watch_sessions = logind_watch_sessions,
	.check = logind_check,
	.check_over = logind_check_over,
	.stop = logind_stop,
	.finish = logind_finish,
};
