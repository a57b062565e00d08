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
#include "logins.h"

#define LOGIND_NAME	"org.freedesktop.login1"
#define LOGIND_PATH	"/org/freedesktop/login1"
#define LOGIND_MANAGER	"org.freedesktop.login1.Manager"
#define LOGIND_SESSION	"org.freedesktop.login1.Session"

#define SYSTEMD_NAME	"org.freedesktop.systemd1"
#define SYSTEMD_PATH	"/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER	"org.freedesktop.systemd1.Manager"

#define DBUS_NAME	"org.freedesktop.DBus"
#define DBUS_PATH	"/org/freedesktop/DBus"
#define DBUS_PROPERTIES	"org.freedesktop.DBus.Properties"

#define UNIT_SIZE	(SESSION_NAME_SIZE + 16)
#define BUS_NAME_SIZE	256
#define MATCH_SIZE	320

/* Whether a name of the bus is somebody else's now. */
#define OWNER_MATCH \
	"type='signal',sender='" DBUS_NAME "',path='" DBUS_PATH "'," \
	"interface='" DBUS_NAME "',member='NameOwnerChanged',arg0='%s'"

/* A job of one unit. */
#define JOB_MATCH \
	"type='signal',sender='" SYSTEMD_NAME "',path='" SYSTEMD_PATH "'," \
	"interface='" SYSTEMD_MANAGER "',member='JobNew',arg2='%s'"

/* Whatever changes of any session. */
#define LOCK_MATCH \
	"type='signal',sender='" LOGIND_NAME "'," \
	"path_namespace='" LOGIND_PATH "/session'," \
	"interface='" DBUS_PROPERTIES "',member='PropertiesChanged'," \
	"arg0='" LOGIND_SESSION "'"

/* Flags of PowerOffWithFlags() and RebootWithFlags(). */
#define LOGIND_CHECK_INHIBITORS_AS_ROOT	1
#define LOGIND_SKIP_INHIBITORS		16

/* How long to wait before a bus that went away is looked for again. */
#define BUS_RETRY_MS	1000

/**
 * struct owner - Somebody on the bus whose signals count
 * @name: Its name, as everybody knows it.
 * @unique: The name of its connection, empty for none.
 */
struct owner {
	const char *name;
	char unique[BUS_NAME_SIZE];
};

static struct owner logind_owner = { .name = LOGIND_NAME };
static struct owner systemd_owner = { .name = SYSTEMD_NAME };

/**
 * struct scope - What the bus tells of a session
 * @name: Name of the session, empty for none.
 * @lock: The running call that asks whether it is locked, or NULL.
 * @asked: It was asked since that has changed.
 * @locked: It is.
 */
struct scope {
	char name[SESSION_NAME_SIZE];
	sd_bus_slot *lock;
	bool asked;
	bool locked;
};

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
 * @check_again: A check was under way when a bus that nobody served yet was lost.
 * @stop_again: So was @stop.
 * @preparing: The running call that asks whether the guest goes down, or NULL.
 * @scopes: The units of those who are logged on.
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
	bool check_again;
	bool stop_again;
	sd_bus_slot *preparing;
	struct scope scopes[SESSION_MAX];
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
	logind.preparing = sd_bus_slot_unref(logind.preparing);
	logind_owner.unique[0] = '\0';
	systemd_owner.unique[0] = '\0';
}

static void scope_forget(struct scope *scope)
{
	scope->lock = sd_bus_slot_unref(scope->lock);
	scope->asked = false;
	scope->locked = false;
}

/* The next connection follows them anew. */
static void logind_forget_scopes(void)
{
	unsigned int i;

	for (i = 0; i < SESSION_MAX; i++)
		scope_forget(&logind.scopes[i]);
}

/*
 * systemd has the bus's socket before there is a bus. libsystemd waits 90 s for
 * that, which a guest that boots may take longer for. Nothing was said yet.
 */
static bool bus_was_too_early(const struct bus *bus, int err)
{
	return !bus->ready &&
	       (err == -ETIMEDOUT || err == -ECONNRESET || err == -EPIPE);
}

/*
 * The calls that were under way will not be answered any more. A bus that goes
 * away while the guest is to stop is what the guest's end looks like.
 */
static void logind_bus_lost(struct bus *bus, int err)
{
	bool checking = logind.list && logind.checking;
	bool early = bus_was_too_early(bus, err);

	log_info("connection to the system bus lost: %s", strerror(-err));
	logind.check_again |= early && checking;
	logind.stop_again |= early && logind.stop;
	logind_forget_calls();
	logind_forget_scopes();
	timer_set(&logind.retry, BUS_RETRY_MS);
	if (checking && !early)
		agent_checked(logind.agent, err);
}

/*
 * Anybody in the guest may send the agent a signal past the bus's rules, and
 * libsystemd takes it for the one that was asked for.
 */
static bool is_from(sd_bus_message *message, const struct owner *owner)
{
	const char *sender = sd_bus_message_get_sender(message);

	return sender && *owner->unique && !strcmp(sender, owner->unique);
}

/* Without it libsystemd gives the whole connection up for one refused rule. */
static int match_answered(sd_bus_message *message, void *data,
			  sd_bus_error *error)
{
	const sd_bus_error *failure = sd_bus_message_get_error(message);

	(void)data;
	(void)error;
	if (failure && !bus_is_ending(&logind.bus))
		log_warn("the bus refuses a rule for signals: %s", failure->message);
	return 0;
}

/*
 * The guest goes down, or comes back from it, at somebody's wish. How is not
 * said: systemd's job tells that. Until the agent's own call is answered, that
 * the guest stays up is about an end before it.
 */
static int logind_prepare(sd_bus_message *message, void *data,
			  sd_bus_error *error)
{
	int down;

	(void)data;
	(void)error;
	if (!is_from(message, &logind_owner) ||
	    sd_bus_message_read(message, "b", &down) <= 0)
		return 0;
	if (down) {
		agent_going_down(logind.agent, 0);
	} else if (logind.stop) {
		agent_stays_up(logind.agent);
	} else {
		jobs_close();
		agent_called_off(logind.agent);
	}
	return 0;
}

/* For an agent, or a logind, that comes when it has begun already. */
static int prepare_answered(sd_bus_message *message, void *data,
			    sd_bus_error *error)
{
	int down;

	(void)data;
	(void)error;
	logind.preparing = sd_bus_slot_unref(logind.preparing);
	if (sd_bus_message_is_method_error(message, NULL) ||
	    sd_bus_message_read(message, "v", "b", &down) <= 0)
		log_debug("logind does not say whether the guest goes down");
	else if (down)
		agent_going_down(logind.agent, 0);
	else
		agent_stays_up(logind.agent);
	return 0;
}

static void prepare_ask(void)
{
	logind.preparing = sd_bus_slot_unref(logind.preparing);
	sd_bus_call_method_async(logind.bus.bus, &logind.preparing, LOGIND_NAME,
				 LOGIND_PATH, DBUS_PROPERTIES, "Get",
				 prepare_answered, NULL, "ss", LOGIND_MANAGER,
				 "PreparingForShutdown");
}

static const struct {
	const char *unit;
	enum vmguest_wire_end end;
} end_units[] = {
	{ "poweroff.target", VMGUEST_END_POWEROFF },
	{ "reboot.target", VMGUEST_END_REBOOT },
	{ "kexec.target", VMGUEST_END_REBOOT },
	{ "halt.target", VMGUEST_END_HALT },
};

/* Only that logind prepares for it says that it is meant. */
static void end_job_new(const char *unit)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(end_units); i++)
		if (!strcmp(end_units[i].unit, unit))
			agent_going_down(logind.agent, end_units[i].end);
}

/*
 * systemd is to stop a session's unit: that is what logind's TerminateSession
 * and its like come to. Who was killed one by one has ended by themselves, as
 * far as anybody can know.
 */
static void scope_job_new(const char *unit)
{
	char name[SESSION_NAME_SIZE];

	if (sscanf(unit, "session-%63[^.].scope", name) == 1)
		logins_force(name);
}

static int job_new(sd_bus_message *message, void *data, sd_bus_error *error)
{
	const char *unit;
	uint32_t id;

	(void)data;
	(void)error;
	if (!sd_bus_message_is_signal(message, SYSTEMD_MANAGER, "JobNew") ||
	    !is_from(message, &systemd_owner) ||
	    sd_bus_message_read(message, "uos", &id, NULL, &unit) <= 0)
		return 0;
	if (logind.agent->going_down)
		end_job_new(unit);
	scope_job_new(unit);
	return 0;
}

/*
 * Each unit by itself, so that no other job wakes the agent up. libsystemd's
 * own matches do not look behind an argument that is no text: the bus is asked
 * past them.
 */
static int job_watch(const char *unit, const char *how)
{
	char match[MATCH_SIZE];

	snprintf(match, sizeof(match), JOB_MATCH, unit);
	return sd_bus_call_method_async(logind.bus.bus, NULL, DBUS_NAME,
					DBUS_PATH, DBUS_NAME, how,
					match_answered, NULL, "s", match);
}

static int end_watch(void)
{
	size_t i;
	int err;

	err = sd_bus_add_filter(logind.bus.bus, NULL, job_new, NULL);
	for (i = 0; err >= 0 && i < ARRAY_SIZE(end_units); i++)
		err = job_watch(end_units[i].unit, "AddMatch");
	return err;
}

static int logins_changed(sd_bus_message *message, void *data,
			  sd_bus_error *error)
{
	(void)data;
	(void)error;
	if (is_from(message, &logind_owner))
		logins_look(logind.agent);
	return 0;
}

/* systemd sends its signals only while somebody has asked it to. */
static void systemd_subscribe(void)
{
	sd_bus_call_method_async(logind.bus.bus, NULL, SYSTEMD_NAME,
				 SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe",
				 NULL, NULL, "");
}

/* A reload may make it forget who has. */
static int systemd_reloading(sd_bus_message *message, void *data,
			     sd_bus_error *error)
{
	int begins;

	(void)data;
	(void)error;
	if (is_from(message, &systemd_owner) &&
	    sd_bus_message_read(message, "b", &begins) > 0 && !begins)
		systemd_subscribe();
	return 0;
}

static struct scope *scope_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < SESSION_MAX; i++)
		if (!strcmp(logind.scopes[i].name, name))
			return &logind.scopes[i];
	return NULL;
}

/* A single rule each: the bus allows 512 for all of them. */
static void scope_watch(const struct scope *scope, const char *how)
{
	char unit[UNIT_SIZE];

	if (!logind.bus.bus)
		return;
	snprintf(unit, sizeof(unit), "session-%s.scope", scope->name);
	if (job_watch(unit, how) < 0)
		log_warn("session %s is not watched", scope->name);
}

static void scopes_watch(void)
{
	unsigned int i;

	for (i = 0; i < SESSION_MAX; i++)
		if (*logind.scopes[i].name)
			scope_watch(&logind.scopes[i], "AddMatch");
}

static void locks_ask(void);

/* Screen lockers say so, where there are any; a console has none. */
static int lock_answered(sd_bus_message *message, void *data,
			 sd_bus_error *error)
{
	struct scope *scope = data;
	bool before = scope->locked;
	int locked;

	(void)error;
	scope->lock = sd_bus_slot_unref(scope->lock);
	if (!sd_bus_message_is_method_error(message, NULL) &&
	    sd_bus_message_read(message, "v", "b", &locked) > 0)
		scope->locked = locked;
	locks_ask();
	if (scope->locked != before)
		agent_sessions_changed(logind.agent);
	/* Always: what was locked is forgotten when the bus is lost. */
	logins_look(logind.agent);
	return 0;
}

static void lock_ask(struct scope *scope)
{
	char *path = NULL;

	scope->asked = true;
	if (sd_bus_path_encode(LOGIND_PATH "/session", scope->name, &path) >= 0)
		sd_bus_call_method_async(logind.bus.bus, &scope->lock,
					 LOGIND_NAME, path, DBUS_PROPERTIES,
					 "Get", lock_answered, scope, "ss",
					 LOGIND_SESSION, "LockedHint");
	free(path);
}

/* One at a time: there may be more of them than calls that the bus allows. */
static void locks_ask(void)
{
	struct scope *scope, *next = NULL;

	if (!*logind_owner.unique)
		return;
	for (scope = logind.scopes; scope < logind.scopes + SESSION_MAX;
	     scope++) {
		if (scope->lock)
			return;
		if (*scope->name && !scope->asked)
			next = scope;
	}
	if (next)
		lock_ask(next);
}

static int lock_changed(sd_bus_message *message, void *data,
			sd_bus_error *error)
{
	struct scope *scope;
	char *name = NULL;

	(void)data;
	(void)error;
	if (!is_from(message, &logind_owner) ||
	    sd_bus_path_decode(sd_bus_message_get_path(message),
			       LOGIND_PATH "/session", &name) <= 0)
		return 0;
	scope = scope_find(name);
	free(name);
	if (scope)
		scope->asked = false;
	locks_ask();
	return 0;
}

/* Without the bus it is watched when that is there. */
static void logind_follow_session(const char *name)
{
	struct scope *scope = scope_find("");

	if (!scope)
		return;
	snprintf(scope->name, sizeof(scope->name), "%s", name);
	scope_watch(scope, "AddMatch");
	locks_ask();
}

static void logind_unfollow_session(const char *name)
{
	struct scope *scope = scope_find(name);

	if (!scope)
		return;
	scope_watch(scope, "RemoveMatch");
	scope_forget(scope);
	scope->name[0] = '\0';
	locks_ask();
}

/* What the one before it has not told. */
static void logind_appeared(void)
{
	unsigned int i;

	prepare_ask();
	logins_look(logind.agent);
	for (i = 0; i < SESSION_MAX; i++)
		logind.scopes[i].asked = false;
	locks_ask();
}

static void owner_set(struct owner *owner, const char *unique)
{
	snprintf(owner->unique, sizeof(owner->unique), "%s", unique);
	if (!*unique)
		return;
	if (owner == &logind_owner)
		logind_appeared();
	else
		systemd_subscribe();
}

static int owner_changed(sd_bus_message *message, void *data,
			 sd_bus_error *error)
{
	const char *sender = sd_bus_message_get_sender(message);
	const char *unique;

	(void)error;
	if (sender && !strcmp(sender, DBUS_NAME) &&
	    sd_bus_message_read(message, "sss", NULL, NULL, &unique) > 0)
		owner_set(data, unique);
	return 0;
}

static int owner_answered(sd_bus_message *message, void *data,
			  sd_bus_error *error)
{
	const char *unique;

	(void)error;
	if (!sd_bus_message_is_method_error(message, NULL) &&
	    sd_bus_message_read(message, "s", &unique) > 0)
		owner_set(data, unique);
	return 0;
}

/* Before any of its signals, so that none comes from somebody unknown. */
static int owner_watch(struct owner *owner)
{
	char match[MATCH_SIZE];
	int err;

	snprintf(match, sizeof(match), OWNER_MATCH, owner->name);
	err = sd_bus_add_match_async(logind.bus.bus, NULL, match, owner_changed,
				     match_answered, owner);
	if (err < 0)
		return err;
	return sd_bus_call_method_async(logind.bus.bus, NULL, DBUS_NAME,
					DBUS_PATH, DBUS_NAME, "GetNameOwner",
					owner_answered, owner, "s",
					owner->name);
}

static int logind_match(const char *signal, sd_bus_message_handler_t handler)
{
	return sd_bus_match_signal_async(logind.bus.bus, NULL, LOGIND_NAME,
					 LOGIND_PATH, LOGIND_MANAGER, signal,
					 handler, match_answered, NULL);
}

static int systemd_watch(void)
{
	int err;

	err = owner_watch(&systemd_owner);
	if (err >= 0)
		err = sd_bus_match_signal_async(logind.bus.bus, NULL,
						SYSTEMD_NAME, SYSTEMD_PATH,
						SYSTEMD_MANAGER, "Reloading",
						systemd_reloading,
						match_answered, NULL);
	return err < 0 ? err : end_watch();
}

/* All of them are signals: as long as nothing happens nothing comes. */
static int logind_watch(void)
{
	int err;

	err = owner_watch(&logind_owner);
	if (err >= 0)
		err = logind_match("PrepareForShutdown", logind_prepare);
	if (err >= 0)
		err = logind_match("SessionNew", logins_changed);
	if (err >= 0)
		err = logind_match("SessionRemoved", logins_changed);
	if (err >= 0)
		err = sd_bus_add_match_async(logind.bus.bus, NULL, LOCK_MATCH,
					     lock_changed, match_answered,
					     NULL);
	return err < 0 ? err : systemd_watch();
}

/* The bus comes up after the agent, and may be restarted. */
static int logind_open_bus(void)
{
	int err;

	if (logind.bus.bus)
		return 0;
	err = bus_open_system(&logind.bus);
	if (!err)
		err = logind_watch();
	if (err < 0) {
		logind_forget_calls();
		bus_close(&logind.bus);
		return err;
	}
	scopes_watch();
	timer_clear(&logind.retry);
	bus_arm(&logind.bus);
	return 0;
}

static int logind_stop(enum vmguest_wire_end end, bool force);

/* What a bus that nobody served has not heard. */
static void logind_ask_again(void)
{
	bool check = logind.check_again, stop = logind.stop_again;
	int err;

	logind.check_again = false;
	logind.stop_again = false;
	/* Blockers have changed meanwhile, so one that waits is done anew. */
	if (check)
		agent_checked(logind.agent, -ETIMEDOUT);
	if (!stop)
		return;
	err = logind_stop(logind.end, logind.force);
	if (err)
		agent_stop_failed(logind.agent, err, strerror(-err));
}

static void logind_retry(struct timer *timer)
{
	(void)timer;
	if (logind_open_bus()) {
		timer_set(&logind.retry, BUS_RETRY_MS);
		return;
	}
	agent_blockers_changed(logind.agent);
	logind_ask_again();
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

/* Only while it matters: it wakes up for each change of any session. */
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
	logind_forget_scopes();
	bus_close(&logind.bus);
}

static __u64 logind_capabilities(void)
{
	__u64 capabilities = CAPABILITIES_BASE | VMGUEST_CAP_LOGOFF |
			     VMGUEST_CAP_NOTICE | VMGUEST_CAP_RESPECT_SESSIONS |
			     VMGUEST_CAP_SESSIONS;
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
	const struct scope *scope = scope_find(id);
	char *tty = NULL, *from = NULL;

	memset(session, 0, sizeof(*session));
	session->watch.fd = -1;
	snprintf(session->name, sizeof(session->name), "%s", id);
	if (sd_session_get_tty(id, &tty) >= 0)
		snprintf(session->line, sizeof(session->line), "%s", tty);
	free(tty);
	if (sd_session_get_remote_host(id, &from) >= 0)
		snprintf(session->from, sizeof(session->from), "%s", from);
	free(from);
	session->locked = scope && scope->locked;
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

static int inhibitors_list(void);

/* The bus tells first that nobody has the name any more, then who waits. */
static bool was_lost_with_logind(sd_bus_message *message)
{
	return !*logind_owner.unique &&
	       sd_bus_message_is_method_error(message, SD_BUS_ERROR_NO_REPLY);
}

static int inhibitors_listed(sd_bus_message *message, void *data,
			     sd_bus_error *error)
{
	struct blockers delays = { };
	int err;

	(void)data;
	(void)error;
	if (bus_is_ending(&logind.bus))
		return 0;
	logind.list = sd_bus_slot_unref(logind.list);
	/* The bus starts another one, or says why it cannot. */
	if (was_lost_with_logind(message) && !inhibitors_list())
		return 0;
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
	(void)data;
	(void)error;
	if (!is_from(message, &logind_owner))
		return 0;
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
					 DBUS_PROPERTIES,
					 "PropertiesChanged",
					 inhibitors_changed, match_answered,
					 NULL);
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
	logind.check_again = false;
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
	if (bus_is_ending(&logind.bus))
		return 0;
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
	.follow_session = logind_follow_session,
	.unfollow_session = logind_unfollow_session,
	.check = logind_check,
	.check_over = logind_check_over,
	.stop = logind_stop,
	.finish = logind_finish,
};
