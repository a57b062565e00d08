// SPDX-License-Identifier: GPL-2.0-only
/* The verbs: ask all VMs first, then wait for all of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

/* A ping asks whether it answers now; a hung agent must not keep us. */
#define PING_DEADLINE_MS	10000

struct batch {
	const struct options *options;
	enum vmguest_verb verb;
	struct vmguest_options how;
	struct vmguest_vm_ref *vms;
	struct job *jobs;
	char **words;
	int count;
	int client;
	int exit;
};

static const char *what_failed(enum vmguest_verb verb)
{
	switch (verb) {
	case VMGUEST_VERB_SHUTDOWN:
		return "cannot shut down";
	case VMGUEST_VERB_RESTART:
		return "cannot restart";
	case VMGUEST_VERB_LOGOFF:
		return "cannot log off";
	default:
		return "cannot ping";
	}
}

/* The option that the module does not know, or NULL. */
static const char *unknown_option(const struct vmguest_options *how,
				  uint64_t features)
{
	const struct {
		bool wanted;
		uint64_t feature;
		const char *words;
	} table[] = {
		{ how->flags & VMGUEST_REQ_FORCE, VMGUEST_FEATURE_FORCE,
		  "this module does not support --force" },
		{ how->flags & VMGUEST_REQ_QUEUE, VMGUEST_FEATURE_QUEUE,
		  "this module does not support --queue" },
		{ how->flags & VMGUEST_REQ_NO_DEADLINE,
		  VMGUEST_FEATURE_NO_DEADLINE,
		  "this module does not support --deadline none" },
		{ how->until, VMGUEST_FEATURE_UNTIL,
		  "this module does not support --until" },
		{ how->force_after_ms, VMGUEST_FEATURE_FORCE_AFTER,
		  "this module does not support --force-after" },
		{ how->scope, VMGUEST_FEATURE_SCOPE,
		  "this module does not support --only-uid and --all-but-uid" },
		{ how->delay_ms, VMGUEST_FEATURE_GRACE,
		  "this module does not support --delay" },
		{ how->grace_ms, VMGUEST_FEATURE_GRACE,
		  "this module does not support --grace" },
		{ how->flags & VMGUEST_REQ_RESPECT_SESSIONS,
		  VMGUEST_FEATURE_RESPECT_SESSIONS,
		  "this module does not support --respect-sessions" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].wanted && !(features & table[i].feature))
			return table[i].words;
	return NULL;
}

/* So that an error of the verb is not taken for one of an option. */
static int check_features(struct batch *batch)
{
	struct vmguest_get_api api = { .size = sizeof(api) };
	struct call_error call = {
		.verb = batch->verb, .layer = VMGUEST_LAYER_CALL,
		.error = -EOPNOTSUPP, .exit = EXIT_NO_AGENT,
	};
	int ret;

	ret = vmguest_api(batch->client, &api);
	if (ret) {
		call.words = "the module does not answer";
		call.error = ret;
		call.exit = EXIT_NO_MODULE;
	} else {
		call.words = unknown_option(&batch->how, api.features);
	}
	if (call.words) {
		report_call_error(batch->options, &call);
		return call.exit;
	}
	/* Nobody asked for this one. */
	if (!(api.features & VMGUEST_FEATURE_JOIN))
		batch->how.flags &= ~VMGUEST_REQ_JOIN;
	return 0;
}

static const char words_starting[] =
	"its VMM lives, but its CID is not on this host yet; --queue waits";

/*
 * A VM whose lifeline holds has not taken its CID yet, or has just given it
 * up: it is not down, and a script must not take it for that.
 */
static bool is_starting(const struct batch *batch, int index, int error)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };

	return error == -EHOSTDOWN &&
		!vmguest_find(batch->client, &batch->vms[index], &vm) &&
		(vm.vm_flags & VMGUEST_VM_LIFELINE) &&
		vm.state != VMGUEST_VM_GONE;
}

static void ask_failed(struct batch *batch, int index, int error,
		       uint64_t task_id)
{
	struct job *job = &batch->jobs[index];
	bool starting = is_starting(batch, index, error);

	job->exit = starting ? EXIT_NO_AGENT : exit_of_call(batch->verb, error);
	report_call_error(batch->options, &(struct call_error) {
		.subject = batch->words[index],
		.verb = batch->verb,
		.layer = VMGUEST_LAYER_CALL,
		.what = what_failed(batch->verb),
		.words = starting ? words_starting : NULL,
		.error = error,
		.task_id = task_id,
		.exit = job->exit,
	});
	batch->exit = worse(batch->exit, job->exit);
}

/* A VM that was named by its id or CID is told by the same words. */
static void ask(struct batch *batch, int index)
{
	struct job *job = &batch->jobs[index];
	uint64_t task_id;

	job->subject = batch->words[index];
	snprintf(job->name, sizeof(job->name), "%s", job->subject);
	job->asked = true;
	job->fd = vmguest_request(batch->client, batch->verb,
				  &batch->vms[index], &batch->how, &task_id);
	if (job->fd < 0)
		ask_failed(batch, index, job->fd, task_id);
}

static void tell_task(const struct batch *batch, struct job *job)
{
	int ret = look(job);

	if (ret)
		complain("%s: cannot read its task: %s", job->name,
			 strerror(-ret));
	else if (batch->options->json)
		json_print(json_of_job(job));
	else
		say("%s: task %llu", job->name,
		    (unsigned long long)job->task.task_id);
}

static int ask_all(struct batch *batch)
{
	int i, signals;

	/* Before the first request: none may be left without a word. */
	signals = catch_signals();
	if (signals < 0) {
		complain("cannot catch signals: %s", strerror(-signals));
		return EXIT_REFUSED;
	}
	for (i = 0; i < batch->count; i++)
		ask(batch, i);
	if (!batch->options->no_wait)
		return worse(batch->exit, watch(batch->options, batch->jobs,
						batch->count, signals));
	for (i = 0; i < batch->count; i++)
		if (batch->jobs[i].fd >= 0)
			tell_task(batch, &batch->jobs[i]);
	return batch->exit;
}

/* All words are right before anything is asked of anybody. */
static int parse_vms(struct batch *batch)
{
	int i, ret = 0;

	for (i = 0; i < batch->count && !ret; i++)
		ret = parse_vm(batch->words[i], &batch->vms[i]);
	return ret;
}

static int request(const struct options *options, enum vmguest_verb verb,
		   char **words, int count)
{
	struct batch batch = {
		.options = options, .verb = verb, .how = options->request,
		.words = words, .count = count, .client = -1,
	};
	int ret;

	batch.vms = calloc(count, sizeof(*batch.vms));
	batch.jobs = calloc(count, sizeof(*batch.jobs));
	if (!batch.vms || !batch.jobs) {
		complain("out of memory");
		ret = EXIT_REFUSED;
		goto out;
	}
	ret = parse_vms(&batch);
	if (ret)
		goto out;
	batch.client = open_client(options);
	if (batch.client < 0) {
		ret = -batch.client;
		goto out;
	}
	ret = check_features(&batch);
	if (!ret)
		ret = ask_all(&batch);
	close(batch.client);
out:
	free(batch.jobs);
	free(batch.vms);
	return ret;
}

int ping_command(const struct options *options, char **words, int count)
{
	struct options ping = *options;

	if (!ping.request.deadline_ms &&
	    !(ping.request.flags & VMGUEST_REQ_NO_DEADLINE))
		ping.request.deadline_ms = PING_DEADLINE_MS;
	return request(&ping, VMGUEST_VERB_PING, words, count);
}

int shutdown_command(const struct options *options, char **words, int count)
{
	return request(options, VMGUEST_VERB_SHUTDOWN, words, count);
}

int restart_command(const struct options *options, char **words, int count)
{
	return request(options, VMGUEST_VERB_RESTART, words, count);
}

int logoff_command(const struct options *options, char **words, int count)
{
	return request(options, VMGUEST_VERB_LOGOFF, words, count);
}
