/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every program here needs: calls that return 0 or a negative errno, and
 * VMMs that can be killed.
 */
#ifndef VMG_H
#define VMG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmguest.h>

/* The one CID that the loopback transport has. */
#define VMG_CID		1

/* A CID that nobody has. */
#define VMG_ABSENT_CID	4242

/* Longest wait for something that must happen, in milliseconds. */
#define VMG_PATIENCE_MS	20000

int vmg_open(void);
int vmg_call(int fd, unsigned long nr, void *arg);

/* A child that does nothing: what a pidfd can be a lifeline of. */
struct vmg_vmm {
	pid_t pid;
	int pidfd;
};

int vmg_vmm_start(struct vmg_vmm *vmm);
void vmg_vmm_kill(struct vmg_vmm *vmm);

/* lifeline_fd -1 for none. */
int vmg_register(int fd, const char *name, uint32_t cid, int lifeline_fd,
		 uint64_t *vm_id);
int vmg_unregister(int fd, uint64_t vm_id);
int vmg_get(int fd, uint64_t vm_id, struct vmguest_vm_get *vm);
int vmg_get_named(int fd, const char *name, struct vmguest_vm_get *vm);
int vmg_count(int fd);
void vmg_unregister_all(int fd);

struct vmguest_request vmg_request(uint64_t vm_id);

/* Return: the task fd or a negative errno. */
int vmg_ask(int fd, unsigned long nr, struct vmguest_request *request);

/* A member with vmg_request()'s deadline. */
struct vmguest_group_member vmg_member(uint64_t vm_id, uint32_t verb);

/* Return: the group fd or a negative errno. */
int vmg_group(int fd, const struct vmguest_group_member *members,
	      uint32_t count, uint32_t parallel);

struct vmguest_task_get vmg_task(int task_fd);
int vmg_task_cancel(int task_fd);
int vmg_task_open(int fd, uint64_t task_id);

/* Return: the revents of @task_fd once one of @events came, 0 after @ms. */
short vmg_poll(int task_fd, short events, int ms);

/* Wait for @stage or the end; the task then. */
struct vmguest_task_get vmg_wait_stage(int task_fd, uint32_t stage);
struct vmguest_task_get vmg_wait(int task_fd);

/* Wait until there are @count VMs, or until the VM is in @state. */
bool vmg_wait_count(int fd, int count);
bool vmg_wait_state(int fd, uint64_t vm_id, uint32_t state);

/* Of the module. Return: 0 or a negative errno. */
int vmg_set_parameter(const char *name, const char *value);

/* Who has the module, or -1. */
int vmg_module_refs(void);

/*
 * The caller's system calls are interrupted again and again: the first signals
 * may come before it sleeps. Return: who sends them, or -1.
 */
pid_t vmg_signals_start(void);
void vmg_signals_stop(pid_t sender);

/* The kernel looks for mistakes: it is slow, and has another memory. */
bool vmg_kernel_is_slow(void);

uint64_t vmg_now_ms(void);

/* Become @uid without capabilities, in a child: 0 when @test returns true. */
bool vmg_as_user(uid_t uid, gid_t gid, bool (*test)(void *data), void *data);

#endif
