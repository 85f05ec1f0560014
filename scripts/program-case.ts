/** One program of `npm run programs`. */
export interface ProgramCase {
  readonly name: string
  /** What it does here, for the table. */
  readonly does: string
  /** A script for /bin/sh, in a directory of its own with the files below. (dash says `Terminated` of a job only where wait itself sees it end.) */
  readonly script: string
  /** Programs it needs: a path or a name to look up, and the Debian package that has it. */
  readonly needs: readonly (readonly [program: string, aptPackage: string])[]
  readonly files?: Readonly<Record<string, string>>
  /** A script that runs natively, before, in that directory: for what isn't under test. $RETROGRADE is the repository. */
  readonly prepare?: string
  /** Not as root but as `nobody`: some programs refuse root. */
  readonly unprivileged?: boolean
  /** A file of scenarios/ that does on several hosts what the script does natively on this one. What its host `client` prints is compared. */
  readonly scenario?: string
  /** Virtual CPUs; 2 where nothing is said. */
  readonly cpus?: number
  /** Seconds that the recording and each replay may take. */
  readonly limit?: number
}
