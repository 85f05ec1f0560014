/** /proc/config.gz: what programs ask for before they rely on a part of the kernel. It lists what is here, and names what is not. */
import { RELEASE } from '../../abi/version.ts'

const YES = ['64BIT', 'X86', 'X86_64', 'SMP', 'MMU', 'MULTIUSER', 'SYSFS_SYSCALL', 'FHANDLE', 'POSIX_TIMERS', 'PRINTK', 'FUTEX', 'FUTEX_PI', 'EPOLL', 'SIGNALFD', 'TIMERFD',
  'EVENTFD', 'SHMEM', 'AIO', 'ADVISE_SYSCALLS', 'MEMBARRIER', 'RSEQ', 'SYSVIPC', 'SYSVIPC_SYSCTL', 'KEYS', 'POSIX_MQUEUE', 'POSIX_MQUEUE_SYSCTL', 'CROSS_MEMORY_ATTACH',
  'NAMESPACES', 'UTS_NS', 'IPC_NS', 'USER_NS', 'PID_NS', 'NET_NS', 'TIME_NS', 'CHECKPOINT_RESTORE', 'KCMP', 'SECCOMP', 'SECCOMP_FILTER', 'BINFMT_ELF', 'BINFMT_SCRIPT', 'NET', 'PACKET', 'UNIX',
  'INET', 'BLOCK', 'BLK_DEV_LOOP', 'TTY', 'UNIX98_PTYS', 'DEVTMPFS', 'PROC_FS', 'PROC_PAGE_MONITOR', 'SYSFS', 'PROC_SYSCTL', 'IKCONFIG', 'IKCONFIG_PROC', 'TMPFS', 'TMPFS_XATTR', 'EXT2_FS', 'EXT2_FS_XATTR',
  'FILE_LOCKING', 'KSM', 'INOTIFY_USER', 'DNOTIFY', 'HIGH_RES_TIMERS', 'PREEMPT', 'HZ_100'] as const
const NO = ['MODULES', 'SWAP', 'NUMA', 'TRANSPARENT_HUGEPAGE', 'HUGETLBFS', 'MEMORY_FAILURE', 'BSD_PROCESS_ACCT', 'TASKSTATS', 'AUDIT', 'CGROUPS', 'BPF_SYSCALL', 'PERF_EVENTS',
  'USERFAULTFD', 'IO_URING', 'FANOTIFY', 'QUOTA', 'QFMT_V2', 'SECURITY_LANDLOCK', 'PREEMPT_RT', 'IPV6', 'NETFILTER', 'TLS', 'RDS', 'IP_SCTP', 'XFS_FS', 'EXT4_FS',
  'BTRFS_FS', 'OVERLAY_FS', 'MANDATORY_FILE_LOCKING', 'KEXEC', 'CRYPTO_USER', 'TRACING', 'FTRACE'] as const

const text = (): string => `#\n# Linux/x86 ${RELEASE} Kernel Configuration (Retrograde)\n#\n${YES.map((name) => `CONFIG_${name}=y\n`).join('')}CONFIG_HZ=100\n` +
  NO.map((name) => `# CONFIG_${name} is not set\n`).join('')

const CRC_POLYNOMIAL = 0xedb8_8320

const crc32 = (bytes: Uint8Array): number => {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ CRC_POLYNOMIAL : crc >>> 1
  }
  return ~crc >>> 0
}

/** gzip (RFC 1952) of one stored block (RFC 1951, 3.2.4), which has room for 65,535 bytes. */
export const config = (): Uint8Array => {
  const content = Uint8Array.from(text(), (character) => character.charCodeAt(0))
  const { length } = content
  const bytes = new Uint8Array(10 + 5 + length + 8)
  bytes.set([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff])
  bytes.set(content, 15)
  const view = new DataView(bytes.buffer)
  view.setUint32(15 + length, crc32(content), true)
  view.setUint32(19 + length, length, true)
  return bytes
}
