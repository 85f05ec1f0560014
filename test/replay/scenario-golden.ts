/** Scenarios whose failing (or holding) run under one seed is kept in traces/scenario-NAME.rgt. */
export const SCENARIO_GOLDEN: readonly { readonly name: string, readonly seed: string }[] = [
  { name: 'lost-update', seed: '11' }, { name: 'aba', seed: '171' }, { name: 'philosophers', seed: '418' }, { name: 'double-checked', seed: '579' },
  { name: 'log-rotate', seed: '498' }, { name: 'partition', seed: '1' }, { name: 'partition-idempotent', seed: '1' }, { name: 'power-loss', seed: '2' }, { name: 'power-loss-synced', seed: '2' },
  { name: 'clock-jumps', seed: '2' },
]
