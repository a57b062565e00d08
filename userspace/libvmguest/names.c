// SPDX-License-Identifier: GPL-2.0-only
/* Names of the numbers of <linux/vmguest.h>. */
#include "internal.h"

static const char *name_of(const char * const *names, size_t count,
			   uint32_t number, const char *unknown)
{
	return number < count && names[number] ? names[number] : unknown;
}

const char *vmguest_verb_name(uint32_t verb)
{
	static const char * const names[] = {
		[VMGUEST_VERB_SHUTDOWN]	= "shutdown",
		[VMGUEST_VERB_RESTART]	= "restart",
		[VMGUEST_VERB_LOGOFF]	= "logoff",
		[VMGUEST_VERB_PING]	= "ping",
	};

	return name_of(names, ARRAY_SIZE(names), verb, "?");
}

const char *vmguest_stage_name(uint32_t stage)
{
	static const char * const names[VMGUEST_STAGE_COUNT] = {
		[VMGUEST_STAGE_QUEUED]		= "queued",
		[VMGUEST_STAGE_SENT]		= "sent",
		[VMGUEST_STAGE_ACCEPTED]	= "accepted",
		[VMGUEST_STAGE_BLOCKED]		= "blocked",
		[VMGUEST_STAGE_STOPPING]	= "stopping",
		[VMGUEST_STAGE_LAST_BREATH]	= "last-breath",
		[VMGUEST_STAGE_CHANNEL_DOWN]	= "channel-down",
		[VMGUEST_STAGE_VM_GONE]		= "vm-gone",
	};

	return name_of(names, ARRAY_SIZE(names), stage, "?");
}

const char *vmguest_until_name(uint32_t until)
{
	static const char * const names[] = {
		[VMGUEST_UNTIL_DEFAULT]		= "default",
		[VMGUEST_UNTIL_ACCEPTED]	= "accepted",
		[VMGUEST_UNTIL_DOWN]		= "down",
		[VMGUEST_UNTIL_GONE]		= "gone",
	};

	return name_of(names, ARRAY_SIZE(names), until, "?");
}

const char *vmguest_state_name(uint32_t state)
{
	static const char * const names[] = {
		[VMGUEST_VM_UNKNOWN]	= "unknown",
		[VMGUEST_VM_RUNNING]	= "running",
		[VMGUEST_VM_STOPPING]	= "stopping",
		[VMGUEST_VM_DOWN]	= "down",
		[VMGUEST_VM_GONE]	= "gone",
	};

	return name_of(names, ARRAY_SIZE(names), state, "?");
}

const char *vmguest_blocker_name(uint32_t kind)
{
	static const char * const names[] = {
		[VMGUEST_BLOCKER_INHIBITOR]	= "inhibitor",
		[VMGUEST_BLOCKER_SESSION]	= "session",
		[VMGUEST_BLOCKER_LOCK]		= "lock",
		[VMGUEST_BLOCKER_STOP_JOB]	= "stop-job",
	};

	return name_of(names, ARRAY_SIZE(names), kind, "?");
}

const char *vmguest_proof_name(unsigned int bit)
{
	static const char * const names[] = {
		"accepted", "committed", "last-breath", "channel-down",
		"vm-gone", "new-boot", "sessions-ended", "pong",
	};

	return name_of(names, ARRAY_SIZE(names), bit, NULL);
}

const char *vmguest_capability_name(unsigned int bit)
{
	static const char * const names[] = {
		"shutdown", "restart", "logoff", "force", "cancel",
		"last-breath", "notice", "respect-sessions",
		"sessions",
	};

	return name_of(names, ARRAY_SIZE(names), bit, NULL);
}
