// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of every call fails once, then every allocation of the work
 * for a guest: a call that fails has changed nothing and sent nothing, a
 * request is delivered whole or not at all, and a guest is heard or closed,
 * never forgotten. Needs a kernel with fault injection.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include <linux/vmguest_netlink.h>

#include "agent_sim.h"
#include "fault.h"
#include "nl.h"
#include "vmg.h"

#define BOOT		1
#define NAME		"sim"
#define REASON		"every allocation fails once"

/* By this the harness knows a skip; a setup that returns goes on to the test. */
#define EXIT_SKIP	255

/* No sweep is that long. */
#define SWEEP_MAX	400
#define SWEEP_SECONDS	600

/* How long the module is given while it cannot do what it should. */
#define FAULT_PATIENCE_MS	500

/* Connections of one guest without a HELLO that the module takes. */
#define STRANGERS	4

/* Who holds the module while a task runs: its fd, and the device's. */
#define REACHABLE_REFS	2

/*
 * What a sweep works on. The lifeline of the VM is the reading end of a pipe:
 * the writing end tells when nobody holds it any more.
 */
struct scene {
	int fd;
	uint64_t vm;
	int pipe[2];
	struct sim sim;
	int task;
	uint64_t task_id;
	struct vmguest_request request;
	struct nl nl;
	struct nl listener;
};

/* What a call that fails leaves as it was. */
struct world {
	struct vmguest_vm_get vm;
	int has_vm;
	int vms;
	int fds;
	int free_fd;
	int module_refs;
};

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

/* One that was reserved for a file is none that readdir() shows. */
static int lowest_free_fd(int fd)
{
	int free_fd = dup(fd);

	close(free_fd);
	return free_fd;
}

/* Whichever VM has the CID: the one that was registered, or its guest's own. */
static int get_by_cid(int fd, uint32_t cid, struct vmguest_vm_get *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->size = sizeof(*vm);
	vm->cid = cid;
	return vmg_call(fd, VMGUEST_VM_GET, vm);
}

/*
 * A dump that was given up holds the module until its socket is gone, which is a
 * little after it was closed; nothing can be polled for that.
 */
static void let_go(struct scene *s)
{
	uint64_t start = vmg_now_ms();

	if (!s->nl.buf)
		return;
	while (vmg_module_refs() != REACHABLE_REFS &&
	       vmg_now_ms() - start < VMG_PATIENCE_MS)
		usleep(1000);
}

static void look(struct scene *s, struct world *world)
{
	let_go(s);
	memset(world, 0, sizeof(*world));
	world->has_vm = get_by_cid(s->fd, VMG_CID, &world->vm);
	/* Counted only after the agent got the frame. */
	world->vm.frames_out = 0;
	world->vms = vmg_count(s->fd);
	world->fds = count_fds();
	world->free_fd = lowest_free_fd(s->fd);
	world->module_refs = vmg_module_refs();
}

/* Netlink would tell when an agent has left, and allocate for that. */
static bool agent_is_there(struct scene *s)
{
	struct vmguest_vm_get vm;

	return !get_by_cid(s->fd, VMG_CID, &vm) &&
	       (vm.vm_flags & VMGUEST_VM_AGENT);
}

/* Looked at again and again, so that nothing else allocates. */
static bool agent_has_left(struct scene *s)
{
	uint64_t start = vmg_now_ms();

	while (agent_is_there(s)) {
		if (vmg_now_ms() - start > VMG_PATIENCE_MS)
			return false;
		usleep(2000);
	}
	return true;
}

static int ask(struct scene *s, unsigned long nr, uint32_t flags)
{
	int err;

	s->request = vmg_request(s->vm);
	s->request.flags = flags;
	snprintf(s->request.reason, sizeof(s->request.reason), REASON);
	err = vmg_call(s->fd, nr, &s->request);
	if (err)
		return err;
	s->task = s->request.task_fd;
	s->task_id = s->request.task_id;
	return 0;
}

static void close_task(struct scene *s)
{
	if (s->task >= 0)
		close(s->task);
	s->task = -1;
}

static bool reason_is_whole(const struct vmguest_frame *frame)
{
	const struct vmguest_text *text = &frame->text[VMGUEST_REQUEST_REASON];

	return text->len == strlen(REASON) &&
	       !memcmp(text->data, REASON, text->len);
}

/* The next thing that the agent hears is the whole request. */
static bool request_arrives(struct scene *s, uint16_t verb)
{
	const struct vmguest_frame *frame = &s->sim.frame;

	return sim_expect(&s->sim, VMGUEST_WIRE_REQUEST) &&
	       frame->task_id == s->task_id && frame->request.verb == verb &&
	       reason_is_whole(frame);
}

/* The next thing is a PING that is sent now: nothing was sent before. */
static bool nothing_was_sent(struct scene *s)
{
	struct vmguest_request ping = vmg_request(s->vm);
	int fd = vmg_ask(s->fd, VMGUEST_PING, &ping);
	bool silent = fd >= 0 && sim_expect(&s->sim, VMGUEST_WIRE_PING) &&
		      s->sim.frame.task_id == ping.task_id &&
		      !sim_send(&s->sim, VMGUEST_WIRE_PONG, ping.task_id) &&
		      vmg_wait(fd).result == VMGUEST_RESULT_SUCCESS;

	close(fd);
	return silent;
}

/* Ends the running task in a way that the agent hears of. */
static bool cancel_task(struct scene *s)
{
	bool cancelled = !vmg_task_cancel(s->task) &&
			 sim_expect(&s->sim, VMGUEST_WIRE_CANCEL) &&
			 s->sim.frame.task_id == s->task_id;

	close_task(s);
	return cancelled;
}

static bool start_task(struct scene *s)
{
	return !ask(s, VMGUEST_SHUTDOWN, 0) &&
	       request_arrives(s, VMGUEST_VERB_SHUTDOWN);
}

/*
 * The calls. Each has up to four parts: what is there before, the call, whether
 * a call that returned 0 has done all of it and is undone, and whether one that
 * failed has done nothing that the world does not show.
 */
static bool registered(struct scene *s)
{
	return !vmg_register(s->fd, NAME, VMG_CID, -1, &s->vm);
}

static bool connected(struct scene *s)
{
	return registered(s) && !sim_connect(&s->sim, BOOT);
}

static bool running(struct scene *s)
{
	return connected(s) && start_task(s);
}

static bool logging_off(struct scene *s)
{
	return connected(s) && !ask(s, VMGUEST_LOGOFF, 0) &&
	       request_arrives(s, VMGUEST_VERB_LOGOFF);
}

static bool absent(struct scene *s)
{
	return !vmg_register(s->fd, NAME, VMG_ABSENT_CID, -1, &s->vm);
}

static bool dialled_in(struct scene *s)
{
	return !sim_connect(&s->sim, BOOT);
}

static int call_open(struct scene *s)
{
	int fd;

	(void)s;
	fd = vmg_open();

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int call_get_api(struct scene *s)
{
	struct vmguest_get_api api = { .size = sizeof(api) };

	return vmg_call(s->fd, VMGUEST_GET_API, &api);
}

static int call_register(struct scene *s)
{
	return vmg_register(s->fd, NAME, VMG_CID, -1, &s->vm);
}

static int call_register_lifeline(struct scene *s)
{
	return vmg_register(s->fd, NAME, VMG_CID, s->pipe[0], &s->vm);
}

static bool unregister_whole(struct scene *s)
{
	struct vmguest_vm_get by_id, by_name, by_cid;

	return !vmg_get(s->fd, s->vm, &by_id) &&
	       !vmg_get_named(s->fd, NAME, &by_name) &&
	       !get_by_cid(s->fd, VMG_CID, &by_cid) &&
	       by_name.vm_id == s->vm && by_cid.vm_id == s->vm &&
	       !vmg_unregister(s->fd, s->vm);
}

/* Its guest is to dial in once more by itself. */
static bool adopted_whole(struct scene *s)
{
	bool whole = agent_is_there(s) && unregister_whole(s);

	sim_close(&s->sim);
	return whole && vmg_wait_count(s->fd, 0) && dialled_in(s);
}

static int call_unregister(struct scene *s)
{
	return vmg_unregister(s->fd, s->vm);
}

static bool unregistered_whole(struct scene *s)
{
	return vmg_count(s->fd) == 0 && registered(s);
}

static int call_vm_get(struct scene *s)
{
	struct vmguest_vm_get vm;

	return vmg_get_named(s->fd, NAME, &vm);
}

static int call_vm_get_next(struct scene *s)
{
	return vmg_count(s->fd) == 1 ? 0 : -ENOENT;
}

static int call_shutdown(struct scene *s)
{
	return ask(s, VMGUEST_SHUTDOWN, 0);
}

static bool shutdown_whole(struct scene *s)
{
	return request_arrives(s, VMGUEST_VERB_SHUTDOWN) && cancel_task(s);
}

static int call_restart(struct scene *s)
{
	return ask(s, VMGUEST_RESTART, 0);
}

static bool restart_whole(struct scene *s)
{
	return request_arrives(s, VMGUEST_VERB_RESTART) && cancel_task(s);
}

static int call_logoff(struct scene *s)
{
	return ask(s, VMGUEST_LOGOFF, 0);
}

static bool logoff_whole(struct scene *s)
{
	return request_arrives(s, VMGUEST_VERB_LOGOFF) && cancel_task(s);
}

static int call_ping(struct scene *s)
{
	return ask(s, VMGUEST_PING, 0);
}

static bool ping_whole(struct scene *s)
{
	bool whole = sim_expect(&s->sim, VMGUEST_WIRE_PING) &&
		     s->sim.frame.task_id == s->task_id &&
		     !sim_send(&s->sim, VMGUEST_WIRE_PONG, s->task_id) &&
		     vmg_wait(s->task).result == VMGUEST_RESULT_SUCCESS;

	close_task(s);
	return whole;
}

/* The call's own fd is the second one of the task. */
static int call_join(struct scene *s)
{
	struct vmguest_request request = vmg_request(s->vm);
	int fd;

	request.flags = VMGUEST_REQ_JOIN;
	fd = vmg_ask(s->fd, VMGUEST_SHUTDOWN, &request);
	if (fd < 0)
		return fd;
	close(fd);
	return request.task_id == s->task_id ? 0 : -ESTALE;
}

static bool one_joined(struct scene *s)
{
	return vmg_task(s->task).joiners == 1 && nothing_was_sent(s) &&
	       cancel_task(s) && start_task(s);
}

static bool nobody_joined(struct scene *s)
{
	return vmg_task(s->task).joiners == 0 && nothing_was_sent(s);
}

/* The weaker task's fd is not lost. */
static int call_supersede(struct scene *s)
{
	struct vmguest_request request = vmg_request(s->vm);
	int fd = vmg_ask(s->fd, VMGUEST_SHUTDOWN, &request);

	if (fd < 0)
		return fd;
	s->request = request;
	return 0;
}

static bool superseded_whole(struct scene *s)
{
	struct vmguest_task_get weaker = vmg_task(s->task);
	int fd = s->request.task_fd;
	uint64_t id = s->request.task_id;
	bool whole = weaker.superseded_by == id &&
		     weaker.error == -ECANCELED &&
		     sim_expect(&s->sim, VMGUEST_WIRE_CANCEL) &&
		     s->sim.frame.task_id == s->task_id &&
		     sim_expect(&s->sim, VMGUEST_WIRE_REQUEST) &&
		     s->sim.frame.task_id == id && !vmg_task_cancel(fd) &&
		     sim_expect(&s->sim, VMGUEST_WIRE_CANCEL);

	close(fd);
	close_task(s);
	return whole && !ask(s, VMGUEST_LOGOFF, 0) &&
	       request_arrives(s, VMGUEST_VERB_LOGOFF);
}

static bool nothing_superseded(struct scene *s)
{
	struct vmguest_task_get task = vmg_task(s->task);

	return !(task.task_flags & VMGUEST_TASK_COMPLETE) &&
	       nothing_was_sent(s);
}

static int call_queue(struct scene *s)
{
	return ask(s, VMGUEST_SHUTDOWN, VMGUEST_REQ_QUEUE);
}

/* The agent that comes is told; it leaves again. */
static bool queued_whole(struct scene *s)
{
	bool whole = !sim_connect(&s->sim, BOOT) && shutdown_whole(s);

	sim_close(&s->sim);
	return whole && agent_has_left(s);
}

/* An agent that comes is told nothing; it leaves again. */
static bool nothing_queued(struct scene *s)
{
	bool silent = !sim_connect(&s->sim, BOOT) && nothing_was_sent(s);

	sim_close(&s->sim);
	return silent && agent_has_left(s);
}

/* The fd of the group stands for that of a task. */
static int call_group(struct scene *s)
{
	struct vmguest_group_member members[] = {
		vmg_member(s->vm, VMGUEST_VERB_PING),
		vmg_member(s->vm, VMGUEST_VERB_SHUTDOWN),
	};
	struct vmguest_group_start start = {
		.size = sizeof(start),
		.members = (uintptr_t)members,
		.count = 2,
		.member_size = sizeof(members[0]),
		.record_size = sizeof(struct vmguest_group_record),
		.reason = REASON,
	};
	int err;

	members[0].order = 1;
	members[1].flags = VMGUEST_REQ_CANCEL_ON_CLOSE;
	err = vmg_call(s->fd, VMGUEST_GROUP_START, &start);
	if (err)
		return err;
	s->task = start.group_fd;
	return 0;
}

/* The first of its requests is delivered, and closing cancels it. */
static bool group_whole(struct scene *s)
{
	struct vmguest_vm_get vm;

	if (vmg_get(s->fd, s->vm, &vm))
		return false;
	s->task_id = vm.task_id;
	if (!request_arrives(s, VMGUEST_VERB_SHUTDOWN))
		return false;
	close_task(s);
	return sim_expect(&s->sim, VMGUEST_WIRE_CANCEL) &&
	       s->sim.frame.task_id == s->task_id && nothing_was_sent(s);
}

static int call_task_open(struct scene *s)
{
	int fd = vmg_task_open(s->fd, s->task_id);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int call_task_get(struct scene *s)
{
	return vmg_task(s->task).error;
}

static int call_task_read(struct scene *s)
{
	struct vmguest_task_event event;
	ssize_t got = read(s->task, &event, sizeof(event));

	return got < 0 ? -errno : got != sizeof(event);
}

static bool blocked(struct scene *s)
{
	if (!running(s) ||
	    sim_send_blocked(&s->sim, s->task_id, VMGUEST_BLOCKER_SESSION, "a",
			     "b"))
		return false;
	while (!vmg_task(s->task).blockers)
		if (!vmg_poll(s->task, POLLPRI, VMG_PATIENCE_MS))
			return false;
	return true;
}

static int call_task_blocker(struct scene *s)
{
	struct vmguest_task_blocker blocker = { .size = sizeof(blocker) };

	return vmg_call(s->task, VMGUEST_TASK_BLOCKER, &blocker);
}

static int set_vm(struct scene *s, uint32_t cid, int lifeline)
{
	struct vmguest_vm_set cmd = {
		.size = sizeof(cmd),
		.vm_id = s->vm,
		.what = VMGUEST_SET_CID | VMGUEST_SET_LIFELINE |
			VMGUEST_SET_MODE | VMGUEST_SET_PAUSED,
		.mode = 0700,
		.new_cid = cid,
		.lifeline_fd = lifeline,
	};

	return vmg_call(s->fd, VMGUEST_VM_SET, &cmd);
}

static int call_vm_set(struct scene *s)
{
	return set_vm(s, VMG_ABSENT_CID, s->pipe[0]);
}

static bool set_whole(struct scene *s)
{
	struct vmguest_vm_get vm;

	return !get_by_cid(s->fd, VMG_ABSENT_CID, &vm) && vm.vm_id == s->vm &&
	       (vm.vm_flags & VMGUEST_VM_LIFELINE) && vm.mode == 0700 &&
	       get_by_cid(s->fd, VMG_CID, &vm) == -ENOENT &&
	       !set_vm(s, VMG_CID, -1);
}

static int call_task_cancel(struct scene *s)
{
	return vmg_task_cancel(s->task);
}

static bool cancelled_whole(struct scene *s)
{
	bool whole = sim_expect(&s->sim, VMGUEST_WIRE_CANCEL) &&
		     vmg_task(s->task).error == -ECANCELED;

	close_task(s);
	return whole && start_task(s);
}

/*
 * Netlink: a socket of its own for every time, because what a dump that fails
 * leaves behind goes with its socket.
 */
static bool reachable(struct scene *s)
{
	if (!running(s) || nl_open(&s->nl))
		return false;
	close(s->nl.fd);
	s->nl.fd = -1;
	return true;
}

static void count_message(const struct nl_message *message, void *data)
{
	(void)message;
	++*(int *)data;
}

/* The kernel has more than one word for no memory here. */
static int nl_result(struct scene *s, int err, int messages)
{
	close(s->nl.fd);
	s->nl.fd = -1;
	if (err == -ENOBUFS || err == -ENFILE || err == -EAGAIN)
		return -ENOMEM;
	return err ?: messages == 1 ? 0 : -ENODATA;
}

static int call_nl(struct scene *s, uint8_t cmd, uint16_t flags, uint64_t id)
{
	int messages = 0;
	int err;

	err = nl_reopen(&s->nl);
	if (err)
		return nl_result(s, err, 0);
	nl_begin(&s->nl, cmd, flags);
	if (id)
		nl_put_u64(&s->nl, VMGUEST_A_VM_ID, id);
	err = nl_call(&s->nl, count_message, &messages);
	return nl_result(s, err, messages);
}

static int call_nl_vm_get(struct scene *s)
{
	return call_nl(s, VMGUEST_CMD_VM_GET, 0, s->vm);
}

static int call_nl_vm_dump(struct scene *s)
{
	return call_nl(s, VMGUEST_CMD_VM_GET, NLM_F_DUMP, 0);
}

static int call_nl_task_get(struct scene *s)
{
	return call_nl(s, VMGUEST_CMD_TASK_GET, 0, s->task_id);
}

static int call_nl_task_dump(struct scene *s)
{
	return call_nl(s, VMGUEST_CMD_TASK_GET, NLM_F_DUMP, 0);
}

static int call_nl_stats_get(struct scene *s)
{
	return call_nl(s, VMGUEST_CMD_STATS_GET, 0, 0);
}

static bool listening(struct scene *s)
{
	return !nl_open(&s->listener) && !nl_join(&s->listener, 0);
}

/* Whoever listens hears of it, or that something is missing. */
static bool was_heard(struct scene *s, uint8_t cmd)
{
	struct nl_message event;
	int err = nl_event(&s->listener, &event, 0);

	return err == -ENOBUFS || (!err && event.cmd == cmd);
}

static bool nobody_heard(struct scene *s)
{
	struct nl_message event;

	return nl_event(&s->listener, &event, 0) == -EAGAIN;
}

static bool registered_and_heard(struct scene *s)
{
	return was_heard(s, VMGUEST_CMD_VM_REGISTERED) &&
	       unregister_whole(s) && was_heard(s, VMGUEST_CMD_VM_UNREGISTERED);
}

static void scene_begin(struct scene *s)
{
	s->task = -1;
	s->sim.fd = -1;
	s->nl.fd = -1;
	s->listener.fd = -1;
	s->fd = vmg_open();
	vmg_unregister_all(s->fd);
	if (pipe(s->pipe))
		s->pipe[0] = -1;
}

/* Return: whether nobody holds the lifeline any more. */
static bool scene_end(struct scene *s)
{
	struct pollfd pfd = { .fd = s->pipe[1] };

	fault_end();
	close_task(s);
	sim_close(&s->sim);
	nl_close(&s->nl);
	nl_close(&s->listener);
	vmg_unregister_all(s->fd);
	close(s->fd);
	close(s->pipe[0]);
	poll(&pfd, 1, 0);
	close(s->pipe[1]);
	return pfd.revents & POLLERR;
}

FIXTURE(call) {
	struct scene s;
};

/*
 * @before, @make, @whole, @nothing: See above.
 * @answer: What the call returns when nothing fails.
 * @least: How many of its allocations it cannot do without, at the very least.
 */
FIXTURE_VARIANT(call) {
	bool (*before)(struct scene *s);
	int (*make)(struct scene *s);
	bool (*whole)(struct scene *s);
	bool (*nothing)(struct scene *s);
	int answer;
	unsigned int least;
};

#define CALL(name, ...)							\
	FIXTURE_VARIANT_ADD(call, name) { __VA_ARGS__ }

CALL(open, .before = registered, .make = call_open, .least = 2);
CALL(get_api, .before = registered, .make = call_get_api);
CALL(vm_register, .make = call_register, .whole = unregister_whole,
     .least = 4);
CALL(vm_register_with_lifeline, .make = call_register_lifeline,
     .whole = unregister_whole, .least = 5);
CALL(vm_register_adopting, .before = dialled_in,
     .make = call_register_lifeline, .whole = adopted_whole, .least = 2);
CALL(vm_unregister, .before = registered, .make = call_unregister,
     .whole = unregistered_whole);
CALL(vm_get, .before = registered, .make = call_vm_get);
CALL(vm_get_next, .before = registered, .make = call_vm_get_next);
CALL(vm_set, .before = registered, .make = call_vm_set, .whole = set_whole,
     .least = 2);
CALL(shutdown, .before = connected, .make = call_shutdown,
     .whole = shutdown_whole, .nothing = nothing_was_sent, .least = 6);
CALL(shutdown_joining, .before = running, .make = call_join,
     .whole = one_joined, .nothing = nobody_joined, .least = 9);
CALL(shutdown_superseding, .before = logging_off, .make = call_supersede,
     .whole = superseded_whole, .nothing = nothing_superseded, .least = 6);
CALL(shutdown_queued, .before = registered, .make = call_queue,
     .whole = queued_whole, .nothing = nothing_queued, .least = 8);
CALL(shutdown_of_an_absent_vm, .before = absent, .make = call_shutdown,
     .answer = -EHOSTDOWN, .least = 14);
CALL(shutdown_of_an_absent_vm_queued, .before = absent, .make = call_queue,
     .answer = -EHOSTDOWN, .least = 14);
CALL(restart, .before = connected, .make = call_restart,
     .whole = restart_whole, .nothing = nothing_was_sent, .least = 6);
CALL(logoff, .before = connected, .make = call_logoff,
     .whole = logoff_whole, .nothing = nothing_was_sent, .least = 6);
CALL(ping, .before = connected, .make = call_ping,
     .whole = ping_whole, .nothing = nothing_was_sent, .least = 6);
CALL(group, .before = connected, .make = call_group,
     .whole = group_whole, .nothing = nothing_was_sent, .least = 7);
CALL(task_open, .before = running, .make = call_task_open, .least = 3);
CALL(task_get, .before = running, .make = call_task_get);
CALL(task_read, .before = running, .make = call_task_read);
CALL(task_blocker, .before = blocked, .make = call_task_blocker);
CALL(nl_vm_get, .before = reachable, .make = call_nl_vm_get, .least = 3);
CALL(nl_vm_dump, .before = reachable, .make = call_nl_vm_dump, .least = 3);
CALL(nl_task_get, .before = reachable, .make = call_nl_task_get, .least = 3);
CALL(nl_task_dump, .before = reachable, .make = call_nl_task_dump, .least = 3);
CALL(nl_stats_get, .before = reachable, .make = call_nl_stats_get, .least = 3);
CALL(vm_register_heard, .before = listening, .make = call_register,
     .whole = registered_and_heard, .nothing = nobody_heard, .least = 4);
CALL(task_cancel, .before = running, .make = call_task_cancel,
     .whole = cancelled_whole);

FIXTURE_SETUP(call)
{
	if (fault_begin())
		SKIP(_exit(EXIT_SKIP), "this kernel cannot fail allocations");
	scene_begin(&self->s);
	ASSERT_LE(0, self->s.fd);
	ASSERT_LE(0, self->s.pipe[0]);
}

FIXTURE_TEARDOWN(call)
{
	EXPECT_TRUE(scene_end(&self->s));
}

static void sweep(struct __test_metadata *_metadata, struct scene *s,
		  const FIXTURE_VARIANT(call) *variant, enum fault_kind kind)
{
	struct world before, after;
	unsigned int nth, failed = 0;
	bool struck = true;
	int err;

	if (variant->before)
		ASSERT_TRUE(variant->before(s));
	for (nth = 1; struck; nth++) {
		ASSERT_GT(SWEEP_MAX, nth);
		look(s, &before);
		fault_arm(nth, kind);
		err = variant->make(s);
		struck = fault_struck();
		if (struck && err == -ENOMEM) {
			failed++;
			look(s, &after);
			ASSERT_EQ(0, memcmp(&before, &after, sizeof(before)));
			if (variant->nothing)
				ASSERT_TRUE(variant->nothing(s));
			continue;
		}
		if (err != variant->answer)
			TH_LOG("fault %u", nth);
		ASSERT_EQ(variant->answer, err);
		if (variant->whole)
			ASSERT_TRUE(variant->whole(s));
	}
	TH_LOG("failed %u times, went on %u times", failed, nth - 2 - failed);
	/* A fault that strikes only once is one that can be made up for. */
	EXPECT_LE(kind == FAULT_LASTING ? variant->least : !!variant->least,
		  failed);
}

TEST_F_TIMEOUT(call, each_allocation_fails, SWEEP_SECONDS)
{
	sweep(_metadata, &self->s, variant, FAULT_ONCE);
}

TEST_F_TIMEOUT(call, all_allocations_from_one_on_fail, SWEEP_SECONDS)
{
	sweep(_metadata, &self->s, variant, FAULT_LASTING);
}

FIXTURE(guest) {
	struct scene s;
	uint64_t other_vm;
};

/* @registered: Its VM is; else it comes and goes as it likes. */
FIXTURE_VARIANT(guest) {
	bool registered;
};

FIXTURE_VARIANT_ADD(guest, registered) {
	.registered = true,
};

FIXTURE_VARIANT_ADD(guest, by_itself) {
	.registered = false,
};

FIXTURE_SETUP(guest)
{
	struct scene *s = &self->s;

	if (fault_begin())
		SKIP(_exit(EXIT_SKIP), "this kernel cannot fail allocations");
	scene_begin(s);
	ASSERT_LE(0, s->fd);
	ASSERT_EQ(0, vmg_register(s->fd, "other", VMG_ABSENT_CID, s->pipe[0],
				  &self->other_vm));
	if (variant->registered)
		ASSERT_TRUE(registered(s));
}

FIXTURE_TEARDOWN(guest)
{
	EXPECT_TRUE(scene_end(&self->s));
}

/* A registration that fails, after its VM was allocated. */
static void allocate(void *data)
{
	struct scene *s = data;

	vmg_register(s->fd, "other", VMG_ABSENT_CID, -1, NULL);
}

/* The connection has ended, and what it was to the module, too. */
static bool hang_up(struct scene *s, bool registered)
{
	sim_close(&s->sim);
	return registered ? agent_has_left(s) : vmg_wait_count(s->fd, 1);
}

static int dial_and_hello(struct sim *sim)
{
	return sim_dial(sim, 0) ?:
	       sim_hello(sim, BOOT, SIM_CAPABILITIES, VMGUEST_ROLE_AGENT);
}

/*
 * A guest dials while allocations fail. It hears WELCOME, or its connection
 * ends and it dials once more. Return: whether a fault struck.
 */
static bool dial_in(struct __test_metadata *_metadata, struct scene *s,
		    bool registered, int patience)
{
	struct vmguest_vm_get before, after;
	unsigned int welcomes;
	int heard = -1;
	bool struck;

	get_by_cid(s->fd, VMG_CID, &before);
	if (!dial_and_hello(&s->sim))
		heard = sim_receive(&s->sim, patience);
	if (heard)
		EXPECT_TRUE(hang_up(s, registered));
	struck = fault_struck_module();
	if (!heard) {
		heard = sim_receive(&s->sim, VMG_PATIENCE_MS);
		EXPECT_TRUE(hang_up(s, registered));
	}
	welcomes = heard == VMGUEST_WIRE_WELCOME;
	if (!welcomes)
		EXPECT_EQ(-1, heard);
	EXPECT_TRUE(welcomes || struck);
	EXPECT_EQ(0, sim_connect(&s->sim, BOOT));
	EXPECT_TRUE(hang_up(s, registered));
	if (!registered)
		return struck;
	get_by_cid(s->fd, VMG_CID, &after);
	EXPECT_EQ(welcomes + 1, after.frames_out - before.frames_out);
	EXPECT_LE(welcomes + 1, after.frames_in - before.frames_in);
	EXPECT_GE(2, after.frames_in - before.frames_in);
	EXPECT_EQ(0, after.malformed);
	EXPECT_EQ(0, after.refused);
	return struck;
}

/* Connections without a HELLO are counted; none was forgotten. */
static bool strangers_fit(void)
{
	struct sim sims[STRANGERS + 1];
	bool fit = true;
	int i;

	for (i = 0; i <= STRANGERS; i++)
		fit &= !sim_dial(&sims[i], 0);
	fit &= sim_receive(&sims[STRANGERS], VMG_PATIENCE_MS) == -1;
	for (i = 0; i <= STRANGERS; i++) {
		fit &= i == STRANGERS || !sim_receive(&sims[i], 0);
		sim_close(&sims[i]);
	}
	return fit;
}

TEST_F_TIMEOUT(guest, each_allocation_fails, SWEEP_SECONDS)
{
	unsigned int nth;
	bool struck = true;

	for (nth = 1; struck; nth++) {
		ASSERT_GT(SWEEP_MAX, nth);
		fault_arm_module(nth, allocate, &self->s);
		struck = dial_in(_metadata, &self->s, variant->registered,
				 VMG_PATIENCE_MS);
		if (!_metadata->passed)
			TH_LOG("fault %u", nth);
		ASSERT_TRUE(_metadata->passed);
	}
	TH_LOG("%u allocations", nth - 2);
	EXPECT_LE(4, nth - 2);
	EXPECT_TRUE(strangers_fit());
}

TEST_F_TIMEOUT(guest, all_allocations_of_a_function_fail, SWEEP_SECONDS)
{
	unsigned int nth, functions = 0;
	const char *name;

	for (nth = 0; (name = fault_arm_function(nth)); nth++) {
		if (dial_in(_metadata, &self->s, variant->registered,
			    FAULT_PATIENCE_MS)) {
			TH_LOG("%s()", name);
			functions++;
		}
		ASSERT_TRUE(_metadata->passed);
	}
	EXPECT_LE(4, functions);
	EXPECT_TRUE(strangers_fit());
}

/* The module closes a connection with garbage, and the guest is told. */
TEST_F_TIMEOUT(guest, hears_the_end, SWEEP_SECONDS)
{
	static const char garbage[64];
	struct scene *s = &self->s;
	unsigned int nth;
	bool struck = true;

	for (nth = 1; struck; nth++) {
		ASSERT_GT(SWEEP_MAX, nth);
		fault_arm_module(nth, allocate, s);
		if (!sim_dial(&s->sim, 0) &&
		    !sim_send_raw(&s->sim, garbage, sizeof(garbage)))
			ASSERT_EQ(-1, sim_receive(&s->sim, VMG_PATIENCE_MS));
		sim_close(&s->sim);
		struck = fault_struck_module();
	}
	TH_LOG("%u allocations", nth - 2);
	EXPECT_LE(4, nth - 2);
	EXPECT_TRUE(strangers_fit());
}

/* What the agent says to a REQUEST that is whole. */
static bool answer_request(struct scene *s, bool *breathed)
{
	const struct vmguest_frame *frame = &s->sim.frame;

	if (frame->task_id != s->task_id || s->sim.requests != 1 ||
	    frame->request.verb != VMGUEST_VERB_SHUTDOWN ||
	    !reason_is_whole(frame))
		return false;
	if (frame->request.flags & VMGUEST_WIRE_REQ_COMMITTED) {
		sim_send_last_breath(&s->sim, s->task_id, VMGUEST_END_POWEROFF);
		*breathed = true;
		return true;
	}
	sim_send(&s->sim, VMGUEST_WIRE_ACCEPTED, s->task_id);
	sim_send(&s->sim, VMGUEST_WIRE_COMMIT, s->task_id);
	return true;
}

/*
 * An agent that dials again when its connection ends shuts down. After its last
 * breath it does not mind.
 */
static bool shut_down(struct scene *s, uint8_t boot)
{
	bool breathed = false;
	int dials = 0;
	int heard;

	for (;;) {
		heard = sim_receive(&s->sim, VMG_PATIENCE_MS);
		switch (heard) {
		case VMGUEST_WIRE_REQUEST:
			if (!answer_request(s, &breathed))
				return false;
			break;
		case VMGUEST_WIRE_GO:
			sim_send_last_breath(&s->sim, s->task_id,
					     VMGUEST_END_POWEROFF);
			breathed = true;
			break;
		case VMGUEST_WIRE_LAST_BREATH_ACK:
			return breathed;
		case -1:
			if (breathed)
				return true;
			sim_close(&s->sim);
			if (dials++ || sim_connect(&s->sim, boot))
				return false;
			break;
		default:
			return false;
		}
	}
}

/* Whatever fails, the whole request arrives, and it ends as it should. */
TEST_F_TIMEOUT(guest, is_shut_down, SWEEP_SECONDS)
{
	struct scene *s = &self->s;
	struct vmguest_task_get task;
	struct vmguest_request request;
	struct vmguest_vm_get vm;
	unsigned int nth, failed = 0;
	bool struck = true;

	for (nth = 1; struck; nth++) {
		ASSERT_GT(SWEEP_MAX, nth);
		ASSERT_EQ(0, sim_connect(&s->sim, nth));
		ASSERT_EQ(0, get_by_cid(s->fd, VMG_CID, &vm));
		request = vmg_request(vm.vm_id);
		request.until = VMGUEST_UNTIL_DOWN;
		snprintf(request.reason, sizeof(request.reason), REASON);
		fault_arm_module(nth, allocate, s);
		s->task = vmg_ask(s->fd, VMGUEST_SHUTDOWN, &request);
		s->task_id = request.task_id;
		if (s->task < 0) {
			ASSERT_EQ(-ENOMEM, s->task);
			ASSERT_TRUE(fault_struck_module());
			failed++;
			s->vm = vm.vm_id;
			ASSERT_TRUE(nothing_was_sent(s));
			ASSERT_TRUE(hang_up(s, variant->registered));
			continue;
		}
		ASSERT_TRUE(shut_down(s, nth));
		sim_close(&s->sim);
		task = vmg_wait(s->task);
		struck = fault_struck_module();
		close_task(s);
		EXPECT_EQ(VMGUEST_RESULT_SUCCESS, task.result);
		EXPECT_EQ(VMGUEST_PROOF_ACCEPTED | VMGUEST_PROOF_COMMITTED |
			  VMGUEST_PROOF_LAST_BREATH |
			  VMGUEST_PROOF_CHANNEL_DOWN, task.proofs);
		ASSERT_TRUE(hang_up(s, variant->registered));
	}
	TH_LOG("%u allocations, %u of them the call's", nth - 2, failed);
	EXPECT_LE(3, failed);
	EXPECT_LE(6, nth - 2 - failed);
}

TEST_HARNESS_MAIN
