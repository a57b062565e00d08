/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_NOTICE_H
#define _VMGUEST_NOTICE_H

struct vmguest_frame;
struct vmguest_vm;

void vmguest_notice_handle(struct vmguest_vm *vm,
			   const struct vmguest_frame *frame);

#endif /* _VMGUEST_NOTICE_H */
