import { run, scenario, waitForExit, waitForOutput } from '../src/replay/scenario/scenario.ts'

/** A key pair for this scenario, and for nothing else. */
export const SSH_KEY = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACBEfeXuegSaE7X+vm5w0mDX0d3R0BW+lsh7PExkq7HzzAAAAIjeAyJd3gMi
XQAAAAtzc2gtZWQyNTUxOQAAACBEfeXuegSaE7X+vm5w0mDX0d3R0BW+lsh7PExkq7HzzA
AAAECVS1300gJ43njp0cEvpSnTCbYJ85uc25Wah/nmsVKcG0R95e56BJoTtf6+bnDSYNfR
3dHQFb6WyHs8TGSrsfPMAAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
`
export const SSH_PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIER95e56BJoTtf6+bnDSYNfR3dHQFb6WyHs8TGSrsfPM test\n'

/** A server without PAM whose keys are in the directory, where `authorized` is, too. It prints `Server listening` when it is ready. */
export const sshServer = (directory: string, address: string, port: number): string => `ssh-keygen -q -t ed25519 -N '' -f ${directory}/host &&
exec /usr/sbin/sshd -D -e -f /dev/null -h ${directory}/host -p ${port} -o ListenAddress=${address} -o UsePAM=no -o PasswordAuthentication=no -o PidFile=none -o StrictModes=no \\
-o AuthorizedKeysFile=${directory}/authorized -o Subsystem='sftp /usr/lib/openssh/sftp-server'`

/** Commands with and without a terminal, scp, sftp; the private key is in \`key\`. */
export const sshClient = (user: string, address: string, port: number): string => `chmod 600 key; seq 100 > numbers
cat > config <<END
Host server
HostName ${address}
Port ${port}
User ${user}
IdentityFile $PWD/key
UserKnownHostsFile $PWD/known
StrictHostKeyChecking accept-new
LogLevel ERROR
END
ssh -F config server 'tty; sort -rn | head -2; exit 3' < numbers; echo "status $?"; ssh -tt -F config server 'tty > /dev/null && stty rows 7 && stty size' < /dev/null
mkdir there; scp -q -F config numbers server:/tmp/retrograde-there; echo "scp $?"
printf 'get /tmp/retrograde-there there/back\\nrm /tmp/retrograde-there\\nls /tmp/retrograde-there\\n' | sftp -q -b - -F config server; echo "sftp $?"; cmp numbers there/back && echo same; wc -l < known`

const EXPECTED = ['not a tty', '100', '99', 'status 3', '7 0\r', 'scp 0', 'sftp> get /tmp/retrograde-there there/back', 'sftp> rm /tmp/retrograde-there',
  'sftp> ls /tmp/retrograde-there', 'sftp 1', 'same', '1']

/** Debian's openssh between two hosts: key exchange, privilege separation with its sandbox, a command, a terminal, scp and sftp, as a user. */
export default scenario({
  name: 'ssh',
  about: 'openssh between two hosts: commands, a terminal, scp, sftp',
  hosts: {
    server: {
      run: ['/bin/sh', '-c', `mkdir -p /run/sshd /home/user /var/log; touch /var/log/lastlog; chown 1000 /home/user; ${sshServer('/etc/ssh', '10.0.0.1', 22)}`], main: false,
      files: {
        '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\nuser:x:1000:1000::/home/user:/bin/sh\n', '/etc/ssh/authorized': SSH_PUBLIC_KEY,
      },
    },
    client: { run: ['/bin/true'], files: { '/home/key': SSH_KEY } },
  },
  links: [{ between: { server: '10.0.0.1/24', client: '10.0.0.2/24' }, latencyMs: 1 }],
  steps: [waitForOutput('server', 'Server listening'), run('client', ['/bin/sh', '-c', `cd /home && ${sshClient('user', '10.0.0.1', 22)}`], 'ssh'), waitForExit('ssh')],
  holds: ({ stdout, exitCode }) => {
    const said = stdout.client.trimEnd().split('\n')
    if (said.join('\n') !== EXPECTED.join('\n')) throw new Error(`the client printed ${said.join(', ')}`)
    return exitCode === 0
  },
  expects: 'always',
  seeds: 1,
})
