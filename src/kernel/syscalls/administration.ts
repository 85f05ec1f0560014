/** What changes the machine: a world is no machine that could be turned off (reboot(2)); vhangup(2). */
import { CAP_SYS_BOOT, CAP_SYS_TTY_CONFIG } from '../abi/capabilities.ts'
import { EINVAL, EPERM } from '../abi/errno.ts'
import { uint32 } from '../abi/numbers.ts'
import { controllingTerminal, hangUp } from '../fs/tty-jobs.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { hasCapabilityIn } from '../task/user-namespace.ts'
import type { Args, SyscallEntry } from './entry.ts'

const MAGIC = 0xfee1_dead
/** LINUX_REBOOT_MAGIC2 and its successors: birthdays. */
const MAGICS: readonly number[] = [672_274_793, 85_072_278, 369_367_448, 537_993_216]
const CAD_ON = 0x89ab_cdef, CAD_OFF = 0
/** RESTART, HALT, POWER_OFF, RESTART2, SW_SUSPEND, KEXEC. */
const STOPPING: readonly number[] = [0x0123_4567, 0xcdef_0123, 0x4321_fedc, 0xa1b2_c3d4, 0xd000_fce2, 0x4558_4543]

const reboot = (_kernel: Kernel, task: Task, args: Args): number => {
  if (!hasCapabilityIn(task, task.namespaces.pid.owner, CAP_SYS_BOOT)) return -EPERM
  const command = uint32(args[2])
  if (uint32(args[0]) !== MAGIC || !MAGICS.includes(uint32(args[1]))) return -EINVAL
  // There is no keyboard whose Ctrl-Alt-Del would do anything.
  if (command === CAD_ON || command === CAD_OFF) return 0
  return STOPPING.includes(command) ? -EPERM : -EINVAL
}

const vhangup = (kernel: Kernel, task: Task): number => {
  if (!hasCapability(task, CAP_SYS_TTY_CONFIG)) return -EPERM
  const terminal = controllingTerminal(kernel, task.group)
  if (terminal !== undefined) hangUp(kernel, terminal)
  return 0
}

export const administrationCalls: readonly SyscallEntry[] = [
  { number: 153, name: 'vhangup', args: [], handler: vhangup, status: 'full' },
  { number: 169, name: 'reboot', args: ['magic:int', 'magic2:int', 'cmd:uint', 'arg:pointer'], handler: reboot, status: 'partial', note: 'Ctrl-Alt-Del can be set; what stops a machine gives EPERM' },
]
