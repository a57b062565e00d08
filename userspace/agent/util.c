// SPDX-License-Identifier: GPL-2.0
/*
 * Logging, identifiers, randomness and time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

static bool log_verbose;
static bool log_levels;
static bool log_to_syslog;

void log_open(bool verbose, bool to_syslog)
{
	log_verbose = verbose;
	log_levels = !isatty(STDERR_FILENO) && getpid() != 1;
	log_to_syslog = to_syslog;
	if (to_syslog)
		openlog("vmguest-agent", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_task(int level, __u64 task, const char *fmt, ...)
{
	char line[512];
	size_t used = 0;
	va_list args;

	if (level == LOG_DEBUG && !log_verbose)
		return;
	if (log_to_syslog)
		line[0] = '\0';
	else if (log_levels)
		used += snprintf(line, sizeof(line), "<%d>", level);
	else
		used += snprintf(line, sizeof(line), "vmguest-agent: ");
	if (task)
		used += snprintf(line + used, sizeof(line) - used,
				 "task %llu: ", (unsigned long long)task);
	va_start(args, fmt);
	vsnprintf(line + used, sizeof(line) - used, fmt, args);
	va_end(args);
	if (log_to_syslog) {
		syslog(level, "%s", line);
		return;
	}
	/* One write, so that lines of two processes do not mix. */
	dprintf(STDERR_FILENO, "%s\n", line);
}

int read_line(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static int write_new_file(const char *path, const char *text)
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

int write_file(const char *path, const char *text)
{
	char new[PATH_MAX];
	int err;

	if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	err = write_new_file(new, text);
	if (!err && rename(new, path))
		err = -errno;
	return err;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool id_parse(const char *text, __u8 *id)
{
	__u8 out[ID_SIZE] = { };
	size_t digits = 0;
	int digit;

	for (; *text; text++) {
		if (*text == '-')
			continue;
		digit = hex_digit(*text);
		if (digit < 0 || digits == 2 * ID_SIZE)
			return false;
		out[digits / 2] = out[digits / 2] << 4 | digit;
		digits++;
	}
	if (digits != 2 * ID_SIZE)
		return false;
	memcpy(id, out, ID_SIZE);
	return true;
}

void id_format(const __u8 *id, char *text)
{
	size_t i;

	for (i = 0; i < ID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
}

bool id_is_zero(const __u8 *id)
{
	static const __u8 zero[ID_SIZE];

	return !memcmp(id, zero, ID_SIZE);
}

unsigned int random_below(unsigned int below)
{
	unsigned int value;

	/* Early in a boot the pool may not be ready; then the clock will do. */
	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = now_ms() * 2654435761u + getpid();
	return below ? value % below : 0;
}

__u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (__u64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
