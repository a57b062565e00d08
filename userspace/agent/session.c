// SPDX-License-Identifier: GPL-2.0
/*
 * Login sessions of a guest without logind: utmp says who is logged on, /proc
 * which processes belong to it.
 *
 * A record can be stale and its pid another process by now, so a record with a
 * terminal counts only while its process stands above, or on, that terminal.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <paths.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>

#include "session.h"

/* sshd: one process for the network, one for the user, then the shell. */
#define ANCESTORS_MAX	4

/**
 * struct process - What /proc/PID/stat says
 * @pid: Its id.
 * @parent: Its parent.
 * @session: The leader of its session.
 * @tty: Its controlling terminal, 0 for none.
 */
struct process {
	pid_t pid;
	pid_t parent;
	pid_t session;
	dev_t tty;
};

static bool process_read(pid_t pid, struct process *process)
{
	char path[32], line[512];
	int parent, session, tty;
	const char *rest;
	char state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_line(path, line, sizeof(line)))
		return false;
	/* The name may contain anything, parentheses too. */
	rest = strrchr(line, ')');
	if (!rest || sscanf(rest + 1, " %c %d %*d %d %d", &state, &parent,
			    &session, &tty) != 4 || state == 'Z')
		return false;
	process->pid = pid;
	process->parent = parent;
	process->session = session;
	/* The kernel's encoding of a device for user space. */
	process->tty = makedev((unsigned int)tty >> 8 & 0xfff,
			       ((unsigned int)tty & 0xff) |
			       ((unsigned int)tty >> 12 & 0xfff00));
	return true;
}

/* Return: the next process of /proc, NULL at the end. */
static bool process_next(DIR *proc, struct process *process)
{
	struct dirent *entry;

	while ((entry = readdir(proc))) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    process_read(atoi(entry->d_name), process))
			return true;
	}
	return false;
}

static bool process_descends(const struct process *process, pid_t ancestor)
{
	struct process up = *process;
	int i;

	for (i = 0; i < ANCESTORS_MAX; i++) {
		if (up.pid == ancestor)
			return true;
		if (up.parent <= 1 || !process_read(up.parent, &up))
			return false;
	}
	return false;
}

static dev_t terminal_device(const char *line)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/%.*s", (int)sizeof(path) - 6, line);
	if (strstr(path, "..") || stat(path, &st) || !S_ISCHR(st.st_mode))
		return 0;
	return st.st_rdev;
}

static bool session_lives(const struct session *session)
{
	struct process process;
	bool lives = false;
	DIR *proc;

	if (!process_read(session->pid, &process))
		return false;
	if (!session->tty || process.tty == session->tty)
		return true;
	proc = opendir("/proc");
	if (!proc)
		return false;
	while (!lives && process_next(proc, &process))
		lives = process.tty == session->tty &&
			process_descends(&process, session->pid);
	closedir(proc);
	return lives;
}

/* Not getpwnam(), which a static program cannot have without its libraries. */
static uid_t user_find(const char *name)
{
	uid_t uid = (uid_t)-1;
	struct passwd *user;
	FILE *file;

	file = fopen("/etc/passwd", "re");
	if (!file)
		return uid;
	while (uid == (uid_t)-1 && (user = fgetpwent(file)))
		if (!strcmp(user->pw_name, name))
			uid = user->pw_uid;
	fclose(file);
	return uid;
}

/* Who is not in /etc/passwd owns at least the terminal: login has seen to it. */
static uid_t session_uid(const struct session *session)
{
	uid_t uid = user_find(session->user);
	char path[128];
	struct stat st;

	if (uid != (uid_t)-1 || !session->tty)
		return uid;
	snprintf(path, sizeof(path), "/dev/%s", session->line);
	return stat(path, &st) || !st.st_uid ? uid : st.st_uid;
}

static bool session_from_utmp(const struct utmpx *record,
			      struct session *session)
{
	if (record->ut_type != USER_PROCESS || !record->ut_user[0] ||
	    record->ut_pid <= 1)
		return false;
	memset(session, 0, sizeof(*session));
	session->watch.fd = -1;
	session->pid = record->ut_pid;
	snprintf(session->name, sizeof(session->name), "%.*s",
		 (int)sizeof(record->ut_line), record->ut_line);
	snprintf(session->user, sizeof(session->user), "%.*s",
		 (int)sizeof(record->ut_user), record->ut_user);
	session->tty = terminal_device(session->name);
	if (!session_lives(session))
		return false;
	if (session->tty)
		strcpy(session->line, session->name);
	session->uid = session_uid(session);
	return true;
}

bool session_has_utmp(void)
{
	return !access(_PATH_UTMP, R_OK);
}

int session_list_utmp(struct session *sessions, int max)
{
	struct utmpx *record;
	int count = 0;

	setutxent();
	while (count < max && (record = getutxent()))
		if (session_from_utmp(record, &sessions[count]))
			count++;
	endutxent();
	return count;
}

static bool session_has(const struct session *session,
			const struct process *process)
{
	if (process->pid <= 1 || process->pid == getpid() ||
	    process->session == getsid(0))
		return false;
	return process->pid == session->pid ||
	       process->session == session->pid ||
	       (session->tty && process->tty == session->tty);
}

void session_signal(const struct session *session, int signal)
{
	struct process process;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return;
	while (process_next(proc, &process)) {
		if (!session_has(session, &process))
			continue;
		kill(process.pid, signal);
		/* A stopped process hears nothing else. */
		if (signal != SIGKILL)
			kill(process.pid, SIGCONT);
	}
	closedir(proc);
}
