import { describe, expect, it } from 'vitest'
import { diffLines, hunks, touchedTables } from '../src/lib/textDiff'

const kinds = (before: string, after: string) =>
  diffLines(before, after).map(({ kind, text }) => `${{ same: ' ', gone: '-', new: '+' }[kind]}${text}`)

describe('two texts', () => {
  it('are compared line by line', () => {
    expect(kinds('a\nb\nc\nd', 'a\nx\nc\nd\ne')).toEqual([' a', '-b', '+x', ' c', ' d', '+e'])
    expect(kinds('a', 'a')).toEqual([' a'])
    expect(kinds('', 'a')).toEqual(['-', '+a'])
  })

  it('give both texts back, whatever they are', () => {
    let seed = 7
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n
    const text = () => Array.from({ length: random(12) }, () => 'abc'[random(3)]).join('\n')
    for (let n = 0; n < 300; n += 1) {
      const [before, after] = [text(), text()]
      const lines = diffLines(before, after)
      const side = (gone: string) => lines.filter((one) => one.kind !== gone).map((one) => one.text).join('\n')
      expect([side('new'), side('gone')]).toEqual([before, after])
      for (const one of lines) if (one.kind !== 'gone') expect(after.split('\n')[one.line - 1]).toBe(one.text)
    }
  })

  it('too large to compare are shown as replaced, and in time', () => {
    const many = (word: string) => Array.from({ length: 3000 }, (_, n) => `${word} ${n}`).join('\n')
    expect(diffLines(many('a'), many('b'))).toHaveLength(6000)
  })

  it('are shown where they differ', () => {
    const shown = hunks(diffLines('1\n2\n3\n4\n5\n6\n7\n8', '1\nx\n3\n4\n5\n6\ny\n8'), 1)
    expect(shown.map((one) => one?.text ?? '…')).toEqual(['1', '2', 'x', '3', '…', '6', '7', 'y', '8'])
    expect(hunks(diffLines('a', 'a'))).toEqual([])
  })
})

it('a change of a configuration names the tables it touches', () => {
  const before = 'top = 1\n[queues.news]\nname = "a"\n[[entries]]\ndid = "1"\n[agents.li]\nphone = "1"\n'
  const after = 'top = 2\n[queues.news] # hot\nname = "b"\n[[entries]]\ndid = "1"\n\n[agents.wang]\nphone = "2"\n'
  expect(touchedTables(diffLines(before, after))).toEqual(['', 'queues.news', 'agents.li', 'agents.wang'])
})
