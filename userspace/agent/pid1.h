/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an agent that is the guest's process 1 does as such.
 */
#ifndef _VMGUEST_AGENT_PID1_H
#define _VMGUEST_AGENT_PID1_H

#include <linux/vmguest_protocol.h>

/* Mount /proc, /sys, /dev and /run where they are missing. */
void pid1_prepare(void);

/* Start the one child, with its own session. */
void pid1_start(char **command);

/* Write everything out, and unmount or at least make read-only. */
void pid1_unmount(void);

/* reboot(2). Returns a negative errno when the kernel does not want to. */
int pid1_reboot(enum vmguest_wire_end end);

#endif /* _VMGUEST_AGENT_PID1_H */
