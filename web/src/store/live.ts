/** The live picture: one event stream per tab, whole pictures when the stream could not resume. */
import { defineStore } from 'pinia'
import { computed, reactive, ref } from 'vue'
import { api } from '../api/endpoints'
import { EventsClient, type ConnectionState } from '../api/events'
import { ApiError } from '../api/http'
import type { StreamEvent } from '../api/sse'
import type { Customer, Hello, Notice } from '../api/types'
import { announce } from './bus'
import { setServerTime, startClock } from './clock'
import {
  applyEvent,
  applySnapshot,
  currentWork,
  emptyState,
  settlePops,
  liveEvent,
  type LiveEvent,
} from './reducer'
import { useSession } from './session'

const HISTORY_SHOWN = 10
const RELOAD_RETRY_MS = 2000
const REMEMBERED = 100

export const useLive = defineStore('live', () => {
  const session = useSession()
  const state = reactive(emptyState())
  const connection = ref<ConnectionState>('stopped')
  /** True once a whole picture has been shown. */
  const ready = ref(false)
  const notices = ref<(Notice & { key: number })[]>([])
  /** The last offer to this agent that ended without an answer. */
  const missed = ref<{ interaction: string; outcome: string; key: number } | null>(null)
  /** Counts what changed the records of this agent's work, so that lists know when to load again. */
  const finished = ref(0)

  /** Interactions this agent had a part in, oldest first: their records are the agent's own. */
  const worked = new Set<string>()
  let run = 0
  let noticeKey = 0
  /** Events that came while a whole picture was on its way; null: none is. */
  let held: LiveEvent[] | null = null

  const myAgent = computed(() =>
    session.agentId === null ? null : (state.agents[session.agentId] ?? null),
  )
  const current = computed(() => currentWork(state, session.agentId))
  const currentPop = computed(() => {
    const id = current.value.interaction
    return id === null ? null : (state.pops[id] ?? null)
  })

  function take(event: LiveEvent): void {
    const before = current.value
    applyEvent(state, event)
    if (event.type === 'pop_closed' && event.data.outcome !== 'answered') {
      missed.value = {
        interaction: event.data.interaction,
        outcome: event.data.outcome,
        key: ++noticeKey,
      }
    }
    const after = currentWork(state, session.agentId)
    if (before.phase !== 'none' && after.interaction !== before.interaction) finished.value += 1
    if (event.type === 'agent' && event.data.id === session.agentId) {
      if (event.data.interaction !== null) remember(event.data.interaction)
      settlePops(state, session.agentId)
      void restorePop()
    }
  }

  function remember(interaction: string): void {
    worked.add(interaction)
    const oldest = worked.values().next().value
    if (worked.size > REMEMBERED && oldest !== undefined) worked.delete(oldest)
  }

  /** After a reload the pop's event is long gone: build the card again from the resources. */
  async function restorePop(): Promise<void> {
    const { interaction, phase } = current.value
    if (interaction === null || phase === 'none' || phase === 'ringing') return
    if (state.pops[interaction] !== undefined) return
    const mine = run
    try {
      const view = state.interactions[interaction] ?? (await api.interaction(interaction))
      const phone = view.caller.number
      const [customers, history] = await Promise.all([
        phone === '' ? [] : api.customersByPhone(phone),
        phone === '' ? [] : api.history(phone, HISTORY_SHOWN),
      ])
      if (mine !== run || state.pops[interaction] !== undefined) return
      const certain = customers.find((customer) => customer.chosen) ?? null
      state.pops[interaction] = {
        interaction,
        offer: view.offer,
        queue: view.queue,
        caller: view.caller,
        did: view.did,
        customer: certain,
        candidates: customers,
        history: history.filter((record) => record.interaction !== interaction),
        arrived_at: view.arrived_at,
        at: view.arrived_at,
        closed: 'answered',
        view,
      }
    } catch (error) {
      // The card then shows what the interaction's own view knows; a later event tries again.
      if (!(error instanceof ApiError)) throw error
    }
  }

  /** Somebody said who is calling: show it, with this customer's past. */
  async function linked(interaction: string, customer: Customer): Promise<void> {
    const pop = state.pops[interaction]
    if (pop === undefined) return
    const known = { ...customer, known: true, chosen: true }
    pop.customer = known
    pop.candidates = [known, ...pop.candidates.filter((other) => other.id !== customer.id)]
    const page = await api.contactRecords({ customer: customer.id, limit: HISTORY_SHOWN })
    pop.history = page.items.filter((record) => record.interaction !== interaction)
  }

  async function reload(): Promise<void> {
    const mine = run
    held ??= []
    try {
      const [agents, queues, interactions] = await Promise.all([
        api.agents(),
        api.queues(),
        api.liveInteractions(),
      ])
      if (mine !== run) return
      applySnapshot(state, { agents, queues, interactions })
      const waiting = held ?? []
      held = null
      waiting.forEach(take)
      settlePops(state, session.agentId)
      ready.value = true
      void restorePop()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (mine !== run || error.status === 401) return
      setTimeout(() => {
        if (mine === run && held !== null) void reload()
      }, RELOAD_RETRY_MS)
    }
  }

  /** What was known may be old. The server sends the pops that are open again by itself. */
  function startOver(): void {
    state.pops = {}
    void reload()
  }

  function onEvent(raw: StreamEvent): void {
    let data: unknown
    try {
      data = JSON.parse(raw.data)
    } catch {
      return
    }
    if (raw.event === 'hello') {
      const hello = data as Hello
      setServerTime(hello.server_time)
      if (!hello.resumed || !ready.value) startOver()
      return
    }
    if (raw.event === 'dictionary') void session.renewConfig()
    if (raw.event === 'reset') {
      void session.renewConfig()
      startOver()
      return
    }
    if (raw.event === 'contact_record') {
      const { interaction } = data as { interaction: string; change: string }
      if (worked.has(interaction)) finished.value += 1
      announce(raw.event, data)
      return
    }
    if (announce(raw.event, data)) return
    if (raw.event === 'notice') {
      notices.value.push({ ...(data as Notice), key: ++noticeKey })
      return
    }
    const event = liveEvent(raw.event, data)
    if (event === null) return
    // A pop never waits: it is the one thing a person is looking for.
    if (held !== null && event.type !== 'pop') held.push(event)
    else take(event)
  }

  const client = new EventsClient({
    onEvent,
    onState: (next) => {
      connection.value = next
    },
    onUnauthorised: () => session.forget(),
  })

  function start(): void {
    startClock()
    client.start()
  }

  function stop(): void {
    run += 1
    client.stop()
    held = null
    ready.value = false
    notices.value = []
    missed.value = null
    worked.clear()
    Object.assign(state, emptyState())
  }

  return {
    state,
    connection,
    ready,
    notices,
    missed,
    finished,
    myAgent,
    current,
    currentPop,
    linked,
    start,
    stop,
    /** For answers that carry a view (a changed status): shown without waiting for its event. */
    take,
  }
})
