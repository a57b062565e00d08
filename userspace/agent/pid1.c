// SPDX-License-Identifier: GPL-2.0
/*
 * What an agent that is the guest's process 1 does as such: a minimal init.
 */
#include <errno.h>
#include <mntent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pid1.h"
#include "util.h"

#define MOUNTS_MAX	128

static void mount_missing(const char *type, const char *path, const char *probe,
			  unsigned long flags)
{
	if (!access(probe, F_OK))
		return;
	mkdir(path, 0755);
	if (mount(type, path, type, flags, NULL))
		log_warn("%s: %s", path, strerror(errno));
}

static bool is_mount_point(const char *path)
{
	struct stat here, above;
	char parent[64];

	snprintf(parent, sizeof(parent), "%s/..", path);
	return !stat(path, &here) && !stat(parent, &above) &&
	       here.st_dev != above.st_dev;
}

void pid1_prepare(void)
{
	mount_missing("proc", "/proc", "/proc/self",
		      MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_missing("sysfs", "/sys", "/sys/kernel",
		      MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_missing("devtmpfs", "/dev", "/dev/null", MS_NOSUID | MS_NOEXEC);
	if (!is_mount_point("/run")) {
		mkdir("/run", 0755);
		if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV,
			  "mode=755"))
			log_warn("/run: %s", strerror(errno));
	}
	/* Ctrl-Alt-Del is a signal to process 1, not a reset. */
	reboot(RB_DISABLE_CAD);
}

void pid1_start(char **command)
{
	sigset_t none;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		log_err("%s: %s", command[0], strerror(errno));
	if (pid)
		return;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	execvp(command[0], command);
	log_err("%s: %s", command[0], strerror(errno));
	_exit(127);
}

static bool mount_matters(const struct mntent *mount)
{
	static const char * const kernel_own[] = {
		"proc", "sysfs", "devtmpfs", "devpts", "cgroup2", "rootfs",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kernel_own); i++)
		if (!strcmp(mount->mnt_type, kernel_own[i]))
			return false;
	return true;
}

static int mounts_list(char **paths, int max)
{
	struct mntent *mount;
	int count = 0;
	FILE *file;

	file = setmntent("/proc/self/mounts", "re");
	if (!file)
		return 0;
	while (count < max && (mount = getmntent(file)))
		if (mount_matters(mount))
			paths[count++] = strdup(mount->mnt_dir);
	endmntent(file);
	return count;
}

/* The newest first: what was mounted upon another goes before it. */
void pid1_unmount(void)
{
	char *paths[MOUNTS_MAX];
	int count;

	sync();
	if (chdir("/"))
		log_debug("/: %s", strerror(errno));
	count = mounts_list(paths, MOUNTS_MAX);
	while (count--) {
		if (!paths[count])
			continue;
		if (strcmp(paths[count], "/") && !umount2(paths[count], 0))
			log_debug("%s unmounted", paths[count]);
		else if (mount(NULL, paths[count], NULL,
			       MS_REMOUNT | MS_RDONLY, NULL))
			log_debug("%s: %s", paths[count], strerror(errno));
		free(paths[count]);
	}
	sync();
}

int pid1_reboot(enum vmguest_wire_end end)
{
	int how = end == VMGUEST_END_REBOOT ? RB_AUTOBOOT :
		  end == VMGUEST_END_HALT ? RB_HALT_SYSTEM : RB_POWER_OFF;

	sync();
	return reboot(how) ? -errno : 0;
}
