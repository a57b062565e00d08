/* SPDX-License-Identifier: GPL-2.0 */
/* The module, kmod/: tasks, the VM, and the work of each connection. */

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

/* A refused request changes nothing, so only one that is admitted comes here. */
#define task_check_vm(v) (!V[v].gone && (v == 1 || reused && V[1].gone) && \
	(V[v].channel || QUEUES && (vmm || V[v].lifeline)))
#define task_compare(verb_, force_, running_) (!(running_) || \
	strength(verb_, force_) > strength(T[running_].verb, T[running_].force))

inline task_admit(t, v)
{
	printf("task_admit: task %d, VM %d, verb %d, force %d, after %d, until %d\n",
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
	must(old_channel_not_heard,
	     V[v].channel == c || C[c].phase == PHASE_HOOK);
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

/* kmod/agent.c */

inline agent_install(v, c, same_boot)
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

/* agent_is_same_boot() and agent_learn() are part of it. */
inline agent_attach_agent(v, c)
{
	same = V[v].boot == C[c].boot;
	if :: !V[v].channel || !same ->
		V[v].boot = C[c].boot;
		agent_install(v, c, same)
	:: else ->
		if :: V[v].candidate -> C[c].reject = 1
		:: else ->
			V[v].candidate = c;
			C[c].phase = PHASE_CANDIDATE;
			C[V[v].channel].check = 1
		fi
	fi
}

inline agent_attach_hook(v, c)
{
	if :: V[v].boot == C[c].boot ->
		C[c].phase = PHASE_HOOK;
		C[c].welcome = 1
	:: else -> C[c].reject = 1 fi
}

/*
 * vmguest_vm_for_guest() is part of it. A guest that nobody registered has no
 * tasks.
 */
inline vmguest_agent_attach(c, m)
{
	vv = (V[1].gone -> (reused -> 2 : 0) : 1);
	printf("vmguest_agent_attach: connection %d of boot %d: VM %d\n",
	       c, C[c].boot, vv);
	C[c].vm = vv;
	if :: !vv -> C[c].failed = 1
	:: vv && m == HELLO_HOOK ->
		V[vv].channels++;
		agent_attach_hook(vv, c)
	:: else ->
		V[vv].channels++;
		agent_attach_agent(vv, c);
		if :: V[vv].predecessor ->
			V[vv].predecessor = 0;
			vmguest_task_vm_returned(1)
		:: else fi
	fi
}

inline agent_promote_candidate(v)
{
	cc = V[v].candidate;
	V[v].candidate = 0;
	if :: V[v].gone && !mutant(GONE_CANDIDATE)
	:: else ->
		printf("agent_promote_candidate: connection %d\n", cc);
		agent_install(v, cc, true)
	fi
}

inline vmguest_agent_alive(v, c)
{
	if :: V[v].channel == c && V[v].candidate ->
		C[V[v].candidate].reject = 1;
		V[v].candidate = 0
	:: else fi
}

inline vmguest_agent_detach(v, c)
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
	if :: was_active && V[v].candidate -> agent_promote_candidate(v)
	:: else fi;
	if :: V[v].channels
	:: !V[v].channels && V[v].gone ->
		if :: mutant(GONE_UNHEARD) :: else -> vmguest_task_vm_gone(v) fi
	:: !V[v].channels && !V[v].gone && C[c].peer == RESET && !vmm &&
	   !V[v].lifeline -> vmguest_task_vm_gone(v)
	:: else fi
}

/* kmod/vm.c: vm_set_gone() is part of it. */
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
	:: !vv && (mm == HELLO || mm == HELLO_HOOK) ->
		vmguest_agent_attach(c, mm)
	:: !vv && !(mm == HELLO || mm == HELLO_HOOK) -> C[c].failed = 1
	:: vv && !(C[c].phase == PHASE_ACTIVE ||
		   C[c].phase == PHASE_HOOK && mm == BREATH) ->
		C[c].failed = 1;
		must(honest_agent_obeys, ROGUE)
	:: vv && C[c].phase == PHASE_ACTIVE && mm == PONG ->
		vmguest_agent_alive(vv, c)
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
	if :: vv -> vmguest_agent_detach(vv, c) :: else fi;
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
	/* vmguest_agent_candidate_timeout() */
	:: d_step { works(c) && C[c].vm && V[C[c].vm].candidate == c ->
		vv = C[c].vm;
		agent_promote_candidate(vv) }
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
