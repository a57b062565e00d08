// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM under our eyes: registered with its pidfd as the lifeline before it
 * runs its first instruction, so that there is no window in which it could
 * die unseen. It stays what it is: its exit status becomes ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmguestctl.h"

#define FIRST_CID	3

struct vmm {
	const struct options *options;
	char **words;
	int count;
	pid_t pid;
	int pidfd;
	int go;			/* its CID, written: it may run */
	int failed;		/* an errno, read: it could not run */
	sigset_t signals;	/* as we were started with */
	uint64_t vm_id;
};

/* Every {cid} of @word replaced; NULL without memory. */
static char *with_cid(const char *word, const char *cid)
{
	const char *at;
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (; (at = strstr(word, "{cid}")); word = at + strlen("{cid}"))
		fprintf(out, "%.*s%s", (int)(at - word), word, cid);
	fputs(word, out);
	return fclose(out) ? NULL : text;
}

/* In the child, until it is the VMM. The parent's end closes the pipe. */
static void __attribute__((noreturn)) become_vmm(struct vmm *vmm, int go,
						 int failed)
{
	char text[16];
	uint32_t cid;
	int i, error;

	if (read(go, &cid, sizeof(cid)) != sizeof(cid))
		_exit(EXIT_NOT_STARTED);
	snprintf(text, sizeof(text), "%u", cid);
	error = setenv("VMGUEST_CID", text, 1) ? errno : 0;
	for (i = 0; i < vmm->count && !error; i++) {
		vmm->words[i] = with_cid(vmm->words[i], text);
		error = vmm->words[i] ? 0 : ENOMEM;
	}
	if (!error) {
		sigprocmask(SIG_SETMASK, &vmm->signals, NULL);
		execvp(vmm->words[0], vmm->words);
		error = errno;
	}
	if (write(failed, &error, sizeof(error)) < 0)
		error = 0;
	_exit(EXIT_NOT_STARTED);
}

static void close_pair(int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

/* The child exists and waits. 0 or a negative errno. */
static int start(struct vmm *vmm)
{
	int go[2], failed[2], error;

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		error = -errno;
		close_pair(go);
		return error;
	}
	vmm->pid = fork();
	if (!vmm->pid) {
		close(go[1]);
		close(failed[0]);
		become_vmm(vmm, go[0], failed[1]);
	}
	error = vmm->pid < 0 ? -errno : 0;
	close(go[0]);
	close(failed[1]);
	vmm->go = go[1];
	vmm->failed = failed[0];
	if (error)
		return error;
	/* Our own child, not waited for: the pid cannot be another's. */
	vmm->pidfd = syscall(SYS_pidfd_open, vmm->pid, 0);
	return vmm->pidfd < 0 ? -errno : 0;
}

static int register_cid(struct vmm *vmm, int client, uint32_t cid)
{
	const struct options *options = vmm->options;
	struct vmguest_registration vm = VMGUEST_REGISTRATION(options->name,
							      cid);

	vm.uid = options->uid;
	vm.gid = options->gid;
	vm.mode = options->mode;
	vm.lifeline_fd = vmm->pidfd;
	return vmguest_register(client, &vm, &vmm->vm_id);
}

static bool name_is_taken(const struct vmm *vmm, int client)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	const struct vmguest_vm_ref ref = { .name = vmm->options->name };

	return !vmguest_find(client, &ref, &vm) &&
		vm.state != VMGUEST_VM_GONE;
}

/* Another one may take the CID between the look and the registration. */
static int register_any(struct vmm *vmm, int client, uint32_t *cid)
{
	struct cid_search search;
	int ret;

	ret = cid_open(&search, client, FIRST_CID);
	if (ret)
		return ret;
	do {
		ret = cid_next(&search);
		if (!ret)
			ret = register_cid(vmm, client, search.cid);
	} while (ret == -EEXIST && !name_is_taken(vmm, client));
	*cid = search.cid;
	/* The VMM wants it now. */
	cid_close(&search);
	return ret;
}

static int register_vmm(struct vmm *vmm, int client, uint32_t *cid)
{
	*cid = vmm->options->cid;
	return *cid ? register_cid(vmm, client, *cid) :
		register_any(vmm, client, cid);
}

static int register_failed(const struct vmm *vmm, int client, int error)
{
	struct call_error call = {
		.subject = vmm->options->name, .layer = VMGUEST_LAYER_CALL,
		.what = "cannot register", .error = error,
		.exit = exit_of_call(0, error),
	};

	if (error == -EADDRINUSE)
		call.words = "there is no free CID";
	else if (error == -EEXIST && name_is_taken(vmm, client))
		call.words = "a VM with this name lives";
	report_call_error(vmm->options, &call);
	return call.exit;
}

/* Never a VM: nothing is left of it. */
static int start_failed(const struct vmm *vmm, int client, int error)
{
	const struct vmguest_vm_ref vm = { .id = vmm->vm_id };

	vmguest_unregister(client, &vm, VMGUEST_UNREGISTER_ABORT);
	complain("%s: cannot run %s: %s", vmm->options->name, vmm->words[0],
		 strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_STARTED;
}

/* What a terminal sends goes to the VMM, too, without our help. */
static void forward(struct vmm *vmm, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info) ||
	    info.ssi_code == SI_KERNEL)
		return;
	syscall(SYS_pidfd_send_signal, vmm->pidfd, info.ssi_signo, NULL, 0);
}

static int wait_for(struct vmm *vmm, int signals)
{
	struct pollfd fds[] = {
		{ .fd = vmm->pidfd, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int status;

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			forward(vmm, signals);
	}
	if (waitpid(vmm->pid, &status, 0) < 0)
		return EXIT_REFUSED;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
		WEXITSTATUS(status);
}

/* The child waits: register it, let it go and stay with it. */
static int supervise(struct vmm *vmm, int client, int signals)
{
	uint32_t cid;
	int ret, error;

	ret = register_vmm(vmm, client, &cid);
	if (ret)
		return register_failed(vmm, client, ret);
	if (write(vmm->go, &cid, sizeof(cid)) != sizeof(cid))
		return start_failed(vmm, client, errno);
	if (read(vmm->failed, &error, sizeof(error)) == sizeof(error))
		return start_failed(vmm, client, error);
	if (vmm->options->verbose)
		complain("%s: id %llu, cid %u, pid %d", vmm->options->name,
			 (unsigned long long)vmm->vm_id, cid, vmm->pid);
	return wait_for(vmm, signals);
}

static int run(struct vmm *vmm, int client)
{
	int signals, ret;

	sigprocmask(SIG_BLOCK, NULL, &vmm->signals);
	signals = catch_signals();
	if (signals < 0) {
		complain("cannot catch signals: %s", strerror(-signals));
		return EXIT_NOT_STARTED;
	}
	ret = start(vmm);
	if (ret) {
		complain("%s: cannot start a process: %s", vmm->options->name,
			 strerror(-ret));
		ret = EXIT_NOT_STARTED;
	} else {
		ret = supervise(vmm, client, signals);
	}
	/* A child that was never let go ends here. */
	close(vmm->go);
	if (vmm->pid > 0)
		waitpid(vmm->pid, NULL, 0);
	return ret;
}

int run_command(const struct options *options, char **words, int count)
{
	struct vmm vmm = {
		.options = options, .words = words, .count = count,
		.pidfd = -1, .go = -1, .failed = -1,
	};
	int client, ret;

	ret = check_name(options->name);
	if (ret)
		return ret;
	client = open_client(options);
	if (client < 0)
		return -client;
	ret = run(&vmm, client);
	close(client);
	return ret;
}
