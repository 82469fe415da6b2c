/** Administration: users, rights, the audit trail and the routing configuration. */
import { http } from './http'
import type { Page, Role } from './types'

export interface User {
  id: string
  username: string
  name: string
  role: Role
  agent: string | null
  teams: string[]
  language: string
  disabled: boolean
  created_at: string
  version: number
}

export type UserFields = Partial<Pick<User, 'name' | 'role' | 'agent' | 'teams' | 'disabled'>>

export interface Token {
  id: string
  name: string
  created_at: string
  expires_at: string | null
  revoked_at: string | null
}

export interface Matrix {
  roles: string[]
  entities: string[]
  actions: string[]
  scopes: string[]
  maskable: string[]
  rights: Record<string, Record<string, Record<string, string>>>
  masks: Record<string, string[]>
}

export interface AuditEntry {
  id: string
  at: string
  actor: string
  source: string
  action: string
  entity: string
  entity_id: string
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
}

export interface AuditFilter {
  username?: string
  entity?: string
  entity_id?: string
  action?: string
  refused?: boolean
}

/** `line` 0: the text as a whole; `warning`: doubtful, not wrong. */
export interface Finding {
  line: number
  key: string
  message: string
  hint: string
  warning: boolean
}

/** `version` null: the text cannot be used. */
export interface Findings {
  version: string | null
  findings: Finding[]
}

/** `text` and `version` are null where the configuration is not changed over HTTP. */
export interface QueuesConfig {
  text: string | null
  version: string | null
}

export interface QueuesVersion {
  version: string
  saved_at: string
  by: string
}

export interface Webhook {
  id: string
  url: string
  /** `*`: all. */
  events: string[]
  active: boolean
  created_by: string
  created_at: string
  version: number
}

/** `secret` is shown when it is made or renewed, and never again. */
export type WebhookWithSecret = Webhook & { secret: string }
export type WebhookFields = Partial<Pick<Webhook, 'url' | 'events' | 'active'>>

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const

export interface Delivery {
  id: string
  event: string
  state: (typeof DELIVERY_STATES)[number]
  attempts: number
  next_at: string
  last_status: number | null
  last_error: string
  created_at: string
  delivered_at: string | null
}

const id = encodeURIComponent

export const admin = {
  users: () => http.get<Page<User>>('/users'),
  addUser: (username: string, password: string, fields: UserFields) =>
    http.post<User>('/users', { username, password, ...fields }),
  changeUser: (user: User, fields: UserFields) =>
    http.patch<User>(`/users/${id(user.username)}`, fields, { version: user.version }),
  /** `present`: the password until now, which only oneself has to give. */
  setPassword: (username: string, password: string, present: string | null) =>
    http.put<unknown>(`/users/${id(username)}/password`, {
      password,
      ...(present === null ? {} : { present }),
    }),
  tokens: async (username: string) =>
    (await http.get<Page<Token>>(`/users/${id(username)}/tokens`)).items,
  addToken: (username: string, name: string, expires_at: string | null) =>
    http.post<{ id: string; token: string }>(`/users/${id(username)}/tokens`, { name, expires_at }),
  revokeToken: (username: string, token: string) =>
    http.remove(`/users/${id(username)}/tokens/${id(token)}`),

  permissions: () => http.get<Matrix>('/permissions'),
  setRight: (role: string, entity: string, action: string, scope: string) =>
    http.put<Matrix>(`/permissions/${id(role)}/${id(entity)}/${id(action)}`, { scope }),
  setMask: (role: string, field: string, masked: boolean) =>
    http.put<Matrix>(`/masks/${id(role)}/${id(field)}`, { masked }),

  audit: (filter: AuditFilter, cursor: string | null, limit = 50) =>
    http.get<Page<AuditEntry>>('/audit', { ...filter, cursor, limit }),

  webhooks: () => http.get<Page<Webhook> & { events: string[] }>('/webhooks'),
  addWebhook: (url: string, events: string[]) =>
    http.post<WebhookWithSecret>('/webhooks', { url, events }),
  changeWebhook: (hook: Webhook, fields: WebhookFields) =>
    http.patch<Webhook>(`/webhooks/${id(hook.id)}`, fields, { version: hook.version }),
  renewSecret: (hook: Webhook) =>
    http.act<WebhookWithSecret>(`/webhooks/${id(hook.id)}/secret`, { version: hook.version }),
  testWebhook: (hook: string) => http.act<Delivery>(`/webhooks/${id(hook)}/test`),
  removeWebhook: (hook: string) => http.remove(`/webhooks/${id(hook)}`),
  deliveries: (hook: string, state: string, cursor: string | null) =>
    http.get<Page<Delivery>>(`/webhooks/${id(hook)}/deliveries`, { state, cursor, limit: 30 }),
  retryDelivery: (hook: string, delivery: string) =>
    http.act<Delivery>(`/webhooks/${id(hook)}/deliveries/${id(delivery)}/retry`),

  queues: () => http.get<QueuesConfig>('/config/queues'),
  checkQueues: (text: string) => http.post<Findings>('/config/queues/check', { text }),
  saveQueues: (text: string, expected: string | null) =>
    http.put<Findings>('/config/queues', { text, expected }),
  queuesVersions: async () =>
    (await http.get<Page<QueuesVersion>>('/config/queues/versions')).items,
  queuesVersion: async (version: string) =>
    (await http.get<{ text: string }>(`/config/queues/versions/${id(version)}`)).text,
}
