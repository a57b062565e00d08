// SPDX-License-Identifier: GPL-2.0-only
/* The verbs: ask all VMs first, then wait for all of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

/* A ping asks whether it answers now; a hung agent must not keep us. */
#define PING_DEADLINE_MS	10000

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
static const char *unknown_option(const struct options *options,
				  const struct vmguest_options *how,
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
		{ options->order, VMGUEST_FEATURE_GROUP,
		  "this module does not support --order" },
		{ options->parallel, VMGUEST_FEATURE_GROUP,
		  "this module does not support --parallel" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].wanted && !(features & table[i].feature))
			return table[i].words;
	return NULL;
}

/* So that an error of the verb is not taken for one of an option. */
static int check_features(struct batch *batch, bool *groups)
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
		call.words = unknown_option(batch->options, &batch->how,
					    api.features);
	}
	if (call.words) {
		report_call_error(batch->options, &call);
		return call.exit;
	}
	*groups = api.features & VMGUEST_FEATURE_GROUP;
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
		!vmguest_find(batch->client, &batch->targets.vms[index], &vm) &&
		(vm.vm_flags & VMGUEST_VM_LIFELINE) &&
		vm.state != VMGUEST_VM_GONE;
}

void ask_failed(struct batch *batch, int index, int error, uint64_t task_id)
{
	struct job *job = &batch->jobs[index];
	bool starting = is_starting(batch, index, error);

	job->exit = starting ? EXIT_NO_AGENT : exit_of_call(batch->verb, error);
	report_call_error(batch->options, &(struct call_error) {
		.subject = batch->targets.words[index],
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

static void ask(struct batch *batch, int index)
{
	struct job *job = &batch->jobs[index];
	uint64_t task_id;

	job->fd = vmguest_request(batch->client, batch->verb,
				  &batch->targets.vms[index], &batch->how, &task_id);
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

/* A VM that was named by its id or CID is told by the same words. */
static void name_jobs(struct batch *batch)
{
	int i;

	for (i = 0; i < batch->targets.count; i++) {
		struct job *job = &batch->jobs[i];

		job->subject = batch->targets.words[i];
		snprintf(job->name, sizeof(job->name), "%s", job->subject);
		job->asked = true;
		job->fd = -1;
	}
}

/* With single calls each stage can be told; a group is for many. */
static bool is_for_group(const struct options *options)
{
	return !options->no_wait &&
	       (options->all || options->order || options->parallel);
}

static int ask_all(struct batch *batch, bool groups)
{
	int i, signals;

	/* Before the first request: none may be left without a word. */
	signals = catch_signals();
	if (signals < 0) {
		complain("cannot catch signals: %s", strerror(-signals));
		return EXIT_REFUSED;
	}
	name_jobs(batch);
	if (groups && is_for_group(batch->options))
		return ask_group(batch, signals);
	for (i = 0; i < batch->targets.count; i++)
		ask(batch, i);
	if (!batch->options->no_wait)
		return worse(batch->exit, watch(batch->options, batch->jobs,
						batch->targets.count, signals));
	for (i = 0; i < batch->targets.count; i++)
		if (batch->jobs[i].fd >= 0)
			tell_task(batch, &batch->jobs[i]);
	return batch->exit;
}

static int ask_targets(struct batch *batch)
{
	bool groups = false;
	int ret;

	batch->client = open_client(batch->options);
	if (batch->client < 0)
		return -batch->client;
	ret = check_features(batch, &groups);
	if (!ret && batch->options->all)
		ret = list_targets(&batch->targets, batch->options,
				   batch->client);
	if (!ret) {
		batch->jobs = calloc(batch->targets.count + 1,
				     sizeof(*batch->jobs));
		if (!batch->jobs) {
			complain("out of memory");
			ret = EXIT_REFUSED;
		}
	}
	if (!ret)
		ret = ask_all(batch, groups);
	free(batch->jobs);
	close(batch->client);
	return ret;
}

static int request(const struct options *options, enum vmguest_verb verb,
		   char **words, int count)
{
	struct batch batch = {
		.options = options, .verb = verb, .how = options->request,
	};
	int ret;

	/* All words are right before anything is asked of anybody. */
	ret = parse_targets(&batch.targets, options, words, count);
	if (!ret)
		ret = ask_targets(&batch);
	free_targets(&batch.targets);
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
