// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library's calls, against the module that is faked by fake.c; linked to
 * the shared library, so that what it exports is tested, too.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"
#include "libvmguest.h"

struct seen {
	int calls;
	int ret;
	struct vmguest_task_get task;
};

static int see(const struct vmguest_task_get *task, void *context)
{
	struct seen *seen = context;

	seen->calls++;
	seen->task = *task;
	return seen->ret;
}

static int ask(int fd, const char *name, uint64_t *task_id)
{
	const struct vmguest_vm_ref vm = { .name = name };

	return vmguest_shutdown(fd, &vm, NULL, task_id);
}

static void check_api(int fd)
{
	struct vmguest_get_api api = { .size = sizeof(api) };

	ktap_check(!vmguest_api(fd, &api) &&
		   api.version == VMGUEST_API_VERSION, "the version is known");
}

static void check_vms(int fd)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	const struct vmguest_vm_ref none = { .name = "errno.2" };

	ktap_check(vmguest_next(fd, &vm) == 1 && vm.vm_id == 3 &&
		   !strcmp(vm.name, "web1"), "the first VM of the list");
	ktap_check(vmguest_next(fd, &vm) == 0, "the end of the list");
	ktap_check(vmguest_find(fd, &none, &vm) == -ENOENT, "no such VM");
	vm.size = 8;
	ktap_check(vmguest_find(fd, &none, &vm) == -EINVAL,
		   "a struct that is too short for a VM");
}

static void check_names(int fd)
{
	struct vmguest_registration vm = VMGUEST_REGISTRATION("vm5", 5);
	char name[VMGUEST_NAME_SIZE + 1];
	uint64_t id = 0;

	ktap_check(!vmguest_register(fd, &vm, &id) && id == 3, "register");
	memset(name, 'a', sizeof(name) - 1);
	name[VMGUEST_NAME_SIZE] = '\0';
	vm.name = name;
	ktap_check(vmguest_register(fd, &vm, NULL) == -EINVAL,
		   "a name that is too long is refused, not cut");
	name[VMGUEST_NAME_SIZE - 1] = '\0';
	ktap_check(!vmguest_register(fd, &vm, NULL), "the longest name");
	vm.size = 3;
	ktap_check(vmguest_register(fd, &vm, NULL) == -EINVAL,
		   "a struct without its size");
}

/* A program that was built with a newer header. */
static void check_newer(int fd)
{
	struct {
		struct vmguest_options options;
		uint64_t more;
	} how = { .options.size = sizeof(how) };
	const struct vmguest_vm_ref vm = { .name = "running" };
	int task;

	task = vmguest_shutdown(fd, &vm, &how.options, NULL);
	ktap_check(task >= 0, "unknown options that are not used");
	close(task);
	how.more = 1;
	ktap_check(vmguest_shutdown(fd, &vm, &how.options, NULL) == -E2BIG,
		   "unknown options that are used");
}

static void check_requests(int fd)
{
	const struct vmguest_vm_ref vm = { .name = "errno.107" };
	const struct vmguest_vm_ref running = { .name = "running" };
	uint64_t id = 1;

	ktap_check(ask(fd, "errno.16.12", &id) == -EBUSY && id == 12,
		   "the task in the way is named");
	ktap_check(ask(fd, "errno.2.12", &id) == -ENOENT && !id,
		   "no task in the way, none is named");
	ktap_check(vmguest_logoff(fd, &vm, NULL, NULL) == -ENOTCONN,
		   "log off without an agent");
	ktap_check(vmguest_request(fd, 99, &running, NULL, NULL) == -EINVAL,
		   "an unknown verb");
}

static void check_wait(int fd)
{
	struct seen seen = { 0 };
	uint64_t id;
	int task = ask(fd, "running", &id);

	ktap_check(vmguest_wait(task, 0, see, &seen) == 0 && seen.calls == 1 &&
		   seen.task.stage == VMGUEST_STAGE_ACCEPTED && id == 7,
		   "without patience there is one look");
	ktap_check(vmguest_wait(task, 20, NULL, NULL) == 0,
		   "the patience ends, the task does not");
	seen.ret = -EPIPE;
	ktap_check(vmguest_wait(task, -1, see, &seen) == -EPIPE,
		   "the callback ends the wait");
	close(task);

	seen = (struct seen) { 0 };
	task = ask(fd, "task.6.110.0x0f", &id);
	ktap_check(vmguest_wait(task, -1, see, &seen) == 1 &&
		   seen.calls == 1 &&
		   seen.task.result == VMGUEST_RESULT_TIMEOUT,
		   "a task that is complete is told once");
	close(task);
	ktap_check(vmguest_wait(task, -1, see, &seen) == -EBADF,
		   "a task that was closed");
}

static void check_tasks(int fd)
{
	int task = vmguest_open_task(fd, 7);

	ktap_check(task >= 0 && vmguest_cancel(task) == -EBUSY,
		   "a task past its point of no return");
	close(task);
	ktap_check(vmguest_open_task(fd, 8) == -ENOENT, "no such task");
}

static int fill(struct vmguest_group_member *member, const char *name)
{
	const struct vmguest_vm_ref vm = { .name = name };
	struct vmguest_options options = VMGUEST_OPTIONS;

	options.flags = VMGUEST_REQ_FORCE;
	options.deadline_ms = 5;
	return vmguest_fill_member(member, sizeof(*member),
				   VMGUEST_VERB_SHUTDOWN, &vm, &options);
}

static void check_members(void)
{
	const struct vmguest_vm_ref vm = { .id = 3 };
	struct vmguest_options options = VMGUEST_OPTIONS;
	struct vmguest_group_member member;
	struct {
		struct vmguest_group_member member;
		uint64_t field;
	} later;
	char name[VMGUEST_NAME_SIZE + 1];

	memset(&member, 0x55, sizeof(member));
	ktap_check(!fill(&member, "web1") && !member.vm_id && !member.cid &&
		   !strcmp(member.name, "web1") &&
		   member.verb == VMGUEST_VERB_SHUTDOWN && !member.order &&
		   member.flags == VMGUEST_REQ_FORCE &&
		   member.deadline_ms == 5 && !member.reserved,
		   "a member is filled");
	ktap_check(!vmguest_fill_member(&member, sizeof(member),
					VMGUEST_VERB_PING, &vm, NULL) &&
		   member.vm_id == 3 && !member.flags && !member.name[0],
		   "a member with defaults");
	memset(name, 'a', sizeof(name) - 1);
	name[VMGUEST_NAME_SIZE] = '\0';
	ktap_check(fill(&member, name) == -EINVAL, "a name that is too long");
	memset(&later, 0x55, sizeof(later));
	ktap_check(!vmguest_fill_member(&later.member, sizeof(later),
					VMGUEST_VERB_PING, &vm, NULL) &&
		   later.member.vm_id == 3 && !later.field,
		   "a member of a newer program");
	ktap_check(vmguest_fill_member(&member, sizeof(member) - 1,
				       VMGUEST_VERB_PING, &vm,
				       NULL) == -EINVAL,
		   "a member that is too short");
	options.reason = "why";
	ktap_check(vmguest_fill_member(&member, sizeof(member),
				       VMGUEST_VERB_PING, &vm, &options) == -EINVAL,
		   "a member has no reason of its own");
}

static int read_records(int group, struct vmguest_group_record *records,
			uint32_t count)
{
	return vmguest_group_read(group, records, sizeof(*records), count);
}

static void check_groups(int fd)
{
	struct vmguest_group_options how = VMGUEST_GROUP_OPTIONS;
	struct vmguest_group_member members[3];
	struct vmguest_group_record records[4];
	char reason[VMGUEST_TEXT_SIZE + 1];
	int group;

	fill(&members[0], "errno.2");
	fill(&members[1], "task.0.0.0x1f");
	fill(&members[2], "errno.16.12");
	group = vmguest_group(fd, members, 3, &how);
	ktap_check(group >= 0 && read_records(group, records, 1) == 1 &&
		   !records[0].index && records[0].error == -ENOENT,
		   "the first record of a group");
	ktap_check(read_records(group, records, 4) == 2 &&
		   records[0].index == 1 && records[0].proofs == 0x1f &&
		   records[1].index == 2 && records[1].task_id == 12,
		   "as many as there are");
	ktap_check(!read_records(group, records, 4), "and no more");
	close(group);
	ktap_check(read_records(group, records, 4) == -EBADF,
		   "a group that was closed");
	memset(reason, 'a', sizeof(reason) - 1);
	reason[VMGUEST_TEXT_SIZE] = '\0';
	how.reason = reason;
	ktap_check(vmguest_group(fd, members, 3, &how) == -EINVAL,
		   "a reason that is too long is refused, not cut");
	how.size = 3;
	ktap_check(vmguest_group(fd, members, 3, &how) == -EINVAL,
		   "options without their size");
}

int main(void)
{
	int fd = vmguest_open();

	ktap_begin();
	ktap_check(fd >= 0, "open");
	check_api(fd);
	check_vms(fd);
	check_names(fd);
	check_newer(fd);
	check_requests(fd);
	check_wait(fd);
	check_tasks(fd);
	check_members();
	check_groups(fd);
	close(fd);
	return ktap_end();
}
