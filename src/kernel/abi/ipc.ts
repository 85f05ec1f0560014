/** System V IPC (sysvipc(7), shmctl(2), semctl(2), msgctl(2)) and its limits as Linux has them by default. */
export const IPC_PRIVATE = 0
export const IPC_CREAT = 0o1000, IPC_EXCL = 0o2000, IPC_NOWAIT = 0o4000
export const IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3

export const SHM_RDONLY = 0o10000, SHM_RND = 0o20000, SHM_REMAP = 0o40000, SHM_EXEC = 0o100000
export const SHM_HUGETLB = 0o4000, SHM_NORESERVE = 0o10000
export const SHM_DEST = 0o1000, SHM_LOCKED = 0o2000
export const SHM_LOCK = 11, SHM_UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_STAT_ANY = 15
export const SHMMNI = 4096

export const SEM_UNDO = 0x1000
export const GETPID = 11, GETVAL = 12, GETALL = 13, GETNCNT = 14, GETZCNT = 15, SETVAL = 16, SETALL = 17, SEM_STAT = 18,
  SEM_INFO = 19, SEM_STAT_ANY = 20
export const SEMMNI = 32_000, SEMMSL = 32_000, SEMMNS = SEMMNI * SEMMSL, SEMOPM = 500, SEMVMX = 32_767

export const MSG_NOERROR = 0o10000, MSG_EXCEPT = 0o20000, MSG_COPY = 0o40000
export const MSG_STAT = 11, MSG_INFO = 12, MSG_STAT_ANY = 13
export const MSGMNI = 32_000, MSGMAX = 8192, MSGMNB = 16_384

/** Permission bits asked for. */
export const S_IRUGO = 0o444, S_IWUGO = 0o222, S_IXUGO = 0o111
