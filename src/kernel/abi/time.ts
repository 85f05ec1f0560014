/** Clocks and timers (clock_gettime(2), timer_create(2), setitimer(2), adjtimex(2)). */
export const CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_PROCESS_CPUTIME_ID = 2, CLOCK_THREAD_CPUTIME_ID = 3,
  CLOCK_MONOTONIC_RAW = 4, CLOCK_REALTIME_COARSE = 5, CLOCK_MONOTONIC_COARSE = 6, CLOCK_BOOTTIME = 7,
  CLOCK_REALTIME_ALARM = 8, CLOCK_BOOTTIME_ALARM = 9, CLOCK_TAI = 11
export const TIMER_ABSTIME = 1
export const ITIMER_REAL = 0, ITIMER_VIRTUAL = 1, ITIMER_PROF = 2
export const SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4
export const NANOSECONDS = 1_000_000_000
/** USER_HZ: the unit of times(2) and of /proc. */
export const CLOCK_TICKS = 100
/** What CLOCK_*_COARSE advances by: a tick at 250 Hz. */
export const COARSE_NANOSECONDS = 4_000_000
