// SPDX-License-Identifier: GPL-2.0-only
/* Times, as people write and read them. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "vmguestctl.h"

#define NS_PER_SECOND	UINT64_C(1000000000)

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "", 1000 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "min", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
};

static int parse_unit(const char *text, uint64_t *ms)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(units[i].name, text)) {
			*ms = units[i].ms;
			return 0;
		}
	return -EINVAL;
}

/* A number with up to six digits behind the point, in millionths. */
static const char *parse_millionths(const char *text, uint64_t *number)
{
	int behind = -1;

	*number = 0;
	if (*text < '0' || *text > '9')
		return NULL;
	for (; (*text >= '0' && *text <= '9') || (*text == '.' && behind < 0);
	     text++) {
		if (*text == '.') {
			behind = 0;
			continue;
		}
		if (behind == 6 || (behind < 0 && *number > UINT32_MAX))
			return NULL;
		*number = *number * 10 + (*text - '0');
		behind += behind >= 0;
	}
	if (!behind)
		return NULL;
	for (behind = behind < 0 ? 0 : behind; behind < 6; behind++)
		*number *= 10;
	return text;
}

int parse_duration(const char *text, uint32_t *ms)
{
	uint64_t number, unit;

	text = parse_millionths(text, &number);
	if (!text || parse_unit(text, &unit))
		return -EINVAL;
	if (number / 1000000 > UINT32_MAX / unit)
		return -EINVAL;
	number = number / 1000000 * unit + number % 1000000 * unit / 1000000;
	if (number > UINT32_MAX)
		return -EINVAL;
	*ms = number;
	return 0;
}

const char *format_seconds(char *text, uint64_t ns)
{
	snprintf(text, SECONDS_SIZE, "%llu.%03llus",
		 (unsigned long long)(ns / NS_PER_SECOND),
		 (unsigned long long)(ns % NS_PER_SECOND / 1000000));
	return text;
}

/* The clock of the tasks' times. */
uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

const char *format_time(char *text, uint64_t ns)
{
	struct timespec now;
	struct tm local;
	char zone[8];
	uint64_t then;
	time_t seconds;

	clock_gettime(CLOCK_REALTIME, &now);
	then = now.tv_sec * NS_PER_SECOND + now.tv_nsec - now_ns() + ns;
	seconds = then / NS_PER_SECOND;
	localtime_r(&seconds, &local);
	strftime(zone, sizeof(zone), "%z", &local);
	strftime(text, TIME_SIZE, "%FT%T", &local);
	snprintf(text + strlen(text), TIME_SIZE - strlen(text), ".%03u%s",
		 (unsigned int)(then % NS_PER_SECOND / 1000000), zone);
	return text;
}

int64_t deadline_left(const struct vmguest_task_get *task, uint64_t now)
{
	uint64_t end = task->start_ns + task->deadline_ms * NS_PER_MS;

	if (!task->deadline_ms || (task->task_flags & VMGUEST_TASK_COMPLETE))
		return -1;
	return end > now ? end - now : 0;
}
