/** Which guide and which search go by which name: to add one, a row here and in SEARCHES (plan.ts). */
import { BoundedGuide, BoundedSearch } from './bounded.ts'
import { DporGuide, DporSearch } from './dpor.ts'
import type { Library } from './library.ts'
import { NoveltyGuide, NoveltySearch } from './novelty.ts'
import type { Guide, Plan, Search, SearchName } from './plan.ts'

/** @param library of the program: of 'dpor' and 'novelty' */
export const guideFor = (plan: Plan | undefined, library: Library | undefined): Guide | undefined =>
  plan === undefined ? undefined : plan.search === 'dpor' ? new DporGuide(plan, library) : plan.search === 'novelty' ? new NoveltyGuide(plan, library) : new BoundedGuide(plan)

/** A number of 31 bits that is the same for the same text (FNV-1a). */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 1
}

/** @param mostBound of preemptions or delays */
export const makeSearch = (name: SearchName, seed: string, mostBound: number): Search =>
  name === 'dpor' ? new DporSearch() : name === 'novelty' ? new NoveltySearch(hashOf(seed)) : new BoundedSearch(name, hashOf(seed), mostBound)
