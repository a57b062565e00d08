/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of vmguestctl share. */
#ifndef VMGUESTCTL_H
#define VMGUESTCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include "libvmguest.h"
#include "libvmguest-monitor.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define NS_PER_MS		UINT64_C(1000000)

/* Of top: whoever looks more often sees no more. */
#define MIN_DELAY_MS		100

/* Exit codes; of many results the highest counts. See vmguestctl(1). */
enum exit_code {
	EXIT_DONE		= 0,
	EXIT_REFUSED		= 1,
	EXIT_USAGE		= 2,
	EXIT_DEADLINE		= 3,
	EXIT_NO_VM		= 4,
	EXIT_PERMISSION		= 5,
	EXIT_NO_AGENT		= 6,
	EXIT_CANCELLED		= 7,
	EXIT_NOT_CLEAN		= 8,
	EXIT_NO_MODULE		= 9,
	EXIT_BLOCKED		= 10,
	EXIT_NOT_STARTED	= 126,
	EXIT_NOT_FOUND		= 127,
	EXIT_INTERRUPTED	= 130,
};

/* Commands, as bits: an option says which ones it is for. */
enum command_bit {
	COMMAND_REGISTER	= 1 << 0,
	COMMAND_UNREGISTER	= 1 << 1,
	COMMAND_LIST		= 1 << 2,
	COMMAND_STATUS		= 1 << 3,
	COMMAND_PING		= 1 << 4,
	COMMAND_SHUTDOWN	= 1 << 5,
	COMMAND_RESTART		= 1 << 6,
	COMMAND_LOGOFF		= 1 << 7,
	COMMAND_WAIT		= 1 << 8,
	COMMAND_CANCEL		= 1 << 9,
	COMMAND_TASK		= 1 << 10,
	COMMAND_RUN		= 1 << 11,
	COMMAND_BLOCKERS	= 1 << 12,
	COMMAND_SET		= 1 << 13,
	COMMAND_MONITOR		= 1 << 14,
	COMMAND_TASKS		= 1 << 15,
	COMMAND_TOP		= 1 << 16,
};

struct options {
	bool json;
	bool verbose;
	bool help;

	/* register, run, set */
	const char *name;
	uint32_t cid;		/* 0: any that is free */
	uid_t uid;
	gid_t gid;
	bool has_uid;
	bool has_gid;
	uint32_t mode;
	pid_t pidfd_of;		/* 0: no lifeline */

	/* set */
	uint32_t set;		/* enum vmguest_vm_set_what, of all of these */
	uint32_t marks;

	/* unregister */
	bool abort;

	/* requests */
	struct vmguest_options request;
	bool no_wait;
	int64_t wait_ms;	/* -1: no end */
	bool all;
	const char *order;	/* a file, or NULL */
	uint32_t parallel;	/* 0: any number */

	/* top */
	bool batch;
	uint32_t delay_ms;
	uint32_t iterations;	/* 0: no end */
	unsigned int sort;	/* index of a column */
};

struct command {
	const char *name;
	enum command_bit bit;
	const char *synopsis;
	int min_words;
	int max_words;		/* -1: any number */
	int (*run)(const struct options *options, char **words, int count);
};

/* main.c: the table of commands */
int usage_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* options.c: the table of options. 0, or EXIT_USAGE after saying why. */
int parse_options(const struct command *command, int argc, char **argv,
		  struct options *options);

/* number.c: words to numbers. 0, or -EINVAL. */
int parse_number(const char *text, uint64_t min, uint64_t max,
		 uint64_t *number);
int parse_mode(const char *text, uint32_t *mode);
int parse_user(const char *text, uid_t *uid);
int parse_group(const char *text, gid_t *gid);

/* duration.c: such as 30, 30s, 2m, 1.5h, 500ms */
int parse_duration(const char *text, uint32_t *ms);
#define SECONDS_SIZE	32
/* "12.345s" */
const char *format_seconds(char *text, uint64_t ns);
uint64_t now_ns(void);
#define TIME_SIZE	32
/* The time of day at @ns: "2026-02-03T04:05:06.789+0100" */
const char *format_time(char *text, uint64_t ns);
/* Nanoseconds to its deadline, 0 when it has passed, -1 without one. */
int64_t deadline_left(const struct vmguest_task_get *task, uint64_t now);

/* text.c: what somebody else wrote */
#define SAFE_SIZE(size)	((size) * 4 + 1)
/* For people: what is not printable is escaped. */
void safe_text(char *to, size_t size, const char *from);
/* The same for between quotation marks, which it cannot end. */
void quote_text(char *to, size_t size, const char *from);
/* For machines: valid UTF-8. */
void valid_text(char *to, size_t size, const char *from);

/* vm.c: the registry */
/* 0, or EXIT_USAGE after saying why. */
int parse_vm(const char *word, struct vmguest_vm_ref *vm);
int check_name(const char *name);
int register_command(const struct options *options, char **words, int count);
int unregister_command(const struct options *options, char **words,
		       int count);
int list_command(const struct options *options, char **words, int count);
int status_command(const struct options *options, char **words, int count);

/* An fd, -1 for none, or another negative value after saying why. */
int open_lifeline(const struct options *options, const char *subject);

/* set.c: changes of a registration */
int set_command(const struct options *options, char **words, int count);

/* targets.c: of whom something is asked */
struct targets {
	char **words;		/* the user's, or names */
	struct vmguest_vm_ref *vms;
	uint32_t *orders;	/* batches, the lowest first */
	int count;
	int room;
};

/*
 * From words, or from the file of --order. 0, or an exit code after saying why.
 */
int parse_targets(struct targets *targets, const struct options *options,
		  char **words, int count);
/* All that may be read and that may run. */
int list_targets(struct targets *targets, const struct options *options,
		 int client);
void free_targets(struct targets *targets);

/* request.c: the verbs */
int ping_command(const struct options *options, char **words, int count);
int shutdown_command(const struct options *options, char **words, int count);
int restart_command(const struct options *options, char **words, int count);
int logoff_command(const struct options *options, char **words, int count);

/* task.c: requests under way */
int wait_command(const struct options *options, char **words, int count);
int cancel_command(const struct options *options, char **words, int count);
int task_command(const struct options *options, char **words, int count);

/* event.c: what happens, in a line */
void write_event(FILE *to, const char *time, const struct vmguest_event *event);

/* monitor.c: what happens, as it happens */
/* 0, or an exit code after saying why. */
int open_monitor(const struct options *options, unsigned int groups,
		 struct vmguest_monitor **monitor);
int monitor_failed(const struct options *options, const char *what, int error);
/* 0, or EXIT_USAGE after saying why. */
int check_vms(char **words, int count);
/* Only of these VMs, if there are any; 0 or a negative errno. */
int filter_monitor(struct vmguest_monitor *monitor, char **words, int count);
int monitor_command(const struct options *options, char **words, int count);

/* tasks.c: all that run, and those that are kept */
int tasks_command(const struct options *options, char **words, int count);

/* top.c: the same as a picture */
int top_command(const struct options *options, char **words, int count);
/* top_view.c: the index of a column, or -EINVAL. */
int column_of(const char *name);

/* run.c: a VMM under our eyes */
int run_command(const struct options *options, char **words, int count);

/* cid.c: free CIDs */
struct cid_search {
	int client;
	int vhost;		/* holds the CID while it is found; -1: none */
	uint32_t cid;
};

int cid_open(struct cid_search *search, int client, uint32_t first);
/* 0, or -errno; -EADDRINUSE when no CID is left. */
int cid_next(struct cid_search *search);
void cid_close(struct cid_search *search);

/* client.c: an fd, or a negative exit code after saying why */
int open_client(const struct options *options);
/* As open_client(), when @word is a VM. */
int open_vm(const struct options *options, const char *word,
	    struct vmguest_vm_ref *vm);
/* Says what was refused. Return: the exit code. */
int call_failed(const struct options *options, enum vmguest_layer layer,
		const char *subject, const char *what, int error);

/* watch.c: all tasks in one loop */
struct job {
	const char *subject;		/* the user's word for it */
	char name[VMGUEST_NAME_SIZE];	/* of the VM, for people */
	int fd;				/* -1: nothing to wait for */
	bool asked;			/* by this process, perhaps not first */
	unsigned int shown;		/* stages that have been told */
	uint32_t blockers;		/* as many have been told */
	struct vmguest_task_get task;
	int exit;
};

/* Signals that end the watching, and @also, come over this fd from now on. */
int catch_signals_and(int also);
int catch_signals(void);
/* Read the task; 0 or a negative errno. */
int look(struct job *job);
/*
 * Until all are complete, the patience has ended or a signal came; tells each
 * outcome as it comes. Returns the highest exit code.
 */
int watch(const struct options *options, struct job *jobs, int count,
	  int signals);

/* Those that run are left alone: says so, and how to come back to them. */
int leave_running(const struct options *options, struct job *jobs, int count,
		  int exit_code, bool interrupted);

/* group.c: many requests in one call */
struct batch {
	const struct options *options;
	enum vmguest_verb verb;
	struct vmguest_options how;
	struct targets targets;
	struct job *jobs;
	int client;
	int exit;
};

/* request.c: why a request could not be handed over. */
void ask_failed(struct batch *batch, int index, int error, uint64_t task_id);
/* Returns the highest exit code. */
int ask_group(struct batch *batch, int signals);

/* blockers.c: who is in the way */
int blockers_command(const struct options *options, char **words, int count);
/* The next one from @*index, or false behind the last. */
bool next_blocker(const struct job *job, uint32_t *index,
		  struct vmguest_task_blocker *blocker);
void print_blockers(const struct job *job, const char *prefix, FILE *to);
void print_overridden(const struct job *job, const char *prefix, FILE *to);

/* exit.c: what a script is told */
int exit_of_call(enum vmguest_verb verb, int error);
int exit_of_task(const struct vmguest_task_get *task);
int worse(int a, int b);

/* line.c: the live line of a terminal */
void line_init(bool wanted);
bool line_is_live(void);
void line_show(const char *text);
void line_clear(void);

/* report.c: errors and outcomes, to people or as JSON */
struct call_error {
	const char *subject;	/* VM or task as the user named it, or NULL */
	enum vmguest_verb verb;	/* 0: none */
	enum vmguest_layer layer;
	const char *what;	/* what could not be done, or NULL */
	const char *words;	/* why, if the table of errors cannot know */
	int error;		/* negative errno */
	uint64_t task_id;	/* the task in the way, or 0 */
	int exit;
};

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_call_error(const struct options *options,
		       const struct call_error *error);
void report_stages(struct job *job);
void report_outcome(const struct options *options, const struct job *job);
void report_running(const struct options *options, const struct job *job);
void report_task(const struct options *options, const struct job *job);
void report_vm(const struct options *options,
	       const struct vmguest_vm_get *vm);
void report_vm_row(const struct vmguest_vm_get *vm);

/* json.c: the same as JSON objects */
void json_print(struct json_object *object);
struct json_object *json_of_call_error(const struct call_error *error);
struct json_object *json_of_job(const struct job *job);
struct json_object *json_of_blockers(const struct job *job);
struct json_object *json_of_vm(const struct vmguest_vm_get *vm);
struct json_object *json_of_task(const struct vmguest_event *event,
				 uint64_t now);
struct json_object *json_of_event(const char *time,
				  const struct vmguest_event *event);

#endif /* VMGUESTCTL_H */
