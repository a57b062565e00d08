/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libvmguest: graceful control of guest operating systems, from C.
 *
 * A client is an fd of /dev/vmguest, a task is an fd that can be polled; both
 * are closed with close(2). The library keeps no state and starts no threads:
 * everything here may be called from any thread.
 *
 * Functions return 0 or a positive answer, or a negative errno. An errno of a
 * request means that nothing was handed over; what the guest answers is the
 * result of the task. Besides the errnos named below, each call has those that
 * <linux/vmguest.h> lists for all calls.
 *
 * Structs that begin with a size tell which version of it the caller was
 * compiled with: set it with sizeof, or with the initialisers below.
 */
#ifndef LIBVMGUEST_H
#define LIBVMGUEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmguest.h>

#ifdef __cplusplus
extern "C" {
#endif

/* client.c: the way to the module */

/**
 * vmguest_open() - Open /dev/vmguest
 *
 * Return: a close-on-exec fd, or -ENOENT, -ENXIO or -ENODEV when the module is
 * not loaded, -EACCES or -EPERM when the device may not be opened.
 */
int vmguest_open(void);

/**
 * vmguest_api() - Ask what the module supports
 * @fd: A client.
 * @api: Out; its size is set by the caller.
 *
 * Return: 0 or a negative errno.
 */
int vmguest_api(int fd, struct vmguest_get_api *api);

/* vm.c: the registry */

/**
 * struct vmguest_vm_ref - Which VM is meant
 * @id: Its id, or 0.
 * @cid: Its CID, or 0.
 * @name: Its name, or NULL.
 *
 * Exactly one member is given. A name stands for the VM that has it now, else
 * for the newest one that had it and is gone.
 */
struct vmguest_vm_ref {
	uint64_t id;
	uint32_t cid;
	const char *name;
};

/**
 * struct vmguest_registration - A VM to register
 * @size: sizeof(struct vmguest_registration).
 * @cid: Its AF_VSOCK context id, 3 to 0xfffffffe.
 * @name: 1 to 127 of [A-Za-z0-9._-], the first a letter or a digit; not
 *	"cid-...".
 * @uid: The owner.
 * @gid: The owning group.
 * @mode: Bits of enum vmguest_access for owner, group and other, at most 0777.
 * @lifeline_fd: -1, or an fd that becomes readable or hung up when the VM is
 *	gone, such as a pidfd of its VMM. The caller may close it afterwards.
 */
struct vmguest_registration {
	uint32_t size;
	uint32_t cid;
	const char *name;
	uid_t uid;
	gid_t gid;
	uint32_t mode;
	int lifeline_fd;
};

#define VMGUEST_DEFAULT_MODE	0750

/**
 * VMGUEST_REGISTRATION() - Initialise a struct vmguest_registration
 * @name_: Its name.
 * @cid_: Its CID.
 *
 * The owner is uid 0 and gid 0 until set otherwise.
 */
#define VMGUEST_REGISTRATION(name_, cid_) {			\
	.size = sizeof(struct vmguest_registration),		\
	.cid = (cid_),						\
	.name = (name_),					\
	.uid = 0,						\
	.gid = 0,						\
	.mode = VMGUEST_DEFAULT_MODE,				\
	.lifeline_fd = -1,					\
}

/**
 * vmguest_register() - Register a VM
 * @fd: A client.
 * @vm: The VM.
 * @vm_id: Out, its id; may be NULL.
 *
 * Return: 0 or a negative errno: -EPERM without CAP_SYS_ADMIN, -EINVAL for a
 * bad value, -EEXIST when the name or the CID is taken; for the lifeline
 * -EBADF, -EPERM, -ELOOP or -EMLINK when it cannot be watched and -EHOSTDOWN
 * when it has fired already.
 */
int vmguest_register(int fd, const struct vmguest_registration *vm,
		     uint64_t *vm_id);

/**
 * vmguest_unregister() - End the registration of a VM
 * @fd: A client.
 * @vm: The VM.
 * @flags: enum vmguest_unregister_flags.
 *
 * Return: 0 or a negative errno: -ENOENT, -EACCES without the write bit, -EBUSY
 * while a request runs and %VMGUEST_UNREGISTER_ABORT is not given.
 */
int vmguest_unregister(int fd, const struct vmguest_vm_ref *vm,
		       uint32_t flags);

/**
 * vmguest_set() - Change the registration of a VM
 * @fd: A client.
 * @vm: The VM.
 * @change: What to change: its what and the members that this names, the others
 *	zero. Its size and what names the VM are not looked at.
 *
 * Return: 0 or a negative errno, as struct vmguest_vm_set has them.
 */
int vmguest_set(int fd, const struct vmguest_vm_ref *vm,
		const struct vmguest_vm_set *change);

/**
 * vmguest_find() - Look at a VM
 * @fd: A client.
 * @vm: The VM.
 * @info: Out; its size is set by the caller.
 *
 * Mirrors the properties of IVMGuestOS (OSName, ComputerName, CanShutdown,
 * AdditionsVersion, ...). From sessions on, everything but the name is the
 * guest's own word.
 *
 * Return: 0 or a negative errno: -ENOENT, -EACCES without the read bit.
 */
int vmguest_find(int fd, const struct vmguest_vm_ref *vm,
		 struct vmguest_vm_get *info);

/**
 * vmguest_next() - Look at the next VM that may be read
 * @fd: A client.
 * @info: In: its size, and the vm_id to go on behind, 0 to begin. Out: the VM.
 *
 * Mirrors the VirtualMachines collection.
 *
 * Return: 1 with a VM in @info, 0 when there are no more, or a negative errno.
 */
int vmguest_next(int fd, struct vmguest_vm_get *info);

/* request.c: the verbs */

/**
 * struct vmguest_options - How a request is made
 * @size: sizeof(struct vmguest_options).
 * @flags: enum vmguest_request_flags.
 * @until: enum vmguest_until.
 * @deadline_ms: Milliseconds from now, time that the host sleeps not counted; 0
 *	for the module's default.
 * @force_after_ms: Turn it into a FORCE then; 0 for never.
 * @delay_ms: Announce it to the guest's users this long before.
 * @grace_ms: Time for a session to end before it is killed.
 * @scope: enum vmguest_scope; LOGOFF only.
 * @scope_uid: Uid in the guest that @scope refers to.
 * @reason: Why, at most 127 bytes of printable UTF-8, or NULL.
 */
struct vmguest_options {
	uint32_t size;
	uint32_t flags;
	uint32_t until;
	uint32_t deadline_ms;
	uint32_t force_after_ms;
	uint32_t delay_ms;
	uint32_t grace_ms;
	uint32_t scope;
	uint32_t scope_uid;
	const char *reason;
};

#define VMGUEST_OPTIONS	{ .size = sizeof(struct vmguest_options) }

/**
 * vmguest_request() - Ask something of a guest
 * @fd: A client.
 * @verb: What.
 * @vm: Whom.
 * @options: How, or NULL for the defaults.
 * @task_id: Out, the task's id; with -EINPROGRESS and -EBUSY that of the task
 *	in the way; otherwise 0. May be NULL.
 *
 * Never waits for the guest.
 *
 * Return: a close-on-exec task fd, or a negative errno, and nothing was handed
 * over: -EINVAL, -EOPNOTSUPP the verb or an option is not offered, -ENOENT,
 * -EACCES without the control bit, -EHOSTDOWN the VM does not run, -ENOTCONN
 * its agent is not connected, -EINPROGRESS the same verb runs already, -EBUSY a
 * request that does not give way runs, -EMFILE, -ENFILE, -ENOMEM, -ESHUTDOWN.
 */
int vmguest_request(int fd, enum vmguest_verb verb,
		    const struct vmguest_vm_ref *vm,
		    const struct vmguest_options *options, uint64_t *task_id);

/**
 * vmguest_shutdown() - Shut a guest down
 * @fd: A client.
 * @vm: Whom.
 * @options: How, or NULL for the defaults.
 * @task_id: Out, as with vmguest_request(); may be NULL.
 *
 * Mirrors IVMGuestOS::Shutdown(isForced, task). The task is complete when the
 * VM is gone.
 *
 * Return: see vmguest_request().
 */
int vmguest_shutdown(int fd, const struct vmguest_vm_ref *vm,
		     const struct vmguest_options *options, uint64_t *task_id);

/**
 * vmguest_restart() - Restart a guest
 * @fd: A client.
 * @vm: Whom.
 * @options: How, or NULL for the defaults.
 * @task_id: Out, as with vmguest_request(); may be NULL.
 *
 * Mirrors IVMGuestOS::Restart(isForced, task). The task is complete when the
 * guest is back with another boot id.
 *
 * Return: see vmguest_request().
 */
int vmguest_restart(int fd, const struct vmguest_vm_ref *vm,
		    const struct vmguest_options *options, uint64_t *task_id);

/**
 * vmguest_logoff() - Log the users of a guest off
 * @fd: A client.
 * @vm: Whom.
 * @options: How, or NULL for the defaults.
 * @task_id: Out, as with vmguest_request(); may be NULL.
 *
 * Mirrors IVMGuestOS::Logoff(task). The task is complete when every targeted
 * session has ended.
 *
 * Return: see vmguest_request().
 */
int vmguest_logoff(int fd, const struct vmguest_vm_ref *vm,
		   const struct vmguest_options *options, uint64_t *task_id);

/**
 * vmguest_ping() - Ask a guest's agent for an answer
 * @fd: A client.
 * @vm: Whom.
 * @options: How, or NULL for the defaults.
 * @task_id: Out, as with vmguest_request(); may be NULL.
 *
 * Stands in for IVMGuestOS::IsHeartbeating.
 *
 * Return: see vmguest_request().
 */
int vmguest_ping(int fd, const struct vmguest_vm_ref *vm,
		 const struct vmguest_options *options, uint64_t *task_id);

/* task.c: requests under way */

/**
 * vmguest_open_task() - Open a task that anybody started
 * @fd: A client.
 * @task_id: Its id.
 *
 * Mirrors the Tasks collection.
 *
 * Return: a close-on-exec task fd, or a negative errno: -ENOENT, -EACCES
 * without the VM's read bit.
 */
int vmguest_open_task(int fd, uint64_t task_id);

/**
 * vmguest_look() - Look at a task
 * @task_fd: The task.
 * @task: Out; its size is set by the caller.
 *
 * Mirrors IVMTask: IsComplete, IsCancelable, PercentCompleted, Result, Error,
 * ID. Takes back a POLLPRI of this fd.
 *
 * Return: 0 or a negative errno.
 */
int vmguest_look(int task_fd, struct vmguest_task_get *task);

/**
 * vmguest_blocker() - Look at one of those who stand in a task's way
 * @task_fd: The task.
 * @index: Which one, from 0; &vmguest_task_get.blockers is how many there were.
 * @blocker: Out, the guest's word; its size is set by the caller.
 *
 * Return: 0 or a negative errno; -ENOENT when there are fewer by now.
 */
int vmguest_blocker(int task_fd, uint32_t index,
		    struct vmguest_task_blocker *blocker);

/**
 * vmguest_cancel() - Cancel a task
 * @task_fd: The task.
 *
 * Mirrors IVMTask::Cancel.
 *
 * Return: 0 and the guest will not act on it; or a negative errno: -EBUSY past
 * the commit point, -EALREADY when it is complete, -EACCES without the VM's
 * control bit.
 */
int vmguest_cancel(int task_fd);

/**
 * vmguest_watch_fn - What vmguest_wait() calls
 * @task: The task as it is now.
 * @context: As given to vmguest_wait().
 *
 * Return: 0 to go on, a negative value to end the wait with it.
 */
typedef int vmguest_watch_fn(const struct vmguest_task_get *task,
			     void *context);

/**
 * vmguest_wait() - Wait for a task to complete
 * @task_fd: The task.
 * @timeout_ms: Patience in milliseconds, -1 for no end. It ends the wait, not
 *	the task.
 * @watch: Called with the task as it is at first and after each visible change,
 *	the last one included; or NULL.
 * @context: For @watch.
 *
 * Mirrors IVMTask::WaitForCompletion, which succeeds when the time is up, too.
 *
 * Return: 1 when the task is complete, 0 when the time is up, -EINTR when a
 * signal was caught, what @watch ended it with, or another negative errno.
 */
int vmguest_wait(int task_fd, int timeout_ms, vmguest_watch_fn *watch,
		 void *context);

/* group.c: many requests at once */

/**
 * struct vmguest_group_options - How a group is run
 * @size: sizeof(struct vmguest_group_options).
 * @member_size: sizeof(struct vmguest_group_member).
 * @record_size: sizeof(struct vmguest_group_record).
 * @parallel: How many requests may run at once, 0 for any number.
 * @reason: Why, for all of them: at most 127 bytes of printable UTF-8, or NULL.
 */
struct vmguest_group_options {
	uint32_t size;
	uint32_t member_size;
	uint32_t record_size;
	uint32_t parallel;
	const char *reason;
};

#define VMGUEST_GROUP_OPTIONS {						\
	.size = sizeof(struct vmguest_group_options),			\
	.member_size = sizeof(struct vmguest_group_member),		\
	.record_size = sizeof(struct vmguest_group_record),		\
}

/**
 * vmguest_fill_member() - Describe one request of a group
 * @member: Out; its order is 0.
 * @size: sizeof(*@member). What this library does not know in it is 0.
 * @verb: What.
 * @vm: Whom.
 * @options: How, or NULL for the defaults. Its deadline counts from when this
 *	request starts. Its reason must be NULL: a group has one for all.
 *
 * Return: 0 or -EINVAL, -E2BIG; -EINVAL also for a @size that no version has.
 */
int vmguest_fill_member(struct vmguest_group_member *member, size_t size,
			enum vmguest_verb verb,
			const struct vmguest_vm_ref *vm,
			const struct vmguest_options *options);

/**
 * vmguest_group() - Ask something of many guests
 * @fd: A client.
 * @members: The requests. They start by ascending order; those with the next
 *	higher one when each of the former has ended, could not be started, or is
 *	past its deadline.
 * @count: How many, 1 to %VMGUEST_GROUP_MAX.
 * @options: How, from VMGUEST_GROUP_OPTIONS.
 *
 * Mirrors nothing in the original, which has one call per VM. Never waits for a
 * guest. Closing the fd drops the requests that have not started; those that run
 * go on, unless they have %VMGUEST_REQ_CANCEL_ON_CLOSE.
 *
 * Return: a close-on-exec group fd, or a negative errno, and nothing was handed
 * over: -EINVAL when anything of any request is out of range, -E2BIG, -EFAULT,
 * -EMFILE, -ENFILE, -ENOMEM, -ENOTTY the module knows no groups. What stands in
 * the way of one request is in its record.
 */
int vmguest_group(int fd, const struct vmguest_group_member *members,
		  uint32_t count, const struct vmguest_group_options *options);

/**
 * vmguest_group_read() - Hear what became of a group's requests
 * @group_fd: The group. poll() has POLLIN while there is a record, and POLLHUP
 *	when all have been read.
 * @records: Out, the first that ended first.
 * @size: sizeof(*@records), as it was when the group was started.
 * @count: Room in @records, from 1 on.
 *
 * Waits for the first one, unless the fd has O_NONBLOCK.
 *
 * Return: how many records there are, 0 when all have been read, or a negative
 * errno: -EAGAIN, -EINTR, -EFAULT, -EINVAL.
 */
int vmguest_group_read(int group_fd, struct vmguest_group_record *records,
		       size_t size, uint32_t count);

/* error.c: errnos and the codes of the original interface */

/**
 * enum vmguest_layer - Who says that something is wrong
 * @VMGUEST_LAYER_CALL: A call: it could not be handed over.
 * @VMGUEST_LAYER_TASK: A task: what became of it.
 * @VMGUEST_LAYER_CANCEL: vmguest_cancel().
 */
enum vmguest_layer {
	VMGUEST_LAYER_CALL	= 1,
	VMGUEST_LAYER_TASK	= 2,
	VMGUEST_LAYER_CANCEL	= 4,
};

/**
 * struct vmguest_error - A row of the table of errors
 * @error: The errno, positive; 0 for success.
 * @hresult: The HRESULT of the original interface.
 * @layers: enum vmguest_layer, those that it is for.
 * @one_way: The errno gives the HRESULT, but the HRESULT another errno.
 * @name: Name of the HRESULT.
 * @words: What it means, without a full stop.
 */
struct vmguest_error {
	int error;
	uint32_t hresult;
	unsigned int layers;
	int one_way;
	const char *name;
	const char *words;
};

/**
 * vmguest_error_row() - Go through the table of errors
 * @index: 0 and up.
 *
 * Return: the row, or NULL behind the last one.
 */
const struct vmguest_error *vmguest_error_row(unsigned int index);

/**
 * vmguest_error_of() - Find the meaning of an errno
 * @layer: Who said it.
 * @verb: What was asked, 0 for nothing in particular. An agent that is not
 *	connected is VM_E_ADDITIONS_FEATURE_NOT_AVAIL to SHUTDOWN and LOGOFF, as
 *	in the original, and VM_E_ADDITIONS_NOT_AVAIL to others.
 * @error: The errno, positive or negative, or 0.
 *
 * Return: a row, never NULL. What the original has no code for is
 * DISP_E_EXCEPTION.
 */
const struct vmguest_error *vmguest_error_of(enum vmguest_layer layer,
					     enum vmguest_verb verb,
					     int error);

/**
 * vmguest_errno_of() - Find the errno of an HRESULT
 * @layer: Who said it.
 * @hresult: The HRESULT.
 *
 * Return: a negative errno, 0 for any success, -EIO for an unknown failure.
 */
int vmguest_errno_of(enum vmguest_layer layer, uint32_t hresult);

/**
 * vmguest_result_name() - Name a result as VMTaskResult does
 * @result: enum vmguest_result.
 *
 * Return: such as "Success" or "ShutdownAbort", NULL for an unknown number.
 */
const char *vmguest_result_name(uint32_t result);

/**
 * vmguest_result_of() - Find the result with a name of VMTaskResult
 * @name: The name.
 *
 * Return: enum vmguest_result, or -EINVAL.
 */
int vmguest_result_of(const char *name);

/* names.c: names of the numbers of <linux/vmguest.h>, in lower case */

/**
 * vmguest_verb_name() - Name a verb
 * @verb: enum vmguest_verb.
 *
 * Return: a word, "?" for an unknown number; so do the following.
 */
const char *vmguest_verb_name(uint32_t verb);
const char *vmguest_stage_name(uint32_t stage);
const char *vmguest_until_name(uint32_t until);
const char *vmguest_state_name(uint32_t state);
const char *vmguest_blocker_name(uint32_t kind);

/**
 * vmguest_proof_name() - Name a bit of enum vmguest_proofs
 * @bit: Number of the bit, 0 and up.
 *
 * Return: a word, NULL for an unknown bit; so does the following.
 */
const char *vmguest_proof_name(unsigned int bit);
const char *vmguest_capability_name(unsigned int bit);

/* describe.c: a task in words */

/**
 * vmguest_describe() - Say in one sentence how a task stands or has ended
 * @task: The task.
 * @text: Out, without a full stop, cut at @size; NUL-terminated. It contains
 *	nothing that the guest wrote.
 * @size: Size of @text in bytes; 256 is enough.
 *
 * Mirrors IVMTask::ErrorDescription.
 *
 * Return: the length of the whole sentence.
 */
int vmguest_describe(const struct vmguest_task_get *task, char *text,
		     size_t size);

/**
 * vmguest_describe_record() - Say in one sentence what became of a request
 * @record: What a group says of it.
 * @text: Out, as for vmguest_describe().
 * @size: Size of @text in bytes; 256 is enough.
 *
 * Return: the length of the whole sentence.
 */
int vmguest_describe_record(const struct vmguest_group_record *record,
			    char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* LIBVMGUEST_H */
