// SPDX-License-Identifier: GPL-2.0
/*
 * A message on the terminals of those who are logged on: of the backend's
 * sessions and of utmp's, because neither knows all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

#include "agent.h"
#include "wall.h"

#define TERMINALS_MAX	(2 * SESSION_MAX)

/**
 * struct terminals - Those that have the message
 * @count: How many.
 * @device: They.
 */
struct terminals {
	unsigned int count;
	dev_t device[TERMINALS_MAX];
};

static bool terminals_add(struct terminals *terminals, dev_t device)
{
	unsigned int i;

	for (i = 0; i < terminals->count; i++)
		if (terminals->device[i] == device)
			return false;
	if (terminals->count == TERMINALS_MAX)
		return false;
	terminals->device[terminals->count++] = device;
	return true;
}

/* A terminal in raw mode does not return the carriage by itself. */
static void wall_format(char *message, size_t size, const char *text)
{
	size_t used;

	used = snprintf(message, size, "\r\n\a** ");
	for (; *text && used + 8 < size; text++) {
		if (*text == '\n')
			used += snprintf(message + used, size - used,
					 "\r\n** ");
		else
			message[used++] = *text;
	}
	snprintf(message + used, size - used, "\r\n\n");
}

/* One that somebody has stopped with ^S takes nothing: it goes without. */
static void wall_write(struct terminals *terminals, const char *line,
		       const char *message)
{
	char path[64];
	struct stat st;
	int fd;

	if (snprintf(path, sizeof(path), "/dev/%s", line) >=
	    (int)sizeof(path) || strstr(path, ".."))
		return;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
		  O_NOFOLLOW);
	if (fd < 0) {
		log_debug("%s: %s", path, strerror(errno));
		return;
	}
	if (!fstat(fd, &st) && isatty(fd) &&
	    terminals_add(terminals, st.st_rdev) &&
	    write(fd, message, strlen(message)) < 0)
		log_debug("%s: %s", path, strerror(errno));
	close(fd);
}

static void wall_utmp(struct terminals *terminals, const char *message)
{
	struct utmpx *record;
	char line[sizeof(record->ut_line) + 1];

	setutxent();
	while ((record = getutxent())) {
		if (record->ut_type != USER_PROCESS)
			continue;
		snprintf(line, sizeof(line), "%.*s",
			 (int)sizeof(record->ut_line), record->ut_line);
		wall_write(terminals, line, message);
	}
	endutxent();
}

void wall(struct agent *agent, const char *text)
{
	static struct session sessions[SESSION_MAX];
	struct terminals terminals = { };
	char message[1024];
	int i, count;

	wall_format(message, sizeof(message), text);
	count = agent->backend->sessions(sessions, SESSION_MAX);
	for (i = 0; i < count; i++)
		if (sessions[i].line[0])
			wall_write(&terminals, sessions[i].line, message);
	wall_utmp(&terminals, message);
	log_debug("%u terminals have the message", terminals.count);
}
