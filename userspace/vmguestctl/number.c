// SPDX-License-Identifier: GPL-2.0-only
/* Words to numbers. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "vmguestctl.h"

static int parse(const char *text, int base, uint64_t min, uint64_t max,
		 uint64_t *number)
{
	char *end;

	/* strtoull() takes blanks and signs, too. */
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*number = strtoull(text, &end, base);
	if (errno || *end || *number < min || *number > max)
		return -EINVAL;
	return 0;
}

int parse_number(const char *text, uint64_t min, uint64_t max,
		 uint64_t *number)
{
	return parse(text, 10, min, max, number);
}

int parse_mode(const char *text, uint32_t *mode)
{
	uint64_t number;
	int ret = parse(text, 8, 0, 0777, &number);

	if (!ret)
		*mode = number;
	return ret;
}

int parse_user(const char *text, uid_t *uid)
{
	const struct passwd *user;
	uint64_t number;

	if (!parse_number(text, 0, UINT32_MAX - 1, &number)) {
		*uid = number;
		return 0;
	}
	user = getpwnam(text);
	if (!user)
		return -EINVAL;
	*uid = user->pw_uid;
	return 0;
}

int parse_group(const char *text, gid_t *gid)
{
	const struct group *group;
	uint64_t number;

	if (!parse_number(text, 0, UINT32_MAX - 1, &number)) {
		*gid = number;
		return 0;
	}
	group = getgrnam(text);
	if (!group)
		return -EINVAL;
	*gid = group->gr_gid;
	return 0;
}
