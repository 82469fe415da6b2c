import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { belongings, type Mention } from '../src/api/belongings'
import type { Page } from '../src/api/types'
import { useMentions } from '../src/store/mentions'

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => void vi.restoreAllMocks())

it('what was read stays read when an older answer comes after it', async () => {
  const mention = { id: '1' } as Mention
  const list: Page<Mention> = { items: [mention], next: null }
  const answers: ((page: Page<Mention>) => void)[] = []
  vi.spyOn(belongings, 'mentions').mockImplementation(() => new Promise((resolve) => answers.push(resolve)))
  vi.spyOn(belongings, 'readMention').mockResolvedValue(undefined)
  const mentions = useMentions()

  const first = mentions.load()
  answers[0]!(list)
  await first
  expect(mentions.count).toBe(1)
  const late = mentions.load()
  await mentions.read(mention)
  answers[1]!(list)
  await late
  expect(mentions.count).toBe(0)
})
