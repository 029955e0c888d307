// SPDX-License-Identifier: GPL-2.0
/*
 * A flush hints what the policy would keep, and returns when the host has it;
 * where it cannot, it says why, and whoever waits can be killed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define FLUSH		PH_DIR "/flush"
#define PM_TEST		"/sys/power/pm_test"
#define PM_TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"
#define USED_BYTES	(256 * MIB)
#define NEVER_MS	3600000
#define MOST_MS		500
#define BOUND_MS	20000
#define NR_TESTS	21
#define NR_SILENT_TESTS	8
#define NR_SUSPEND_TESTS 3

static const char * const bad_values[] = {
	"\n", "0", "3", "-1", "abc", "1 1", "99999999999999999999999999",
};

static char balloon[64];

/*
 * Free memory of which the policy keeps all; returns how much is not hinted, some
 * of it in the per-CPU lists.
 */
static unsigned long long keep_memory(void)
{
	struct sums s;

	hint_all_the_time(NEVER_MS);
	use_memory(USED_BYTES);
	sleep_ms(100);
	read_sums(&s);
	return s.unhinted + mem_in_cpu_lists();
}

static void test_flush(void)
{
	unsigned long long kept = keep_memory();
	struct sums before, after;
	long start = now_ms();
	int ret;

	read_sums(&before);
	ret = write_text(FLUSH, "1");
	read_sums(&after);
	ksft_print_msg("%llu MiB unhinted, then %llu MiB, after %ld ms: %d\n",
		       kept / MIB, after.unhinted / MIB, now_ms() - start, ret);
	ksft_test_result(kept >= USED_BYTES / 2, "the policy keeps memory\n");
	ksft_test_result(!ret, "flush returns 0\n");
	ksft_test_result(after.unhinted <= SLACK_BYTES && !after.in_flight,
			 "nothing is left to hint\n");
	ksft_test_result(after.acknowledged - before.acknowledged >=
			 kept - SLACK_BYTES, "the host has acknowledged it\n");
	ksft_test_result(!read_number(FLUSH), "flush reads 0 when done\n");
}

static void test_anew(void)
{
	struct sums before, after;
	int ret;

	read_sums(&before);
	ret = write_text(FLUSH, "2");
	read_sums(&after);
	ksft_print_msg("%llu MiB hinted, %llu MiB acknowledged: %d\n",
		       before.hinted / MIB,
		       (after.acknowledged - before.acknowledged) / MIB, ret);
	ksft_test_result(!ret && after.hinted >= before.hinted - SLACK_BYTES &&
			 after.acknowledged - before.acknowledged >=
			 before.hinted - SLACK_BYTES,
			 "2 hints all of it again\n");
}

static void test_bad_values(void)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_values); i++) {
		int ret = write_text(FLUSH, bad_values[i]);

		if (ret == -EINVAL || ret == -ERANGE)
			continue;
		ksft_print_msg("\"%s\" gave %d\n", bad_values[i], ret);
		ok = false;
	}
	ksft_test_result(ok, "bad values are refused\n");
}

static void test_off(void)
{
	struct sums s;
	int ret;

	write_knob("enabled", 0);
	ret = write_text(FLUSH, "1");
	read_sums(&s);
	ksft_test_result(ret == -EOPNOTSUPP && !s.hinted,
			 "EOPNOTSUPP while disabled, and nothing is hinted\n");
	write_knob("enabled", 1);
	unbind_balloon(balloon);
	ret = write_text(FLUSH, "1");
	ksft_test_result(ret == -ENODEV, "ENODEV without a device\n");
	bind_balloon(balloon);
	ksft_test_result(!write_text(FLUSH, "1"), "0 with one again\n");
}

static void on_signal(int sig)
{
}

static void flush_child(void *arg)
{
	struct sigaction act = {
		.sa_handler = on_signal,
		.sa_flags = SA_RESTART,
	};

	sigaction(SIGUSR1, &act, NULL);
	_exit(-write_text(FLUSH, "1"));
}

/* A flush by a child that goes on; *left is not more than 0 if it does not. */
static pid_t start_flush(long long *left)
{
	pid_t child = start_child(flush_child, NULL);
	long end = now_ms() + BOUND_MS;

	do {
		sleep_ms(10);
		*left = read_number(FLUSH);
	} while (*left <= 0 && now_ms() < end);
	return child;
}

static void test_silent(void)
{
	int status, ret;
	long long left;
	pid_t child;
	long ms;

	keep_memory();
	silence(true);
	ms = now_ms();
	ret = write_text(FLUSH, "1");
	ms = now_ms() - ms;
	ksft_print_msg("%d after %ld ms\n", ret, ms);
	ksft_test_result(ret == -ETIMEDOUT && ms >= FLUSH_TIMEOUT_MS &&
			 ms <= FLUSH_TIMEOUT_MS + BOUND_MS,
			 "ETIMEDOUT if the host is silent\n");

	child = start_flush(&left);
	ksft_test_result(left > 0, "flush reads what is left while one goes on\n");
	ret = write_text(FLUSH, "1");
	ksft_test_result(ret == -EBUSY, "EBUSY for a second one\n");
	kill(child, SIGTERM);
	status = wait_child(child, BOUND_MS);
	ksft_test_result(status >= 0 && WIFSIGNALED(status) &&
			 !read_number(FLUSH), "who waits can be killed\n");

	child = start_flush(&left);
	kill(child, SIGUSR1);
	status = wait_child(child, BOUND_MS);
	ksft_test_result(status >= 0 && WIFEXITED(status) &&
			 WEXITSTATUS(status) == EINTR,
			 "EINTR by a signal, and not begun again\n");

	child = start_flush(&left);
	write_knob("enabled", 0);
	status = wait_child(child, BOUND_MS);
	ksft_test_result(status >= 0 && WIFEXITED(status) &&
			 WEXITSTATUS(status) == ECANCELED,
			 "ECANCELED if hinting is switched off meanwhile\n");
	write_knob("enabled", 1);
	silence(false);
	ksft_test_result(!write_text(FLUSH, "1"),
			 "0 when the host speaks again\n");
	use_memory(USED_BYTES);
	hint_all_the_time(MOST_MS);
	ksft_test_result(wait_hinted(BOUND_MS), "and the policy goes on\n");
}

/* As far as the devices, and back, while a flush waits for the host. */
static void test_suspend(void)
{
	long long left, delay_s = read_number(PM_TEST_DELAY);
	pid_t child;
	int status, err;

	keep_memory();
	silence(true);
	child = start_flush(&left);
	write_number(PM_TEST_DELAY, 1);
	err = write_text(PM_TEST, "devices") ?:
	      write_text("/sys/power/state", "freeze");
	write_text(PM_TEST, "none");
	write_number(PM_TEST_DELAY, delay_s);
	ksft_print_msg("%lld bytes left, suspend: %d\n", left, err);
	ksft_test_result(left > 0 && !err, "a flush holds up no suspend\n");
	status = wait_child(child, BOUND_MS);
	ksft_test_result(status >= 0 && WIFEXITED(status) &&
			 WEXITSTATUS(status) == EINTR, "EINTR by a suspend\n");
	silence(false);
	ksft_test_result(!write_text(FLUSH, "1") && !read_number(FLUSH),
			 "0 after the suspend\n");
}

static void skip(int nr_tests, const char *why)
{
	while (nr_tests--)
		ksft_test_result_skip("%s\n", why);
}

int main(void)
{
	const char *why = why_skip();

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	if (!find_balloon(balloon, sizeof(balloon)))
		ksft_exit_skip("no balloon driver to unbind\n");
	save_knobs();
	ksft_set_plan(NR_TESTS);
	write_knob("enabled", 1);
	test_flush();
	test_anew();
	test_bad_values();
	test_off();
	if (access(FAULT_DIR, F_OK)) {
		skip(NR_SILENT_TESTS + NR_SUSPEND_TESTS,
		     "no fault injection, so no silent host");
		ksft_finished();
	}
	test_silent();
	if (access(PM_TEST, F_OK) || access(PM_TEST_DELAY, F_OK))
		skip(NR_SUSPEND_TESTS, "no CONFIG_PM_DEBUG");
	else
		test_suspend();
	ksft_finished();
}
