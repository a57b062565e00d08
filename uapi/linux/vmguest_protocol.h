/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The wire protocol between the module and a guest's agent.
 *
 * One AF_VSOCK stream connection, dialled by the guest from a port below 1024
 * to CID 2. Everything is little-endian. A frame is a struct vmguest_wire_header,
 * the fixed payload struct of its type, then the texts of its type in order,
 * each a __le16 length and that many bytes of UTF-8 without NUL. A frame ends
 * where its last text ends.
 *
 *   agent                          module
 *   HELLO                   ->
 *                           <-     WELCOME or REJECT
 *                           <-     REQUEST
 *   ACCEPTED                ->
 *   BLOCKED (any number)    ->
 *   COMMIT                  ->
 *                           <-     GO or CANCEL
 *   PROGRESS (any number)   ->
 *   RESULT or LAST_BREATH   ->
 *                           <-     LAST_BREATH_ACK
 *
 * The agent does nothing irreversible before GO. A CANCEL without COMMIT is
 * never answered: the task has ended on the host. PING is answered by PONG with
 * the same task id at any time after HELLO, by either side's rules unaffected.
 * So does NOTICE come, to a module that takes it: what the guest does by itself.
 *
 * A frame that is malformed, of an unknown type or out of place closes the
 * connection. New frames and new trailing members come with a capability bit.
 */
#ifndef _UAPI_LINUX_VMGUEST_PROTOCOL_H
#define _UAPI_LINUX_VMGUEST_PROTOCOL_H

#include <linux/types.h>

#define VMGUEST_WIRE_MAGIC		0x47474d56	/* "VMGG" */
#define VMGUEST_WIRE_VERSION		1
#define VMGUEST_WIRE_MAX_PAYLOAD	1024

/* The AF_VSOCK port of the module, unless its parameter port says otherwise. */
#define VMGUEST_WIRE_PORT		7761255

/* Longest texts, in bytes. */
#define VMGUEST_WIRE_INFO_MAX		63
#define VMGUEST_WIRE_TEXT_MAX		127

/**
 * enum vmguest_wire_type - Types of frames
 * @VMGUEST_WIRE_HELLO: Agent: who I am. First frame of a connection.
 * @VMGUEST_WIRE_WELCOME: Module: you are heard.
 * @VMGUEST_WIRE_REJECT: Module: you are not, and why. The connection closes.
 * @VMGUEST_WIRE_REQUEST: Module: do this. Sent again to an agent that came
 *	back, and when the request becomes a FORCE.
 * @VMGUEST_WIRE_CANCEL: Module: that task has ended; also refuses a COMMIT.
 * @VMGUEST_WIRE_GO: Module: grants a COMMIT.
 * @VMGUEST_WIRE_PING: Module: answer.
 * @VMGUEST_WIRE_LAST_BREATH_ACK: Module: the last breath was heard.
 * @VMGUEST_WIRE_ACCEPTED: Agent: the request is taken. No payload.
 * @VMGUEST_WIRE_BLOCKED: Agent: somebody stands in the way.
 * @VMGUEST_WIRE_COMMIT: Agent: the next step cannot be undone; may I?
 * @VMGUEST_WIRE_PROGRESS: Agent: how far I am.
 * @VMGUEST_WIRE_RESULT: Agent: it is over and the guest lives on.
 * @VMGUEST_WIRE_LAST_BREATH: Agent: the guest ends now.
 * @VMGUEST_WIRE_PONG: Agent: answer to PING. No payload.
 * @VMGUEST_WIRE_GOODBYE: Agent: I end, the guest lives on. No payload.
 * @VMGUEST_WIRE_NOTICE: Agent: the guest does something by itself. Only to a
 *	module whose WELCOME has the feature for it.
 */
enum vmguest_wire_type {
	VMGUEST_WIRE_HELLO		= 0x01,
	VMGUEST_WIRE_ACCEPTED		= 0x02,
	VMGUEST_WIRE_BLOCKED		= 0x03,
	VMGUEST_WIRE_COMMIT		= 0x04,
	VMGUEST_WIRE_PROGRESS		= 0x05,
	VMGUEST_WIRE_RESULT		= 0x06,
	VMGUEST_WIRE_LAST_BREATH	= 0x07,
	VMGUEST_WIRE_PONG		= 0x08,
	VMGUEST_WIRE_GOODBYE		= 0x09,
	VMGUEST_WIRE_NOTICE		= 0x0a,

	VMGUEST_WIRE_WELCOME		= 0x81,
	VMGUEST_WIRE_REJECT		= 0x82,
	VMGUEST_WIRE_REQUEST		= 0x83,
	VMGUEST_WIRE_CANCEL		= 0x84,
	VMGUEST_WIRE_GO			= 0x85,
	VMGUEST_WIRE_PING		= 0x86,
	VMGUEST_WIRE_LAST_BREATH_ACK	= 0x87,
};

/**
 * struct vmguest_wire_header - Start of every frame
 * @magic: %VMGUEST_WIRE_MAGIC.
 * @version: %VMGUEST_WIRE_VERSION.
 * @type: enum vmguest_wire_type.
 * @length: Bytes of payload that follow, at most %VMGUEST_WIRE_MAX_PAYLOAD.
 * @reserved: 0.
 * @task_id: The task that the frame is about, 0 for none.
 */
struct vmguest_wire_header {
	__le32 magic;
	__le16 version;
	__le16 type;
	__le32 length;
	__le32 reserved;
	__le64 task_id;
};

/**
 * enum vmguest_wire_role - What a connection is for
 * @VMGUEST_ROLE_AGENT: The guest's channel. One per guest.
 * @VMGUEST_ROLE_LAST_BREATH: Only brings the last breath; never replaces a
 *	channel. Gets a WELCOME, sends LAST_BREATH.
 */
enum vmguest_wire_role {
	VMGUEST_ROLE_AGENT		= 0,
	VMGUEST_ROLE_LAST_BREATH	= 1,
};

/**
 * struct vmguest_wire_hello - Payload of HELLO
 * @boot_id: Random id of this boot of the guest.
 * @machine_id: The guest's machine id, or zero.
 * @instance: Instance of the WELCOME that this boot heard last, or zero.
 * @capabilities: enum vmguest_capabilities.
 * @role: enum vmguest_wire_role.
 * @sessions: User sessions now.
 *
 * Texts, each at most %VMGUEST_WIRE_INFO_MAX: host name, operating system, its
 * version, kernel release, agent version.
 */
struct vmguest_wire_hello {
	__u8 boot_id[16];
	__u8 machine_id[16];
	__u8 instance[16];
	__le64 capabilities;
	__le32 role;
	__le32 sessions;
};

/**
 * enum vmguest_wire_features - What the module takes from this agent
 * @VMGUEST_WIRE_FEATURE_NOTICE: NOTICE, of all kinds but SESSIONS.
 * @VMGUEST_WIRE_FEATURE_SESSIONS: NOTICE of kind SESSIONS.
 *
 * The answer to the capabilities of the HELLO: a bit is set only when its
 * capability was offered, so that an agent that is older never sees it.
 */
enum vmguest_wire_features {
	VMGUEST_WIRE_FEATURE_NOTICE	= 1 << 0,
	VMGUEST_WIRE_FEATURE_SESSIONS	= 1 << 1,
};

#define VMGUEST_WIRE_FEATURES	(VMGUEST_WIRE_FEATURE_NOTICE | \
				 VMGUEST_WIRE_FEATURE_SESSIONS)

/**
 * struct vmguest_wire_welcome - Payload of WELCOME
 * @instance: Random id of this load of the module. Tasks of another instance
 *	are forgotten by the agent.
 * @heartbeat_ms: Interval at which the agent sends a PONG about no task by
 *	itself, 0 for never.
 * @features: enum vmguest_wire_features; 0 from a module that is older.
 */
struct vmguest_wire_welcome {
	__u8 instance[16];
	__le32 heartbeat_ms;
	__le32 features;
};

/**
 * enum vmguest_wire_reject_code - Why a connection is refused
 * @VMGUEST_REJECT_DUPLICATE: The guest's other channel is alive.
 * @VMGUEST_REJECT_UNREGISTERED: The host refuses guests that nobody registered.
 * @VMGUEST_REJECT_BUSY: Too many connections.
 */
enum vmguest_wire_reject_code {
	VMGUEST_REJECT_DUPLICATE	= 1,
	VMGUEST_REJECT_UNREGISTERED	= 2,
	VMGUEST_REJECT_BUSY		= 3,
};

/**
 * struct vmguest_wire_reject - Payload of REJECT
 * @code: enum vmguest_wire_reject_code.
 * @reserved: 0.
 */
struct vmguest_wire_reject {
	__le32 code;
	__le32 reserved;
};

/**
 * enum vmguest_wire_request_flags - Flags of REQUEST
 * @VMGUEST_WIRE_REQ_FORCE: Ask nobody.
 * @VMGUEST_WIRE_REQ_AGAIN: You may know this task: the connection was lost, or
 *	it became a FORCE.
 * @VMGUEST_WIRE_REQ_COMMITTED: GO was granted already: do not ask again.
 * @VMGUEST_WIRE_REQ_RESPECT_SESSIONS: Sessions of class user are in the way.
 *	SHUTDOWN and RESTART, to agents that offer it.
 */
enum vmguest_wire_request_flags {
	VMGUEST_WIRE_REQ_FORCE		= 1 << 0,
	VMGUEST_WIRE_REQ_AGAIN		= 1 << 1,
	VMGUEST_WIRE_REQ_COMMITTED	= 1 << 2,
	VMGUEST_WIRE_REQ_RESPECT_SESSIONS = 1 << 3,
};

/**
 * struct vmguest_wire_request - Payload of REQUEST
 * @verb: enum vmguest_verb, not PING.
 * @scope: enum vmguest_scope.
 * @flags: enum vmguest_wire_request_flags.
 * @deadline_ms: Time left, 0 for no deadline.
 * @delay_ms: Announce it to users for this long first.
 * @grace_ms: Time for a session to end before it is killed, and to vanish then;
 *	0 for the agent's own.
 * @uid: The uid of @scope.
 *
 * Text, at most %VMGUEST_WIRE_TEXT_MAX: the reason.
 */
struct vmguest_wire_request {
	__le16 verb;
	__le16 scope;
	__le32 flags;
	__le32 deadline_ms;
	__le32 delay_ms;
	__le32 grace_ms;
	__le32 uid;
};

/**
 * struct vmguest_wire_blocked - Payload of BLOCKED
 * @kind: enum vmguest_blocker_kind, or 0: nobody blocks any more, forget those
 *	told before.
 * @uid: Its uid in the guest.
 * @pid: Its pid in the guest, 0 for none.
 * @reserved: 0.
 *
 * Texts, each at most %VMGUEST_WIRE_TEXT_MAX: who, why.
 */
struct vmguest_wire_blocked {
	__le32 kind;
	__le32 uid;
	__le32 pid;
	__le32 reserved;
};

/**
 * struct vmguest_wire_progress - Payload of PROGRESS
 * @percent: 0 to 99.
 * @reserved: 0.
 */
struct vmguest_wire_progress {
	__le32 percent;
	__le32 reserved;
};

/**
 * enum vmguest_wire_result_code - How a request ended in the guest
 * @VMGUEST_WIRE_OK: Done. Only for LOGOFF; the others end with LAST_BREATH.
 * @VMGUEST_WIRE_REFUSED: The guest's rules forbid it.
 * @VMGUEST_WIRE_BLOCKED_BY: Somebody stands in the way and will not move.
 * @VMGUEST_WIRE_GOING_DOWN: The guest was going down already.
 * @VMGUEST_WIRE_NOT_READY: Not now.
 * @VMGUEST_WIRE_NO_SESSIONS: Nobody is logged on.
 * @VMGUEST_WIRE_UNSUPPORTED: The agent does not do this.
 * @VMGUEST_WIRE_INVALID: The agent cannot make sense of the request.
 * @VMGUEST_WIRE_NO_MEMORY: Out of memory.
 * @VMGUEST_WIRE_FAILED: It was tried and failed.
 */
enum vmguest_wire_result_code {
	VMGUEST_WIRE_OK			= 0,
	VMGUEST_WIRE_REFUSED		= 1,
	VMGUEST_WIRE_BLOCKED_BY		= 2,
	VMGUEST_WIRE_GOING_DOWN		= 3,
	VMGUEST_WIRE_NOT_READY		= 4,
	VMGUEST_WIRE_NO_SESSIONS	= 5,
	VMGUEST_WIRE_UNSUPPORTED	= 6,
	VMGUEST_WIRE_INVALID		= 7,
	VMGUEST_WIRE_NO_MEMORY		= 8,
	VMGUEST_WIRE_FAILED		= 9,
};

/**
 * struct vmguest_wire_result - Payload of RESULT
 * @code: enum vmguest_wire_result_code.
 * @targeted: Sessions that a LOGOFF was to end.
 * @ended: Those that ended.
 * @left: Those that are left; @ended + @left is @targeted.
 *
 * Text, at most %VMGUEST_WIRE_TEXT_MAX: an explanation for people.
 */
struct vmguest_wire_result {
	__le32 code;
	__le32 targeted;
	__le32 ended;
	__le32 left;
};

/**
 * enum vmguest_wire_end - How a guest ends
 * @VMGUEST_END_POWEROFF: It powers off.
 * @VMGUEST_END_REBOOT: It reboots.
 * @VMGUEST_END_HALT: It halts and stays.
 */
enum vmguest_wire_end {
	VMGUEST_END_POWEROFF	= 1,
	VMGUEST_END_REBOOT	= 2,
	VMGUEST_END_HALT	= 3,
};

/**
 * struct vmguest_wire_last_breath - Payload of LAST_BREATH
 * @end: enum vmguest_wire_end.
 * @reserved: 0.
 *
 * The header's task id is the task that caused it, 0 when the guest ends by
 * itself.
 */
struct vmguest_wire_last_breath {
	__le32 end;
	__le32 reserved;
};

/**
 * enum vmguest_wire_notice_kind - What a guest does by itself
 * @VMGUEST_NOTICE_GOING_DOWN: It has begun to go down.
 * @VMGUEST_NOTICE_STAYS_UP: It does not go down, or not any more.
 * @VMGUEST_NOTICE_LOGOFF: Sessions of class user have ended, and not for a
 *	LOGOFF.
 * @VMGUEST_NOTICE_SESSIONS: How many sessions of class user there are now, and
 *	how many of them are locked.
 */
enum vmguest_wire_notice_kind {
	VMGUEST_NOTICE_GOING_DOWN	= 1,
	VMGUEST_NOTICE_STAYS_UP		= 2,
	VMGUEST_NOTICE_LOGOFF		= 3,
	VMGUEST_NOTICE_SESSIONS		= 4,
};

/**
 * enum vmguest_wire_logoff - How sessions ended
 * @VMGUEST_WIRE_LOGOFF_NORMAL: By themselves, as far as the agent can know.
 * @VMGUEST_WIRE_LOGOFF_FORCED: Somebody in the guest had them stopped.
 */
enum vmguest_wire_logoff {
	VMGUEST_WIRE_LOGOFF_NORMAL	= 1,
	VMGUEST_WIRE_LOGOFF_FORCED	= 2,
};

/**
 * struct vmguest_wire_notice - Payload of NOTICE
 * @kind: enum vmguest_wire_notice_kind.
 * @how: GOING_DOWN: enum vmguest_wire_end, or 0 when that is not known yet.
 *	LOGOFF: enum vmguest_wire_logoff. SESSIONS: how many of @left are
 *	locked. Else 0.
 * @ended: LOGOFF: sessions that ended, at least 1. Else 0.
 * @left: LOGOFF, SESSIONS: sessions of class user that are there. Else 0.
 *
 * Text, at most %VMGUEST_WIRE_TEXT_MAX: LOGOFF: whose sessions. Else ignored.
 */
struct vmguest_wire_notice {
	__le32 kind;
	__le32 how;
	__le32 ended;
	__le32 left;
};

#endif /* _UAPI_LINUX_VMGUEST_PROTOCOL_H */
