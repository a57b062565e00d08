// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kmem.h"
#include "sample.h"

#define INSTANCE	"/sys/kernel/tracing/instances/bench"
#define BUFFER_KB	"16384"

static const char * const kmem_events[] = {
	"kmalloc", "kmem_cache_alloc", "kfree", "kmem_cache_free",
};

#define KMEM_EVENTS	(sizeof(kmem_events) / sizeof(kmem_events[0]))

/* struct kmem_object - What was allocated, or a caller and its sum */
struct kmem_object {
	unsigned long long ptr;
	uint64_t bytes;
	unsigned int count;
	char caller[64];
};

/* struct kmem_list - Some objects */
struct kmem_list {
	struct kmem_object *object;
	size_t count;
	size_t room;
};

static void kmem_set(const char *path, const char *value)
{
	char whole[128];
	bool done;
	int fd;

	snprintf(whole, sizeof(whole), INSTANCE "/%s", path);
	fd = open(whole, O_WRONLY | O_TRUNC | O_CLOEXEC);
	done = fd >= 0 && write(fd, value, strlen(value)) >= 0;
	if (!done)
		sample_die(-errno, "%s", whole);
	close(fd);
}

static void kmem_set_event(const char *event, const char *what,
			   const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "events/kmem/%s/%s", event, what);
	kmem_set(path, value);
}

/* Where the module's code is. */
static void kmem_find_module(unsigned long long *from, unsigned long long *to)
{
	unsigned long long size = 0;
	char line[512];
	FILE *file;

	file = fopen("/sys/module/vmguest/sections/.text", "re");
	if (!file || fscanf(file, "%llx", from) != 1)
		sample_die(0, "the module's code is not to be found");
	fclose(file);
	file = fopen("/proc/modules", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "vmguest %llu", &size) == 1)
			break;
	if (file)
		fclose(file);
	*to = *from + size;
}

void kmem_begin(void)
{
	unsigned long long from, to;
	char filter[128];
	size_t i;

	kmem_find_module(&from, &to);
	snprintf(filter, sizeof(filter),
		 "call_site >= 0x%llx && call_site < 0x%llx", from, to);
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		sample_die(-errno, INSTANCE);
	kmem_set("buffer_size_kb", BUFFER_KB);
	kmem_set("trace", "");
	for (i = 0; i < KMEM_EVENTS; i++) {
		kmem_set_event(kmem_events[i], "filter", filter);
		kmem_set_event(kmem_events[i], "enable", "1");
	}
}

static struct kmem_object *kmem_add(struct kmem_list *list)
{
	if (list->count == list->room) {
		list->room = list->room * 2 ?: 256;
		list->object = realloc(list->object, list->room *
				       sizeof(*list->object));
	}
	memset(&list->object[list->count], 0, sizeof(*list->object));
	return &list->object[list->count++];
}

static void kmem_remove(struct kmem_list *list, unsigned long long ptr)
{
	size_t i;

	for (i = list->count; i--;)
		if (list->object[i].ptr == ptr) {
			list->object[i] = list->object[--list->count];
			return;
		}
}

/* "call_site=vm_create+0x2a/0x1f0 [vmguest] ptr=... bytes_alloc=..." */
static void kmem_parse(struct kmem_list *list, const char *line)
{
	const char *caller = strstr(line, "call_site=");
	const char *ptr = strstr(line, " ptr=");
	const char *bytes = strstr(line, " bytes_alloc=");
	struct kmem_object *object;
	unsigned long long at;

	if (!caller || !ptr || sscanf(ptr, " ptr=%llx", &at) != 1)
		return;
	if (!bytes) {
		kmem_remove(list, at);
		return;
	}
	object = kmem_add(list);
	object->ptr = at;
	object->bytes = strtoull(bytes + strlen(" bytes_alloc="), NULL, 10);
	if (sscanf(caller, "call_site=%63[^+ ]", object->caller) != 1)
		strcpy(object->caller, "?");
}

static void kmem_sum(struct kmem_list *sums, const struct kmem_object *object)
{
	struct kmem_object *sum = NULL;
	size_t i;

	for (i = 0; i < sums->count && !sum; i++)
		if (!strcmp(sums->object[i].caller, object->caller))
			sum = &sums->object[i];
	if (!sum) {
		sum = kmem_add(sums);
		strcpy(sum->caller, object->caller);
	}
	sum->bytes += object->bytes;
	sum->count++;
}

static uint64_t kmem_tell(const struct kmem_list *list, const char *what,
			  unsigned int per)
{
	struct kmem_list sums = { 0 };
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < list->count; i++) {
		bytes += list->object[i].bytes;
		kmem_sum(&sums, &list->object[i]);
	}
	for (i = 0; i < sums.count; i++)
		sample_say("kmem: %s: %s: %u objects, %.1f bytes each of %u",
			   what, sums.object[i].caller, sums.object[i].count,
			   (double)sums.object[i].bytes / per, per);
	free(sums.object);
	return bytes;
}

uint64_t kmem_end(const char *what, unsigned int per)
{
	struct kmem_list live = { 0 };
	char line[512];
	uint64_t bytes;
	FILE *file;
	size_t i;

	for (i = 0; i < KMEM_EVENTS; i++)
		kmem_set_event(kmem_events[i], "enable", "0");
	file = fopen(INSTANCE "/trace", "re");
	if (!file)
		sample_die(-errno, INSTANCE "/trace");
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "LOST"))
			sample_die(0, "the trace was too long");
		if (*line != '#')
			kmem_parse(&live, line);
	}
	fclose(file);
	rmdir(INSTANCE);
	bytes = kmem_tell(&live, what, per);
	free(live.object);
	return bytes;
}

uint64_t kmem_slabs(void)
{
	unsigned long long kb = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Slab: %llu", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb * 1024;
}
