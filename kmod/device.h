/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_DEVICE_H
#define _VMGUEST_DEVICE_H

int vmguest_device_init(void);
void vmguest_device_uninit(void);

#endif /* _VMGUEST_DEVICE_H */
