/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_LISTENER_H
#define _VMGUEST_LISTENER_H

#include <linux/types.h>

int vmguest_listener_init(void);
void vmguest_listener_stop(void);
void vmguest_listener_uninit(void);
u32 vmguest_listener_port(void);
bool vmguest_listener_allows(u32 cid);
void vmguest_listener_hello(u32 cid);

#endif /* _VMGUEST_LISTENER_H */
