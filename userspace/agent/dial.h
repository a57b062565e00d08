/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to the host.
 */
#ifndef _VMGUEST_AGENT_DIAL_H
#define _VMGUEST_AGENT_DIAL_H

#include "options.h"

/*
 * Start to connect, without waiting. Return: a non-blocking socket, writable
 * once it is known how that went (SO_ERROR), or a negative errno.
 */
int dial(const struct options *options);

#endif /* _VMGUEST_AGENT_DIAL_H */
