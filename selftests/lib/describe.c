// SPDX-License-Identifier: GPL-2.0-only
/* What the library says about tasks, outcome by outcome. */
#include <errno.h>
#include <string.h>

#include "ktap.h"
#include "libvmguest.h"

#define COUNT(rows)	(sizeof(rows) / sizeof((rows)[0]))
#define DONE		VMGUEST_TASK_COMPLETE
#define TAKEN		(VMGUEST_PROOF_ACCEPTED | VMGUEST_PROOF_COMMITTED)
#define DOWN		(TAKEN | VMGUEST_PROOF_LAST_BREATH | \
			 VMGUEST_PROOF_CHANNEL_DOWN)
#define CLEAN		(DOWN | VMGUEST_PROOF_VM_GONE)

static const struct {
	struct vmguest_task_get task;
	const char *words;
} rows[] = {
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .stage = VMGUEST_STAGE_QUEUED },
	  "waiting for the guest's agent" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .stage = VMGUEST_STAGE_CHANNEL_DOWN },
	  "the guest is down, its VMM still runs" },
	{ { .verb = VMGUEST_VERB_RESTART, .stage = VMGUEST_STAGE_CHANNEL_DOWN },
	  "the guest is down, not back yet" },
	{ { .verb = VMGUEST_VERB_LOGOFF, .stage = VMGUEST_STAGE_STOPPING },
	  "the sessions are ending" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .stage = 99 }, "running" },

	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE, .proofs = CLEAN,
	    .until = VMGUEST_UNTIL_GONE }, "the VM is gone, cleanly" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .proofs = TAKEN,
	    .task_flags = DONE | VMGUEST_TASK_CLEAN_UNKNOWN,
	    .until = VMGUEST_UNTIL_GONE },
	  "the VM is gone; whether cleanly is not known: its agent cannot tell" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .proofs = CLEAN,
	    .task_flags = DONE | VMGUEST_TASK_ESCALATED, .force_after_ms = 1500,
	    .until = VMGUEST_UNTIL_GONE },
	  "the VM is gone, cleanly; forced after 1.5 s" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE, .proofs = DOWN,
	    .until = VMGUEST_UNTIL_DOWN }, "the guest is down" },
	{ { .verb = VMGUEST_VERB_RESTART, .task_flags = DONE,
	    .until = VMGUEST_UNTIL_ACCEPTED }, "the guest's agent accepted" },
	{ { .verb = VMGUEST_VERB_RESTART, .task_flags = DONE },
	  "the guest has restarted" },
	{ { .verb = VMGUEST_VERB_LOGOFF, .task_flags = DONE, .targeted = 1,
	    .ended = 1 }, "the session has ended" },
	{ { .verb = VMGUEST_VERB_LOGOFF, .task_flags = DONE, .targeted = 3,
	    .ended = 3 }, "all 3 sessions have ended" },
	{ { .verb = VMGUEST_VERB_PING, .task_flags = DONE },
	  "the guest's agent answered" },

	{ { .task_flags = DONE, .result = VMGUEST_RESULT_CANCELLED,
	    .error = -ECANCELED, .superseded_by = 12 },
	  "superseded by task 12" },
	{ { .task_flags = DONE, .result = VMGUEST_RESULT_CANCELLED,
	    .error = -ECANCELED, .canceller = { 1000, 42 } },
	  "cancelled by uid 1000, pid 42" },
	{ { .task_flags = DONE | VMGUEST_TASK_VM_UNREGISTERED,
	    .result = VMGUEST_RESULT_CANCELLED, .error = -ECANCELED },
	  "cancelled: the VM was unregistered" },

	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE, .proofs = DOWN,
	    .result = VMGUEST_RESULT_TIMEOUT, .error = -ETIMEDOUT,
	    .stage = VMGUEST_STAGE_CHANNEL_DOWN },
	  "deadline passed: the guest is down but its VMM still runs" },
	{ { .verb = VMGUEST_VERB_RESTART, .task_flags = DONE, .proofs = DOWN,
	    .result = VMGUEST_RESULT_TIMEOUT, .error = -ETIMEDOUT,
	    .stage = VMGUEST_STAGE_CHANNEL_DOWN },
	  "deadline passed: the guest is down and has not come back" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE, .proofs = TAKEN,
	    .result = VMGUEST_RESULT_TIMEOUT, .error = -ETIMEDOUT,
	    .stage = VMGUEST_STAGE_STOPPING },
	  "deadline passed: the guest is still stopping" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .result = VMGUEST_RESULT_TIMEOUT, .error = -ETIMEDOUT,
	    .stage = VMGUEST_STAGE_QUEUED },
	  "deadline passed: the guest's agent was not there to be asked" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .result = VMGUEST_RESULT_TIMEOUT, .error = -ETIMEDOUT,
	    .stage = VMGUEST_STAGE_SENT },
	  "deadline passed: the guest's agent did not answer" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .result = VMGUEST_RESULT_TIMEOUT, .error = -ETIMEDOUT,
	    .proofs = VMGUEST_PROOF_ACCEPTED, .stage = VMGUEST_STAGE_BLOCKED },
	  "deadline passed: somebody in the guest stands in the way; nothing was done" },

	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ECONNABORTED,
	    .proofs = TAKEN | VMGUEST_PROOF_VM_GONE },
	  "gone, not clean: it ended without last breath (crash, kill or migration)" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ECONNABORTED,
	    .proofs = DOWN | VMGUEST_PROOF_NEW_BOOT },
	  "the guest restarted instead of shutting down" },
	{ { .verb = VMGUEST_VERB_RESTART, .task_flags = DONE,
	    .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ECONNABORTED,
	    .proofs = CLEAN }, "the guest went down instead of restarting" },
	{ { .verb = VMGUEST_VERB_LOGOFF, .task_flags = DONE,
	    .result = VMGUEST_RESULT_UNEXPECTED_ERROR, .error = -ESRCH },
	  "nobody is logged on" },
	{ { .verb = VMGUEST_VERB_LOGOFF, .task_flags = DONE, .targeted = 3,
	    .ended = 1, .left = 2, .error = -EIO,
	    .result = VMGUEST_RESULT_UNEXPECTED_ERROR },
	  "the guest's agent tried and failed; 2 of 3 sessions left" },
	{ { .verb = VMGUEST_VERB_PING, .task_flags = DONE, .error = -ENOTCONN,
	    .result = VMGUEST_RESULT_UNEXPECTED_ERROR },
	  "the guest's agent went away" },

	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE, .error = -EBUSY,
	    .result = VMGUEST_RESULT_SHUTDOWN_ABORT },
	  "blocked: somebody in the guest stands in the way" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .error = -EACCES, .result = VMGUEST_RESULT_SHUTDOWN_ABORT },
	  "refused: the guest's own rules forbid it" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .error = -EINPROGRESS, .result = VMGUEST_RESULT_SHUTDOWN_ABORT },
	  "refused: the guest was going down already" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .task_flags = DONE,
	    .error = -ENOMEM, .result = VMGUEST_RESULT_OUT_OF_MEMORY },
	  "the guest ran out of memory" },
};

static void check_row(const struct vmguest_task_get *task, const char *words)
{
	char text[256];
	int length = vmguest_describe(task, text, sizeof(text));

	ktap_check(!strcmp(text, words) && length == (int)strlen(words),
		   "%s: %s", vmguest_verb_name(task->verb), words);
	if (strcmp(text, words))
		printf("# got: %s\n", text);
}

#define STARTED	VMGUEST_RECORD_STARTED

static const struct {
	struct vmguest_group_record record;
	const char *words;
} records[] = {
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .record_flags = STARTED,
	    .task_flags = DONE, .proofs = CLEAN, .until = VMGUEST_UNTIL_GONE },
	  "the VM is gone, cleanly" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .record_flags = STARTED,
	    .task_flags = DONE | VMGUEST_TASK_ESCALATED, .proofs = CLEAN,
	    .until = VMGUEST_UNTIL_GONE },
	  "the VM is gone, cleanly; forced" },
	{ { .verb = VMGUEST_VERB_LOGOFF, .record_flags = STARTED,
	    .task_flags = DONE, .result = VMGUEST_RESULT_UNEXPECTED_ERROR,
	    .error = -EIO, .targeted = 5, .left = 2 },
	  "the guest's agent tried and failed; 2 of 5 sessions left" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .record_flags = STARTED,
	    .proofs = TAKEN, .error = -ETIMEDOUT,
	    .result = VMGUEST_RESULT_TIMEOUT },
	  "its task goes on: deadline passed: the guest is still stopping" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .error = -ENOENT },
	  "there is no such VM or task" },
	{ { .verb = VMGUEST_VERB_SHUTDOWN, .error = -EBUSY, .task_id = 12 },
	  "a request that does not give way is running: task 12" },
};

static void check_record(const struct vmguest_group_record *record,
			 const char *words)
{
	char text[256];
	int length = vmguest_describe_record(record, text, sizeof(text));

	ktap_check(!strcmp(text, words) && length == (int)strlen(words),
		   "%s", words);
}

/* Every size is safe, and says how long the whole would be. */
static void check_cut(const struct vmguest_task_get *task, const char *words)
{
	char text[64];
	size_t size;
	int good = 1;

	for (size = 0; size < sizeof(text); size++) {
		memset(text, '#', sizeof(text));
		good &= vmguest_describe(task, text, size) ==
			(int)strlen(words);
		good &= text[size] == '#';
		good &= !size || strlen(text) == (size - 1 < strlen(words) ?
						  size - 1 : strlen(words));
	}
	ktap_check(good, "a sentence that is cut stays within its buffer");
}

int main(void)
{
	size_t i;

	ktap_begin();
	for (i = 0; i < COUNT(rows); i++)
		check_row(&rows[i].task, rows[i].words);
	for (i = 0; i < COUNT(records); i++)
		check_record(&records[i].record, records[i].words);
	check_cut(&rows[7].task, rows[7].words);
	return ktap_end();
}
