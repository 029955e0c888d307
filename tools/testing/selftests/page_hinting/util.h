/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAGE_HINTING_UTIL_H
#define PAGE_HINTING_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PH_DIR		"/sys/kernel/mm/page_hinting"
#define FAULT_DIR	"/sys/kernel/debug/fail_page_hinting_ack"
#define MIB		(1024UL * 1024)
/* No more than this is in flight. */
#define WINDOW_BYTES	(64 * MIB)
/* A flush gives up after so long without an acknowledgment. */
#define FLUSH_TIMEOUT_MS 10000
/* An idle guest still frees a little: so much may be unhinted for a moment. */
#define SLACK_BYTES	(16 * MIB)
/* The counters in /proc/meminfo are not of one moment: less is not a loss. */
#define LOSS_BYTES	(4 * MIB)

/* Bits of /proc/kpageflags. */
#define BIT_ULL(nr)	(1ULL << (nr))
#define PF_BUDDY	BIT_ULL(10)
#define PF_HWPOISON	BIT_ULL(19)
#define PF_OFFLINE	BIT_ULL(23)
#define PF_HINTED	(PF_BUDDY | PF_OFFLINE)

/* The counters of all zones in bytes, added up, and the longest of their times. */
struct sums {
	unsigned long long hinted;
	unsigned long long unhinted;
	unsigned long long in_flight;
	unsigned long long acknowledged;
	unsigned long long reused;
	long settle_ms;
	int zones;
};

/* A process beside the test; see start_child(). */
typedef void (*child_fn)(void *arg);

/* Each returns 0 or a negative errno. */
int read_text(const char *path, char *buf, size_t size);
int write_text(const char *path, const char *text);
int write_number(const char *path, long long value);
/* Have the host look silent, or not; fails without fault injection. */
int silence(bool on);
int write_knob(const char *knob, long long value);

/* A number in a file or, for a knob, below PH_DIR; negative errno if none. */
long long read_number(const char *path);
long long read_knob(const char *knob);

/* Adds up the zones' counters; false where there are none. */
bool read_sums(struct sums *s);
/* An event of /proc/vmstat, in pages; 0 if there is none of that name. */
unsigned long long read_event(const char *event);

/* In bytes. */
unsigned long long mem_free(void);
/* Free pages in the per-CPU lists, which are not in mem_free(). */
unsigned long long mem_in_cpu_lists(void);
unsigned long long mem_available(void);
/* What memory failure has taken out of use. */
unsigned long long mem_poisoned(void);
/*
 * All that is free or whose user is known. Memory that a driver took from the
 * allocator and did not give back is in neither.
 */
unsigned long long mem_known(void);

long now_ms(void);
void sleep_ms(long ms);

/* Null, or why the test cannot run here. */
const char *why_skip(void);

/*
 * Remember all knobs; they are put back when the process exits, or now, and a
 * host that was silent speaks again.
 */
void save_knobs(void);
void restore_knobs(void);

/* Hint whatever was free for so long, or for less. */
void hint_all_the_time(int most_ms);

/* What nobody has used before is hinted after this time. */
long shortest_wait_ms(void);

/* What /proc/kpageflags shows as hinted, and as OFFLINE only, in pages. */
void count_marked(unsigned long long *hinted, unsigned long long *offline);

/*
 * Waits until the counters do not change while the marks are counted, so that
 * both are of one moment; false: the guest never was so quiet.
 */
bool count_quietly(unsigned long long *hinted, unsigned long long *offline,
		   struct sums *s);

/* Wait until (nearly) all is hinted, or nothing is; false: not in time. */
bool wait_hinted(long ms);
bool wait_drained(long ms);

/* Waits until mem_known() is at least this much; false: not in time. */
bool wait_known(unsigned long long bytes, long ms);

/* Anonymous memory, huge pages preferred; NULL where there is none. */
char *map_memory(size_t bytes);
void touch_memory(char *p, size_t bytes);
/* Map, touch and unmap. */
bool use_memory(size_t bytes);

/* The page frame of an address of ours; 0 where unknown. */
unsigned long long frame_of(const void *p);
/* Flags of a number of frames; the number that could be read. */
size_t read_flags(unsigned long long first, size_t count,
		  unsigned long long *flags);

/* Runs fn(arg) in a process that dies with us, the first for the OOM killer. */
pid_t start_child(child_fn fn, void *arg);
void stop_child(pid_t pid);
/* Waits for the end of a child: its status, or -1 when it is not in time. */
int wait_child(pid_t pid, long ms);
/* A child_fn: touches and frees *(size_t *)arg bytes for ever. */
void churn_child(void *arg);

/* The balloon as the driver core names it ("virtio0"); false: none bound. */
bool find_balloon(char *name, size_t size);
int unbind_balloon(const char *name);
int bind_balloon(const char *name);

#endif
