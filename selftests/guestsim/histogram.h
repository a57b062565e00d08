/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often requests came to which end.
 */
#ifndef GUESTSIM_HISTOGRAM_H
#define GUESTSIM_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/vmguest.h>

struct oracle_act;

/* A call that started nothing. */
void histogram_count_call(const struct oracle_act *act);

/* A task that has ended. */
void histogram_count_task(const struct vmguest_task_get *task);

/* Return: false when a class has less than one percent. */
bool histogram_print(void);

#endif
