// SPDX-License-Identifier: GPL-2.0
/*
 * vmguest-agent: lets the host end sessions in this guest and stop it.
 */
#include "agent.h"

static struct agent agent;

int main(int argc, char **argv)
{
	log_open(false, false);
	options_parse(&agent.options, argc, argv);
	log_open(agent.options.verbose, agent.options.syslog);
	if (agent.options.last_breath)
		return last_breath_run(&agent.options);
	return agent_run(&agent);
}
