// SPDX-License-Identifier: GPL-2.0-only
/* What happens, as it happens. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

/* When more happens than a dump can keep up with. */
#define RESYNC_AGAIN_MS	100

struct monitoring {
	const struct options *options;
	struct vmguest_monitor *monitor;
	bool lost;
};

static const char *why(int error)
{
	switch (-error) {
	case ENOENT:
		return "no netlink family: the module is not loaded ('modprobe vmguest'), or this network namespace is not the host's";
	case EPERM:
		return "CAP_SYS_ADMIN is needed";
	case EAGAIN:
		return "VMs or tasks come and go too fast";
	default:
		return strerror(-error);
	}
}

int monitor_failed(const struct options *options, const char *what, int error)
{
	const struct call_error call = {
		.layer = VMGUEST_LAYER_CALL, .what = what,
		.words = why(error), .error = error,
		.exit = error == -ENOENT ? EXIT_NO_MODULE :
			exit_of_call(0, error),
	};

	report_call_error(options, &call);
	return call.exit;
}

int open_monitor(const struct options *options, unsigned int groups,
		 struct vmguest_monitor **monitor)
{
	int error = vmguest_monitor_open(groups, monitor);

	return error ? monitor_failed(options, groups ? "cannot listen" : NULL,
				      error) : 0;
}

int check_vms(char **words, int count)
{
	struct vmguest_vm_ref vm;
	int i, ret = 0;

	for (i = 0; i < count && !ret; i++)
		ret = parse_vm(words[i], &vm);
	return ret;
}

int filter_monitor(struct vmguest_monitor *monitor, char **words, int count)
{
	struct vmguest_vm_ref vm;
	int i, error;

	for (i = 0; i < count; i++) {
		parse_vm(words[i], &vm);
		error = vmguest_monitor_filter(monitor, &vm);
		if (error)
			return error;
	}
	return 0;
}

static int tell(const struct vmguest_event *event, void *context)
{
	struct monitoring *m = context;
	char time[TIME_SIZE];

	if (event->type == VMGUEST_EVENT_OVERRUN)
		m->lost = true;
	format_time(time, event->time_ns ?: now_ns());
	if (m->options->json) {
		json_print(json_of_event(time, event));
	} else {
		write_event(stdout, time, event);
		fflush(stdout);
	}
	return ferror(stdout) ? -EIO : 0;
}

/* What there is has been told when this returns; or there will be a next time. */
static int resync(struct monitoring *m)
{
	int error = vmguest_monitor_resync(m->monitor, tell, m);

	m->lost = error;
	return error == -EAGAIN ? 0 : error;
}

/* 0 when a signal says that it is enough, or a negative errno. */
static int listen_on(struct monitoring *m, int signals)
{
	struct pollfd fds[] = {
		{ .fd = vmguest_monitor_fd(m->monitor), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int ret = 0;

	while (!fds[1].revents) {
		if (poll(fds, ARRAY_SIZE(fds),
			 m->lost ? RESYNC_AGAIN_MS : -1) < 0)
			return -errno;
		ret = vmguest_monitor_dispatch(m->monitor, tell, m);
		if (ret >= 0 && m->lost)
			ret = resync(m);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void tell_listening(struct monitoring *m)
{
	char time[TIME_SIZE];

	format_time(time, now_ns());
	if (m->options->json)
		printf("{\"event\":\"listening\",\"time\":\"%s\"}\n", time);
	else
		printf("%s - listening\n", time);
	fflush(stdout);
}

static int monitor(struct monitoring *m, char **words, int count)
{
	int signals, ret;

	ret = filter_monitor(m->monitor, words, count);
	if (ret)
		return monitor_failed(m->options, "cannot listen", ret);
	signals = catch_signals();
	if (signals < 0) {
		complain("cannot catch signals: %s", strerror(-signals));
		return EXIT_REFUSED;
	}
	tell_listening(m);
	ret = ferror(stdout) ? -EIO : listen_on(m, signals);
	close(signals);
	/* finish() has the words for an output that fails. */
	if (ret && !ferror(stdout))
		return monitor_failed(m->options, "cannot listen any more",
				      ret);
	return EXIT_DONE;
}

int monitor_command(const struct options *options, char **words, int count)
{
	struct monitoring m = { .options = options };
	int ret;

	ret = check_vms(words, count);
	if (ret)
		return ret;
	ret = open_monitor(options, VMGUEST_MONITOR_ALL, &m.monitor);
	if (ret)
		return ret;
	ret = monitor(&m, words, count);
	vmguest_monitor_close(m.monitor);
	return ret;
}
