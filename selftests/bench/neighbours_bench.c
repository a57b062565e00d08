// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one guest among 100 that is dead, floods or never reads costs the
 * others: the time from a PING of one of them to its answer, beside it and
 * without it, by turns in one run. The others are asked one after the other,
 * round and round.
 *
 * They and who asks them are on the first CPU, the hostile one on the second,
 * the module's work wherever there is room; see hostile.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "guestsim.h"
#include "hostile.h"
#include "sample.h"
#include "vmg.h"

#define QUESTION	"neighbours"
#define FIRST_CID	90000
#define OTHERS		99
#define PINGS		200
#define QUICK_PINGS	20
#define PATIENCE_MS	20000

/* As on a host: the other programs may have it off. */
#define CONNECT_RATE	"20"

/* struct guest_kind - One that is hostile in some way, or nobody */
static const struct guest_kind {
	const char *name;
	bool hostile;
	enum hostility how;
} kinds[] = {
	{ .name = "nobody" },
	{ "one that is dead", true, HOSTILE_STANDS_STILL },
	{ "one that hangs", true, HOSTILE_HANGS },
	{ "one that never reads", true, HOSTILE_READS_NOTHING },
	{ "one that floods", true, HOSTILE_FRAMES },
	{ "one that floods with notices", true, HOSTILE_NOTICES },
	{ "one that floods with connections", true, HOSTILE_CONNECTIONS },
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

/**
 * struct street - The guests
 * @fd: /dev/vmguest.
 * @sim: The others' simulation.
 * @others: They.
 * @vms: Their VMs.
 * @next: Who is asked next.
 * @hostile: One of each kind.
 * @idlers: What keeps the processors busy.
 */
struct street {
	int fd;
	struct sim *sim;
	struct sim_guest *others[OTHERS];
	uint64_t vms[OTHERS];
	unsigned int next;
	struct hostile hostile[KINDS];
	pid_t idlers[HOSTILE_CPUS];
};

static void street_add(struct street *street, unsigned int i)
{
	uint32_t cid = FIRST_CID + KINDS + i;
	char name[32];
	int err;

	street->others[i] = sim_guest_add(street->sim, cid);
	sim_guest_set_loud(street->others[i], false);
	snprintf(name, sizeof(name), "guest%u", i);
	err = vmg_register(street->fd, name, cid, -1, &street->vms[i]) ?:
	      sim_guest_boot(street->others[i]);
	if (err)
		sample_die(err, "guest %u", i);
	if (!sim_until(street->sim, sim_guest_is_welcome(street->others[i]),
		       PATIENCE_MS))
		sample_die(0, "guest %u is not welcome", i);
}

static void street_add_hostile(struct street *street, unsigned int i)
{
	char name[32];
	int err;

	snprintf(name, sizeof(name), "hostile%u", i);
	err = hostile_start(&street->hostile[i], street->fd, name,
			    FIRST_CID + i, kinds[i].how);
	if (err)
		sample_die(err, "%s", kinds[i].name);
}

static void street_open(struct street *street)
{
	unsigned int i;

	for (i = 0; i < KINDS; i++)
		if (kinds[i].hostile)
			street_add_hostile(street, i);
	for (i = 0; i < HOSTILE_CPUS; i++)
		street->idlers[i] = hostile_keep_busy(i);
	hostile_pin(0, 0);
	street->sim = sim_create();
	for (i = 0; i < OTHERS; i++)
		street_add(street, i);
	hostile_pin_vhost(0);
}

static void street_close(struct street *street)
{
	unsigned int i;

	for (i = 0; i < KINDS; i++)
		if (kinds[i].hostile)
			hostile_end(&street->hostile[i]);
	for (i = 0; i < HOSTILE_CPUS; i++)
		hostile_end_child(street->idlers[i]);
	sim_destroy(street->sim);
	vmg_unregister_all(street->fd);
}

static void hostile_comes(struct street *street, struct hostile *hostile)
{
	int err;

	hostile_call(hostile);
	if (!sim_until(street->sim, hostile_is_there(hostile), PATIENCE_MS))
		sample_die(0, "the hostile guest does not come");
	err = hostile_pile(hostile);
	if (err)
		sample_die(err, "requests to the hostile guest");
}

static void hostile_goes(struct street *street, struct hostile *hostile)
{
	struct vmguest_task_get task;

	hostile_send_away(hostile);
	if (!sim_until(street->sim, !hostile_is_there(hostile), PATIENCE_MS))
		sample_die(0, "the hostile guest does not go");
	for (; hostile->piled; close(hostile->pile[--hostile->piled])) {
		task = sim_task(street->sim,
				hostile->pile[hostile->piled - 1],
				PATIENCE_MS);
		if (!(task.task_flags & VMGUEST_TASK_COMPLETE))
			sample_die(0, "a request outlives the hostile guest");
	}
}

static uint64_t ping(struct street *street)
{
	struct vmguest_request request;
	struct vmguest_task_get task;
	uint64_t start;
	int fd;

	request = vmg_request(street->vms[street->next++ % OTHERS]);
	start = sample_now_ns();
	fd = vmg_ask(street->fd, VMGUEST_PING, &request);
	if (fd < 0)
		sample_die(fd, "ping");
	task = sim_task(street->sim, fd, PATIENCE_MS);
	start = sample_now_ns() - start;
	close(fd);
	if (task.error || task.result != VMGUEST_RESULT_SUCCESS)
		sample_die(task.error, "no answer of a guest");
	return start;
}

static uint64_t frames_of(const struct street *street, unsigned int kind)
{
	struct vmguest_vm_get vm;
	int err;

	err = vmg_get(street->fd, street->hostile[kind].vm, &vm);
	if (err)
		sample_die(err, "the hostile guest");
	return vm.frames_in;
}

static void measure(struct street *street, unsigned int kind,
		    unsigned int round, unsigned int pings)
{
	struct hostile *hostile = &street->hostile[kind];
	uint64_t ns[PINGS];
	unsigned int i;

	/* Each has been asked once before it counts. */
	for (i = 0; !round && i < OTHERS; i++)
		ping(street);
	if (kinds[kind].hostile)
		hostile_comes(street, hostile);
	for (i = 0; i < pings; i++)
		ns[i] = ping(street);
	if (kinds[kind].hostile)
		hostile_goes(street, hostile);
	sample_quantiles(QUESTION, kinds[kind].name, OTHERS + 1, round, ns,
			 pings);
}

int main(int argc, char **argv)
{
	struct sample_options options = sample_parse(argc, argv, 20, 2);
	static struct street street;
	unsigned int round, i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < HOSTILE_CPUS)
		sample_say("neighbours: one CPU: the hostile guest's own time counts");
	street.fd = vmg_open();
	if (street.fd < 0)
		sample_die(-errno, "/dev/vmguest");
	vmg_unregister_all(street.fd);
	sim_hurry();
	vmg_set_parameter("connect_rate", CONNECT_RATE);
	street_open(&street);
	for (round = 0; round < options.rounds; round++)
		for (i = 0; i < KINDS; i++)
			measure(&street, sample_turn(round, i, KINDS), round,
				options.quick ? QUICK_PINGS : PINGS);
	for (i = 0; i < KINDS; i++)
		if (kinds[i].hostile)
			sample_say("neighbours: %s sent %llu frames",
				   kinds[i].name,
				   (unsigned long long)frames_of(&street, i));
	street_close(&street);
	vmg_set_parameter("connect_rate", "0");
	return 0;
}
