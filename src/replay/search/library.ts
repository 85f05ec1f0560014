/**
 * What is known of the functions of the C libraries by which threads are made, end, wait and keep each other out, for DPOR: they are
 * taken to be right, so that only the orders in which they take effect are to be explored, and not those of what they do inside.
 * Functions are found by their symbols, of musl and of glibc; where there are none, the library is a program like any other.
 *
 * - *quiet*: making and ending threads, allocating memory. Nobody else can tell in what order they are (but for addresses). They run on
 *   without a choice, and so are never in each other's way.
 * - *sync*: stopped at instructions with LOCK alone. To wait for a futex and to wake belong to what was done before that:
 *   whether the word had changed already when the task came to wait for it is all the same to these functions.
 * - *once*: of 'sync', those that have taken effect with the first such instruction; what follows is about that.
 * - *lock*: of 'sync', those that change a word from 0 and otherwise wait until it is 0: there is no need to try where it isn't.
 * - *await*: what they read says that somebody did what they wait for: that comes before what they do next, always.
 */
import { type AccessKind, KIND_READ } from '../../emu/watch.ts'
import type { ChoiceCode } from '../../kernel/config.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { AddressSpace } from '../../kernel/mm/address-space.ts'
import type { ElfFile } from '../symbols/elf-file.ts'
import { modulesOf } from '../symbols/modules.ts'

type Class = 'quiet' | 'lock' | 'sync' | 'once' | 'await'

const QUIET = [
  // musl
  '__tl_lock', '__tl_unlock', '__lock', '__unlock', '__vm_lock', '__vm_unlock', '__vm_wait', '__acquire_ptc', '__release_ptc', '__clone', '__unmapself',
  '__pthread_tsd_run_dtors', 'sem_timedwait', 'pthread_rwlock_timedrdlock', '__pthread_rwlock_timedrdlock', 'pthread_rwlock_timedwrlock', '__pthread_rwlock_timedwrlock', '__do_orphaned_stdio_locks', '__dl_thread_cleanup', '__libc_malloc_impl', '__libc_malloc', '__libc_free', '__libc_realloc', '__libc_calloc', '__malloc_alloc_meta',
  '__malloc_allzerop', '__expand_heap', 'alloc_slot', 'alloc_group', 'try_avail', 'free_group', 'nontrivial_free', 'default_malloc',
  // glibc
  'start_thread', 'create_thread', 'allocate_stack', 'get_cached_stack', 'setup_stack_prot', 'clone3', '__clone3', '__clone_internal', '__clone_internal_fallback', '__libc_thread_freeres', '__call_tls_dtors',
  '_dl_allocate_tls', '_dl_allocate_tls_init', '_dl_deallocate_tls', '_dl_allocate_tls_storage', '_int_malloc', '_int_free', '_int_free_merge_chunk', '_int_free_create_chunk',
  '_int_free_maybe_consolidate', '_int_free_chunk', '_int_memalign', '_int_realloc', 'malloc_consolidate', 'sysmalloc', 'sysmalloc_mmap', 'sysmalloc_mmap_fallback', 'systrim',
  'arena_get2', 'arena_get_retry', 'new_heap', 'heap_trim', 'tcache_init', 'tcache_key_initialize', 'ptmalloc_init', 'unlink_chunk', 'detach_arena', 'get_free_list', 'free_perturb', '__malloc_arena_thread_freeres',
  // both
  'pthread_create', '__pthread_create', '__pthread_create_2_1', 'pthread_exit', '__pthread_exit', 'malloc', 'free', 'calloc', 'realloc', 'memalign', 'aligned_alloc', 'posix_memalign',
]
const LOCK = ['pthread_mutex_lock', '__pthread_mutex_lock', '___pthread_mutex_lock', '__lockfile', '__pthread_mutex_cond_lock']
const SYNC = [
  // Not those that say at once whether there is what they ask for: what these read is seen by the program.
  'pthread_mutex_timedlock', '__pthread_mutex_timedlock', 'pthread_mutex_trylock', '__pthread_mutex_trylock', '___pthread_mutex_trylock', 'pthread_mutex_unlock', '__pthread_mutex_unlock', '___pthread_mutex_unlock', '__pthread_mutex_unlock_usercnt',
  '__unlockfile', 'sem_post', '__new_sem_post', 'pthread_rwlock_unlock', '__pthread_rwlock_unlock', '__syscall_cp', '__syscall_cp_c', '__syscall_cp_asm', 'sccp', '__wake',
]
const ONCE = [
  'pthread_barrier_wait', '__pthread_barrier_wait', '___pthread_barrier_wait', 'pthread_cond_wait', 'pthread_cond_timedwait', '__pthread_cond_timedwait', '__pthread_cond_wait', '___pthread_cond_wait', '___pthread_cond_timedwait',
  '__private_cond_signal',
]
const AWAIT = [
  '__wait', '__timedwait', '__timedwait_cp', '__tl_sync', 'pthread_join', '__pthread_join', '___pthread_join', '__pthread_timedjoin_np', 'pthread_timedjoin_np', '__pthread_clockjoin_ex',
  '__futex_abstimed_wait64', '__futex_abstimed_wait_cancelable64', '__futex_abstimed_wait_common', '__futex_abstimed_wait_common64', '__lll_lock_wait', '__lll_lock_wait_private', '__lll_lock_wake', '__lll_lock_wake_private',
]
const CLASSES: ReadonlyMap<string, Class> = new Map([
  ...QUIET.map((name) => [name, 'quiet'] as const), ...LOCK.map((name) => [name, 'lock'] as const), ...SYNC.map((name) => [name, 'sync'] as const), ...ONCE.map((name) => [name, 'once'] as const), ...AWAIT.map((name) => [name, 'await'] as const),
])
/** Whatever begins so. */
const QUIET_PREFIX = '__nptl_'

interface Range { readonly start: number, readonly end: number, readonly is: Class }

/** Names with this beginning are the library's; others a program may have for something else, which then has several of them, or no library in itself. */
const isReserved = (name: string): boolean => name.startsWith('_') || name.startsWith('pthread_')

const rangesOf = ({ functions }: ElfFile): Range[] => {
  if (!functions.some(({ name }) => name === '__libc_start_main' || name === 'pthread_create')) return []
  const counts = new Map<string, number>()
  for (const { name } of functions) counts.set(name, (counts.get(name) ?? 0) + 1)
  return functions.flatMap(({ name, address, size }, i): Range[] => {
    // Compilers name the parts of a function after it.
    const whole = name.replace(/[.@].*$/, '')
    const is = CLASSES.get(whole) ?? (whole.startsWith(QUIET_PREFIX) ? 'quiet' : undefined)
    if (is === undefined || (!isReserved(whole) && (counts.get(name) ?? 0) > 1)) return []
    const next = functions.at(i + 1)?.address ?? address
    return [{ start: address, end: size > 0 ? address + size : next, is }]
  })
}

const byFile = new WeakMap<ElfFile, readonly Range[]>()

/** Ranges as pairs of numbers, in order. */
const pairs = (ranges: readonly Range[], areJoined = true): number[] => {
  const joined: number[] = []
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = joined.length - 1
    if (areJoined && last > 0 && start <= joined[last]) joined[last] = Math.max(joined[last], end)
    else joined.push(start, end)
  }
  return joined
}

export class Library {
  readonly code: ChoiceCode
  readonly #ranges: readonly Range[]
  readonly #known = new Map<number, Class | undefined>()

  /** Of what is mapped now. */
  constructor(kernel: Kernel, space: AddressSpace | undefined) {
    this.#ranges = (space === undefined ? [] : modulesOf(kernel, space)).flatMap(({ module: { elf }, bias }) => {
      let own = byFile.get(elf)
      if (own === undefined) {
        own = rangesOf(elf)
        byFile.set(elf, own)
      }
      return own.map(({ start, end, is }) => ({ start: start + bias, end: end + bias, is }))
    })
    const of = (isWanted: (is: Class) => boolean, areJoined = true): number[] => pairs(this.#ranges.filter(({ is }) => isWanted(is)), areJoined)
    this.code = { quiet: of((is) => is === 'quiet'), sync: of((is) => is === 'lock' || is === 'sync' || is === 'await'), once: of((is) => is === 'once', false) }
  }

  #classOf(rip: number): Class | undefined {
    if (!this.#known.has(rip)) this.#known.set(rip, this.#ranges.find(({ start, end }) => rip >= start && rip < end)?.is)
    return this.#known.get(rip)
  }

  /** An access with which no order begins that could be otherwise. */
  isUnseen(rip: number, kind: AccessKind): boolean {
    const is = this.#classOf(rip)
    return is === 'quiet' || (kind === KIND_READ && (is === 'lock' || is === 'sync' || is === 'once'))
  }

  isPart(rip: number): boolean { return this.#classOf(rip) !== undefined }
  isLock(rip: number): boolean { return this.#classOf(rip) === 'lock' }
  isAwait(rip: number): boolean { return this.#classOf(rip) === 'await' }
}
