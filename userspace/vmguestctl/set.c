// SPDX-License-Identifier: GPL-2.0-only
/* Changes of a registration. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

static int set_failed(const struct options *options, const char *subject,
		      int error)
{
	struct call_error call = {
		.subject = subject, .layer = VMGUEST_LAYER_CALL,
		.what = "cannot change its registration",
		.error = error, .exit = exit_of_call(0, error),
	};

	/* The table has it for a request in the way. */
	if (error == -EBUSY)
		call.words = "a task runs, or its agent is connected by the old CID";
	report_call_error(options, &call);
	return call.exit;
}

/* User and group go together: what is not given stays as it is. */
static int fill_owner(const struct options *options, int client,
		      const struct vmguest_vm_ref *vm,
		      struct vmguest_vm_set *change)
{
	struct vmguest_vm_get info = { .size = sizeof(info) };
	int ret;

	if (!(change->what & VMGUEST_SET_OWNER))
		return 0;
	ret = vmguest_find(client, vm, &info);
	if (ret)
		return ret;
	change->uid = options->has_uid ? options->uid : info.uid;
	change->gid = options->has_gid ? options->gid : info.gid;
	return 0;
}

static int set_vm(const struct options *options, int client, const char *word,
		  const struct vmguest_vm_ref *vm)
{
	struct vmguest_vm_set change = { .what = options->set };
	int ret;

	if (change.what & VMGUEST_SET_MODE)
		change.mode = options->mode;
	if (change.what & VMGUEST_SET_CID)
		change.new_cid = options->cid;
	change.vm_flags = options->marks;
	ret = fill_owner(options, client, vm, &change);
	if (ret)
		return set_failed(options, word, ret);
	if (change.what & VMGUEST_SET_LIFELINE) {
		change.lifeline_fd = open_lifeline(options, word);
		if (change.lifeline_fd < -1)
			return EXIT_REFUSED;
	}
	ret = vmguest_set(client, vm, &change);
	if (change.lifeline_fd > 0)
		close(change.lifeline_fd);
	return ret ? set_failed(options, word, ret) : EXIT_DONE;
}

int set_command(const struct options *options, char **words, int count)
{
	struct vmguest_vm_ref vm;
	char cid[32] = "";
	int client, ret;

	(void)count;
	client = open_vm(options, words[0], &vm);
	if (client < 0)
		return -client;
	ret = set_vm(options, client, words[0], &vm);
	close(client);
	if (ret)
		return ret;
	/* A new CID is what it is found by from now on. */
	if (options->json && vm.cid && (options->set & VMGUEST_SET_CID))
		snprintf(cid, sizeof(cid), "cid:%u", options->cid);
	if (options->json)
		return status_command(options, (char *[]) { *cid ? cid : words[0] }, 1);
	say("%s: changed", words[0]);
	return EXIT_DONE;
}
