/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tasks and channels of the module, the agent, and everything that may die.
 *
 * Each step (d_step) is one critical section under the VM's lock or one turn
 * of the agent's loop. An inline has the name of the C function that it stands
 * for; Documentation/model.rst has the table, and says what is left out.
 * module.pml is the module, agent.pml the agent and its guest; here is the
 * rest of the world.
 *
 * There is no time: a timer that is armed may fire at any moment. The bounds:
 */
#ifndef CONNS
#define CONNS		1	/* connections at a time */
#endif
#ifndef FAULTS
#define FAULTS		0	/* the agent crashes, or loses its connection */
#endif
#ifndef REBOOTS
#define REBOOTS		0	/* the guest boots anew by itself, silently */
#endif
#ifndef DEATHS
#define DEATHS		0	/* the VMM dies by itself */
#endif
#ifndef REUSES
#define REUSES		0	/* another guest takes the CID of a dead VMM */
#endif
#ifndef HOOKS
#define HOOKS		0	/* the last breath may come by the hook */
#endif
#ifndef ROGUE
#define ROGUE		0	/* instead of an agent: anything at any time */
#endif
#ifndef LIFELINE
#define LIFELINE	1	/* VM 1 has a lifeline */
#endif
#ifndef CLIENTS
#define CLIENTS		2	/* each has one request */
#endif
/* What clients ask for: */
#ifndef LOGOFFS
#define LOGOFFS		0
#endif
#ifndef SHUTDOWNS
#define SHUTDOWNS	1
#endif
#ifndef RESTARTS
#define RESTARTS	0
#endif
#ifndef FORCES
#define FORCES		1	/* flag FORCE */
#endif
#ifndef ESCALATES
#define ESCALATES	0	/* force_after_ms */
#endif
#ifndef UNTILS
#define UNTILS		0	/* until ACCEPTED and DOWN */
#endif
#ifndef QUEUES
#define QUEUES		1	/* flag QUEUE */
#endif
#ifndef CANCELS
#define CANCELS		1	/* TASK_CANCEL, any number */
#endif
#ifndef DEADLINES
#define DEADLINES	1	/* no flag NO_DEADLINE */
#endif

/* The properties; must() and the monitor say what each of them means. */
mtype = {
	one_completion, one_running, no_change_after_end, stages_forward,
	deadline_armed, deadline_ends, only_stronger_supersedes,
	cancel_wins, ended_not_granted, ended_not_acted, go_before_act,
	not_handed_not_heard, old_boot_not_heard, old_channel_not_heard,
	own_guest_acts, gone_stays_gone, gone_ends, last_word_first,
	down_is_seen, success_is_true, honest_agent_obeys, commit_is_answered,
	request_not_lost
};

/* One mistake each; a property must notice. */
mtype = {
	NONE,
	STAGE_BACK, SENT_LATE, TIMER_LATE, TIMER_LOST, TIMER_IDLE,
	CANCEL_ENDED, CANCEL_COMMITTED, CANCELABLE_STAYS, GO_ENDED,
	ACT_AT_COMMIT, SAY_COMMITTED, SUPERSEDE_ANY, SUPERSEDE_LEAVES,
	NOT_HANDED, OLD_CHANNEL, SAME_BOOT, CANDIDATE_STAYS, GONE_CANDIDATE,
	GONE_AT_ONCE, GONE_UNHEARD, LAST_DETACH, LATE_LIFELINE, UNCLEAN,
	SAY_EARLY, GO_DROPPED, NOT_RESENT, ANSWER_LOST, LATE_HELLO,
	EXPIRE_HALF, CANCEL_ACTS
};
#ifndef MUTANT
#define MUTANT NONE
#endif
#define mutant(m)	(MUTANT == m)

mtype = {
	HELLO, HELLO_HOOK, W_ACCEPTED, W_BLOCKED, COMMIT, RESULT, BREATH, PONG,
	WELCOME, REJECT, REQUEST, CANCEL, GO, PING
};

/* enum vmguest_verb, in the order of strength; FORCE adds one. */
#define LOGOFF		1
#define SHUTDOWN	2
#define RESTART		3

/* enum vmguest_until */
#define UNTIL_END	0
#define UNTIL_ACCEPTED	1
#define UNTIL_DOWN	2

/* enum vmguest_stage */
#define QUEUED		0
#define SENT		1
#define ACCEPTED	2
#define BLOCKED		3
#define STOPPING	4
#define LAST_BREATH	5
#define CHANNEL_DOWN	6
#define VM_GONE		7

/* enum vmguest_channel_phase */
#define PHASE_NEW	0
#define PHASE_CANDIDATE	1
#define PHASE_ACTIVE	2
#define PHASE_HOOK	3

/* The guest's end of a connection. */
#define LIVES		0
#define CLOSED		1	/* in good order, or by the guest's kernel */
#define RESET		2	/* the VMM is no more */
#define SILENT		3	/* a guest that has booted anew knows nothing */

/* What the guest may make of a request. */
#define OPEN		0
#define GRANTED		1	/* a GO was allowed */
#define ENDED		2	/* never any more */

/* enum request_state of the agent; NONE is 0 */
#define IDLE		0
#define CHECKING	1
#define WAITING		2
#define ACTING		3
#define DONE		4

typedef vm_t {
	bit lifeline;
	bit gone;
	bit predecessor;	/* which is VM 1 */
	unsigned channels : 3;	/* their number */
	unsigned channel : 3;
	unsigned candidate : 3;
	unsigned task : 2;
	unsigned accepted_id : 2;
	unsigned boot : 3;	/* info.boot_id, 0 before the first HELLO */
};

typedef task_t {
	unsigned vm : 2;	/* 0: nobody has asked yet */
	unsigned verb : 2;
	unsigned until : 2;
	unsigned stage : 3;
	bit force, force_after, complete, cancelable, handed, armed;
	bit queued;		/* on vm->sends */
	/* The proofs: */
	bit accepted, committed, last_breath, channel_down, vm_gone;
	/* Only for the properties: */
	unsigned fate : 2;	/* OPEN, GRANTED, ENDED */
	unsigned boot : 3;	/* to which it was handed first */
};

typedef conn_t {
	bit used;
	unsigned vm : 2;	/* 0 before HELLO */
	unsigned phase : 2;
	unsigned boot : 3;	/* of the guest at its end */
	unsigned peer : 2;	/* LIVES, CLOSED, RESET, SILENT */
	bit closing;		/* CHANNEL_CLOSE */
	bit failed;		/* the work has an errno and tears down next */
	bit torn;		/* the socket is released */
	bit welcome, reject, check;
	unsigned cancel_id : 2;
	unsigned go_id : 2;
	unsigned tx_task : 2;
};

vm_t V[3];
task_t T[3];
conn_t C[CONNS + 1];
byte conns_used;

/* type, task; for a REQUEST also COMMITTED and FORCE */
chan up_[CONNS] = [2] of { mtype, byte };
chan down_[CONNS] = [1] of { mtype, byte, bit, bit };
#define up(c)	up_[(c) - 1]
#define down(c)	down_[(c) - 1]

/* The guest behind the CID, and its agent. */
#define OTHER_BOOT	5	/* the first of the guest that reuses the CID */
bit vmm;			/* there is one: the CID is on this host */
bit reused;			/* it is another guest's */
byte boot;
byte going;			/* the verb by which the guest is going down */
byte file_task;			/* state.task, outlives the agent */
bit breathed;
bit agent;			/* it runs */
byte conn;			/* its connection */
bit open;			/* a WELCOME came */
byte a_state;
byte a_id;
bit a_force;
byte hook;			/* the connection of the hook */

/* Set and used within one d_step. */
hidden byte tt, vv, cc, id, running;
hidden byte same, committed, force, was_active, counts, was_reset;
hidden mtype mm;

/* The trail of a failure says which property it was; the script looks there. */
#define must(what, condition)						\
	if :: (condition) -> skip					\
	:: else -> printf("broken: %e\n", what); assert(false) fi

#define is_running(t)	(T[t].vm && !T[t].complete)
#define strength(verb, force) (2 * ((verb) != LOGOFF) + (force))

#include "module.pml"
#include "agent.pml"

/* Knows every id, and obeys nobody. */
proctype rogue()
{
	mtype m;
	byte i;

end:	do
	:: d_step { vmm && !conn && conns_used < CONNS -> dial(conn, HELLO) }
	:: d_step { vmm && !hook && conns_used < CONNS ->
		dial(hook, HELLO_HOOK) }
	:: d_step { conn && nempty(down(conn)) -> flush_down(conn); id = 0 }
	:: d_step { hook && nempty(down(hook)) -> flush_down(hook); id = 0 }
	:: d_step { conn -> hang_up(conn) }
	:: d_step { hook -> hang_up(hook) }
	:: atomic { conn && !C[conn].torn && empty(up(conn)) ->
		if :: m = W_ACCEPTED
		:: m = W_BLOCKED
		:: m = COMMIT
		:: m = RESULT
		:: m = BREATH
		:: m = PONG
		fi;
		if :: i = 1
		:: i = 2
		fi;
		up(conn)!m,i;
		m = 0; i = 0 }
	:: atomic { hook && !C[hook].torn && empty(up(hook)) ->
		if :: i = 1
		:: i = 2
		fi;
		up(hook)!BREATH,i;
		i = 0 }
	od
}

/* A lifeline fires before another guest with the CID can say HELLO. */
#define cid_is_free	(!V[1].lifeline || V[1].gone || mutant(LATE_LIFELINE))

proctype world()
{
	byte reboots = 0, deaths = 0;

end:	do
	:: d_step { vmm && !reused && reboots < REBOOTS ->
		reboots++;
		guest_reboots() }
	:: d_step { vmm && !reused && deaths < DEATHS ->
		deaths++;
		vmm_dies() }
	:: d_step { (!vmm || reused) && V[1].lifeline && !V[1].gone ->
		vmguest_vm_lifeline_fired(1) }
	:: atomic { REUSES && !vmm && !reused && cid_is_free ->
		printf("another guest has the CID\n");
		vmm = 1; reused = 1; boot = OTHER_BOOT; agent = 1;
		/* vm_set_predecessor(): it may have the same name */
		if :: V[1].gone && V[1].task && T[V[1].task].verb == RESTART ->
			V[2].predecessor = 1
		:: true
		fi }
	od
}

/* Ids are in the order of the calls, so client 1 is the one that asks first. */
proctype client(byte t)
{
	byte v = 0;

end:	do
	:: atomic { !T[t].vm && (t == 1 || T[1].vm) &&
		(task_check_vm(1) || task_check_vm(2)) ->
		if :: task_check_vm(1) -> v = 1
		:: task_check_vm(2) -> v = 2
		fi;
		if :: LOGOFFS -> T[t].verb = LOGOFF
		:: SHUTDOWNS -> T[t].verb = SHUTDOWN
		:: RESTARTS -> T[t].verb = RESTART
		fi;
		if :: true
		:: FORCES -> T[t].force = 1
		:: ESCALATES -> T[t].force_after = 1
		fi;
		if :: true
		:: UNTILS -> T[t].until = UNTIL_ACCEPTED
		:: UNTILS && T[t].verb == SHUTDOWN -> T[t].until = UNTIL_DOWN
		fi;
		if :: task_compare(T[t].verb, T[t].force, V[v].task) ||
		   mutant(SUPERSEDE_ANY) ->
			d_step { task_admit(t, v); v = 0 }
		:: else ->
			T[t].verb = 0; T[t].force = 0; T[t].force_after = 0;
			T[t].until = 0; v = 0
		fi }
	:: d_step { may_cancel(t) -> vmguest_task_cancel(t) }
	od
}

#define both(ok)	(ok(1) && ok(2))
#define ok_running(t)	(!is_running(t) || V[T[t].vm].task == t)
#define ok_armed(t)	(!is_running(t) || !DEADLINES || T[t].armed)
#define ok_down(t)	(!is_running(t) || !T[t].last_breath || \
	V[T[t].vm].channels || T[t].channel_down)
#define ok_boot(v)	(!V[v].channel || C[V[v].channel].boot == V[v].boot)

/* When nothing happens any more, who may still run? */
#define ok_deadline(t)	(!is_running(t) || !DEADLINES)
#define ok_gone(t)	(!is_running(t) || T[t].verb == RESTART || \
	!V[T[t].vm].gone)
#define ok_absent(t)	(!is_running(t) || vmm || V[T[t].vm].lifeline || \
	T[t].verb != SHUTDOWN || !T[t].channel_down)
#define ok_heard(t)	(!is_running(t) || !vmm || !V[T[t].vm].channel)

proctype monitor()
{
end:	do
	:: d_step { !both(ok_running) -> must(one_running, false) }
	:: d_step { !both(ok_armed) -> must(deadline_armed, false) }
	:: d_step { !both(ok_down) -> must(down_is_seen, false) }
	:: d_step { !both(ok_boot) -> must(old_boot_not_heard, false) }
	:: atomic { timeout ->
		must(deadline_ends, both(ok_deadline));
		must(gone_ends, vmm || !V[1].lifeline || V[1].gone);
		must(gone_ends, both(ok_gone) && both(ok_absent));
		must(request_not_lost, ROGUE || both(ok_heard));
		must(commit_is_answered,
		     a_state != WAITING || !open || C[conn].torn) }
	    break
	od
}

init {
	atomic {
		vmm = 1; agent = 1; boot = 1;
		V[1].lifeline = LIFELINE;
		run channel_work(1);
		if :: CONNS > 1 -> run channel_work(2) :: else fi;
		if :: CONNS > 2 -> run channel_work(3) :: else fi;
		run vmguest_task_timer(1);
		run vmguest_task_timer(2);
		if :: ROGUE -> run rogue() :: else -> run guest() fi;
		run world();
		run client(1);
		if :: CLIENTS > 1 -> run client(2) :: else fi;
		run monitor()
	}
}
