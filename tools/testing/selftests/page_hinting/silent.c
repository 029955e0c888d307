// SPDX-License-Identifier: GPL-2.0
/*
 * A host that never acknowledges: what is in flight stays within the window,
 * nothing waits for ever, memory runs out no later than it would have, and
 * all comes home when the host speaks again.
 *
 *	silent [--leave]
 *
 * --leave ends with the host still silent and blocks in flight, for a look
 * at how the guest shuts down.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define USED_BYTES	(256 * MIB)
#define STEP_BYTES	(4 * MIB)
#define BOUND_MS	20000
/* A busy machine may take long, which is no fault. */
#define HOME_MS		60000
#define OOM_MS		120000
#define OOM_LATER_MS	5000

static char balloon[64];

static void speak(void)
{
	silence(false);
}

static unsigned long long in_flight(void)
{
	struct sums s;

	read_sums(&s);
	return s.in_flight;
}

/* Free memory while nobody answers; true when blocks stay in flight. */
static bool strand(unsigned long long *most)
{
	long end;

	use_memory(USED_BYTES);
	/* A busy machine may need long to begin. */
	end = now_ms() + BOUND_MS;
	while (!in_flight() && now_ms() < end)
		sleep_ms(20);
	end = now_ms() + 2 * shortest_wait_ms() + 2000;
	while (now_ms() < end) {
		unsigned long long now = in_flight();

		if (now > *most)
			*most = now;
		sleep_ms(20);
	}
	return in_flight();
}

static void test_window(void)
{
	unsigned long long most = 0;
	bool stays = strand(&most);

	ksft_print_msg("at most %llu MiB in flight\n", most / MIB);
	ksft_test_result(stays, "blocks stay in flight to a silent host\n");
	ksft_test_result(most <= WINDOW_BYTES, "never more than the window\n");
}

static void disable_child(void *arg)
{
	write_knob("enabled", 0);
}

static void unbind_child(void *arg)
{
	unbind_balloon(balloon);
}

static bool ends(child_fn fn, const char *what)
{
	long start = now_ms();
	bool ok = wait_child(start_child(fn, NULL), BOUND_MS) >= 0;

	ksft_print_msg("%s took %ld ms\n", what, now_ms() - start);
	return ok;
}

static void test_ends(void)
{
	char name[64];

	ksft_test_result(ends(disable_child, "enabled=0"),
			 "enabled=0 returns\n");
	write_knob("enabled", 1);
	sleep_ms(200);
	ksft_test_result(ends(unbind_child, "unbind"), "unbind ends\n");
	bind_balloon(balloon);
	ksft_test_result(find_balloon(name, sizeof(name)),
			 "the driver binds again\n");
}

/* Takes memory until there is none. */
static void eat_child(void *arg)
{
	char *p;

	while ((p = map_memory(STEP_BYTES)))
		touch_memory(p, STEP_BYTES);
	pause();
}

/* Milliseconds until a process that eats all memory is killed; -1: never. */
static long time_to_oom(void)
{
	long start = now_ms();
	pid_t child = start_child(eat_child, NULL);
	int status = wait_child(child, OOM_MS);

	if (status < 0) {
		stop_child(child);
		return -1;
	}
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ?
	       now_ms() - start : -1;
}

static void test_oom(long without)
{
	unsigned long long most = 0, stuck;
	long with;

	ksft_test_result(strand(&most), "blocks are in flight again\n");
	stuck = in_flight();
	with = time_to_oom();
	ksft_print_msg("killed after %ld ms, without hinting after %ld ms; %llu MiB in flight\n",
		       with, without, stuck / MIB);
	ksft_test_result(without > 0 && with > 0 &&
			 with <= without + OOM_LATER_MS,
			 "memory runs out no later than without hinting\n");
}

static bool wait_none_in_flight(long ms)
{
	long end = now_ms() + ms;

	while (in_flight()) {
		if (now_ms() > end)
			return false;
		sleep_ms(50);
	}
	return true;
}

static void test_home(unsigned long long known_before)
{
	struct sums before, after;
	bool home;

	speak();
	ksft_test_result(wait_hinted(HOME_MS) && wait_none_in_flight(HOME_MS),
			 "all comes home when the host speaks\n");
	home = wait_known(known_before - LOSS_BYTES, BOUND_MS);
	ksft_print_msg("known memory: %llu MiB, then %llu MiB\n", known_before / MIB,
		       mem_known() / MIB);
	ksft_test_result(home, "no memory is lost\n");
	read_sums(&before);
	use_memory(USED_BYTES);
	sleep_ms(100);
	wait_hinted(BOUND_MS);
	read_sums(&after);
	ksft_test_result(after.acknowledged >=
			 before.acknowledged + USED_BYTES / 2,
			 "hinting works again\n");
}

int main(int argc, char **argv)
{
	bool leave = argc > 1 && !strcmp(argv[1], "--leave");
	const char *why = why_skip();
	unsigned long long known_before, most = 0;
	long without;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	if (access(FAULT_DIR, F_OK))
		ksft_exit_skip("no " FAULT_DIR ": no fault injection\n");
	if (!find_balloon(balloon, sizeof(balloon)))
		ksft_exit_skip("no balloon driver to unbind\n");
	if (leave) {
		ksft_set_plan(1);
		silence(true);
		ksft_test_result(strand(&most), "blocks are in flight\n");
		ksft_finished();
	}
	save_knobs();
	atexit(speak);
	ksft_set_plan(10);
	write_knob("enabled", 1);
	write_knob("enabled", 0);
	without = time_to_oom();
	write_knob("enabled", 1);
	/* Only now: the first time that memory runs out empties caches. */
	wait_hinted(BOUND_MS);
	known_before = mem_known();
	if (silence(true))
		ksft_exit_fail_msg("fault injection refuses its settings\n");
	test_window();
	test_ends();
	test_oom(without);
	test_home(known_before);
	ksft_finished();
}
