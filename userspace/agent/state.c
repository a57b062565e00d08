// SPDX-License-Identifier: GPL-2.0
/*
 * What outlives the agent within one boot of the guest: a small file, replaced
 * as a whole. /run may be a disk in a simple guest, so it names its boot.
 */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "state.h"

#define STATE_SIZE	256

static bool state_parse(struct state *state, const char *text)
{
	char boot[ID_HEX_SIZE], instance[ID_HEX_SIZE];
	__u8 boot_id[ID_SIZE];
	unsigned long long task, announced, due;

	if (sscanf(text, "boot %32s instance %32s task %llu announced %llu due %llu",
		   boot, instance, &task, &announced, &due) != 5 ||
	    !id_parse(boot, boot_id) ||
	    memcmp(boot_id, state->boot_id, ID_SIZE))
		return false;
	if (!id_parse(instance, state->instance))
		return false;
	state->task = task;
	state->announced = announced;
	state->due = due;
	return true;
}

void state_load(struct state *state, const char *path, const __u8 *boot_id)
{
	char text[STATE_SIZE];

	memset(state, 0, sizeof(*state));
	state->path = path;
	memcpy(state->boot_id, boot_id, ID_SIZE);
	if (!read_line(path, text, sizeof(text)) && state_parse(state, text))
		log_debug("%s: goes on, task %llu", path,
			  (unsigned long long)state->task);
}

static void state_make_folder(const char *path)
{
	char folder[PATH_MAX];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = '\0';
	mkdir(folder, 0755);
}

void state_save(const struct state *state)
{
	char boot[ID_HEX_SIZE], instance[ID_HEX_SIZE];
	char text[STATE_SIZE];
	int err;

	id_format(state->boot_id, boot);
	id_format(state->instance, instance);
	snprintf(text, sizeof(text),
		 "boot %s instance %s task %llu announced %llu due %llu\n",
		 boot, instance, (unsigned long long)state->task,
		 (unsigned long long)state->announced,
		 (unsigned long long)state->due);

	state_make_folder(state->path);
	err = write_file(state->path, text);
	if (err)
		log_task(LOG_WARNING, state->task, "%s: %s", state->path,
			 strerror(-err));
}
