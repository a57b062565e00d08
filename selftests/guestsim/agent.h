/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent in a simulated guest, and what it can do instead.
 */
#ifndef GUESTSIM_AGENT_H
#define GUESTSIM_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "guestsim.h"

struct stream;

/* The guest is up. */
void agent_start(struct sim_guest *guest);
void agent_dial(struct sim_guest *guest);

/* What streams tell. */
void agent_opened(struct stream *stream);
void agent_received(struct stream *stream, const uint8_t *bytes, size_t len);
void agent_closed(struct stream *stream);

void agent_do(struct sim_guest *guest, enum sim_deed deed, uint64_t arg);

#endif
