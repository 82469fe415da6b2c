import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { api } from '../src/api/endpoints'
import type { UiConfig } from '../src/api/types'
import { useSession } from '../src/store/session'

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => void vi.restoreAllMocks())

it('choices that were asked for earlier do not take the place of newer ones', async () => {
  const answers: ((config: UiConfig) => void)[] = []
  vi.spyOn(api, 'uiConfig').mockImplementation(() => new Promise((resolve) => answers.push(resolve)))
  const session = useSession()
  const choices = (phone: string): UiConfig => ({ pause_reasons: [], dispositions: [], phones: [phone] })

  const first = session.renewConfig()
  const second = session.renewConfig()
  answers[1]!(choices('new'))
  await second
  answers[0]!(choices('old'))
  await first
  expect(session.config.phones).toEqual(['new'])
})
