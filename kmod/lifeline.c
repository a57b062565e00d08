// SPDX-License-Identifier: GPL-2.0
/*
 * Lifelines: watching another file until it says that a VM is gone.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "group.h"
#include "lifeline.h"
#include "main.h"
#include "task_file.h"
#include "vm.h"

#define LIFELINE_EVENTS	(EPOLLIN | EPOLLHUP | EPOLLERR)

/**
 * struct vmguest_lifeline - A watched file
 *
 * Owned by its VM. The wait-queue entry sits on a queue of @file, so the file is
 * held until the entry is off, except when the queue dies first and says so with
 * POLLFREE. Fires once at most.
 *
 * @vm: The VM, NULL until it is watched for good: before that the work takes no
 *	lock that the creator may hold; no reference: the VM destroys its
 *	lifeline before its end.
 * @file: The watched file, referenced.
 * @table: Only for the poll that queues @entry.
 * @entry: On @queue.
 * @queue: The file's wait queue; NULL once it has died, see lifeline_wake().
 * @queues: How many queues the file wanted us on.
 * @freed: The queue died: the file will not tell any more.
 * @work: Looks, and tells the VM.
 */
struct vmguest_lifeline {
	struct vmguest_vm *vm;
	struct file *file;
	poll_table table;
	wait_queue_entry_t entry;
	wait_queue_head_t *queue;
	unsigned int queues;
	bool freed;
	struct work_struct work;
};

static bool lifeline_is_fired(struct vmguest_lifeline *lifeline)
{
	return READ_ONCE(lifeline->freed) ||
	       (vfs_poll(lifeline->file, NULL) & LIFELINE_EVENTS);
}

static void lifeline_work(struct work_struct *work)
{
	struct vmguest_lifeline *lifeline =
		container_of(work, struct vmguest_lifeline, work);
	struct vmguest_vm *vm;

	/* Pairs with vmguest_lifeline_create(). */
	vm = smp_load_acquire(&lifeline->vm);
	if (vm && lifeline_is_fired(lifeline))
		vmguest_vm_lifeline_fired(vm, lifeline);
}

/* Atomic, under the lock of the file's queue. */
static int lifeline_wake(wait_queue_entry_t *entry, unsigned int mode, int sync,
			 void *key)
{
	struct vmguest_lifeline *lifeline =
		container_of(entry, struct vmguest_lifeline, entry);
	__poll_t events = key_to_poll(key);

	if (events & POLLFREE) {
		WRITE_ONCE(lifeline->freed, true);
		list_del_init(&entry->entry);
		queue_work(vmguest_wq, &lifeline->work);
		/* Pairs with lifeline_unwatch(); the queue is not touched below. */
		smp_store_release(&lifeline->queue, NULL);
		return 0;
	}
	if (!events || (events & LIFELINE_EVENTS))
		queue_work(vmguest_wq, &lifeline->work);
	return 0;
}

static void lifeline_watch(struct file *file, wait_queue_head_t *queue,
			   poll_table *table)
{
	struct vmguest_lifeline *lifeline =
		container_of(table, struct vmguest_lifeline, table);

	if (lifeline->queues++)
		return;
	lifeline->queue = queue;
	add_wait_queue(queue, &lifeline->entry);
}

static void lifeline_unwatch(struct vmguest_lifeline *lifeline)
{
	wait_queue_head_t *queue;

	/* A queue that dies with POLLFREE is freed after a grace period. */
	rcu_read_lock();
	/* Pairs with lifeline_wake(). */
	queue = smp_load_acquire(&lifeline->queue);
	if (queue)
		remove_wait_queue(queue, &lifeline->entry);
	rcu_read_unlock();
}

static struct file *lifeline_get_file(int fd)
{
	struct file *file = fget(fd);
	int err;

	if (!file)
		return ERR_PTR(-EBADF);
	err = -ELOOP;
	if (vmguest_task_file_is(file) || vmguest_group_file_is(file))
		goto put;
	err = -EPERM;
	if (!file_can_poll(file))
		goto put;
	return file;

put:
	fput(file);
	return ERR_PTR(err);
}

/**
 * vmguest_lifeline_create - Watch a file for a VM
 * @fd: The file.
 * @vm: The VM, told through vmguest_vm_lifeline_fired() from a work item.
 *
 * Return: the lifeline, or an ERR_PTR: -EBADF, -EPERM, -ELOOP, -EMLINK and
 * -EHOSTDOWN as struct vmguest_vm_register has it, -ENOMEM.
 */
struct vmguest_lifeline *vmguest_lifeline_create(int fd, struct vmguest_vm *vm)
{
	struct vmguest_lifeline *lifeline;
	__poll_t events;
	int err;

	lifeline = kzalloc(sizeof(*lifeline), GFP_KERNEL_ACCOUNT);
	if (!lifeline)
		return ERR_PTR(-ENOMEM);
	lifeline->file = lifeline_get_file(fd);
	if (IS_ERR(lifeline->file)) {
		err = PTR_ERR(lifeline->file);
		goto free;
	}
	INIT_WORK(&lifeline->work, lifeline_work);
	init_waitqueue_func_entry(&lifeline->entry, lifeline_wake);
	INIT_LIST_HEAD(&lifeline->entry.entry);
	init_poll_funcptr(&lifeline->table, lifeline_watch);

	/* Queues the entry, then looks: an end in between is not lost. */
	events = vfs_poll(lifeline->file, &lifeline->table);
	err = -EMLINK;
	if (lifeline->queues != 1)
		goto unwatch;
	err = -EHOSTDOWN;
	if (events & LIFELINE_EVENTS)
		goto unwatch;
	/* Pairs with lifeline_work(); what woke it before is looked at again. */
	smp_store_release(&lifeline->vm, vm);
	queue_work(vmguest_wq, &lifeline->work);
	return lifeline;

unwatch:
	vmguest_lifeline_destroy(lifeline);
	return ERR_PTR(err);
free:
	kfree(lifeline);
	return ERR_PTR(err);
}

/*
 * Waits for a run of the work, so the caller holds no lock that
 * vmguest_vm_lifeline_fired() takes, unless the lifeline cannot have told yet.
 */
void vmguest_lifeline_destroy(struct vmguest_lifeline *lifeline)
{
	lifeline_unwatch(lifeline);
	cancel_work_sync(&lifeline->work);
	fput(lifeline->file);
	kfree(lifeline);
}
