/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_AGENT_H
#define _VMGUEST_AGENT_H

struct vmguest_channel;
struct vmguest_frame;
struct vmguest_vm;
struct work_struct;

int vmguest_agent_attach(struct vmguest_channel *channel,
			 const struct vmguest_frame *hello);
void vmguest_agent_detach(struct vmguest_channel *channel, int reason);
void vmguest_agent_alive(struct vmguest_vm *vm,
			 struct vmguest_channel *channel);
void vmguest_agent_candidate_timeout(struct vmguest_channel *channel);
void vmguest_agent_watch(struct work_struct *work);

#endif /* _VMGUEST_AGENT_H */
