/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the command line says.
 */
#ifndef _VMGUEST_AGENT_OPTIONS_H
#define _VMGUEST_AGENT_OPTIONS_H

#include "util.h"

#define OPTIONS_MESSAGE_SIZE	128

/* Where nobody says otherwise. */
#define OPTIONS_GRACE_MS	5000
#define OPTIONS_INIT_TIMEOUT_MS	60000

/**
 * struct options - The command line
 * @cid: Context id of the host.
 * @port: Its port.
 * @connect_path: Tests: a Unix stream socket to dial instead.
 * @backend: auto, logind, plain or record:FILE.
 * @task_file: Where the agent keeps what its next start and the last breath
 *	need.
 * @boot_id: Tests: boot id to claim.
 * @has_boot_id: It was given.
 * @grace_ms: Time for a session to end before it is killed.
 * @init_timeout_ms: Time for init to bring the guest down.
 * @message: A line of the guest's owner below each announcement, or empty.
 * @denied: Capabilities that the guest's owner does not want to be used.
 * @last_breath: Only bring the last breath of this kind, 0 to be the agent.
 * @verbose: Debug lines.
 * @syslog: Lines go to syslog(3).
 * @command: Child of an agent that is process 1, or NULL.
 */
struct options {
	unsigned int cid;
	unsigned int port;
	const char *connect_path;
	const char *backend;
	const char *task_file;
	__u8 boot_id[ID_SIZE];
	bool has_boot_id;
	unsigned int grace_ms;
	unsigned int init_timeout_ms;
	char message[OPTIONS_MESSAGE_SIZE];
	__u64 denied;
	unsigned int last_breath;
	bool verbose;
	bool syslog;
	char **command;
};

/*
 * The command line counts more than the configuration file that it may name.
 * Does not return when it is wrong or only asks for help.
 */
void options_parse(struct options *options, int argc, char **argv);

#endif /* _VMGUEST_AGENT_OPTIONS_H */
