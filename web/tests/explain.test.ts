import { describe, expect, it } from 'vitest'
import type { Candidate, Explanation } from '../src/api/types'
import { reasonValues, stepsOf, type Words } from '../src/lib/explain'

const words: Words = {
  queue: (id) => `Q:${id}`,
  agent: (id) => `A:${id}`,
  moment: (iso) => iso ?? '–',
  duration: (seconds) => `${seconds}s`,
}

const candidate = (agent: string, place: number | null): Candidate => ({ agent, name: '', place, level: 0, reasons: [] })

const told = (fields: Partial<Explanation> = {}): Explanation => ({
  at: '2026-01-31T08:01:20Z',
  state: 'waiting',
  queue: 'news',
  strategy: 'longest_idle',
  position: 2,
  waiting_since: '2026-01-31T08:00:00Z',
  head_start_s: 0,
  requirements: [],
  relaxes_at: null,
  levels_reached: null,
  preferred_agent: null,
  asked_now: [],
  candidates: [],
  ...fields,
})

const keys = (one: Explanation): string[] => stepsOf(one, words).map(({ key }) => key.replace('explain.', ''))

describe('why a caller waits', () => {
  it('says that nobody has to be chosen outside of queues', () => {
    expect(keys(told({ queue: null }))).toEqual(['no_queue'])
  })

  it('goes from the queue to who is asked', () => {
    const full = told({
      head_start_s: 30,
      requirements: [
        { skill: 'en', level: 3, required: true, weight: 1 },
        { skill: 'ads', level: 1, required: false, weight: 1 },
      ],
      relaxes_at: '2026-01-31T08:02:00Z',
      levels_reached: 1,
      preferred_agent: 'li',
      candidates: [candidate('wu', 1), candidate('hu', null)],
    })
    expect(keys(full)).toEqual([
      'queue', 'position', 'head_start', 'required', 'preferred', 'relaxes', 'levels', 'preferred_agent', 'next',
    ])
    const steps = stepsOf(full, words)
    expect(steps[1]?.values).toEqual({ n: 2, wait: '80s' })
    expect(steps[8]?.values).toEqual({ agent: 'A:wu', n: 1 })
  })

  it('ends in who rings, or in nobody', () => {
    expect(keys(told({ asked_now: ['li'] })).at(-1)).toBe('asked')
    const free = told({ candidates: [candidate('hu', null)] })
    expect(stepsOf(free, words, ['hu']).at(-1)).toEqual({ key: 'explain.asked', values: { agents: 'A:hu' } })
    const nobody = stepsOf(told({ candidates: [candidate('hu', null)] }), words).at(-1)
    expect(nobody).toEqual({ key: 'explain.nobody', values: { n: 1 } })
  })
})

it('a reason names what it is about', () => {
  const details = { skill: 'en', level: 3, has: null, agent: 'li' }
  expect(reasonValues({ code: 'skill_missing', change: 'wait', at: null, details }, words)).toEqual({
    skill: 'en', level: 3, has: '–', limit: '–', agent: 'A:li', why: '–', at: '–',
  })
})
