/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tasks and channels of the module, the agent, and everything that may die.
 *
 * Each step (d_step) is one critical section under the VM's lock or one turn of
 * the agent's loop. An inline has the name of the C function that it stands for;
 * Documentation/model.rst has the table, and says what is left out.
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
	bit accepted, committed, last_breath, channel_down, vm_gone; /* proofs */
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
#define OTHER_BOOT	5	/* the first boot of the guest that reuses the CID */
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

/* kmod/channel.c: what others ask of a channel. */

inline vmguest_channel_send_cancel(c, t)
{
	C[c].cancel_id = t;
	if :: C[c].go_id == t -> C[c].go_id = 0 :: else fi
}

/* A courtesy: it does not push out the answer to a COMMIT. */
inline vmguest_channel_offer_cancel(c, t)
{
	if :: !C[c].cancel_id || mutant(ANSWER_LOST) ->
		vmguest_channel_send_cancel(c, t)
	:: else fi
}

inline vmguest_channel_send_go(c, t)
{
	C[c].go_id = t;
	must(ended_not_granted, T[t].fate != ENDED);
	T[t].fate = GRANTED
}

/* kmod/task.c */

inline task_advance(t, s)
{
	if :: s > T[t].stage || mutant(STAGE_BACK) && s != T[t].stage ->
		must(stages_forward, s > T[t].stage);
		must(no_change_after_end, !T[t].complete);
		T[t].stage = s
	:: else fi
}

#define task_awaits_absence(t) (V[T[t].vm].task == t && \
	!V[T[t].vm].lifeline && T[t].verb == SHUTDOWN && \
	T[t].channel_down && !V[T[t].vm].channels)

#define task_force_pending(t) (T[t].force_after && !T[t].force)

inline task_arm_timer(t)
{
	T[t].armed = DEADLINES || task_force_pending(t) ||
		     task_awaits_absence(t)
}

/* A task that completed at the agent's word has its fate still open. */
inline task_forget_accepted(v)
{
	if :: V[v].accepted_id && T[V[v].accepted_id].fate == OPEN ->
		T[V[v].accepted_id].fate = ENDED
	:: else fi;
	V[v].accepted_id = 0
}

/* What an agent that tells the truth must have done. */
#define is_true(t)	(T[t].verb == LOGOFF && T[t].fate == GRANTED || \
	T[t].until == UNTIL_ACCEPTED || \
	T[t].until == UNTIL_DOWN && T[t].last_breath || \
	T[t].verb == SHUTDOWN && T[t].last_breath && \
		(!vmm || boot != T[t].boot) || \
	T[t].verb == RESTART && boot != T[t].boot)

inline vmguest_task_complete(t, success)
{
	must(one_completion, is_running(t));
	must(one_running, V[T[t].vm].task == t);
	must(success_is_true, !(success) || ROGUE || is_true(t));
	T[t].complete = 1;
	T[t].cancelable = 0;
	T[t].queued = 0;
	T[t].armed = 0;
	V[T[t].vm].task = 0;
	if :: T[t].fate == OPEN && V[T[t].vm].accepted_id != t ->
		T[t].fate = ENDED
	:: else fi;
	/* What nobody looks at any more. */
	T[t].stage = 0; T[t].until = 0; T[t].handed = 0;
	T[t].force = 0; T[t].force_after = 0;
	T[t].accepted = 0; T[t].committed = 0; T[t].last_breath = 0;
	T[t].channel_down = 0; T[t].vm_gone = 0
}

inline task_withdraw(t)
{
	if :: T[t].handed && V[T[t].vm].channel && !T[t].committed ->
		cc = V[T[t].vm].channel;
		vmguest_channel_offer_cancel(cc, t)
	:: else fi
}

/* task_evaluate_shutdown() is part of it. */
inline task_evaluate(t)
{
	if
	:: T[t].verb == SHUTDOWN && (T[t].vm_gone || T[t].until == UNTIL_DOWN &&
	   T[t].channel_down && T[t].last_breath) ->
		vmguest_task_complete(t, T[t].last_breath || mutant(UNCLEAN))
	:: T[t].verb == LOGOFF && T[t].vm_gone ->
		vmguest_task_complete(t, false)
	:: else fi
}

inline task_queue_send(t)
{
	T[t].queued = 1
}

inline task_expire(t)
{
	printf("task_expire: task %d\n", t);
	task_withdraw(t);
	if :: T[t].committed && mutant(EXPIRE_HALF)
	:: else -> vmguest_task_complete(t, false) fi
}

inline task_escalate(t)
{
	printf("task_escalate: task %d\n", t);
	T[t].force = 1;
	task_queue_send(t)
}

inline task_start(v, t)
{
	must(one_running, V[T[t].vm].task == 0);
	V[T[t].vm].task = t;
	task_forget_accepted(v);
	T[t].cancelable = 1;
	task_arm_timer(t);
	task_queue_send(t)
}

/* A refused request changes nothing, so only those that are admitted come here. */
#define task_check_vm(v) (!V[v].gone && (v == 1 || reused && V[1].gone) && \
	(V[v].channel || QUEUES && (vmm || V[v].lifeline)))
#define task_compare(verb_, force_, running_) (!(running_) || \
	strength(verb_, force_) > strength(T[running_].verb, T[running_].force))

inline vmguest_task_admit(t, v)
{
	printf("vmguest_task_admit: task %d, VM %d, verb %d, force %d, after %d, until %d\n",
	       t, v, T[t].verb, T[t].force, T[t].force_after, T[t].until);
	running = V[v].task;
	T[t].vm = v;
	if :: running ->
		must(only_stronger_supersedes,
		     task_compare(T[t].verb, T[t].force, running));
		if :: mutant(SUPERSEDE_LEAVES)
		:: else ->
			task_withdraw(running);
			vmguest_task_complete(running, false)
		fi
	:: else fi;
	task_start(v, t)
}

/* Refusing changes nothing, so only a cancel that succeeds comes here. */
#define may_cancel(t)	(CANCELS && is_running(t) && T[t].cancelable || \
	mutant(CANCEL_COMMITTED) && is_running(t) || \
	mutant(CANCEL_ENDED) && T[t].complete)

inline vmguest_task_cancel(t)
{
	printf("vmguest_task_cancel: task %d\n", t);
	must(cancel_wins, T[t].fate != GRANTED);
	task_withdraw(t);
	vmguest_task_complete(t, false)
}

inline vmguest_task_build_frame(t, c)
{
	if :: !T[t].handed -> T[t].boot = C[c].boot :: else fi;
	committed = T[t].committed || mutant(SAY_COMMITTED) && T[t].handed;
	force = T[t].force;
	T[t].handed = 1;
	T[t].queued = 0
}

inline vmguest_task_sent(t)
{
	if :: is_running(t) || mutant(SENT_LATE) -> task_advance(t, SENT)
	:: else fi
}

inline task_accepted(v, t)
{
	T[t].accepted = 1;
	task_advance(t, ACCEPTED);
	if :: T[t].until == UNTIL_ACCEPTED ->
		task_forget_accepted(v);
		V[v].accepted_id = t;
		vmguest_task_complete(t, true)
	:: else fi
}

inline task_blocked(c, t)
{
	if :: T[t].committed -> C[c].failed = 1
	:: else -> task_advance(t, BLOCKED) fi
}

/* Task @i; it is @t when it runs. */
inline task_commit(v, t, i)
{
	if :: !t && i != V[v].accepted_id && !mutant(GO_ENDED) ->
		cc = V[v].channel;
		vmguest_channel_send_cancel(cc, i)
	:: else ->
		if :: t && !T[t].accepted -> task_accepted(v, t) :: else fi;
		if :: t && is_running(t) ->
			T[t].committed = 1;
			T[t].cancelable = mutant(CANCELABLE_STAYS);
			task_advance(t, STOPPING)
		:: else fi;
		cc = V[v].channel;
		vmguest_channel_send_go(cc, i)
	fi
}

inline task_last_breath(c, t)
{
	if :: T[t].verb == LOGOFF || !T[t].committed -> C[c].failed = 1
	:: else ->
		T[t].last_breath = 1;
		task_advance(t, LAST_BREATH)
	fi
}

/* Frame @m about task @i, from connection @c. */
inline vmguest_task_handle(v, c, m, i)
{
	tt = (V[v].task == i -> i : 0);
	must(old_channel_not_heard, V[v].channel == c || C[c].phase == PHASE_HOOK);
	if :: tt && !T[tt].handed && !mutant(NOT_HANDED) -> C[c].failed = 1
	:: else ->
		must(not_handed_not_heard, !tt || T[tt].handed);
		must(old_boot_not_heard,
		     !tt || T[tt].boot == C[c].boot && V[v].boot == C[c].boot);
		if :: m == COMMIT -> task_commit(v, tt, i)
		:: m == BREATH && tt -> task_last_breath(c, tt)
		:: m == W_ACCEPTED && tt -> task_accepted(v, tt)
		:: m == W_BLOCKED && tt -> task_blocked(c, tt)
		:: m == RESULT && tt ->	/* task_verdict() */
			vmguest_task_complete(tt, T[tt].verb == LOGOFF &&
					      T[tt].committed)
		:: else fi
	fi
}

inline task_new_boot(t)
{
	printf("task_new_boot: task %d\n", t);
	if :: T[t].last_breath ->
		T[t].channel_down = 1;
		task_advance(t, CHANNEL_DOWN)
	:: else fi;
	vmguest_task_complete(t, T[t].verb == RESTART)
}

inline vmguest_task_agent_back(v, same_boot)
{
	tt = V[v].task;
	if :: !same_boot -> task_forget_accepted(v) :: else fi;
	if :: tt && T[tt].handed && !same_boot && !mutant(SAME_BOOT) ->
		task_new_boot(tt)
	:: tt && (!T[tt].handed || same_boot && !mutant(NOT_RESENT) ||
		  mutant(SAME_BOOT)) ->
		task_queue_send(tt)
	:: else fi
}

inline vmguest_task_channel_down(v, reset)
{
	tt = V[v].task;
	if :: tt && (reset || !V[v].channels && T[tt].last_breath) ->
		T[tt].channel_down = 1;
		task_advance(tt, CHANNEL_DOWN);
		task_evaluate(tt)
	:: else fi;
	if :: tt && is_running(tt) && !mutant(TIMER_IDLE) -> task_arm_timer(tt)
	:: else fi
}

inline vmguest_task_vm_gone(v)
{
	must(last_word_first, !V[v].channels);
	tt = V[v].task;
	if :: tt ->
		T[tt].vm_gone = 1;
		if :: T[tt].last_breath -> T[tt].channel_down = 1 :: else fi;
		task_advance(tt, VM_GONE);
		task_evaluate(tt)
	:: else fi
}

inline vmguest_task_vm_returned(v)
{
	tt = V[v].task;
	if :: tt && T[tt].verb == RESTART -> task_new_boot(tt) :: else fi
}

/* kmod/vm.c */

inline vm_install(v, c, same_boot)
{
	if :: V[v].channel -> C[V[v].channel].closing = 1 :: else fi;
	if :: V[v].candidate && !mutant(CANDIDATE_STAYS) ->
		C[V[v].candidate].closing = 1;
		V[v].candidate = 0
	:: else fi;
	must(old_boot_not_heard, C[c].boot == V[v].boot);
	must(gone_stays_gone, !V[v].gone);
	V[v].channel = c;
	C[c].phase = PHASE_ACTIVE;
	C[c].welcome = 1;
	vmguest_task_agent_back(v, same_boot)
}

/* vm_is_same_boot() and vm_learn() are part of it. */
inline vm_attach_agent(v, c)
{
	same = V[v].boot == C[c].boot;
	if :: !V[v].channel || !same ->
		V[v].boot = C[c].boot;
		vm_install(v, c, same)
	:: else ->
		if :: V[v].candidate -> C[c].reject = 1
		:: else ->
			V[v].candidate = c;
			C[c].phase = PHASE_CANDIDATE;
			C[V[v].channel].check = 1
		fi
	fi
}

inline vm_attach_hook(v, c)
{
	if :: V[v].boot == C[c].boot ->
		C[c].phase = PHASE_HOOK;
		C[c].welcome = 1
	:: else -> C[c].reject = 1 fi
}

/* vm_for_guest() is part of it. A guest that nobody registered has no tasks. */
inline vmguest_vm_attach(c, m)
{
	vv = (V[1].gone -> (reused -> 2 : 0) : 1);
	printf("vmguest_vm_attach: connection %d of boot %d: VM %d\n",
	       c, C[c].boot, vv);
	C[c].vm = vv;
	if :: !vv -> C[c].failed = 1
	:: vv && m == HELLO_HOOK ->
		V[vv].channels++;
		vm_attach_hook(vv, c)
	:: else ->
		V[vv].channels++;
		vm_attach_agent(vv, c);
		if :: V[vv].predecessor ->
			V[vv].predecessor = 0;
			vmguest_task_vm_returned(1)
		:: else fi
	fi
}

inline vm_promote_candidate(v)
{
	cc = V[v].candidate;
	V[v].candidate = 0;
	if :: V[v].gone && !mutant(GONE_CANDIDATE)
	:: else ->
		printf("vm_promote_candidate: connection %d\n", cc);
		vm_install(v, cc, true)
	fi
}

inline vmguest_vm_alive(v, c)
{
	if :: V[v].channel == c && V[v].candidate ->
		C[V[v].candidate].reject = 1;
		V[v].candidate = 0
	:: else fi
}

inline vmguest_vm_detach(v, c)
{
	V[v].channels--;
	if :: V[v].candidate == c -> V[v].candidate = 0 :: else fi;
	was_active = V[v].channel == c;
	if :: was_active -> V[v].channel = 0 :: else fi;
	counts = was_active || C[c].phase == PHASE_HOOK;
	was_reset = counts && C[c].peer == RESET;
	if :: counts || !V[v].channels && !mutant(LAST_DETACH) ->
		vmguest_task_channel_down(v, was_reset)
	:: else fi;
	if :: was_active && V[v].candidate -> vm_promote_candidate(v)
	:: else fi;
	if :: V[v].channels
	:: !V[v].channels && V[v].gone ->
		if :: mutant(GONE_UNHEARD) :: else -> vmguest_task_vm_gone(v) fi
	:: !V[v].channels && !V[v].gone && C[c].peer == RESET && !vmm &&
	   !V[v].lifeline -> vmguest_task_vm_gone(v)
	:: else fi
}

/* vm_set_gone() is part of it. */
inline vmguest_vm_lifeline_fired(v)
{
	printf("vmguest_vm_lifeline_fired: VM %d\n", v);
	V[v].gone = 1;
	for (cc : 1 .. CONNS) {
		C[cc].closing = C[cc].closing || C[cc].vm == v
	}
	if :: V[v].channels && !mutant(GONE_AT_ONCE)
	:: else -> vmguest_task_vm_gone(v) fi
}

/* kmod/channel.c: the work of one connection. */

inline channel_handle_frame(c)
{
	up(c)?mm,id;
	printf("channel_handle_frame: connection %d: %e, task %d\n", c, mm, id);
	vv = C[c].vm;
	if
	:: !vv && (mm == HELLO || mm == HELLO_HOOK) -> vmguest_vm_attach(c, mm)
	:: !vv && !(mm == HELLO || mm == HELLO_HOOK) -> C[c].failed = 1
	:: vv && !(C[c].phase == PHASE_ACTIVE ||
		   C[c].phase == PHASE_HOOK && mm == BREATH) ->
		C[c].failed = 1;
		must(honest_agent_obeys, ROGUE)
	:: vv && C[c].phase == PHASE_ACTIVE && mm == PONG ->
		vmguest_vm_alive(vv, c)
	:: vv && C[c].phase == PHASE_ACTIVE && mm != PONG &&
	   V[vv].channel != c && !mutant(OLD_CHANNEL)
	:: else ->
		vmguest_task_handle(vv, c, mm, id);
		must(honest_agent_obeys, ROGUE || !C[c].failed)
	fi
}

#define sends_task(c)	(V[C[c].vm].channel == c && V[C[c].vm].task && \
	T[V[C[c].vm].task].queued)
#define has_frame(c)	(C[c].vm && (C[c].reject || C[c].welcome || \
	C[c].check || C[c].cancel_id || C[c].go_id || sends_task(c)))

/* channel_next_task_frame() is part of it. */
inline channel_next_frame(c)
{
	id = 0; committed = 0; force = 0;
	if :: C[c].reject -> mm = REJECT; C[c].reject = 0
	:: else -> if
	:: C[c].welcome -> mm = WELCOME; C[c].welcome = 0
	:: else -> if
	:: C[c].check -> mm = PING; C[c].check = 0
	:: else -> if
	:: C[c].cancel_id -> mm = CANCEL; id = C[c].cancel_id;
		C[c].cancel_id = 0
	:: else -> if
	:: C[c].go_id -> mm = GO; id = C[c].go_id; C[c].go_id = 0
	:: else ->
		mm = REQUEST; id = V[C[c].vm].task;
		C[c].tx_task = id;
		vmguest_task_build_frame(id, c)
	fi fi fi fi fi
}

/* Sending to a guest's end that is no more fails, or is answered by a reset. */
inline channel_write(c)
{
	printf("channel_write: connection %d: %e, task %d, committed %d, force %d\n",
	       c, mm, id, committed, force);
	if :: C[c].peer == LIVES -> down(c)!mm,id,committed,force
	:: C[c].peer == SILENT -> C[c].peer = CLOSED
	:: else -> C[c].failed = 1 fi;
	if :: mm == REJECT -> C[c].failed = 1 :: else fi
}

/* Has the lock once more after the write, which only matters for a task. */
inline channel_tx_done(c)
{
	printf("channel_tx_done: connection %d, task %d\n", c, C[c].tx_task);
	tt = C[c].tx_task;
	vmguest_task_sent(tt);
	C[c].tx_task = 0
}

/* What the guest sent may be lost when its VMM dies. */
#define channel_ends(c)	(C[c].failed || C[c].peer == RESET || \
	(C[c].peer == CLOSED || C[c].closing) && empty(up(c)))

inline flush_up(c)
{
	do :: nempty(up(c)) -> up(c)?_,_ :: empty(up(c)) -> break od
}

inline flush_down(c)
{
	do :: nempty(down(c)) -> down(c)?_,_,_,_ :: empty(down(c)) -> break od
}

/* The guest can still read what it was sent. */
inline channel_teardown(c)
{
	printf("channel_teardown: connection %d\n", c);
	flush_up(c);
	vv = C[c].vm;
	if :: vv -> vmguest_vm_detach(vv, c) :: else fi;
	C[c].used = (C[c].peer == LIVES);
	C[c].torn = C[c].used;
	conns_used = conns_used - !C[c].used;
	C[c].vm = 0; C[c].phase = 0; C[c].boot = 0; C[c].peer = 0;
	C[c].closing = 0; C[c].failed = 0; C[c].welcome = 0; C[c].reject = 0;
	C[c].check = 0; C[c].cancel_id = 0; C[c].go_id = 0; C[c].tx_task = 0
}

#define works(c)	(C[c].used && !C[c].torn)

proctype channel_work(byte c)
{
end:	do
	:: d_step { works(c) && !C[c].failed && nempty(up(c)) ->
		channel_handle_frame(c) }
	:: d_step { works(c) && !C[c].failed && !C[c].tx_task && has_frame(c) &&
		nfull(down(c)) ->
		channel_next_frame(c);
		channel_write(c) }
	:: d_step { works(c) && !C[c].failed && C[c].tx_task ->
		channel_tx_done(c) }
	:: d_step { works(c) && channel_ends(c) ->
		channel_teardown(c) }
	:: d_step { works(c) && C[c].vm && V[C[c].vm].candidate == c ->
		vv = C[c].vm;
		vm_promote_candidate(vv) }	/* vmguest_vm_candidate_timeout() */
	od
}

/*
 * A probe that finds the CID changes nothing and is no step. Neither is a timer
 * that was too late to be stopped: it finds that its task has ended.
 */
#define timer_runs(t)	(is_running(t) && T[t].armed || \
	mutant(TIMER_LATE) && T[t].complete)

proctype vmguest_task_timer(byte t)
{
end:	do
	:: d_step { timer_runs(t) && task_awaits_absence(t) && !vmm ->
		T[t].armed = 0;
		vv = T[t].vm;
		vmguest_task_vm_gone(vv) }
	:: d_step { timer_runs(t) && DEADLINES ->
		T[t].armed = 0;
		task_expire(t);
		must(deadline_ends, !is_running(t)) }
	:: d_step { timer_runs(t) && task_force_pending(t) ->
		task_escalate(t);
		T[t].armed = 0;
		if :: mutant(TIMER_LOST)
		:: else -> task_arm_timer(t) fi }
	od
}

/*
 * userspace/agent/. A frame that is said to a connection that is not open is
 * lost.
 */
#define room(c, n)	(!(c) || C[c].torn || len(up(c)) <= 2 - (n))

inline say(c, m, i)
{
	if :: c && (open || mutant(SAY_EARLY)) && !C[c].torn -> up(c)!m,i
	:: else fi
}

inline dial(c, hello)
{
	c = 1;
	do :: C[c].used -> c++ :: else -> break od;
	conns_used++;
	C[c].used = 1;
	C[c].boot = boot;
	printf("dial: connection %d of boot %d: %e\n", c, boot, hello);
	up(c)!hello,0
}

/* The guest's kernel does it for a process that ends. */
inline hang_up(c)
{
	if :: c ->
		flush_down(c);
		if :: C[c].torn -> C[c].used = 0; C[c].torn = 0; conns_used--
		:: else -> C[c].peer = CLOSED fi
	:: else fi;
	c = 0
}

inline connection_close()
{
	hang_up(conn);
	open = 0
}

inline request_drop()
{
	if :: a_state != IDLE -> file_task = 0 :: else fi;
	a_state = IDLE; a_id = 0; a_force = 0
}

inline request_done()
{
	file_task = 0;
	a_state = DONE;
	say(conn, RESULT, a_id)
}

inline request_act()
{
	printf("request_act: task %d in boot %d\n", a_id, boot);
	must(go_before_act, T[a_id].fate != OPEN);
	must(ended_not_acted, T[a_id].fate != ENDED);
	must(old_boot_not_heard, T[a_id].boot == boot);
	must(own_guest_acts,
	     !V[1].lifeline || (T[a_id].vm == 1) == (boot < OTHER_BOOT));
	a_state = ACTING;
	if :: T[a_id].verb != LOGOFF ->
		file_task = a_id;
		going = T[a_id].verb
	:: else fi
}

inline request_ask_to_go()
{
	a_state = WAITING;
	say(conn, COMMIT, a_id);
	if :: mutant(ACT_AT_COMMIT) -> request_act() :: else fi
}

inline request_check()
{
	a_state = CHECKING;
	if :: a_force || T[a_id].verb == LOGOFF -> request_ask_to_go()
	:: else fi
}

/* request_is_admitted() and request_begin() are part of it. */
inline request_new(i, granted, forced)
{
	if :: going && !granted && !forced -> say(conn, RESULT, i)
	:: else ->
		request_drop();
		if :: file_task != i -> file_task = 0 :: else fi;
		a_id = i;
		a_force = forced;
		if :: granted -> request_act()
		:: else ->
			say(conn, W_ACCEPTED, i);
			request_check()
		fi
	fi
}

inline request_enforce()
{
	a_force = 1;
	if :: a_state == CHECKING -> request_ask_to_go() :: else fi
}

/* request_repeat() is part of it. */
inline request_again(granted, forced)
{
	if :: a_state == DONE -> say(conn, RESULT, a_id)
	:: a_state == ACTING
	:: (a_state == CHECKING || a_state == WAITING) && granted ->
		request_act()
	:: a_state == CHECKING && !granted -> say(conn, W_ACCEPTED, a_id)
	:: a_state == WAITING && !granted ->
		say(conn, W_ACCEPTED, a_id);
		say(conn, COMMIT, a_id)
	fi;
	if :: forced && !a_force -> request_enforce() :: else fi
}

inline request_go(i)
{
	if :: a_id == i && a_state == WAITING && !mutant(GO_DROPPED) ->
		request_act()
	:: else fi
}

inline request_cancel(i)
{
	if :: a_id == i && a_state == WAITING && mutant(CANCEL_ACTS) ->
		request_act()
	:: a_id == i && a_state != IDLE && a_state != ACTING &&
	   !mutant(CANCEL_ACTS) -> request_drop()
	:: else fi
}

inline request_reconnected()
{
	if :: a_state == WAITING -> say(conn, COMMIT, a_id) :: else fi
}

/* connection_frame() is part of it. */
inline agent_received()
{
	down(conn)?mm,id,committed,force;
	printf("agent_received: connection %d: %e, task %d, committed %d, force %d\n",
	       conn, mm, id, committed, force);
	if :: mm == WELCOME -> open = 1; request_reconnected()
	:: mm == REJECT -> connection_close()
	:: mm == REQUEST && a_state != IDLE && a_id == id ->
		request_again(committed, force)
	:: mm == REQUEST && !(a_state != IDLE && a_id == id) ->
		request_new(id, committed, force)
	:: mm == GO -> request_go(id)
	:: mm == CANCEL -> request_cancel(id)
	:: mm == PING -> say(conn, PONG, 0)
	fi
}

inline last_breath_run()
{
	down(hook)?mm,_,_,_;
	if :: mm == WELCOME -> up(hook)!BREATH,file_task :: else fi;
	hang_up(hook)
}

inline agent_forgets()
{
	a_state = IDLE; a_id = 0; a_force = 0
}

/*
 * The guest's memory is lost; how its connections end is @how. A HELLO is read
 * before the next boot says its own, so one that waits now is as good as lost.
 */
inline guest_forgets(how)
{
	for (cc : 1 .. CONNS) {
		flush_down(cc);
		if :: C[cc].torn -> C[cc].used = 0; C[cc].torn = 0; conns_used--
		:: works(cc) && !C[cc].vm && !mutant(LATE_HELLO) ->
			flush_up(cc);
			C[cc].peer = CLOSED
		:: works(cc) && (C[cc].vm || mutant(LATE_HELLO)) ->
			C[cc].peer = how
		:: else fi
	}
	going = 0; file_task = 0; breathed = 0; agent = 0;
	conn = 0; open = 0; hook = 0;
	agent_forgets()
}

inline guest_reboots()
{
	guest_forgets(SILENT);
	boot++;
	printf("the guest boots anew: boot %d\n", boot);
	agent = 1
}

inline vmm_dies()
{
	printf("the VMM dies\n");
	guest_forgets(RESET);
	vmm = 0
}

proctype guest()
{
	byte faults = 0;

end:	do
	:: d_step { agent && !conn && conns_used < CONNS -> dial(conn, HELLO) }
	:: d_step { conn && nempty(down(conn)) && room(conn, 2) ->
		agent_received() }
	:: d_step { conn && C[conn].torn && empty(down(conn)) ->
		connection_close() }
	/* request_checked() */
	:: d_step { a_state == CHECKING && room(conn, 1) -> request_ask_to_go() }
	:: d_step { a_state == CHECKING && room(conn, 1) -> request_done() }
	/* request_blocker() */
	:: d_step { a_state == CHECKING && conn && room(conn, 1) ->
		say(conn, W_BLOCKED, a_id) }
	/* request_deadline() */
	:: d_step { DEADLINES && (a_state == CHECKING ||
		a_state == WAITING && !open) -> request_drop() }
	/* request_sessions_changed(), request_stop_failed() */
	:: d_step { a_state == ACTING && room(conn, 1) ->
		going = 0;
		request_done() }
	/* agent_last_breath() */
	:: d_step { going && !breathed && open && room(conn, 1) ->
		breathed = 1;
		say(conn, BREATH, file_task) }
	/* agent_terminate(), then last_breath_run() */
	:: d_step { HOOKS && going && !breathed && agent &&
		conns_used < CONNS ->
		printf("agent_terminate\n");
		connection_close();
		agent_forgets();
		agent = 0;
		breathed = 1;
		dial(hook, HELLO_HOOK) }
	:: d_step { hook && nempty(down(hook)) && (C[hook].torn || room(hook, 1)) ->
		last_breath_run() }
	:: d_step { hook && C[hook].torn && empty(down(hook)) -> hang_up(hook) }
	:: d_step { going == SHUTDOWN -> vmm_dies() }
	:: d_step { going == RESTART -> guest_reboots() }
	:: d_step { conn && faults < FAULTS ->
		printf("the agent crashes\n");
		faults++;
		connection_close();
		agent_forgets() }
	:: d_step { conn && faults < FAULTS ->
		printf("the agent loses its connection\n");
		faults++;
		connection_close() }
	od
}

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
		/* vm_set_predecessor(): it may be registered with the same name */
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
			d_step { vmguest_task_admit(t, v); v = 0 }
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
