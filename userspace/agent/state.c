// SPDX-License-Identifier: GPL-2.0
/*
 * What outlives the agent within one boot of the guest: a small file, replaced
 * as a whole. /run may be a disk in a simple guest, so it names its boot.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"

#define STATE_SIZE	256

static bool state_parse(struct state *state, const char *text)
{
	char boot[ID_HEX_SIZE], instance[ID_HEX_SIZE];
	__u8 boot_id[ID_SIZE];
	unsigned long long task;

	if (sscanf(text, "boot %32s instance %32s task %llu", boot, instance,
		   &task) != 3 || !id_parse(boot, boot_id) ||
	    memcmp(boot_id, state->boot_id, ID_SIZE))
		return false;
	if (!id_parse(instance, state->instance))
		return false;
	state->task = task;
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

static int state_write(const char *path, const char *text)
{
	ssize_t n;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n != (ssize_t)strlen(text))
		n = n < 0 ? -errno : -ENOSPC;
	close(fd);
	return n < 0 ? n : 0;
}

void state_save(const struct state *state)
{
	char boot[ID_HEX_SIZE], instance[ID_HEX_SIZE];
	char text[STATE_SIZE], new[PATH_MAX];
	int err;

	id_format(state->boot_id, boot);
	id_format(state->instance, instance);
	snprintf(text, sizeof(text), "boot %s instance %s task %llu\n", boot,
		 instance, (unsigned long long)state->task);
	if (snprintf(new, sizeof(new), "%s.new", state->path) >=
	    (int)sizeof(new))
		return;

	state_make_folder(state->path);
	err = state_write(new, text);
	if (!err && rename(new, state->path))
		err = -errno;
	if (err)
		log_task(LOG_WARNING, state->task, "%s: %s", state->path,
			 strerror(-err));
}
