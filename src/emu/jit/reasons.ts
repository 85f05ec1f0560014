/** Why a region is left other than to code outside of it: indices of the counters at REGION_EXITS. */
export const EXIT_REASONS = ['budget', 'read', 'write', 'fault', 'inexact', 'unsupported', 'stale', 'outside'] as const
export type ExitName = typeof EXIT_REASONS[number]
