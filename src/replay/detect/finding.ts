/** What a detector has to say: plain data, for people. */
export interface Finding {
  /** The same for what is the same, whoever comes first. */
  readonly line: string
  readonly details: readonly string[]
}
