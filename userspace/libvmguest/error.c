// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one table of errors: errnos, the codes of the original interface and
 * what they mean.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define VM_E_ADDITIONS_FEATURE_NOT_AVAIL	0xA0040505
#define DISP_E_EXCEPTION			0x80020009

#define CALL	VMGUEST_LAYER_CALL
#define TASK	VMGUEST_LAYER_TASK
#define CANCEL	VMGUEST_LAYER_CANCEL
#define ALL	(CALL | TASK | CANCEL)

#define ROW(error_, hresult_, layers_, name_, words_) {			\
	.error = (error_), .hresult = (hresult_), .layers = (layers_),	\
	.name = (name_), .words = (words_),				\
}

#define ONE_WAY(error_, hresult_, layers_, name_, words_) {		\
	.error = (error_), .hresult = (hresult_), .layers = (layers_),	\
	.one_way = 1, .name = (name_), .words = (words_),		\
}

#define UNEXPECTED(error_, layers_, words_) \
	ONE_WAY(error_, DISP_E_EXCEPTION, layers_, "DISP_E_EXCEPTION", words_)

static const struct vmguest_error table[] = {
	/* The original's codes. */
	ROW(0, 0x00000000, ALL, "S_OK", "done"),
	ROW(EFAULT, 0x80004003, CALL, "E_POINTER", "a pointer is bad"),
	ROW(EINVAL, 0x80070057, CALL, "E_INVALIDARG",
	    "an argument is out of range"),
	ROW(EBUSY, 0x80004005, CANCEL, "E_FAIL",
	    "it is past the point of no return"),
	ROW(EIO, DISP_E_EXCEPTION, ALL, "DISP_E_EXCEPTION",
	    "something unexpected went wrong"),
	ROW(ETIMEDOUT, 0xA0040202, CALL | TASK, "VM_E_TIMED_OUT",
	    "the deadline passed"),
	ROW(ENOMEM, 0xA0040203, CALL, "VM_E_OUT_OF_RESOURCE",
	    "there is not enough memory"),
	ROW(EHOSTDOWN, 0xA0040206, CALL, "VM_E_VM_NOT_RUNNING",
	    "the VM does not run"),
	ROW(ENOENT, 0xA0040207, CALL, "VM_E_VM_UNKNOWN",
	    "there is no such VM or task"),
	ROW(ESHUTDOWN, 0xA0040209, CALL, "VM_E_APP_SHUTTING_DOWN",
	    "the module is going away"),
	ROW(ENOTCONN, 0xA0040504, CALL, "VM_E_ADDITIONS_NOT_AVAIL",
	    "the guest's agent is not connected"),
	ROW(EOPNOTSUPP, VM_E_ADDITIONS_FEATURE_NOT_AVAIL, CALL,
	    "VM_E_ADDITIONS_FEATURE_NOT_AVAIL",
	    "the guest's agent does not offer this"),
	ROW(EAGAIN, 0xA0040507, CALL, "VM_E_VM_PAUSED", "the VM is paused"),
	ROW(EACCES, 0x80070005, CALL | TASK, "ERROR_ACCESS_DENIED",
	    "permission is denied"),
	ROW(EBUSY, 0x800704F7, TASK, "ERROR_MACHINE_LOCKED",
	    "somebody in the guest stands in the way"),
	ROW(EAGAIN, 0x80070015, TASK, "ERROR_NOT_READY",
	    "the guest is not ready"),
	ROW(EINPROGRESS, 0x8007045B, TASK, "ERROR_SHUTDOWN_IN_PROGRESS",
	    "the guest was going down already"),
	ROW(ESRCH, 0x80070520, TASK, "ERROR_NO_SUCH_LOGON_SESSION",
	    "nobody is logged on"),

	/* The system's own code for what the original says with a result. */
	ROW(ECANCELED, 0x800704C7, TASK, "ERROR_CANCELLED",
	    "it was cancelled"),

	/* Errnos that the original has no code of their own for. */
	ONE_WAY(EPERM, 0x80070005, CALL, "ERROR_ACCESS_DENIED",
		"CAP_SYS_ADMIN is needed"),
	ONE_WAY(EALREADY, 0x80004005, CANCEL, "E_FAIL",
		"it is complete already"),
	UNEXPECTED(EINPROGRESS, CALL, "the same request is running already"),
	UNEXPECTED(EBUSY, CALL, "a request that does not give way is running"),
	UNEXPECTED(ECONNABORTED, TASK,
		   "the guest came to another end than the one asked for"),
	UNEXPECTED(EREMCHG, TASK, "the VM has migrated away"),
	UNEXPECTED(EEXIST, CALL, "the name or the CID is taken"),
	UNEXPECTED(ENOTTY, CALL, "the module does not know this call"),
	UNEXPECTED(E2BIG, CALL, "the module is older than this program"),
	UNEXPECTED(EMFILE, CALL, "this process has too many open files"),
	UNEXPECTED(ENFILE, CALL, "the system has too many open files"),
	UNEXPECTED(EBADF, CALL, "that is not an open file"),
	UNEXPECTED(ELOOP, CALL, "a file of the module cannot be a lifeline"),
	UNEXPECTED(EMLINK, CALL, "such a file cannot be a lifeline"),
};

static const char * const results[] = {
	[VMGUEST_RESULT_SUCCESS]		= "Success",
	[VMGUEST_RESULT_CANCELLED]		= "Cancelled",
	[VMGUEST_RESULT_UNEXPECTED_ERROR]	= "UnexpectedError",
	[VMGUEST_RESULT_OUT_OF_MEMORY]		= "OutOfMemory",
	[VMGUEST_RESULT_DISK_RELATED]		= "DiskRelated",
	[VMGUEST_RESULT_INCOMPATIBLE_SAVED_STATE] = "IncompatibleSavedState",
	[VMGUEST_RESULT_TIMEOUT]		= "TimeOut",
	[VMGUEST_RESULT_ILLEGAL_VALUE]		= "IllegalValue",
	[VMGUEST_RESULT_THREAD_CRASH]		= "ThreadCrash",
	[VMGUEST_RESULT_SHUTDOWN_ABORT]		= "ShutdownAbort",
};

const struct vmguest_error *vmguest_error_row(unsigned int index)
{
	return index < ARRAY_SIZE(table) ? &table[index] : NULL;
}

static const struct vmguest_error *by_errno(unsigned int layer, int error)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].error == error && (table[i].layers & layer))
			return &table[i];
	return NULL;
}

static const struct vmguest_error *by_hresult(unsigned int layers,
					      uint32_t hresult)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].hresult == hresult && !table[i].one_way &&
		    (table[i].layers & layers))
			return &table[i];
	return NULL;
}

const struct vmguest_error *vmguest_error_of(enum vmguest_layer layer,
					     enum vmguest_verb verb, int error)
{
	static const struct vmguest_error no_agent = ONE_WAY(ENOTCONN,
		VM_E_ADDITIONS_FEATURE_NOT_AVAIL, CALL,
		"VM_E_ADDITIONS_FEATURE_NOT_AVAIL",
		"the guest's agent is not connected");
	const struct vmguest_error *row;

	if (error < 0)
		error = -error;
	if (error == ENOTCONN && layer == VMGUEST_LAYER_CALL &&
	    (verb == VMGUEST_VERB_SHUTDOWN || verb == VMGUEST_VERB_LOGOFF))
		return &no_agent;
	row = by_errno(layer, error);
	if (!row)
		row = by_errno(CALL, error);
	return row ? row : by_errno(layer, EIO);
}

int vmguest_errno_of(enum vmguest_layer layer, uint32_t hresult)
{
	const struct vmguest_error *row;

	if (!(hresult & 0x80000000))
		return 0;
	row = by_hresult(layer, hresult);
	if (!row)
		row = by_hresult(ALL, hresult);
	return row ? -row->error : -EIO;
}

const char *vmguest_result_name(uint32_t result)
{
	return result < ARRAY_SIZE(results) ? results[result] : NULL;
}

int vmguest_result_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(results); i++)
		if (!strcmp(results[i], name))
			return i;
	return -EINVAL;
}
