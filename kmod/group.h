/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_GROUP_H
#define _VMGUEST_GROUP_H

#include <linux/types.h>

struct file;
struct vmguest_ioctl;
struct vmguest_task;

int vmguest_group_serve(struct vmguest_ioctl *ioctl);
bool vmguest_group_file_is(const struct file *file);
void vmguest_group_task_ended(struct vmguest_task *task);

#endif /* _VMGUEST_GROUP_H */
