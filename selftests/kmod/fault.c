// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's Documentation/fault-injection describes what is used here.
 *
 * /proc/thread-self/fail-nth counts the allocations of one task. Once its fault
 * has struck, make-it-fail lets all others of this task fail, too.
 *
 * The module's workers are pool threads of the kernel, any of them each time.
 * Their allocations are told by their stack, which has a return address in the
 * module's text: that is failslab's stacktrace filter. All that the module
 * allocates, sockets and packets included, comes from slabs. failslab fails
 * whenever its count of such allocations is a multiple of "interval", and
 * nobody can read or reset that count; so it is turned on until it has just
 * done that.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"

#define SLAB	"/sys/kernel/debug/failslab/"
#define PAGES	"/sys/kernel/debug/fail_page_alloc/"

/* Orders of pages: every one, and none. */
#define ORDER_ANY	"0"
#define ORDER_NONE	"100"

#define FUNCTIONS_MAX	1000
#define TEXT_PAGE	4096

/* More than any sweep has. */
#define MANY_TIMES	1000000

struct function {
	uint64_t start;
	char name[128];
};

static int fault_nth_fd = -1;
static int fault_task_fd = -1;
static int fault_armed_times;
static struct function functions[FUNCTIONS_MAX];
static unsigned int function_count;

static void fault_write(int fd, const char *value)
{
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		abort();
}

static void fault_set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	fault_write(fd, value);
	close(fd);
}

static void fault_set_number(const char *path, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)value);
	fault_set(path, text);
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *f = a, *g = b;

	return (f->start > g->start) - (f->start < g->start);
}

static void fault_find_functions(void)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long long start;
	char line[512], type;
	struct function *f;

	function_count = 0;
	while (file && fgets(line, sizeof(line), file)) {
		f = &functions[function_count];
		if (strstr(line, "\t[vmguest]") &&
		    sscanf(line, "%llx %c %127s", &start, &type, f->name) == 3 &&
		    (type == 't' || type == 'T') &&
		    function_count < FUNCTIONS_MAX) {
			f->start = start;
			function_count++;
		}
	}
	if (!function_count || !functions[0].start)
		abort();
	fclose(file);
	qsort(functions, function_count, sizeof(functions[0]),
	      compare_functions);
}

/* The last function's end is not known; the module's text has whole pages. */
static uint64_t function_end(unsigned int i)
{
	if (i + 1 < function_count)
		return functions[i + 1].start;
	return (functions[i].start | (TEXT_PAGE - 1)) + 1;
}

static void fault_filter(uint64_t start, uint64_t end)
{
	fault_set_number(SLAB "require-start", start);
	fault_set_number(SLAB "require-end", end);
}

static void fault_set_all(const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), SLAB "%s", name);
	fault_set(path, value);
	snprintf(path, sizeof(path), PAGES "%s", name);
	fault_set(path, value);
}

int fault_begin(void)
{
	if (access(SLAB "require-start", W_OK) ||
	    access(PAGES "min-order", W_OK))
		return -1;
	fault_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	fault_task_fd = open("/proc/thread-self/make-it-fail",
			     O_WRONLY | O_CLOEXEC);
	if (fault_nth_fd < 0 || fault_task_fd < 0)
		return -1;
	fault_set_all("verbose", "0");
	fault_set_all("ignore-gfp-wait", "N");
	fault_set_all("space", "0");
	fault_set(SLAB "stacktrace-depth", "32");
	fault_end();
	fault_find_functions();
	/* A page fault is no allocation of the call's. */
	return mlockall(MCL_CURRENT | MCL_FUTURE);
}

void fault_end(void)
{
	if (fault_nth_fd < 0)
		return;
	fault_set_all("probability", "0");
	fault_filter(0, UINT64_MAX);
}

void fault_arm(unsigned int nth, enum fault_kind kind)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	/* A slab needs new pages now and then: not the same ones each time. */
	fault_set(PAGES "min-order",
		  kind == FAULT_LASTING ? ORDER_ANY : ORDER_NONE);
	if (kind == FAULT_LASTING) {
		fault_set_all("interval", "1");
		fault_set_all("times", "-1");
		fault_set_all("task-filter", "Y");
		fault_set_all("probability", "100");
		fault_write(fault_task_fd, "1");
	}
	/* Until it has struck, nothing else does. */
	fault_write(fault_nth_fd, text);
}

/* Allocates nothing before the faults are over. */
bool fault_struck(void)
{
	char text[16] = "";

	if (pread(fault_nth_fd, text, sizeof(text) - 1, 0) <= 0)
		abort();
	fault_write(fault_task_fd, "0");
	fault_write(fault_nth_fd, "0");
	fault_end();
	return !atoi(text);
}

static int fault_times(void)
{
	char text[16] = "";
	int fd = open(SLAB "times", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		abort();
	close(fd);
	return atoi(text);
}

static void fault_start(uint64_t start, uint64_t end, unsigned int interval,
			int times)
{
	fault_armed_times = times;
	fault_filter(start, end);
	fault_set(SLAB "task-filter", "N");
	fault_set_number(SLAB "interval", interval);
	fault_set_number(SLAB "times", times);
	fault_set(SLAB "probability", "100");
}

void fault_arm_module(unsigned int nth, void (*turn)(void *data), void *data)
{
	fault_start(functions[0].start, function_end(function_count - 1), nth,
		    1);
	/* An interval of 1 is not counted. */
	while (nth > 1 && fault_times())
		turn(data);
	fault_set(SLAB "times", "1");
}

const char *fault_arm_function(unsigned int nth)
{
	if (nth >= function_count)
		return NULL;
	fault_start(functions[nth].start, function_end(nth), 1, MANY_TIMES);
	return functions[nth].name;
}

bool fault_struck_module(void)
{
	bool struck = fault_times() != fault_armed_times;

	fault_end();
	return struck;
}
