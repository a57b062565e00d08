// SPDX-License-Identifier: GPL-2.0-only
/*
 * The codec of the wire protocol: what it writes it reads, what is wrong it
 * refuses, and it never reads beyond what it was given: every buffer here is
 * allocated to the byte, so that ASan sees the first one too many.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"
#include "protocol.h"

#define MUTATIONS	300000
#define SEED		20261121

#define HEADER		sizeof(struct vmguest_wire_header)

static const struct vmguest_frame samples[] = {
	{
		.type = VMGUEST_WIRE_HELLO,
		.hello = {
			.boot_id = { 1, 2, 3 }, .machine_id = { 4 },
			.instance = { 5 }, .capabilities = 0x123456789abcdef0,
			.role = VMGUEST_ROLE_LAST_BREATH, .sessions = 7,
		},
		.text = { { "host", 4 }, { "os", 2 }, { "", 0 },
			  { "kernel", 6 }, { "0.1", 3 } },
	},
	{ .type = VMGUEST_WIRE_ACCEPTED, .task_id = 1 },
	{
		.type = VMGUEST_WIRE_BLOCKED, .task_id = 2,
		.blocked = { .kind = 1, .uid = 1000, .pid = 42 },
		.text = { { "editor", 6 }, { "unsaved", 7 } },
	},
	{ .type = VMGUEST_WIRE_COMMIT, .task_id = 3 },
	{
		.type = VMGUEST_WIRE_PROGRESS, .task_id = 4,
		.progress.percent = 99,
	},
	{
		.type = VMGUEST_WIRE_RESULT, .task_id = 5,
		.result = { .code = VMGUEST_WIRE_FAILED, .targeted = 3,
			    .ended = 1, .left = 2 },
		.text = { { "sessions are left", 17 } },
	},
	{
		.type = VMGUEST_WIRE_LAST_BREATH, .task_id = 6,
		.last_breath.end = VMGUEST_END_REBOOT,
	},
	{ .type = VMGUEST_WIRE_PONG, .task_id = 0 },
	{ .type = VMGUEST_WIRE_GOODBYE },
	{
		.type = VMGUEST_WIRE_NOTICE,
		.notice = { .kind = VMGUEST_NOTICE_LOGOFF,
			    .how = VMGUEST_WIRE_LOGOFF_FORCED,
			    .ended = 2, .left = 1 },
		.text = { { "alice", 5 } },
	},
	{
		.type = VMGUEST_WIRE_WELCOME,
		.welcome = { .instance = { 9, 8, 7 }, .heartbeat_ms = 6000,
			     .features = VMGUEST_WIRE_FEATURE_NOTICE },
	},
	{
		.type = VMGUEST_WIRE_REJECT,
		.reject.code = VMGUEST_REJECT_BUSY,
	},
	{
		.type = VMGUEST_WIRE_REQUEST, .task_id = 0xffffffffffffffff,
		.request = { .verb = VMGUEST_VERB_LOGOFF,
			     .scope = VMGUEST_SCOPE_UID, .flags = 7,
			     .deadline_ms = 1, .delay_ms = 2, .grace_ms = 3,
			     .uid = 1000 },
		.text = { { "because", 7 } },
	},
	{ .type = VMGUEST_WIRE_CANCEL, .task_id = 8 },
	{ .type = VMGUEST_WIRE_GO, .task_id = 9 },
	{ .type = VMGUEST_WIRE_PING, .task_id = 10 },
	{ .type = VMGUEST_WIRE_LAST_BREATH_ACK, .task_id = 0 },
};

#define SAMPLES	(sizeof(samples) / sizeof(samples[0]))

static enum vmguest_origin origin_of(const struct vmguest_frame *frame)
{
	return frame->type < 0x80 ? VMGUEST_FROM_AGENT : VMGUEST_FROM_MODULE;
}

/* Decode a copy that ends where @len ends. */
static int decode(const void *bytes, size_t len, enum vmguest_origin origin,
		  struct vmguest_frame *frame, uint8_t **copy)
{
	/* What a type does not have is left as it is. */
	memset(frame, 0, sizeof(*frame));
	*copy = malloc(len ? len : 1);
	memcpy(*copy, bytes, len);
	return vmguest_protocol_decode(*copy, len, origin, frame);
}

static bool same_texts(const struct vmguest_frame *a,
		       const struct vmguest_frame *b)
{
	int i;

	for (i = 0; i < VMGUEST_FRAME_TEXTS; i++)
		if (a->text[i].len != b->text[i].len ||
		    (a->text[i].len && memcmp(a->text[i].data, b->text[i].data,
					      a->text[i].len)))
			return false;
	return true;
}

static bool same(const struct vmguest_frame *a, const struct vmguest_frame *b)
{
	/* The union is compared by what it encodes to. */
	uint8_t x[VMGUEST_FRAME_MAX], y[VMGUEST_FRAME_MAX];
	int n = vmguest_protocol_encode(a, x, sizeof(x));

	return a->type == b->type && a->task_id == b->task_id &&
	       n == vmguest_protocol_encode(b, y, sizeof(y)) &&
	       !memcmp(x, y, n) && same_texts(a, b);
}

static void test_round_trip(const struct vmguest_frame *sample)
{
	struct vmguest_frame frame;
	uint8_t wire[VMGUEST_FRAME_MAX], *copy;
	int len = vmguest_protocol_encode(sample, wire, sizeof(wire));
	int ret = decode(wire, len, origin_of(sample), &frame, &copy);

	ktap_check(len > 0 && ret == len && same(sample, &frame),
		   "type 0x%02x: what was written is read", sample->type);
	free(copy);
	ret = decode(wire, len, !origin_of(sample), &frame, &copy);
	ktap_check(ret == -EPROTO, "type 0x%02x: not from the other side",
		   sample->type);
	free(copy);
}

/* Every start of a frame is only a start. */
static void test_truncated(const struct vmguest_frame *sample)
{
	struct vmguest_frame frame;
	uint8_t wire[VMGUEST_FRAME_MAX], *copy;
	int len = vmguest_protocol_encode(sample, wire, sizeof(wire));
	bool good = true;
	int n;

	for (n = 0; n < len; n++) {
		good &= !decode(wire, n, origin_of(sample), &frame, &copy);
		free(copy);
	}
	ktap_check(good, "type 0x%02x: any start of it is a start",
		   sample->type);
}

static void test_room(const struct vmguest_frame *sample)
{
	uint8_t wire[VMGUEST_FRAME_MAX], *exact;
	int len = vmguest_protocol_encode(sample, wire, sizeof(wire));
	bool good = true;
	int n;

	for (n = 0; n <= len; n++) {
		exact = malloc(n ? n : 1);
		good &= vmguest_protocol_encode(sample, exact, n) ==
			(n < len ? -EMSGSIZE : len);
		free(exact);
	}
	ktap_check(good, "type 0x%02x: written only where it fits",
		   sample->type);
}

/* One wrong byte in a good frame. */
static void test_wrong(const char *what, const struct vmguest_frame *sample,
		       size_t at, uint8_t value)
{
	struct vmguest_frame frame;
	uint8_t wire[VMGUEST_FRAME_MAX], *copy;
	int len = vmguest_protocol_encode(sample, wire, sizeof(wire));

	wire[at] = value;
	ktap_check(decode(wire, len, origin_of(sample), &frame, &copy) ==
		   -EPROTO, "refused: %s", what);
	free(copy);
}

static const struct vmguest_frame *sample(uint16_t type)
{
	size_t i;

	for (i = 0; i < SAMPLES; i++)
		if (samples[i].type == type)
			return &samples[i];
	abort();
}

/* Each kind has its own members, and the others are zero. */
static void test_notice(const char *what, bool good, __u32 kind, __u32 how,
			__u32 ended, __u32 left)
{
	const struct vmguest_frame notice = {
		.type = VMGUEST_WIRE_NOTICE,
		.notice = { .kind = kind, .how = how, .ended = ended,
			    .left = left },
	};
	struct vmguest_frame frame;
	uint8_t wire[VMGUEST_FRAME_MAX], *copy;
	int len = vmguest_protocol_encode(&notice, wire, sizeof(wire));

	ktap_check(decode(wire, len, VMGUEST_FROM_AGENT, &frame, &copy) ==
		   (good ? len : -EPROTO), "notice: %s", what);
	free(copy);
}

static void test_notices(void)
{
	test_notice("goes down, how is not known", true,
		    VMGUEST_NOTICE_GOING_DOWN, 0, 0, 0);
	test_notice("goes down to halt", true, VMGUEST_NOTICE_GOING_DOWN,
		    VMGUEST_END_HALT, 0, 0);
	test_notice("goes down beyond the last end", false,
		    VMGUEST_NOTICE_GOING_DOWN, VMGUEST_END_HALT + 1, 0, 0);
	test_notice("goes down with sessions that ended", false,
		    VMGUEST_NOTICE_GOING_DOWN, 0, 1, 0);
	test_notice("goes down with sessions that are left", false,
		    VMGUEST_NOTICE_GOING_DOWN, 0, 0, 1);
	test_notice("stays up", true, VMGUEST_NOTICE_STAYS_UP, 0, 0, 0);
	test_notice("stays up somehow", false, VMGUEST_NOTICE_STAYS_UP, 1, 0,
		    0);
	test_notice("stays up with sessions that are left", false,
		    VMGUEST_NOTICE_STAYS_UP, 0, 0, 1);
	test_notice("a normal logoff of the last", true, VMGUEST_NOTICE_LOGOFF,
		    VMGUEST_WIRE_LOGOFF_NORMAL, 1, 0);
	test_notice("a logoff of nobody", false, VMGUEST_NOTICE_LOGOFF,
		    VMGUEST_WIRE_LOGOFF_NORMAL, 0, 1);
	test_notice("a logoff that did not happen somehow", false,
		    VMGUEST_NOTICE_LOGOFF, 0, 1, 0);
	test_notice("a logoff by the host", false, VMGUEST_NOTICE_LOGOFF,
		    VMGUEST_WIRE_LOGOFF_FORCED + 1, 1, 0);
	test_notice("two sessions, both locked", true, VMGUEST_NOTICE_SESSIONS,
		    2, 0, 2);
	test_notice("no session", true, VMGUEST_NOTICE_SESSIONS, 0, 0, 0);
	test_notice("more locked than there are", false,
		    VMGUEST_NOTICE_SESSIONS, 3, 0, 2);
	test_notice("sessions now with some that ended", false,
		    VMGUEST_NOTICE_SESSIONS, 0, 1, 2);
	test_notice("no kind", false, 0, 0, 0, 0);
	test_notice("a kind beyond the last", false,
		    VMGUEST_NOTICE_SESSIONS + 1, 0, 0, 0);
}

static void test_refusals(void)
{
	const struct vmguest_frame *result = sample(VMGUEST_WIRE_RESULT);

	test_wrong("another magic", result, 0, 0);
	test_wrong("another version", result, 4, 2);
	test_wrong("an unknown type", result, 6, 0x7f);
	test_wrong("an unknown type, high byte", result, 7, 1);
	test_wrong("a length below the struct", result, 8, 1);
	test_wrong("a length beyond the limit", result, 9, 5);
	test_wrong("a huge length", result, 11, 0xff);
	test_wrong("a reserved member", result, 12, 1);
	test_wrong("ACCEPTED about no task", sample(VMGUEST_WIRE_ACCEPTED),
		   16, 0);
	test_wrong("HELLO about a task", sample(VMGUEST_WIRE_HELLO), 16, 1);
	test_wrong("an unknown role", sample(VMGUEST_WIRE_HELLO),
		   HEADER + 56, 2);
	test_wrong("a result code beyond the last", result, HEADER, 10);
	test_wrong("sessions that do not add up", result, HEADER + 4, 4);
	test_wrong("a kind of blocker beyond the last",
		   sample(VMGUEST_WIRE_BLOCKED), HEADER, 5);
	test_wrong("a blocker's reserved member", sample(VMGUEST_WIRE_BLOCKED),
		   HEADER + 12, 1);
	test_wrong("100 percent", sample(VMGUEST_WIRE_PROGRESS), HEADER, 100);
	test_wrong("no end", sample(VMGUEST_WIRE_LAST_BREATH), HEADER, 0);
	test_wrong("an end beyond the last", sample(VMGUEST_WIRE_LAST_BREATH),
		   HEADER, 4);
	test_wrong("PING as a request", sample(VMGUEST_WIRE_REQUEST), HEADER,
		   VMGUEST_VERB_PING);
	test_wrong("a scope beyond the last", sample(VMGUEST_WIRE_REQUEST),
		   HEADER + 2, 3);
	test_wrong("NOTICE about a task", sample(VMGUEST_WIRE_NOTICE), 16, 1);
	test_wrong("a feature that nobody knows",
		   sample(VMGUEST_WIRE_WELCOME), HEADER + 20, 4);
	test_wrong("a text longer than its frame", result, HEADER + 16, 200);
	test_wrong("a text shorter than its frame", result, HEADER + 16, 1);
	test_wrong("a NUL in a text", result, HEADER + 18, 0);
}

static void test_text_limit(void)
{
	char text[VMGUEST_WIRE_TEXT_MAX + 2];
	struct vmguest_frame frame = *sample(VMGUEST_WIRE_RESULT), out;
	uint8_t wire[VMGUEST_FRAME_MAX], *copy;
	int len;

	memset(text, 'x', sizeof(text));
	frame.text[0] = (struct vmguest_text){ text, sizeof(text) };
	len = vmguest_protocol_encode(&frame, wire, sizeof(wire));
	ktap_check(decode(wire, len, VMGUEST_FROM_AGENT, &out, &copy) == len &&
		   out.text[0].len == VMGUEST_WIRE_TEXT_MAX,
		   "a text that is too long is cut when it is written");
	free(copy);
	/* One byte longer on the wire. */
	wire[8]++;
	wire[HEADER + 16]++;
	wire[len] = 'x';
	ktap_check(decode(wire, len + 1, VMGUEST_FROM_AGENT, &out, &copy) ==
		   -EPROTO, "... and refused when it is read");
	free(copy);
}

static void test_clean(const char *what, const char *in, size_t len,
		       size_t size, const char *want)
{
	struct vmguest_text text = { in, len };
	char *out = malloc(size);

	vmguest_text_clean(out, size, &text);
	ktap_check(!strcmp(out, want), "cleaned: %s", what);
	ktap_check(vmguest_text_is_clean(in, len) == !strchr(want, '?') ||
		   strlen(want) < len, "judged: %s", what);
	free(out);
}

#define CLEAN(what, in, want) \
	test_clean(what, in, sizeof(in) - 1, 128, want)

static void test_texts(void)
{
	CLEAN("plain words", "plain words", "plain words");
	CLEAN("nothing", "", "");
	CLEAN("an escape sequence", "\x1b[31mred", "?[31mred");
	CLEAN("a line feed", "a\nb", "a?b");
	CLEAN("DEL", "a\x7f" "b", "a?b");
	CLEAN("two bytes", "\xc3\xa4", "\xc3\xa4");
	CLEAN("three bytes", "\xe2\x82\xac", "\xe2\x82\xac");
	CLEAN("four bytes", "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7");
	CLEAN("C1", "\xc2\x9b", "??");
	CLEAN("an overlong slash", "\xc0\xaf", "??");
	CLEAN("a surrogate", "\xed\xa0\x80", "???");
	CLEAN("beyond Unicode", "\xf4\x90\x80\x80", "????");
	CLEAN("a lone continuation", "\x80", "?");
	CLEAN("a cut sequence", "\xe2\x82", "??");
	CLEAN("bidirectional override", "\xe2\x80\xae", "???");
	CLEAN("a line separator", "\xe2\x80\xa8", "???");
	test_clean("no room for the second character", "a\xc3\xa4", 3, 3, "a");
	test_clean("no room for anything", "a", 1, 1, "");
}

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* What decodes after being damaged decodes to what it says. */
static void test_mutations(void)
{
	uint8_t wire[VMGUEST_FRAME_MAX], *copy;
	struct vmguest_frame frame;
	uint32_t state = SEED;
	const struct vmguest_frame *from;
	int i, j, len, ret, accepted = 0;
	bool good = true;

	for (i = 0; i < MUTATIONS; i++) {
		from = &samples[random_next(&state) % SAMPLES];
		len = vmguest_protocol_encode(from, wire, sizeof(wire));
		for (j = random_next(&state) % 4; j >= 0; j--)
			wire[random_next(&state) % len] = random_next(&state);
		if (!(random_next(&state) % 4))
			len = random_next(&state) % (len + 1);
		ret = decode(wire, len, origin_of(from), &frame, &copy);
		good &= ret == -EPROTO || (ret >= 0 && ret <= len);
		if (ret > 0) {
			accepted++;
			good &= vmguest_protocol_encode(&frame, wire,
							sizeof(wire)) == ret;
		}
		free(copy);
	}
	printf("# seed %d, %d of %d damaged frames were still good\n", SEED,
	       accepted, MUTATIONS);
	ktap_check(good && accepted && accepted < MUTATIONS,
		   "%d damaged frames", MUTATIONS);
}

int main(void)
{
	size_t i;

	ktap_begin();
	for (i = 0; i < SAMPLES; i++) {
		test_round_trip(&samples[i]);
		test_truncated(&samples[i]);
		test_room(&samples[i]);
	}
	test_refusals();
	test_notices();
	test_text_limit();
	test_texts();
	test_mutations();
	return ktap_end();
}
