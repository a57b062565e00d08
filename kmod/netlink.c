// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: its commands, their policies and their dumps.
 * Documentation/netlink/specs/vmguest.yaml says what they are.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include <linux/vmguest_netlink.h>

#include "attr.h"
#include "channel.h"
#include "event.h"
#include "netlink.h"
#include "registry.h"
#include "task.h"
#include "vm.h"

/* What stats-get answers, at most. */
#define NETLINK_STATS_SIZE	1024

/**
 * struct netlink_cursor - How far a dump has come, in &netlink_callback.ctx
 * @after: It goes on with ids above this one.
 * @vm_id: Only tasks of this VM, 0 for all.
 */
struct netlink_cursor {
	u64 after;
	u64 vm_id;
};

/**
 * struct netlink_dump - One call of a dump
 * @skb: Where it writes.
 * @cb: The dump.
 * @opener: Who opened the socket.
 */
struct netlink_dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	const struct file *opener;
};

static const struct nla_policy netlink_vm_policy[] = {
	[VMGUEST_A_VM_ID]	= NLA_POLICY_MIN(NLA_U64, 1),
	[VMGUEST_A_VM_NAME]	= { .type = NLA_NUL_STRING,
				    .len = VMGUEST_NAME_SIZE - 1 },
	[VMGUEST_A_VM_CID]	= NLA_POLICY_MIN(NLA_U32, 1),
	[VMGUEST_A_VM_AFTER]	= { .type = NLA_U64 },
};

static const struct nla_policy netlink_task_policy[] = {
	[VMGUEST_A_TASK_ID]	= NLA_POLICY_MIN(NLA_U64, 1),
	[VMGUEST_A_TASK_VM_ID]	= NLA_POLICY_MIN(NLA_U64, 1),
	[VMGUEST_A_TASK_AFTER]	= { .type = NLA_U64 },
};

/* The commands' policies are those of both do and dump: these of dump alone. */
static const struct nla_policy netlink_vm_dump_policy[] = {
	[VMGUEST_A_VM_AFTER]	= { .type = NLA_U64 },
};

static const struct nla_policy netlink_task_dump_policy[] = {
	[VMGUEST_A_TASK_VM_ID]	= NLA_POLICY_MIN(NLA_U64, 1),
	[VMGUEST_A_TASK_AFTER]	= { .type = NLA_U64 },
};

/*
 * Who opened the socket counts, not who writes to it or reads from it: a dump
 * goes on in whatever process reads, and events are delivered in any.
 */
static const struct file *netlink_opener(const struct sk_buff *skb)
{
	return NETLINK_CB(skb).sk->sk_socket->file;
}

static bool netlink_is_admin(const struct file *opener)
{
	return file_ns_capable(opener, &init_user_ns, CAP_SYS_ADMIN);
}

static bool netlink_may_read(const struct file *opener, struct vmguest_vm *vm)
{
	return vmguest_vm_grants(vm, opener->f_cred, VMGUEST_MAY_READ) ||
	       netlink_is_admin(opener);
}

static struct netlink_cursor *netlink_cursor(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct netlink_cursor) > sizeof(cb->ctx));
	return (struct netlink_cursor *)cb->ctx;
}

/* The parser takes the last of attributes that are given twice. */
static int netlink_check_twice(const struct nlmsghdr *nlh,
			       struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	unsigned long seen = 0;
	int left;

	BUILD_BUG_ON(ARRAY_SIZE(netlink_vm_policy) > BITS_PER_LONG ||
		     ARRAY_SIZE(netlink_task_policy) > BITS_PER_LONG);
	nlmsg_for_each_attr(attr, nlh, GENL_HDRLEN, left) {
		/* The policy has refused higher types. */
		if (!__test_and_set_bit(nla_type(attr), &seen))
			continue;
		NL_SET_ERR_MSG_ATTR(extack, attr, "attribute given twice");
		return -EINVAL;
	}
	return 0;
}

/* A VM or a task that is not there looks like one that may not be read. */
static int netlink_hidden(const struct file *opener,
			  struct netlink_ext_ack *extack,
			  const struct nlattr *attr)
{
	if (netlink_is_admin(opener)) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "it does not exist");
		return -ENOENT;
	}
	NL_SET_ERR_MSG_ATTR(extack, attr,
			    "it does not exist or may not be read");
	return -EACCES;
}

static struct vmguest_vm *netlink_find_vm(const struct file *opener,
					  const struct vmguest_vm_ref *ref,
					  const struct nlattr *attr,
					  struct netlink_ext_ack *extack)
{
	struct vmguest_vm *vm;

	vm = vmguest_registry_lookup(ref);
	if (vm && netlink_may_read(opener, vm))
		return vm;
	if (vm)
		vmguest_vm_put(vm);
	return ERR_PTR(netlink_hidden(opener, extack, attr));
}

/* Exactly one attribute names the VM; returns it, or NULL. */
static const struct nlattr *netlink_get_ref(struct genl_info *info,
					    struct vmguest_vm_ref *ref,
					    char name[VMGUEST_NAME_SIZE])
{
	static const u8 types[] = {
		VMGUEST_A_VM_ID, VMGUEST_A_VM_CID, VMGUEST_A_VM_NAME,
	};
	const struct nlattr *attr = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		if (!info->attrs[types[i]])
			continue;
		if (attr) {
			NL_SET_ERR_MSG_ATTR(info->extack,
					    info->attrs[types[i]],
					    "only one of id, cid and name");
			return NULL;
		}
		attr = info->attrs[types[i]];
	}
	if (!attr) {
		NL_SET_ERR_MSG(info->extack, "id, cid or name is missing");
		NL_SET_ERR_ATTR_MISS(info->extack, NULL, VMGUEST_A_VM_ID);
		return NULL;
	}
	if (info->attrs[VMGUEST_A_VM_ID])
		ref->id = nla_get_u64(attr);
	if (info->attrs[VMGUEST_A_VM_CID])
		ref->cid = nla_get_u32(attr);
	if (info->attrs[VMGUEST_A_VM_NAME])
		nla_strscpy(name, attr, VMGUEST_NAME_SIZE);
	ref->name = name;
	if (vmguest_vm_ref_check(ref)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "name is empty");
		return NULL;
	}
	return attr;
}

static int netlink_put_vm(struct sk_buff *skb, struct vmguest_vm *vm)
{
	int err;

	spin_lock(&vm->lock);
	err = vmguest_attr_put_vm_reply(skb, vm);
	spin_unlock(&vm->lock);
	return err;
}

static int netlink_put_task(struct sk_buff *skb, struct vmguest_task *task)
{
	int err;

	spin_lock(&task->vm->lock);
	err = vmguest_attr_put_task_reply(skb, task);
	spin_unlock(&task->vm->lock);
	return err;
}

/* A reply under way; its header goes to *@header. */
static struct sk_buff *netlink_reply_new(const struct genl_info *info, u8 cmd,
					 size_t size, void **header)
{
	struct sk_buff *skb;

	skb = genlmsg_new(size, GFP_KERNEL);
	if (!skb)
		return NULL;
	*header = genlmsg_put(skb, info->snd_portid, info->snd_seq,
			      &vmguest_netlink_family, 0, cmd);
	if (*header)
		return skb;
	nlmsg_free(skb);
	return NULL;
}

static int netlink_vm_get(struct sk_buff *request, struct genl_info *info)
{
	char name[VMGUEST_NAME_SIZE] = { };
	struct vmguest_vm_ref ref = { };
	const struct nlattr *attr;
	struct vmguest_vm *vm;
	struct sk_buff *skb;
	void *header;
	int err;

	if (info->attrs[VMGUEST_A_VM_AFTER]) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[VMGUEST_A_VM_AFTER],
				    "after is for dumps");
		return -EINVAL;
	}
	err = netlink_check_twice(info->nlhdr, info->extack);
	if (err)
		return err;
	attr = netlink_get_ref(info, &ref, name);
	if (!attr)
		return -EINVAL;
	vm = netlink_find_vm(netlink_opener(request), &ref, attr, info->extack);
	if (IS_ERR(vm))
		return PTR_ERR(vm);

	err = -ENOMEM;
	skb = netlink_reply_new(info, VMGUEST_CMD_VM_GET, VMGUEST_ATTR_VM_SIZE,
				&header);
	if (!skb)
		goto put_vm;
	err = netlink_put_vm(skb, vm);
	if (WARN_ON_ONCE(err))
		goto free_skb;
	genlmsg_end(skb, header);
	vmguest_vm_put(vm);
	return genlmsg_reply(skb, info);

free_skb:
	nlmsg_free(skb);
put_vm:
	vmguest_vm_put(vm);
	return err;
}

static int netlink_task_get(struct sk_buff *request, struct genl_info *info)
{
	const struct file *opener = netlink_opener(request);
	const struct nlattr *attr = info->attrs[VMGUEST_A_TASK_ID];
	static const u8 others[] = { VMGUEST_A_TASK_VM_ID, VMGUEST_A_TASK_AFTER };
	struct vmguest_task *task;
	struct sk_buff *skb;
	unsigned int i;
	void *header;
	int err;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		if (!info->attrs[others[i]])
			continue;
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[others[i]],
				    "vm-id and after are for dumps");
		return -EINVAL;
	}
	err = netlink_check_twice(info->nlhdr, info->extack);
	if (err)
		return err;
	if (!attr) {
		NL_SET_ERR_MSG(info->extack, "id is missing");
		NL_SET_ERR_ATTR_MISS(info->extack, NULL, VMGUEST_A_TASK_ID);
		return -EINVAL;
	}
	task = vmguest_task_find(nla_get_u64(attr));
	if (!task)
		return netlink_hidden(opener, info->extack, attr);
	err = netlink_may_read(opener, task->vm) ?
	      0 : netlink_hidden(opener, info->extack, attr);
	if (err)
		goto put_task;

	err = -ENOMEM;
	skb = netlink_reply_new(info, VMGUEST_CMD_TASK_GET,
				VMGUEST_ATTR_TASK_REPLY_SIZE, &header);
	if (!skb)
		goto put_task;
	err = netlink_put_task(skb, task);
	if (WARN_ON_ONCE(err))
		goto free_skb;
	genlmsg_end(skb, header);
	vmguest_task_put(task);
	return genlmsg_reply(skb, info);

free_skb:
	nlmsg_free(skb);
put_task:
	vmguest_task_put(task);
	return err;
}

static int netlink_put_results(struct sk_buff *skb,
			       const struct vmguest_event_stats *events)
{
	struct nlattr *nest;
	unsigned int i;

	for (i = 0; i < VMGUEST_EVENT_RESULTS; i++) {
		if (!events->tasks[i])
			continue;
		nest = nla_nest_start(skb, VMGUEST_A_STATS_TASKS);
		if (!nest ||
		    nla_put_u32(skb, VMGUEST_A_TASK_COUNT_RESULT, i) ||
		    nla_put_u64_64bit(skb, VMGUEST_A_TASK_COUNT_COUNT,
				      events->tasks[i],
				      VMGUEST_A_TASK_COUNT_PAD))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static int netlink_put_counter(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, VMGUEST_A_STATS_PAD);
}

static int netlink_put_stats(struct sk_buff *skb)
{
	struct vmguest_event_stats events;
	struct vmguest_registry_stats vms;

	vmguest_event_get_stats(&events);
	vmguest_registry_get_stats(&vms);
	if (nla_put_u32(skb, VMGUEST_A_STATS_VMS, vms.count) ||
	    nla_put_u32(skb, VMGUEST_A_STATS_CHANNELS,
			vmguest_channel_count()) ||
	    netlink_put_counter(skb, VMGUEST_A_STATS_FRAMES_IN,
				vms.frames_in) ||
	    netlink_put_counter(skb, VMGUEST_A_STATS_FRAMES_OUT,
				vms.frames_out) ||
	    netlink_put_counter(skb, VMGUEST_A_STATS_MALFORMED,
				vms.malformed) ||
	    netlink_put_counter(skb, VMGUEST_A_STATS_REFUSED, vms.refused) ||
	    netlink_put_counter(skb, VMGUEST_A_STATS_EVENTS, events.events) ||
	    netlink_put_counter(skb, VMGUEST_A_STATS_EVENTS_DROPPED,
				events.dropped))
		return -EMSGSIZE;
	return netlink_put_results(skb, &events);
}

static int netlink_stats_get(struct sk_buff *request, struct genl_info *info)
{
	struct sk_buff *skb;
	void *header;
	int err;

	if (!netlink_is_admin(netlink_opener(request))) {
		NL_SET_ERR_MSG(info->extack, "needs CAP_SYS_ADMIN");
		return -EPERM;
	}
	skb = netlink_reply_new(info, VMGUEST_CMD_STATS_GET, NETLINK_STATS_SIZE,
				&header);
	if (!skb)
		return -ENOMEM;
	err = netlink_put_stats(skb);
	if (WARN_ON_ONCE(err)) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, header);
	return genlmsg_reply(skb, info);
}

static int netlink_vm_dump_start(struct netlink_callback *cb)
{
	struct nlattr *attrs[ARRAY_SIZE(netlink_vm_dump_policy)];
	int err;

	err = genlmsg_parse(cb->nlh, &vmguest_netlink_family, attrs,
			    ARRAY_SIZE(attrs) - 1, netlink_vm_dump_policy,
			    cb->extack);
	if (!err)
		err = netlink_check_twice(cb->nlh, cb->extack);
	if (!err && attrs[VMGUEST_A_VM_AFTER])
		netlink_cursor(cb)->after =
			nla_get_u64(attrs[VMGUEST_A_VM_AFTER]);
	return err;
}

static void *netlink_dump_header(struct netlink_dump *dump, u8 cmd)
{
	void *header;

	header = genlmsg_put(dump->skb, NETLINK_CB(dump->cb->skb).portid,
			     dump->cb->nlh->nlmsg_seq, &vmguest_netlink_family,
			     NLM_F_MULTI, cmd);
	if (header)
		genl_dump_check_consistent(dump->cb, header);
	return header;
}

/* A vmguest_registry_visit_t. Writes a VM whole or not at all. */
static int netlink_dump_vm(struct vmguest_vm *vm, void *data)
{
	struct netlink_dump *dump = data;
	void *header;
	int err;

	if (!netlink_may_read(dump->opener, vm))
		return 0;
	header = netlink_dump_header(dump, VMGUEST_CMD_VM_GET);
	if (!header)
		return -EMSGSIZE;
	err = netlink_put_vm(dump->skb, vm);
	if (err)
		genlmsg_cancel(dump->skb, header);
	else
		genlmsg_end(dump->skb, header);
	return err;
}

static int netlink_vm_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct netlink_dump dump = {
		.skb = skb, .cb = cb, .opener = netlink_opener(cb->skb),
	};
	int err;

	err = vmguest_registry_walk(&netlink_cursor(cb)->after, &cb->seq,
				    netlink_dump_vm, &dump);
	return skb->len ?: err;
}

static int netlink_task_dump_start(struct netlink_callback *cb)
{
	struct nlattr *attrs[ARRAY_SIZE(netlink_task_dump_policy)];
	struct netlink_cursor *cursor = netlink_cursor(cb);
	struct vmguest_vm_ref ref = { .name = "" };
	const struct nlattr *attr;
	struct vmguest_vm *vm;
	int err;

	/* The longest task has to fit into one message of the dump. */
	cb->min_dump_alloc = NLMSG_HDRLEN + GENL_HDRLEN +
			     VMGUEST_ATTR_TASK_REPLY_SIZE;
	err = genlmsg_parse(cb->nlh, &vmguest_netlink_family, attrs,
			    ARRAY_SIZE(attrs) - 1, netlink_task_dump_policy,
			    cb->extack);
	if (!err)
		err = netlink_check_twice(cb->nlh, cb->extack);
	if (err)
		return err;
	if (attrs[VMGUEST_A_TASK_AFTER])
		cursor->after = nla_get_u64(attrs[VMGUEST_A_TASK_AFTER]);
	attr = attrs[VMGUEST_A_TASK_VM_ID];
	if (!attr)
		return 0;
	ref.id = nla_get_u64(attr);
	cursor->vm_id = ref.id;
	vm = netlink_find_vm(netlink_opener(cb->skb), &ref, attr, cb->extack);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	vmguest_vm_put(vm);
	return 0;
}

static int netlink_dump_task(struct netlink_dump *dump,
			     struct vmguest_task *task)
{
	u64 vm_id = netlink_cursor(dump->cb)->vm_id;
	void *header;
	int err;

	if ((vm_id && task->vm->id != vm_id) ||
	    !netlink_may_read(dump->opener, task->vm))
		return 0;
	header = netlink_dump_header(dump, VMGUEST_CMD_TASK_GET);
	if (!header)
		return -EMSGSIZE;
	err = netlink_put_task(dump->skb, task);
	if (err)
		genlmsg_cancel(dump->skb, header);
	else
		genlmsg_end(dump->skb, header);
	return err;
}

static int netlink_task_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct netlink_dump dump = {
		.skb = skb, .cb = cb, .opener = netlink_opener(cb->skb),
	};
	struct netlink_cursor *cursor = netlink_cursor(cb);
	struct vmguest_task *task;
	int err = 0;

	while (!err) {
		task = vmguest_task_find_next(cursor->after, &cb->seq);
		if (!task)
			break;
		err = netlink_dump_task(&dump, task);
		if (!err)
			cursor->after = task->id;
		vmguest_task_put(task);
		cond_resched();
	}
	return skb->len ?: err;
}

static const struct genl_ops netlink_ops[] = {
	{
		.cmd = VMGUEST_CMD_VM_GET,
		.doit = netlink_vm_get,
		.start = netlink_vm_dump_start,
		.dumpit = netlink_vm_dump,
		.policy = netlink_vm_policy,
		.maxattr = ARRAY_SIZE(netlink_vm_policy) - 1,
	},
	{
		.cmd = VMGUEST_CMD_TASK_GET,
		.doit = netlink_task_get,
		.start = netlink_task_dump_start,
		.dumpit = netlink_task_dump,
		.policy = netlink_task_policy,
		.maxattr = ARRAY_SIZE(netlink_task_policy) - 1,
	},
	{
		/* No policy: it takes no attributes. */
		.cmd = VMGUEST_CMD_STATS_GET,
		.doit = netlink_stats_get,
	},
};

/*
 * An event is one message for all who listen, whichever VM it is about: what a
 * VM's mode grants cannot be told apart, so only those who may see all listen.
 */
static const struct genl_multicast_group netlink_groups[] = {
	[VMGUEST_EVENT_VM] = {
		.name = VMGUEST_MCGRP_VM,
		.flags = GENL_MCAST_CAP_SYS_ADMIN,
	},
	[VMGUEST_EVENT_TASK] = {
		.name = VMGUEST_MCGRP_TASK,
		.flags = GENL_MCAST_CAP_SYS_ADMIN,
	},
};

struct genl_family vmguest_netlink_family __ro_after_init = {
	.name		= VMGUEST_FAMILY_NAME,
	.version	= VMGUEST_FAMILY_VERSION,
	.module		= THIS_MODULE,
	.parallel_ops	= true,
	.ops		= netlink_ops,
	.n_ops		= ARRAY_SIZE(netlink_ops),
	.mcgrps		= netlink_groups,
	.n_mcgrps	= ARRAY_SIZE(netlink_groups),
};

int __init vmguest_netlink_init(void)
{
	int err;

	err = genl_register_family(&vmguest_netlink_family);
	if (!err)
		vmguest_event_open();
	return err;
}

/* A dump under way pins the module, a listener does not. */
void vmguest_netlink_uninit(void)
{
	vmguest_event_close();
	genl_unregister_family(&vmguest_netlink_family);
}
