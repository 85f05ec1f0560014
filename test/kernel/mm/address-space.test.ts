/** Random mapping, unmapping, protecting, moving, writing and forking, against a model of pages; and what must hold of the data structures. */
import test from 'ava'
import * as fc from 'fast-check'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { PTE_FRAME, TABLE_PAGES, type AddressSpace } from '../../../src/kernel/mm/address-space.ts'
import { copySpace, releaseSpace } from '../../../src/kernel/mm/space.ts'
import { BadAddress } from '../../../src/kernel/mm/user-memory.ts'
import { findGapDown, findVma } from '../../../src/kernel/mm/vma.ts'
import { SYSCALLS } from '../../../src/kernel/syscalls/table.ts'
import type { Task } from '../../../src/kernel/task/task.ts'
import { guestPath } from '../abi/native.ts'
import { makeGuestWorld } from '../../support/run-guest.ts'

const PAGES = 24, PAGE = 4096
const BASE = 0x1000_0000_0000
const READ = 1, WRITE = 2
const FIXED_ANONYMOUS = 0x30, SHARED = 1, PRIVATE = 2

/** A page of the model: undefined where nothing is mapped. Shared pages are one object in all places that map them. */
interface Page { prot: number, cell: { value: number }, shared: boolean }
type Model = (Page | undefined)[]

const range = fc.tuple(fc.nat({ max: PAGES - 1 }), fc.integer({ min: 1, max: 6 })).map(([from, length]) => ({ from, to: Math.min(from + length, PAGES) }))
const step = fc.oneof(
  fc.record({ do: fc.constant('map' as const), range, prot: fc.constantFrom(0, READ, READ | WRITE), shared: fc.boolean() }),
  fc.record({ do: fc.constant('unmap' as const), range }),
  fc.record({ do: fc.constant('protect' as const), range, prot: fc.constantFrom(0, READ, READ | WRITE) }),
  fc.record({ do: fc.constant('write' as const), page: fc.nat({ max: PAGES - 1 }), value: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ do: fc.constant('read' as const), page: fc.nat({ max: PAGES - 1 }) }),
  fc.record({ do: fc.constant('forget' as const), range }),
  fc.record({ do: fc.constant('move' as const), from: fc.nat({ max: PAGES - 1 }), to: fc.nat({ max: PAGES - 1 }), pages: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('fork' as const) }))

const call = (kernel: Kernel, task: Task, name: string, ...args: number[]): number => {
  const entry = SYSCALLS.find((e) => e?.name === name)
  if (entry === undefined) throw new Error(name)
  return entry.handler(kernel, task, [...args, 0, 0, 0, 0, 0, 0].slice(0, 6))
}
const at = (page: number): number => BASE + page * PAGE

/** What address-space.ts promises. */
const checkSpace = (kernel: Kernel, space: AddressSpace): void => {
  let resident = 0
  for (const [i, vma] of space.vmas.entries()) {
    if (vma.start >= vma.end || vma.start % PAGE !== 0 || vma.end % PAGE !== 0) throw new Error('an area without sense')
    const next = space.vmas.at(i + 1)
    if (i + 1 < space.vmas.length && next !== undefined && next.start < vma.end) throw new Error('areas overlap')
  }
  for (const [index, table] of space.tables) {
    for (const [slot, entry] of table.entries()) {
      if (entry === 0) continue
      if (findVma(space, (index * TABLE_PAGES + slot) * PAGE) === undefined) throw new Error('a page outside all areas')
      if (kernel.memory.references(entry & PTE_FRAME) < 1) throw new Error('a page that was given back')
      if ((entry & PTE_FRAME) !== kernel.state.zeroFrame) resident++
    }
  }
  if (resident !== space.residentPages) throw new Error(`${resident} resident pages, ${space.residentPages} counted`)
}

const checkContents = (kernel: Kernel, space: AddressSpace, model: Model): void => {
  const { user } = kernel.mmu(space)
  for (const [i, page] of model.entries()) {
    if (page === undefined || page.prot === 0) continue
    const value = user.u8(at(i) + 5)
    if (value !== page.cell.value) throw new Error(`page ${i} has ${value}, not ${page.cell.value}`)
  }
}

const faults = (action: () => void): boolean => {
  try {
    action()
    return false
  } catch (error) {
    if (error instanceof BadAddress) return true
    throw error
  }
}

const expect = (condition: boolean, message: string): void => { if (!condition) throw new Error(message) }
const freshWorld = (): { kernel: Kernel, task: Task } => {
  const { kernel } = makeGuestWorld({ argv: [guestPath('vdso')], memoryLimit: 64 << 20 })
  const task = [...kernel.state.tasks.values()][0]
  kernel.current = task
  return { kernel, task }
}

test('pages are what a simple model says, and frames are counted right', (t) => {
  t.timeout(120_000)
  const { kernel, task } = freshWorld()
  const before = kernel.memory.framesInUse
  fc.assert(fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
    let model: Model = Array.from({ length: PAGES }, () => undefined)
    const forks: { space: AddressSpace, model: Model }[] = []
    for (const action of steps) {
      switch (action.do) {
        case 'map': {
          const { from, to } = action.range
          const length = (to - from) * PAGE
          expect(call(kernel, task, 'mmap', at(from), length, action.prot, FIXED_ANONYMOUS | (action.shared ? SHARED : PRIVATE), -1, 0) === at(from), 'mmap')
          for (let i = from; i < to; i++) model[i] = { prot: action.prot, cell: { value: 0 }, shared: action.shared }
          break
        }
        case 'unmap':
          expect(call(kernel, task, 'munmap', at(action.range.from), (action.range.to - action.range.from) * PAGE) === 0, 'munmap')
          for (let i = action.range.from; i < action.range.to; i++) model[i] = undefined
          break
        case 'protect': {
          const { from, to } = action.range
          const result = call(kernel, task, 'mprotect', at(from), (to - from) * PAGE, action.prot)
          let i = from
          while (i < to && model[i] !== undefined) (model[i++] as Page).prot = action.prot
          expect(result === (i === to ? 0 : -12), `mprotect: ${result}`)
          break
        }
        case 'write': {
          const page = model[action.page]
          const isRefused = faults(() => { kernel.user(task).setU8(at(action.page) + 5, action.value) })
          expect(isRefused === (page === undefined || (page.prot & WRITE) === 0), 'write')
          if (!isRefused && page !== undefined) page.cell.value = action.value
          break
        }
        case 'read': {
          const page = model[action.page]
          expect(faults(() => { kernel.user(task).u8(at(action.page)) }) === (page === undefined || page.prot === 0), 'read')
          break
        }
        case 'forget': {
          const { from, to } = action.range
          call(kernel, task, 'madvise', at(from), (to - from) * PAGE, 4)
          for (let i = from; i < to; i++) {
            const page = model[i]
            // The pages of shared memory stay where they are; private ones are the task's own.
            if (page !== undefined && !page.shared) page.cell = { value: 0 }
          }
          break
        }
        case 'move': {
          const { from, to } = action
          const pages = Math.min(action.pages, PAGES - from, PAGES - to)
          if (Math.abs(from - to) < pages) break
          const result = call(kernel, task, 'mremap', at(from), pages * PAGE, pages * PAGE, 3, at(to))
          if (result === at(to)) {
            for (let i = 0; i < pages; i++) {
              model[to + i] = model[from + i]
              model[from + i] = undefined
            }
          } else {
            // The target is unmapped before the source is looked at.
            expect(result < 0, 'mremap')
            if (model[from] !== undefined) for (let i = 0; i < pages; i++) model[to + i] = undefined
          }
          break
        }
        case 'fork':
          forks.push({ space: task.mm, model })
          model = model.map((page) => page === undefined ? undefined : { ...page, cell: page.shared ? page.cell : { value: page.cell.value } })
          task.mm = copySpace(kernel, task.mm)
          break
      }
      checkSpace(kernel, task.mm)
    }
    checkContents(kernel, task.mm, model)
    for (const fork of forks) {
      checkSpace(kernel, fork.space)
      checkContents(kernel, fork.space, fork.model)
    }
    for (const fork of forks.reverse()) {
      releaseSpace(kernel, task.mm)
      task.mm = fork.space
    }
    call(kernel, task, 'munmap', BASE, PAGES * PAGE)
    expect(kernel.memory.framesInUse === before, `${kernel.memory.framesInUse - before} frames are lost`)
  }), { numRuns: 400, includeErrorInReport: true })
  t.pass()
})

test('where the kernel places mappings does not depend on what it remembers of gaps', (t) => {
  t.timeout(120_000)
  const LENGTHS = [1, 2, 3, 5, 8, 17]
  const action = fc.oneof(
    { weight: 3, arbitrary: fc.record({ pages: fc.constantFrom(...LENGTHS), unmap: fc.constant(-1), offset: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ pages: fc.constantFrom(...LENGTHS), unmap: fc.nat({ max: 40 }), offset: fc.nat({ max: 3 }) }) })
  fc.assert(fc.property(fc.array(action, { minLength: 5, maxLength: 80 }), (actions) => {
    const { kernel, task } = freshWorld()
    const mapped: { start: number, pages: number }[] = []
    for (const [i, { pages, unmap, offset }] of actions.entries()) {
      if (unmap < 0 || unmap >= mapped.length) {
        const hints = task.mm.gapHints
        task.mm.gapHints = []
        const wanted = findGapDown(task.mm, pages * PAGE)
        task.mm.gapHints = hints
        // Neighbours are unlike each other, so that all stay areas of their own.
        const start = call(kernel, task, 'mmap', 0, pages * PAGE, i % 2 === 0 ? READ : READ | WRITE, 0x20 | PRIVATE, -1, 0)
        expect(start === wanted, `at ${start.toString(16)} rather than ${wanted?.toString(16)}`)
        mapped.push({ start, pages })
      } else {
        const [{ start, pages: all }] = mapped.splice(unmap, 1)
        const from = Math.min(offset, all - 1)
        call(kernel, task, 'munmap', start + from * PAGE, (all - from) * PAGE)
        if (from > 0) mapped.push({ start, pages: from })
      }
    }
  }), { numRuns: 60, includeErrorInReport: true })
  t.pass()
})
