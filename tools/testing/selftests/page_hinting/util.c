// SPDX-License-Identifier: GPL-2.0
/* What the selftests of free page hinting share. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define DRIVER_DIR	"/sys/bus/virtio/drivers/virtio_balloon"

static const char * const knobs[] = {
	"min_order", "idle_min_order", "refault_cost_ms", "flush_for_host",
	"enabled",
};

static long long saved[ARRAY_SIZE(knobs)];
static pid_t saved_by;

int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	close(fd);
	return n < 0 ? n : 0;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int write_number(const char *path, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	return write_text(path, text);
}

int write_knob(const char *knob, long long value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PH_DIR "/%s", knob);
	return write_number(path, value);
}

long long read_number(const char *path)
{
	char text[64], *end;
	long long value;
	int ret;

	ret = read_text(path, text, sizeof(text));
	if (ret)
		return ret;
	value = strtoll(text, &end, 0);
	return end == text ? -EINVAL : value;
}

long long read_knob(const char *knob)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PH_DIR "/%s", knob);
	return read_number(path);
}

static unsigned long long read_zone(const char *zone, const char *file)
{
	char path[NAME_MAX + 64];
	long long value;

	snprintf(path, sizeof(path), "%s/%s", zone, file);
	value = read_knob(path);
	return value < 0 ? 0 : value;
}

/* A number of a file of lines with a name and a number each; 0 if there is none. */
static unsigned long long read_line(const char *path, const char *name)
{
	unsigned long long value = 0;
	FILE *f = fopen(path, "r");
	char word[64];

	while (f && fscanf(f, "%63s %llu", word, &value) == 2) {
		if (!strcmp(word, name))
			break;
		value = 0;
	}
	if (f)
		fclose(f);
	return value;
}

unsigned long long read_event(const char *event)
{
	return read_line("/proc/vmstat", event);
}

static void add_zone(struct sums *s, const char *zone)
{
	char stat[NAME_MAX + 64];
	long settle_ms;

	snprintf(stat, sizeof(stat), PH_DIR "/%s/stat", zone);
	s->hinted += read_zone(zone, "hinted_bytes");
	s->unhinted += read_zone(zone, "unhinted_bytes");
	s->in_flight += read_zone(zone, "in_flight_bytes");
	s->acknowledged += read_line(stat, "acknowledged_bytes");
	s->reused += read_line(stat, "reused_bytes");
	settle_ms = read_line(stat, "settle_ms");
	if (settle_ms > s->settle_ms)
		s->settle_ms = settle_ms;
	s->zones++;
}

bool read_sums(struct sums *s)
{
	DIR *dir = opendir(PH_DIR);
	struct dirent *de;

	memset(s, 0, sizeof(*s));
	if (!dir)
		return false;
	while ((de = readdir(dir)))
		if (!strncmp(de->d_name, "node", 4))
			add_zone(s, de->d_name);
	closedir(dir);
	return s->zones;
}

static unsigned long long read_meminfo(const char *key)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key)) &&
		    line[strlen(key)] == ':') {
			kb = strtoull(line + strlen(key) + 1, NULL, 10);
			break;
		}
	}
	if (f)
		fclose(f);
	return kb * 1024;
}

unsigned long long mem_in_cpu_lists(void)
{
	unsigned long long pages = 0, n;
	char line[128];
	FILE *f = fopen("/proc/zoneinfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %llu", &n) == 1)
			pages += n;
	if (f)
		fclose(f);
	return pages * getpagesize();
}

unsigned long long mem_free(void)
{
	return read_meminfo("MemFree");
}

unsigned long long mem_known(void)
{
	static const char * const keys[] = {
		"MemFree", "Slab", "AnonPages", "Buffers", "Cached",
		"KernelStack", "PageTables",
	};
	unsigned long long bytes = mem_in_cpu_lists();
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		bytes += read_meminfo(keys[i]);
	return bytes;
}

unsigned long long mem_poisoned(void)
{
	return read_meminfo("HardwareCorrupted");
}

unsigned long long mem_available(void)
{
	return read_meminfo("MemAvailable");
}

long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000;
}

void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

const char *why_skip(void)
{
	struct sums s;

	if (access(PH_DIR, F_OK))
		return PH_DIR " is missing: no CONFIG_PAGE_HINTING?";
	if (geteuid())
		return "only root may turn the knobs";
	if (!read_sums(&s))
		return "no zone is hinted: see " PH_DIR "/state";
	return NULL;
}

int silence(bool on)
{
	int ret = 0;

	if (on) {
		ret |= write_number(FAULT_DIR "/interval", 1);
		ret |= write_number(FAULT_DIR "/verbose", 0);
		ret |= write_number(FAULT_DIR "/times", -1);
	}
	return ret | write_number(FAULT_DIR "/probability", on ? 100 : 0);
}

void restore_knobs(void)
{
	size_t i;

	if (getpid() != saved_by)
		return;
	silence(false);
	for (i = 0; i < (int)ARRAY_SIZE(knobs); i++)
		if (saved[i] >= 0)
			write_knob(knobs[i], saved[i]);
}

static void on_signal(int sig)
{
	restore_knobs();
	_exit(128 + sig);
}

void save_knobs(void)
{
	size_t i;

	for (i = 0; i < (int)ARRAY_SIZE(knobs); i++)
		saved[i] = read_knob(knobs[i]);
	saved_by = getpid();
	atexit(restore_knobs);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
}

void hint_all_the_time(int most_ms)
{
	write_knob("refault_cost_ms", most_ms);
}

long shortest_wait_ms(void)
{
	return read_knob("refault_cost_ms") / 64 + 1;
}

/*
 * For longer than the settle time: what was freed may still lie in the per-CPU
 * lists, where nobody counts it, until the guest has been idle for so long.
 */
bool wait_hinted(long ms)
{
	long end = now_ms() + ms, busy = now_ms();
	struct sums s;
	long quiet;

	do {
		sleep_ms(100);
		if (!read_sums(&s))
			return false;
		quiet = 2 * s.settle_ms + 400;
		if (s.in_flight || s.unhinted > SLACK_BYTES || !s.hinted)
			busy = now_ms();
	} while (now_ms() - busy < quiet && now_ms() < end);
	return now_ms() - busy >= quiet;
}

bool wait_drained(long ms)
{
	long end = now_ms() + ms;
	struct sums s;

	do {
		if (!read_sums(&s) || (!s.in_flight && !s.hinted))
			return true;
		sleep_ms(20);
	} while (now_ms() < end);
	return false;
}

bool wait_known(unsigned long long bytes, long ms)
{
	long end = now_ms() + ms;

	while (mem_known() < bytes) {
		if (now_ms() > end)
			return false;
		sleep_ms(100);
	}
	return true;
}

char *map_memory(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void touch_memory(char *p, size_t bytes)
{
	size_t step = getpagesize(), i;

	for (i = 0; i < bytes; i += step)
		__atomic_store_n(p + i, 1, __ATOMIC_RELAXED);
}

bool use_memory(size_t bytes)
{
	char *p = map_memory(bytes);

	if (!p)
		return false;
	touch_memory(p, bytes);
	munmap(p, bytes);
	return true;
}

unsigned long long frame_of(const void *p)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	off_t at = (uintptr_t)p / getpagesize() * sizeof(entry);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
		entry = 0;
	close(fd);
	if (!(entry >> 63))
		return 0;
	return entry & ((1ULL << 55) - 1);
}

size_t read_flags(unsigned long long first, size_t count,
		  unsigned long long *flags)
{
	static int fd = -1;
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		fd = open("/proc/kpageflags", O_RDONLY);
	if (fd < 0)
		return 0;
	while (done < count) {
		n = pread(fd, flags + done, (count - done) * sizeof(*flags),
			  (first + done) * sizeof(*flags));
		if (n <= 0)
			break;
		done += n / sizeof(*flags);
	}
	return done;
}

pid_t start_child(child_fn fn, void *arg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_text("/proc/self/oom_score_adj", "1000");
	fn(arg);
	_exit(0);
}

int wait_child(pid_t pid, long ms)
{
	long end = now_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() > end)
			return -1;
		sleep_ms(10);
	}
	return status;
}

void stop_child(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	wait_child(pid, 10000);
}

void churn_child(void *arg)
{
	size_t bytes = *(size_t *)arg;

	while (use_memory(bytes))
		sleep_ms(30);
}

#define FLAGS_CHUNK	65536
#define QUIET_TRIES	20

void count_marked(unsigned long long *hinted, unsigned long long *offline)
{
	static unsigned long long flags[FLAGS_CHUNK];
	unsigned long long pfn = 0;
	size_t n, i;

	*hinted = 0;
	*offline = 0;
	while ((n = read_flags(pfn, FLAGS_CHUNK, flags))) {
		for (i = 0; i < n; i++) {
			if ((flags[i] & PF_HINTED) == PF_HINTED)
				++*hinted;
			else if (flags[i] & PF_OFFLINE)
				++*offline;
		}
		pfn += n;
	}
}

bool count_quietly(unsigned long long *hinted, unsigned long long *offline,
		   struct sums *s)
{
	struct sums after;
	int i;

	for (i = 0; i < QUIET_TRIES; i++) {
		wait_hinted(5000);
		read_sums(s);
		count_marked(hinted, offline);
		read_sums(&after);
		if (!s->in_flight && !memcmp(&after, s, sizeof(after)))
			return true;
	}
	return false;
}

bool find_balloon(char *name, size_t size)
{
	DIR *dir = opendir(DRIVER_DIR);
	struct dirent *de;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (de = readdir(dir))) {
		found = !strncmp(de->d_name, "virtio", 6);
		if (found)
			snprintf(name, size, "%s", de->d_name);
	}
	closedir(dir);
	return found;
}

int unbind_balloon(const char *name)
{
	return write_text(DRIVER_DIR "/unbind", name);
}

int bind_balloon(const char *name)
{
	return write_text(DRIVER_DIR "/bind", name);
}
