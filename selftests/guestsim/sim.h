/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loop, as the guests see it.
 */
#ifndef GUESTSIM_SIM_H
#define GUESTSIM_SIM_H

#include <stdint.h>

struct sim;
struct sim_guest;

/* The guest's device has come, or is about to go. */
void sim_add_device(struct sim *sim, struct sim_guest *guest);
void sim_remove_device(struct sim *sim, struct sim_guest *guest);

/* A guest wants to be woken then. */
void sim_note_due(struct sim *sim, uint64_t due_ns);

uint32_t sim_host_port(const struct sim *sim);

#endif
