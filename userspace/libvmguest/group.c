// SPDX-License-Identifier: GPL-2.0-only
/* Many requests at once. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* Of the first version, in bytes. */
#define MEMBER_SIZE_MIN	(offsetof(struct vmguest_group_member, name) +	\
			 VMGUEST_NAME_SIZE)

int vmguest_fill_member(struct vmguest_group_member *member, size_t size,
			enum vmguest_verb verb,
			const struct vmguest_vm_ref *vm,
			const struct vmguest_options *options)
{
	struct vmguest_options how = VMGUEST_OPTIONS;
	struct vmguest_group_member known;
	int ret;

	if (options) {
		ret = vmguest_take(&how, sizeof(how), options);
		if (ret)
			return ret;
	}
	if (how.reason || size < MEMBER_SIZE_MIN)
		return -EINVAL;
	known = (struct vmguest_group_member) {
		.vm_id = vm->id,
		.cid = vm->cid,
		.verb = verb,
		.flags = how.flags,
		.until = how.until,
		.deadline_ms = how.deadline_ms,
		.force_after_ms = how.force_after_ms,
		.delay_ms = how.delay_ms,
		.grace_ms = how.grace_ms,
		.scope = how.scope,
		.scope_uid = how.scope_uid,
	};
	ret = vmguest_put_name(known.name, vm);
	if (ret)
		return ret;
	memset(member, 0, size);
	memcpy(member, &known, size < sizeof(known) ? size : sizeof(known));
	return 0;
}

int vmguest_group(int fd, const struct vmguest_group_member *members,
		  uint32_t count, const struct vmguest_group_options *options)
{
	struct vmguest_group_options how = VMGUEST_GROUP_OPTIONS;
	struct vmguest_group_start call = { .size = sizeof(call) };
	int ret;

	ret = vmguest_take(&how, sizeof(how), options);
	if (ret)
		return ret;
	call.members = (uintptr_t)members;
	call.count = count;
	call.member_size = how.member_size;
	call.record_size = how.record_size;
	call.parallel = how.parallel;
	ret = vmguest_put_text(call.reason, sizeof(call.reason), how.reason);
	if (ret)
		return ret;
	ret = vmguest_ioctl(fd, VMGUEST_GROUP_START, &call);
	return ret ? ret : call.group_fd;
}

int vmguest_group_read(int group_fd, struct vmguest_group_record *records,
		       size_t size, uint32_t count)
{
	ssize_t got;

	if (!size)
		return -EINVAL;
	/* No group has more. */
	if (count > VMGUEST_GROUP_MAX)
		count = VMGUEST_GROUP_MAX;
	got = read(group_fd, records, count * size);
	return got < 0 ? -errno : (int)(got / size);
}
