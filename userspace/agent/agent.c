// SPDX-License-Identifier: GPL-2.0
/*
 * The agent: what ties connection, request and backend together, its signals
 * and its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "pid1.h"

/* How long the guest's end waits for the host to hear of it. */
#define BREATH_TIMEOUT_MS	1000

static struct agent *agent_of_connection(struct connection *conn)
{
	return container_of(conn, struct agent, conn);
}

const char *end_name(enum vmguest_wire_end end)
{
	switch (end) {
	case VMGUEST_END_POWEROFF:
		return "poweroff";
	case VMGUEST_END_REBOOT:
		return "reboot";
	case VMGUEST_END_HALT:
		return "halt";
	}
	return "end";
}

__u64 agent_capabilities(struct agent *agent)
{
	return agent->backend->capabilities() & ~agent->options.denied;
}

static void agent_hello(struct connection *conn, struct vmguest_frame *frame)
{
	struct agent *agent = agent_of_connection(conn);
	static struct session sessions[SESSION_MAX];
	int i, count;

	info_read(&agent->info);
	info_hello(&agent->info, frame);
	count = agent->backend->sessions(sessions, SESSION_MAX);
	for (i = 0; i < count; i++)
		frame->hello.sessions += !sessions[i].closing;
	memcpy(frame->hello.boot_id, agent->state.boot_id, ID_SIZE);
	memcpy(frame->hello.instance, agent->state.instance, ID_SIZE);
	frame->hello.capabilities = agent_capabilities(agent);
	frame->hello.role = VMGUEST_ROLE_AGENT;
}

static void agent_breath_over(struct agent *agent)
{
	void (*breathed)(struct agent *agent) = agent->breathed;

	timer_clear(&agent->breath_timer);
	agent->breath = 0;
	agent->breath_sent = false;
	breathed(agent);
}

static void agent_breathe(struct agent *agent)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_LAST_BREATH,
		.task_id = agent->state.task,
		.last_breath.end = agent->breath,
	};

	if (agent->breath_sent || !connection_is_open(&agent->conn))
		return;
	agent->breath_sent = !connection_send(&agent->conn, &frame);
}

static void agent_breath_timeout(struct timer *timer)
{
	struct agent *agent = container_of(timer, struct agent, breath_timer);

	log_task(LOG_WARNING, agent->state.task,
		 "the host has not answered the last breath");
	agent_breath_over(agent);
}

static void agent_breathe_then(struct agent *agent, enum vmguest_wire_end end,
			       void (*breathed)(struct agent *agent))
{
	if (agent->breath)
		return;
	log_task(LOG_NOTICE, agent->state.task, "last breath: %s",
		 end_name(end));
	agent->breath = end;
	agent->breathed = breathed;
	timer_set(&agent->breath_timer, BREATH_TIMEOUT_MS);
	agent_breathe(agent);
}

static void agent_finish_poweroff(struct agent *agent)
{
	agent->backend->finish(VMGUEST_END_POWEROFF);
}

static void agent_finish_reboot(struct agent *agent)
{
	agent->backend->finish(VMGUEST_END_REBOOT);
}

static void agent_finish_halt(struct agent *agent)
{
	agent->backend->finish(VMGUEST_END_HALT);
}

void agent_last_breath(struct agent *agent, enum vmguest_wire_end end)
{
	if (end == VMGUEST_END_REBOOT)
		agent_breathe_then(agent, end, agent_finish_reboot);
	else if (end == VMGUEST_END_HALT)
		agent_breathe_then(agent, end, agent_finish_halt);
	else
		agent_breathe_then(agent, end, agent_finish_poweroff);
}

static void agent_pong(struct agent *agent, __u64 id)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_PONG,
		.task_id = id,
	};

	connection_send(&agent->conn, &frame);
}

/* Tasks of another host instance are unknown to it; a stop cannot be undone. */
static void agent_forget_instance(struct agent *agent)
{
	if (agent->request.state != REQUEST_NONE)
		log_task(LOG_INFO, agent->request.id,
			 "forgotten: the host has started anew");
	if (request_end(&agent->request)) {
		agent->end = request_end(&agent->request);
		agent->going_down = true;
		agent->end_known = true;
	}
	agent->state.task = 0;
	request_drop(agent);
	announcement_take_back(agent);
}

static void agent_welcomed(struct connection *conn,
			   const struct vmguest_frame *frame)
{
	struct agent *agent = agent_of_connection(conn);

	log_info("connected to the host");
	if (memcmp(agent->state.instance, frame->welcome.instance, ID_SIZE)) {
		if (!id_is_zero(agent->state.instance))
			agent_forget_instance(agent);
		memcpy(agent->state.instance, frame->welcome.instance, ID_SIZE);
		state_save(&agent->state);
	}
	notice_reconnected(agent);
	request_reconnected(agent);
	announcement_reconnected(agent);
	if (agent->breath)
		agent_breathe(agent);
}

static void agent_received(struct connection *conn,
			   const struct vmguest_frame *frame)
{
	struct agent *agent = agent_of_connection(conn);

	switch (frame->type) {
	case VMGUEST_WIRE_PING:
		agent_pong(agent, frame->task_id);
		break;
	case VMGUEST_WIRE_REQUEST:
		request_received(agent, frame);
		break;
	case VMGUEST_WIRE_GO:
		request_go(agent, frame->task_id);
		break;
	case VMGUEST_WIRE_CANCEL:
		request_cancel(agent, frame->task_id);
		break;
	case VMGUEST_WIRE_LAST_BREATH_ACK:
		if (agent->breath_sent)
			agent_breath_over(agent);
		break;
	default:
		connection_punish(conn, "the host sent a frame out of place");
	}
}

static void agent_disconnected(struct connection *conn)
{
	struct agent *agent = agent_of_connection(conn);

	agent->breath_sent = false;
}

static const struct connection_events agent_connection_events = {
	.hello = agent_hello,
	.opened = agent_welcomed,
	.received = agent_received,
	.closed = agent_disconnected,
};

void agent_blocker(struct agent *agent, const struct blocker *blocker)
{
	request_blocker(agent, blocker);
}

void agent_checked(struct agent *agent, int err)
{
	request_checked(agent, err);
}

void agent_blockers_changed(struct agent *agent)
{
	request_blockers_changed(agent);
}

void agent_progress(struct agent *agent, unsigned int percent)
{
	if (request_end(&agent->request))
		request_progress(agent, percent);
}

void agent_stop_jobs(struct agent *agent, const struct blockers *jobs)
{
	request_stop_jobs(agent, jobs);
}

void agent_sessions_changed(struct agent *agent)
{
	request_sessions_changed(agent);
}

void agent_stop_failed(struct agent *agent, int err, const char *why)
{
	request_stop_failed(agent, err == -EBUSY ? VMGUEST_WIRE_BLOCKED_BY :
			    err == -EACCES ? VMGUEST_WIRE_REFUSED :
			    VMGUEST_WIRE_FAILED, why);
}

void agent_going_down(struct agent *agent, enum vmguest_wire_end end)
{
	if (request_end(&agent->request) ||
	    (agent->going_down && (!end || end == agent->end)))
		return;
	if (!agent->going_down)
		log_info("the guest goes down by itself");
	agent->going_down = true;
	agent->end = end;
	agent->end_known = true;
	notice_end(agent);
	request_overtaken(agent);
}

/* Whatever the request says. */
void agent_stays_up(struct agent *agent)
{
	if (agent->end_known && !agent->going_down)
		return;
	agent->going_down = false;
	agent->end = 0;
	agent->end_known = true;
	request_stays_up(agent);
	notice_end(agent);
}

void agent_called_off(struct agent *agent)
{
	agent_stays_up(agent);
	agent_stop_failed(agent, -ECANCELED, "called off in the guest");
}

void agent_reborn(struct agent *agent)
{
	if (getentropy(agent->state.boot_id, ID_SIZE))
		log_warn("no randomness for a new boot id");
	memset(agent->state.instance, 0, ID_SIZE);
	agent->going_down = false;
	agent->end = 0;
	request_drop(agent);
	agent->state.task = 0;
	agent->state.announced = 0;
	state_save(&agent->state);
	connection_drop(&agent->conn);
}

static void agent_exit(struct agent *agent)
{
	loop_stop(&agent->loop, EXIT_SUCCESS);
}

static void agent_goodbye(struct agent *agent)
{
	struct vmguest_frame frame = { .type = VMGUEST_WIRE_GOODBYE };

	if (connection_is_open(&agent->conn))
		connection_send(&agent->conn, &frame);
	agent_exit(agent);
}

/* The end that the guest is on its way to, as far as it is known, 0 for none. */
static enum vmguest_wire_end agent_end(struct agent *agent)
{
	enum vmguest_wire_end end = request_end(&agent->request);

	if (!end && agent->going_down)
		end = agent->end ?: VMGUEST_END_POWEROFF;
	return end;
}

/*
 * Somebody ends the agent. When that is init at the guest's end, the host must
 * not hear that the guest lives on: the agent says so if nothing later does.
 */
static void agent_terminate(struct agent *agent)
{
	enum vmguest_wire_end end = agent_end(agent);

	if (agent->breath)
		return;
	if (end && agent->backend->breath_at_end)
		agent_breathe_then(agent, end, agent_exit);
	else if (end)
		agent_exit(agent);
	else
		agent_goodbye(agent);
}

static void agent_reap(struct agent *agent)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (agent->backend->child_exited)
			agent->backend->child_exited(pid, status);
	if (pid < 0 && errno == ECHILD && agent->backend->child_exited)
		agent->backend->child_exited(-1, 0);
}

/* Process 1 is asked for the guest's end the way busybox's init is. */
static void agent_init_signal(struct agent *agent, int signal)
{
	enum vmguest_wire_end end = signal == SIGUSR1 ? VMGUEST_END_HALT :
				    signal == SIGUSR2 ? VMGUEST_END_POWEROFF :
							VMGUEST_END_REBOOT;

	if (request_end(&agent->request) || agent->going_down)
		return;
	log_info("asked to %s by a signal", end_name(end));
	agent_going_down(agent, end);
	if (agent->backend->stop(end, false))
		agent_stays_up(agent);
}

static void agent_signal(struct source *source, __u32 events)
{
	struct agent *agent = container_of(source, struct agent, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		agent_reap(agent);
	else if (getpid() == 1)
		agent_init_signal(agent, info.ssi_signo);
	else
		agent_terminate(agent);
}

static int agent_open_signals(struct agent *agent)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	if (getpid() == 1) {
		sigaddset(&mask, SIGUSR1);
		sigaddset(&mask, SIGUSR2);
	}
	sigprocmask(SIG_BLOCK, &mask, NULL);
	agent->signals.handle = agent_signal;
	agent->signals.fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (agent->signals.fd < 0)
		return -errno;
	return source_add(&agent->loop, &agent->signals, EPOLLIN);
}

#ifdef VMGUEST_LOGIND
/* A minimal guest may do without; it may also come up later than the agent. */
static bool agent_has_logind(void)
{
	static const char * const programs[] = {
		"/usr/lib/systemd/systemd-logind",
		"/lib/systemd/systemd-logind",
	};
	char unit[16] = "";
	size_t i;

	if (access("/run/systemd/system", F_OK))
		return false;
	if (readlink("/etc/systemd/system/systemd-logind.service", unit,
		     sizeof(unit) - 1) > 0 && !strcmp(unit, "/dev/null"))
		return false;
	for (i = 0; i < ARRAY_SIZE(programs); i++)
		if (!access(programs[i], X_OK))
			return true;
	return false;
}
#endif

static const struct vmguest_backend *agent_auto_backend(void)
{
#ifdef VMGUEST_LOGIND
	if (agent_has_logind())
		return &backend_logind;
#endif
	return &backend_plain;
}

static int agent_open_backend(struct agent *agent)
{
	static const struct vmguest_backend * const backends[] = {
		&backend_plain,
		&backend_record,
#ifdef VMGUEST_LOGIND
		&backend_logind,
#endif
	};
	const char *name = agent->options.backend;
	const char *arg = strchr(name, ':');
	size_t len = arg ? (size_t)(arg - name) : strlen(name);
	size_t i;

	if (!strcmp(name, "auto"))
		agent->backend = agent_auto_backend();
	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strncmp(backends[i]->name, name, len) &&
		    !backends[i]->name[len])
			agent->backend = backends[i];
	if (!agent->backend)
		return -ENOENT;
	return agent->backend->open(agent, arg ? arg + 1 : NULL);
}

static void agent_load(struct agent *agent)
{
	__u8 boot_id[ID_SIZE];

	if (agent->options.has_boot_id)
		memcpy(boot_id, agent->options.boot_id, ID_SIZE);
	else
		info_boot_id(boot_id);
	state_load(&agent->state, agent->options.task_file, boot_id);
}

static int agent_open(struct agent *agent)
{
	int err;

	err = loop_init(&agent->loop);
	if (err)
		return err;
	err = agent_open_signals(agent);
	if (err)
		return err;
	err = timer_init(&agent->loop, &agent->breath_timer,
			 agent_breath_timeout);
	if (err)
		return err;
	err = request_init(agent);
	if (err)
		return err;
	return connection_init(&agent->conn, &agent->loop, &agent->options,
			       &agent_connection_events);
}

/* Whoever starts init may leave 0 to 2 closed; no socket must become stderr. */
static void agent_open_standard(void)
{
	int fd;

	do {
		fd = open(getpid() == 1 ? "/dev/console" : "/dev/null", O_RDWR);
		if (fd < 0)
			fd = open("/", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int agent_run(struct agent *agent)
{
	int err;

	if (getpid() == 1)
		pid1_prepare();
	agent_open_standard();
	agent_load(agent);
	err = agent_open(agent);
	if (err) {
		log_err("cannot start: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	err = agent_open_backend(agent);
	if (err) {
		log_err("backend %s: %s", agent->options.backend,
			strerror(-err));
		return EXIT_FAILURE;
	}
	log_info("version " VMGUEST_VERSION ", backend %s",
		 agent->backend->name);
	if (agent->options.command)
		pid1_start(agent->options.command);
	connection_dial(&agent->conn);
	err = loop_run(&agent->loop);
	agent->backend->close();
	return err < 0 ? EXIT_FAILURE : err;
}
