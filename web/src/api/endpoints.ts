/** The server's resources as functions, so that views never spell a path. */
import { http } from './http'
import type {
  AgentStatus,
  AgentView,
  ContactRecord,
  Customer,
  InteractionView,
  Me,
  Page,
  QueueView,
  UiConfig,
} from './types'

export interface RecordFilter {
  from?: string
  to?: string
  queue?: string
  agent?: string
  outcome?: string
  phone?: string
  customer?: string
  cursor?: string
  limit?: number
}

const id = encodeURIComponent

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

  customersByPhone: async (phone: string) =>
    (await http.get<Page<Customer>>('/customers', { phone })).items,
  /** The last contacts of a number, newest first. */
  history: async (phone: string, limit: number) =>
    (await api.contactRecords({ phone, limit })).items,
  contactRecords: (filter: RecordFilter) =>
    http.get<Page<ContactRecord>>('/contact-records', { ...filter }),
  contactRecord: (record: string) => http.get<ContactRecord>(`/contact-records/${id(record)}`),
}
