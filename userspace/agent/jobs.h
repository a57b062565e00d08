/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What systemd still has to stop.
 */
#ifndef _VMGUEST_AGENT_JOBS_H
#define _VMGUEST_AGENT_JOBS_H

struct agent;
struct blockers;

int jobs_init(struct agent *agent);
void jobs_close(void);

/* The guest goes down: tell agent_progress() and agent_stop_jobs() how far. */
void jobs_watch(void);

/* Who delays the guest's end before there are any jobs. */
void jobs_set_delays(const struct blockers *delays);

#endif /* _VMGUEST_AGENT_JOBS_H */
