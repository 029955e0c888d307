/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: what hinting as a whole is doing, its knobs, and flushes.
 */
#ifndef _MM_PAGE_HINTING_CONTROL_H
#define _MM_PAGE_HINTING_CONTROL_H

#include <linux/page_hinting.h>

#include "thread.h"

/* Hinting may be enabled without a device. Written under the mutex. */
extern unsigned int page_hinting_enabled;
extern const char *page_hinting_barred;

/* control.c */
bool page_hinting_why_not(char *buf, size_t size);
void page_hinting_enable(bool enable);
void page_hinting_begin_anew(void);
void page_hinting_set_order(unsigned int min_order, bool by_user);
void page_hinting_set_idle_order(unsigned int idle_min_order);
void page_hinting_set_sleeps(bool sleeps);
void page_hinting_shutdown(void);

/* flush.c */
extern unsigned int page_hinting_flush_timeout_ms;
extern unsigned int page_hinting_flush_for_host;
int page_hinting_flush(bool anew);
unsigned long page_hinting_flush_left(void);

/* mm.c */
extern unsigned int page_hinting_nr_restores;
void page_hinting_restored(void);

/* sysfs.c */
int page_hinting_sysfs_init(void);

#endif /* _MM_PAGE_HINTING_CONTROL_H */
