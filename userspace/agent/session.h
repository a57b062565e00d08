/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A login session of the guest.
 */
#ifndef _VMGUEST_AGENT_SESSION_H
#define _VMGUEST_AGENT_SESSION_H

#include <sys/types.h>

#include "loop.h"

#define SESSION_MAX		256
#define SESSION_NAME_SIZE	64

/**
 * struct session - A login session
 * @name: Its name in the backend: logind's id, or the terminal.
 * @user: Who is logged on, for people.
 * @uid: The same, (uid_t)-1 when unknown.
 * @line: Its terminal below /dev, or empty.
 * @from: The host that it came from, or empty.
 * @locked: Its screen or console is locked, as far as the backend knows.
 * @pid: Its leader, where the backend knows it.
 * @tty: Device of its terminal, 0 for none.
 * @closing: Its user has left it, or somebody has begun to end it; processes of
 *	it run on.
 * @killed: It was killed, not only asked to end.
 * @watch: Belongs to the backend while the session is being ended.
 */
struct session {
	char name[SESSION_NAME_SIZE];
	char user[SESSION_NAME_SIZE];
	uid_t uid;
	char line[SESSION_NAME_SIZE];
	char from[SESSION_NAME_SIZE];
	bool locked;
	pid_t pid;
	dev_t tty;
	bool closing;
	bool killed;
	struct source watch;
};

/* The sessions that utmp knows and that live; up to @max. Return: how many. */
int session_list_utmp(struct session *sessions, int max);

/* Whether this guest keeps a utmp at all. */
bool session_has_utmp(void);

/* Signal every process of a session of session_list_utmp(). */
void session_signal(const struct session *session, int signal);

#endif /* _VMGUEST_AGENT_SESSION_H */
