/**
 * Events from the server to the state that the pages show. No I/O and no clock: given the same
 * events it builds the same state, which is what the tests check.
 */
import type {
  AgentState,
  AgentView,
  InteractionView,
  Pop,
  PopClosed,
  QueueView,
} from '../api/types'

export interface OpenPop extends Pop {
  /** Outcome of the offer once it is over; null while it rings. */
  closed: string | null
  /** The interaction's last view: kept for the wrap-up, when it is no longer live. */
  view: InteractionView | null
}

export interface LiveState {
  agents: Record<string, AgentView>
  queues: Record<string, QueueView>
  interactions: Record<string, InteractionView>
  /** By interaction. */
  pops: Record<string, OpenPop>
}

export interface Snapshot {
  agents: AgentView[]
  queues: QueueView[]
  interactions: InteractionView[]
}

export type LiveEvent =
  | { type: 'agent'; data: AgentView }
  | { type: 'queue'; data: QueueView }
  | { type: 'interaction'; data: InteractionView }
  | { type: 'pop'; data: Pop }
  | { type: 'pop_update'; data: Pop }
  | { type: 'pop_closed'; data: PopClosed }

export const emptyState = (): LiveState => ({ agents: {}, queues: {}, interactions: {}, pops: {} })

const EVENT_TYPES: ReadonlySet<string> = new Set([
  'agent',
  'queue',
  'interaction',
  'pop',
  'pop_update',
  'pop_closed',
])

/** The event as the reducer knows it, or null for one that it does not know (a newer server). */
export function liveEvent(type: string, data: unknown): LiveEvent | null {
  if (!EVENT_TYPES.has(type) || data === null || typeof data !== 'object') return null
  return { type, data } as LiveEvent
}

export function isLive(interaction: InteractionView): boolean {
  return interaction.ended_at === null && interaction.outcome === null
}

function openPop(pop: Pop, closed: string | null, view: InteractionView | null): OpenPop {
  return { ...pop, candidates: pop.candidates ?? [], history: pop.history ?? [], closed, view }
}

/** Changes `state` as the event says. An event for something unknown changes nothing else. */
export function applyEvent(state: LiveState, event: LiveEvent): void {
  switch (event.type) {
    case 'agent':
      state.agents[event.data.id] = event.data
      return
    case 'queue':
      state.queues[event.data.id] = event.data
      return
    case 'interaction': {
      const pop = state.pops[event.data.id]
      if (pop !== undefined) pop.view = event.data
      if (isLive(event.data)) state.interactions[event.data.id] = event.data
      else delete state.interactions[event.data.id]
      return
    }
    case 'pop':
      state.pops[event.data.interaction] = openPop(event.data, null, state.interactions[event.data.interaction] ?? null)
      return
    case 'pop_update': {
      const known = state.pops[event.data.interaction]
      // A match that comes after the offer is over must not open the card again.
      if (known === undefined) return
      state.pops[event.data.interaction] = openPop(event.data, known.closed, known.view)
      return
    }
    case 'pop_closed': {
      const pop = state.pops[event.data.interaction]
      if (pop === undefined) return
      // The end of an earlier offer says nothing about the one that rings now.
      if (pop.offer !== null && event.data.offer !== null && pop.offer !== event.data.offer) return
      if (event.data.outcome === 'answered') pop.closed = 'answered'
      else delete state.pops[event.data.interaction]
      return
    }
  }
}

const byId = <T extends { id: string }>(items: T[]): Record<string, T> =>
  Object.fromEntries(items.map((item) => [item.id, item]))

/** Puts a whole picture in the place of what was known; pops come only as events and stay. */
export function applySnapshot(state: LiveState, snapshot: Snapshot): void {
  state.agents = byId(snapshot.agents)
  state.queues = byId(snapshot.queues)
  state.interactions = byId(snapshot.interactions.filter(isLive))
}

export type Phase = 'none' | 'ringing' | 'talking' | 'wrap_up'

export interface Current {
  phase: Phase
  interaction: string | null
}

/**
 * What the agent is busy with. The pop may come before the agent's own event and the agent's event
 * before the pop: both orders give the same card.
 */
export function currentWork(state: LiveState, agentId: string | null): Current {
  const agent = agentId === null ? undefined : state.agents[agentId]
  if (agent === undefined) return { phase: 'none', interaction: null }
  const answered = Object.values(state.pops).find((pop) => pop.closed === 'answered')
  const ringing = Object.values(state.pops).find((pop) => pop.closed === null)
  const own = agent.interaction ?? agent.disposition_due
  if (agent.state === 'talking') return { phase: 'talking', interaction: own }
  if (agent.state === 'wrap_up') {
    return { phase: 'wrap_up', interaction: own ?? answered?.interaction ?? null }
  }
  if (agent.state === 'ringing' || agent.state === 'reserved') {
    return { phase: 'ringing', interaction: agent.interaction ?? ringing?.interaction ?? null }
  }
  if (ringing !== undefined) return { phase: 'ringing', interaction: ringing.interaction }
  return { phase: 'none', interaction: null }
}

/**
 * Brings the pops in line with what the agent is doing: the one that is talked about counts as
 * answered (after a reload nothing else says so), and those of work that is over go.
 */
export function settlePops(state: LiveState, agentId: string | null): void {
  const { phase, interaction } = currentWork(state, agentId)
  const own = interaction === null ? undefined : state.pops[interaction]
  if (own !== undefined && (phase === 'talking' || phase === 'wrap_up')) own.closed = 'answered'
  for (const [id, pop] of Object.entries(state.pops)) {
    if (pop.closed === 'answered' && (phase === 'none' || id !== interaction)) delete state.pops[id]
  }
}

export type ShownState = Exclude<AgentState, ''> | 'paused' | 'logged_out'

/** The one word that says what an agent is doing: work first, then the chosen status. */
export function shownState(agent: AgentView): ShownState {
  if (agent.state !== '' && agent.state !== 'idle') return agent.state
  if (agent.status === 'paused') return 'paused'
  if (agent.status === 'logged_out') return 'logged_out'
  return 'idle'
}
