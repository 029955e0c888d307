// SPDX-License-Identifier: GPL-2.0
/*
 * A prototype, for scripts/cache-bench to compare with others: it lets the page cache
 * go in small steps through memory.reclaim, and judges itself by what is read again.
 *
 *   idle_reclaim CGROUP_ROOT PRICE_S [SECONDS]
 *
 * To keep memory for PRICE_S is as dear as to read it again. A cache that nobody uses
 * is gone after a time, its LRU's tail first. What is read again is taken for what
 * went last. If it was gone for less than PRICE_S, it went too early: where that is
 * more than an eighth of what went lately, the time doubles. It falls slowly.
 * With SECONDS that time stays what it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#define STEP_S		1
#define STEP_MIN	(1L << 20)
#define STEPS		4096
#define PAGE_BYTES	4096L
/* The time is at least PRICE_S / LEAST_PART, and at most PRICE_S * MOST. */
#define LEAST_PART	16
#define MOST		4

/* What went at each step of the last STEPS, less what came again. */
static long gone[STEPS];

static long counter(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at) {
		fprintf(stderr, "idle_reclaim: /proc/vmstat has no %s\n", name);
		exit(1);
	}
	return atol(at + strlen(name)) * PAGE_BYTES;
}

static const char *vmstat(void)
{
	static char text[16384];
	static int fd = -1;
	ssize_t n;

	if (fd < 0)
		fd = open("/proc/vmstat", O_RDONLY);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	return text;
}

/* Take it from what went last; returns what of it was gone for less than the price. */
static long came_again(long now, long bytes, long price)
{
	long step, part, early = 0;

	for (step = now; step > now - STEPS && step >= 0 && bytes > 0; step--) {
		part = gone[step % STEPS] < bytes ? gone[step % STEPS] : bytes;
		gone[step % STEPS] -= part;
		bytes -= part;
		if ((now - step) * STEP_S < price)
			early += part;
	}
	return early;
}

static long gone_lately(long now, long price)
{
	long step, sum = 0;

	for (step = now; step > now - STEPS && step >= 0; step--)
		if ((now - step) * STEP_S < price)
			sum += gone[step % STEPS];
	return sum;
}

int main(int argc, char **argv)
{
	long price = argc > 2 ? atol(argv[2]) : 0, now, refaults, seen, early = 0, clean, most = 0;
	double fixed = argc > 3 ? atof(argv[3]) : 0, least = 1.0 * price / LEAST_PART, left = 0;
	double seconds = fixed ? fixed : price / 4.0;
	char path[256], text[64];
	const char *stat;
	int fd;

	snprintf(path, sizeof(path), "%s/memory.reclaim", argc > 1 ? argv[1] : "");
	fd = open(path, O_WRONLY);
	if (fd < 0 || price <= 0) {
		fprintf(stderr, "idle_reclaim: %s: cannot be written, or no price\n", path);
		return 1;
	}
	seen = counter(vmstat(), "workingset_refault_file ");
	for (now = 0;; now++) {
		sleep(STEP_S);
		stat = vmstat();
		refaults = counter(stat, "workingset_refault_file ");
		early += came_again(now, refaults - seen, price);
		seen = refaults;
		clean = counter(stat, "nr_inactive_file ") + counter(stat, "nr_active_file ") -
			counter(stat, "nr_dirty ");
		/* The recent peak: steps by what is left would get ever smaller. */
		most -= most / (seconds > 1 ? 4 * seconds : 4);
		most = clean > most ? clean : most;
		if (!fixed && early > STEP_MIN && early > gone_lately(now, price) / 8) {
			seconds = seconds * 2 < price * MOST ? seconds * 2 : price * MOST;
			early = 0;
		} else if (!fixed) {
			early -= early * STEP_S / price;
			seconds -= seconds * STEP_S / (8 * price);
			seconds = seconds > least ? seconds : least;
		}
		gone[now % STEPS] = 0;
		left += most / seconds * STEP_S;
		if (left > clean)
			left = clean;
		if (left < STEP_MIN)
			continue;
		snprintf(text, sizeof(text), "%ld swappiness=0", (long)left);
		/* Where less could go, it says EAGAIN, and what went counts all the same. */
		if (pwrite(fd, text, strlen(text), 0) < 0) { }
		stat = vmstat();
		clean -= counter(stat, "nr_inactive_file ") + counter(stat, "nr_active_file ") -
			 counter(stat, "nr_dirty ");
		gone[now % STEPS] = clean > 0 ? clean : 0;
		left = 0;
	}
}
