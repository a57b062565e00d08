/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that hangs, reads nothing or floods, in a process of its own, beside
 * which others are measured. It comes and goes as it is told:
 *
 *	hostile_start(&hostile, fd, "hostile", cid, HOSTILE_FRAMES);
 *	hostile_call(&hostile);
 *	sim_until(sim, hostile_is_there(&hostile), 10000);
 *
 * What its VMM and its vhost worker burn is on HOSTILE_CPU, and with that what
 * the module does for its channels; what is measured is on the other one. What
 * is left, and what may cost the neighbour, is what the module does besides, and
 * the locks that they share.
 */
#ifndef GUESTSIM_HOSTILE_H
#define GUESTSIM_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HOSTILE_CPU	1
#define HOSTILE_CPUS	2

/* What waits for a hostile guest that does not answer. */
#define HOSTILE_PILE	300

enum hostility {
	HOSTILE_HANGS,
	HOSTILE_STANDS_STILL,
	HOSTILE_READS_NOTHING,
	HOSTILE_FRAMES,
	HOSTILE_LIES,
	HOSTILE_NOTICES,
	HOSTILE_GARBAGE,
	HOSTILE_CONNECTIONS,
	HOSTILITIES,
};

/**
 * struct hostile_shared - What the processes tell each other
 * @want: The hostile guest shall be there.
 * @is: It is.
 */
struct hostile_shared {
	volatile bool want;
	volatile bool is;
};

/**
 * struct hostile - A hostile guest
 * @fd: /dev/vmguest.
 * @vm: Its VM.
 * @how: What it does.
 * @child: Its process.
 * @shared: What that shares with us.
 * @piled: How many tasks wait for it.
 * @pile: They.
 */
struct hostile {
	int fd;
	uint64_t vm;
	enum hostility how;
	pid_t child;
	struct hostile_shared *shared;
	unsigned int piled;
	int pile[HOSTILE_PILE];
};

/* Registers it, and starts its process. Return: 0 or a negative errno. */
int hostile_start(struct hostile *hostile, int fd, const char *name,
		  uint32_t cid, enum hostility how);

/* Once @is_there, hostile_pile() lets requests wait for one that is silent. */
void hostile_call(struct hostile *hostile);
void hostile_send_away(struct hostile *hostile);
bool hostile_is_there(const struct hostile *hostile);
int hostile_pile(struct hostile *hostile);

void hostile_end(struct hostile *hostile);

/* @pid, 0 for the caller, is on @cpu alone. */
void hostile_pin(pid_t pid, int cpu);

/* The same with the workers of the caller's vhost devices. */
void hostile_pin_vhost(int cpu);

/*
 * No processor is ever idle, because waking a virtual one takes longer than
 * what is measured: a process that gives way to everybody else at once.
 */
pid_t hostile_keep_busy(int cpu);
void hostile_end_child(pid_t pid);

#endif
