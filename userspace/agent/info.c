// SPDX-License-Identifier: GPL-2.0
/*
 * What a HELLO says about the guest.
 */
#include <errno.h>
#include <sys/random.h>
#include <sys/utsname.h>

#include "info.h"

/* NAME="Debian GNU/Linux": the value, without quotes and backslashes. */
static void os_release_value(const char *value, char *dst, size_t size)
{
	char quote = '\0';
	size_t used = 0;

	if (*value == '"' || *value == '\'')
		quote = *value++;
	for (; *value && *value != '\n' && *value != quote; value++) {
		if (*value == '\\' && value[1] && quote != '\'')
			value++;
		if (used + 1 < size)
			dst[used++] = *value;
	}
	dst[used] = '\0';
}

static bool os_release_read(const char *path, struct info *info)
{
	char line[512];
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "NAME=", 5))
			os_release_value(line + 5, info->os_name,
					 sizeof(info->os_name));
		else if (!strncmp(line, "VERSION_ID=", 11))
			os_release_value(line + 11, info->os_version,
					 sizeof(info->os_version));
	}
	fclose(file);
	return true;
}

void info_read(struct info *info)
{
	struct utsname names;
	char line[64];

	memset(info, 0, sizeof(*info));
	if (!read_line("/etc/machine-id", line, sizeof(line)))
		id_parse(line, info->machine_id);
	if (!os_release_read("/etc/os-release", info))
		os_release_read("/usr/lib/os-release", info);
	if (uname(&names))
		return;
	snprintf(info->hostname, sizeof(info->hostname), "%.*s",
		 INFO_TEXT_SIZE - 1, names.nodename);
	snprintf(info->kernel, sizeof(info->kernel), "%.*s",
		 INFO_TEXT_SIZE - 1, names.release);
	if (!info->os_name[0])
		snprintf(info->os_name, sizeof(info->os_name), "%.*s",
			 INFO_TEXT_SIZE - 1, names.sysname);
}

void info_boot_id(__u8 *boot_id)
{
	char line[64];

	if (!read_line("/proc/sys/kernel/random/boot_id", line, sizeof(line)) &&
	    id_parse(line, boot_id))
		return;
	log_warn("no boot id; the host will not know a restarted agent");
	if (getrandom(boot_id, ID_SIZE, 0) != ID_SIZE)
		memset(boot_id, 0xff, ID_SIZE);
}

static struct vmguest_text info_text(const char *text)
{
	return (struct vmguest_text){ .data = text, .len = strlen(text) };
}

void info_hello(const struct info *info, struct vmguest_frame *frame)
{
	frame->type = VMGUEST_WIRE_HELLO;
	memcpy(frame->hello.machine_id, info->machine_id, ID_SIZE);
	frame->text[VMGUEST_HELLO_HOSTNAME] = info_text(info->hostname);
	frame->text[VMGUEST_HELLO_OS_NAME] = info_text(info->os_name);
	frame->text[VMGUEST_HELLO_OS_VERSION] = info_text(info->os_version);
	frame->text[VMGUEST_HELLO_KERNEL] = info_text(info->kernel);
	frame->text[VMGUEST_HELLO_AGENT_VERSION] = info_text(VMGUEST_VERSION);
}
