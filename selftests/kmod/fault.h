/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults in the kernel's allocations, one at a time. Nothing is printed about
 * them: the host VM takes a stack trace for a complaint.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

/**
 * enum fault_kind - How many allocations fail
 * @FAULT_ONCE: One.
 * @FAULT_LASTING: That one and all that follow it.
 */
enum fault_kind {
	FAULT_ONCE,
	FAULT_LASTING,
};

/* Return: 0, or -1 when this kernel has no faults to offer. */
int fault_begin(void);
void fault_end(void);

/* The @nth allocation of this task from here on fails. */
void fault_arm(unsigned int nth, enum fault_kind kind);

/* Did it? No fault follows this. */
bool fault_struck(void);

/*
 * The @nth allocation on behalf of the module, in whatever task, fails: its
 * workers'. @turn makes one or more such, and does not mind when they fail.
 */
void fault_arm_module(unsigned int nth, void (*turn)(void *data), void *data);

/*
 * All allocations on behalf of one of the module's functions fail. Return: its
 * name, or NULL when it has fewer functions.
 */
const char *fault_arm_function(unsigned int nth);

/* Did one? No fault follows this. */
bool fault_struck_module(void);

#endif
