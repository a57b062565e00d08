/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_TASK_FILE_H
#define _VMGUEST_TASK_FILE_H

#include <linux/types.h>

struct file;
struct vmguest_task;

struct file *vmguest_task_file_create(struct vmguest_task *task);
void vmguest_task_file_cancel_on_close(struct file *file);
bool vmguest_task_file_is(const struct file *file);

#endif /* _VMGUEST_TASK_FILE_H */
