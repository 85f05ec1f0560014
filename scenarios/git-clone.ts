import { run, scenario, waitForExit, waitForOutput } from '../src/replay/scenario/scenario.ts'

/** Commits have the same names wherever they are made. */
export const gitEnvironment = {
  GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.org', GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@example.org',
  GIT_AUTHOR_DATE: '2020-01-01T00:00:00Z', GIT_COMMITTER_DATE: '2020-01-01T00:00:00Z', GIT_CONFIG_NOSYSTEM: '1', HOME: '/tmp',
}

/** Makes a repository below the directory and serves it. */
export const gitServer = (directory: string, address: string): string => `mkdir -p ${directory} && cd ${directory} && git init -q -b main repo && cd repo && seq 200 > numbers && git add . &&
git commit -q -m first && sed -i 5d numbers && git commit -q -a -m second && exec $(git --exec-path)/git-daemon --export-all --base-path=${directory} --listen=${address} --enable=receive-pack --verbose`

/** Clones, looks, commits and pushes a branch. */
export const gitClient = (address: string): string => `git clone -q git://${address}/repo copy && cd copy && git log --format='%h %s' && wc -l numbers && git fsck --no-progress && git checkout -q -b side &&
echo new > new && git add new && git commit -q -m third && git push -q origin side && git ls-remote origin && git fetch -q && git status -sb`

/** What the client prints. */
const EXPECTED = ['c0c5e8f second', 'ce13f16 first', '199 numbers', 'HEAD', 'refs/heads/main', 'refs/heads/side', '## side']

/** Debian's git: a clone over git:// from another host, and a push to it. */
export default scenario({
  name: 'git-clone',
  about: 'git clone and push over git:// between two hosts',
  hosts: { server: { run: ['/bin/sh', '-c', gitServer('/srv', '10.0.0.1')], env: gitEnvironment, main: false }, client: { run: ['/bin/true'], env: gitEnvironment } },
  links: [{ between: { server: '10.0.0.1/24', client: '10.0.0.2/24' }, latencyMs: 1 }],
  steps: [waitForOutput('server', 'Ready to rumble'), run('client', ['/bin/sh', '-c', `cd /tmp && ${gitClient('10.0.0.1')}`], 'clone'), waitForExit('clone')],
  holds: ({ stdout, exitCode }) => {
    const said = stdout.client.trim().split('\n').map((line) => line.replace(/^[0-9a-f]{40}\t/, ''))
    if (said.join('\n') !== EXPECTED.join('\n')) throw new Error(`the client printed ${said.join(', ')}`)
    return exitCode === 0
  },
  expects: 'always',
  seeds: 2,
})
