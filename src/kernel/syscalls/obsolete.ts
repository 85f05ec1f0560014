/** Calls that Linux itself answers with ENOSYS on x86-64, and those that a program in a container without privileges can't make. */
import { ENOSYS, EPERM } from '../abi/errno.ts'
import type { ArgumentSpec, SyscallEntry, SyscallHandler } from './entry.ts'

const absent: SyscallHandler = () => -ENOSYS
const forbidden: SyscallHandler = () => -EPERM

/** Numbers that have no function in Linux (arch/x86/entry/syscalls/syscall_64.tbl), or a function no more. */
const OBSOLETE: readonly (readonly [number: number, name: string])[] = [
  [134, 'uselib'], [156, '_sysctl'], [174, 'create_module'], [177, 'get_kernel_syms'], [178, 'query_module'], [180, 'nfsservctl'],
  [181, 'getpmsg'], [182, 'putpmsg'], [183, 'afs_syscall'], [184, 'tuxcall'], [185, 'security'], [205, 'set_thread_area'],
  [211, 'get_thread_area'], [212, 'lookup_dcookie'], [214, 'epoll_ctl_old'], [215, 'epoll_wait_old'], [236, 'vserver'],
]

type Row = readonly [number: number, name: string, note: string, ...args: ArgumentSpec[]]

/** What changes the machine rather than the world of a program: EPERM, as without the capability. */
const FORBIDDEN: readonly Row[] = [
  [163, 'acct', 'EPERM, as without CAP_SYS_PACCT', 'filename:path'],
  [167, 'swapon', 'EPERM, as without CAP_SYS_ADMIN', 'path:path', 'swapflags:int'],
  [168, 'swapoff', 'EPERM, as without CAP_SYS_ADMIN', 'path:path'],
  [175, 'init_module', 'EPERM, as without CAP_SYS_MODULE', 'module:pointer', 'len:size', 'params:string'],
  [176, 'delete_module', 'EPERM, as without CAP_SYS_MODULE', 'name:string', 'flags:uint'],
  [246, 'kexec_load', 'EPERM, as without CAP_SYS_BOOT', 'entry:long', 'nr_segments:size', 'segments:pointer', 'flags:uint'],
  [298, 'perf_event_open', 'EPERM, as in a container', 'attr:pointer', 'pid:pid', 'cpu:int', 'group_fd:fd', 'flags:uint'],
  [313, 'finit_module', 'EPERM, as without CAP_SYS_MODULE', 'fd:fd', 'param_values:string', 'flags:int'],
  [320, 'kexec_file_load', 'EPERM, as without CAP_SYS_BOOT', 'kernel_fd:fd', 'initrd_fd:fd', 'cmdline_len:size', 'cmdline:string', 'flags:uint'],
  [321, 'bpf', 'EPERM, as in a container', 'cmd:int', 'attr:pointer', 'size:uint'],
  [323, 'userfaultfd', 'EPERM, as in a container', 'flags:int'],
]

/** What a kernel may be built without: ENOSYS, and programs do without. */
const ABSENT: readonly Row[] = [
  [154, 'modify_ldt', 'as without CONFIG_MODIFY_LDT_SYSCALL', 'func:int', 'ptr:pointer', 'bytecount:size'],
  [179, 'quotactl', 'as without CONFIG_QUOTA', 'cmd:int', 'special:path', 'id:uid', 'addr:pointer'],
  [300, 'fanotify_init', 'as without CONFIG_FANOTIFY', 'flags:uint', 'event_f_flags:uint'],
  [301, 'fanotify_mark', 'as without CONFIG_FANOTIFY', 'fd:fd', 'flags:uint', 'mask:long', 'dirfd:dirfd', 'pathname:path'],
  [425, 'io_uring_setup', 'as without CONFIG_IO_URING', 'entries:uint', 'params:pointer'],
  [426, 'io_uring_enter', 'as without CONFIG_IO_URING', 'fd:fd', 'to_submit:uint', 'min_complete:uint', 'flags:uint', 'argp:pointer', 'argsz:size'],
  [427, 'io_uring_register', 'as without CONFIG_IO_URING', 'fd:fd', 'opcode:uint', 'arg:pointer', 'nr_args:uint'],
  [443, 'quotactl_fd', 'as without CONFIG_QUOTA', 'fd:fd', 'cmd:int', 'id:uid', 'addr:pointer'],
  [444, 'landlock_create_ruleset', 'as without CONFIG_SECURITY_LANDLOCK', 'attr:pointer', 'size:size', 'flags:uint'],
  [445, 'landlock_add_rule', 'as without CONFIG_SECURITY_LANDLOCK', 'ruleset_fd:fd', 'rule_type:int', 'rule_attr:pointer', 'flags:uint'],
  [446, 'landlock_restrict_self', 'as without CONFIG_SECURITY_LANDLOCK', 'ruleset_fd:fd', 'flags:uint'],
]

export const obsoleteCalls: readonly SyscallEntry[] = [
  ...OBSOLETE.map(([number, name]): SyscallEntry => ({ number, name, args: [], handler: absent, status: 'full', note: 'ENOSYS, as Linux answers' })),
  ...FORBIDDEN.map(([number, name, note, ...args]): SyscallEntry => ({ number, name, args, handler: forbidden, status: 'partial', note })),
  ...ABSENT.map(([number, name, note, ...args]): SyscallEntry => ({ number, name, args, handler: absent, status: 'absent', note })),
]
