/** A report as one page that needs nothing else: threads are columns, time goes down. */
import type { Entry, Report, Stretch, Variable } from './model.ts'

const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
  // Other control characters would not survive, or act on whoever reads.
  // eslint-disable-next-line no-control-regex
  .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '\ufffd')

/** Hues of variables, far from the red of a preemption and from each other. */
const HUES = [212, 150, 38, 280, 180, 320, 95, 245]

const STYLE = `
:root { color-scheme: light dark;
  --bg: light-dark(#f7f7f8, #15171a); --card: light-dark(#fff, #1e2126); --fg: light-dark(#1c1e21, #e4e6ea); --dim: light-dark(#686d76, #979da8);
  --line: light-dark(#dcdee2, #343941); --bad: light-dark(#c0202a, #ff7b72); --bad-bg: light-dark(#fdecec, #3a1d20); --good: light-dark(#1a7f37, #57c26b); --good-bg: light-dark(#e9f6ec, #182c1e);
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem clamp(1rem, 3vw, 3rem) 4rem; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
main { max-width: 110rem; margin: 0 auto; }
h1 { font-size: 1.45rem; margin: 0 0 .25rem; line-height: 1.3; overflow-wrap: anywhere; } h1 small { color: var(--bad); font-weight: 600; margin-right: .5rem; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .6rem; }
code, pre { font-family: var(--mono); font-size: .86em; }
.facts { color: var(--dim); margin: 0; } .facts code { color: var(--fg); }
.variables { display: flex; flex-wrap: wrap; gap: .5rem; margin: .75rem 0 0; padding: 0; list-style: none; }
.variables li, .access b { --c: light-dark(hsl(var(--hue) 70% 32%), hsl(var(--hue) 75% 72%)); color: var(--c); }
.variables li { border: 1px solid currentColor; border-radius: 1rem; padding: .05rem .7rem; font: .84rem var(--mono); }
.scroll { overflow-x: auto; padding-bottom: .5rem; }
.lanes { display: grid; grid-template-columns: 4.6rem repeat(var(--threads), minmax(0, 1fr)); column-gap: .9rem; min-width: calc(4.6rem + var(--threads) * 15.5rem); }
.head { position: sticky; top: 0; z-index: 1; background: var(--bg); border-bottom: 2px solid var(--line); padding: .4rem .2rem; font-weight: 600; }
.head span { display: block; font-weight: 400; color: var(--dim); font-size: .82rem; }
.time { color: var(--dim); font: .76rem var(--mono); text-align: right; padding-top: .85rem; white-space: nowrap; }
.rail { position: relative; } .rail::before { content: ''; position: absolute; left: 50%; top: 0; bottom: 0; border-left: 1px dashed var(--line); }
.stretch { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .45rem 0; overflow: hidden; box-shadow: 0 1px 2px light-dark(#0001, #0006); min-width: 0; }
.stretch.preempted { border-color: var(--bad); }
.stretch ol { list-style: none; margin: 0; padding: .45rem .7rem; }
.stretch li { display: flex; gap: .75rem; justify-content: space-between; font: .8rem/1.55 var(--mono); }
.stretch li > :first-child { overflow-wrap: anywhere; } .stretch li > i { color: var(--dim); font-style: normal; white-space: nowrap; font-size: .92em; }
li.access { --c: light-dark(hsl(var(--hue) 70% 32%), hsl(var(--hue) 75% 72%)); border-left: 3px solid var(--c); margin: 0 -.7rem; padding: 0 .7rem 0 calc(.7rem - 3px); background: light-dark(hsl(var(--hue) 70% 50% / .08), hsl(var(--hue) 70% 60% / .12)); }
li.write > :first-child { font-weight: 600; } li.more, li.call { color: var(--dim); } li.signal, li.output { color: var(--fg); }
.end { border-top: 1px solid var(--line); padding: .35rem .7rem; font-size: .82rem; color: var(--dim); overflow-wrap: anywhere; }
.preempted .end { background: var(--bad-bg); color: var(--bad); border-color: var(--bad); } .end strong { font-weight: 650; }
.end code { color: inherit; }
.source { margin: 0; padding: .4rem 0; border-top: 1px solid var(--line); overflow-x: auto; tab-size: 4; }
.source span { display: block; padding: 0 .7rem; white-space: pre; } .source span::before { content: attr(data-n); display: inline-block; width: 2.6rem; margin-right: .8rem; text-align: right; color: var(--dim); }
.source .here { background: var(--bad-bg); color: var(--bad); }
details { padding: 0 .7rem .4rem; font-size: .8rem; color: var(--dim); } summary { cursor: pointer; } details pre { margin: .2rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.pass { background: var(--good-bg); color: var(--good); border-top: 1px solid var(--good); padding: .4rem .7rem; font-size: .84rem; }
.gap { grid-column: 1 / -1; text-align: center; color: var(--dim); padding: .5rem; }
.box { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; margin: 0; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.box.bad { border-left: 4px solid var(--bad); }
footer { margin-top: 3rem; color: var(--dim); font-size: .82rem; }
`

const ENDS: Readonly<Record<Stretch['end'], string>> = {
  preempted: 'preempted', waits: 'waits', yields: 'gives up its turn', ends: 'ends', 'end of the run': 'the run ends here',
}

const hue = (variable: number): string => `--hue: ${HUES[variable % HUES.length]}`

const entryHtml = ({ kind, text, at, variable, isWrite }: Entry): string => {
  const place = at === undefined ? '' : `<i>${escape(at)}</i>`
  return `<li class="${kind}${isWrite ? ' write' : ''}"${variable === undefined ? '' : ` style="${hue(variable)}"`}><span>${kind === 'more' ? '… ' : ''}${escape(text)}</span>${place}</li>`
}

const sourceHtml = ({ stop }: Stretch): string => {
  const source = stop?.source
  if (source === undefined || source.lines.length === 0) return ''
  const lines = source.lines.map(({ number, text }) => `<span data-n="${number}"${number === source.line ? ' class="here"' : ''}>${escape(text) || ' '}</span>`)
  return `<pre class="source"><code>${lines.join('')}</code></pre>`
}

const stretchHtml = (report: Report, stretch: Stretch, index: number): string => {
  const isPreempted = stretch.end === 'preempted'
  const place = stretch.stop === undefined ? '' : `${stretch.stop.text.startsWith('after') ? '' : stretch.end === 'waits' ? ' in' : ' at'} <code>${escape(stretch.stop.text)}</code>`
  const callers = stretch.stop === undefined || stretch.stop.frames.length < 2 ? '' : `<details><summary>callers</summary><pre>${stretch.stop.frames.map(escape).join('\n')}</pre></details>`
  const passing = report.passing?.stretch === index ? `<div class="pass">${escape(report.passing.how)}</div>` : ''
  const row = `<div class="time">${(stretch.seconds * 1e6).toFixed(2)} µs</div>`
  const cells = report.threads.map((_, thread) => thread !== stretch.thread ? '<div class="rail"></div>'
    : `<section class="stretch${isPreempted ? ' preempted' : ''}">${stretch.entries.length === 0 ? `<ol><li class="more"><span>${stretch.cycles} cycles</span></li></ol>` : `<ol>${stretch.entries.map(entryHtml).join('')}</ol>`}`
      + `<div class="end"><strong>${ENDS[stretch.end]}</strong>${place}${report.cpus > 1 ? ` <span>(CPU ${stretch.cpu})</span>` : ''}</div>${isPreempted ? sourceHtml(stretch) : ''}${callers}${passing}</section>`)
  return row + cells.join('')
}

const variableHtml = ({ name, isLock }: Variable, index: number): string => `<li style="${hue(index)}">${escape(name)}${isLock ? ' (atomic)' : ''}</li>`

export const reportHtml = (report: Report): string => {
  const { failure, command, seed, preemptions, threads, variables, races, explanation, output, trace, events, leftOut, leftOutAfter, cpus } = report
  const heads = threads.map(({ tid, name, start, host }) => `<div class="head">${host === undefined ? '' : `${escape(host)}: `}task ${tid}<span>${escape(start ?? name)}</span></div>`)
  const rows = report.stretches.map((stretch, i) => (leftOut > 0 && i === leftOutAfter ? `<div class="gap">… ${leftOut} switches left out …</div>` : '') + stretchHtml(report, stretch, i))
  const part = (title: string, content: string): string => content === '' ? '' : `<h2>${title}</h2>${content}`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="generator" content="Retrograde">
<title>${escape(failure)}</title><style>${STYLE}</style></head><body><main>
<h1>${report.hasFailed ? '<small>fails</small>' : ''}${escape(failure)}</h1>
<p class="facts"><code>${escape(command.join(' '))}</code> · ${threads.length} task${threads.length === 1 ? '' : 's'} · ${preemptions} preemption${preemptions === 1 ? '' : 's'} · ${cpus} CPU${cpus === 1 ? '' : 's'} · seed ${escape(seed)} · ${events} events</p>
${variables.length === 0 ? '' : `<ul class="variables">${variables.map(variableHtml).join('')}</ul>`}
${part('What happens', `<div class="scroll"><div class="lanes" style="--threads: ${threads.length}"><div class="head"></div>${heads.join('')}${rows.join('\n')}</div></div>`)}
${part('How it ends', explanation.length === 0 ? '' : `<pre class="box bad">${escape(explanation.join('\n'))}</pre>`)}
${part('Data races', races.map((race) => `<pre class="box">${escape(race.join('\n'))}</pre>`).join('\n'))}
${part('Output', output === '' ? '' : `<pre class="box">${escape(output)}</pre>`)}
<footer>Replay it: <code>retrograde replay ${escape(trace)}</code></footer>
</main></body></html>
`
}
