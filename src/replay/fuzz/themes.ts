/** What sequences are about: calls that have to do with each other meet more often when others are left out. */
import type { FuzzedCall } from './calls.ts'

const words = (text: string): string[] => text.split(' ')
const TREE = words('open openat creat close stat lstat newfstatat statx access mkdir mkdirat rmdir unlink unlinkat link linkat symlink symlinkat rename renameat renameat2 readlink readlinkat chmod fchmodat mknod getdents64 utimensat truncate chdir fchdir getcwd umask fstat')
const DATA = words('open openat close read write pread64 pwrite64 readv writev preadv2 pwritev2 lseek ftruncate truncate fallocate copy_file_range sendfile memfd_create fcntl ioctl fstat stat flock dup fsync')
const MESSAGES = words('socket bind connect listen accept accept4 sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown getsockname getpeername setsockopt getsockopt close poll read write dup ioctl')
const SIGNALS = words('rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigsuspend kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo signalfd4 read poll sigaltstack pause')
const PROCESSES = words('fork vfork clone clone3 wait4 waitid exit exit_group execve execveat setpgid getpgid getpgrp getsid setsid getpid gettid kill pidfd_open pidfd_send_signal pidfd_getfd prctl umask close write fstat rt_sigaction rt_sigprocmask poll')
const IDENTITY = words('getuid geteuid setuid setgid setreuid setregid setresuid setresgid getresuid getresgid setfsuid setfsgid getgroups setgroups capget capset prctl chown fchown lchown fchownat chmod open stat getpriority setpriority prlimit64 setrlimit getrlimit sched_setscheduler sched_getscheduler sched_setparam sched_getparam ioprio_set ioprio_get')
const TIMERS = words('timer_create timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime setitimer getitimer alarm read poll clock_gettime clock_getres clock_nanosleep nanosleep close')

const family = (isUnix: boolean) => ({ name, row }: FuzzedCall): boolean => {
  if (name === 'socketpair') return isUnix
  const kinds = [row.on ?? [], row.makes ?? []].flat()
  return !MESSAGES.includes(name) ? false : isUnix ? !(kinds.includes('tcp') || kinds.includes('udp')) || kinds.includes('unix') : !(kinds.includes('unix') && !kinds.includes('tcp'))
}
const named = (...names: readonly string[]) => ({ name }: FuzzedCall): boolean => names.includes(name)

const THEMES: readonly ((call: FuzzedCall) => boolean)[] = [
  () => true, () => true, named(...TREE), named(...TREE), named(...DATA),
  named(...DATA, ...words('mmap munmap mprotect mremap madvise msync touch')),
  named(...words('mmap munmap mprotect mremap madvise msync mincore mlock munlock mlock2 brk touch fork process_vm_readv process_vm_writev shmget shmat shmdt write read memfd_create ftruncate')),
  named(...words('open close unlink chmod chown setxattr getxattr lsetxattr lgetxattr fsetxattr fgetxattr removexattr lremovexattr fremovexattr listxattr llistxattr flistxattr memfd_create symlink')),
  named(...words('pipe pipe2 read write readv writev splice tee vmsplice fcntl ioctl poll close dup dup2 fstat sendfile')),
  family(true), family(true), family(false), family(false),
  named(...SIGNALS, 'fork', 'setitimer'), named(...SIGNALS), named(...PROCESSES), named(...PROCESSES), named(...IDENTITY), named(...TIMERS),
  named(...words('semget semop semtimedop semctl')), named(...words('shmget shmat shmdt shmctl touch mprotect munmap fork')), named(...words('msgget msgsnd msgrcv msgctl')),
  named(...words('mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr close poll fstat read')),
  named(...words('epoll_create1 epoll_ctl epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 pipe2 socketpair read write close dup poll timerfd_create signalfd4 kill rt_sigprocmask select shutdown')),
  named(...words('poll ppoll select pselect6 epoll_wait pipe2 eventfd2 socketpair read write close shutdown fcntl signalfd4')), named(...words('futex futex_waitv set_robust_list mmap touch')),
  named(...words('inotify_init1 inotify_add_watch inotify_rm_watch read open close write mkdir rmdir unlink link chmod truncate poll ioctl creat')),
  named(...words('fcntl flock open close fork dup ftruncate memfd_create lseek write socketpair ioctl')),
]

/** Calls of each theme; those that happen to be left with a few only are none. */
const FEWEST = 2
export const themesOf = (calls: readonly FuzzedCall[]): FuzzedCall[][] => THEMES.map((has) => calls.filter(has)).filter(({ length }) => length >= FEWEST)
