/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One who asks the module about one VM, and leaves by sample_die() when the
 * answer is not success.
 */
#ifndef BENCH_CALLER_H
#define BENCH_CALLER_H

#include <stdint.h>

#include <linux/vmguest.h>

/**
 * struct caller - Who asks
 * @fd: /dev/vmguest.
 * @vm: Whom to ask.
 */
struct caller {
	int fd;
	uint64_t vm;
};

/* Registers the VM. */
struct caller caller_make(int fd, const char *name, uint32_t cid);

/* A PING that waits until the agent is there. */
void caller_meet(const struct caller *caller);

/* The steps of a request: all of them make a cycle. Return: the task fd. */
int caller_ask(const struct caller *caller, unsigned long nr, uint32_t flags);
void caller_wait(int task);
void caller_get(int task, struct vmguest_task_get *info);

/* @nr: VMGUEST_PING, or VMGUEST_SHUTDOWN until ACCEPTED. */
void caller_cycle(const struct caller *caller, unsigned long nr);

#endif
