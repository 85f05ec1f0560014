/**
 * Leaves out what a failure does not need, in chunks of a half, a quarter … and one by one: after ddmin (Zeller and Hildebrandt, 'Simplifying
 * and Isolating Failure-Inducing Input', IEEE TSE 2002), without its trials of chunks alone.
 *
 * Yields after each trial, so that whoever drives it can stop.
 * @param count how many there are now
 * @param without tries it without `size` of them from `from` on; true if these are gone for good
 */
export function* leaveOut(count: () => number, without: (from: number, size: number) => boolean): Generator<undefined, void> {
  for (let size = Math.ceil(count() / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < count();) {
      if (!without(from, Math.min(size, count() - from))) from += size
      yield undefined
    }
  }
}
