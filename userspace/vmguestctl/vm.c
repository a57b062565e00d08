// SPDX-License-Identifier: GPL-2.0-only
/* The registry of VMs. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmguestctl.h"

static const char name_characters[] =
	"abcdefghijklmnopqrstuvwxyz"
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	"0123456789" "._-";

static bool is_name(const char *word)
{
	size_t length = strlen(word);

	return length && length < VMGUEST_NAME_SIZE && !strchr("._-", *word) &&
		strspn(word, name_characters) == length;
}

/* The name of a VM to register. */
int check_name(const char *name)
{
	char safe[SAFE_SIZE(2 * VMGUEST_NAME_SIZE)];

	safe_text(safe, sizeof(safe), name);
	if (!is_name(name))
		return usage_error("'%s' is not a name: 1 to %d of A-Z a-z 0-9 . _ -, the first a letter or digit",
				   safe, VMGUEST_NAME_SIZE - 1);
	if (!strncmp(name, "cid-", 4))
		return usage_error("'%s': names that begin with cid- are the module's",
				   safe);
	return 0;
}

/* The number behind "id:" or "cid:". */
static int parse_tagged(const char *word, const char *tag, uint64_t max,
			uint64_t *number)
{
	size_t length = strlen(tag);

	if (strncmp(word, tag, length))
		return -ENOENT;
	return parse_number(word + length, 1, max, number);
}

int parse_vm(const char *word, struct vmguest_vm_ref *vm)
{
	char safe[SAFE_SIZE(2 * VMGUEST_NAME_SIZE)];
	uint64_t number;

	*vm = (struct vmguest_vm_ref) { 0 };
	if (!parse_tagged(word, "id:", UINT64_MAX, &number)) {
		vm->id = number;
		return 0;
	}
	if (!parse_tagged(word, "cid:", UINT32_MAX, &number)) {
		vm->cid = number;
		return 0;
	}
	if (is_name(word)) {
		vm->name = word;
		return 0;
	}
	safe_text(safe, sizeof(safe), word);
	return usage_error("'%s' is not a VM: a name, id:12 or cid:7", safe);
}

/* Old C libraries have no function for it. */
static int pidfd_of(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int open_lifeline(const struct options *options, const char *subject)
{
	int fd;

	if (!options->pidfd_of)
		return -1;
	fd = pidfd_of(options->pidfd_of);
	if (fd >= 0)
		return fd;
	report_call_error(options, &(struct call_error) {
		.subject = subject,
		.layer = VMGUEST_LAYER_CALL,
		.what = "cannot watch the process",
		.words = strerror(-fd),
		.error = fd,
		.exit = EXIT_REFUSED,
	});
	return INT_MIN;
}

static int do_register(const struct options *options, int client,
		       const char *name)
{
	struct vmguest_registration vm = VMGUEST_REGISTRATION(name,
							      options->cid);
	uint64_t id;
	int ret;

	vm.uid = options->uid;
	vm.gid = options->gid;
	vm.mode = options->mode;
	vm.lifeline_fd = open_lifeline(options, name);
	if (vm.lifeline_fd < -1)
		return EXIT_REFUSED;
	ret = vmguest_register(client, &vm, &id);
	if (vm.lifeline_fd >= 0)
		close(vm.lifeline_fd);
	if (ret)
		return call_failed(options, VMGUEST_LAYER_CALL, name,
				   "cannot register", ret);
	if (options->json)
		return status_command(options, (char *[]) { (char *)name }, 1);
	say("%s: registered, id %llu", name, (unsigned long long)id);
	return EXIT_DONE;
}

int register_command(const struct options *options, char **words, int count)
{
	int client, ret;

	(void)count;
	ret = check_name(words[0]);
	if (ret)
		return ret;
	client = open_client(options);
	if (client < 0)
		return -client;
	ret = do_register(options, client, words[0]);
	close(client);
	return ret;
}

static void tell_unregistered(const struct options *options, const char *word)
{
	struct json_object *object;

	if (!options->json) {
		say("%s: unregistered", word);
		return;
	}
	object = json_object_new_object();
	json_object_object_add(object, "subject", json_object_new_string(word));
	json_object_object_add(object, "message",
			       json_object_new_string("unregistered"));
	json_object_object_add(object, "exit", json_object_new_int(EXIT_DONE));
	json_print(object);
}

int unregister_command(const struct options *options, char **words, int count)
{
	struct vmguest_vm_ref vm;
	int client, ret;

	(void)count;
	client = open_vm(options, words[0], &vm);
	if (client < 0)
		return -client;
	ret = vmguest_unregister(client, &vm, options->abort ?
				 VMGUEST_UNREGISTER_ABORT : 0);
	close(client);
	if (ret)
		return call_failed(options, VMGUEST_LAYER_CALL, words[0],
				   "cannot unregister", ret);
	tell_unregistered(options, words[0]);
	return EXIT_DONE;
}

int list_command(const struct options *options, char **words, int count)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	int client, ret;

	(void)words;
	(void)count;
	client = open_client(options);
	if (client < 0)
		return -client;
	if (!options->json)
		printf("%-5s %-24s %-10s %-9s %-10s %s\n", "ID", "NAME", "CID",
		       "STATE", "AGENT", "TASK");
	while ((ret = vmguest_next(client, &vm)) > 0) {
		if (options->json)
			report_vm(options, &vm);
		else
			report_vm_row(&vm);
	}
	close(client);
	return ret ? call_failed(options, VMGUEST_LAYER_CALL, NULL,
				 "cannot list", ret) : EXIT_DONE;
}

int status_command(const struct options *options, char **words, int count)
{
	struct vmguest_vm_get info = { .size = sizeof(info) };
	struct vmguest_vm_ref vm;
	int client, ret;

	(void)count;
	client = open_vm(options, words[0], &vm);
	if (client < 0)
		return -client;
	ret = vmguest_find(client, &vm, &info);
	close(client);
	if (ret)
		return call_failed(options, VMGUEST_LAYER_CALL, words[0],
				   "cannot read its state", ret);
	report_vm(options, &info);
	return EXIT_DONE;
}
