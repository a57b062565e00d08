/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_LIFELINE_H
#define _VMGUEST_LIFELINE_H

struct vmguest_lifeline;
struct vmguest_vm;

struct vmguest_lifeline *vmguest_lifeline_create(int fd, struct vmguest_vm *vm);
void vmguest_lifeline_destroy(struct vmguest_lifeline *lifeline);

#endif /* _VMGUEST_LIFELINE_H */
