// @vitest-environment node
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { admin } from '../src/api/admin'
import { belongings } from '../src/api/belongings'
import { crm } from '../src/api/crm'
import { api } from '../src/api/endpoints'
import { ApiError, http } from '../src/api/http'

const MOCK = fileURLToPath(new URL('../dev/mock.mjs', import.meta.url))
/** Stands for whatever a request is about: an id, a thing, its fields. */
const anything = Object.assign(new String('1'), {
  id: '1',
  name: 'x',
  username: 'agent',
  version: 1,
  toISOString: () => '2026-01-01T00:00:00Z',
})

let standIn: ChildProcess
let unanswered: string[]

beforeAll(async () => {
  standIn = spawn(process.execPath, [MOCK], { env: { ...process.env, PORT: '0' }, stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = (await once(createInterface(standIn.stdout!), 'line')) as [string]
  const base = line.split(' ').pop()!
  const real = globalThis.fetch
  let cookie = ''
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const response = await real(base + path, { ...init, headers: { ...init.headers, cookie } })
    cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie
    if (response.status === 501) unanswered.push(`${init.method ?? 'GET'} ${path}`)
    return response
  })
  vi.spyOn(http, 'upload').mockImplementation((path) => http.post(path))
  unanswered = []
  await api.login('admin', 'any')
})
afterAll(() => {
  standIn.kill()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

it('answers everything that the client asks', async () => {
  const { login: _, logout, ...rest } = api
  const asks = [rest, crm, belongings, admin].flatMap((group) => Object.values(group))
  asks.push((path: string) => http.download(`/exports/customers?${path}`, {}, new AbortController().signal, () => undefined))
  asks.push((path: string) => http.download(`/exports/contact-records?${path}`, {}, new AbortController().signal, () => undefined))
  let answered = 0
  for (const ask of [...asks, logout] as ((...given: unknown[]) => unknown)[]) {
    try {
      await ask(anything, anything, anything, anything)
      answered += 1
    } catch (error) {
      // What is not there, or not as it should be, was answered, too.
      if (!(error instanceof ApiError)) throw error
    }
  }
  expect(unanswered).toEqual([])
  expect(answered).toBeGreaterThan(asks.length / 2)
})
