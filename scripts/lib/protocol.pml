/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who wakes whom, who may touch the device, and where a block is: the protocol of
 * mm/page_hinting/ between the zones' threads, a flush, whoever stops hinting,
 * and the host. scripts/protocol has spin try every order in which their
 * steps can happen.
 *
 * Left out: the policy (all that is free is idle), orders, per-CPU lists, blocks
 * that somebody else holds a reference to, and all timers, so that nothing is
 * found just because somebody polls. Each step is atomic, as under the zone lock;
 * for the order of memory accesses that pair without a lock, see the comments in
 * the code.
 *
 * What holds in each state: what the host has was taken off the free lists; a
 * zone has no more in flight than its window. When nobody can make a step any
 * more: flushes have ended, whoever stops hinting has ended, and if hinting is on,
 * all free blocks are hinted. When a flush says that all is hinted, it is. And no
 * loop is endless: only the wait of a flush, which has a timer, may repeat.
 *
 * -DHOW=: what whoever stops hinting does: 0 nothing, 1 disable and enable it, 2
 * suspend and resume the device, 3 unbind and bind it; without it, any of these.
 * -DNO_USER, -DNO_FLUSH, -DNO_RANGE: without a program, a flush, or somebody who
 * asks for a range. -DFLUSHES=: so many, one after the other; each but the last may be
 * given up. -DSILENT: a host that acknowledges nothing. -DFAULT_...: with a fault,
 * each of which is found.
 */

/* One zone of two blocks: with a second thread there are too many orders. */
#define ZONES		1
#define ZONE_BLOCKS	2
#define BLOCKS		(ZONES * ZONE_BLOCKS)
/* In blocks, of a zone. */
#ifndef WINDOW
#define WINDOW	1
#endif
#define ZONE(block)	((block) / ZONE_BLOCKS)

/* Free and unhinted, with the host, free and hinted, in use. */
mtype = { buddy, offline, hinted, used };
mtype block[BLOCKS] = buddy;
byte in_flight[ZONES];

/* What hinting as a whole is doing. */
mtype = { no_device, disabled, running, suspended };
mtype state = no_device;
bool device, wants_room[ZONES];
byte nr_stops;
bool mutex;

/* The ring: submitted, and used by the device; whether that is to be notified. */
bool submitted[BLOCKS], done[BLOCKS];
bool callback, interrupt;
/* Its operations may be called. */
bool usable;

/* Why a thread wakes up, and whether it wants to hear of a free. */
bool events[ZONES], armed[ZONES];

/* The flush that waits for a zone, and what its thread knows of one. */
#ifndef FLUSHES
#define FLUSHES	1
#endif
byte flush_nr[ZONES], begun_nr[ZONES], flush_blocks[ZONES];
/* When the thread has ended it: how often hinting had stopped, and whether all was hinted. */
byte ended_stops;
bool ended_hinted;

/* SRCU sections: of the threads, and of others. */
#define BOSS	ZONES
#define RANGE	(ZONES + 1)
#define READERS	(ZONES + 2)
byte in_section[READERS];

bool flush_done, boss_done, user_done, range_done;

inline lock()	{ atomic { !mutex -> mutex = true } }
inline unlock()	{ mutex = false }

/* A section that begins later need not be waited for. */
inline synchronize_srcu(i)
{
#ifndef FAULT_NO_SYNC
	i = 0;
	do
	:: i < READERS -> in_section[i] == 0; i++
	:: else -> break
	od
#else
	skip
#endif
}

inline wake_all(i)
{
	d_step {
		i = 0;
		do
		:: i < ZONES -> events[i] = true; i++
		:: else -> break
		od;
		i = 0
	}
}

#define UNHINTED(zone)	(block[(zone) * ZONE_BLOCKS] == buddy || \
			 block[(zone) * ZONE_BLOCKS + ZONE_BLOCKS - 1] == buddy)
#define IN_FLIGHT	(in_flight[0])

/* page_hinting_put_back(), which tells of room, too. */
inline put_back(b, acked, me)
{
	d_step {
		assert(block[b] == offline);
		block[b] = (acked -> hinted : buddy);
		in_flight[ZONE(b)]--;
		if
#ifndef FAULT_FLUSH_NOT_TOLD
		:: (wants_room[ZONE(b)] || flush_nr[ZONE(b)] != 0) && me != ZONE(b) && state == running ->
#else
		:: wants_room[ZONE(b)] && me != ZONE(b) && state == running ->
#endif
#ifndef FAULT_NO_ROOM_TOLD
			events[ZONE(b)] = true
#else
			skip
#endif
		:: else
		fi;
		wants_room[ZONE(b)] = false;
		/* It joins a free list without a mark. */
		if
		:: !acked && armed[ZONE(b)] -> armed[ZONE(b)] = false; events[ZONE(b)] = true
		:: else
		fi
	}
}

/* page_hinting_harvest(): ends notification, and takes what is done. */
inline harvest(b, me, nr)
{
	nr = 0;
	assert(usable);
	callback = false;
	b = 0;
	do
	/* Under the lock of the ring. */
	:: atomic { b < BLOCKS && done[b] -> done[b] = false }
		put_back(b, true, me);
		nr++;
		b++
	:: b < BLOCKS && !done[b] -> b++
	:: b == BLOCKS -> break
	od;
	b = 0
}

inline bring_home(b, me, nr)
{
	in_section[me]++;
	if
	:: device -> harvest(b, me, nr)
	:: else
	fi;
	in_section[me]--
}

/* Is one done? As virtqueue_enable_cb(), which looks after it has enabled. */
#define ANY_DONE	(done[0] || done[1])
#define ALL_DONE	(!submitted[0] && !submitted[1])

/* page_hinting_host_was_faster() */
inline host_was_faster(me, faster)
{
	in_section[me]++;
	faster = false;
	if
	:: device && IN_FLIGHT > 0 ->
		assert(usable);
		callback = true;
#ifndef FAULT_NO_LOOK_AFTER_ARMING
		faster = ANY_DONE
#endif
	:: else
	fi;
	in_section[me]--
}

/* page_hinting_hint_batch(), of one block. */
inline hint_batch(zone, bl, got, count)
{
	in_section[zone]++;
	got = false;
	count = 0;
	if
	:: device && state == running ->
		d_step {
			bl = zone * ZONE_BLOCKS;
			do
			:: bl < (zone + 1) * ZONE_BLOCKS && block[bl] != buddy -> bl++
			:: else -> break
			od;
			wants_room[zone] = in_flight[zone] >= WINDOW;
			if
			/* Stopped meanwhile: seen under the lock. */
			:: bl < (zone + 1) * ZONE_BLOCKS && !wants_room[zone] && state == running ->
				block[bl] = offline;
				in_flight[zone]++;
				assert(in_flight[zone] <= WINDOW);
				got = true
			:: else
			fi
		}
		if
		:: got ->
#ifdef FAULT_FREE_BEFORE_ANSWER
			put_back(bl, true, zone);
#endif
			assert(usable);
			submitted[bl] = true
		:: else
		fi;
		harvest(bl, zone, count)
	:: else
	fi;
	in_section[zone]--
}

proctype thread(byte z)
{
	byte b, nr, asked;
	bool took, faster, was_in_flight;

end:	do
	:: events[z] ->
#ifndef FAULT_EVENTS_CLEARED_LATE
		events[z] = false;
#endif
		do
		:: true ->
again:
			bring_home(b, z, nr);
			asked = flush_nr[z];
			if
			:: state == running && asked != 0 ->	/* flush_zone() */
				was_in_flight = in_flight[z] > 0;
				if
				:: begun_nr[z] != asked -> d_step {
					begun_nr[z] = asked;
					flush_blocks[z] = (block[0] == buddy -> 1 : 0) +
							  (block[1] == buddy -> 1 : 0)
					}
				:: else
				fi;
				took = false;
				if
				:: flush_blocks[z] > 0 -> hint_batch(z, b, took, nr)
				:: else
				fi;
				if
				:: took -> flush_blocks[z]--; goto again
#ifndef FAULT_FLUSH_ENDS_EARLY
#ifndef FAULT_FLUSH_SPINS
				:: !took && in_flight[z] > 0 -> skip
#else
				:: !took && in_flight[z] > 0 -> goto again
#endif
				:: !took && in_flight[z] == 0 ->
#else
				:: !took ->
#endif
					if
					:: flush_blocks[z] == 0 || !was_in_flight -> d_step {
						if
#ifndef FAULT_FLUSH_ENDS_ANOTHER
						:: flush_nr[z] == asked ->
#else
						:: true ->
#endif
							flush_nr[z] = 0;
							ended_stops = nr_stops;
							ended_hinted = block[0] == hinted && block[1] == hinted
#ifndef FAULT_FLUSH_ENDS_ANOTHER
						:: else
#endif
						fi
						}
					:: else
					fi;
					goto again
				fi
			:: state == running && asked == 0 ->
				do
				:: true ->
					hint_batch(z, b, took, nr);
					if
					:: !took && nr == 0 -> break
					:: else
					fi
				od;
				skip;
				/* page_hinting_try_arm(): what came meanwhile is seen. */
				d_step {
#ifdef FAULT_FULL_WINDOW_SPINS
					armed[z] = !UNHINTED(z) || state != running || flush_nr[z] != 0;
#elif !defined(FAULT_ARMS_UNSEEN)
					armed[z] = !UNHINTED(z) || wants_room[z] || state != running || flush_nr[z] != 0;
#else
					armed[z] = true;
#endif
					took = !armed[z]
				}
				if
				:: took -> goto again
				:: else
				fi
			:: else
			fi;
			host_was_faster(z, faster);
			if
			:: !faster -> break
			:: else
			fi
		od;
#ifdef FAULT_EVENTS_CLEARED_LATE
		events[z] = false;
#endif
		skip
	od
}

/* The device: uses buffers in any order, and notifies if that is wanted. */
proctype host()
{
	byte b;

end:	do
#ifndef SILENT
	:: atomic {
		if
		:: submitted[0] -> b = 0
		:: submitted[1] -> b = 1
		fi;
		/* It discards the memory now. */
		assert(block[b] == offline);
		submitted[b] = false;
		done[b] = true;
		/* It may wait for more, as after virtqueue_enable_cb_delayed(). */
		if
		:: callback -> interrupt = true
		:: callback && !ALL_DONE -> skip
		:: !callback
		fi
	}
#endif
	:: atomic { interrupt -> interrupt = false;
		b = 0;
		do
		:: b < ZONES -> events[b] = events[b] || in_flight[b] > 0; b++
		:: else -> break
		od;
		b = 0
	}
	od
}

/* A program: uses each block once, and frees it. */
proctype user()
{
	byte b;

	do
	:: b < BLOCKS ->
		if
		:: d_step {
			block[b] == buddy || block[b] == hinted ->
			block[b] = used
		}
		:: skip
		fi;
		if
		:: d_step {
			block[b] == used ->
			block[b] = buddy;
			if
			:: armed[ZONE(b)] && state == running ->
				armed[ZONE(b)] = false;
				events[ZONE(b)] = true
			:: armed[ZONE(b)] && state != running -> armed[ZONE(b)] = false
			:: else
			fi
		}
		:: else
		fi;
		b++
	:: else -> break
	od;
	user_done = true
}

/* page_hinting_wait_home(). A host that is not silent answers in time. */
inline wait_home(b, who, nr, is_home)
{
	do
	:: is_home -> break
	:: !(is_home) && ANY_DONE -> bring_home(b, who, nr)
#ifdef SILENT
	:: !(is_home) && !ANY_DONE -> break
#endif
	od
}

inline set_state(new)
{
	d_step {
		state = new;
		if
		:: new != running -> nr_stops++
		:: else
		fi
	}
}

inline quiesce(new, b, nr)
{
#ifndef FAULT_STATE_SET_LATE
	set_state(new);
#endif
	synchronize_srcu(b);
	if
	:: device -> wait_home(b, BOSS, nr, IN_FLIGHT == 0)
	:: else
	fi;
#ifdef FAULT_STATE_SET_LATE
	set_state(new);
#endif
	b = 0
}

/* All marks are void. */
inline count_anew(b)
{
	d_step {
		b = 0;
		do
		:: b < BLOCKS ->
			if
			:: block[b] == hinted -> block[b] = buddy
			:: else
			fi;
			b++
		:: else -> break
		od;
		b = 0;
		do
		:: b < ZONES -> armed[b] = false; b++
		:: else -> break
		od;
		b = 0
	}
}

inline start_running(b)
{
	count_anew(b);
	set_state(running);
#ifndef FAULT_START_UNTOLD
	wake_all(b)
#else
	skip
#endif
}

inline stop_running(b, nr)
{
	quiesce(disabled, b, nr);
#ifndef SILENT
	assert(IN_FLIGHT == 0);
#endif
	count_anew(b)
}

inline hide_device(b)
{
	device = false;
	synchronize_srcu(b);
	usable = false;
	b = 0
}

/* The driver resets the device and gives back what that still had. */
inline reset_device(b)
{
	d_step {
		callback = false;
		interrupt = false
	}
	b = 0;
	do
	:: b < BLOCKS && (submitted[b] || done[b]) ->
		submitted[b] = false;
		done[b] = false;
		put_back(b, false, BOSS);
		b++
	:: b < BLOCKS && !submitted[b] && !done[b] -> b++
	:: b == BLOCKS -> break
	od;
	b = 0;
	do
	:: b < BLOCKS ->
		/* page_hinting_reset_done() would lose it. */
		assert(block[b] != offline);
		b++
	:: else -> break
	od;
	b = 0
}

#ifdef HOW
#define CHOOSE	skip
#else
#define HOW	how
#define CHOOSE	select (how : 0 .. 3)
#endif

/* Registers a device, and then stops hinting, in one way or the other. */
proctype boss()
{
	byte b, nr, how;

	CHOOSE;
	lock();
	usable = true;
	device = true;
	start_running(b);
	unlock();
	if
	:: HOW == 0 -> skip
	:: HOW == 1 ->	/* 0 and then 1 written to enabled */
		lock();
		stop_running(b, nr);
		unlock();
		lock();
		start_running(b);
		unlock()
	:: HOW == 2 ->	/* suspended, and resumed */
		lock();
		quiesce(suspended, b, nr);
		hide_device(b);
		unlock();
		reset_device(b);
		lock();
		usable = true;
		device = true;
		start_running(b);
		unlock()
	:: HOW == 3 ->	/* unbound, and bound again */
		lock();
		stop_running(b, nr);
		hide_device(b);
		unlock();
		reset_device(b);
		lock();
		set_state(no_device);
		unlock();
		lock();
		usable = true;
		device = true;
		set_state(disabled);
		start_running(b);
		unlock()
	fi;
	boss_done = true
}

/* Asks the thread, and waits for it. A flush may begin with voiding all marks. */
proctype flush()
{
	byte b, nr, stops, i, looks;
	bool more, failed;

	do
	:: i < FLUSHES ->
		i++;
		lock();
		if
		:: state == running ->
			if
			:: FLUSHES > 1 -> stop_running(b, nr); start_running(b)
			:: FLUSHES == 1
			fi;
			stops = nr_stops;
			unlock()
		:: else -> unlock(); break
		fi;
		/* ask_zones() */
		flush_nr[0] = i;
#ifndef FAULT_FLUSH_UNTOLD
		wake_all(b);
#endif
		do
		:: true ->
			if
			:: flush_nr[0] == 0 || nr_stops != stops
			/* It looks now and then; a signal, or the limit, ends the wait. */
			:: looks < 2 -> looks++
#ifndef SILENT
			:: i < FLUSHES
#else
			:: true
#endif
			fi;
progress:
#ifndef FAULT_FLUSH_STOP_UNSEEN
			more = flush_nr[0] != 0;
			failed = nr_stops != stops;
#else
			failed = nr_stops != stops;
			more = flush_nr[0] != 0;
#endif
			/* Given up, by a signal or after a time. */
			if
#ifndef SILENT
			:: i < FLUSHES -> failed = true
#else
			:: failed = true
#endif
			:: true
			fi;
			if
			:: failed -> flush_nr[0] = 0; wake_all(b); break
			:: !failed && !more ->
				assert(ended_stops == stops);
#ifdef NO_USER
				assert(ended_hinted);
#endif
				break
			:: !failed && more
			fi
		od
	:: else -> break
	od;
	flush_done = true
}

/* page_hinting_drain_range(): brings home what is in flight of a range, block 0. */
proctype range()
{
	byte b, nr;
	bool faster;

	in_section[RANGE]++;
	if
	:: device -> wait_home(b, RANGE, nr, block[0] != offline)
	:: else
	fi;
	in_section[RANGE]--;
	/* arm_again(): this harvest has ended the notifications of all. */
#ifndef FAULT_RANGE_DISARMS
	host_was_faster(RANGE, faster);
	if
	:: faster -> wake_all(b)
	:: else
	fi;
#endif
	range_done = true
}

/* When nobody can make a step any more. */
proctype monitor()
{
	byte b;

	timeout;
	assert(boss_done && flush_done && user_done && range_done && !mutex);
#ifndef SILENT
	do
	:: b < BLOCKS -> assert(block[b] == hinted); b++
	:: else -> break
	od
#else
	skip
#endif
}

init
{
	atomic {
		run thread(0);
		run host();
		run boss();
#ifndef NO_USER
		run user();
#else
		user_done = true;
#endif
#ifndef NO_FLUSH
		run flush();
#else
		flush_done = true;
#endif
#ifndef NO_RANGE
		run range();
#else
		range_done = true;
#endif
		run monitor()
	}
}
