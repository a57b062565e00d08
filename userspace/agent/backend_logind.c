// SPDX-License-Identifier: GPL-2.0
/*
 * A guest with systemd-logind.
 *
 * What logind knows of sessions is read from its own files through libsystemd;
 * it is asked over D-Bus only to act and for inhibitors. All calls are
 * asynchronous: a slow logind never keeps the agent from its host.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define LOGIND_NAME	"org.freedesktop.login1"
#define LOGIND_PATH	"/org/freedesktop/login1"
#define LOGIND_MANAGER	"org.freedesktop.login1.Manager"

/* Flags of PowerOffWithFlags() and RebootWithFlags(). */
#define LOGIND_CHECK_INHIBITORS_AS_ROOT	1
#define LOGIND_SKIP_INHIBITORS		16

#define BLOCKER_INHIBITOR	1

/**
 * struct logind - The backend
 * @agent: The agent.
 * @bus: System bus, NULL while there is no connection.
 * @source: Its descriptor in the loop.
 * @timer: Its timeout.
 * @monitor: Tells when sessions have changed.
 * @monitor_source: Its descriptor in the loop.
 * @check: The running call of ListInhibitors, or NULL.
 * @stop: The running call that ends the guest, or NULL.
 * @end: What @stop is for.
 * @force: Inhibitors do not count.
 * @attempt: Which form of the call @stop is.
 */
static struct logind {
	struct agent *agent;
	sd_bus *bus;
	struct source source;
	struct timer timer;
	sd_login_monitor *monitor;
	struct source monitor_source;
	sd_bus_slot *check;
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

static void bus_close(void)
{
	if (!logind.bus)
		return;
	logind.check = sd_bus_slot_unref(logind.check);
	logind.stop = sd_bus_slot_unref(logind.stop);
	timer_clear(&logind.timer);
	source_remove(&logind.agent->loop, &logind.source);
	logind.bus = sd_bus_close_unref(logind.bus);
}

/* The requests that were under way will not be answered any more. */
static void bus_lost(int err)
{
	bool checking = logind.check;
	bool stopping = logind.stop;

	log_warn("connection to the system bus lost: %s", strerror(-err));
	bus_close();
	if (checking)
		agent_checked(logind.agent, err);
	/* A bus that goes away is what a guest's end looks like. */
	if (stopping)
		log_debug("its answer to the stop is lost");
}

static uint64_t monotonic_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void bus_arm_timer(void)
{
	uint64_t until, now = monotonic_usec();

	if (sd_bus_get_timeout(logind.bus, &until) < 0 || until == UINT64_MAX)
		timer_clear(&logind.timer);
	else
		timer_set(&logind.timer,
			  until > now ? (until - now + 999) / 1000 : 0);
}

/* Wait for what the bus wants now. To be called after any use of it. */
static void bus_arm(void)
{
	__u32 wanted = 0;
	int events;

	if (!logind.bus)
		return;
	events = sd_bus_get_events(logind.bus);
	if (events < 0) {
		bus_lost(events);
		return;
	}
	if (events & POLLIN)
		wanted |= EPOLLIN;
	if (events & POLLOUT)
		wanted |= EPOLLOUT;
	source_change(&logind.agent->loop, &logind.source, wanted);
	bus_arm_timer();
}

static void bus_process(void)
{
	int n;

	do {
		n = logind.bus ? sd_bus_process(logind.bus, NULL) : 0;
	} while (n > 0);
	if (n < 0)
		bus_lost(n);
	else
		bus_arm();
}

static void bus_handle(struct source *source, __u32 events)
{
	(void)source;
	(void)events;
	bus_process();
}

static void bus_timeout(struct timer *timer)
{
	(void)timer;
	bus_process();
}

/*
 * The guest goes down, or comes back from it, at somebody's wish. What it comes
 * to is not said; nothing here depends on it.
 */
static int bus_prepare_for_shutdown(sd_bus_message *message, void *data,
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

static int bus_match(void)
{
	return sd_bus_match_signal_async(logind.bus, NULL, LOGIND_NAME,
					 LOGIND_PATH, LOGIND_MANAGER,
					 "PrepareForShutdown",
					 bus_prepare_for_shutdown, NULL, NULL);
}

/* The bus comes up after the agent and may be restarted: open it when needed. */
static int bus_open(void)
{
	int err;

	if (logind.bus)
		return 0;
	err = sd_bus_open_system(&logind.bus);
	if (err < 0)
		return err;
	logind.source.fd = sd_bus_get_fd(logind.bus);
	err = source_add(&logind.agent->loop, &logind.source, EPOLLIN);
	if (!err)
		err = bus_match();
	if (err < 0) {
		bus_close();
		return err;
	}
	bus_arm();
	return 0;
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

/* Watched only while sessions are being ended. */
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

static int logind_open(struct agent *agent, const char *arg)
{
	int err;

	if (arg)
		return -EINVAL;
	logind.agent = agent;
	logind.source = (struct source){ .fd = -1, .handle = bus_handle };
	logind.monitor_source = (struct source){
		.fd = -1,
		.handle = logind_monitor_handle,
	};
	err = timer_init(&agent->loop, &logind.timer, bus_timeout);
	if (err)
		return err;
	/* Early in a boot there is no bus yet. */
	err = bus_open();
	if (err)
		log_debug("system bus: %s", strerror(-err));
	return 0;
}

static void logind_close(void)
{
	logind_monitor_close();
	bus_close();
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

static void session_fill(struct session *session, const char *id)
{
	uid_t uid;

	memset(session, 0, sizeof(*session));
	session->watch.fd = -1;
	snprintf(session->name, sizeof(session->name), "%s", id);
	if (sd_session_get_uid(id, &uid) < 0)
		snprintf(session->user, sizeof(session->user), "somebody");
	else
		snprintf(session->user, sizeof(session->user), "uid %u", uid);
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
	logind_monitor_close();
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
	return sd_bus_call_method_async(logind.bus, NULL, LOGIND_NAME,
					LOGIND_PATH, LOGIND_MANAGER,
					"TerminateSession", session_ended, NULL,
					"s", session->name);
}

static int session_kill(const struct session *session)
{
	return sd_bus_call_method_async(logind.bus, NULL, LOGIND_NAME,
					LOGIND_PATH, LOGIND_MANAGER,
					"KillSession", session_ended, NULL,
					"ssi", session->name, "all", SIGKILL);
}

static int logind_end_session(struct session *session, bool kill)
{
	int err;

	err = bus_open();
	if (!err && !logind.monitor)
		err = logind_monitor_open();
	if (err < 0)
		return err;
	/* Killed processes do not end the session: that takes both. */
	if (kill)
		err = session_kill(session);
	if (err >= 0)
		err = session_terminate(session);
	bus_arm();
	return err < 0 ? err : 0;
}

/* The inhibitor's "what" is a list: sleep:shutdown:idle. */
static bool inhibits_shutdown(const char *what, const char *mode)
{
	size_t len;

	if (strncmp(mode, "block", 5))
		return false;
	while (*what) {
		len = strcspn(what, ":");
		if (len == 8 && !strncmp(what, "shutdown", 8))
			return true;
		what += len;
		what += *what == ':';
	}
	return false;
}

static int inhibitors_read(sd_bus_message *message)
{
	const char *what, *who, *why, *mode;
	uint32_t uid, pid;
	int err;

	err = sd_bus_message_enter_container(message, 'a', "(ssssuu)");
	if (err < 0)
		return err;
	while ((err = sd_bus_message_read(message, "(ssssuu)", &what, &who,
					  &why, &mode, &uid, &pid)) > 0)
		if (inhibits_shutdown(what, mode))
			agent_blocker(logind.agent, BLOCKER_INHIBITOR, uid, pid,
				      who, why);
	return err;
}

static int inhibitors_listed(sd_bus_message *message, void *data,
			     sd_bus_error *error)
{
	int err = 0;

	(void)data;
	(void)error;
	logind.check = sd_bus_slot_unref(logind.check);
	if (sd_bus_message_is_method_error(message, NULL))
		err = -sd_bus_message_get_errno(message);
	else
		err = inhibitors_read(message);
	agent_checked(logind.agent, err);
	return 0;
}

/* logind waves root through, so the agent looks for itself. */
static int logind_check(void)
{
	int err;

	err = bus_open();
	if (err < 0)
		return err;
	logind.check = sd_bus_slot_unref(logind.check);
	err = sd_bus_call_method_async(logind.bus, &logind.check, LOGIND_NAME,
				       LOGIND_PATH, LOGIND_MANAGER,
				       "ListInhibitors", inhibitors_listed,
				       NULL, "");
	bus_arm();
	return err < 0 ? err : -EINPROGRESS;
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
		err = sd_bus_call_method_async(logind.bus, &logind.stop,
					       LOGIND_NAME, LOGIND_PATH,
					       LOGIND_MANAGER, method,
					       stop_answered, NULL, "t",
					       form->flags);
	else
		err = sd_bus_call_method_async(logind.bus, &logind.stop,
					       LOGIND_NAME, LOGIND_PATH,
					       LOGIND_MANAGER, method,
					       stop_answered, NULL, "b", 0);
	bus_arm();
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

	err = bus_open();
	if (err < 0)
		return err;
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
	.check = logind_check,
	.stop = logind_stop,
	.finish = logind_finish,
};
