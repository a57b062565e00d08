// SPDX-License-Identifier: GPL-2.0
/*
 * A guest without logind: utmp, init's own way down, or none when the agent is
 * process 1 itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "pid1.h"

/* How long all processes have, as process 1, before they are killed. */
#define TERM_MS		5000
#define KILL_MS		2000

/**
 * enum plain_phase - How far the guest's end is
 * @PLAIN_UP: Nobody wants it.
 * @PLAIN_INIT: Init was told; it will end the agent.
 * @PLAIN_TERM: Process 1: all others were asked to end.
 * @PLAIN_KILL: Process 1: all others were killed.
 * @PLAIN_LAST: Only the last breath and reboot(2) are left.
 */
enum plain_phase {
	PLAIN_UP,
	PLAIN_INIT,
	PLAIN_TERM,
	PLAIN_KILL,
	PLAIN_LAST,
};

static struct plain {
	struct agent *agent;
	enum plain_phase phase;
	enum vmguest_wire_end end;
	struct timer timer;
	const struct init_way *way;
	unsigned int command;
	pid_t child;
} plain;

#define INIT_COMMANDS	3
#define INIT_ARGUMENTS	5

/**
 * struct init_way - How a kind of init is told to bring the guest down
 * @name: Part of the name of its program.
 * @signal: Signals to process 1, by enum vmguest_wire_end, 0 for none.
 * @command: Else commands, the first that works; %POWEROFF and the like stand
 *	for what depends on the end.
 */
struct init_way {
	const char *name;
	int signal[VMGUEST_END_HALT + 1];
	const char *command[INIT_COMMANDS][INIT_ARGUMENTS];
};

static const struct init_way init_busybox = {
	.name = "busybox",
	.signal = {
		[VMGUEST_END_POWEROFF] = SIGUSR2,
		[VMGUEST_END_REBOOT] = SIGTERM,
		[VMGUEST_END_HALT] = SIGUSR1,
	},
};

/* SIGRTMIN is a function call in libc: relative to it. */
static const struct init_way init_systemd = {
	.name = "systemd",
	.signal = {
		[VMGUEST_END_POWEROFF] = -4,
		[VMGUEST_END_REBOOT] = -5,
		[VMGUEST_END_HALT] = -3,
	},
};

static const struct init_way init_other = {
	.name = "init",
	.command = {
		{ "/sbin/shutdown", "FLAG", "now" },
		{ "/sbin/telinit", "LEVEL" },
		{ "/sbin/NAME" },
	},
};

static const struct init_way *init_find(void)
{
	char exe[64] = "", comm[64] = "";

	if (readlink("/proc/1/exe", exe, sizeof(exe) - 1) < 0)
		log_debug("/proc/1/exe: %s", strerror(errno));
	read_line("/proc/1/comm", comm, sizeof(comm));
	if (strstr(exe, "busybox") || !strcmp(comm, "linuxrc"))
		return &init_busybox;
	if (strstr(exe, "systemd") || !strcmp(comm, "systemd"))
		return &init_systemd;
	return &init_other;
}

static const char *init_argument(const char *word, enum vmguest_wire_end end)
{
	static const char * const flag[] = { "", "-P", "-r", "-H" };
	static const char * const level[] = { "", "0", "6", "0" };
	static const char * const name[] = {
		"", "/sbin/poweroff", "/sbin/reboot", "/sbin/halt"
	};

	if (!word)
		return NULL;
	if (!strcmp(word, "FLAG"))
		return flag[end];
	if (!strcmp(word, "LEVEL"))
		return level[end];
	if (!strcmp(word, "/sbin/NAME"))
		return name[end];
	return word;
}

__attribute__((noreturn))
static void init_exec(const char *const *command, enum vmguest_wire_end end)
{
	static char * const environment[] = {
		(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL
	};
	char *argv[INIT_ARGUMENTS + 1] = { };
	sigset_t none;
	int i;

	for (i = 0; i < INIT_ARGUMENTS; i++)
		argv[i] = (char *)init_argument(command[i], end);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(argv[0], argv, environment);
	_exit(127);
}

/* Return: 0 when the next command was started, -ENOENT when none is left. */
static int init_next_command(void)
{
	const char *const *command;
	pid_t pid;

	if (plain.command == INIT_COMMANDS)
		return -ENOENT;
	command = plain.way->command[plain.command++];
	if (!command[0])
		return -ENOENT;
	log_debug("init is told by %s", init_argument(command[0], plain.end));
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		init_exec(command, plain.end);
	plain.child = pid;
	return 0;
}

static int init_tell(void)
{
	int signal;

	plain.way = init_find();
	plain.command = 0;
	signal = plain.way->signal[plain.end];
	if (!signal)
		return init_next_command();
	if (signal < 0)
		signal = SIGRTMIN - signal;
	log_debug("init is %s, told by signal %d", plain.way->name, signal);
	return kill(1, signal) ? -errno : 0;
}

static void plain_last(void)
{
	plain.phase = PLAIN_LAST;
	timer_clear(&plain.timer);
	sync();
	agent_last_breath(plain.agent, plain.end);
}

static void plain_kill_all(int signal, enum plain_phase phase, unsigned int ms)
{
	plain.phase = phase;
	timer_set(&plain.timer, ms);
	sync();
	kill(-1, signal);
	if (signal != SIGKILL)
		kill(-1, SIGCONT);
}

static void plain_all_gone(void)
{
	pid1_unmount();
	plain_last();
}

static void plain_init_is_late(void)
{
	const struct blocker init = {
		.kind = VMGUEST_BLOCKER_STOP_JOB,
		.pid = 1,
		.who = "init",
		.why = "has not brought the guest down in time: the kernel does",
	};
	struct blockers blockers = { };

	log_warn("init has not brought the guest down in time");
	blockers_add(&blockers, &init);
	agent_stop_jobs(plain.agent, &blockers);
	plain_last();
}

static void plain_timeout(struct timer *timer)
{
	(void)timer;
	switch (plain.phase) {
	case PLAIN_INIT:
		plain_init_is_late();
		break;
	case PLAIN_TERM:
		plain_kill_all(SIGKILL, PLAIN_KILL, KILL_MS);
		break;
	case PLAIN_KILL:
		plain_all_gone();
		break;
	default:
		break;
	}
}

static int plain_stop_init(void)
{
	int err;

	err = init_tell();
	if (err)
		return err;
	plain.phase = PLAIN_INIT;
	timer_set(&plain.timer, plain.agent->options.init_timeout_ms);
	return 0;
}

static int plain_stop(enum vmguest_wire_end end, bool force)
{
	if (plain.phase == PLAIN_LAST)
		return 0;
	plain.end = end;
	if (force) {
		plain_last();
		return 0;
	}
	if (plain.phase != PLAIN_UP)
		return 0;
	if (getpid() != 1)
		return plain_stop_init();
	plain_kill_all(SIGTERM, PLAIN_TERM, TERM_MS);
	return 0;
}

static void plain_finish(enum vmguest_wire_end end)
{
	int err;

	err = pid1_reboot(end);
	plain.phase = PLAIN_UP;
	if (err)
		agent_stop_failed(plain.agent, err, strerror(-err));
}

static void plain_command_exited(int status)
{
	int err;

	plain.child = 0;
	if (plain.phase != PLAIN_INIT ||
	    (WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	err = init_next_command();
	if (!err)
		return;
	plain.phase = PLAIN_UP;
	timer_clear(&plain.timer);
	agent_stop_failed(plain.agent, err, "no command of init works");
}

static void plain_child_exited(pid_t pid, int status)
{
	if (pid > 0 && pid == plain.child)
		plain_command_exited(status);
	else if (pid > 0)
		log_debug("process %d ended", (int)pid);
	else if (plain.phase == PLAIN_TERM || plain.phase == PLAIN_KILL)
		plain_all_gone();
}

static int plain_open(struct agent *agent, const char *arg)
{
	if (arg)
		return -EINVAL;
	plain.agent = agent;
	return timer_init(&agent->loop, &plain.timer, plain_timeout);
}

static void plain_close(void)
{
}

static __u64 plain_capabilities(void)
{
	__u64 capabilities = CAPABILITIES_BASE | VMGUEST_CAP_LAST_BREATH;

	if (session_has_utmp())
		capabilities |= VMGUEST_CAP_LOGOFF;
	/* Another init tells nobody of the guest's end before it begins. */
	if (getpid() == 1)
		capabilities |= VMGUEST_CAP_NOTICE;
	return capabilities;
}

static void plain_session_gone(struct source *source, __u32 events)
{
	(void)events;
	/* Still open, so that session_lives() can see it; heard once. */
	epoll_ctl(plain.agent->loop.epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	agent_sessions_changed(plain.agent);
}

static int plain_watch(struct session *session)
{
	struct source *watch = &session->watch;

	if (watch->fd >= 0)
		return 0;
	watch->fd = syscall(SYS_pidfd_open, session->pid, 0);
	if (watch->fd < 0)
		return errno == ESRCH ? 0 : -errno;
	fcntl(watch->fd, F_SETFD, FD_CLOEXEC);
	watch->handle = plain_session_gone;
	return source_add(&plain.agent->loop, watch, EPOLLIN);
}

static int plain_end_session(struct session *session, bool kill)
{
	int err;

	err = plain_watch(session);
	if (err)
		return err;
	session_signal(session, kill ? SIGKILL : SIGHUP);
	return 0;
}

static bool plain_session_lives(const struct session *session)
{
	struct pollfd pfd = { .fd = session->watch.fd, .events = POLLIN };

	if (pfd.fd < 0)
		return !kill(session->pid, 0);
	return poll(&pfd, 1, 0) == 0;
}

static void plain_forget_session(struct session *session)
{
	source_close(&plain.agent->loop, &session->watch);
}

const struct vmguest_backend backend_plain = {
	.name = "plain",
	.breath_at_end = true,
	.open = plain_open,
	.close = plain_close,
	.capabilities = plain_capabilities,
	.sessions = session_list_utmp,
	.end_session = plain_end_session,
	.session_lives = plain_session_lives,
	.forget_session = plain_forget_session,
	.stop = plain_stop,
	.finish = plain_finish,
	.child_exited = plain_child_exited,
};
