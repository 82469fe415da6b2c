import { describe, expect, it } from 'vitest'
import { labelOf, placesAfter } from '../src/lib/dictionaries'

const entries = ['a', 'b', 'c', 'd'].map((code, index) => ({ code, position: index + 1 }))

describe('the order of a dictionary', () => {
  it('writes only the places that change', () => {
    expect([...placesAfter(entries, 1, 2)]).toEqual([['c', 2], ['b', 3]])
    expect([...placesAfter(entries, 0, 3)]).toEqual([['b', 1], ['c', 2], ['d', 3], ['a', 4]])
  })

  it('gives places to those that had none', () => {
    const bare = entries.map((one) => ({ ...one, position: one.code === 'a' ? 1 : 0 }))
    expect([...placesAfter(bare, 3, 2)]).toEqual([['b', 2], ['d', 3], ['c', 4]])
  })

  it('does nothing beyond its ends', () => {
    expect(placesAfter(entries, 0, -1).size).toBe(0)
    expect(placesAfter(entries, 3, 4).size).toBe(0)
    expect(placesAfter([], 0, 0).size).toBe(0)
  })
})

it('a code is named in the language of the reader', () => {
  const entry = { label_zh: '线索', label_en: 'News tip' }
  expect([labelOf(entry, 'zh-CN'), labelOf(entry, 'en')]).toEqual(['线索', 'News tip'])
})
