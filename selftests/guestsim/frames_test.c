// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every frame of an agent's, with every field out of range, in every phase of a
 * connection: the connection closes, one line in the kernel's log names the CID
 * and why, malformed of VM_GET counts it, and a neighbour does not notice.
 * Every good frame, too: it is taken in the phases that protocol.rst lists.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "protocol.h"
#include "test.h"

#define CID		OWN_CID
#define NEIGHBOUR_CID	(OWN_CID + 1)
#define SAMPLE		"abc"
#define CASES_MAX	512
#define COST		"/proc/sys/net/core/message_cost"

#define HEADER		sizeof(struct vmguest_wire_header)
#define ALL		0xffffffffffffffffULL

/* Both ends of what does not fit, for an enum from 0 and one from 1. */
#define ABOVE(max)	{ (max) + 1, 0x80000000, 0xffffffff }
#define OUTSIDE(max)	{ 0, (max) + 1, 0xffffffff }
#define ANY_BIT		{ 1, 0x80000000, 0xffffffff }

#define VALUES_MAX	3

/**
 * struct field - A member of the wire format and what it must not be
 * @type: Its frame's type, 0 for the header of all.
 * @name: Its name.
 * @offset: Where it is in the frame.
 * @size: Its size.
 * @bad: Values out of range.
 * @why: What the kernel's log says.
 */
struct field {
	uint16_t type;
	const char *name;
	size_t offset;
	size_t size;
	uint64_t bad[VALUES_MAX];
	const char *why;
};

#define MEMBER(of, member)						\
	#member, offsetof(struct vmguest_wire_##of, member),		\
	sizeof(((struct vmguest_wire_##of *)0)->member)
#define PAYLOAD(of, member)						\
	#member, HEADER + offsetof(struct vmguest_wire_##of, member),	\
	sizeof(((struct vmguest_wire_##of *)0)->member)

static const struct field fields[] = {
	{ 0, MEMBER(header, magic), { 0, 0x564d4747, ALL }, "bad magic" },
	{ 0, MEMBER(header, version), { 0, 2, 0xffff }, "unknown version" },
	{ 0, MEMBER(header, reserved), ANY_BIT, "reserved bits" },
	{ 0, MEMBER(header, length),
	  { VMGUEST_WIRE_MAX_PAYLOAD + 1, 0x80000000, 0xffffffff },
	  "bad length" },
	{ VMGUEST_WIRE_HELLO, PAYLOAD(hello, role),
	  ABOVE(VMGUEST_ROLE_LAST_BREATH), "bad payload" },
	{ VMGUEST_WIRE_BLOCKED, PAYLOAD(blocked, kind),
	  ABOVE(VMGUEST_BLOCKER_STOP_JOB),
	  "bad payload" },
	{ VMGUEST_WIRE_BLOCKED, PAYLOAD(blocked, reserved), ANY_BIT,
	  "bad payload" },
	{ VMGUEST_WIRE_PROGRESS, PAYLOAD(progress, percent), ABOVE(99),
	  "bad payload" },
	{ VMGUEST_WIRE_PROGRESS, PAYLOAD(progress, reserved), ANY_BIT,
	  "bad payload" },
	{ VMGUEST_WIRE_RESULT, PAYLOAD(result, code),
	  ABOVE(VMGUEST_WIRE_FAILED), "bad payload" },
	/* The sample has two sessions, one ended, one left. */
	{ VMGUEST_WIRE_RESULT, PAYLOAD(result, targeted), { 0, 1, 0xffffffff },
	  "bad payload" },
	{ VMGUEST_WIRE_RESULT, PAYLOAD(result, ended), { 0, 2, 0xffffffff },
	  "bad payload" },
	{ VMGUEST_WIRE_RESULT, PAYLOAD(result, left), { 0, 2, 0xffffffff },
	  "bad payload" },
	{ VMGUEST_WIRE_LAST_BREATH, PAYLOAD(last_breath, end),
	  OUTSIDE(VMGUEST_END_HALT), "bad payload" },
	{ VMGUEST_WIRE_LAST_BREATH, PAYLOAD(last_breath, reserved), ANY_BIT,
	  "bad payload" },
	/* The sample is a logoff; agent_test has what other kinds must not say. */
	{ VMGUEST_WIRE_NOTICE, PAYLOAD(notice, kind),
	  OUTSIDE(VMGUEST_NOTICE_LOGOFF), "bad payload" },
	{ VMGUEST_WIRE_NOTICE, PAYLOAD(notice, how),
	  OUTSIDE(VMGUEST_WIRE_LOGOFF_FORCED), "bad payload" },
};

/**
 * struct shape - What else there is to a type
 * @type: The type.
 * @name: Its name.
 * @fixed: Size of its payload struct.
 * @texts: Number of its texts.
 * @text_max: Longest of them.
 * @no_task_id: A task id that it must not have: 0, or ALL for one that it must
 *	not have at all; 1 where it may have any.
 */
struct shape {
	uint16_t type;
	const char *name;
	size_t fixed;
	unsigned int texts;
	size_t text_max;
	uint64_t no_task_id;
};

static const struct shape shapes[] = {
	{ VMGUEST_WIRE_HELLO, "HELLO", sizeof(struct vmguest_wire_hello), 5,
	  VMGUEST_WIRE_INFO_MAX, ALL },
	{ VMGUEST_WIRE_ACCEPTED, "ACCEPTED", 0, 0, 0, 0 },
	{ VMGUEST_WIRE_BLOCKED, "BLOCKED", sizeof(struct vmguest_wire_blocked),
	  2, VMGUEST_WIRE_TEXT_MAX, 0 },
	{ VMGUEST_WIRE_COMMIT, "COMMIT", 0, 0, 0, 0 },
	{ VMGUEST_WIRE_PROGRESS, "PROGRESS",
	  sizeof(struct vmguest_wire_progress), 0, 0, 0 },
	{ VMGUEST_WIRE_RESULT, "RESULT", sizeof(struct vmguest_wire_result), 1,
	  VMGUEST_WIRE_TEXT_MAX, 0 },
	{ VMGUEST_WIRE_LAST_BREATH, "LAST_BREATH",
	  sizeof(struct vmguest_wire_last_breath), 0, 0, 1 },
	{ VMGUEST_WIRE_PONG, "PONG", 0, 0, 0, 1 },
	{ VMGUEST_WIRE_GOODBYE, "GOODBYE", 0, 0, 0, ALL },
	{ VMGUEST_WIRE_NOTICE, "NOTICE", sizeof(struct vmguest_wire_notice), 1,
	  VMGUEST_WIRE_TEXT_MAX, ALL },
};

/* Types that an agent must not send, unknown ones and the module's. */
static const uint16_t bad_types[] = {
	0, 0x0b, 0x7f, 0x80, 0x88, 0x0101, 0xffff,
	VMGUEST_WIRE_WELCOME, VMGUEST_WIRE_REJECT, VMGUEST_WIRE_REQUEST,
	VMGUEST_WIRE_CANCEL, VMGUEST_WIRE_GO, VMGUEST_WIRE_PING,
	VMGUEST_WIRE_LAST_BREATH_ACK,
};

/**
 * struct bad_frame - A frame that must close its connection
 * @name: What is wrong with it, for people.
 * @type: The type that the kernel's log names.
 * @why: The reason that it names.
 * @bytes: The frame.
 * @len: Its length.
 */
struct bad_frame {
	char name[48];
	uint16_t type;
	const char *why;
	uint8_t bytes[VMGUEST_FRAME_MAX + 256];
	size_t len;
};

static struct bad_frame bad_frames[CASES_MAX];
static size_t bad_count;

static void put(uint8_t *frame, size_t offset, size_t size, uint64_t value)
{
	value = htole64(value);
	memcpy(frame + offset, &value, size);
}

static void put_length(struct bad_frame *bad)
{
	put(bad->bytes, offsetof(struct vmguest_wire_header, length), 4,
	    bad->len - HEADER);
}

static size_t make_good(uint16_t type, uint64_t task_id,
			const uint8_t *boot_id, uint8_t *bytes)
{
	struct vmguest_frame frame = { .type = type };
	unsigned int i;

	if (type != VMGUEST_WIRE_HELLO && type != VMGUEST_WIRE_GOODBYE &&
	    type != VMGUEST_WIRE_NOTICE)
		frame.task_id = task_id;
	switch (type) {
	case VMGUEST_WIRE_HELLO:
		memcpy(frame.hello.boot_id, boot_id, 16);
		frame.hello.capabilities = SIM_CAPABILITIES;
		break;
	case VMGUEST_WIRE_BLOCKED:
		frame.blocked.kind = 1;
		break;
	case VMGUEST_WIRE_RESULT:
		frame.result.code = VMGUEST_WIRE_FAILED;
		frame.result.targeted = 2;
		frame.result.ended = 1;
		frame.result.left = 1;
		break;
	case VMGUEST_WIRE_LAST_BREATH:
		frame.last_breath.end = VMGUEST_END_POWEROFF;
		break;
	case VMGUEST_WIRE_NOTICE:
		frame.notice.kind = VMGUEST_NOTICE_LOGOFF;
		frame.notice.how = VMGUEST_WIRE_LOGOFF_NORMAL;
		frame.notice.ended = 1;
		frame.notice.left = 1;
		break;
	}
	for (i = 0; i < VMGUEST_FRAME_TEXTS; i++) {
		frame.text[i].data = SAMPLE;
		frame.text[i].len = strlen(SAMPLE);
	}
	return vmguest_protocol_encode(&frame, bytes, VMGUEST_FRAME_MAX);
}

/* A good frame to spoil; about a task that no VM has, so that it is all lies. */
static struct bad_frame *add_frame(const struct shape *shape, const char *what,
				   const char *why)
{
	static const uint8_t boot_id[16] = { 1 };
	struct bad_frame *bad = &bad_frames[bad_count++];

	snprintf(bad->name, sizeof(bad->name), "%s: %s", shape->name, what);
	bad->type = shape->type;
	bad->why = why;
	bad->len = make_good(shape->type, 1ULL << 40, boot_id, bad->bytes);
	return bad;
}

static void add_field(const struct shape *shape, const struct field *field)
{
	struct bad_frame *bad;
	char what[32];
	size_t i;

	for (i = 0; i < VALUES_MAX; i++) {
		snprintf(what, sizeof(what), "%s %#llx", field->name,
			 (unsigned long long)field->bad[i]);
		bad = add_frame(shape, what, field->why);
		put(bad->bytes, field->offset, field->size, field->bad[i]);
		/* Before the type has been looked at. */
		if (!field->type && field->offset <
		    offsetof(struct vmguest_wire_header, type))
			bad->type = 0;
	}
}

/* Where text @index starts in a frame of samples. */
static size_t text_offset(const struct shape *shape, unsigned int index)
{
	return HEADER + shape->fixed + index * (2 + strlen(SAMPLE));
}

static void add_text(const struct shape *shape, unsigned int index)
{
	size_t at = text_offset(shape, index);
	size_t more = shape->text_max + 1 - strlen(SAMPLE);
	struct bad_frame *bad;
	char what[32];

	snprintf(what, sizeof(what), "text %u too long", index);
	bad = add_frame(shape, what, "bad text");
	memmove(bad->bytes + at + 2 + more, bad->bytes + at + 2,
		bad->len - at - 2);
	memset(bad->bytes + at + 2, 'x', more);
	put(bad->bytes, at, 2, shape->text_max + 1);
	bad->len += more;
	put_length(bad);

	snprintf(what, sizeof(what), "text %u beyond the frame", index);
	bad = add_frame(shape, what, "bad text");
	put(bad->bytes, at, 2, bad->len - at - 2 + 1);

	snprintf(what, sizeof(what), "text %u of 65535", index);
	bad = add_frame(shape, what, "bad text");
	put(bad->bytes, at, 2, 0xffff);

	snprintf(what, sizeof(what), "text %u with NUL", index);
	bad = add_frame(shape, what, "bad text");
	bad->bytes[at + 3] = 0;

	snprintf(what, sizeof(what), "text %u missing", index);
	bad = add_frame(shape, what, "bad text");
	bad->len = at;
	put_length(bad);

	snprintf(what, sizeof(what), "text %u half a length", index);
	bad = add_frame(shape, what, "bad text");
	bad->len = at + 1;
	put_length(bad);
}

static void add_shape(const struct shape *shape)
{
	struct bad_frame *bad;
	unsigned int i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!fields[i].type || fields[i].type == shape->type)
			add_field(shape, &fields[i]);
	for (i = 0; i < shape->texts; i++)
		add_text(shape, i);

	bad = add_frame(shape, "a byte behind it", "bad text");
	bad->bytes[bad->len++] = 0;
	put_length(bad);
	if (shape->fixed) {
		bad = add_frame(shape, "no payload", "bad length");
		bad->len = HEADER;
		put_length(bad);
		bad = add_frame(shape, "a byte too few", "bad length");
		bad->len = HEADER + shape->fixed - 1;
		put_length(bad);
	}
	if (shape->no_task_id == 1)
		return;
	bad = add_frame(shape, shape->no_task_id ? "a task" : "no task",
			"bad task id");
	put(bad->bytes, offsetof(struct vmguest_wire_header, task_id), 8,
	    shape->no_task_id);
}

static void add_types(void)
{
	static const struct shape none = { .type = VMGUEST_WIRE_PONG,
					   .name = "type" };
	struct bad_frame *bad;
	char what[16];
	size_t i;

	for (i = 0; i < sizeof(bad_types) / sizeof(bad_types[0]); i++) {
		snprintf(what, sizeof(what), "%#x", bad_types[i]);
		bad = add_frame(&none, what,
				bad_types[i] > 0x80 && bad_types[i] < 0x88 ?
				"type of the other side" : "unknown type");
		bad->type = bad_types[i];
		put(bad->bytes, offsetof(struct vmguest_wire_header, type), 2,
		    bad_types[i]);
	}
}

static void add_all(void)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		add_shape(&shapes[i]);
	add_types();
}

/**
 * enum phase - Where a connection stands when the frame comes
 * @NEW: It has said nothing.
 * @CANDIDATE: The guest's older connection is asked whether it lives.
 * @HOOK: It brings a last breath.
 * @IDLE: It is the agent's, and nothing is asked of it.
 * @REQUESTED: It has a REQUEST.
 * @ACCEPTED: It has accepted that.
 * @COMMITTED: It was told GO.
 */
enum phase { NEW, CANDIDATE, HOOK, IDLE, REQUESTED, ACCEPTED, COMMITTED };

#define BIT(phase)	(1U << (phase))
#define ACTIVE		(BIT(IDLE) | BIT(REQUESTED) | BIT(ACCEPTED) | \
			 BIT(COMMITTED))

/* In which phases each good frame is taken; what it says is about the task. */
static const struct {
	uint16_t type;
	unsigned int phases;
} places[] = {
	{ VMGUEST_WIRE_HELLO, BIT(NEW) },
	{ VMGUEST_WIRE_ACCEPTED, ACTIVE },
	{ VMGUEST_WIRE_BLOCKED, ACTIVE & ~BIT(COMMITTED) },
	{ VMGUEST_WIRE_COMMIT, ACTIVE },
	{ VMGUEST_WIRE_PROGRESS, BIT(IDLE) | BIT(COMMITTED) },
	{ VMGUEST_WIRE_RESULT, ACTIVE },
	{ VMGUEST_WIRE_LAST_BREATH, BIT(IDLE) | BIT(COMMITTED) | BIT(HOOK) },
	{ VMGUEST_WIRE_PONG, ACTIVE },
	{ VMGUEST_WIRE_GOODBYE, ACTIVE },
	{ VMGUEST_WIRE_NOTICE, ACTIVE },
};

FIXTURE(frames) {
	int fd;
	int kmsg;
	int task;
	uint64_t vm;
	uint64_t neighbour_vm;
	char cost[16];
	struct sim *sim;
	struct sim_guest *guest;
	struct sim_guest *neighbour;
};

FIXTURE_VARIANT(frames) {
	enum phase phase;
};

#define PHASE(name_, phase_)						\
FIXTURE_VARIANT_ADD(frames, name_) { .phase = phase_ }

PHASE(new, NEW);
PHASE(candidate, CANDIDATE);
PHASE(hook, HOOK);
PHASE(idle, IDLE);
PHASE(requested, REQUESTED);
PHASE(accepted, ACCEPTED);
PHASE(committed, COMMITTED);

#define ARGS	struct __test_metadata *_metadata,			\
		FIXTURE_DATA(frames) *self,				\
		const FIXTURE_VARIANT(frames) *variant
#define PASS	_metadata, self, variant

static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (write(fd, value, strlen(value)) < 0)
		perror(path);
	close(fd);
}

static void read_sysctl(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, value, size - 1);

	value[n > 0 ? n : 0] = 0;
	close(fd);
}

/* Where the agent's own connection is not needed there is none. */
static bool has_agent(enum phase phase)
{
	return phase == CANDIDATE || phase == HOOK;
}

static void start_guest(ARGS)
{
	ASSERT_EQ(0, vmg_register(self->fd, "guest", CID, -1, &self->vm));
	if (has_agent(variant->phase)) {
		sim_guest_at(self->guest, SIM_AT_PING, SIM_HANG);
		BOOT(self->guest);
	} else {
		sim_guest_at(self->guest, SIM_AT_BOOT, SIM_HANG);
		ASSERT_EQ(0, sim_guest_boot(self->guest));
	}
	if (variant->phase >= REQUESTED)
		ASK(self->vm, VMGUEST_SHUTDOWN,
		    request.flags = VMGUEST_REQ_QUEUE |
				    VMGUEST_REQ_NO_DEADLINE;
		    request.deadline_ms = 0);
}

FIXTURE_SETUP(frames)
{
	self->task = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->kmsg);
	lseek(self->kmsg, 0, SEEK_END);
	read_sysctl(COST, self->cost, sizeof(self->cost));
	write_sysctl(COST, "0");

	self->sim = sim_create();
	self->neighbour = sim_guest_add(self->sim, NEIGHBOUR_CID);
	sim_guest_set_loud(self->neighbour, false);
	ASSERT_EQ(0, vmg_register(self->fd, "neighbour", NEIGHBOUR_CID, -1,
				  &self->neighbour_vm));
	BOOT(self->neighbour);
	self->guest = sim_guest_add(self->sim, CID);
	start_guest(PASS);
}

FIXTURE_TEARDOWN(frames)
{
	if (self->task >= 0)
		close(self->task);
	sim_destroy(self->sim);
	vmg_unregister_all(self->fd);
	write_sysctl(COST, self->cost);
	close(self->kmsg);
	close(self->fd);
}

static uint64_t task_id(int task)
{
	return task >= 0 ? vmg_task(task).task_id : 1;
}

static void say_hello(ARGS)
{
	uint8_t bytes[VMGUEST_FRAME_MAX];
	size_t len = make_good(VMGUEST_WIRE_HELLO, 0,
			       sim_guest_boot_id(self->guest), bytes);

	(void)_metadata;
	if (variant->phase == HOOK)
		put(bytes, HEADER + offsetof(struct vmguest_wire_hello, role),
		    4, VMGUEST_ROLE_LAST_BREATH);
	sim_hand_send(self->guest, bytes, len);
}

static void say(ARGS, uint16_t type)
{
	uint8_t bytes[VMGUEST_FRAME_MAX];
	size_t len = make_good(type, task_id(self->task),
			       sim_guest_boot_id(self->guest), bytes);

	(void)_metadata;
	(void)variant;
	sim_hand_send(self->guest, bytes, len);
}

#define GOT(type)	sim_guest_count(self->guest, SIM_EV_GOT, type)

/* A connection in the variant's phase. */
static void bring_up(ARGS)
{
	enum phase phase = variant->phase;

	sim_guest_forget_log(self->guest);
	sim_hand_dial(self->guest);
	ASSERT_SOON(sim_hand_is_open(self->guest));
	if (phase == NEW)
		return;
	say_hello(PASS);
	if (phase == CANDIDATE)
		return;
	ASSERT_SOON(GOT(VMGUEST_WIRE_WELCOME));
	if (phase < REQUESTED)
		return;
	ASSERT_SOON(GOT(VMGUEST_WIRE_REQUEST));
	if (phase == ACCEPTED)
		say(PASS, VMGUEST_WIRE_ACCEPTED);
	if (phase != COMMITTED)
		return;
	say(PASS, VMGUEST_WIRE_COMMIT);
	ASSERT_SOON(GOT(VMGUEST_WIRE_GO));
}

/* How many lines about broken rules came, and whether the last is @want. */
static unsigned int read_log(int kmsg, const char *want, bool *is)
{
	unsigned int lines = 0;
	char buf[2048];
	ssize_t n;

	for (;;) {
		n = read(kmsg, buf, sizeof(buf) - 1);
		/* EPIPE: older ones were overwritten. */
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return lines;
		buf[n] = 0;
		if (!strstr(buf, "connection closed:"))
			continue;
		lines++;
		*is = strstr(buf, want);
	}
}

static void expect_logged(ARGS, const char *what, uint16_t type,
			  const char *why)
{
	bool is = false;
	char want[128];

	(void)variant;
	snprintf(want, sizeof(want),
		 ";vmguest: cid %u: connection closed: frame 0x%x: %s\n", CID,
		 type, why);
	EXPECT_EQ(1, read_log(self->kmsg, want, &is))
		TH_LOG("%s: the log has another number of lines", what);
	EXPECT_TRUE(is)
		TH_LOG("%s: the log does not say \"%s\"", what, want + 1);
}

static uint64_t malformed(int fd, uint64_t id)
{
	struct vmguest_vm_get vm;

	return vmg_get(fd, id, &vm) ? UINT64_MAX : vm.malformed;
}

static void expect_neighbour(ARGS)
{
	int task;
	struct vmguest_request request = vmg_request(self->neighbour_vm);

	(void)variant;
	task = vmg_ask(self->fd, VMGUEST_PING, &request);
	ASSERT_LE(0, task);
	EXPECT_ENDED(sim_task(self->sim, task, PATIENCE_MS),
		     VMGUEST_RESULT_SUCCESS, 0);
	close(task);
	EXPECT_EQ(0, malformed(self->fd, self->neighbour_vm));
	EXPECT_EQ(0, sim_guest_count(self->neighbour, SIM_EV_CLOSED, -1));
}

static void expect_bad(ARGS, const struct bad_frame *bad)
{
	uint64_t before = malformed(self->fd, self->vm);
	struct vmguest_task_get task = { };
	const char *why = bad->why;

	bring_up(PASS);
	if (self->task >= 0)
		task = vmg_task(self->task);
	sim_hand_send(self->guest, bad->bytes, bad->len);
	EXPECT_SOON(sim_hand_is_over(self->guest))
		TH_LOG("%s: is not closed", bad->name);
	EXPECT_EQ(before + 1, malformed(self->fd, self->vm))
		TH_LOG("%s: is not counted", bad->name);
	expect_logged(PASS, bad->name, bad->type, why);
	if (self->task >= 0)
		EXPECT_EQ(task.proofs | (variant->phase == ACCEPTED ?
					 VMGUEST_PROOF_ACCEPTED : 0),
			  vmg_task(self->task).proofs);
	expect_neighbour(PASS);
	sim_hand_reset(self->guest);
}

/* 257 frames in a row; each wait for one has its own limit. */
TEST_F_TIMEOUT(frames, out_of_range, 120)
{
	size_t i;

	add_all();
	ASSERT_LT(bad_count, CASES_MAX);
	for (i = 0; i < bad_count && _metadata->passed; i++)
		expect_bad(PASS, &bad_frames[i]);
	TH_LOG("%zu frames", i);
	if (self->task >= 0)
		EXPECT_FALSE(vmg_task(self->task).task_flags &
			     VMGUEST_TASK_COMPLETE);
}

/* The connection has handled all that was said on it. */
static void expect_lives(ARGS, const char *name)
{
	struct vmguest_request request = vmg_request(self->vm);
	uint8_t bytes[VMGUEST_FRAME_MAX];
	size_t len;
	int task;

	if (variant->phase == HOOK) {
		EXPECT_SOON(GOT(VMGUEST_WIRE_LAST_BREATH_ACK));
		return;
	}
	if (variant->phase == NEW)
		ASSERT_SOON(GOT(VMGUEST_WIRE_WELCOME));
	task = vmg_ask(self->fd, VMGUEST_PING, &request);
	ASSERT_LE(0, task);
	ASSERT_SOON(GOT(VMGUEST_WIRE_PING));
	len = make_good(VMGUEST_WIRE_PONG, request.task_id, NULL, bytes);
	sim_hand_send(self->guest, bytes, len);
	EXPECT_ENDED(sim_task(self->sim, task, PATIENCE_MS),
		     VMGUEST_RESULT_SUCCESS, 0);
	close(task);
	EXPECT_FALSE(sim_hand_is_over(self->guest))
		TH_LOG("%s: closes the connection", name);
}

static void expect_place(ARGS, const struct shape *shape, bool taken)
{
	uint64_t want = taken ? 0 : 1;

	bring_up(PASS);
	say(PASS, shape->type);
	if (!taken || shape->type == VMGUEST_WIRE_GOODBYE) {
		EXPECT_SOON(sim_hand_is_over(self->guest))
			TH_LOG("%s: is not closed", shape->name);
	} else {
		expect_lives(PASS, shape->name);
	}
	EXPECT_EQ(want, malformed(self->fd, self->vm))
		TH_LOG("%s: malformed", shape->name);
	if (!taken)
		expect_logged(PASS, shape->name, shape->type, "out of place");
	expect_neighbour(PASS);
}

/* Each one starts with a VM that nothing was said about. */
TEST_F(frames, out_of_place)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		ASSERT_EQ(shapes[i].type, places[i].type);
		expect_place(PASS, &shapes[i],
			     places[i].phases & BIT(variant->phase));
		sim_guest_do(self->guest, SIM_DIE, 0);
		ASSERT_EQ(0, vmg_unregister(self->fd, self->vm));
		start_guest(PASS);
	}
}

FIXTURE(log) {
	int fd;
	int kmsg;
	uint64_t vm;
	struct sim *sim;
	struct sim_guest *guest;
};

FIXTURE_SETUP(log)
{
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->kmsg);
	lseek(self->kmsg, 0, SEEK_END);
	self->sim = sim_create();
	self->guest = sim_guest_add(self->sim, CID);
	sim_guest_at(self->guest, SIM_AT_BOOT, SIM_HANG);
	ASSERT_EQ(0, sim_guest_boot(self->guest));
	ASSERT_EQ(0, vmg_register(self->fd, "guest", CID, -1, &self->vm));
}

FIXTURE_TEARDOWN(log)
{
	sim_destroy(self->sim);
	vmg_unregister_all(self->fd);
	close(self->kmsg);
	close(self->fd);
}

/* net.core.message_burst lines at most, and all are counted. */
TEST_F(log, is_rate_limited)
{
	static const uint8_t garbage[HEADER] = { };
	unsigned int lines;
	char burst[16];
	bool is;
	int i;

	read_sysctl("/proc/sys/net/core/message_burst", burst, sizeof(burst));
	for (i = 0; i < 100; i++) {
		sim_hand_dial(self->guest);
		ASSERT_SOON(sim_hand_is_open(self->guest));
		sim_hand_send(self->guest, garbage, sizeof(garbage));
		ASSERT_SOON(sim_hand_is_over(self->guest));
	}
	EXPECT_EQ(100, malformed(self->fd, self->vm));
	lines = read_log(self->kmsg, "", &is);
	EXPECT_LE(1, lines);
	/* Each message_cost seconds, which a slow machine may see more of. */
	EXPECT_GE(2 * atoi(burst), lines);
}

TEST_HARNESS_MAIN
