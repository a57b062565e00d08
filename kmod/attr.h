/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_ATTR_H
#define _VMGUEST_ATTR_H

#include <linux/types.h>

struct sk_buff;
struct vmguest_blocker;
struct vmguest_person;
struct vmguest_task;
struct vmguest_vm;

/* Bytes of attributes, at most: of an event, and of a reply. */
#define VMGUEST_ATTR_VM_SIZE		1024
#define VMGUEST_ATTR_TASK_SIZE		1280
#define VMGUEST_ATTR_TASK_REPLY_SIZE	7168

/**
 * struct vmguest_attr_sessions - How many sessions a logoff was about
 * @targeted: Those to end, 0 when nobody was asked to end them.
 * @ended: Those that ended.
 * @left: Those that are left.
 */
struct vmguest_attr_sessions {
	u32 targeted;
	u32 ended;
	u32 left;
};

int vmguest_attr_put_text(struct sk_buff *skb, int type, const char *text);
int vmguest_attr_put_actor(struct sk_buff *skb, int type,
			   const struct vmguest_person *person);
int vmguest_attr_put_sessions(struct sk_buff *skb, int type,
			      const struct vmguest_attr_sessions *sessions);
struct vmguest_attr_sessions
vmguest_attr_task_sessions(const struct vmguest_task *task);
int vmguest_attr_put_blocker(struct sk_buff *skb,
			     const struct vmguest_blocker *blocker);

int vmguest_attr_put_vm(struct sk_buff *skb, const struct vmguest_vm *vm);
int vmguest_attr_put_agent(struct sk_buff *skb, const struct vmguest_vm *vm);
int vmguest_attr_put_vm_reply(struct sk_buff *skb, const struct vmguest_vm *vm);

int vmguest_attr_put_task(struct sk_buff *skb, const struct vmguest_task *task);
int vmguest_attr_put_task_reply(struct sk_buff *skb,
				const struct vmguest_task *task);

#endif /* _VMGUEST_ATTR_H */
