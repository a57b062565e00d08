/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent, userspace/agent/, and how its guest ends. What one turn of its loop
 * may be is in the process guest.
 */

/* A frame that is said to a connection that is not open is lost. */
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
	:: d_step { a_state == CHECKING && room(conn, 1) ->
		request_ask_to_go() }
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
	:: d_step { hook && nempty(down(hook)) && room(hook, 1) ->
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
