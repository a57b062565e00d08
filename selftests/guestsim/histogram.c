// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "histogram.h"
#include "oracle.h"

#define ANY	(-1)

/**
 * struct class - Tasks that ended alike
 * @words: Its name.
 * @result: enum vmguest_result.
 * @error: The errno.
 * @verb: enum vmguest_verb, or ANY.
 * @until: enum vmguest_until, or ANY.
 * @flags: Must have one of these of enum vmguest_task_flags, 0 for no matter.
 * @superseded: By another one.
 * @count: How many.
 */
struct class {
	const char *words;
	uint32_t result;
	int error;
	int verb;
	int until;
	uint32_t flags;
	bool superseded;
	unsigned int count;
};

/* The first that fits. */
static struct class classes[] = {
	{ .words = "success: accepted", .verb = ANY,
	  .until = VMGUEST_UNTIL_ACCEPTED },
	{ .words = "success: shutdown, clean unknown", .until = ANY,
	  .verb = VMGUEST_VERB_SHUTDOWN, .flags = VMGUEST_TASK_CLEAN_UNKNOWN },
	{ .words = "success: shutdown until down",
	  .verb = VMGUEST_VERB_SHUTDOWN, .until = VMGUEST_UNTIL_DOWN },
	{ .words = "success: shutdown, gone and clean",
	  .verb = VMGUEST_VERB_SHUTDOWN, .until = VMGUEST_UNTIL_GONE },
	{ .words = "success: restart, clean unknown", .until = ANY,
	  .verb = VMGUEST_VERB_RESTART, .flags = VMGUEST_TASK_CLEAN_UNKNOWN },
	{ .words = "success: restart", .until = ANY,
	  .verb = VMGUEST_VERB_RESTART },
	{ .words = "success: logoff", .until = ANY,
	  .verb = VMGUEST_VERB_LOGOFF },
	{ .words = "success: ping", .until = ANY, .verb = VMGUEST_VERB_PING },
	{ .words = "superseded", .result = VMGUEST_RESULT_CANCELLED,
	  .error = -ECANCELED, .verb = ANY, .until = ANY, .superseded = true },
	{ .words = "cancelled", .result = VMGUEST_RESULT_CANCELLED,
	  .error = -ECANCELED, .verb = ANY, .until = ANY },
	{ .words = "not clean: shutdown, ECONNABORTED", .until = ANY,
	  .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ECONNABORTED,
	  .verb = VMGUEST_VERB_SHUTDOWN },
	{ .words = "not clean: others, ECONNABORTED", .until = ANY,
	  .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ECONNABORTED,
	  .verb = ANY },
	{ .words = "agent went away: ping, ENOTCONN", .until = ANY,
	  .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ENOTCONN,
	  .verb = VMGUEST_VERB_PING },
	{ .words = "guest: unsupported, EOPNOTSUPP", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -EOPNOTSUPP },
	{ .words = "guest: no sessions, ESRCH", .until = ANY,
	  .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ESRCH,
	  .verb = VMGUEST_VERB_LOGOFF },
	{ .words = "guest: failed, EIO", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -EIO },
	{ .words = "guest: no memory, ENOMEM", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_OUT_OF_MEMORY, .error = -ENOMEM },
	{ .words = "guest: invalid, EINVAL", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_ILLEGAL_VALUE, .error = -EINVAL },
	{ .words = "guest: refused, EACCES", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_SHUTDOWN_ABORT, .error = -EACCES },
	{ .words = "guest: blocked, EBUSY", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_SHUTDOWN_ABORT, .error = -EBUSY },
	{ .words = "guest: going down, EINPROGRESS", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_SHUTDOWN_ABORT, .error = -EINPROGRESS },
	{ .words = "guest: not ready, EAGAIN", .until = ANY, .verb = ANY,
	  .result = VMGUEST_RESULT_SHUTDOWN_ABORT, .error = -EAGAIN },
	{ .words = "timeout", .result = VMGUEST_RESULT_TIMEOUT,
	  .error = -ETIMEDOUT, .verb = ANY, .until = ANY },
};

/**
 * struct call_class - Calls that started nothing
 * @words: Its name.
 * @answer: 0 for a join, or the negative errno.
 * @count: How many.
 */
static struct call_class {
	const char *words;
	int answer;
	unsigned int count;
} call_classes[] = {
	{ .words = "call: joined", .answer = 0 },
	{ .words = "call: EHOSTDOWN", .answer = -EHOSTDOWN },
	{ .words = "call: ENOTCONN", .answer = -ENOTCONN },
	{ .words = "call: EOPNOTSUPP", .answer = -EOPNOTSUPP },
	{ .words = "call: EINPROGRESS", .answer = -EINPROGRESS },
	{ .words = "call: EBUSY", .answer = -EBUSY },
};

#define CLASSES		(sizeof(classes) / sizeof(classes[0]))
#define CALL_CLASSES	(sizeof(call_classes) / sizeof(call_classes[0]))

static unsigned int others, all;

static bool class_fits(const struct class *class,
		       const struct vmguest_task_get *task)
{
	return class->result == task->result && class->error == task->error &&
	       (class->verb == ANY || (uint32_t)class->verb == task->verb) &&
	       (class->until == ANY || (uint32_t)class->until == task->until) &&
	       (!class->flags || (class->flags & task->task_flags)) &&
	       (!class->superseded || task->superseded_by);
}

void histogram_count_task(const struct vmguest_task_get *task)
{
	size_t i;

	all++;
	for (i = 0; i < CLASSES; i++) {
		if (class_fits(&classes[i], task)) {
			classes[i].count++;
			return;
		}
	}
	others++;
}

void histogram_count_call(const struct oracle_act *act)
{
	size_t i;

	all++;
	for (i = 0; i < CALL_CLASSES; i++) {
		if (call_classes[i].answer == act->answer) {
			call_classes[i].count++;
			return;
		}
	}
	others++;
}

static bool print_class(const char *words, unsigned int count)
{
	printf("# %7u %5.2f %% %s\n", count, all ? 100.0 * count / all : 0,
	       words);
	return count * 100ULL >= all;
}

bool histogram_print(void)
{
	bool full = true;
	size_t i;

	for (i = 0; i < CLASSES; i++)
		full &= print_class(classes[i].words, classes[i].count);
	for (i = 0; i < CALL_CLASSES; i++)
		full &= print_class(call_classes[i].words,
				    call_classes[i].count);
	if (others)
		print_class("anything else", others);
	return full && !others;
}
