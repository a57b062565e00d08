/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_NETLINK_H
#define _VMGUEST_NETLINK_H

struct genl_family;

extern struct genl_family vmguest_netlink_family;

int vmguest_netlink_init(void);
void vmguest_netlink_uninit(void);

#endif /* _VMGUEST_NETLINK_H */
