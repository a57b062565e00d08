// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: many requests of one call, what starts when, and one fd that tells
 * what became of each.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "device.h"
#include "group.h"
#include "ioctl.h"
#include "main.h"
#include "task.h"
#include "vm.h"

struct vmguest_group;

/**
 * struct vmguest_member - One request of a group
 *
 * Part of its group. The call makes its task, so that the credentials and the
 * memory are the caller's, and a later start needs none. Whoever starts it owns
 * it alone until its task is submitted; from then on, until it is @done, only the
 * lists below lead to it; then it belongs to whoever has taken it off
 * &vmguest_group.records.
 *
 * @group: Its group; constant.
 * @task: Its task, or the one that it joined; owns a reference until the record
 *	has been read or, of one that is not over then, the group is closed. NULL
 *	for one that could not be started.
 * @task_node: Entry in &vmguest_task.members; protected by the VM's lock.
 * @node: Entry in &vmguest_group.joined, then in &vmguest_group.records;
 *	protected by the group's lock.
 * @vm_id: Its VM, or 0.
 * @other_id: The task in the way, or 0.
 * @start_ns: When it joined.
 * @due_ns: When it is given up after it joined, 0 for never.
 * @end_ns: When it could not be started, or was given up.
 * @index: Its place in the caller's array; constant.
 * @order: &vmguest_group_member.order; constant.
 * @flags: enum vmguest_request_flags; constant.
 * @error: Why it could not be started.
 * @verb: enum vmguest_verb; constant.
 * @joined: Its task ran already.
 * @counted: It counts in &vmguest_task.close_fds.
 * @done: It does not run any more; protected by the group's lock.
 */
struct vmguest_member {
	struct vmguest_group *group;
	struct vmguest_task *task;
	struct hlist_node task_node;
	struct list_head node;
	u64 vm_id;
	u64 other_id;
	u64 start_ns;
	u64 due_ns;
	u64 end_ns;
	u32 index;
	u32 order;
	u32 flags;
	int error;
	u8 verb;
	bool joined;
	bool counted;
	bool done;
};

/**
 * struct vmguest_group - What a group fd shows
 *
 * Owned by its file; no references. Members that run are known to their tasks:
 * closing the file takes each off, under its VM's lock, before it frees the
 * group. The end of a task only moves its member and queues work; all works are
 * waited for.
 *
 * @wait: Pollers and readers.
 * @tell: Wakes them for records that came close behind another.
 * @start: Starts those whose turn has come.
 * @expire: Gives up those that joined and whose own deadline has passed.
 * @record_size: How long a record is for the reader; constant.
 * @parallel: How many may run at once, 0 for any number; constant.
 * @count: Number of @members; constant.
 * @lock: Protects everything below. Taken inside a VM's lock, and nothing but
 *	the locks of @wait and of the workqueue inside it.
 * @starting: Somebody is starting members, or is about to: nobody else does.
 * @next: Index of the first one that has not been started.
 * @order: Of those that run.
 * @running: How many run.
 * @unread: How many have a record that has not been read.
 * @told: When readers were woken last, in jiffies.
 * @due_ns: When @expire runs, 0 for never.
 * @joined: Members that run, have joined, and have a deadline.
 * @records: Members whose record can be read, the first that ended first.
 * @members: Sorted by order, then by index.
 */
struct vmguest_group {
	wait_queue_head_t wait;
	struct delayed_work tell;
	struct work_struct start;
	struct delayed_work expire;
	u32 record_size;
	u32 parallel;
	u32 count;

	spinlock_t lock;	/* protects everything below */
	bool starting;
	u32 next;
	u32 order;
	u32 running;
	u32 unread;
	unsigned long told;
	u64 due_ns;
	struct list_head joined;
	struct list_head records;
	struct vmguest_member members[];
};

static bool group_has_turn(const struct vmguest_group *group)
{
	const struct vmguest_member *next = &group->members[group->next];

	if (group->next == group->count)
		return false;
	if (!group->running)
		return true;
	return next->order == group->order &&
	       (!group->parallel || group->running < group->parallel);
}

static void group_tell(struct vmguest_group *group)
{
	lockdep_assert_held(&group->lock);
	group->told = jiffies;
	wake_up_poll(&group->wait, EPOLLIN | EPOLLRDNORM);
}

static void group_tell_work(struct work_struct *work)
{
	struct vmguest_group *group = container_of(to_delayed_work(work),
						   struct vmguest_group, tell);

	spin_lock(&group->lock);
	group_tell(group);
	spin_unlock(&group->lock);
}

/*
 * There is a new record. Members end in crowds, and a reader that is woken for
 * each of them costs as much as they do: once in a jiffy is enough.
 */
static void group_tell_once(struct vmguest_group *group)
{
	lockdep_assert_held(&group->lock);
	if (time_after(jiffies, group->told))
		group_tell(group);
	else
		queue_delayed_work(vmguest_wq, &group->tell, 1);
}

/*
 * The member does not run any more; its group's lock is held. Nothing but that
 * lock keeps the group afterwards.
 */
static void member_done(struct vmguest_member *member)
{
	struct vmguest_group *group = member->group;

	lockdep_assert_held(&group->lock);
	member->done = true;
	list_move_tail(&member->node, &group->records);
	group->running--;
	group_tell_once(group);
	if (!group->starting && group_has_turn(group)) {
		group->starting = true;
		queue_work(vmguest_wq, &group->start);
	}
}

/* Completion of a task: tells all groups that wait for it. */
void vmguest_group_task_ended(struct vmguest_task *task)
{
	struct vmguest_member *member;
	struct hlist_node *next;

	lockdep_assert_held(&task->vm->lock);
	hlist_for_each_entry_safe(member, next, &task->members, task_node) {
		struct vmguest_group *group = member->group;

		hlist_del_init(&member->task_node);
		spin_lock(&group->lock);
		if (!member->done)
			member_done(member);
		spin_unlock(&group->lock);
	}
}

static void group_arm(struct vmguest_group *group, u64 now, u64 due_ns)
{
	lockdep_assert_held(&group->lock);
	if (group->due_ns && group->due_ns <= due_ns)
		return;
	group->due_ns = due_ns;
	mod_delayed_work(vmguest_wq, &group->expire,
			 nsecs_to_jiffies(due_ns - now) + 1);
}

static void group_expire(struct work_struct *work)
{
	struct vmguest_group *group = container_of(to_delayed_work(work),
						   struct vmguest_group,
						   expire);
	struct vmguest_member *member, *next;
	u64 now = ktime_get_ns();

	spin_lock(&group->lock);
	group->due_ns = 0;
	list_for_each_entry_safe(member, next, &group->joined, node) {
		if (member->due_ns > now) {
			group_arm(group, now, member->due_ns);
			continue;
		}
		member->end_ns = now;
		member_done(member);
	}
	spin_unlock(&group->lock);
}

/* Takes over the reference to @running, if there is one. */
static void member_refuse(struct vmguest_member *member, int err,
			  struct vmguest_task *running)
{
	struct vmguest_group *group = member->group;

	if (running) {
		member->other_id = running->id;
		vmguest_task_put(running);
	}
	vmguest_task_put(member->task);
	member->task = NULL;
	member->error = err;
	member->end_ns = ktime_get_ns();
	spin_lock(&group->lock);
	member_done(member);
	spin_unlock(&group->lock);
}

/*
 * Takes over the reference to @running, for which @member gives up its own task.
 * It may have ended meanwhile.
 */
static void member_join(struct vmguest_member *member,
			struct vmguest_task *running)
{
	struct vmguest_group *group = member->group;
	struct vmguest_task *own = member->task;
	u64 now = ktime_get_ns();

	vmguest_task_join(running, &own->starter);
	member->joined = true;
	member->start_ns = now;
	if (own->deadline_ms)
		member->due_ns = now + mul_u32_u32(own->deadline_ms,
						     NSEC_PER_MSEC);
	member->task = running;

	spin_lock(&running->vm->lock);
	if (member->counted)
		running->close_fds++;
	spin_lock(&group->lock);
	if (!vmguest_task_is_running(running)) {
		member_done(member);
	} else {
		hlist_add_head(&member->task_node, &running->members);
		if (member->due_ns) {
			list_add_tail(&member->node, &group->joined);
			group_arm(group, now, member->due_ns);
		}
	}
	spin_unlock(&group->lock);
	spin_unlock(&running->vm->lock);
	vmguest_task_put(own);
}

/* After a success, or a join, it is not touched: it may have ended. */
static void member_start(struct vmguest_member *member)
{
	struct vmguest_task *task = member->task;
	struct vmguest_task *running;
	int err;

	/* Nobody else knows this task yet. */
	hlist_add_head(&member->task_node, &task->members);
	if (member->flags & VMGUEST_REQ_CANCEL_ON_CLOSE) {
		member->counted = true;
		task->close_fds++;
	}
	err = vmguest_task_submit(task, member->flags, &running);
	if (!err)
		return;
	hlist_del_init(&member->task_node);
	if (err == -EINPROGRESS && (member->flags & VMGUEST_REQ_JOIN))
		member_join(member, running);
	else
		member_refuse(member, err, running);
}

/* The next one whose turn it is, which counts as running; or NULL. */
static struct vmguest_member *group_next(struct vmguest_group *group)
{
	struct vmguest_member *member = NULL;

	spin_lock(&group->lock);
	/* Those that the call has refused have nothing to start. */
	while (group->next < group->count && !group->members[group->next].task)
		group->next++;
	group->starting = group_has_turn(group);
	if (group->starting) {
		member = &group->members[group->next++];
		group->order = member->order;
		group->running++;
	}
	spin_unlock(&group->lock);
	return member;
}

static void group_start(struct vmguest_group *group)
{
	struct vmguest_member *member;

	while ((member = group_next(group))) {
		member_start(member);
		cond_resched();
	}
}

static void group_start_work(struct work_struct *work)
{
	group_start(container_of(work, struct vmguest_group, start));
}

/* Nobody can reach its members any more. */
static void group_free(struct vmguest_group *group)
{
	u32 i;

	for (i = 0; i < group->count; i++)
		if (group->members[i].task)
			vmguest_task_put(group->members[i].task);
	kvfree(group);
}

static void member_fill(struct vmguest_member *member,
			struct vmguest_request *request,
			const struct vmguest_group_member *arg,
			const struct vmguest_group_start *cmd)
{
	member->order = arg->order;
	member->flags = arg->flags;
	member->verb = arg->verb;
	*request = (struct vmguest_request) {
		.flags = arg->flags,
		.vm_id = arg->vm_id,
		.cid = arg->cid,
		.until = arg->until,
		.deadline_ms = arg->deadline_ms,
		.force_after_ms = arg->force_after_ms,
		.delay_ms = arg->delay_ms,
		.grace_ms = arg->grace_ms,
		.scope = arg->scope,
		.scope_uid = arg->scope_uid,
		.reserved = arg->reserved,
	};
	memcpy(request->name, arg->name, sizeof(request->name));
	memcpy(request->reason, cmd->reason, sizeof(request->reason));
}

/* A VM that is not there, or not the caller's, fails only this member. */
static int member_create(struct vmguest_member *member,
			 const struct vmguest_request *request)
{
	const struct vmguest_vm_ref ref = {
		.id = request->vm_id, .cid = request->cid,
		.name = request->name,
	};
	struct vmguest_task *task;
	struct vmguest_vm *vm;

	vm = vmguest_vm_find(&ref, VMGUEST_MAY_CONTROL);
	if (IS_ERR(vm)) {
		member->error = PTR_ERR(vm);
		member->end_ns = ktime_get_ns();
		return 0;
	}
	task = vmguest_task_create(vm, member->verb, request);
	member->vm_id = vm->id;
	vmguest_vm_put(vm);
	if (IS_ERR(task))
		return PTR_ERR(task);
	member->task = task;
	return 0;
}

static int member_init(struct vmguest_member *member,
		       const struct vmguest_group_start *cmd)
{
	const void __user *from = u64_to_user_ptr(cmd->members +
						  (u64)member->index *
						  cmd->member_size);
	struct vmguest_group_member arg;
	struct vmguest_request request;
	int err;

	err = copy_struct_from_user(&arg, sizeof(arg), from, cmd->member_size);
	if (err)
		return err;
	if (arg.verb < VMGUEST_VERB_SHUTDOWN || arg.verb > VMGUEST_VERB_PING)
		return -EINVAL;
	member_fill(member, &request, &arg, cmd);
	err = vmguest_request_check(&request, arg.verb);
	if (err)
		return err;
	return member_create(member, &request);
}

static int member_compare(const void *a, const void *b)
{
	const struct vmguest_member *one = a, *other = b;

	if (one->order != other->order)
		return one->order < other->order ? -1 : 1;
	return one->index < other->index ? -1 : 1;
}

/* In the order in which they start. */
static int group_init_members(struct vmguest_group *group,
			      const struct vmguest_group_start *cmd)
{
	struct vmguest_member *member = group->members;
	bool sorted = true;
	u32 i;
	int err;

	for (i = 0; i < group->count; i++, member++) {
		member->index = i;
		err = member_init(member, cmd);
		if (err)
			return err;
		sorted &= !i || member[-1].order <= member->order;
		cond_resched();
	}
	if (!sorted)
		sort(group->members, group->count, sizeof(*member),
		     member_compare, NULL);
	return 0;
}

/* From here on the members stay where they are. */
static void group_link_members(struct vmguest_group *group)
{
	struct vmguest_member *member;
	u32 i;

	for (i = 0; i < group->count; i++) {
		member = &group->members[i];
		member->group = group;
		INIT_HLIST_NODE(&member->task_node);
		INIT_LIST_HEAD(&member->node);
		if (!member->task)
			list_add_tail(&member->node, &group->records);
	}
}

static struct vmguest_group *
group_create(const struct vmguest_group_start *cmd)
{
	struct vmguest_group *group;
	int err;

	group = kvzalloc(struct_size(group, members, cmd->count),
			 GFP_KERNEL_ACCOUNT);
	if (!group)
		return ERR_PTR(-ENOMEM);
	init_waitqueue_head(&group->wait);
	INIT_DELAYED_WORK(&group->tell, group_tell_work);
	INIT_WORK(&group->start, group_start_work);
	INIT_DELAYED_WORK(&group->expire, group_expire);
	spin_lock_init(&group->lock);
	group->told = jiffies - 1;
	INIT_LIST_HEAD(&group->joined);
	INIT_LIST_HEAD(&group->records);
	group->record_size = cmd->record_size;
	group->parallel = cmd->parallel;
	group->count = cmd->count;
	group->unread = cmd->count;
	group->starting = true;

	err = group_init_members(group, cmd);
	if (err) {
		group_free(group);
		return ERR_PTR(err);
	}
	group_link_members(group);
	return group;
}

static void record_fill(struct vmguest_group_record *record,
			const struct vmguest_member *member)
{
	*record = (struct vmguest_group_record) {
		.task_id = member->other_id,
		.vm_id = member->vm_id,
		.end_ns = member->end_ns,
		.index = member->index,
		.verb = member->verb,
		.error = member->error,
	};
}

/* One that was given up may have ended since, and then that is told. */
static void record_fill_task(struct vmguest_group_record *record,
			     const struct vmguest_member *member)
{
	const struct vmguest_task *task = member->task;

	spin_lock(&task->vm->lock);
	record->task_id = task->id;
	record->superseded_by = task->superseded_by;
	record->start_ns = member->joined ? member->start_ns : task->start_ns;
	record->record_flags = VMGUEST_RECORD_STARTED;
	if (member->joined)
		record->record_flags |= VMGUEST_RECORD_JOINED;
	record->task_flags = vmguest_task_flags(task);
	record->stage = task->stage;
	record->proofs = task->proofs;
	record->targeted = task->targeted;
	record->ended = task->ended;
	record->left = task->left;
	record->until = task->until;
	if (vmguest_task_is_running(task)) {
		record->result = VMGUEST_RESULT_TIMEOUT;
		record->error = -ETIMEDOUT;
	} else {
		record->result = task->result;
		record->error = task->error;
		record->end_ns = task->end_ns;
	}
	spin_unlock(&task->vm->lock);
}

static struct vmguest_member *group_take(struct vmguest_group *group)
{
	struct vmguest_member *member;

	spin_lock(&group->lock);
	member = list_first_entry_or_null(&group->records,
					  struct vmguest_member, node);
	if (member)
		list_del_init(&member->node);
	spin_unlock(&group->lock);
	return member;
}

static void group_put_back(struct vmguest_member *member)
{
	struct vmguest_group *group = member->group;

	spin_lock(&group->lock);
	list_add(&member->node, &group->records);
	wake_up_poll(&group->wait, EPOLLIN | EPOLLRDNORM);
	spin_unlock(&group->lock);
}

static void group_given(struct vmguest_member *member)
{
	struct vmguest_group *group = member->group;

	spin_lock(&group->lock);
	if (!--group->unread)
		wake_up_poll(&group->wait, EPOLLHUP);
	spin_unlock(&group->lock);
}

/* Its reader may know less of it, or more. */
static int record_copy(char __user *buf, u32 size,
		       const struct vmguest_group_record *record)
{
	size_t known = min_t(size_t, size, sizeof(*record));

	if (copy_to_user(buf, record, known) ||
	    clear_user(buf + known, size - known))
		return -EFAULT;
	return 0;
}

/* Return: 1 when a record was read, 0 when there is none, -EFAULT. */
static int group_give(struct vmguest_group *group, char __user *buf)
{
	struct vmguest_group_record record;
	struct vmguest_member *member;

	member = group_take(group);
	if (!member)
		return 0;
	record_fill(&record, member);
	if (member->task)
		record_fill_task(&record, member);
	if (record_copy(buf, group->record_size, &record)) {
		group_put_back(member);
		return -EFAULT;
	}
	/* Else its task leads to it until it has ended, or the group is closed. */
	if (record.task_flags & VMGUEST_TASK_COMPLETE) {
		vmguest_task_put(member->task);
		member->task = NULL;
	}
	group_given(member);
	return 1;
}

static ssize_t group_give_many(struct vmguest_group *group, char __user *buf,
			       size_t count)
{
	const size_t size = group->record_size;
	size_t given = 0;
	int ret;

	do {
		ret = group_give(group, buf + given);
		if (ret <= 0)
			break;
		given += size;
		cond_resched();
	} while (count - given >= size);
	return given ?: ret;
}

/* Return: whether there is a record, or never will be. */
static bool group_look(struct vmguest_group *group, bool *over)
{
	bool waits;

	spin_lock(&group->lock);
	waits = !list_empty(&group->records);
	*over = !group->unread;
	spin_unlock(&group->lock);
	return waits || *over;
}

static ssize_t group_file_read(struct file *file, char __user *buf,
			       size_t count, loff_t *pos)
{
	struct vmguest_group *group = file->private_data;
	ssize_t given;
	bool over;
	int err;

	if (count < group->record_size)
		return -EINVAL;
	for (;;) {
		given = group_give_many(group, buf, count);
		if (given)
			return given;
		/* Another reader may be the one who gets what there is. */
		if (file->f_flags & O_NONBLOCK) {
			if (!group_look(group, &over))
				return -EAGAIN;
		} else {
			err = wait_event_interruptible(group->wait,
						       group_look(group, &over));
			if (err)
				return err;
		}
		if (over)
			return 0;
	}
}

static __poll_t group_file_poll(struct file *file, poll_table *table)
{
	struct vmguest_group *group = file->private_data;
	__poll_t events = 0;

	/* First onto the queue, then look: a record in between wakes. */
	poll_wait(file, &group->wait, table);
	spin_lock(&group->lock);
	if (!list_empty(&group->records))
		events |= EPOLLIN | EPOLLRDNORM;
	if (!group->unread)
		events |= EPOLLHUP;
	spin_unlock(&group->lock);
	return events;
}

static void group_file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct vmguest_group *group = file->private_data;
	u32 next, running, unread;

	spin_lock(&group->lock);
	next = group->next;
	running = group->running;
	unread = group->unread;
	spin_unlock(&group->lock);

	seq_printf(m, "vmguest-members:\t%u\n", group->count);
	seq_printf(m, "vmguest-waiting:\t%u\n", group->count - next);
	seq_printf(m, "vmguest-running:\t%u\n", running);
	seq_printf(m, "vmguest-unread:\t%u\n", unread);
}

/* Waits for whoever starts members, and no more will start. */
static void group_stop(struct vmguest_group *group)
{
	spin_lock(&group->lock);
	group->next = group->count;
	spin_unlock(&group->lock);
	cancel_work_sync(&group->start);
}

/* Its task does not lead to it any more. */
static void member_leave(struct vmguest_member *member)
{
	struct vmguest_task *task = member->task;
	bool cancel = false;

	spin_lock(&task->vm->lock);
	hlist_del_init(&member->task_node);
	if (member->counted)
		cancel = !--task->close_fds;
	spin_unlock(&task->vm->lock);
	if (cancel)
		vmguest_task_cancel(task);
}

static int group_file_release(struct inode *inode, struct file *file)
{
	struct vmguest_group *group = file->private_data;
	u32 i;

	group_stop(group);
	for (i = 0; i < group->count; i++) {
		if (group->members[i].task)
			member_leave(&group->members[i]);
		cond_resched();
	}
	cancel_delayed_work_sync(&group->expire);
	cancel_delayed_work_sync(&group->tell);
	group_free(group);
	return 0;
}

static const struct file_operations vmguest_group_fops = {
	.owner		= THIS_MODULE,
	.read		= group_file_read,
	.poll		= group_file_poll,
	.show_fdinfo	= group_file_show_fdinfo,
	.release	= group_file_release,
	.llseek		= noop_llseek,
};

bool vmguest_group_file_is(const struct file *file)
{
	return file->f_op == &vmguest_group_fops;
}

static int group_check(const struct vmguest_group_start *cmd)
{
	if (cmd->flags || cmd->group_fd || cmd->reserved || !cmd->count ||
	    cmd->count > VMGUEST_GROUP_MAX ||
	    cmd->member_size < offsetofend(struct vmguest_group_member, name) ||
	    cmd->record_size < offsetofend(struct vmguest_group_record, until))
		return -EINVAL;
	if (cmd->member_size > PAGE_SIZE || cmd->record_size > PAGE_SIZE)
		return -E2BIG;
	return 0;
}

/*
 * Serves VMGUEST_GROUP_START. All that can fail comes before the first request
 * is sent, as for a single one.
 */
int vmguest_group_serve(struct vmguest_ioctl *ioctl)
{
	struct vmguest_group_start *cmd = &ioctl->arg.group_start;
	struct vmguest_group *group;
	struct file *file;
	int fd, err;

	err = group_check(cmd);
	if (err)
		return err;
	group = group_create(cmd);
	if (IS_ERR(group))
		return PTR_ERR(group);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		group_free(group);
		return fd;
	}
	file = anon_inode_getfile("[vmguest-group]", &vmguest_group_fops,
				  group, O_RDONLY | O_CLOEXEC);
	if (IS_ERR(file)) {
		group_free(group);
		err = PTR_ERR(file);
		goto put_fd;
	}
	cmd->group_fd = fd;
	err = vmguest_ioctl_respond(ioctl);
	if (err)
		goto put_file;
	group_start(group);
	fd_install(fd, file);
	return 0;

put_file:
	fput(file);
put_fd:
	put_unused_fd(fd);
	return err;
}
