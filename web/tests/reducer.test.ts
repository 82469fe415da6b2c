import { beforeEach, describe, expect, it } from 'vitest'
import type { AgentView, Customer, InteractionView, Pop, QueueView } from '../src/api/types'
import {
  applyEvent,
  applySnapshot,
  currentWork,
  emptyState,
  liveEvent,
  settlePops,
  shownState,
  type LiveState,
} from '../src/store/reducer'

const agent = (changes: Partial<AgentView> = {}): AgentView => ({
  id: '1001',
  name: '李晓雯',
  status: 'available',
  reason: '',
  state: 'idle',
  phone: '1001',
  phone_reachable: true,
  since: '2026-01-05T01:00:00Z',
  interaction: null,
  held: [],
  queues: ['news'],
  teams: [],
  wrap_up_until: null,
  calls_handled: 0,
  disposition_due: null,
  ...changes,
})

const interaction = (changes: Partial<InteractionView> = {}): InteractionView => ({
  id: 'i1',
  channel: 'voice',
  state: 'waiting',
  caller: { number: '+8613800138000', name: '' },
  did: '85991000',
  queue: 'news',
  position: 1,
  priority: 0,
  arrived_at: '2026-01-05T01:00:00Z',
  queued_at: '2026-01-05T01:00:01Z',
  answered_at: null,
  ended_at: null,
  agent: null,
  ringing_agents: [],
  offer: null,
  customer: null,
  customer_name: '',
  recording: false,
  outcome: null,
  ...changes,
})

const pop = (changes: Partial<Pop> = {}): Pop => ({
  interaction: 'i1',
  offer: 'i1.o1',
  queue: 'news',
  caller: { number: '+8613800138000', name: '' },
  did: '85991000',
  customer: null,
  candidates: [],
  history: [],
  arrived_at: '2026-01-05T01:00:00Z',
  at: '2026-01-05T01:00:20Z',
  ...changes,
})

describe('the live picture', () => {
  let state: LiveState
  beforeEach(() => {
    state = emptyState()
    applySnapshot(state, { agents: [agent()], queues: [], interactions: [] })
  })
  const phase = () => currentWork(state, '1001')
  const me = (changes: Partial<AgentView>) => {
    applyEvent(state, { type: 'agent', data: agent(changes) })
    settlePops(state, '1001')
  }

  it('takes an interaction in and drops it when it has ended', () => {
    applyEvent(state, { type: 'interaction', data: interaction() })
    expect(Object.keys(state.interactions)).toEqual(['i1'])
    applyEvent(state, {
      type: 'interaction',
      data: interaction({ ended_at: '2026-01-05T01:05:00Z', outcome: 'answered' }),
    })
    expect(state.interactions).toEqual({})
  })

  it('shows the pop whether it comes before or after the agent’s own event', () => {
    applyEvent(state, { type: 'pop', data: pop() })
    expect(phase()).toEqual({ phase: 'ringing', interaction: 'i1' })
    me({ state: 'reserved', interaction: 'i1' })
    expect(phase()).toEqual({ phase: 'ringing', interaction: 'i1' })

    state = emptyState()
    me({ state: 'ringing', interaction: 'i1' })
    expect(phase()).toEqual({ phase: 'ringing', interaction: 'i1' })
    applyEvent(state, { type: 'pop', data: pop() })
    expect(state.pops['i1']?.closed).toBeNull()
  })

  it('keeps the card through the talk and the wrap-up and puts it away after', () => {
    applyEvent(state, { type: 'pop', data: pop() })
    applyEvent(state, { type: 'interaction', data: interaction({ answered_at: '2026-01-05T01:00:30Z' }) })
    me({ state: 'ringing', interaction: 'i1' })
    applyEvent(state, {
      type: 'pop_closed',
      data: { interaction: 'i1', offer: 'i1.o1', outcome: 'answered' },
    })
    me({ state: 'talking', interaction: 'i1' })
    expect(phase()).toEqual({ phase: 'talking', interaction: 'i1' })
    applyEvent(state, {
      type: 'interaction',
      data: interaction({ answered_at: '2026-01-05T01:00:30Z', ended_at: '2026-01-05T01:05:00Z' }),
    })
    me({ state: 'wrap_up', interaction: 'i1', disposition_due: 'i1' })
    expect(phase()).toEqual({ phase: 'wrap_up', interaction: 'i1' })
    expect(state.pops['i1']?.view?.answered_at).toBe('2026-01-05T01:00:30Z')
    me({ state: 'idle' })
    expect(phase().phase).toBe('none')
    expect(state.pops).toEqual({})
  })

  it('does not take a pop that was sent again during the talk for a new call', () => {
    me({ state: 'talking', interaction: 'i1' })
    applyEvent(state, { type: 'pop', data: pop() })
    expect(phase().phase).toBe('talking')
    me({ state: 'talking', interaction: 'i1' })
    me({ state: 'idle' })
    expect(phase().phase).toBe('none')
  })

  it.each(['declined', 'ring_timeout', 'withdrawn', 'failed', 'answered_elsewhere', 'abandoned'])(
    'puts the card away when the offer was %s',
    (outcome) => {
      applyEvent(state, { type: 'pop', data: pop() })
      applyEvent(state, { type: 'pop_closed', data: { interaction: 'i1', offer: 'i1.o1', outcome } })
      expect(phase().phase).toBe('none')
      expect(state.pops).toEqual({})
    },
  )

  it('does not let the end of an earlier offer close the one that rings now', () => {
    applyEvent(state, { type: 'pop', data: pop({ offer: 'i1.o2' }) })
    applyEvent(state, {
      type: 'pop_closed',
      data: { interaction: 'i1', offer: 'i1.o1', outcome: 'ring_timeout' },
    })
    expect(phase()).toEqual({ phase: 'ringing', interaction: 'i1' })
  })

  it('adds a late customer to an open card and opens none', () => {
    const customer: Customer = {
      id: '7',
      kind: 'person',
      name: '林思远',
      title: '',
      vip: false,
      blocked: false,
      roles: [],
      tags: [],
      known: true,
      chosen: true,
    }
    applyEvent(state, { type: 'pop_update', data: pop({ customer }) })
    expect(state.pops).toEqual({})
    applyEvent(state, { type: 'pop', data: pop() })
    applyEvent(state, { type: 'pop_update', data: pop({ customer }) })
    expect(state.pops['i1']?.customer?.name).toBe('林思远')
  })

  it('puts a whole picture in the place of the old one', () => {
    applyEvent(state, { type: 'interaction', data: interaction({ id: 'gone' }) })
    applyEvent(state, { type: 'queue', data: { id: 'old' } as QueueView })
    applySnapshot(state, {
      agents: [agent({ id: '1002' })],
      queues: [{ id: 'news' } as QueueView],
      interactions: [interaction(), interaction({ id: 'over', ended_at: '2026-01-05T01:05:00Z' })],
    })
    expect(Object.keys(state.agents)).toEqual(['1002'])
    expect(Object.keys(state.queues)).toEqual(['news'])
    expect(Object.keys(state.interactions)).toEqual(['i1'])
  })

  it('knows no work for somebody who is not an agent', () => {
    applyEvent(state, { type: 'pop', data: pop() })
    expect(currentWork(state, null).phase).toBe('none')
  })
})

describe('events from a newer server', () => {
  it('are passed over', () => {
    expect(liveEvent('hologram', {})).toBeNull()
    expect(liveEvent('agent', null)).toBeNull()
    expect(liveEvent('agent', { id: '1' })?.type).toBe('agent')
  })
})

describe('the one word for an agent', () => {
  it.each([
    [{ status: 'available', state: 'idle' }, 'idle'],
    [{ status: 'paused', state: 'idle' }, 'paused'],
    [{ status: 'paused', state: 'talking' }, 'talking'],
    [{ status: 'paused', state: 'wrap_up' }, 'wrap_up'],
    [{ status: 'logged_out', state: '' }, 'logged_out'],
    [{ status: 'logged_out', state: 'talking' }, 'talking'],
    [{ status: 'available', state: 'reserved' }, 'reserved'],
  ] as const)('of %o is %s', (changes, word) => {
    expect(shownState(agent(changes))).toBe(word)
  })
})
