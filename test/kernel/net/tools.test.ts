/** Programs that configure, ask and use networks: iproute2 and busybox, on hosts that are joined by links. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { LinkConfig } from '../../../src/kernel/config.ts'
import { type GuestResult, runGuest } from '../../support/run-guest.ts'

const onlyWith = (...programs: readonly string[]): typeof test | typeof test.skip => programs.every((path) => existsSync(path)) ? test : test.skip
const sh = (script: string): string[] => ['/bin/busybox', 'sh', '-c', script]
const FAST = { latencyCycles: 1e6, bytesPerSecond: 12.5e6 }

const SCRIPT = join(import.meta.dirname, 'iproute.sh')
const withoutWords = (text: string): string[] => text.split('\n').filter((line) => !/^(Error|RTNETLINK)/.test(line))
const isRoot = process.getuid?.() === 0 && spawnSync('unshare', ['-n', 'true']).status === 0
;(isRoot ? onlyWith('/usr/sbin/ip', '/usr/bin/unshare', '/usr/sbin/ifconfig', '/bin/sh') : test.skip)('ip and ifconfig say what they say on Linux (for root, with iproute2)', (t) => {
  const native = spawnSync('unshare', ['-n', 'sh', SCRIPT], { encoding: 'latin1' })
  const { stdout, stderr } = runGuest({ argv: ['/usr/bin/unshare', '-n', 'sh', SCRIPT], cpus: 1, strategy: 'round-robin' })
  // What goes to the standard error is in no order with the rest.
  t.deepEqual(withoutWords(stdout), withoutWords(native.stdout))
  t.deepEqual(withoutWords(stderr), withoutWords(native.stderr))
})

const two = (server: string, client: string, link: Partial<LinkConfig> = {}): GuestResult => runGuest({
  hosts: [{ name: 'server', argv: sh(server), main: false }, { name: 'client', argv: sh(client) }],
  links: [{ ends: [{ host: 'server', interface: 'eth0', address: '10.0.0.1/24' }, { host: 'client', interface: 'eth0', address: '10.0.0.2/24' }], ...FAST, ...link }], cycleLimit: 300e9,
})

onlyWith('/bin/busybox')('ping, arping, traceroute, nc between two hosts', (t) => {
  const { outputs, stderr, stop } = two('nc -l -p 7 -e cat & exec sleep 200', `sleep 1
    ping -c 2 -i 0.1 10.0.0.1 | grep -A1 -e ---; ping -c 1 -W 1 10.0.0.9 | grep packets; arping -c 1 -I eth0 10.0.0.1 | head -2 | tail -1 | cut -d' ' -f1-4
    traceroute -n -q 1 10.0.0.1 | tail -1 | cut -c1-12; (echo hello; sleep 1) | nc 10.0.0.1 7; nc 10.0.0.1 99; echo "refused $?"; nc 10.0.0.9 99; echo "nobody $?"; nc 10.1.1.1 1; echo "no way $?"
    arp -n | cut -d' ' -f2-4; route -n | tail -1; ifconfig eth0 | grep -c RUNNING; ip neigh | grep -c FAILED; netstat -tn | tail -n +3 | tr -s ' ' | cut -d' ' -f4-6`)
  t.deepEqual(outputs[1].split('\n'), [
    '--- 10.0.0.1 ping statistics ---', '2 packets transmitted, 2 packets received, 0% packet loss', '1 packets transmitted, 0 packets received, 100% packet loss', 'Unicast reply from 10.0.0.1',
    ' 1  10.0.0.1', 'hello', 'refused 1', 'nobody 1', 'no way 1', '(10.0.0.1) at 02:53:00:00:00:01', '(10.0.0.9) at <incomplete>',
    '10.0.0.0        0.0.0.0         255.255.255.0   U     0      0        0 eth0', '1', '1', '10.0.0.2:32770 10.0.0.1:7 TIME_WAIT', '',
  ])
  t.is(stderr, "nc: can't connect to remote host (10.0.0.1): Connection refused\nnc: can't connect to remote host (10.0.0.9): No route to host\nnc: can't connect to remote host (10.1.1.1): Network is unreachable\n")
  t.is(stop.reason, 'exited')
})

onlyWith('/bin/busybox', '/usr/sbin/nginx', '/usr/bin/curl')('nginx and curl on two hosts, over a link that loses packets', (t) => {
  const config = 'daemon off; master_process off; pid /tmp/pid; error_log stderr crit; events {} http { access_log off; server { listen 10.0.0.1:80; root /tmp/html; location /hi { return 200 "hello\\n"; } } }'
  const { outputs } = two(`mkdir -p /tmp/html /var/lib/nginx; seq 20000 > /tmp/html/numbers; echo '${config}' > /tmp/conf; exec /usr/sbin/nginx -p /tmp -c /tmp/conf`,
    'sleep 2; curl -s http://10.0.0.1/hi; curl -s http://10.0.0.1/numbers | md5sum; seq 20000 | md5sum; curl -s -o /dev/null -w "%{http_code} %{remote_ip} %{local_ip}\\n" http://10.0.0.1/none', { loss: 0.03, duplicate: 0.02 })
  const lines = outputs[1].split('\n')
  t.is(lines[0], 'hello')
  t.is(lines[1], lines[2])
  t.is(lines[3], '404 10.0.0.1 10.0.0.2')
})

onlyWith('/usr/bin/git', '/usr/lib/git-core/git-daemon')('git clone over git:// between two hosts', (t) => {
  const { outputs } = two('export HOME=/tmp; cd /tmp; git init -q r; cd r; git config user.name a; git config user.email a@b; seq 500 > f; git add f; git commit -qm one; exec git daemon --reuseaddr --export-all --base-path=/tmp /tmp',
    'export HOME=/tmp; sleep 5; cd /tmp; git clone -q git://10.0.0.1/r c; seq 500 | cmp - c/f && echo same; git -C c log --oneline | wc -l', { loss: 0.02 })
  t.is(outputs[1], 'same\n1\n')
})

onlyWith('/bin/busybox')('a router between two networks: traceroute, unreachable hosts, and a way with a small MTU', (t) => {
  const { outputs } = runGuest({
    hosts: [
      { name: 'router', argv: sh('echo 1 > /proc/sys/net/ipv4/ip_forward; ifconfig eth1 mtu 600; exec sleep 200'), main: false },
      { name: 'server', argv: sh('seq 3000 > /tmp/numbers; nc -l -p 9 > /tmp/got & exec httpd -f -p 80 -h /tmp'), main: false },
      { name: 'client', argv: sh(`sleep 1; traceroute -n -q 1 10.2.0.1 | tail -2 | cut -c1-12; ping -c 1 -t 1 10.2.0.1 | grep packets; wget -q -O - http://10.2.0.1/numbers | md5sum; seq 3000 | md5sum
        seq 3000 | nc 10.2.0.1 9; sleep 1; wget -q -O - http://10.2.0.1/got | md5sum; ping -c 3 -i 0.1 -s 1400 10.2.0.1 | grep packets; nc 10.2.0.77 1; echo "nobody $?"; grep -c . /proc/net/arp`) },
    ],
    links: [
      { ends: [{ host: 'client', interface: 'eth0', address: '10.1.0.1/24', gateway: '10.1.0.254' }, { host: 'router', interface: 'eth0', address: '10.1.0.254/24' }], ...FAST },
      { ends: [{ host: 'server', interface: 'eth0', address: '10.2.0.1/24', gateway: '10.2.0.254' }, { host: 'router', interface: 'eth1', address: '10.2.0.254/24' }], ...FAST },
    ], cycleLimit: 300e9,
  })
  const lines = outputs[2].split('\n')
  t.deepEqual(lines.slice(0, 3), [' 1  10.1.0.2', ' 2  10.2.0.1', '1 packets transmitted, 0 packets received, 100% packet loss'])
  t.is(lines[3], lines[4])
  t.is(lines[5], lines[4], 'TCP found the MTU')
  t.is(lines[6], '3 packets transmitted, 3 packets received, 0% packet loss', 'in fragments, as the MTU is known by then')
  t.is(lines[7], 'nobody 1')
})

onlyWith('/bin/busybox')('three hosts on a hub; addresses that hosts give themselves', (t) => {
  const up = (n: number): string => `ip addr add 10.3.0.${n}/24 brd + dev eth0`
  const { outputs } = runGuest({
    hosts: [{ name: 'a', argv: sh(`${up(1)}; exec sleep 100`), main: false }, { name: 'b', argv: sh(`${up(2)}; exec sleep 100`), main: false },
      { name: 'c', argv: sh(`${up(3)}; sleep 1; for i in 1 2 4; do ping -c 1 -W 1 10.3.0.$i | grep packets | cut -d, -f2; done; ip -o addr show eth0 | tr -s ' ' | cut -d' ' -f2-6`) }],
    links: [{ ends: ['a', 'b', 'c'].map((host) => ({ host, interface: 'eth0' })), ...FAST }], cycleLimit: 100e9,
  })
  t.deepEqual(outputs[2].split('\n').map((line) => line.trim()).filter((line) => line !== ''), ['1 packets received', '1 packets received', '0 packets received', 'eth0 inet 10.3.0.3/24 brd 10.3.0.255'])
})
