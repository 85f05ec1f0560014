/** Resource limits (getrlimit(2)) and what a process starts with, as on a plain Linux login. */
export const RLIMIT_CPU = 0, RLIMIT_FSIZE = 1, RLIMIT_DATA = 2, RLIMIT_STACK = 3, RLIMIT_CORE = 4, RLIMIT_RSS = 5,
  RLIMIT_NPROC = 6, RLIMIT_NOFILE = 7, RLIMIT_MEMLOCK = 8, RLIMIT_AS = 9, RLIMIT_LOCKS = 10, RLIMIT_SIGPENDING = 11,
  RLIMIT_MSGQUEUE = 12, RLIMIT_NICE = 13, RLIMIT_RTPRIO = 14, RLIMIT_RTTIME = 15, RLIMIT_COUNT = 16

/** [soft, hard] by number; Infinity is RLIM_INFINITY. */
export const DEFAULT_LIMITS: readonly (readonly [number, number])[] = [
  [Infinity, Infinity], [Infinity, Infinity], [Infinity, Infinity], [8 << 20, Infinity], [0, Infinity],
  [Infinity, Infinity], [31_000, 31_000], [1024, 1 << 20], [8 << 20, 8 << 20], [Infinity, Infinity],
  [Infinity, Infinity], [31_000, 31_000], [819_200, 819_200], [0, 0], [0, 0], [Infinity, Infinity],
]
