// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls, without a guest: what they take, what they refuse with which
 * errno, and that a refusal changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "vmg.h"

#define NOBODY	65534

_Static_assert(sizeof(struct vmguest_get_api) == 40, "get_api");
_Static_assert(sizeof(struct vmguest_vm_register) == 168, "vm_register");
_Static_assert(sizeof(struct vmguest_vm_unregister) == 152, "vm_unregister");
_Static_assert(sizeof(struct vmguest_vm_get) == 592, "vm_get");
_Static_assert(sizeof(struct vmguest_vm_set) == 176, "vm_set");
_Static_assert(sizeof(struct vmguest_request) == 320, "request");
_Static_assert(sizeof(struct vmguest_task_open) == 24, "task_open");
_Static_assert(sizeof(struct vmguest_group_start) == 168, "group_start");
_Static_assert(sizeof(struct vmguest_group_member) == 184, "group_member");
_Static_assert(sizeof(struct vmguest_group_record) == 88, "group_record");
_Static_assert(sizeof(struct vmguest_task_get) == 608, "task_get");
_Static_assert(sizeof(struct vmguest_task_cancel) == 8, "task_cancel");
_Static_assert(sizeof(struct vmguest_task_blocker) == 280, "task_blocker");
_Static_assert(sizeof(struct vmguest_task_event) == 48, "task_event");

/* A module parameter that is a number, or -1. */
static long parameter(const char *name)
{
	char path[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/vmguest/parameters/%s", name);
	file = fopen(path, "r");
	if (file) {
		if (fscanf(file, "%ld", &value) != 1)
			value = -1;
		fclose(file);
	}
	return value;
}

FIXTURE(device) {
	int fd;
};

FIXTURE_SETUP(device)
{
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_count(self->fd));
}

FIXTURE_TEARDOWN(device)
{
	vmg_unregister_all(self->fd);
	close(self->fd);
}

/*
 * Sizes: what grows, and what does not.
 */
FIXTURE(size) {
	int fd;
	uint8_t *arg;
};

FIXTURE_VARIANT(size) {
	unsigned long nr;
	uint32_t size;
};

FIXTURE_VARIANT_ADD(size, get_api) {
	VMGUEST_GET_API, sizeof(struct vmguest_get_api) };
FIXTURE_VARIANT_ADD(size, vm_register) {
	VMGUEST_VM_REGISTER, sizeof(struct vmguest_vm_register) };
FIXTURE_VARIANT_ADD(size, vm_unregister) {
	VMGUEST_VM_UNREGISTER, sizeof(struct vmguest_vm_unregister) };
FIXTURE_VARIANT_ADD(size, vm_get) {
	VMGUEST_VM_GET, sizeof(struct vmguest_vm_get) };
FIXTURE_VARIANT_ADD(size, shutdown) {
	VMGUEST_SHUTDOWN, sizeof(struct vmguest_request) };
FIXTURE_VARIANT_ADD(size, restart) {
	VMGUEST_RESTART, sizeof(struct vmguest_request) };
FIXTURE_VARIANT_ADD(size, logoff) {
	VMGUEST_LOGOFF, sizeof(struct vmguest_request) };
FIXTURE_VARIANT_ADD(size, ping) {
	VMGUEST_PING, sizeof(struct vmguest_request) };
FIXTURE_VARIANT_ADD(size, task_open) {
	VMGUEST_TASK_OPEN, sizeof(struct vmguest_task_open) };
FIXTURE_VARIANT_ADD(size, group_start) {
	VMGUEST_GROUP_START, sizeof(struct vmguest_group_start) };

FIXTURE_SETUP(size)
{
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	self->arg = calloc(1, 8192);
	ASSERT_NE(NULL, self->arg);
}

FIXTURE_TEARDOWN(size)
{
	EXPECT_EQ(0, vmg_count(self->fd));
	free(self->arg);
	close(self->fd);
}

#define SIZED(bytes) ({							\
	uint32_t sized = (bytes);					\
									\
	memcpy(self->arg, &sized, sizeof(sized));			\
	vmg_call(self->fd, variant->nr, self->arg);			\
})

TEST_F(size, too_short)
{
	EXPECT_EQ(-EINVAL, SIZED(0));
	EXPECT_EQ(-EINVAL, SIZED(4));
	EXPECT_EQ(-EINVAL, SIZED(variant->size - 1));
}

/* What an all-zero struct is answered does not change with zeroes behind it. */
TEST_F(size, longer_with_zeroes)
{
	int exact = SIZED(variant->size);

	EXPECT_EQ(exact, SIZED(variant->size + 8));
	EXPECT_EQ(exact, SIZED(4096));
	EXPECT_NE(-E2BIG, exact);
}

TEST_F(size, longer_with_something)
{
	self->arg[variant->size + 7] = 1;
	EXPECT_EQ(-E2BIG, SIZED(variant->size + 8));
}

TEST_F(size, longer_than_a_page)
{
	EXPECT_EQ(-E2BIG, SIZED(4097));
}

TEST_F(size, bad_pointer)
{
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, variant->nr, NULL));
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, variant->nr, (void *)16));
}

TEST_F(device, unknown_call)
{
	uint32_t size = 8;

	EXPECT_EQ(-ENOTTY, vmg_call(self->fd, _IO(VMGUEST_IOC_MAGIC, 0x7f),
				    &size));
	EXPECT_EQ(-ENOTTY, vmg_call(self->fd, VMGUEST_TASK_GET, &size));
	EXPECT_EQ(-ENOTTY, vmg_call(self->fd, TCGETS, &size));
}

TEST_F(device, get_api)
{
	struct vmguest_get_api api, again;

	memset(&api, 0xaa, sizeof(api));
	api.size = sizeof(api);
	api.flags = 0;
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_GET_API, &api));
	EXPECT_EQ(VMGUEST_API_VERSION, api.version);
	EXPECT_TRUE(api.features & VMGUEST_FEATURE_LIFELINE);
	EXPECT_TRUE(api.features & VMGUEST_FEATURE_SCOPE);
	EXPECT_TRUE(api.features & VMGUEST_FEATURE_GRACE);
	again = (struct vmguest_get_api) { .size = sizeof(again) };
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_GET_API, &again));
	EXPECT_EQ(0, memcmp(&api, &again, sizeof(api)));
	api.flags = 1;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_GET_API, &api));
}

TEST_F(device, get_api_values)
{
	static const uint8_t none[16];
	struct vmguest_get_api api = { .size = sizeof(api) };

	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_GET_API, &api));
	EXPECT_EQ(sizeof(api), api.size);
	EXPECT_EQ(0, api.flags);
	EXPECT_EQ(parameter("port"), api.vsock_port);
	EXPECT_NE(0, memcmp(none, api.instance, sizeof(none)));
	EXPECT_EQ(VMGUEST_FEATURE_FORCE | VMGUEST_FEATURE_JOIN |
		  VMGUEST_FEATURE_QUEUE | VMGUEST_FEATURE_CANCEL_ON_CLOSE |
		  VMGUEST_FEATURE_NO_DEADLINE | VMGUEST_FEATURE_UNTIL |
		  VMGUEST_FEATURE_FORCE_AFTER | VMGUEST_FEATURE_LIFELINE |
		  VMGUEST_FEATURE_SCOPE | VMGUEST_FEATURE_GRACE |
		  VMGUEST_FEATURE_READ | VMGUEST_FEATURE_BLOCKERS |
		  VMGUEST_FEATURE_HEARTBEAT | VMGUEST_FEATURE_SET |
		  VMGUEST_FEATURE_RESPECT_SESSIONS | VMGUEST_FEATURE_GROUP,
		  api.features);
}

/* The size is readable, what it promises is not. */
TEST_F(size, struct_at_the_end_of_memory)
{
	uint8_t *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *size = (uint32_t *)(memory + 4096 - sizeof(*size));

	ASSERT_NE(MAP_FAILED, (void *)memory);
	ASSERT_EQ(0, mprotect(memory + 4096, 4096, PROT_NONE));
	*size = variant->size;
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, variant->nr, size));
}

/*
 * VM_REGISTER: one bad member at a time.
 */
static struct vmguest_vm_register good_vm(void)
{
	return (struct vmguest_vm_register) {
		.size = sizeof(struct vmguest_vm_register),
		.cid = VMG_ABSENT_CID,
		.mode = 0750,
		.lifeline_fd = -1,
		.name = "good",
	};
}

FIXTURE(bad_vm) {
	int fd;
	struct vmguest_vm_register vm;
};

FIXTURE_SETUP(bad_vm)
{
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	self->vm = good_vm();
}

/* Nothing has changed, and without the mistake it works. */
FIXTURE_TEARDOWN(bad_vm)
{
	struct vmguest_vm_register vm = good_vm();

	EXPECT_EQ(0, vmg_count(self->fd));
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_REGISTER, &vm));
	EXPECT_EQ(1, vmg_count(self->fd));
	vmg_unregister_all(self->fd);
	close(self->fd);
}

#define BAD_VM(test, errno_, ...)					\
TEST_F(bad_vm, test)							\
{									\
	__VA_ARGS__;							\
	EXPECT_EQ(-(errno_),						\
		  vmg_call(self->fd, VMGUEST_VM_REGISTER, &self->vm));	\
}

BAD_VM(flags, EINVAL, self->vm.flags = 1)
BAD_VM(reserved, EINVAL, self->vm.reserved = 1)
BAD_VM(vm_id, EINVAL, self->vm.vm_id = 1)
BAD_VM(mode_beyond_0777, EINVAL, self->vm.mode = 01000)
BAD_VM(uid_invalid, EINVAL, self->vm.uid = -1)
BAD_VM(gid_invalid, EINVAL, self->vm.gid = -1)
BAD_VM(cid_0, EINVAL, self->vm.cid = 0)
BAD_VM(cid_2_is_the_host, EINVAL, self->vm.cid = 2)
BAD_VM(cid_any, EINVAL, self->vm.cid = 0xffffffff)
BAD_VM(name_empty, EINVAL, self->vm.name[0] = 0; self->vm.name[1] = 0;
       self->vm.name[2] = 0; self->vm.name[3] = 0)
BAD_VM(name_starts_with_a_dot, EINVAL, self->vm.name[0] = '.')
BAD_VM(name_starts_with_a_dash, EINVAL, self->vm.name[0] = '-')
BAD_VM(name_starts_with_an_underscore, EINVAL, self->vm.name[0] = '_')
BAD_VM(name_of_the_unregistered, EINVAL, strcpy(self->vm.name, "cid-3"))
BAD_VM(name_with_a_slash, EINVAL, self->vm.name[1] = '/')
BAD_VM(name_with_a_space, EINVAL, self->vm.name[1] = ' ')
BAD_VM(name_with_utf8, EINVAL, strcpy(self->vm.name, "g\xc3\xb6" "d"))
BAD_VM(name_unterminated, EINVAL, memset(self->vm.name, 'a', 128))
BAD_VM(name_with_bytes_behind, EINVAL, self->vm.name[100] = 'x')
BAD_VM(lifeline_below_minus_one, EINVAL, self->vm.lifeline_fd = -2)
BAD_VM(lifeline_closed, EBADF, self->vm.lifeline_fd = 999)
BAD_VM(lifeline_is_the_device, EPERM, self->vm.lifeline_fd = self->fd)
BAD_VM(lifeline_is_a_regular_file, EPERM,
       self->vm.lifeline_fd = open("/proc/self/exe", O_RDONLY))
/* A pipe open both ways waits for readers and for writers. */
BAD_VM(lifeline_on_two_queues, EMLINK, int p[2]; char path[32];
       ASSERT_EQ(0, pipe(p)); sprintf(path, "/proc/self/fd/%d", p[0]);
       self->vm.lifeline_fd = open(path, O_RDWR | O_NONBLOCK);
       ASSERT_LE(0, self->vm.lifeline_fd))
BAD_VM(lifeline_is_a_terminal, EMLINK,
       self->vm.lifeline_fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
       ASSERT_LE(0, self->vm.lifeline_fd))
BAD_VM(lifeline_fired, EHOSTDOWN, self->vm.lifeline_fd = eventfd(1, 0))
BAD_VM(lifeline_of_a_process_that_ended, EHOSTDOWN, struct vmg_vmm vmm;
       ASSERT_EQ(0, vmg_vmm_start(&vmm));
       self->vm.lifeline_fd = dup(vmm.pidfd); vmg_vmm_kill(&vmm))

TEST_F(device, read_only_struct_registers_nothing)
{
	struct vmguest_vm_register vm = good_vm();
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, memory);
	memcpy(memory, &vm, sizeof(vm));
	ASSERT_EQ(0, mprotect(memory, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, VMGUEST_VM_REGISTER, memory));
	EXPECT_EQ(0, vmg_count(self->fd));
}

TEST_F(device, cid_1_follows_the_module_parameter)
{
	FILE *file = fopen("/sys/module/vmguest/parameters/allow_loopback", "r");
	int allowed;

	ASSERT_NE(NULL, file);
	allowed = fgetc(file);
	fclose(file);
	EXPECT_EQ(allowed == 'Y' ? 0 : -EINVAL,
		  vmg_register(self->fd, "loop", VMG_CID, -1, NULL));
}

TEST_F(device, names_up_to_127_characters)
{
	struct vmguest_vm_register vm = good_vm();
	struct vmguest_vm_get info;

	memset(vm.name, 'a', 127);
	vm.name[50] = '.';
	vm.name[51] = '_';
	vm.name[52] = '-';
	vm.name[0] = '9';
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_REGISTER, &vm));
	EXPECT_EQ(0, vmg_get_named(self->fd, vm.name, &info));
	EXPECT_STREQ(vm.name, info.name);
}

TEST_F(device, a_live_name_and_cid_are_taken)
{
	uint64_t id, other;

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, &id));
	EXPECT_EQ(-EEXIST, vmg_register(self->fd, "one", 101, -1, NULL));
	EXPECT_EQ(-EEXIST, vmg_register(self->fd, "two", 100, -1, NULL));
	EXPECT_EQ(1, vmg_count(self->fd));
	EXPECT_EQ(0, vmg_unregister(self->fd, id));
	EXPECT_EQ(0, vmg_register(self->fd, "one", 100, -1, &other));
	EXPECT_NE(id, other);
}

TEST_F(device, vm_get_writes_all_of_it)
{
	struct vmguest_vm_get first, second;
	uint64_t id;

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, &id));
	ASSERT_EQ(0, vmg_get(self->fd, id, &first));
	memset(&second, 0, sizeof(second));
	memset(&second.uid, 0xaa, sizeof(second) -
	       offsetof(struct vmguest_vm_get, uid));
	memset(second.name, 0, sizeof(second.name));
	second.size = sizeof(second);
	second.vm_id = id;
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_GET, &second));
	EXPECT_EQ(0, memcmp(&first, &second, sizeof(first)));
	EXPECT_EQ(100, first.cid);
	EXPECT_EQ(0750, first.mode);
	EXPECT_EQ(VMGUEST_VM_UNKNOWN, first.state);
	EXPECT_EQ(0, first.vm_flags);
	EXPECT_STREQ("one", first.name);
}

TEST_F(device, a_vm_is_named_in_exactly_one_way)
{
	struct vmguest_vm_get vm;
	uint64_t id;

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, &id));
	EXPECT_EQ(-EINVAL, vmg_get(self->fd, 0, &vm));
	vm = (struct vmguest_vm_get) { .size = sizeof(vm), .cid = 100 };
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	EXPECT_EQ(id, vm.vm_id);
	vm = (struct vmguest_vm_get) { .size = sizeof(vm), .cid = 100,
				       .vm_id = id };
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	vm = (struct vmguest_vm_get) { .size = sizeof(vm), .name = "one",
				       .vm_id = id };
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	vm = (struct vmguest_vm_get) { .size = sizeof(vm), .vm_id = id,
				       .flags = 2 };
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	EXPECT_EQ(-ENOENT, vmg_get(self->fd, id + 1, &vm));
	EXPECT_EQ(-ENOENT, vmg_get_named(self->fd, "two", &vm));
	EXPECT_EQ(-ENOENT, vmg_get_named(self->fd, "cid-100", &vm));
}

TEST_F(device, next_goes_up_by_id)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	uint64_t id[3];
	int i;

	/* Neither by CID nor by name. */
	ASSERT_EQ(0, vmg_register(self->fd, "c", 102, -1, &id[0]));
	ASSERT_EQ(0, vmg_register(self->fd, "a", 101, -1, &id[1]));
	ASSERT_EQ(0, vmg_register(self->fd, "b", 100, -1, &id[2]));
	for (i = 0; i < 3; i++) {
		vm = (struct vmguest_vm_get) { .size = sizeof(vm),
					       .flags = VMGUEST_VM_GET_NEXT,
					       .vm_id = vm.vm_id };
		ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
		EXPECT_EQ(id[i], vm.vm_id);
		EXPECT_EQ(102 - i, vm.cid);
		EXPECT_EQ(0, vm.flags);
		EXPECT_EQ(sizeof(vm), vm.size);
	}
	EXPECT_LT(id[0], id[1]);
	EXPECT_LT(id[1], id[2]);
	EXPECT_EQ(0, vmg_unregister(self->fd, id[1]));
	vm = (struct vmguest_vm_get) { .size = sizeof(vm), .vm_id = id[0],
				       .flags = VMGUEST_VM_GET_NEXT };
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	EXPECT_EQ(id[2], vm.vm_id);
}

TEST_F(device, next_ends_the_list)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	uint64_t id;

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, &id));
	vm.flags = VMGUEST_VM_GET_NEXT;
	vm.vm_id = id;
	EXPECT_EQ(-ENOENT, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	vm.vm_id = UINT64_MAX;
	EXPECT_EQ(-ENOENT, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
}

TEST_F(device, next_takes_an_id_only)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, NULL));
	vm.flags = VMGUEST_VM_GET_NEXT;
	vm.cid = 100;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	vm.cid = 0;
	strcpy(vm.name, "one");
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
}

TEST_F(device, a_name_to_find_is_zero_behind_its_end)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm), .name = "one" };

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, NULL));
	vm.name[100] = 'x';
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	memset(vm.name, 'a', sizeof(vm.name));
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
}

TEST_F(device, vm_register_writes_the_id_only)
{
	struct vmguest_vm_register vm = good_vm(), want = vm;

	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_REGISTER, &vm));
	EXPECT_NE(0, vm.vm_id);
	want.vm_id = vm.vm_id;
	EXPECT_EQ(0, memcmp(&want, &vm, sizeof(vm)));
}

TEST_F(device, vm_unregister_by_id_and_by_name)
{
	struct vmguest_vm_unregister by_id = { .size = sizeof(by_id) };
	struct vmguest_vm_unregister by_name = { .size = sizeof(by_name),
						 .name = "one" };
	uint64_t id;

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, NULL));
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &by_name));
	EXPECT_EQ(0, vmg_count(self->fd));
	EXPECT_EQ(-ENOENT, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &by_name));
	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, &id));
	by_id.vm_id = by_name.vm_id = id;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &by_name));
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &by_id));
	EXPECT_EQ(0, vmg_count(self->fd));
	EXPECT_EQ(-ENOENT, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &by_id));
}

TEST_F(device, vm_unregister)
{
	struct vmguest_vm_unregister cmd = { .size = sizeof(cmd) };

	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, NULL));
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	cmd.cid = 101;
	EXPECT_EQ(-ENOENT, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	cmd.cid = 100;
	cmd.flags = 2;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	cmd.flags = 0;
	cmd.reserved = 1;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	EXPECT_EQ(1, vmg_count(self->fd));
	cmd.reserved = 0;
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	EXPECT_EQ(0, vmg_count(self->fd));
}

/* A VM that is gone: readable, and out of the way. */
TEST_F(device, a_lifeline_that_fires)
{
	struct vmguest_request request;
	struct vmguest_vm_get vm;
	struct vmg_vmm vmm;
	uint64_t id, again;

	ASSERT_EQ(0, vmg_vmm_start(&vmm));
	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, vmm.pidfd, &id));
	ASSERT_EQ(0, vmg_get(self->fd, id, &vm));
	EXPECT_EQ(VMGUEST_VM_RUNNING, vm.state);
	EXPECT_EQ(VMGUEST_VM_LIFELINE, vm.vm_flags);
	vmg_vmm_kill(&vmm);
	ASSERT_TRUE(vmg_wait_state(self->fd, id, VMGUEST_VM_GONE));
	EXPECT_EQ(0, vmg_get_named(self->fd, "one", &vm));
	EXPECT_EQ(id, vm.vm_id);
	request = vmg_request(id);
	EXPECT_EQ(-EHOSTDOWN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	vm = (struct vmguest_vm_get) { .size = sizeof(vm), .cid = 100 };
	EXPECT_EQ(-ENOENT, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, -1, &again));
	ASSERT_EQ(0, vmg_get_named(self->fd, "one", &vm));
	EXPECT_EQ(again, vm.vm_id);
	EXPECT_EQ(0, vmg_get(self->fd, id, &vm));
	EXPECT_EQ(VMGUEST_VM_GONE, vm.state);
}

TEST_F(device, a_lifeline_can_be_any_file_that_is_hung_up)
{
	uint64_t id;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, vmg_register(self->fd, "one", 100, p[0], &id));
	close(p[0]);
	close(p[1]);
	EXPECT_TRUE(vmg_wait_state(self->fd, id, VMGUEST_VM_GONE));
}

TEST_F(device, gone_vms_are_kept_up_to_a_number)
{
	uint64_t id, first = 0;
	struct vmguest_vm_get vm;
	int i, p[2];

	for (i = 0; i < 65; i++) {
		ASSERT_EQ(0, pipe(p));
		ASSERT_EQ(0, vmg_register(self->fd, "one", 100, p[0], &id));
		close(p[0]);
		close(p[1]);
		ASSERT_TRUE(vmg_wait_state(self->fd, id, VMGUEST_VM_GONE));
		first = first ?: id;
	}
	EXPECT_TRUE(vmg_wait_count(self->fd, 64));
	EXPECT_EQ(-ENOENT, vmg_get(self->fd, first, &vm));
}

/*
 * Requests: one bad member at a time, on a VM whose lifeline holds.
 */
FIXTURE(request) {
	int fd;
	uint64_t vm;
	struct vmg_vmm vmm;
	struct vmguest_request ask;
	unsigned long nr;
	int expect;
};

FIXTURE_SETUP(request)
{
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_vmm_start(&self->vmm));
	ASSERT_EQ(0, vmg_register(self->fd, "vm", VMG_ABSENT_CID,
				  self->vmm.pidfd, &self->vm));
	self->ask = vmg_request(self->vm);
	self->nr = VMGUEST_SHUTDOWN;
	self->expect = 0;
}

FIXTURE_TEARDOWN(request)
{
	struct vmguest_vm_get vm;

	if (self->expect) {
		EXPECT_EQ(self->expect,
			  vmg_call(self->fd, self->nr, &self->ask));
		EXPECT_EQ(0, vmg_get(self->fd, self->vm, &vm));
		EXPECT_EQ(0, vm.task_id);
		EXPECT_EQ(0, vm.last_task_id);
		EXPECT_EQ(0, vm.frames_out);
	}
	vmg_unregister_all(self->fd);
	vmg_vmm_kill(&self->vmm);
	close(self->fd);
}

#define BAD_REQUEST(test, verb, errno_, ...)				\
TEST_F(request, test)							\
{									\
	self->nr = VMGUEST_##verb;					\
	self->expect = -(errno_);					\
	__VA_ARGS__;							\
}

BAD_REQUEST(unknown_flag, SHUTDOWN, EINVAL, self->ask.flags = 1U << 31)
BAD_REQUEST(reserved, SHUTDOWN, EINVAL, self->ask.reserved = 1)
BAD_REQUEST(task_fd_not_zero, SHUTDOWN, EINVAL, self->ask.task_fd = 3)
BAD_REQUEST(task_id_not_zero, SHUTDOWN, EINVAL, self->ask.task_id = 3)
BAD_REQUEST(no_vm, SHUTDOWN, EINVAL, self->ask.vm_id = 0)
BAD_REQUEST(two_vms, SHUTDOWN, EINVAL, strcpy(self->ask.name, "vm"))
BAD_REQUEST(unterminated_name, SHUTDOWN, EINVAL, self->ask.vm_id = 0;
	    memset(self->ask.name, 'a', sizeof(self->ask.name)))
BAD_REQUEST(unknown_name, SHUTDOWN, ENOENT, self->ask.vm_id = 0;
	    strcpy(self->ask.name, "nobody"))
BAD_REQUEST(unknown_id, RESTART, ENOENT, self->ask.vm_id = 1ULL << 60)
BAD_REQUEST(unknown_cid, LOGOFF, ENOENT, self->ask.vm_id = 0;
	    self->ask.cid = 77)
BAD_REQUEST(deadline_and_none, SHUTDOWN, EINVAL,
	    self->ask.flags = VMGUEST_REQ_NO_DEADLINE)
BAD_REQUEST(until_unknown, SHUTDOWN, EINVAL, self->ask.until = 4)
BAD_REQUEST(until_gone_of_a_restart, RESTART, EINVAL,
	    self->ask.until = VMGUEST_UNTIL_GONE)
BAD_REQUEST(until_down_of_a_logoff, LOGOFF, EINVAL,
	    self->ask.until = VMGUEST_UNTIL_DOWN)
BAD_REQUEST(until_accepted_of_a_ping, PING, EINVAL,
	    self->ask.until = VMGUEST_UNTIL_ACCEPTED)
BAD_REQUEST(ping_with_force, PING, EINVAL, self->ask.flags = VMGUEST_REQ_FORCE)
BAD_REQUEST(respect_of_a_logoff, LOGOFF, EINVAL,
	    self->ask.flags = VMGUEST_REQ_RESPECT_SESSIONS)
BAD_REQUEST(respect_of_a_ping, PING, EINVAL,
	    self->ask.flags = VMGUEST_REQ_RESPECT_SESSIONS)
BAD_REQUEST(ping_that_joins, PING, EINVAL, self->ask.flags = VMGUEST_REQ_JOIN)
BAD_REQUEST(ping_with_force_after, PING, EINVAL, self->ask.force_after_ms = 1)
BAD_REQUEST(force_with_force_after, SHUTDOWN, EINVAL,
	    self->ask.flags = VMGUEST_REQ_FORCE; self->ask.force_after_ms = 1)
BAD_REQUEST(scope_unknown, LOGOFF, EINVAL, self->ask.scope = 3)
BAD_REQUEST(scope_of_a_shutdown, SHUTDOWN, EINVAL,
	    self->ask.scope = VMGUEST_SCOPE_UID)
BAD_REQUEST(scope_uid_without_scope, LOGOFF, EINVAL, self->ask.scope_uid = 1)
BAD_REQUEST(delay_of_a_ping, PING, EINVAL, self->ask.delay_ms = 1)
BAD_REQUEST(grace_of_a_shutdown, SHUTDOWN, EINVAL, self->ask.grace_ms = 1)
BAD_REQUEST(grace_of_a_restart, RESTART, EINVAL, self->ask.grace_ms = 1)
BAD_REQUEST(grace_of_a_ping, PING, EINVAL, self->ask.grace_ms = 1)
BAD_REQUEST(reason_unterminated, SHUTDOWN, EINVAL,
	    memset(self->ask.reason, 'a', sizeof(self->ask.reason)))
BAD_REQUEST(reason_with_a_control_character, SHUTDOWN, EINVAL,
	    strcpy(self->ask.reason, "a\nb"))
BAD_REQUEST(reason_with_bad_utf8, SHUTDOWN, EINVAL,
	    strcpy(self->ask.reason, "a\xc3"))
BAD_REQUEST(reason_with_del, SHUTDOWN, EINVAL,
	    strcpy(self->ask.reason, "a\x7f"))
BAD_REQUEST(reason_with_a_c1_control, SHUTDOWN, EINVAL,
	    strcpy(self->ask.reason, "a\xc2\x9b"))
BAD_REQUEST(reason_with_overlong_utf8, SHUTDOWN, EINVAL,
	    strcpy(self->ask.reason, "a\xc0\xaf"))
BAD_REQUEST(reason_with_a_surrogate, SHUTDOWN, EINVAL,
	    strcpy(self->ask.reason, "a\xed\xa0\x80"))
BAD_REQUEST(unknown_name_of_a_restart, RESTART, ENOENT, self->ask.vm_id = 0;
	    strcpy(self->ask.name, "nobody"))
BAD_REQUEST(unknown_name_of_a_logoff, LOGOFF, ENOENT, self->ask.vm_id = 0;
	    strcpy(self->ask.name, "nobody"))
BAD_REQUEST(unknown_name_of_a_ping, PING, ENOENT, self->ask.vm_id = 0;
	    strcpy(self->ask.name, "nobody"))
BAD_REQUEST(until_down_of_a_restart, RESTART, EINVAL,
	    self->ask.until = VMGUEST_UNTIL_DOWN)
BAD_REQUEST(until_gone_of_a_logoff, LOGOFF, EINVAL,
	    self->ask.until = VMGUEST_UNTIL_GONE)
BAD_REQUEST(scope_of_a_ping, PING, EINVAL, self->ask.scope = VMGUEST_SCOPE_UID)
BAD_REQUEST(forced_logoff_with_force_after, LOGOFF, EINVAL,
	    self->ask.flags = VMGUEST_REQ_FORCE; self->ask.force_after_ms = 1)
BAD_REQUEST(cid_not_on_this_host, SHUTDOWN, EHOSTDOWN,)

TEST_F(request, without_a_file_descriptor)
{
	struct rlimit limit = { .rlim_cur = 3, .rlim_max = 3 };

	/* Up to stderr and the fds of this test. */
	limit.rlim_cur = limit.rlim_max = 1 + (self->vmm.pidfd > self->fd ?
					       self->vmm.pidfd : self->fd);
	self->ask.flags = VMGUEST_REQ_QUEUE;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, vmg_call(self->fd, VMGUEST_SHUTDOWN, &self->ask));
}

static bool write_file_max(const char *text)
{
	int fd = open("/proc/sys/fs/file-max", O_WRONLY);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

struct without_a_file {
	int fd;
	struct vmguest_request *ask;
};

static bool ask_is_enfile(void *data)
{
	struct without_a_file *self = data;

	return vmg_call(self->fd, VMGUEST_SHUTDOWN, self->ask) == -ENFILE;
}

/* Root may always have one more. */
TEST_F(request, without_a_file)
{
	struct without_a_file data = { self->fd, &self->ask };
	struct vmguest_vm_set mode = {
		.size = sizeof(mode),
		.vm_id = self->ask.vm_id,
		.what = VMGUEST_SET_MODE,
		.mode = 0777,
	};
	long most = 0;
	char text[32];
	FILE *file;

	file = fopen("/proc/sys/fs/file-max", "r");
	ASSERT_NE(NULL, file);
	ASSERT_EQ(1, fscanf(file, "%ld", &most));
	fclose(file);
	snprintf(text, sizeof(text), "%ld", most);
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &mode));
	self->ask.flags = VMGUEST_REQ_QUEUE;
	ASSERT_TRUE(write_file_max("0"));
	EXPECT_TRUE(vmg_as_user(NOBODY, NOBODY, ask_is_enfile, &data));
	ASSERT_TRUE(write_file_max(text));
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_SHUTDOWN, &self->ask));
}

FIXTURE(verb) {
	int fd;
	uint64_t vm;
};

FIXTURE_VARIANT(verb) {
	unsigned long nr;
};

FIXTURE_VARIANT_ADD(verb, shutdown) { VMGUEST_SHUTDOWN };
FIXTURE_VARIANT_ADD(verb, restart) { VMGUEST_RESTART };
FIXTURE_VARIANT_ADD(verb, logoff) { VMGUEST_LOGOFF };
FIXTURE_VARIANT_ADD(verb, ping) { VMGUEST_PING };

FIXTURE_SETUP(verb)
{
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_register(self->fd, "vm", VMG_ABSENT_CID, -1,
				  &self->vm));
}

FIXTURE_TEARDOWN(verb)
{
	vmg_unregister_all(self->fd);
	close(self->fd);
}

/* Without a lifeline nothing says that the VM may come, so QUEUE waits not. */
TEST_F(verb, of_an_absent_vm_is_refused_at_once)
{
	struct vmguest_request ask = vmg_request(self->vm);
	uint64_t start = vmg_now_ms();

	EXPECT_EQ(-EHOSTDOWN, vmg_call(self->fd, variant->nr, &ask));
	EXPECT_GT(50, vmg_now_ms() - start);
	EXPECT_EQ(-1, ask.task_fd);
	EXPECT_EQ(0, ask.task_id);
	ask = vmg_request(self->vm);
	ask.flags = VMGUEST_REQ_QUEUE;
	EXPECT_EQ(-EHOSTDOWN, vmg_call(self->fd, variant->nr, &ask));
}

TEST_F(request, absent_is_known_at_once)
{
	uint64_t start = vmg_now_ms();

	EXPECT_EQ(-EHOSTDOWN, vmg_call(self->fd, VMGUEST_SHUTDOWN, &self->ask));
	EXPECT_GT(50, vmg_now_ms() - start);
}

/* A task without an agent: queued, while the lifeline holds. */
#define QUEUE(nr_) ({							\
	self->ask = vmg_request(self->vm);				\
	self->ask.flags = VMGUEST_REQ_QUEUE;				\
	vmg_ask(self->fd, nr_, &self->ask);				\
})

TEST_F(request, queued_and_cancelled)
{
	struct vmguest_task_get task;
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	task = vmg_task(fd);
	EXPECT_EQ(self->ask.task_id, task.task_id);
	EXPECT_EQ(self->vm, task.vm_id);
	EXPECT_EQ(VMGUEST_VERB_SHUTDOWN, task.verb);
	EXPECT_EQ(VMGUEST_STAGE_QUEUED, task.stage);
	EXPECT_EQ(VMGUEST_UNTIL_GONE, task.until);
	EXPECT_EQ(VMGUEST_TASK_CANCELABLE, task.task_flags);
	EXPECT_EQ(getpid(), task.starter.pid);
	EXPECT_EQ(getuid(), task.starter.uid);
	EXPECT_STREQ("vm", task.vm_name);
	EXPECT_EQ(0, vmg_poll(fd, POLLIN | POLLPRI, 0));
	EXPECT_EQ(0, vmg_task_cancel(fd));
	EXPECT_EQ(POLLIN | POLLPRI | POLLHUP,
		  vmg_poll(fd, POLLIN | POLLPRI, 0));
	task = vmg_task(fd);
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED, task.result);
	EXPECT_EQ(-ECANCELED, task.error);
	EXPECT_EQ(-EALREADY, vmg_task_cancel(fd));
	close(fd);
	fd = vmg_task_open(self->fd, self->ask.task_id);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-ECANCELED, vmg_task(fd).error);
	close(fd);
}

TEST_F(request, task_calls_check_their_structs)
{
	struct vmguest_task_get get, again;
	struct vmguest_task_cancel cancel = { .size = 8, .flags = 1 };
	struct vmguest_task_open open = { .size = sizeof(open) };
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, vmg_call(fd, VMGUEST_TASK_CANCEL, &cancel));
	cancel.size = 7;
	EXPECT_EQ(-EINVAL, vmg_call(fd, VMGUEST_TASK_CANCEL, &cancel));
	EXPECT_EQ(-EFAULT, vmg_call(fd, VMGUEST_TASK_GET, NULL));
	EXPECT_EQ(-ENOTTY, vmg_call(fd, VMGUEST_GET_API, &get));
	memset(&get, 0xaa, sizeof(get));
	get.size = sizeof(get);
	EXPECT_EQ(-EINVAL, vmg_call(fd, VMGUEST_TASK_GET, &get));
	get.flags = 0;
	ASSERT_EQ(0, vmg_call(fd, VMGUEST_TASK_GET, &get));
	again = vmg_task(fd);
	EXPECT_EQ(0, memcmp(&get, &again, sizeof(get)));
	open.task_id = self->ask.task_id + 1;
	EXPECT_EQ(-ENOENT, vmg_call(self->fd, VMGUEST_TASK_OPEN, &open));
	open.task_id = self->ask.task_id;
	open.flags = 1;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_TASK_OPEN, &open));
	open.flags = 0;
	open.reserved = 1;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_TASK_OPEN, &open));
	open.reserved = 0;
	open.task_fd = 1;
	EXPECT_EQ(-EINVAL, vmg_call(self->fd, VMGUEST_TASK_OPEN, &open));
	EXPECT_FALSE(vmg_task(fd).task_flags & VMGUEST_TASK_COMPLETE);
	close(fd);
}

TEST_F(request, a_task_fd_is_no_lifeline)
{
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ELOOP, vmg_register(self->fd, "other", 100, fd, NULL));
	EXPECT_EQ(1, vmg_count(self->fd));
	close(fd);
}

TEST_F(request, fdinfo_names_the_task)
{
	char path[64], line[128], want[64];
	int fd = QUEUE(VMGUEST_LOGOFF);
	bool found = false;
	FILE *file;

	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(want, sizeof(want), "vmguest-task:\t%llu\n",
		 (unsigned long long)self->ask.task_id);
	file = fopen(path, "r");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file))
		found |= !strcmp(line, want);
	fclose(file);
	EXPECT_TRUE(found);
	close(fd);
}

TEST_F(request, the_deadline_of_a_queued_task)
{
	struct vmguest_task_get task;
	int fd;

	self->ask.flags = VMGUEST_REQ_QUEUE;
	self->ask.deadline_ms = 50;
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, fd);
	task = vmg_wait(fd);
	EXPECT_EQ(VMGUEST_RESULT_TIMEOUT, task.result);
	EXPECT_EQ(-ETIMEDOUT, task.error);
	EXPECT_LE(50000000ULL, task.end_ns - task.start_ns);
	close(fd);
}

TEST_F(request, without_deadline)
{
	int fd;

	self->ask.flags = VMGUEST_REQ_QUEUE | VMGUEST_REQ_NO_DEADLINE;
	self->ask.deadline_ms = 0;
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmg_task(fd).deadline_ms);
	close(fd);
}

TEST_F(request, the_default_deadline_is_the_parameter)
{
	int fd;

	self->ask.flags = VMGUEST_REQ_QUEUE;
	self->ask.deadline_ms = 0;
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, fd);
	EXPECT_EQ(180000, vmg_task(fd).deadline_ms);
	close(fd);
}

TEST_F(request, task_structs_grow_like_the_others)
{
	static const struct {
		unsigned long nr;
		uint32_t size;
	} calls[] = {
		{ VMGUEST_TASK_GET, sizeof(struct vmguest_task_get) },
		{ VMGUEST_TASK_CANCEL, sizeof(struct vmguest_task_cancel) },
	};
	uint32_t arg[2048], size;
	int fd = QUEUE(VMGUEST_SHUTDOWN);
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		memset(arg, 0, sizeof(arg));
		size = calls[i].size;
		arg[0] = size - 1;
		EXPECT_EQ(-EINVAL, vmg_call(fd, calls[i].nr, arg));
		arg[0] = 4097;
		EXPECT_EQ(-E2BIG, vmg_call(fd, calls[i].nr, arg));
		arg[0] = size + 8;
		arg[size / 4 + 1] = 1;
		EXPECT_EQ(-E2BIG, vmg_call(fd, calls[i].nr, arg));
		EXPECT_EQ(-EFAULT, vmg_call(fd, calls[i].nr, (void *)16));
		EXPECT_FALSE(vmg_task(fd).task_flags & VMGUEST_TASK_COMPLETE);
		arg[size / 4 + 1] = 0;
		EXPECT_EQ(0, vmg_call(fd, calls[i].nr, arg));
	}
	close(fd);
}

TEST_F(request, in_progress_names_the_task)
{
	uint64_t id;
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	id = self->ask.task_id;
	EXPECT_EQ(-EINPROGRESS, QUEUE(VMGUEST_SHUTDOWN));
	EXPECT_EQ(id, self->ask.task_id);
	EXPECT_EQ(-1, self->ask.task_fd);
	close(fd);
}

TEST_F(request, busy_names_the_task)
{
	uint64_t id;
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	id = self->ask.task_id;
	EXPECT_EQ(-EBUSY, QUEUE(VMGUEST_LOGOFF));
	EXPECT_EQ(id, self->ask.task_id);
	EXPECT_EQ(-1, self->ask.task_fd);
	close(fd);
}

TEST_F(request, a_ping_does_not_stand_in_the_way)
{
	int fd = QUEUE(VMGUEST_SHUTDOWN);
	int ping = QUEUE(VMGUEST_PING);
	int other = QUEUE(VMGUEST_PING);

	EXPECT_LE(0, fd);
	EXPECT_LE(0, ping);
	EXPECT_LE(0, other);
	EXPECT_EQ(VMGUEST_VERB_PING, vmg_task(ping).verb);
	EXPECT_EQ(0, vmg_task_cancel(ping));
	EXPECT_FALSE(vmg_task(other).task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_FALSE(vmg_task(fd).task_flags & VMGUEST_TASK_COMPLETE);
	close(other);
	close(ping);
	close(fd);
}

/* What is asked for first goes on to hold; only a joiner is added. */
TEST_F(request, join_of_a_queued_task)
{
	struct vmguest_task_get task;
	uint64_t id;
	int fd, joined;

	self->ask.flags = VMGUEST_REQ_QUEUE;
	self->ask.deadline_ms = 54321;
	self->ask.until = VMGUEST_UNTIL_DOWN;
	strcpy(self->ask.reason, "first");
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, fd);
	id = self->ask.task_id;
	self->ask = vmg_request(self->vm);
	self->ask.flags = VMGUEST_REQ_JOIN;
	memset(self->ask.reason, 'x', sizeof(self->ask.reason) - 1);
	joined = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, joined);
	EXPECT_NE(fd, joined);
	EXPECT_EQ(FD_CLOEXEC, fcntl(joined, F_GETFD));
	EXPECT_EQ(id, self->ask.task_id);
	EXPECT_EQ(54321, self->ask.deadline_ms);
	EXPECT_EQ(VMGUEST_UNTIL_DOWN, self->ask.until);
	EXPECT_STREQ("first", self->ask.reason);
	EXPECT_EQ(0, self->ask.reason[sizeof(self->ask.reason) - 2]);
	task = vmg_task(joined);
	EXPECT_EQ(id, task.task_id);
	EXPECT_EQ(54321, task.deadline_ms);
	EXPECT_STREQ("first", task.reason);
	EXPECT_EQ(1, task.joiners);
	EXPECT_EQ(getpid(), task.joiner[0].pid);
	close(joined);
	close(fd);
}

TEST_F(request, join_of_another_verb_is_busy)
{
	uint64_t id;
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	id = self->ask.task_id;
	self->ask = vmg_request(self->vm);
	self->ask.flags = VMGUEST_REQ_JOIN;
	EXPECT_EQ(-EBUSY, vmg_ask(self->fd, VMGUEST_RESTART, &self->ask));
	EXPECT_EQ(id, self->ask.task_id);
	EXPECT_EQ(0, vmg_task(fd).joiners);
	close(fd);
}

TEST_F(request, force_supersedes)
{
	struct vmguest_task_get task;
	int fd = QUEUE(VMGUEST_SHUTDOWN), forced;

	ASSERT_LE(0, fd);
	self->ask = vmg_request(self->vm);
	self->ask.flags = VMGUEST_REQ_QUEUE | VMGUEST_REQ_FORCE;
	forced = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, forced);
	task = vmg_task(fd);
	EXPECT_TRUE(task.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED, task.result);
	EXPECT_EQ(-ECANCELED, task.error);
	EXPECT_EQ(self->ask.task_id, task.superseded_by);
	EXPECT_EQ(0, task.canceller.pid);
	EXPECT_EQ(VMGUEST_TASK_CANCELABLE | VMGUEST_TASK_FORCE,
		  vmg_task(forced).task_flags);
	close(forced);
	close(fd);
}

TEST_F(request, canceller_is_named)
{
	struct vmguest_task_get task;
	int fd = QUEUE(VMGUEST_RESTART);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmg_task_cancel(fd));
	task = vmg_task(fd);
	EXPECT_EQ(getpid(), task.canceller.pid);
	EXPECT_EQ(getuid(), task.canceller.uid);
	EXPECT_EQ(0, task.superseded_by);
	EXPECT_LE(task.start_ns, task.end_ns);
	close(fd);
}

TEST_F(request, force_after_escalates_a_queued_task)
{
	struct vmguest_task_get task;
	int fd;

	self->ask.flags = VMGUEST_REQ_QUEUE;
	self->ask.force_after_ms = 50;
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, fd);
	EXPECT_EQ(50, vmg_task(fd).force_after_ms);
	EXPECT_EQ(POLLPRI, vmg_poll(fd, POLLIN | POLLPRI, VMG_PATIENCE_MS));
	task = vmg_task(fd);
	EXPECT_EQ(VMGUEST_TASK_CANCELABLE | VMGUEST_TASK_FORCE |
		  VMGUEST_TASK_ESCALATED, task.task_flags);
	EXPECT_EQ(self->ask.task_id, task.task_id);
	close(fd);
}

TEST_F(request, cancel_on_close_of_a_queued_task)
{
	struct vmguest_vm_get vm;
	int fd, watcher;

	self->ask.flags = VMGUEST_REQ_QUEUE | VMGUEST_REQ_CANCEL_ON_CLOSE;
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask);
	ASSERT_LE(0, fd);
	watcher = vmg_task_open(self->fd, self->ask.task_id);
	ASSERT_LE(0, watcher);
	close(fd);
	EXPECT_TRUE(vmg_poll(watcher, POLLIN, VMG_PATIENCE_MS) & POLLHUP);
	EXPECT_EQ(-ECANCELED, vmg_task(watcher).error);
	EXPECT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(0, vm.task_id);
	EXPECT_EQ(self->ask.task_id, vm.last_task_id);
	close(watcher);
}

TEST_F(request, unregister_waits_for_the_task_or_aborts_it)
{
	struct vmguest_vm_unregister cmd = { .size = sizeof(cmd) };
	struct vmguest_task_get task;
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	cmd.vm_id = self->vm;
	EXPECT_EQ(-EBUSY, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	EXPECT_EQ(1, vmg_count(self->fd));
	EXPECT_FALSE(vmg_task(fd).task_flags & VMGUEST_TASK_COMPLETE);
	cmd.flags = VMGUEST_UNREGISTER_ABORT;
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	EXPECT_EQ(0, vmg_count(self->fd));
	task = vmg_task(fd);
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED, task.result);
	EXPECT_EQ(-ECANCELED, task.error);
	EXPECT_EQ(VMGUEST_TASK_COMPLETE | VMGUEST_TASK_VM_UNREGISTERED,
		  task.task_flags);
	close(fd);
	EXPECT_EQ(-ENOENT, vmg_task_open(self->fd, self->ask.task_id));
}

/* The lifeline of a VM that never took its CID fires under its task. */
TEST_F(request, the_vm_goes_under_a_queued_task)
{
	struct vmguest_task_get task;
	int fd = QUEUE(VMGUEST_SHUTDOWN);

	ASSERT_LE(0, fd);
	vmg_vmm_kill(&self->vmm);
	task = vmg_wait(fd);
	EXPECT_EQ(VMGUEST_RESULT_UNEXPECTED_ERROR, task.result);
	EXPECT_EQ(-ECONNABORTED, task.error);
	EXPECT_EQ(VMGUEST_PROOF_VM_GONE, task.proofs);
	EXPECT_EQ(VMGUEST_STAGE_VM_GONE, task.stage);
	EXPECT_NE(100, task.percent);
	close(fd);
}

TEST_F(request, read_only_struct_asks_nothing)
{
	struct vmguest_vm_get vm;
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, memory);
	self->ask.flags = VMGUEST_REQ_QUEUE;
	memcpy(memory, &self->ask, sizeof(self->ask));
	ASSERT_EQ(0, mprotect(memory, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, VMGUEST_SHUTDOWN, memory));
	EXPECT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(0, vm.task_id);
	EXPECT_EQ(0, vm.last_task_id);
}

/* Neither opening nor joining, and what runs goes on. */
TEST_F(request, no_file_descriptor_for_a_second_view)
{
	struct rlimit limit;
	int fd = QUEUE(VMGUEST_SHUTDOWN);
	uint64_t id = self->ask.task_id;

	ASSERT_LE(0, fd);
	limit.rlim_cur = limit.rlim_max = fd + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, vmg_task_open(self->fd, id));
	self->ask = vmg_request(self->vm);
	self->ask.flags = VMGUEST_REQ_JOIN;
	EXPECT_EQ(-EMFILE, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &self->ask));
	EXPECT_EQ(0, vmg_task(fd).joiners);
	EXPECT_FALSE(vmg_task(fd).task_flags & VMGUEST_TASK_COMPLETE);
	close(fd);
}

/*
 * Who may do what. VMs of root, or else of the visitor, and of group root.
 */
struct visit {
	int fd;
	uint64_t vm;
	uint64_t task;
};

static int visit_get(struct visit *visit)
{
	struct vmguest_vm_get vm;

	return vmg_get(visit->fd, visit->vm, &vm);
}

static int visit_shutdown(struct visit *visit)
{
	struct vmguest_request request = vmg_request(visit->vm);

	return vmg_call(visit->fd, VMGUEST_SHUTDOWN, &request);
}

static int visit_unknown(struct visit *visit)
{
	struct vmguest_request request = vmg_request(visit->vm + 1000);

	return vmg_call(visit->fd, VMGUEST_SHUTDOWN, &request);
}

static int visit_unknown_name(struct visit *visit)
{
	struct vmguest_vm_get vm;

	return vmg_get_named(visit->fd, "nobody", &vm);
}

/* What may not be seen is not in the list either. */
static int visit_list(struct visit *visit)
{
	return vmg_count(visit->fd);
}

static int visit_unknown_task(struct visit *visit)
{
	return vmg_task_open(visit->fd, visit->task + 1000);
}

static int visit_unregister(struct visit *visit)
{
	struct vmguest_vm_unregister cmd = {
		.size = sizeof(cmd), .vm_id = visit->vm,
	};

	return vmg_call(visit->fd, VMGUEST_VM_UNREGISTER, &cmd);
}

static int visit_register(struct visit *visit)
{
	return vmg_register(visit->fd, "mine", 100, -1, NULL);
}

static int visit_open_task(struct visit *visit)
{
	int fd = vmg_task_open(visit->fd, visit->task);

	return fd < 0 ? fd : 0;
}

static int visit_cancel_task(struct visit *visit)
{
	int fd = vmg_task_open(visit->fd, visit->task);

	return fd < 0 ? fd : vmg_task_cancel(fd);
}

FIXTURE(visitor) {
	struct vmg_vmm vmm;
	struct visit visit;
	int task;
};

FIXTURE_VARIANT(visitor) {
	uint32_t mode;
	uid_t owner;
	gid_t gid;
	int (*call)(struct visit *visit);
	int expect;
};

#define VISIT_OWN(name, mode_, call_, expect_)				\
FIXTURE_VARIANT_ADD(visitor, name) {					\
	.mode = mode_, .owner = NOBODY, .gid = NOBODY,			\
	.call = visit_##call_, .expect = expect_,			\
}

#define VISIT(name, mode_, gid_, call_, expect_)			\
FIXTURE_VARIANT_ADD(visitor, name) {					\
	.mode = mode_, .gid = gid_, .call = visit_##call_,		\
	.expect = expect_,						\
}

/* EHOSTDOWN: let through, but the VM is not there. */
VISIT(sees_nothing_without_r, 0750, NOBODY, get, -EACCES);
VISIT(sees_with_r, 0754, NOBODY, get, 0);
VISIT(sees_as_the_group, 0740, 0, get, 0);
VISIT(group_bits_count_alone, 0707, 0, get, -EACCES);
VISIT(cannot_control_without_x, 0754, NOBODY, shutdown, -EACCES);
VISIT(cannot_control_unseen, 0750, NOBODY, shutdown, -EACCES);
VISIT(controls_with_x, 0751, NOBODY, shutdown, -EINPROGRESS);
VISIT(controls_as_the_group, 0710, 0, shutdown, -EINPROGRESS);
VISIT(cannot_tell_what_does_not_exist, 0750, NOBODY, unknown, -EACCES);
VISIT(cannot_unregister_without_w, 0755, NOBODY, unregister, -EACCES);
VISIT(unregisters_with_w, 0752, NOBODY, unregister, -EBUSY);
VISIT(cannot_register, 0777, NOBODY, register, -EPERM);
VISIT(cannot_open_tasks_without_r, 0751, NOBODY, open_task, -EACCES);
VISIT(opens_tasks_with_r, 0754, NOBODY, open_task, 0);
VISIT(cannot_cancel_without_x, 0754, NOBODY, cancel_task, -EACCES);
VISIT(cancels_with_x, 0755, NOBODY, cancel_task, 0);
VISIT(cannot_tell_what_name_does_not_exist, 0750, NOBODY, unknown_name,
      -EACCES);
VISIT(cannot_tell_what_task_does_not_exist, 0750, NOBODY, unknown_task,
      -EACCES);
VISIT(is_not_shown_what_has_no_r, 0751, NOBODY, list, 0);
VISIT(is_shown_what_has_r, 0754, NOBODY, list, 1);
VISIT(group_x_counts_alone, 0701, 0, shutdown, -EACCES);
VISIT_OWN(sees_own, 0400, get, 0);
VISIT_OWN(owner_r_counts_alone, 0377, get, -EACCES);
VISIT_OWN(controls_own, 0100, shutdown, -EINPROGRESS);
VISIT_OWN(owner_x_counts_alone, 0677, shutdown, -EACCES);
VISIT_OWN(unregisters_own, 0200, unregister, -EBUSY);
VISIT_OWN(owner_w_counts_alone, 0577, unregister, -EACCES);
VISIT_OWN(opens_tasks_of_own, 0400, open_task, 0);
VISIT_OWN(cancels_tasks_of_own, 0500, cancel_task, 0);
VISIT_OWN(cannot_register_own, 0777, register, -EPERM);

FIXTURE_SETUP(visitor)
{
	struct vmguest_vm_register vm = good_vm();
	struct vmguest_request request;

	self->visit.fd = vmg_open();
	ASSERT_LE(0, self->visit.fd);
	ASSERT_EQ(0, vmg_vmm_start(&self->vmm));
	vm.mode = variant->mode;
	vm.uid = variant->owner;
	vm.lifeline_fd = self->vmm.pidfd;
	ASSERT_EQ(0, vmg_call(self->visit.fd, VMGUEST_VM_REGISTER, &vm));
	self->visit.vm = vm.vm_id;
	request = vmg_request(vm.vm_id);
	request.flags = VMGUEST_REQ_QUEUE;
	self->task = vmg_ask(self->visit.fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, self->task);
	self->visit.task = request.task_id;
}

FIXTURE_TEARDOWN(visitor)
{
	close(self->task);
	vmg_unregister_all(self->visit.fd);
	vmg_vmm_kill(&self->vmm);
	close(self->visit.fd);
}

struct expectation {
	struct visit *visit;
	int (*call)(struct visit *visit);
	int expect;
};

static bool is_expected(void *data)
{
	struct expectation *it = data;
	int got = it->call(it->visit);

	if (got != it->expect)
		printf("# got %d instead of %d\n", got, it->expect);
	return got == it->expect;
}

TEST_F(visitor, is_let_through_or_not)
{
	struct expectation it = {
		&self->visit, variant->call, variant->expect,
	};

	EXPECT_TRUE(vmg_as_user(NOBODY, variant->gid, is_expected, &it));
}

TEST_HARNESS_MAIN
