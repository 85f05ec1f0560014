/**
 * Sessions and their controlling terminals, job control (credentials(7), tty(4); Linux's drivers/tty/tty_jobctrl.c).
 *
 * Invariant: a group's `controllingTerminal` is the device number of the terminal whose `session` is the group's session, or 0.
 */
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH } from '../abi/errno.ts'
import { O_ACCMODE, O_NOCTTY, O_WRONLY } from '../abi/fcntl.ts'
import { SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, SIGWINCH } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { isOrphaned } from '../signal/job-control.ts'
import { sendSignal, sendToProcessGroup } from '../signal/send.ts'
import { processGroupMembers } from '../task/process-groups.ts'
import { setHas } from '../signal/signal.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import type { Terminal, WindowSize } from './tty.ts'

export const terminalByDevice = (kernel: Kernel, rdev: number): Terminal | undefined => {
  if (rdev === 0) return undefined
  for (const terminal of kernel.state.fs.terminals.values()) if (terminal.rdev === rdev) return terminal
  return undefined
}

/** The terminal behind /dev/tty. */
export const controllingTerminal = (kernel: Kernel, group: ThreadGroup): Terminal | undefined =>
  terminalByDevice(kernel, group.controllingTerminal)

const isControlling = (task: Task, terminal: Terminal): boolean => task.group.controllingTerminal === terminal.rdev

/**
 * A task wants to read from its controlling terminal (SIGTTIN), or to write to it or change it (SIGTTOU): background process
 * groups are stopped. @returns 0, −EIO, or −ERESTARTSYS with the signal sent (__tty_check_change)
 */
export const checkJobControl = (kernel: Kernel, task: Task, terminal: Terminal, signal: typeof SIGTTIN | typeof SIGTTOU): number => {
  const { processGroup } = task.group
  if (!isControlling(task, terminal) || terminal.foreground === 0 || processGroup === terminal.foreground) return 0
  if (setHas(task.signalMask, signal) || task.actions.table[signal].handler === SIG_IGN) return signal === SIGTTIN ? -EIO : 0
  if (isOrphaned(kernel, processGroup)) return -EIO
  sendToProcessGroup(kernel, processGroup, signal)
  return -ERESTARTSYS
}

export const setControllingTerminal = (terminal: Terminal, group: ThreadGroup): void => {
  terminal.session = group.session
  terminal.foreground = group.processGroup
  group.controllingTerminal = terminal.rdev
}

/** A session leader without a terminal that opens one gets it. */
export const adoptOnOpen = (task: Task, terminal: Terminal, flags: number): void => {
  const { group } = task
  if ((flags & O_NOCTTY) !== 0 || (flags & O_ACCMODE) === O_WRONLY) return
  if (group.session === group.tgid && group.controllingTerminal === 0 && terminal.session === 0) setControllingTerminal(terminal, group)
}

const clearSession = (kernel: Kernel, session: number): void => {
  for (const group of kernel.state.groups.values()) if (group.session === session) group.controllingTerminal = 0
}

/** TIOCSCTTY. */
export const acquireTerminal = (kernel: Kernel, task: Task, terminal: Terminal, isReadable: boolean, steal: boolean): number => {
  const { group } = task
  const isLeader = group.session === group.tgid
  if (isLeader && terminal.session === group.session) return 0
  if (!isLeader || group.controllingTerminal !== 0) return -EPERM
  const isAdmin = hasCapability(task, CAP_SYS_ADMIN)
  if (terminal.session !== 0) {
    if (!steal || !isAdmin) return -EPERM
    clearSession(kernel, terminal.session)
  }
  if (!isReadable && !isAdmin) return -EPERM
  setControllingTerminal(terminal, group)
  return 0
}

/** TIOCNOTTY by any process, and the end of a session leader (disassociate_ctty): the leader's terminal is free again. */
export const leaveTerminal = (kernel: Kernel, group: ThreadGroup, isExiting: boolean): void => {
  const terminal = controllingTerminal(kernel, group)
  if (group.session !== group.tgid) {
    if (!isExiting) group.controllingTerminal = 0
    return
  }
  if (terminal === undefined) return
  const { foreground } = terminal
  terminal.session = 0
  terminal.foreground = 0
  clearSession(kernel, group.session)
  if (foreground === 0) return
  sendToProcessGroup(kernel, foreground, SIGHUP)
  if (!isExiting) sendToProcessGroup(kernel, foreground, SIGCONT)
}

/** The line is gone (vhangup): descriptors of the terminal are dead, its session's leader is told. */
export const hangUp = (kernel: Kernel, terminal: Terminal): void => {
  terminal.hangups++
  const { session } = terminal
  terminal.session = 0
  terminal.foreground = 0
  if (session !== 0) {
    const leader = kernel.state.groups.get(session)
    clearSession(kernel, session)
    if (leader !== undefined && !leader.zombie) {
      sendSignal(kernel, leader, SIGHUP)
      sendSignal(kernel, leader, SIGCONT)
    }
  }
  kernel.wake(terminal.readable)
  kernel.wake(terminal.writable)
}

/** A new window size: the foreground is told if it differs. */
export const resize = (kernel: Kernel, terminal: Terminal, size: WindowSize): void => {
  const { window } = terminal
  if (window.rows === size.rows && window.columns === size.columns && window.width === size.width && window.height === size.height) return
  terminal.window = size
  if (terminal.foreground !== 0) sendToProcessGroup(kernel, terminal.foreground, SIGWINCH)
}

/** TIOCSPGRP, the argument read already. */
export const setForeground = (kernel: Kernel, task: Task, terminal: Terminal, processGroup: number): number => {
  const { session } = task.group
  if (!isControlling(task, terminal) || terminal.session !== session) return -ENOTTY
  const members = processGroupMembers(kernel, processGroup)
  if (members.length === 0) return -ESRCH
  if (members[0].session !== session) return -EPERM
  terminal.foreground = processGroup
  return 0
}

/** Changes of a terminal by background processes, as ioctls see them: 0, −EIO or −ERESTARTSYS. */
export const checkChange = (kernel: Kernel, task: Task, terminal: Terminal): number => checkJobControl(kernel, task, terminal, SIGTTOU)
