/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A message on the terminals of those who are logged on.
 */
#ifndef _VMGUEST_AGENT_WALL_H
#define _VMGUEST_AGENT_WALL_H

struct agent;

/* @text may have several lines and must be clean. Never waits for a terminal. */
void wall(struct agent *agent, const char *text);

#endif /* _VMGUEST_AGENT_WALL_H */
