/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_DEVICE_H
#define _VMGUEST_DEVICE_H

#include <linux/types.h>

struct vmguest_request;

int vmguest_device_init(void);
void vmguest_device_uninit(void);

int vmguest_request_check(const struct vmguest_request *cmd, u8 verb);

#endif /* _VMGUEST_DEVICE_H */
