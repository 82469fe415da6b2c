/** The customer base: shapes and requests (`ctid/http/crm_models.py` and its neighbours). */
import { apiUrl, http, type FieldProblem } from './http'
import type { ContactRecord, Customer, Page } from './types'

export interface ContactPoint {
  id?: string
  kind: string
  value: string
  display?: string | null
  label: string
  preferred: boolean
  opt_out: boolean
  invalid: boolean
}

export interface Address {
  id?: string
  label: string
  province: string
  city: string
  district: string
  street: string
  postcode: string
}

export interface WholeCustomer extends Customer {
  sex: string
  birthday: string | null
  owner: string | null
  team: string | null
  source: string
  version: number
  created_at: string
  updated_at: string
  contact_points: ContactPoint[]
  addresses: Address[]
}

export type CustomerFields = Partial<
  Pick<
    WholeCustomer,
    'kind' | 'name' | 'title' | 'vip' | 'blocked' | 'roles' | 'tags' | 'birthday' | 'contact_points' | 'addresses'
  >
>

export interface Entry {
  type: 'contact_record' | 'note' | 'task' | 'callback' | 'consent' | 'change' | 'fact'
  id: string
  at: string
  record?: ContactRecord
  author?: string
  actor?: string
  text?: string
  title?: string
  state?: string
  action?: string
  fields?: string[]
  channel?: string
  purpose?: string
  name?: string
  value?: string
  missed?: number
  result?: string
}

/** One entry of the consent ledger; nothing in it is ever changed. */
export interface Consent {
  id: string
  channel: string
  purpose: string
  state: 'granted' | 'withdrawn'
  source: string
  proof: string
  actor: string
  at: string
}

export interface Callback {
  id: string
  number: string
  display: string | null
  customer: string | null
  customer_name: string
  queue: string | null
  missed: number
  first_at: string
  last_at: string
  state: 'open' | 'taken' | 'done'
  owner: string | null
  attempts: number
  result: string
  note: string
  due_at: string | null
  version: number
}

export interface Task {
  id: string
  title: string
  text: string
  customer: string | null
  owner: string | null
  team: string | null
  due_at: string | null
  remind_at: string | null
  state: 'open' | 'done' | 'cancelled'
  version: number
}

export type TaskFields = Partial<
  Pick<Task, 'title' | 'text' | 'customer' | 'owner' | 'due_at' | 'remind_at' | 'state'>
>

export interface Duplicate {
  id: string
  score: number
  reasons: string[]
  one: WholeCustomer
  other: WholeCustomer
}

/** `undoable`: neither of the two was merged again or erased since. */
export interface Merge {
  id: string
  survivor: string
  survivor_name: string
  gone: string
  gone_name: string
  actor: string
  at: string
  undone_at: string | null
  undoable: boolean
}

export interface Preview {
  kind: string
  encoding: string
  columns: string[]
  mapping: string[]
  rows: string[][]
  total: number
  problems: { line: number; problem: string; errors: FieldProblem[] }[]
}

export interface Upload {
  id: string
  file_name: string
  state: 'ready' | 'running' | 'done' | 'failed'
  problem: string
  preview: Preview | null
  import: string | null
  progress: {
    stage: string
    done: number
    total: number
    created: number
    updated: number
    skipped: number
    refused: number
  } | null
}

export interface ImportRun {
  id: string
  file_name: string
  state: string
  total: number
  created: number
  updated: number
  skipped: number
  refused: number
  actor: string
  at: string
}

export const DICTIONARIES = [
  'disposition',
  'pause_reason',
  'customer_role',
  'relation',
  'tag',
  'custom_field',
] as const
export type DictionaryKind = (typeof DICTIONARIES)[number]
export const FIELD_TYPES = ['text', 'number', 'date', 'choice'] as const

export interface DictionaryEntry {
  kind: DictionaryKind
  code: string
  label_zh: string
  label_en: string
  position: number
  active: boolean
  /** Of a custom field; `personal`: goes when the person is erased. */
  extra: { type?: (typeof FIELD_TYPES)[number]; choices?: string[]; personal?: boolean }
}

export type EntryFields = Partial<Omit<DictionaryEntry, 'kind' | 'code'>>

export type ViewEntity = 'customer' | 'contact_record'
export type ViewFilter = Record<string, string | boolean>

/** A filter under a name; `shared`: everybody who sees the list may choose it. */
export interface SavedView {
  id: string
  owner: string
  name: string
  entity: ViewEntity
  filter: ViewFilter
  shared: boolean
}

export interface CustomerFilter {
  q?: string
  kind?: string
  role?: string
  vip?: boolean
  cursor?: string
  limit?: number
}

const id = encodeURIComponent
const LONG_MS = 600_000

export const crm = {
  customers: (filter: CustomerFilter) => http.get<Page<WholeCustomer>>('/customers', { ...filter }),
  customer: (customer: string) => http.get<WholeCustomer>(`/customers/${id(customer)}`),
  create: (fields: CustomerFields) => http.post<WholeCustomer>('/customers', fields),
  update: (customer: string, fields: CustomerFields, version: number) =>
    http.patch<WholeCustomer>(`/customers/${id(customer)}`, fields, { version }),
  link: (customer: string, interaction: string) =>
    http.post<{ customer: WholeCustomer; relinked: number }>(`/customers/${id(customer)}/numbers`, {
      interaction,
    }),
  timeline: (customer: string, type: string, cursor: string | null) =>
    http.get<Page<Entry>>(`/customers/${id(customer)}/timeline`, { type, cursor, limit: 30 }),
  consents: (customer: string) => http.get<Page<Consent>>(`/customers/${id(customer)}/consents`),
  addConsent: (
    customer: string,
    entry: Pick<Consent, 'channel' | 'purpose' | 'source' | 'proof'> & { granted: boolean },
  ) => http.post<Consent>(`/customers/${id(customer)}/consents`, entry),
  personalDataUrl: (customer: string) => apiUrl(`/customers/${id(customer)}/personal-data`),
  erase: (customer: string, name: string, reason: string) =>
    http.post<{ pseudonym: string }>(
      `/customers/${id(customer)}/erase`,
      { name, reason },
      { timeoutMs: LONG_MS },
    ),
  /** With those that are retired, whose names old data needs. */
  dictionary: async (kind: DictionaryKind) =>
    (await http.get<Page<DictionaryEntry>>('/dictionaries', { kind, inactive: true })).items,
  putEntry: (kind: DictionaryKind, code: string, fields: EntryFields) =>
    http.put<DictionaryEntry>(`/dictionaries/${id(kind)}/${id(code)}`, fields),
  views: async (entity: ViewEntity) =>
    (await http.get<Page<SavedView>>('/views', { entity })).items,
  saveView: (entity: ViewEntity, name: string, filter: ViewFilter, shared: boolean) =>
    http.post<SavedView>('/views', { entity, name, filter, shared }),
  removeView: (view: string) => http.remove(`/views/${id(view)}`),

  callbacks: (state: string, owner: string, cursor: string | null) =>
    http.get<Page<Callback>>('/callbacks', { state, owner, cursor, limit: 50 }),
  take: (entry: Callback) =>
    http.post<Callback>(`/callbacks/${id(entry.id)}/take`, {}, { version: entry.version }),
  result: (entry: Callback, result: string, note: string) =>
    http.post<Callback>(
      `/callbacks/${id(entry.id)}/result`,
      { result, ...(note === '' ? {} : { note }) },
      { version: entry.version },
    ),

  tasks: (state: string, owner: string, cursor: string | null) =>
    http.get<Page<Task>>('/tasks', { state, owner, cursor, limit: 50 }),
  task: (task: string) => http.get<Task>(`/tasks/${id(task)}`),
  addTask: (fields: TaskFields) => http.post<Task>('/tasks', fields),
  changeTask: (task: Task, fields: TaskFields) =>
    http.patch<Task>(`/tasks/${id(task.id)}`, fields, { version: task.version }),

  duplicates: (cursor: string | null) =>
    http.get<Page<Duplicate>>('/duplicates', { cursor, limit: 20 }),
  scan: () => http.act<{ found: number }>('/duplicates/scan', { timeoutMs: LONG_MS }),
  dismiss: (pair: string) => http.act<unknown>(`/duplicates/${id(pair)}/dismiss`),
  merge: (survivor: WholeCustomer, gone: WholeCustomer) =>
    http.post<{ merge: string; customer: WholeCustomer }>(
      `/customers/${id(survivor.id)}/merge`,
      { gone: gone.id },
      { version: survivor.version },
    ),
  merges: (cursor: string | null) => http.get<Page<Merge>>('/merges', { cursor, limit: 50 }),
  undoMerge: (merge: string) => http.act<unknown>(`/merges/${id(merge)}/undo`),

  upload: (file: File) =>
    http.post<Upload>(`/imports/uploads?name=${id(file.name)}`, file, { timeoutMs: LONG_MS }),
  uploads: async () => (await http.get<Page<Upload>>('/imports/uploads')).items,
  uploaded: (upload: string) => http.get<Upload>(`/imports/uploads/${id(upload)}`),
  forget: (upload: string) => http.remove(`/imports/uploads/${id(upload)}`),
  run: (upload: string, mapping: string[], mode: string) =>
    http.post<Upload>(`/imports/uploads/${id(upload)}/run`, { mapping, mode }),
  fields: async () => (await http.get<Page<string>>('/imports/fields')).items,
  imports: (cursor: string | null) => http.get<Page<ImportRun>>('/imports', { cursor, limit: 50 }),
  undoImport: (run: string) =>
    http.act<{ removed: number; restored: number; kept: number }>(`/imports/${id(run)}/undo`, {
      timeoutMs: LONG_MS,
    }),
  errorsUrl: (run: string, language: string) =>
    apiUrl(`/imports/${id(run)}/errors?language=${encodeURIComponent(language)}`),
}
