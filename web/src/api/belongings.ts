/** What belongs to a customer: notes, relations, facts and files (`ctid/http/notes.py`, ...). */
import { apiUrl, http } from './http'
import type { Page } from './types'

export interface Note {
  id: string
  customer: string
  author: string
  text: string
  pinned: boolean
  at: string
  version: number
  mentions: string[]
  /** What the reader may do to it. */
  may: ('update' | 'delete')[]
}

export interface Mention {
  id: string
  at: string
  read_at: string | null
  customer_name: string
  note: Note
}

export interface Colleague {
  username: string
  name: string
}

export interface Relation {
  id: string
  kind: string
  /** `to`: the customer <kind> the other; `from`: the other <kind> the customer. */
  direction: 'to' | 'from'
  customer: string
  name: string
  note: string
  since_at: string | null
}

export interface Fact {
  id: string
  name: string
  value: string
  source: string
  at: string
}

export interface Attachment {
  id: string
  name: string
  media_type: string
  bytes: number
  author: string
  at: string
}

const id = encodeURIComponent
const of = (customer: string, what: string): string => `/customers/${id(customer)}/${what}`

export const belongings = {
  notes: (customer: string) => http.get<Page<Note>>(of(customer, 'notes'), { limit: 200 }),
  addNote: (customer: string, text: string) => http.post<Note>(of(customer, 'notes'), { text }),
  changeNote: (note: Note, fields: Partial<Pick<Note, 'text' | 'pinned'>>) =>
    http.patch<Note>(`/notes/${id(note.id)}`, fields, { version: note.version }),
  removeNote: (note: string) => http.remove(`/notes/${id(note)}`),
  colleagues: async () => (await http.get<Page<Colleague>>('/colleagues')).items,
  watchers: async (customer: string) => (await http.get<Page<string>>(of(customer, 'watching'))).items,
  watch: async (customer: string, watching: boolean) =>
    (await http.put<Page<string>>(of(customer, 'watching'), { watching })).items,
  mentions: (all: boolean) => http.get<Page<Mention>>('/mentions', { all, limit: 200 }),
  readMention: (mention: string) => http.act<unknown>(`/mentions/${id(mention)}/read`),

  relations: (customer: string) => http.get<Page<Relation>>(of(customer, 'relations')),
  relate: (customer: string, kind: string, other: string, note: string, since: Date | null) =>
    http.post<Page<Relation>>(of(customer, 'relations'), {
      kind,
      other,
      note,
      since_at: since?.toISOString() ?? null,
    }),
  unrelate: (customer: string, relation: string) =>
    http.remove(`${of(customer, 'relations')}/${id(relation)}`),

  facts: (customer: string) => http.get<Page<Fact>>(of(customer, 'facts')),
  stateFact: (customer: string, fact: Pick<Fact, 'name' | 'value' | 'source'>) =>
    http.post<Fact>(of(customer, 'facts'), fact),
  retractFact: (customer: string, fact: string) => http.remove(`${of(customer, 'facts')}/${id(fact)}`),

  files: (customer: string) => http.get<Page<Attachment>>(of(customer, 'attachments')),
  attach: (customer: string, file: File, signal: AbortSignal, sent: (share: number) => void) =>
    http.upload<Attachment>(of(customer, 'attachments'), { name: file.name }, file, signal, sent),
  fileUrl: (customer: string, file: string) => apiUrl(`${of(customer, 'attachments')}/${id(file)}`),
  detach: (customer: string, file: string) => http.remove(`${of(customer, 'attachments')}/${id(file)}`),
}
