// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library's table of errors against the codes of the original interface,
 * each row in both directions.
 */
#include <errno.h>
#include <string.h>

#include "ktap.h"
#include "libvmguest.h"

#define CALL	VMGUEST_LAYER_CALL
#define TASK	VMGUEST_LAYER_TASK
#define CANCEL	VMGUEST_LAYER_CANCEL

struct row {
	enum vmguest_layer layer;
	int error;
	uint32_t hresult;
	const char *name;
};

static const struct row both_ways[] = {
	{ CALL, 0, 0x00000000, "S_OK" },
	{ TASK, 0, 0x00000000, "S_OK" },
	{ CALL, EFAULT, 0x80004003, "E_POINTER" },
	{ CALL, EINVAL, 0x80070057, "E_INVALIDARG" },
	{ CANCEL, EBUSY, 0x80004005, "E_FAIL" },
	{ CALL, EIO, 0x80020009, "DISP_E_EXCEPTION" },
	{ TASK, EIO, 0x80020009, "DISP_E_EXCEPTION" },
	{ CALL, ETIMEDOUT, 0xA0040202, "VM_E_TIMED_OUT" },
	{ TASK, ETIMEDOUT, 0xA0040202, "VM_E_TIMED_OUT" },
	{ CALL, ENOMEM, 0xA0040203, "VM_E_OUT_OF_RESOURCE" },
	{ CALL, EHOSTDOWN, 0xA0040206, "VM_E_VM_NOT_RUNNING" },
	{ CALL, ENOENT, 0xA0040207, "VM_E_VM_UNKNOWN" },
	{ CALL, ESHUTDOWN, 0xA0040209, "VM_E_APP_SHUTTING_DOWN" },
	{ CALL, ENOTCONN, 0xA0040504, "VM_E_ADDITIONS_NOT_AVAIL" },
	{ CALL, EOPNOTSUPP, 0xA0040505, "VM_E_ADDITIONS_FEATURE_NOT_AVAIL" },
	{ CALL, EAGAIN, 0xA0040507, "VM_E_VM_PAUSED" },
	{ CALL, EACCES, 0x80070005, "ERROR_ACCESS_DENIED" },
	{ TASK, EACCES, 0x80070005, "ERROR_ACCESS_DENIED" },
	{ TASK, EBUSY, 0x800704F7, "ERROR_MACHINE_LOCKED" },
	{ TASK, EAGAIN, 0x80070015, "ERROR_NOT_READY" },
	{ TASK, EINPROGRESS, 0x8007045B, "ERROR_SHUTDOWN_IN_PROGRESS" },
	{ TASK, ESRCH, 0x80070520, "ERROR_NO_SUCH_LOGON_SESSION" },
	{ TASK, ECANCELED, 0x800704C7, "ERROR_CANCELLED" },
};

/* Errnos without a code of their own, and those of another layer. */
static const struct row to_hresult[] = {
	{ CALL, EPERM, 0x80070005, "ERROR_ACCESS_DENIED" },
	{ CANCEL, EALREADY, 0x80004005, "E_FAIL" },
	{ CANCEL, EACCES, 0x80070005, "ERROR_ACCESS_DENIED" },
	{ CALL, EINPROGRESS, 0x80020009, "DISP_E_EXCEPTION" },
	{ CALL, EBUSY, 0x80020009, "DISP_E_EXCEPTION" },
	{ CALL, EEXIST, 0x80020009, "DISP_E_EXCEPTION" },
	{ CALL, ENOTTY, 0x80020009, "DISP_E_EXCEPTION" },
	{ CALL, EXDEV, 0x80020009, "DISP_E_EXCEPTION" },
	{ TASK, ECONNABORTED, 0x80020009, "DISP_E_EXCEPTION" },
	{ TASK, EREMCHG, 0x80020009, "DISP_E_EXCEPTION" },
	{ TASK, ENOMEM, 0xA0040203, "VM_E_OUT_OF_RESOURCE" },
	{ TASK, EINVAL, 0x80070057, "E_INVALIDARG" },
	{ TASK, ENOTCONN, 0xA0040504, "VM_E_ADDITIONS_NOT_AVAIL" },
	{ TASK, EOPNOTSUPP, 0xA0040505, "VM_E_ADDITIONS_FEATURE_NOT_AVAIL" },
};

static const struct row to_errno[] = {
	{ CALL, 0, 0x00000001, "S_FALSE" },
	{ TASK, EOPNOTSUPP, 0xA0040505, "VM_E_ADDITIONS_FEATURE_NOT_AVAIL" },
	{ CALL, ESRCH, 0x80070520, "ERROR_NO_SUCH_LOGON_SESSION" },
	{ CALL, EBUSY, 0x80004005, "E_FAIL" },
	{ TASK, EIO, 0x8badf00d, "unknown" },
};

static const struct {
	enum vmguest_verb verb;
	uint32_t hresult;
} no_agent[] = {
	{ 0, 0xA0040504 },
	{ VMGUEST_VERB_SHUTDOWN, 0xA0040505 },
	{ VMGUEST_VERB_LOGOFF, 0xA0040505 },
	{ VMGUEST_VERB_RESTART, 0xA0040504 },
	{ VMGUEST_VERB_PING, 0xA0040504 },
};

static const char * const results[] = {
	"Success", "Cancelled", "UnexpectedError", "OutOfMemory",
	"DiskRelated", "IncompatibleSavedState", "TimeOut", "IllegalValue",
	"ThreadCrash", "ShutdownAbort",
};

#define COUNT(rows)	(sizeof(rows) / sizeof((rows)[0]))

static void check_hresult(const struct row *row)
{
	const struct vmguest_error *error;

	error = vmguest_error_of(row->layer, 0, -row->error);
	ktap_check(error->hresult == row->hresult &&
		   !strcmp(error->name, row->name) && *error->words,
		   "layer %d errno %d is %#x %s", row->layer, row->error,
		   row->hresult, row->name);
}

static void check_errno(const struct row *row)
{
	ktap_check(vmguest_errno_of(row->layer, row->hresult) == -row->error,
		   "layer %d %#x %s is errno %d", row->layer, row->hresult,
		   row->name, row->error);
}

static int listed(int error, unsigned int layer)
{
	size_t i;

	for (i = 0; i < COUNT(both_ways); i++)
		if (both_ways[i].error == error && both_ways[i].layer == layer)
			return 1;
	return 0;
}

/* No row of the library that goes both ways is missing above. */
static void check_complete(void)
{
	const struct vmguest_error *row;
	unsigned int i, missing = 0;

	for (i = 0; (row = vmguest_error_row(i)); i++) {
		if (row->one_way)
			continue;
		missing += (row->layers & CALL) && !listed(row->error, CALL);
		missing += (row->layers & TASK) && !listed(row->error, TASK);
	}
	ktap_check(i > COUNT(both_ways) / 2 && !missing,
		   "every row of the table has been checked");
}

static void check_no_agent(void)
{
	size_t i;

	for (i = 0; i < COUNT(no_agent); i++)
		ktap_check(vmguest_error_of(CALL, no_agent[i].verb,
					    -ENOTCONN)->hresult ==
			   no_agent[i].hresult, "no agent, verb %d is %#x",
			   no_agent[i].verb, no_agent[i].hresult);
}

static void check_results(void)
{
	size_t i;

	for (i = 0; i < COUNT(results); i++) {
		const char *name = vmguest_result_name(i);

		ktap_check(name && !strcmp(name, results[i]) &&
			   vmguest_result_of(results[i]) == (int)i,
			   "result %zu is %s", i, results[i]);
	}
	ktap_check(!vmguest_result_name(COUNT(results)) &&
		   vmguest_result_of("Sucess") == -EINVAL,
		   "unknown results have no name and no number");
}

int main(void)
{
	size_t i;

	ktap_begin();
	for (i = 0; i < COUNT(both_ways); i++) {
		check_hresult(&both_ways[i]);
		check_errno(&both_ways[i]);
	}
	for (i = 0; i < COUNT(to_hresult); i++)
		check_hresult(&to_hresult[i]);
	for (i = 0; i < COUNT(to_errno); i++)
		check_errno(&to_errno[i]);
	check_complete();
	check_no_agent();
	check_results();
	return ktap_end();
}
