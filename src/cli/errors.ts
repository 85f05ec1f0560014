/** How the command line fails: one line on stderr, and the status. */

export { EXIT_DIVERGED, EXIT_FAILED, EXIT_INTERRUPTED } from '../replay/session.ts'

/** What was looked for was found. */
export const EXIT_FOUND = 1

/** Something that the user can mend: the message says what and where. */
export class UsageError extends Error {}
