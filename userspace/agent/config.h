/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration file: what the guest's owner wants.
 */
#ifndef _VMGUEST_AGENT_CONFIG_H
#define _VMGUEST_AGENT_CONFIG_H

#include "options.h"

#define CONFIG_PATH	"/etc/vmguest/agent.conf"

/*
 * Put what a file says into @options. A line that cannot be understood is named
 * in the log, and its setting gets the value that does least. A file that is not
 * there says nothing, one that cannot be read denies everything.
 *
 * Return: 0, or the negative errno of opening the file.
 */
int config_load(struct options *options, const char *path);

#endif /* _VMGUEST_AGENT_CONFIG_H */
