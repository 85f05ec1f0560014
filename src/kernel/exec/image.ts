/**
 * From a path to what will be run: follows `#!` lines, reads the ELF headers of the program and its interpreter.
 * Everything that can fail with an errno fails here, before the old program is given up.
 */
import { E2BIG, ELIBBAD, ELOOP, ENOENT, ENOEXEC, EIO } from '../abi/errno.ts'
import { RLIMIT_STACK } from '../abi/resources.ts'
import { type Inode, readInode, releaseInode, retainInode } from '../fs/inode.ts'
import type { Mount } from '../fs/mount-tree.ts'
import { openForExec } from '../fs/path.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { type Elf, hasElfMagic, interpreterPath, readElf } from './elf.ts'
import { HEAD_SIZE, isScript, parseScript } from './script.ts'

export const AT_FDCWD = -100
const SCRIPT_DEPTH_LIMIT = 5
/** _STK_LIM / 4 * 3; ARG_MAX is always allowed (fs/exec.c, bprm_stack_limits). */
const ARGUMENTS_LIMIT = (8 << 20) / 4 * 3
const ARGUMENTS_FLOOR = 32 * 4096
/** MAX_ARG_STRLEN, with the NUL. */
export const STRING_LIMIT = 32 * 4096

/** Plain data: an execve that must wait for other threads to go keeps it. */
export interface Image {
  /** As given to execve: AT_EXECFN and the task's name come from it. */
  readonly filename: string
  /** Absolute path of the ELF file: /proc/PID/exe. */
  readonly path: string
  /** Inodes are retained until `releaseImage`. */
  readonly inode: Inode
  readonly mount: Mount
  readonly elf: Elf
  readonly interpreter: { readonly path: string, readonly inode: Inode, readonly elf: Elf } | undefined
  readonly argv: readonly string[]
  readonly env: readonly string[]
}

const stringsFit = (task: Task, filename: string, argv: readonly string[], env: readonly string[]): boolean => {
  const limit = Math.max(Math.min(ARGUMENTS_LIMIT, task.group.limits[RLIMIT_STACK][0] / 4), ARGUMENTS_FLOOR)
  let sum = (Math.max(argv.length, 1) + env.length) * 8 + filename.length + 1
  if (sum >= limit) return false
  for (const strings of [argv, env]) {
    for (const string of strings) {
      if (string.length + 1 > STRING_LIMIT) return false
      sum += string.length + 1
    }
  }
  return sum <= limit
}

const readInterpreter = (kernel: Kernel, task: Task, path: string): NonNullable<Image['interpreter']> | number => {
  const opened = openForExec(kernel, task, AT_FDCWD, path, 0)
  if (typeof opened === 'number') return opened
  const head = readInode(kernel, opened.inode, 0, 64)
  if (head.length < 64) return -EIO
  const elf = readElf(kernel, opened.inode, head)
  if (typeof elf === 'number') return -ELIBBAD
  return { path: opened.path, inode: opened.inode, elf }
}

/**
 * @param inaccessible the path can't be given to an interpreter (fexecve of a close-on-exec descriptor)
 * @returns a negative errno if Linux would fail the call
 */
export const readImage = (
  kernel: Kernel, task: Task, dirfd: number, path: string, flags: number, filename: string,
  argv: readonly string[], env: readonly string[], inaccessible = false,
): Image | number => {
  // Programs rely on argv[0]: since Linux 5.18 it is there, if empty.
  let args = argv.length === 0 ? [''] : argv
  if (!stringsFit(task, filename, argv, env)) return -E2BIG
  let opened = openForExec(kernel, task, dirfd, path, flags)
  let interpretedName = filename
  for (let depth = 0; ; depth++) {
    if (typeof opened === 'number') return opened
    if (depth > SCRIPT_DEPTH_LIMIT) return -ELOOP
    const head = readInode(kernel, opened.inode, 0, HEAD_SIZE)
    if (hasElfMagic(head)) {
      const elf = readElf(kernel, opened.inode, head)
      if (typeof elf === 'number') return elf
      const wanted = interpreterPath(kernel, opened.inode, elf)
      if (typeof wanted === 'number') return wanted
      const interpreter = wanted === undefined ? undefined : readInterpreter(kernel, task, wanted)
      if (typeof interpreter === 'number') return interpreter
      retainInode(kernel, opened.inode)
      if (interpreter !== undefined) retainInode(kernel, interpreter.inode)
      return { filename, path: opened.path, inode: opened.inode, mount: opened.mount, elf, interpreter, argv: args, env }
    }
    if (!isScript(head)) return -ENOEXEC
    const line = parseScript(head)
    if (line === undefined) return -ENOEXEC
    if (inaccessible) return -ENOENT
    args = [line.interpreter, ...(line.argument === undefined ? [] : [line.argument]), interpretedName, ...args.slice(1)]
    interpretedName = line.interpreter
    opened = openForExec(kernel, task, AT_FDCWD, line.interpreter, 0)
  }
}

export const releaseImage = (kernel: Kernel, image: Image): void => {
  releaseInode(kernel, image.inode)
  if (image.interpreter !== undefined) releaseInode(kernel, image.interpreter.inode)
}
