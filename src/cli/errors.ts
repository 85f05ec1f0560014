/** How the command line fails: one line on stderr, and the status. */

/** Retrograde's own failure, as with other tools that run a program. */
export const EXIT_FAILURE = 125
/** A replay that differs from its trace; two traces that differ. */
export const EXIT_DIVERGED = 3

/** Something that the user can mend: the message says what and where. */
export class UsageError extends Error {}
