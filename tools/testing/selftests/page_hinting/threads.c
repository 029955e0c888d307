// SPDX-License-Identifier: GPL-2.0
/*
 * The threads: named after node and zone, and asleep, with no wake-up at all,
 * once there is nothing left to hint.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kselftest.h"
#include "util.h"

#define MAX_THREADS	64
#define IDLE_MS		5000
/* Smaller blocks follow for six seconds. */
#define WINDOWS		4
/* What the kernel keeps of a thread's name. */
#define COMM_LEN	15

struct thread {
	int pid;
	char comm[32];
	unsigned long long switches;
};

static unsigned long long read_switches(int pid)
{
	unsigned long long sum = 0, n;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
			sum += n;
	}
	if (f)
		fclose(f);
	return sum;
}

static int find_threads(struct thread *t)
{
	DIR *dir = opendir("/proc");
	struct dirent *de;
	char path[PATH_MAX];
	int n = 0;

	while (dir && n < MAX_THREADS && (de = readdir(dir))) {
		t[n].pid = atoi(de->d_name);
		if (t[n].pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm", t[n].pid);
		if (read_text(path, t[n].comm, sizeof(t[n].comm)) ||
		    strncmp(t[n].comm, "khintd/", 7))
			continue;
		t[n].comm[strcspn(t[n].comm, "\n")] = '\0';
		t[n].switches = read_switches(t[n].pid);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static bool has_thread(const char *zone_dir, const struct thread *t, int n)
{
	char want[300], zone[64];
	int node;

	if (sscanf(zone_dir, "node%d-%63s", &node, zone) != 2)
		return false;
	snprintf(want, sizeof(want), "khintd/%d:%s", node, zone);
	while (n--)
		if (!strncmp(t[n].comm, want, COMM_LEN))
			return true;
	return false;
}

static void test_names(const struct thread *t, int n)
{
	DIR *dir = opendir(PH_DIR);
	struct dirent *de;
	char path[PATH_MAX];
	bool ok = true;

	while (dir && (de = readdir(dir))) {
		if (strncmp(de->d_name, "node", 4))
			continue;
		snprintf(path, sizeof(path), "%s/hinted_bytes", de->d_name);
		if (read_knob(path) <= 0 || has_thread(de->d_name, t, n))
			continue;
		ksft_print_msg("%s is hinted but has no thread of its name\n",
			       de->d_name);
		ok = false;
	}
	if (dir)
		closedir(dir);
	ksft_test_result(ok && n, "a khintd thread for each hinted zone\n");
}

/* Other parts of the guest may free memory at any time: one idle window. */
static void test_idle(const struct thread *t, int n)
{
	unsigned long long before[MAX_THREADS], grown = 0;
	int window, i;

	for (window = 0; window < WINDOWS; window++) {
		wait_hinted(20000);
		sleep_ms(3 * shortest_wait_ms());
		grown = 0;
		for (i = 0; i < n; i++)
			before[i] = read_switches(t[i].pid);
		sleep_ms(IDLE_MS);
		for (i = 0; i < n; i++)
			grown += read_switches(t[i].pid) - before[i];
		if (!grown)
			break;
		ksft_print_msg("%llu context switches in %d ms\n", grown,
			       IDLE_MS);
	}
	ksft_test_result(!grown, "the threads sleep when all is hinted\n");
}

static void test_woken(const struct thread *t, int n)
{
	unsigned long long before = 0, after = 0;
	int i;

	for (i = 0; i < n; i++)
		before += read_switches(t[i].pid);
	use_memory(128 * MIB);
	wait_hinted(20000);
	for (i = 0; i < n; i++)
		after += read_switches(t[i].pid);
	ksft_test_result(after > before, "freed memory wakes a thread\n");
}

int main(void)
{
	struct thread threads[MAX_THREADS];
	const char *why = why_skip();
	int n;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	save_knobs();
	ksft_set_plan(4);
	write_knob("enabled", 1);
	use_memory(128 * MIB);
	ksft_test_result(wait_hinted(20000), "free memory is hinted\n");
	n = find_threads(threads);
	test_names(threads, n);
	test_idle(threads, n);
	test_woken(threads, n);
	ksft_finished();
}
