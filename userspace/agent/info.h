/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a HELLO says about the guest.
 */
#ifndef _VMGUEST_AGENT_INFO_H
#define _VMGUEST_AGENT_INFO_H

#include "protocol.h"
#include "util.h"

#define INFO_TEXT_SIZE	(VMGUEST_WIRE_INFO_MAX + 1)

/**
 * struct info - The guest's own description
 * @machine_id: /etc/machine-id, or zero.
 * @hostname: Its name now.
 * @os_name: NAME of os-release, else the kernel's name.
 * @os_version: VERSION_ID of os-release, else empty.
 * @kernel: Kernel release.
 */
struct info {
	__u8 machine_id[ID_SIZE];
	char hostname[INFO_TEXT_SIZE];
	char os_name[INFO_TEXT_SIZE];
	char os_version[INFO_TEXT_SIZE];
	char kernel[INFO_TEXT_SIZE];
};

void info_read(struct info *info);

/* The kernel's id of this boot; random where there is none. */
void info_boot_id(__u8 *boot_id);

/* Fill in what @info knows; @frame points into @info afterwards. */
void info_hello(const struct info *info, struct vmguest_frame *frame);

#endif /* _VMGUEST_AGENT_INFO_H */
