// SPDX-License-Identifier: GPL-2.0
/*
 * The agent against a scripted host, over a Unix socket: the real program with
 * its recording backend, and the real codec. KTAP on stdout.
 *
 * usage: test-agent AGENT
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

/* Longer than anything takes, unless the agent is broken. */
#define PATIENCE_MS	10000
/* Long enough to see that nothing comes. */
#define SILENCE_MS	300
#define HEARTBEAT_MS	400

/* The agent's KILL_GRACE_MS. */
#define KILL_GRACE_MS	5000

/* The agent's SESSION_MAX. */
#define AGENT_SESSIONS	256

#define GRACE_MS	200

#define BOOT		"00112233445566778899aabbccddeeff"
#define TASK		7

static struct test {
	const char *agent;
	char folder[64];
	char socket[96];
	char record[96];
	char config[96];
	bool no_grace;
	int listener;
	int conn;
	pid_t pid;
	__u8 instance;
	__u8 boot_id[16];
	__u64 capabilities;
	__u32 features;
	__u8 buf[VMGUEST_FRAME_MAX];
	size_t len;
	size_t consumed;
	struct vmguest_frame frame;
	jmp_buf failed;
} test;

/* The same as BOOT. */
static const __u8 boot[16] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
	0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
};

__attribute__((noreturn, format(printf, 2, 3)))
static void fail_at(int line, const char *fmt, ...)
{
	va_list args;

	printf("# line %d: ", line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	longjmp(test.failed, 1);
}

#define fail(...)	fail_at(__LINE__, __VA_ARGS__)
#define check(cond)	do { if (!(cond)) fail("%s", #cond); } while (0)
#define expect(type)	expect_at(__LINE__, type, TASK)

static void path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", test.folder, name);
}

static bool readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) > 0;
}

static void host_send(struct vmguest_frame frame, __u64 task)
{
	__u8 buf[VMGUEST_FRAME_MAX];
	int len;

	frame.task_id = task;
	len = vmguest_protocol_encode(&frame, buf, sizeof(buf));
	check(len > 0);
	check(send(test.conn, buf, len, MSG_NOSIGNAL) == len);
}

static void host_say(__u16 type)
{
	host_send((struct vmguest_frame){ .type = type }, TASK);
}

static void host_request(__u16 verb, __u32 flags, __u64 task)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = verb, .flags = flags,
			     .deadline_ms = 60000 },
	};

	host_send(frame, task);
}

/* Return: false when the agent has closed the connection. */
static bool host_receive(int line)
{
	ssize_t n;
	int size;

	memmove(test.buf, test.buf + test.consumed, test.len - test.consumed);
	test.len -= test.consumed;
	test.consumed = 0;
	for (;;) {
		size = vmguest_protocol_decode(test.buf, test.len,
					       VMGUEST_FROM_AGENT, &test.frame);
		if (size < 0)
			fail_at(line, "the agent sent a malformed frame");
		if (size)
			break;
		if (!readable(test.conn, PATIENCE_MS))
			fail_at(line, "nothing comes from the agent");
		n = recv(test.conn, test.buf + test.len,
			 sizeof(test.buf) - test.len, 0);
		if (n <= 0)
			return false;
		test.len += n;
	}
	test.consumed = size;
	return true;
}

static void expect_at(int line, __u16 type, __u64 task)
{
	if (!host_receive(line))
		fail_at(line, "closed instead of frame 0x%02x", type);
	if (test.frame.type != type || test.frame.task_id != task)
		fail_at(line, "frame 0x%02x of task %llu, not 0x%02x of %llu",
			test.frame.type,
			(unsigned long long)test.frame.task_id, type,
			(unsigned long long)task);
}

static void expect_result_at(int line, __u32 code, __u32 targeted, __u32 ended)
{
	expect_at(line, VMGUEST_WIRE_RESULT, TASK);
	if (test.frame.result.code != code ||
	    test.frame.result.targeted != targeted ||
	    test.frame.result.ended != ended)
		fail_at(line, "result %u, %u of %u", test.frame.result.code,
			test.frame.result.ended, test.frame.result.targeted);
}
#define expect_result(...)	expect_result_at(__LINE__, __VA_ARGS__)

static bool text_is(int index, const char *wanted)
{
	const struct vmguest_text *text = &test.frame.text[index];

	return text->len == strlen(wanted) &&
	       !memcmp(text->data, wanted, text->len);
}

static void expect_blocked_at(int line, __u32 kind, __u32 pid, const char *who)
{
	expect_at(line, VMGUEST_WIRE_BLOCKED, TASK);
	if (test.frame.blocked.kind != kind || test.frame.blocked.pid != pid ||
	    !text_is(VMGUEST_BLOCKED_WHO, who))
		fail_at(line, "blocked: kind %u, pid %u, %.*s",
			test.frame.blocked.kind, test.frame.blocked.pid,
			(int)test.frame.text[VMGUEST_BLOCKED_WHO].len,
			test.frame.text[VMGUEST_BLOCKED_WHO].data);
}
#define expect_blocked(...)	expect_blocked_at(__LINE__, __VA_ARGS__)

static void expect_progress_at(int line, __u32 percent)
{
	expect_at(line, VMGUEST_WIRE_PROGRESS, TASK);
	if (test.frame.progress.percent != percent)
		fail_at(line, "%u percent", test.frame.progress.percent);
}
#define expect_progress(...)	expect_progress_at(__LINE__, __VA_ARGS__)

static void expect_silence_at(int line, int ms)
{
	if (test.len > test.consumed || readable(test.conn, ms))
		fail_at(line, "the agent is not silent");
}
#define expect_silence_for(ms)	expect_silence_at(__LINE__, ms)
#define expect_silence()	expect_silence_for(SILENCE_MS)

static void expect_closed_at(int line)
{
	if (host_receive(line))
		fail_at(line, "frame 0x%02x instead of the end",
			test.frame.type);
}
#define expect_closed()	expect_closed_at(__LINE__)

static void host_disconnect(void)
{
	if (test.conn >= 0)
		close(test.conn);
	test.conn = -1;
	test.len = 0;
	test.consumed = 0;
}

/* Take the agent's next connection, up to its HELLO. */
static void host_accept(void)
{
	host_disconnect();
	if (!readable(test.listener, PATIENCE_MS))
		fail("the agent does not dial");
	test.conn = accept4(test.listener, NULL, NULL, SOCK_CLOEXEC);
	check(test.conn >= 0);
	expect_at(__LINE__, VMGUEST_WIRE_HELLO, 0);
	memcpy(test.boot_id, test.frame.hello.boot_id, 16);
	test.capabilities = test.frame.hello.capabilities;
}

static void host_welcome(__u32 heartbeat_ms)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_WELCOME,
		.welcome = {
			.heartbeat_ms = heartbeat_ms,
			.features = test.features,
		},
	};

	memset(frame.welcome.instance, test.instance, 16);
	host_send(frame, 0);
}

static void host_open(void)
{
	host_accept();
	host_welcome(0);
}

/* The lines of the record, joined by commas. */
static const char *recorded(void)
{
	static char text[512];
	ssize_t n, i;
	int fd;

	fd = open(test.record, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "";
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return "";
	text[n - 1] = '\0';
	for (i = 0; i < n; i++)
		if (text[i] == '\n')
			text[i] = ',';
	return text;
}

static void expect_recorded_at(int line, const char *wanted)
{
	if (strcmp(recorded(), wanted))
		fail_at(line, "done: \"%s\", not \"%s\"", recorded(), wanted);
}
#define expect_recorded(wanted)	expect_recorded_at(__LINE__, wanted)

/* What the recording backend reads; seen as a whole. */
static void write_list(const char *suffix, const char *lines)
{
	char path[128], new[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%s", test.record, suffix);
	snprintf(new, sizeof(new), "%s.new", test.record);
	file = fopen(new, "we");
	check(file);
	fputs(lines, file);
	fclose(file);
	check(!rename(new, path));
}

static void remove_list(const char *suffix)
{
	char path[128];

	snprintf(path, sizeof(path), "%s.%s", test.record, suffix);
	check(!unlink(path));
}

static void write_config(const char *lines)
{
	FILE *file = fopen(test.config, "we");

	check(file);
	fputs(lines, file);
	fclose(file);
}

static void write_sessions(const char *names)
{
	write_list("sessions", names);
}

static void exec_agent(const char *first, const char *second)
{
	char backend[128], task[128], grace[16];
	const char *argv[] = {
		test.agent, "--connect", test.socket, "--backend", backend,
		"--task", task, "--boot-id", BOOT, "--config", test.config,
		first, second, test.no_grace ? NULL : "--grace", grace, NULL
	};
	char log[128];
	int fd;

	snprintf(backend, sizeof(backend), "record:%s", test.record);
	snprintf(grace, sizeof(grace), "%d", GRACE_MS);
	path_of(task, sizeof(task), "task");
	path_of(log, sizeof(log), "log");
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	execv(test.agent, (char **)argv);
	_exit(127);
}

static void start_agent_with(const char *first, const char *second)
{
	fflush(stdout);
	test.pid = fork();
	check(test.pid >= 0);
	if (!test.pid)
		exec_agent(first, second);
}

static void start_agent(void)
{
	start_agent_with("--verbose", "--verbose");
}

static void expect_exit_at(int line, int wanted)
{
	int i, status = -1;
	pid_t pid = 0;

	for (i = 0; i < PATIENCE_MS / 10 && !pid; i++) {
		pid = waitpid(test.pid, &status, WNOHANG);
		if (!pid)
			poll(NULL, 0, 10);
	}
	if (!pid)
		fail_at(line, "the agent does not exit");
	test.pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
		fail_at(line, "the agent's status is 0x%x", status);
}
#define expect_exit(wanted)	expect_exit_at(__LINE__, wanted)

/* Up to the point where the agent waits for GO. */
static void ask(__u16 verb, __u32 flags)
{
	host_request(verb, flags, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
}

static void begin(void)
{
	start_agent();
	host_open();
}

static void hello(void)
{
	start_agent();
	host_accept();
	check(!memcmp(test.boot_id, boot, sizeof(boot)));
	check(test.frame.hello.role == VMGUEST_ROLE_AGENT);
	check(test.capabilities & VMGUEST_CAP_LAST_BREATH);
	check(test.frame.text[VMGUEST_HELLO_KERNEL].len);
	check(test.frame.text[VMGUEST_HELLO_OS_NAME].len);
}

static void shutdown_by_request(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	expect_silence();
	expect_recorded("");
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	check(test.frame.last_breath.end == VMGUEST_END_POWEROFF);
	expect_recorded("poweroff");
	host_say(VMGUEST_WIRE_LAST_BREATH_ACK);
	expect_closed();
	expect_exit(0);
}

static void last_breath_unanswered(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_closed();
	expect_exit(0);
}

static void restart_by_request(void)
{
	begin();
	ask(VMGUEST_VERB_RESTART, VMGUEST_WIRE_REQ_FORCE);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	check(test.frame.last_breath.end == VMGUEST_END_REBOOT);
	host_say(VMGUEST_WIRE_LAST_BREATH_ACK);
	expect_closed();
	expect_recorded("reboot force");
	host_accept();
	check(memcmp(test.boot_id, boot, sizeof(boot)));
}

static void cancel_before_go(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_CANCEL);
	expect_silence();
	host_say(VMGUEST_WIRE_GO);
	expect_silence();
	expect_recorded("");
}

static void cancel_after_go(void)
{
	write_sessions("stubborn\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_say(VMGUEST_WIRE_GO);
	host_say(VMGUEST_WIRE_CANCEL);
	expect_result(VMGUEST_WIRE_OK, 1, 1);
	expect_recorded("end session stubborn,kill session stubborn");
}

static void go_for_another(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_send((struct vmguest_frame){ .type = VMGUEST_WIRE_GO }, TASK + 1);
	expect_silence();
	expect_recorded("");
}

static void again_after_reconnect(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_open();
	/* By itself, for a task that the host has completed already. */
	expect(VMGUEST_WIRE_COMMIT);
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_AGAIN, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	expect_recorded("");
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	host_say(VMGUEST_WIRE_GO);
	host_say(VMGUEST_WIRE_LAST_BREATH_ACK);
	expect_exit(0);
	expect_recorded("poweroff");
}

static void committed_after_reconnect(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_accept();
	host_welcome(0);
	expect(VMGUEST_WIRE_COMMIT);
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_AGAIN |
		     VMGUEST_WIRE_REQ_COMMITTED, TASK);
	expect(VMGUEST_WIRE_LAST_BREATH);
	host_say(VMGUEST_WIRE_LAST_BREATH_ACK);
	expect_exit(0);
	expect_recorded("poweroff");
}

static void committed_to_a_new_agent(void)
{
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_AGAIN |
		     VMGUEST_WIRE_REQ_COMMITTED, TASK);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("poweroff");
}

static void breath_after_reconnect(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	host_open();
	expect(VMGUEST_WIRE_LAST_BREATH);
	host_say(VMGUEST_WIRE_LAST_BREATH_ACK);
	expect_exit(0);
	expect_recorded("poweroff");
}

static void instance_changed(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	test.instance++;
	host_open();
	expect_silence();
	host_say(VMGUEST_WIRE_GO);
	expect_silence();
	expect_recorded("");
}

static void superseded(void)
{
	write_sessions("alice\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_ACCEPTED, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_COMMIT, TASK + 1);
	host_say(VMGUEST_WIRE_GO);
	expect_silence();
	expect_recorded("");
	host_send((struct vmguest_frame){ .type = VMGUEST_WIRE_GO }, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_LAST_BREATH, TASK + 1);
	expect_recorded("poweroff");
}

static void becomes_a_force(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_FORCE |
		     VMGUEST_WIRE_REQ_AGAIN, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("poweroff force");
}

static void deadline(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = VMGUEST_VERB_SHUTDOWN,
			     .deadline_ms = 100 },
	};

	begin();
	host_send(frame, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	/* Without a host the task is dropped: the agent does not ask again. */
	host_disconnect();
	poll(NULL, 0, SILENCE_MS);
	host_open();
	expect_silence();
	expect_recorded("");
}

static void logoff(void)
{
	write_sessions("alice\nbob\n");
	start_agent();
	host_accept();
	check(test.frame.hello.sessions == 2);
	host_welcome(0);
	ask(VMGUEST_VERB_LOGOFF, 0);
	expect_recorded("");
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
	expect_recorded("end session alice,end session bob");
	/* The host may not have read it. */
	host_open();
	host_request(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_AGAIN |
		     VMGUEST_WIRE_REQ_COMMITTED, TASK);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
}

static void logoff_of_nobody(void)
{
	begin();
	host_request(VMGUEST_VERB_LOGOFF, 0, TASK);
	expect_result(VMGUEST_WIRE_NO_SESSIONS, 0, 0);
}

static void logoff_with_leftovers(void)
{
	write_sessions("alice\nstubborn\nimmortal\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_say(VMGUEST_WIRE_GO);
	expect_progress(33);
	expect_progress(66);
	expect_result(VMGUEST_WIRE_FAILED, 3, 2);
	check(test.frame.result.left == 1);
	check(text_is(VMGUEST_RESULT_TEXT, "left: immortal of immortal"));
}

/* The guest is slow: who was killed may take as long as the grace to vanish. */
static void grace_of_the_killed(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = {
			.verb = VMGUEST_VERB_LOGOFF,
			.flags = VMGUEST_WIRE_REQ_FORCE,
			.deadline_ms = 60000,
			.grace_ms = 60000,
		},
	};

	write_sessions("immortal\n");
	begin();
	host_send(frame, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect_silence_for(KILL_GRACE_MS + 4 * SILENCE_MS);
	write_sessions("");
	expect_result(VMGUEST_WIRE_OK, 1, 1);
}

static void logoff_of_some(__u16 scope, __u32 uid)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = VMGUEST_VERB_LOGOFF,
			     .scope = scope, .uid = uid },
	};

	host_send(frame, TASK);
}

static void scope_uid(void)
{
	write_sessions("alice 1000\nbob 1001\nalice2 1000\n");
	begin();
	logoff_of_some(VMGUEST_SCOPE_UID, 1000);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
	expect_recorded("end session alice,end session alice2");
}

static void scope_all_but_uid(void)
{
	write_sessions("alice 1000\nbob 1001\nalice2 1000\n");
	begin();
	logoff_of_some(VMGUEST_SCOPE_ALL_BUT_UID, 1000);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_OK, 1, 1);
	expect_recorded("end session bob");
}

static void scope_of_nobody(void)
{
	write_sessions("alice 1000\n");
	begin();
	logoff_of_some(VMGUEST_SCOPE_UID, 1001);
	expect_result(VMGUEST_WIRE_NO_SESSIONS, 0, 0);
	expect_recorded("");
}

static void scope_of_a_shutdown(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = VMGUEST_VERB_SHUTDOWN,
			     .scope = VMGUEST_SCOPE_UID },
	};

	begin();
	host_send(frame, TASK);
	expect_result(VMGUEST_WIRE_INVALID, 0, 0);
	expect_recorded("");
}

static void login_during_logoff(void)
{
	write_sessions("stubborn 1000\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_say(VMGUEST_WIRE_GO);
	expect_silence_for(GRACE_MS / 2);
	write_sessions("stubborn 1000\nbob 1001\n");
	expect_progress(50);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
	check(text_is(VMGUEST_RESULT_TEXT, "1 of 2 had to be killed"));
	expect_recorded("end session stubborn,end session bob,"
			"kill session stubborn");
}

/* Somebody whom the scope does not mean stays, whenever he came. */
static void login_of_another_during_logoff(void)
{
	write_sessions("stubborn 1000\n");
	begin();
	logoff_of_some(VMGUEST_SCOPE_UID, 1000);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect_silence_for(GRACE_MS / 2);
	write_sessions("stubborn 1000\nbob 1001\n");
	expect_result(VMGUEST_WIRE_OK, 1, 1);
	expect_recorded("end session stubborn,kill session stubborn");
}

static void logoff_grace_of_the_request(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = VMGUEST_VERB_LOGOFF,
			     .grace_ms = 3 * GRACE_MS },
	};

	write_sessions("stubborn\n");
	begin();
	host_send(frame, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect_silence_for(2 * GRACE_MS);
	expect_recorded("end session stubborn");
	expect_result(VMGUEST_WIRE_OK, 1, 1);
}

/* Who has left something running is not logged on. */
static void logoff_of_leftovers(void)
{
	write_sessions("alice 1000 closing\n");
	start_agent();
	host_accept();
	check(test.frame.hello.sessions == 0);
	host_welcome(0);
	host_request(VMGUEST_VERB_LOGOFF, 0, TASK);
	expect_result(VMGUEST_WIRE_NO_SESSIONS, 0, 0);
	host_request(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_FORCE, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_ACCEPTED, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_COMMIT, TASK + 1);
	host_send((struct vmguest_frame){ .type = VMGUEST_WIRE_GO }, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_RESULT, TASK + 1);
	check(test.frame.result.ended == 1);
	expect_recorded("kill session alice");
}

/* But those whom the logoff before has left over are. */
static void logoff_again(void)
{
	write_sessions("immortal\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_FORCE);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_FAILED, 1, 0);
	host_request(VMGUEST_VERB_LOGOFF, 0, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_ACCEPTED, TASK + 1);
}

static void logoff_by_force(void)
{
	write_sessions("stubborn\nalice\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_FORCE);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
	check(text_is(VMGUEST_RESULT_TEXT, "2 of 2 had to be killed"));
	expect_recorded("kill session stubborn,kill session alice");
}

static void kill_agent(void)
{
	kill(test.pid, SIGKILL);
	waitpid(test.pid, NULL, 0);
}

static void logoff_after_a_crash(void)
{
	write_sessions("alice\nbob\nstubborn\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_say(VMGUEST_WIRE_GO);
	expect_progress(66);
	kill_agent();
	begin();
	host_request(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_AGAIN |
		     VMGUEST_WIRE_REQ_COMMITTED, TASK);
	expect_result(VMGUEST_WIRE_OK, 3, 3);
	check(text_is(VMGUEST_RESULT_TEXT, "1 of 3 had to be killed"));
}

/* The result was known, but the host may not have heard it. */
static void logoff_result_after_a_crash(void)
{
	write_sessions("alice\nbob\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
	kill_agent();
	begin();
	host_request(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_AGAIN |
		     VMGUEST_WIRE_REQ_COMMITTED, TASK);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
}

static void blocked_until_removed(void)
{
	write_list("blockers", "12 apt\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	check(test.frame.blocked.uid == 1000);
	check(text_is(VMGUEST_BLOCKED_WHY, "because"));
	expect_silence();
	write_list("blockers", "13 dpkg\n12 apt\n");
	expect_blocked(0, 0, "");
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 13, "dpkg");
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	/* The same once more is no news. */
	write_list("blockers", "13 dpkg\n12 apt\n");
	expect_silence();
	remove_list("blockers");
	expect_blocked(0, 0, "");
	expect(VMGUEST_WIRE_COMMIT);
	expect_recorded("");
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("poweroff");
}

static void blocked_until_cancelled(void)
{
	write_list("blockers", "12 apt\n");
	begin();
	host_request(VMGUEST_VERB_RESTART, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	host_say(VMGUEST_WIRE_CANCEL);
	expect_silence();
	remove_list("blockers");
	expect_silence();
	expect_recorded("");
}

static void blocked_until_the_deadline(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = VMGUEST_VERB_SHUTDOWN,
			     .deadline_ms = SILENCE_MS / 2 },
	};

	write_list("blockers", "12 apt\n");
	begin();
	host_send(frame, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	expect_silence();
	remove_list("blockers");
	expect_silence();
	expect_recorded("");
}

static void blocked_after_reconnect(void)
{
	write_list("blockers", "12 apt\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	host_open();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_AGAIN, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	expect_silence();
}

static void blocked_and_overridden(void)
{
	write_list("blockers", "12 apt\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_FORCE, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("poweroff force");
}

static void blocked_and_becomes_a_force(void)
{
	write_list("blockers", "12 apt\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_FORCE |
		     VMGUEST_WIRE_REQ_AGAIN, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("poweroff force");
}

/* More than the host keeps are not even told. */
static void blocked_by_many(void)
{
	char lines[512] = "";
	size_t used = 0;
	int i;

	for (i = 1; i <= VMGUEST_BLOCKERS_MAX + 4; i++)
		used += snprintf(lines + used, sizeof(lines) - used,
				 "%d apt\n", i);
	write_list("blockers", lines);
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	for (i = 1; i <= VMGUEST_BLOCKERS_MAX; i++)
		expect_blocked(VMGUEST_BLOCKER_INHIBITOR, i, "apt");
	expect_silence();
}

static void blocked_logoff(void)
{
	write_list("blockers", "12 apt\n");
	write_sessions("alice\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
}

static void stop_jobs(void)
{
	write_list("jobs", "10\n");
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect_progress(10);
	write_list("jobs", "40\nslow.service\n");
	expect_progress(40);
	expect_blocked(VMGUEST_BLOCKER_STOP_JOB, 0, "slow.service");
	/* Never back. */
	write_list("jobs", "30\nslow.service\n");
	expect_silence();
	host_open();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_AGAIN |
		     VMGUEST_WIRE_REQ_COMMITTED, TASK);
	expect_progress(40);
	expect_blocked(VMGUEST_BLOCKER_STOP_JOB, 0, "slow.service");
	write_list("jobs", "100\n");
	expect_progress(99);
	expect_blocked(0, 0, "");
	remove_list("jobs");
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("poweroff");
}

static void announced(__u16 verb, __u32 delay_ms)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = verb, .delay_ms = delay_ms },
		.text[VMGUEST_REQUEST_REASON] = { "new disk", 8 },
	};

	host_send(frame, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
}

static void announcement(void)
{
	begin();
	announced(VMGUEST_VERB_SHUTDOWN, 1000);
	expect_silence();
	expect_recorded("tell This system will be shut down in 1 second, "
			"at the host's request: new disk");
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("tell This system will be shut down in 1 second, "
			"at the host's request: new disk,poweroff");
}

static void announcement_cancelled(void)
{
	begin();
	announced(VMGUEST_VERB_RESTART, 60000);
	expect_silence();
	host_say(VMGUEST_WIRE_CANCEL);
	expect_silence();
	expect_recorded("tell This system will be restarted in 60 seconds, "
			"at the host's request: new disk,"
			"tell This system will be restarted NOT: "
			"the host has cancelled it");
}

/* Who blocks is told at once, and has the time of the announcement. */
static void announcement_while_blocked(void)
{
	write_list("blockers", "12 apt\n");
	begin();
	announced(VMGUEST_VERB_SHUTDOWN, SILENCE_MS);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	expect_silence();
	expect_silence();
	remove_list("blockers");
	expect_blocked(0, 0, "");
	expect(VMGUEST_WIRE_COMMIT);
}

static void announcement_after_a_crash(void)
{
	begin();
	announced(VMGUEST_VERB_SHUTDOWN, 1000);
	expect_silence();
	kill_agent();
	begin();
	announced(VMGUEST_VERB_SHUTDOWN, 60000);
	expect(VMGUEST_WIRE_COMMIT);
	expect_recorded("tell This system will be shut down in 1 second, "
			"at the host's request: new disk");
}

/* Cancelled while no agent was there: nobody else will tell the users. */
static void announcement_forgotten_by_the_host(void)
{
	int i;

	begin();
	announced(VMGUEST_VERB_SHUTDOWN, 60000);
	expect_silence();
	kill_agent();
	begin();
	for (i = 0; i < PATIENCE_MS / 100 && !strstr(recorded(), "NOT"); i++)
		poll(NULL, 0, 100);
	expect_recorded("tell This system will be shut down in 60 seconds, "
			"at the host's request: new disk,"
			"tell What was announced will NOT happen: "
			"the host has cancelled it");
	expect_silence();
}

static void announcement_of_a_logoff(void)
{
	write_sessions("alice\n");
	begin();
	announced(VMGUEST_VERB_LOGOFF, 1000);
	expect_silence();
	expect_recorded("tell You will be logged off in 1 second, "
			"at the host's request: new disk");
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_OK, 1, 1);
}

static void guest_goes_down_by_itself(void)
{
	write_list("blockers", "12 apt\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	write_list("down", "");
	expect_result(VMGUEST_WIRE_GOING_DOWN, 0, 0);
	host_request(VMGUEST_VERB_RESTART, 0, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_RESULT, TASK + 1);
	check(test.frame.result.code == VMGUEST_WIRE_GOING_DOWN);
	expect_recorded("");
}

static void expect_notice_at(int line, __u32 kind, __u32 how)
{
	expect_at(line, VMGUEST_WIRE_NOTICE, 0);
	if (test.frame.notice.kind != kind || test.frame.notice.how != how)
		fail_at(line, "notice %u, %u", test.frame.notice.kind,
			test.frame.notice.how);
}
#define expect_notice(...)	expect_notice_at(__LINE__, __VA_ARGS__)

/* Up to a host that has heard whether the guest goes down: it does not. */
static void begin_noticed(void)
{
	test.features = VMGUEST_WIRE_FEATURE_NOTICE;
	begin();
	check(test.capabilities & VMGUEST_CAP_NOTICE);
	expect_notice(VMGUEST_NOTICE_STAYS_UP, 0);
}

static void notice_of_the_end(void)
{
	begin_noticed();
	write_list("down", "");
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, 0);
	/* How is told when it is known; the same again is no news. */
	write_list("down", "reboot\n");
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, VMGUEST_END_REBOOT);
	write_list("down", "reboot\n");
	expect_silence();
	remove_list("down");
	expect_notice(VMGUEST_NOTICE_STAYS_UP, 0);
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
}

/* What the connection before was told may have got lost with it. */
static void notice_after_a_reconnect(void)
{
	begin_noticed();
	host_disconnect();
	write_list("down", "halt\n");
	host_open();
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, VMGUEST_END_HALT);
	host_open();
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, VMGUEST_END_HALT);
}

static void notice_of_logoffs(void)
{
	write_sessions("alice 1000\nbob 1001\ncarol 1002 closing\n");
	begin_noticed();
	write_sessions("bob 1001\ncarol 1002 closing\n");
	expect_notice(VMGUEST_NOTICE_LOGOFF, VMGUEST_WIRE_LOGOFF_NORMAL);
	check(test.frame.notice.ended == 1 && test.frame.notice.left == 1);
	check(text_is(VMGUEST_NOTICE_WHO, "session alice of alice"));
	/* Who comes is not told. */
	write_sessions("bob 1001 forced\ndave 1003\n");
	expect_notice(VMGUEST_NOTICE_LOGOFF, VMGUEST_WIRE_LOGOFF_NORMAL);
	check(text_is(VMGUEST_NOTICE_WHO, "session carol of carol"));
	check(test.frame.notice.left == 2);
	write_sessions("dave 1003\n");
	expect_notice(VMGUEST_NOTICE_LOGOFF, VMGUEST_WIRE_LOGOFF_FORCED);
	check(text_is(VMGUEST_NOTICE_WHO, "session bob of bob"));
	check(test.frame.notice.left == 1);
	expect_silence();
}

/* With more sessions than the agent can keep the list may have others each time. */
static void no_notice_of_sessions_without_room(void)
{
	char forth[8192] = "", back[8192] = "", *at = forth;
	unsigned int i;

	for (i = 0; i <= AGENT_SESSIONS; i++)
		at += sprintf(at, "s%u %u\n", i, 1000 + i);
	for (at = back; i-- > 1;)
		at += sprintf(at, "s%u %u\n", i, 1000 + i);
	write_sessions(forth);
	begin_noticed();
	strcpy(at, "s0 1000\n");
	write_sessions(back);
	expect_silence();
	*at = '\0';
	write_sessions(back);
	expect_notice(VMGUEST_NOTICE_LOGOFF, VMGUEST_WIRE_LOGOFF_NORMAL);
	check(text_is(VMGUEST_NOTICE_WHO, "session s0 of s0"));
}

static void expect_sessions_at(int line, __u32 locked, __u32 left)
{
	expect_notice_at(line, VMGUEST_NOTICE_SESSIONS, locked);
	if (test.frame.notice.left != left)
		fail_at(line, "%u sessions", test.frame.notice.left);
}
#define expect_sessions(...)	expect_sessions_at(__LINE__, __VA_ARGS__)

/* Whoever leaves is not there any more, whether locked or not. */
static void notice_of_sessions_and_locks(void)
{
	write_sessions("alice 1000\nbob 1001 locked\ncarol 1002 closing\n");
	test.features = VMGUEST_WIRE_FEATURE_SESSIONS;
	begin();
	check(test.capabilities & VMGUEST_CAP_SESSIONS);
	expect_sessions(1, 2);
	write_sessions("alice 1000 locked\nbob 1001 locked\n");
	expect_sessions(2, 2);
	/* The same again is no news. */
	write_sessions("bob 1001 locked\nalice 1000 locked\n");
	expect_silence();
	write_sessions("alice 1000\nbob 1001 locked\n");
	expect_sessions(1, 2);
	host_open();
	expect_sessions(1, 2);
	write_sessions("");
	expect_sessions(0, 0);
}

/* The connection would be closed for a frame that the host does not know. */
static void no_notice_to_an_older_host(void)
{
	write_sessions("alice 1000\n");
	begin();
	write_sessions("");
	write_list("down", "");
	expect_silence();
}

static void no_notice_of_what_the_host_does(void)
{
	write_sessions("alice 1000\nbob 1001\n");
	begin_noticed();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_OK, 2, 2);
	expect_silence();

	write_sessions("carol 1002\n");
	write_list("jobs", "10\n");
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_ACCEPTED, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_COMMIT, TASK + 1);
	host_send((struct vmguest_frame){ .type = VMGUEST_WIRE_GO }, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_PROGRESS, TASK + 1);
	write_list("down", "poweroff\n");
	write_sessions("");
	expect_silence();
	/* Nor by an agent that takes its place. */
	kill_agent();
	start_agent();
	host_open();
	expect_silence();
}

/* Who logs on while a LOGOFF acts is the LOGOFF's from the first moment. */
static void no_notice_of_a_login_during_logoff(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = { .verb = VMGUEST_VERB_LOGOFF,
			     .grace_ms = PATIENCE_MS },
	};

	write_sessions("stubborn 1000\n");
	begin_noticed();
	host_send(frame, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect_silence();
	write_sessions("stubborn2 1001\n");
	expect_progress(50);
	expect_recorded("end session stubborn,end session stubborn2");
	write_sessions("");
	expect_result(VMGUEST_WIRE_OK, 2, 2);
	expect_silence();
}

/* Whom a LOGOFF has not ended ends by themselves later. */
static void notice_of_who_has_outlived_a_logoff(void)
{
	write_sessions("immortal 1000\n");
	begin_noticed();
	ask(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_FORCE);
	host_say(VMGUEST_WIRE_GO);
	expect_result(VMGUEST_WIRE_FAILED, 1, 0);
	write_sessions("");
	expect_notice(VMGUEST_NOTICE_LOGOFF, VMGUEST_WIRE_LOGOFF_NORMAL);
	check(text_is(VMGUEST_NOTICE_WHO, "session immortal of immortal"));
}

static void called_off_in_the_guest(void)
{
	begin_noticed();
	write_list("jobs", "10\n");
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_PROGRESS);
	write_list("down", "poweroff\n");
	expect_silence();
	remove_list("down");
	expect_result(VMGUEST_WIRE_FAILED, 0, 0);
	check(text_is(VMGUEST_RESULT_TEXT, "called off in the guest"));
	expect_notice(VMGUEST_NOTICE_STAYS_UP, 0);
	remove_list("jobs");
	expect_silence();
	write_list("down", "halt\n");
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, VMGUEST_END_HALT);
}

/* A stop that the host has given up, and the agent before this one has not. */
static void notice_after_a_stop_that_came_to_nothing(void)
{
	begin_noticed();
	write_list("jobs", "10\n");
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_PROGRESS);
	kill_agent();
	start_agent();
	host_open();
	expect_notice(VMGUEST_NOTICE_STAYS_UP, 0);
	write_list("down", "");
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, 0);
}

/* To a host that has started anew the stop is nobody's. */
static void notice_to_another_host(void)
{
	begin_noticed();
	write_list("jobs", "10\n");
	ask(VMGUEST_VERB_RESTART, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_PROGRESS);
	test.instance++;
	host_open();
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, VMGUEST_END_REBOOT);
}

/* What ends on the way down ends because of that. */
static void no_notice_of_logoffs_on_the_way_down(void)
{
	write_sessions("alice 1000\n");
	begin_noticed();
	write_list("down", "");
	expect_notice(VMGUEST_NOTICE_GOING_DOWN, 0);
	write_sessions("");
	expect_silence();
}

static void sessions_are_respected(void)
{
	write_sessions("alice 1000\nbob 1001 locked\ncarol 1002 closing\n");
	begin();
	check(test.capabilities & VMGUEST_CAP_RESPECT_SESSIONS);
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_RESPECT_SESSIONS,
		     TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "alice");
	check(text_is(VMGUEST_BLOCKED_WHY, "session alice"));
	check(test.frame.blocked.uid == 1000);
	expect_blocked(VMGUEST_BLOCKER_LOCK, 0, "bob");
	check(text_is(VMGUEST_BLOCKED_WHY, "session bob, locked"));
	/* One logs off, the other unlocks; then both have gone. */
	write_sessions("bob 1001\n");
	expect_blocked(0, 0, "");
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "bob");
	write_sessions("");
	expect_blocked(0, 0, "");
	expect(VMGUEST_WIRE_COMMIT);
}

static void sessions_and_inhibitors(void)
{
	write_list("blockers", "12 apt\n");
	write_sessions("alice 1000\n");
	begin();
	host_request(VMGUEST_VERB_RESTART, VMGUEST_WIRE_REQ_RESPECT_SESSIONS,
		     TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "alice");
	write_sessions("");
	expect_blocked(0, 0, "");
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	expect_silence();
	remove_list("blockers");
	expect_blocked(0, 0, "");
	expect(VMGUEST_WIRE_COMMIT);
}

/* Until it is known who is there now, what was known before does not count. */
static void a_login_just_before_the_announced_end(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REQUEST,
		.request = {
			.verb = VMGUEST_VERB_SHUTDOWN,
			.flags = VMGUEST_WIRE_REQ_RESPECT_SESSIONS,
			.delay_ms = 3 * SILENCE_MS,
		},
	};

	write_sessions("bob 1001\n");
	begin();
	host_send(frame, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "bob");
	write_sessions("");
	expect_blocked(0, 0, "");
	write_list("blockers", "late\n");
	write_sessions("alice 1000\n");
	expect_silence_for(6 * SILENCE_MS);
}

/* Nobody has asked for it. */
static void sessions_that_are_not_respected(void)
{
	write_sessions("alice 1000\n");
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
}

static void force_overrides_sessions(void)
{
	write_sessions("alice 1000\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_RESPECT_SESSIONS |
		     VMGUEST_WIRE_REQ_FORCE, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "alice");
	expect(VMGUEST_WIRE_COMMIT);
}

static void sessions_until_it_becomes_a_force(void)
{
	write_sessions("alice 1000\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_RESPECT_SESSIONS,
		     TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "alice");
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_RESPECT_SESSIONS |
		     VMGUEST_WIRE_REQ_FORCE | VMGUEST_WIRE_REQ_AGAIN, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	expect_recorded("poweroff force");
}

/* Sessions are known without the backend's answer. */
static void sessions_when_blockers_are_not_known(void)
{
	write_list("blockers", "late\n");
	write_sessions("alice 1000\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_RESPECT_SESSIONS |
		     VMGUEST_WIRE_REQ_FORCE, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "alice");
	expect(VMGUEST_WIRE_COMMIT);
}

/* Nobody is taken back for want of an answer. */
static void force_when_blockers_are_asked_again(void)
{
	write_list("blockers", "12 apt\n");
	write_sessions("alice 1000\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_RESPECT_SESSIONS,
		     TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect_blocked(VMGUEST_BLOCKER_INHIBITOR, 12, "apt");
	expect_blocked(VMGUEST_BLOCKER_SESSION, 0, "alice");
	write_list("blockers", "late\n");
	expect_silence();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_RESPECT_SESSIONS |
		     VMGUEST_WIRE_REQ_FORCE | VMGUEST_WIRE_REQ_AGAIN, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
}

/* The host never asks for that. */
static void sessions_of_a_logoff(void)
{
	write_sessions("alice 1000\n");
	begin();
	host_request(VMGUEST_VERB_LOGOFF, VMGUEST_WIRE_REQ_RESPECT_SESSIONS,
		     TASK);
	expect_result(VMGUEST_WIRE_INVALID, 0, 0);
}

/* Whether the agent's log has a line with @words. */
static bool logged(const char *words)
{
	char path[128], line[512];
	bool found = false;
	FILE *file;

	path_of(path, sizeof(path), "log");
	file = fopen(path, "re");
	check(file);
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, words);
	fclose(file);
	return found;
}

static void config_denies(void)
{
	write_config("# nobody stops this guest\n\nshutdown = no\n  restart=no\n");
	begin();
	check(!(test.capabilities & VMGUEST_CAP_SHUTDOWN));
	check(!(test.capabilities & VMGUEST_CAP_RESTART));
	check(test.capabilities & VMGUEST_CAP_LOGOFF);
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect_result(VMGUEST_WIRE_UNSUPPORTED, 0, 0);
	check(text_is(VMGUEST_RESULT_TEXT,
		      "the guest's owner has turned it off"));
	expect_recorded("");
}

static void config_denies_force(void)
{
	write_config("force = no\n");
	begin();
	check(!(test.capabilities & VMGUEST_CAP_FORCE));
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_FORCE, TASK);
	expect_result(VMGUEST_WIRE_UNSUPPORTED, 0, 0);
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect(VMGUEST_WIRE_ACCEPTED);
	expect(VMGUEST_WIRE_COMMIT);
}

/* After a crash with a new configuration: not even what was granted before. */
static void config_denies_what_was_granted(void)
{
	write_config("shutdown = no\n");
	begin();
	host_request(VMGUEST_VERB_SHUTDOWN, VMGUEST_WIRE_REQ_AGAIN |
		     VMGUEST_WIRE_REQ_COMMITTED, TASK);
	expect_result(VMGUEST_WIRE_UNSUPPORTED, 0, 0);
	expect_recorded("");
}

/* Each bad line is named, and costs its own setting only. */
static void config_bad_line(const char *line, const char *words)
{
	char text[1024], named[256];

	snprintf(text, sizeof(text), "message = call us\n%s\nlogoff = no\n",
		 line);
	write_config(text);
	begin();
	snprintf(named, sizeof(named), "agent.conf:2: %s", words);
	if (!logged(named))
		fail("%s: not logged: %s", line, named);
	check(!(test.capabilities & VMGUEST_CAP_LOGOFF));
	check(test.capabilities & VMGUEST_CAP_RESTART);
}

static void config_bad_switch(void)
{
	config_bad_line("shutdown = maybe",
			"shutdown: \"maybe\" is neither yes nor no; it is no now");
	check(!(test.capabilities & VMGUEST_CAP_SHUTDOWN));
}

static void config_bad_duration(void)
{
	config_bad_line("grace = 5",
			"grace: \"5\" is no duration, such as 500ms, 5s or 2m; "
			"it is 5s now");
	check(test.capabilities & VMGUEST_CAP_SHUTDOWN);
}

static void config_long_duration(void)
{
	config_bad_line("grace = 18446744073709551615s",
			"grace: \"18446744073709551615s\" is not between");
}

static void config_no_duration(void)
{
	config_bad_line("init-timeout = 0s",
			"init-timeout: \"0s\" is not between 1ms and 60m; "
			"it is 60s now");
}

static void config_bad_message(void)
{
	char line[300] = "message = ";

	memset(line + strlen(line), 'x', 200);
	config_bad_line(line, "message: \"xxx");
}

static void config_unclean(void)
{
	config_bad_line("message = \033[2J", "no clean text");
}

static void config_unclean_switch(void)
{
	config_bad_line("shutdown = \033[2J", "no clean text");
	check(!(test.capabilities & VMGUEST_CAP_SHUTDOWN));
}

static void config_unknown(void)
{
	config_bad_line("shutdwon = no", "there is no setting \"shutdwon\"");
	check(test.capabilities & VMGUEST_CAP_SHUTDOWN);
}

static void config_no_value(void)
{
	config_bad_line("shutdown", "\"shutdown\" is no \"setting = value\"");
	check(!(test.capabilities & VMGUEST_CAP_SHUTDOWN));
}

static void config_long_line(void)
{
	char line[700] = "#";

	memset(line + 1, '#', sizeof(line) - 2);
	config_bad_line(line, "the line is too long");
}

static void config_durations(void)
{
	test.no_grace = true;
	write_config("grace = 700ms\n");
	write_sessions("stubborn\n");
	begin();
	ask(VMGUEST_VERB_LOGOFF, 0);
	host_say(VMGUEST_WIRE_GO);
	expect_silence();
	expect_recorded("end session stubborn");
	expect_result(VMGUEST_WIRE_OK, 1, 1);
	check(!logged("agent.conf"));
}

static void config_message(void)
{
	write_config("message = Call 555.\n");
	begin();
	announced(VMGUEST_VERB_SHUTDOWN, 60000);
	expect_silence();
	expect_recorded("tell This system will be shut down in 60 seconds, "
			"at the host's request: new disk,Call 555.");
}

static void config_unreadable(void)
{
	check(!unlink(test.config));
	check(!mkdir(test.config, 0700));
	start_agent();
	expect_exit(2);
	check(!rmdir(test.config));
	start_agent();
	expect_exit(2);
}

static void going_down_already(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	host_request(VMGUEST_VERB_RESTART, 0, TASK + 1);
	expect_at(__LINE__, VMGUEST_WIRE_RESULT, TASK + 1);
	check(test.frame.result.code == VMGUEST_WIRE_GOING_DOWN);
}

static void ping(void)
{
	begin();
	host_say(VMGUEST_WIRE_PING);
	expect(VMGUEST_WIRE_PONG);
	host_send((struct vmguest_frame){ .type = VMGUEST_WIRE_PING }, 0);
	expect_at(__LINE__, VMGUEST_WIRE_PONG, 0);
}

static void heartbeat(void)
{
	start_agent();
	host_accept();
	host_welcome(HEARTBEAT_MS);
	expect_at(__LINE__, VMGUEST_WIRE_PONG, 0);
	/* One an interval: the next is not there yet. */
	check(test.len == test.consumed);
	check(!readable(test.conn, HEARTBEAT_MS / 2));
	expect_at(__LINE__, VMGUEST_WIRE_PONG, 0);
}

static void garbage(void)
{
	static const char junk[] = "GET / HTTP/1.1\r\nHost: guest\r\n\r\n";

	begin();
	check(send(test.conn, junk, sizeof(junk), 0) == sizeof(junk));
	expect_closed();
	host_open();
	host_say(VMGUEST_WIRE_PING);
	expect(VMGUEST_WIRE_PONG);
}

static void frame_out_of_place(void)
{
	start_agent();
	host_accept();
	host_request(VMGUEST_VERB_SHUTDOWN, 0, TASK);
	expect_closed();
	host_open();
	host_welcome(0);
	expect_closed();
	expect_recorded("");
}

static void frames_in_pieces(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_PING,
		.task_id = TASK,
	};
	__u8 buf[VMGUEST_FRAME_MAX];
	int i, len;

	begin();
	len = vmguest_protocol_encode(&frame, buf, sizeof(buf));
	for (i = 0; i < len; i++) {
		check(send(test.conn, buf + i, 1, MSG_NOSIGNAL) == 1);
		poll(NULL, 0, 2);
	}
	expect(VMGUEST_WIRE_PONG);
	/* And many at once. */
	for (i = 0; i < 200; i++)
		host_say(VMGUEST_WIRE_PING);
	for (i = 0; i < 200; i++)
		expect(VMGUEST_WIRE_PONG);
}

static void host_does_not_read(void)
{
	__u8 buf[VMGUEST_FRAME_MAX];
	struct vmguest_frame frame = { .type = VMGUEST_WIRE_PING };
	int len, i;

	begin();
	len = vmguest_protocol_encode(&frame, buf, sizeof(buf));
	for (i = 0; i < 200000; i++)
		if (send(test.conn, buf, len, MSG_NOSIGNAL) != len)
			break;
	check(i < 200000);
	host_open();
}

static void rejected(void)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REJECT,
		.reject.code = VMGUEST_REJECT_UNREGISTERED,
	};

	start_agent();
	host_accept();
	host_send(frame, 0);
	expect_closed();
	host_open();
	host_say(VMGUEST_WIRE_PING);
	expect(VMGUEST_WIRE_PONG);
}

static void goodbye(void)
{
	begin();
	host_say(VMGUEST_WIRE_PING);
	expect(VMGUEST_WIRE_PONG);
	kill(test.pid, SIGTERM);
	expect_at(__LINE__, VMGUEST_WIRE_GOODBYE, 0);
	expect_closed();
	expect_exit(0);
}

static void goodbye_before_go(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	kill(test.pid, SIGTERM);
	expect_at(__LINE__, VMGUEST_WIRE_GOODBYE, 0);
	expect_exit(0);
	expect_recorded("");
}

static void instance_outlives_the_agent(void)
{
	goodbye();
	start_agent();
	host_accept();
	check(test.frame.hello.instance[0] == test.instance);
}

/* As systemd's shutdown hook: after an agent that was killed on the way. */
static void hook(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	kill_agent();

	start_agent_with("--last-breath", "poweroff");
	host_accept();
	check(test.frame.hello.role == VMGUEST_ROLE_LAST_BREATH);
	host_welcome(0);
	expect(VMGUEST_WIRE_LAST_BREATH);
	check(test.frame.last_breath.end == VMGUEST_END_POWEROFF);
	host_say(VMGUEST_WIRE_LAST_BREATH_ACK);
	expect_exit(0);
}

static void hook_of_another_instance(void)
{
	begin();
	ask(VMGUEST_VERB_SHUTDOWN, 0);
	host_say(VMGUEST_WIRE_GO);
	expect(VMGUEST_WIRE_LAST_BREATH);
	kill_agent();

	test.instance++;
	start_agent_with("--last-breath", "poweroff");
	host_open();
	expect_at(__LINE__, VMGUEST_WIRE_LAST_BREATH, 0);
	/* Unanswered: it gives up by itself. */
	expect_exit(0);
}

#define TEST(name)	{ #name, name }

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(hello),
	TEST(shutdown_by_request),
	TEST(last_breath_unanswered),
	TEST(restart_by_request),
	TEST(cancel_before_go),
	TEST(cancel_after_go),
	TEST(go_for_another),
	TEST(again_after_reconnect),
	TEST(committed_after_reconnect),
	TEST(committed_to_a_new_agent),
	TEST(breath_after_reconnect),
	TEST(instance_changed),
	TEST(superseded),
	TEST(becomes_a_force),
	TEST(deadline),
	TEST(logoff),
	TEST(logoff_of_nobody),
	TEST(logoff_with_leftovers),
	TEST(grace_of_the_killed),
	TEST(scope_uid),
	TEST(scope_all_but_uid),
	TEST(scope_of_nobody),
	TEST(scope_of_a_shutdown),
	TEST(login_during_logoff),
	TEST(login_of_another_during_logoff),
	TEST(logoff_grace_of_the_request),
	TEST(logoff_of_leftovers),
	TEST(logoff_again),
	TEST(logoff_by_force),
	TEST(logoff_after_a_crash),
	TEST(logoff_result_after_a_crash),
	TEST(blocked_until_removed),
	TEST(blocked_until_cancelled),
	TEST(blocked_until_the_deadline),
	TEST(blocked_after_reconnect),
	TEST(blocked_and_overridden),
	TEST(blocked_and_becomes_a_force),
	TEST(blocked_by_many),
	TEST(blocked_logoff),
	TEST(stop_jobs),
	TEST(announcement),
	TEST(announcement_cancelled),
	TEST(announcement_while_blocked),
	TEST(announcement_after_a_crash),
	TEST(announcement_forgotten_by_the_host),
	TEST(announcement_of_a_logoff),
	TEST(guest_goes_down_by_itself),
	TEST(notice_of_the_end),
	TEST(notice_after_a_reconnect),
	TEST(notice_of_logoffs),
	TEST(no_notice_of_sessions_without_room),
	TEST(notice_of_sessions_and_locks),
	TEST(no_notice_to_an_older_host),
	TEST(no_notice_of_what_the_host_does),
	TEST(no_notice_of_a_login_during_logoff),
	TEST(notice_of_who_has_outlived_a_logoff),
	TEST(called_off_in_the_guest),
	TEST(notice_after_a_stop_that_came_to_nothing),
	TEST(notice_to_another_host),
	TEST(no_notice_of_logoffs_on_the_way_down),
	TEST(sessions_are_respected),
	TEST(sessions_and_inhibitors),
	TEST(a_login_just_before_the_announced_end),
	TEST(sessions_that_are_not_respected),
	TEST(force_overrides_sessions),
	TEST(sessions_until_it_becomes_a_force),
	TEST(sessions_when_blockers_are_not_known),
	TEST(force_when_blockers_are_asked_again),
	TEST(sessions_of_a_logoff),
	TEST(config_denies),
	TEST(config_denies_force),
	TEST(config_denies_what_was_granted),
	TEST(config_bad_switch),
	TEST(config_bad_duration),
	TEST(config_long_duration),
	TEST(config_no_duration),
	TEST(config_bad_message),
	TEST(config_unclean),
	TEST(config_unclean_switch),
	TEST(config_unknown),
	TEST(config_no_value),
	TEST(config_long_line),
	TEST(config_durations),
	TEST(config_message),
	TEST(config_unreadable),
	TEST(going_down_already),
	TEST(ping),
	TEST(heartbeat),
	TEST(garbage),
	TEST(frame_out_of_place),
	TEST(frames_in_pieces),
	TEST(host_does_not_read),
	TEST(rejected),
	TEST(goodbye),
	TEST(goodbye_before_go),
	TEST(instance_outlives_the_agent),
	TEST(hook),
	TEST(hook_of_another_instance),
};

static void set_up(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(test.folder, "/tmp/vmguest-agent-test-XXXXXX");
	check(mkdtemp(test.folder));
	path_of(test.socket, sizeof(test.socket), "socket");
	path_of(test.record, sizeof(test.record), "record");
	path_of(test.config, sizeof(test.config), "agent.conf");
	write_config("");
	test.no_grace = false;
	test.features = 0;
	strcpy(address.sun_path, test.socket);
	test.instance = 1;
	test.pid = 0;
	test.conn = -1;
	test.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(test.listener >= 0);
	check(!bind(test.listener, (struct sockaddr *)&address,
		    sizeof(address)));
	check(!listen(test.listener, 8));
}

static void show_log(void)
{
	char path[128], line[512];
	FILE *file;

	path_of(path, sizeof(path), "log");
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		printf("# agent: %s", line);
	fclose(file);
}

static void tear_down(void)
{
	static const char * const names[] = {
		"socket", "record", "record.sessions", "record.blockers",
		"record.jobs", "record.down", "agent.conf", "task", "task.logoff", "log"
	};
	char path[128];
	size_t i;

	host_disconnect();
	close(test.listener);
	if (test.pid > 0) {
		kill(test.pid, SIGKILL);
		waitpid(test.pid, NULL, 0);
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(path, sizeof(path), names[i]);
		unlink(path);
	}
	rmdir(test.folder);
}

/* In an orderly way, which is when leaks are looked for. */
static void end_agent(void)
{
	if (test.pid <= 0)
		return;
	kill(test.pid, SIGTERM);
	expect_exit(EXIT_SUCCESS);
}

static bool run(void (*body)(void))
{
	if (setjmp(test.failed)) {
		show_log();
		tear_down();
		return false;
	}
	set_up();
	body();
	end_agent();
	tear_down();
	return true;
}

int main(int argc, char **argv)
{
	size_t i, count = sizeof(tests) / sizeof(tests[0]);
	int failures = 0;

	if (argc != 2) {
		fputs("usage: test-agent AGENT\n", stderr);
		return 2;
	}
	test.agent = argv[1];
	printf("TAP version 13\n1..%zu\n", count);
	for (i = 0; i < count; i++) {
		if (run(tests[i].run)) {
			printf("ok %zu %s\n", i + 1, tests[i].name);
			continue;
		}
		printf("not ok %zu %s\n", i + 1, tests[i].name);
		failures++;
	}
	printf("# Totals: pass:%zu fail:%d xfail:0 xpass:0 skip:0 error:0\n",
	       count - failures, failures);
	return failures ? 1 : 0;
}
