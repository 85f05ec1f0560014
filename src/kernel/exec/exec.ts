/** execve's second half: the task gives up its old program and becomes the new one. */
import { MS_NOSUID } from '../abi/fcntl.ts'
import { SIG_DFL, SIG_IGN, SIGCHLD, SIGNAL_COUNT, SIGSEGV, SS_DISABLE } from '../abi/signals.ts'
import { closeOnExec, unshareDescriptors } from '../fs/descriptor.ts'
import { S_ISGID, S_ISUID } from '../fs/inode.ts'
import type { Kernel } from '../kernel.ts'
import { createSpace } from '../mm/space.ts'
import { BadAddress } from '../mm/user-memory.ts'
import { forceFatal } from '../signal/send.ts'
import { copyActions } from '../signal/signal.ts'
import { execCredentials } from '../task/credentials.ts'
import { leaveSpace } from '../task/exit.ts'
import { enterTimeNamespace } from '../task/part-namespaces.ts'
import type { Task } from '../task/task.ts'
import { deletePosixTimers } from '../time/posix-timers.ts'
import { mapVdso } from '../vdso/vdso.ts'
import { type Image, releaseImage } from './image.ts'
import { LoadFailure, loadElf, type Loaded } from './load.ts'
import { buildStack } from './stack.ts'

/** The task's name is 15 bytes of the path's last part. */
export const TASK_NAME_LENGTH = 15

/** Bits of personality(2): what a 64-bit program never starts with, and what one with other credentials does not. */
const READ_IMPLIES_EXEC = 0x40_0000, PERSONALITY_CLEARED_ON_SETID = 0x74_0000

const resetSignals = (task: Task): void => {
  task.actions = copyActions(task.actions)
  for (let signal = 1; signal <= SIGNAL_COUNT; signal++) {
    const action = task.actions.table[signal]
    if (action.handler !== SIG_IGN) action.handler = SIG_DFL
    action.flags = 0
    action.restorer = 0
    action.mask = [0, 0]
  }
  task.signalStack = { address: 0, size: 0, flags: SS_DISABLE }
}

/** Replaces the program of a task that is alone in its group and loaded in the processor. The image is used up. */
export const execProgram = (kernel: Kernel, task: Task, image: Image): void => {
  const { group } = task
  leaveSpace(kernel, task)
  const space = createSpace(kernel)
  task.mm = space
  kernel.loadSpace(space)

  unshareDescriptors(kernel, task)
  closeOnExec(kernel, task)
  resetSignals(task)
  deletePosixTimers(kernel, group)
  const isSetId = (image.inode.mode & (S_ISUID | S_ISGID)) !== 0 && (image.mount.flags & MS_NOSUID) === 0
  const secure = execCredentials(task, image.inode, isSetId)
  group.exitSignal = SIGCHLD
  group.didExec = true
  task.personality &= secure ? ~PERSONALITY_CLEARED_ON_SETID : ~READ_IMPLIES_EXEC
  task.rseq = 0
  task.robustList = 0
  task.robustListLength = 0
  task.restart = undefined
  task.name = image.filename.slice(image.filename.lastIndexOf('/') + 1).slice(0, TASK_NAME_LENGTH)
  space.executable = image.path

  const { cpu } = kernel.processor
  cpu.reset()
  task.debug = undefined
  kernel.setBreakpoints(task)
  try {
    const program = loadElf(kernel, space, image.inode, image.path, image.elf, image.interpreter !== undefined)
    const interpreter: Loaded | undefined = image.interpreter === undefined ? undefined
      : loadElf(kernel, space, image.interpreter.inode, image.interpreter.path, image.interpreter.elf, false)
    space.codeStart = program.codeStart
    space.codeEnd = program.codeEnd
    space.dataStart = program.dataStart
    space.dataEnd = program.dataEnd
    space.heapStart = program.end
    space.heapEnd = program.end
    enterTimeNamespace(task)
    if (task.keyrings !== undefined) task.keyrings.thread = 0
    task.group.processKeyring = 0
    const vdso = mapVdso(kernel, space, task.namespaces.time)
    cpu.rsp = buildStack(kernel, task, space, image, program, interpreter, secure, vdso)
    cpu.rip = (interpreter ?? program).entry
  } catch (error) {
    if (!(error instanceof LoadFailure) && !(error instanceof BadAddress)) throw error
    forceFatal(kernel, task, SIGSEGV)
  }
  releaseImage(kernel, image)
  kernel.outside.observer.onExec(kernel.state.cycle, task.tid, image.path)
}
