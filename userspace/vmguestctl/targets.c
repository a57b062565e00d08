// SPDX-License-Identifier: GPL-2.0-only
/* Of whom something is asked: words, a file with an order, or all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmguestctl.h"

#define BLANKS	" \t\r\n"

static int grow(struct targets *targets)
{
	int room = targets->room ? 2 * targets->room : 64;
	char **words = reallocarray(targets->words, room, sizeof(*words));
	struct vmguest_vm_ref *vms;
	uint32_t *orders;

	if (words)
		targets->words = words;
	vms = reallocarray(targets->vms, room, sizeof(*vms));
	if (vms)
		targets->vms = vms;
	orders = reallocarray(targets->orders, room, sizeof(*orders));
	if (orders)
		targets->orders = orders;
	if (!words || !vms || !orders)
		return -ENOMEM;
	targets->room = room;
	return 0;
}

/* 0, or an exit code after saying why. */
static int add_target(struct targets *targets, const char *word,
		      uint32_t order)
{
	char *copy = strdup(word);

	if (!copy || (targets->count == targets->room && grow(targets))) {
		free(copy);
		complain("out of memory");
		return EXIT_REFUSED;
	}
	targets->words[targets->count] = copy;
	targets->orders[targets->count] = order;
	return parse_vm(copy, &targets->vms[targets->count++]);
}

/* The VMs of a line; what is behind a # is a comment. */
static int parse_line(struct targets *targets, char *line, uint32_t order)
{
	char *word, *rest;
	int ret = 0;

	line[strcspn(line, "#")] = '\0';
	for (word = strtok_r(line, BLANKS, &rest); word && !ret;
	     word = strtok_r(NULL, BLANKS, &rest))
		ret = add_target(targets, word, order);
	return ret;
}

static int parse_lines(struct targets *targets, const char *path, FILE *file)
{
	size_t size = 0;
	char *line = NULL;
	uint32_t order = 0;
	int ret = 0;

	while (!ret && getline(&line, &size, file) >= 0)
		ret = parse_line(targets, line, order++);
	free(line);
	if (!ret && ferror(file)) {
		complain("cannot read %s: %m", path);
		ret = EXIT_USAGE;
	} else if (!ret && !targets->count) {
		complain("%s: no VM in it", path);
		ret = EXIT_USAGE;
	}
	return ret;
}

static int parse_file(struct targets *targets, const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	int ret;

	if (!file) {
		complain("cannot read %s: %m", path);
		return EXIT_USAGE;
	}
	ret = parse_lines(targets, path, file);
	if (file != stdin)
		fclose(file);
	return ret;
}

int parse_targets(struct targets *targets, const struct options *options,
		  char **words, int count)
{
	int i, ret = 0;

	if (options->order)
		return parse_file(targets, options->order);
	for (i = 0; i < count && !ret; i++)
		ret = add_target(targets, words[i], 0);
	return ret;
}

int list_targets(struct targets *targets, const struct options *options,
		 int client)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	int ret, more;

	while ((more = vmguest_next(client, &vm)) > 0) {
		if (vm.state == VMGUEST_VM_GONE || vm.state == VMGUEST_VM_DOWN)
			continue;
		ret = add_target(targets, vm.name, 0);
		if (ret)
			return ret;
		/* Its name may be another's by now. */
		targets->vms[targets->count - 1] =
			(struct vmguest_vm_ref) { .id = vm.vm_id };
	}
	return more ? call_failed(options, VMGUEST_LAYER_CALL, NULL,
				  "cannot list the VMs", more) : 0;
}

void free_targets(struct targets *targets)
{
	int i;

	for (i = 0; i < targets->count; i++)
		free(targets->words[i]);
	free(targets->words);
	free(targets->vms);
	free(targets->orders);
}
