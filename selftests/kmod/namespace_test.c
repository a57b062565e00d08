// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers in a user namespace and in a pid namespace of their own: root there is
 * nobody here, and ids are shown as the reader knows them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "task_fixture.h"

/* Root of the namespace is this user and group out here. */
#define MAPPED		100000
#define OVERFLOW_ID	65534

TASK_FIXTURE(namespace)

static bool map_ids(const char *file, pid_t pid)
{
	char path[64], map[64];
	bool done;
	int fd, len;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	len = snprintf(map, sizeof(map), "0 %d 1000", MAPPED);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	done = write(fd, map, len) == len;
	close(fd);
	return done;
}

/* @test as root of a new user namespace, with all that it may do there. */
static bool as_other_root(bool (*test)(void *data), void *data)
{
	int there[2], mapped[2], status;
	bool ready;
	pid_t pid;
	char c;

	if (pipe(there) || pipe(mapped))
		return false;
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER) || write(there[1], "", 1) != 1 ||
		    read(mapped[0], &c, 1) != 1 || setresgid(0, 0, 0) ||
		    setresuid(0, 0, 0))
			_exit(2);
		_exit(!test(data));
	}
	ready = read(there[0], &c, 1) == 1 && map_ids("uid_map", pid) &&
		map_ids("gid_map", pid) && write(mapped[1], "", 1) == 1;
	close(there[0]);
	close(there[1]);
	close(mapped[0]);
	close(mapped[1]);
	return ready && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

static bool as_first_of_a_pid_namespace(bool (*test)(void *data), void *data)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(2);
		pid = fork();
		if (!pid)
			_exit(!test(data));
		if (waitpid(pid, &status, 0) != pid)
			_exit(3);
		_exit(!WIFEXITED(status) || WEXITSTATUS(status));
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

struct visit {
	int fd;
	uint64_t vm;
	uint64_t task_id;
	int task;
};

#define VISIT()								\
	(&(struct visit) { self->fd, self->vm, self->id, self->task })

static int set_owner(int fd, uint64_t vm, uint32_t uid, uint32_t gid,
		     uint32_t mode)
{
	struct vmguest_vm_set cmd = {
		.size = sizeof(cmd),
		.vm_id = vm,
		.what = VMGUEST_SET_OWNER | VMGUEST_SET_MODE,
		.uid = uid,
		.gid = gid,
		.mode = mode,
	};

	return vmg_call(fd, VMGUEST_VM_SET, &cmd);
}

static bool learns_nothing(void *data)
{
	struct visit *visit = data;
	struct vmguest_request request = vmg_request(visit->vm);
	struct vmguest_vm_get vm;

	return vmg_count(visit->fd) == 0 &&
	       vmg_get(visit->fd, visit->vm, &vm) == -EACCES &&
	       vmg_get_named(visit->fd, "sim", &vm) == -EACCES &&
	       vmg_get_named(visit->fd, "nobody", &vm) == -EACCES &&
	       vmg_task_open(visit->fd, visit->task_id) == -EACCES &&
	       vmg_ask(visit->fd, VMGUEST_SHUTDOWN, &request) == -EACCES &&
	       vmg_unregister(visit->fd, visit->vm) == -EACCES;
}

TEST_F(namespace, root_of_another_one_learns_nothing)
{
	struct vmguest_request request = vmg_request(self->vm);

	request.flags = VMGUEST_REQ_QUEUE;
	ASK(VMGUEST_SHUTDOWN, &request);
	ASSERT_EQ(0, set_owner(self->fd, self->vm, 0, 0, 0770));
	EXPECT_TRUE(as_other_root(learns_nothing, VISIT()));
}

static bool cannot_register(void *data)
{
	struct visit *visit = data;

	return vmg_register(visit->fd, "mine", 4711, -1, NULL) == -EPERM &&
	       set_owner(visit->fd, visit->vm, 0, 0, 0777) == -EPERM;
}

TEST_F(namespace, root_of_another_one_cannot_register)
{
	ASSERT_EQ(0, set_owner(self->fd, self->vm, MAPPED, MAPPED, 0777));
	EXPECT_TRUE(as_other_root(cannot_register, VISIT()));
	EXPECT_EQ(1, vmg_count(self->fd));
}

static bool sees_its_own(void *data)
{
	struct visit *visit = data;
	struct vmguest_vm_get vm;
	struct vmguest_task_get task = vmg_task(visit->task);

	return vmg_get(visit->fd, visit->vm, &vm) == 0 && vm.uid == 0 &&
	       vm.gid == 7 && task.starter.uid == OVERFLOW_ID &&
	       vmg_task_cancel(visit->task) == 0 &&
	       vmg_task(visit->task).canceller.uid == 0;
}

/* Root here asked, and has no id there. */
TEST_F(namespace, an_owner_is_one_by_the_id_out_here)
{
	struct vmguest_request request = vmg_request(self->vm);

	request.flags = VMGUEST_REQ_QUEUE;
	ASK(VMGUEST_SHUTDOWN, &request);
	ASSERT_EQ(0, set_owner(self->fd, self->vm, MAPPED, MAPPED + 7, 0700));
	EXPECT_TRUE(as_other_root(sees_its_own, VISIT()));
	EXPECT_EQ(MAPPED, vmg_task(self->task).canceller.uid);
}

static bool sees_overflow_ids(void *data)
{
	struct visit *visit = data;
	struct vmguest_vm_get vm;

	return vmg_get(visit->fd, visit->vm, &vm) == 0 &&
	       vm.uid == OVERFLOW_ID && vm.gid == OVERFLOW_ID;
}

TEST_F(namespace, ids_without_a_place_are_the_overflow_id)
{
	ASSERT_EQ(0, set_owner(self->fd, self->vm, 5, 5, 0704));
	EXPECT_TRUE(as_other_root(sees_overflow_ids, VISIT()));
}

/* The id is root's there; here it is MAPPED's, which is not the owner. */
static bool is_not_root(void *data)
{
	struct visit *visit = data;
	struct vmguest_request request = vmg_request(visit->vm);

	return vmg_ask(visit->fd, VMGUEST_SHUTDOWN, &request) == -EACCES;
}

TEST_F(namespace, uid_0_is_not_the_owner_uid_0)
{
	ASSERT_EQ(0, set_owner(self->fd, self->vm, 0, 0, 0704));
	EXPECT_TRUE(as_other_root(is_not_root, VISIT()));
}

static bool sees_no_starter(void *data)
{
	struct visit *visit = data;
	struct vmguest_task_get task = vmg_task(visit->task);

	return task.starter.pid == 0 && vmg_task_cancel(visit->task) == 0 &&
	       vmg_task(visit->task).canceller.pid == getpid();
}

TEST_F(namespace, pids_are_those_of_the_reader)
{
	struct vmguest_request request = vmg_request(self->vm);

	request.flags = VMGUEST_REQ_QUEUE;
	ASK(VMGUEST_SHUTDOWN, &request);
	EXPECT_EQ(getpid(), vmg_task(self->task).starter.pid);
	EXPECT_TRUE(as_first_of_a_pid_namespace(sees_no_starter, VISIT()));
	EXPECT_LT(1, vmg_task(self->task).canceller.pid);
}

TEST_HARNESS_MAIN
