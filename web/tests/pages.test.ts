import { describe, expect, it } from 'vitest'
import { ApiError } from '../src/api/http'
import type { Page } from '../src/api/types'
import { usePages } from '../src/lib/pages'
import { duration, secondsSince } from '../src/lib/time'

describe('a list that comes page by page', () => {
  it('appends what follows and begins anew', async () => {
    const asked: (string | null)[] = []
    const pages = usePages<number>((cursor) => {
      asked.push(cursor)
      return Promise.resolve(cursor === null ? { items: [1, 2], next: 'c' } : { items: [3], next: null })
    })
    await pages.load()
    await pages.load(true)
    expect([pages.items.value, pages.next.value, asked]).toEqual([[1, 2, 3], null, [null, 'c']])
    const again = pages.restart()
    expect(pages.asked.value).toBe(false)
    await again
    expect(pages.items.value).toEqual([1, 2])
  })

  it('shows only the answer to the newest question', async () => {
    const answers: ((page: Page<string>) => void)[] = []
    const pages = usePages<string>(() => new Promise((resolve) => answers.push(resolve)))
    const first = pages.load()
    const second = pages.load()
    answers[1]?.({ items: ['new'], next: null })
    await second
    answers[0]?.({ items: ['old'], next: 'x' })
    await first
    expect([pages.items.value, pages.next.value, pages.busy.value]).toEqual([['new'], null, false])
  })

  it('keeps a failure of the server to show it, and throws what is a bug', async () => {
    let error: Error = new ApiError(403, 'forbidden', '')
    const pages = usePages<string>(() => Promise.reject(error))
    await pages.load()
    expect([pages.problem.value?.code, pages.asked.value]).toEqual(['forbidden', true])
    error = new TypeError('a bug')
    await expect(pages.load()).rejects.toThrow('a bug')
  })
})

it('the epoch is no time to count from', () => {
  expect(secondsSince('1970-01-01T00:00:00.000Z', Date.now())).toBeNull()
  expect(duration(secondsSince('1970-01-01T00:00:01.000Z', 3000))).toBe('0:02')
})
