/** The server's resources as functions, so that views never spell a path. */
import { http } from './http'
import type {
  AgentStatus,
  AgentView,
  ContactRecord,
  Customer,
  Decision,
  Explanation,
  InteractionView,
  Me,
  Page,
  QueueView,
  SuperviseMode,
  UiConfig,
} from './types'

export interface RecordFilter {
  from?: string
  to?: string
  queue?: string
  agent?: string
  outcome?: string
  disposition?: string
  phone?: string
  customer?: string
  cursor?: string
  limit?: number
}

const id = encodeURIComponent
const LONG_MS = 70_000

/** All pages of a list: for the live lists, which must be whole. */
async function all<T>(path: string, query: Record<string, string> = {}): Promise<T[]> {
  const items: T[] = []
  let cursor: string | null = null
  do {
    const page: Page<T> = await http.get<Page<T>>(path, { ...query, cursor })
    items.push(...page.items)
    cursor = page.next
  } while (cursor !== null && cursor !== undefined)
  return items
}

export const api = {
  login: (username: string, password: string) =>
    http.post<unknown>('/login', { username, password }),
  logout: () => http.post<unknown>('/logout'),
  me: () => http.get<Me>('/me'),
  uiConfig: () => http.get<UiConfig>('/config/ui'),

  agents: () => all<AgentView>('/agents'),
  queues: () => all<QueueView>('/queues'),
  liveInteractions: () => all<InteractionView>('/interactions', { state: 'live' }),
  interaction: (interaction: string) =>
    http.get<InteractionView>(`/interactions/${id(interaction)}`),

  explain: (interaction: string) =>
    http.get<Explanation>(`/interactions/${id(interaction)}/explain`),
  /** Rebuilt from the journal, which takes its time. */
  decisions: async (record: string) =>
    (await http.get<Page<Decision>>(`/contact-records/${id(record)}/explain`, {}, { timeoutMs: LONG_MS })).items,

  setStatus: (status: AgentStatus, reason = '', phone = '') =>
    http.put<AgentView>('/agents/me/status', {
      status,
      ...(reason === '' ? {} : { reason }),
      ...(phone === '' ? {} : { phone }),
    }),
  finishWrapUp: () => http.post<unknown>('/agents/me/wrap-up', { action: 'finish' }),
  extendWrapUp: (extra_s: number) =>
    http.post<unknown>('/agents/me/wrap-up', { action: 'extend', extra_s }),
  setDisposition: (interaction: string, code: string, notes: string) =>
    http.put<unknown>(`/interactions/${id(interaction)}/disposition`, {
      code,
      ...(notes === '' ? {} : { notes }),
    }),

  supervise: (interaction: string, mode: SuperviseMode, phone: string) =>
    http.post<unknown>(`/interactions/${id(interaction)}/supervise`, { mode, phone }),
  superviseMode: (interaction: string, mode: SuperviseMode) =>
    http.patch<unknown>(`/interactions/${id(interaction)}/supervise`, { mode }, {}),
  superviseStop: (interaction: string) =>
    http.remove(`/interactions/${id(interaction)}/supervise`),
  intercept: (interaction: string, phone: string, reason: string) =>
    http.post<unknown>(`/interactions/${id(interaction)}/intercept`, { phone, reason }),
  release: (interaction: string, what: 'call' | 'agent', reason: string) =>
    http.post<unknown>(`/interactions/${id(interaction)}/release`, { what, reason }),

  hold: (interaction: string, held: boolean) =>
    http.act<unknown>(`/interactions/${id(interaction)}/${held ? 'hold' : 'unhold'}`),
  transfer: (interaction: string, kind: string, to: string) =>
    http.post<unknown>(`/interactions/${id(interaction)}/transfer`, { kind, to }),
  consult: (interaction: string, kind: string, to: string) =>
    http.post<unknown>(`/interactions/${id(interaction)}/consult`, { kind, to }),
  consultOn: (interaction: string, ask: 'swap' | 'cancel' | 'complete' | 'conference') =>
    http.patch<unknown>(`/interactions/${id(interaction)}/consult`, { ask }, {}),
  conference: (interaction: string, kind: string, to: string) =>
    http.post<unknown>(`/interactions/${id(interaction)}/conference`, { kind, to }),
  answer: (interaction: string) => http.act<unknown>(`/interactions/${id(interaction)}/answer`),
  mute: (interaction: string, muted: boolean) =>
    http.act<unknown>(`/interactions/${id(interaction)}/${muted ? 'mute' : 'unmute'}`),
  digits: (interaction: string, digits: string) =>
    http.post<unknown>(`/interactions/${id(interaction)}/dtmf`, { digits }),
  record: (interaction: string, action: 'start' | 'stop' | 'suspend' | 'resume') =>
    http.post<unknown>(`/interactions/${id(interaction)}/recording`, { action }),
  /** A supervisor sets somebody's status; ``why`` is for the audit trail. */
  force: (agent: string, status: AgentStatus, reason: string, why: string) =>
    http.put<AgentView>(`/agents/${id(agent)}/status`, {
      status,
      why,
      ...(reason === '' ? {} : { reason }),
    }),
  hangUp: (interaction: string) =>
    http.act<unknown>(`/interactions/${id(interaction)}/hang-up`),
  call: (to: string, name: string) => http.post<unknown>('/calls', { to, name }),

  customersByPhone: async (phone: string) =>
    (await http.get<Page<Customer>>('/customers', { phone })).items,
  /** The last contacts of a number, newest first. */
  history: async (phone: string, limit: number) =>
    (await api.contactRecords({ phone, limit })).items,
  contactRecords: (filter: RecordFilter) =>
    http.get<Page<ContactRecord>>('/contact-records', { ...filter }),
  contactRecord: (record: string) => http.get<ContactRecord>(`/contact-records/${id(record)}`),
}
