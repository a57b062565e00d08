/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the agent acts on its guest.
 */
#ifndef _VMGUEST_AGENT_BACKEND_H
#define _VMGUEST_AGENT_BACKEND_H

#include <sys/types.h>

#include <linux/vmguest_protocol.h>
#include "session.h"

struct agent;

/**
 * struct vmguest_backend - One way to act on a guest
 * @name: Its name on the command line.
 * @breath_at_end: The agent itself says the last breath, when init ends it.
 *	Else something later does, or nothing.
 * @open: Get ready. @arg is what followed the name and a colon, or NULL.
 * @close: Let go of everything.
 * @capabilities: What it offers now, enum vmguest_capabilities.
 * @sessions: The sessions of users now, up to @max, closing ones included.
 *	Return: how many, or a negative errno.
 * @end_session: Start to end a session, or with @kill to kill it.
 *	agent_sessions_changed() follows when something has changed.
 * @session_lives: Whether a session that was listed is still there.
 * @forget_session: Let go of a session's watch.
 * @watch_sessions: From now on, or no longer, agent_sessions_changed() also
 *	tells of those who log on, off, and lock. May be NULL.
 * @follow_session: A session that logins_look() has seen for the first time:
 *	logins_force() tells when somebody has it stopped. May be NULL.
 * @unfollow_session: No longer. May be NULL.
 * @tell_users: Show users a message. NULL: on their terminals.
 * @check: Ask who stands in the way of a stop. agent_blocker() names each, then
 *	or later. Return: 0, a negative errno, or -EINPROGRESS when
 *	agent_checked() follows. agent_blockers_changed() tells when it has to
 *	be asked again. NULL: nobody ever stands in the way.
 * @check_over: Nobody wants to know any more. May be NULL.
 * @stop: Bring the guest down, enum vmguest_wire_end. With @force ask nobody.
 *	May be called again, to make it a force. A later failure is told to
 *	agent_stop_failed(); agent_progress() and agent_stop_jobs() tell how far
 *	it is. Return: 0 or a negative errno.
 * @finish: The last breath was said at this backend's wish: end the guest.
 * @child_exited: A child of the agent is gone. May be NULL.
 */
struct vmguest_backend {
	const char *name;
	bool breath_at_end;
	int (*open)(struct agent *agent, const char *arg);
	void (*close)(void);
	__u64 (*capabilities)(void);
	int (*sessions)(struct session *sessions, int max);
	int (*end_session)(struct session *session, bool kill);
	bool (*session_lives)(const struct session *session);
	void (*forget_session)(struct session *session);
	int (*watch_sessions)(bool on);
	void (*follow_session)(const char *name);
	void (*unfollow_session)(const char *name);
	void (*tell_users)(const char *text);
	int (*check)(void);
	void (*check_over)(void);
	int (*stop)(enum vmguest_wire_end end, bool force);
	void (*finish)(enum vmguest_wire_end end);
	void (*child_exited)(pid_t pid, int status);
};

extern const struct vmguest_backend backend_plain;
extern const struct vmguest_backend backend_record;
#ifdef VMGUEST_LOGIND
extern const struct vmguest_backend backend_logind;
#endif

#define CAPABILITIES_BASE (VMGUEST_CAP_SHUTDOWN | VMGUEST_CAP_RESTART | \
			   VMGUEST_CAP_FORCE | VMGUEST_CAP_CANCEL)

const char *end_name(enum vmguest_wire_end end);

#endif /* _VMGUEST_AGENT_BACKEND_H */
