// SPDX-License-Identifier: GPL-2.0-only
/*
 * Heartbeats: IsHeartbeating and HeartbeatPercentage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "task_fixture.h"

#define INTERVAL_MS	200

TASK_FIXTURE(heartbeat)

static void pass(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

static struct vmguest_vm_get state_of(int fd, uint64_t vm_id)
{
	struct vmguest_vm_get vm = { };

	vmg_get(fd, vm_id, &vm);
	return vm;
}

#define STATE() state_of(self->fd, self->vm)
#define IS_BEATING() (STATE().vm_flags & VMGUEST_VM_HEARTBEATING)

/* An agent that is asked for a heartbeat every INTERVAL_MS. */
#define CONNECT_BEATING() do {						\
	ASSERT_EQ(0, vmg_set_parameter("heartbeat_ms", "200"));				\
	CONNECT();							\
	ASSERT_EQ(0, vmg_set_parameter("heartbeat_ms", "6000"));				\
} while (0)

#define BEAT() ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, 0))

TEST_F(heartbeat, welcome_asks_for_it)
{
	CONNECT_BEATING();
	EXPECT_EQ(VMGUEST_WIRE_WELCOME, self->sim.frame.type);
	EXPECT_EQ(INTERVAL_MS, self->sim.frame.welcome.heartbeat_ms);
	EXPECT_EQ(INTERVAL_MS, STATE().heartbeat_ms);
}

TEST_F(heartbeat, regular_beats_are_all_of_them)
{
	int i;

	CONNECT_BEATING();
	for (i = 0; i < 10; i++) {
		BEAT();
		pass(INTERVAL_MS);
		EXPECT_TRUE(IS_BEATING());
	}
	EXPECT_LE(80, STATE().heartbeat_percent);
	EXPECT_GE(100, STATE().heartbeat_percent);
}

TEST_F(heartbeat, silence_is_seen)
{
	uint64_t start;

	CONNECT_BEATING();
	BEAT();
	start = vmg_now_ms();
	while (IS_BEATING() && vmg_now_ms() - start < VMG_PATIENCE_MS)
		pass(10);
	EXPECT_FALSE(IS_BEATING());
	/* After three intervals, not before. */
	EXPECT_LE(3 * INTERVAL_MS - 10, vmg_now_ms() - start);
	/* One beat of three or more. */
	EXPECT_LT(0, STATE().heartbeat_percent);
	EXPECT_GE(34, STATE().heartbeat_percent);
	EXPECT_TRUE(STATE().vm_flags & VMGUEST_VM_AGENT);
	BEAT();
	while (!IS_BEATING() && vmg_now_ms() - start < VMG_PATIENCE_MS)
		pass(10);
	EXPECT_TRUE(IS_BEATING());
}

TEST_F(heartbeat, more_than_asked_for_is_no_more_than_all)
{
	int i;

	CONNECT_BEATING();
	for (i = 0; i < 100; i++)
		BEAT();
	pass(INTERVAL_MS);
	EXPECT_EQ(100, STATE().heartbeat_percent);
}

TEST_F(heartbeat, each_connection_begins_anew)
{
	CONNECT_BEATING();
	pass(4 * INTERVAL_MS);
	EXPECT_FALSE(IS_BEATING());
	EXPECT_EQ(0, STATE().heartbeat_percent);
	sim_close(&self->sim);
	CONNECT();
	EXPECT_EQ(6000, self->sim.frame.welcome.heartbeat_ms);
	EXPECT_EQ(6000, STATE().heartbeat_ms);
	EXPECT_TRUE(IS_BEATING());
	EXPECT_EQ(100, STATE().heartbeat_percent);
}

TEST_F(heartbeat, none_without_an_agent)
{
	struct vmguest_vm_get vm;

	CONNECT_BEATING();
	sim_close(&self->sim);
	do
		vm = STATE();
	while (vm.vm_flags & VMGUEST_VM_AGENT);
	EXPECT_EQ(0, vm.heartbeat_ms);
	EXPECT_EQ(0, vm.heartbeat_percent);
	EXPECT_FALSE(vm.vm_flags & VMGUEST_VM_HEARTBEATING);
}

TEST_F(heartbeat, none_when_nobody_asks)
{
	ASSERT_EQ(0, vmg_set_parameter("heartbeat_ms", "0"));
	CONNECT();
	ASSERT_EQ(0, vmg_set_parameter("heartbeat_ms", "6000"));
	EXPECT_EQ(0, self->sim.frame.welcome.heartbeat_ms);
	BEAT();
	EXPECT_FALSE(IS_BEATING());
	EXPECT_EQ(0, STATE().heartbeat_ms);
	EXPECT_EQ(0, STATE().heartbeat_percent);
}

TEST(heartbeat_interval_has_limits)
{
	EXPECT_EQ(-EINVAL, vmg_set_parameter("heartbeat_ms", "99"));
	EXPECT_EQ(-EINVAL, vmg_set_parameter("heartbeat_ms", "3600001"));
	EXPECT_EQ(-EINVAL, vmg_set_parameter("heartbeat_ms", "-1"));
	EXPECT_EQ(-EINVAL, vmg_set_parameter("heartbeat_ms", "x"));
	EXPECT_EQ(0, vmg_set_parameter("heartbeat_ms", "100"));
	EXPECT_EQ(0, vmg_set_parameter("heartbeat_ms", "6000"));
}

TEST_HARNESS_MAIN
