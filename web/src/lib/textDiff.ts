/** Two texts compared line by line, and which tables of a TOML file a change touches. */

export interface DiffLine {
  kind: 'same' | 'gone' | 'new'
  text: string
  /** Line in the new text, counted from 1; of a line that is gone, the one it stood before. */
  line: number
}

/** Beyond so many pairs of lines the middle is shown as replaced whole: the browser stays alive. */
const MAX_CELLS = 4_000_000

/** The lines of `after`, with those of `before` that are gone; longest common subsequence. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = before.split('\n')
  const b = after.split('\n')
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    tail += 1
  }
  const out: DiffLine[] = b.slice(0, head).map((text, i) => ({ kind: 'same', text, line: i + 1 }))
  out.push(...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head + 1))
  const rest = b.length - tail
  out.push(...b.slice(rest).map((text, i): DiffLine => ({ kind: 'same', text, line: rest + i + 1 })))
  return out
}

function middle(a: string[], b: string[], first: number): DiffLine[] {
  const width = b.length + 1
  const whole = (a.length + 1) * width > MAX_CELLS
  // common[i * width + j]: how many lines a[i..] and b[j..] have in common, in order
  const common = new Uint32Array(whole ? 0 : (a.length + 1) * width)
  const at = (i: number, j: number): number => common[i * width + j] ?? 0
  for (let i = a.length - 1; i >= 0 && !whole; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const out: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const line = first + j
    if (!whole && i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ kind: 'same', text: b[j] ?? '', line })
      i += 1
      j += 1
    } else if (i < a.length && (j >= b.length || whole || at(i + 1, j) >= at(i, j + 1))) {
      out.push({ kind: 'gone', text: a[i] ?? '', line })
      i += 1
    } else {
      out.push({ kind: 'new', text: b[j] ?? '', line })
      j += 1
    }
  }
  return out
}

/** Only what changed, with `around` lines of its neighbourhood; null stands where lines are left out. */
export function hunks(lines: DiffLine[], around = 2): (DiffLine | null)[] {
  const near = new Set<number>()
  lines.forEach((one, at) => {
    if (one.kind === 'same') return
    for (let i = at - around; i <= at + around; i += 1) near.add(i)
  })
  const out: (DiffLine | null)[] = []
  lines.forEach((one, at) => {
    if (near.has(at)) out.push(one)
    else if (out.length > 0 && out[out.length - 1] !== null) out.push(null)
  })
  if (out[out.length - 1] === null) out.pop()
  return out
}

const TABLE = /^\s*\[{1,2}([^[\]]+)\]{1,2}\s*(?:#.*)?$/

/** The tables (`queues.news`) in which lines came or went, in order; '' is the top of the file. */
export function touchedTables(lines: DiffLine[]): string[] {
  const out = new Set<string>()
  let before = ''
  let after = ''
  for (const { kind, text } of lines) {
    const table = TABLE.exec(text)?.[1]?.trim()
    if (table !== undefined) {
      if (kind !== 'new') before = table
      if (kind !== 'gone') after = table
    }
    const nothing = text.trim() === ''
    if (kind === 'gone' && !nothing) out.add(before)
    if (kind === 'new' && !nothing) out.add(after)
  }
  return [...out]
}
