/**
 * The shapes that ctid's HTTP interface sends (`/api/v1`). Field names are those of
 * `routing/views.py`; times are ISO 8601 in UTC, durations are seconds and end in `_s`.
 */

export type Role = 'agent' | 'supervisor' | 'admin' | 'viewer'
export type AgentStatus = 'available' | 'paused' | 'logged_out'
export type AgentState = '' | 'idle' | 'reserved' | 'ringing' | 'talking' | 'wrap_up'

export interface Me {
  username: string
  display_name: string
  role: Role
  agent: string | null
  teams: string[]
  language: string | null
  /** What the CRM lets this role do at all: actions by kind of thing. */
  rights?: Record<string, string[]>
  /** Groups of fields that this role sees masked. */
  masks?: string[]
}

export interface AgentView {
  id: string
  name: string
  status: AgentStatus
  reason: string
  state: AgentState
  phone: string
  phone_reachable: boolean
  since: string
  interaction: string | null
  queues: string[]
  teams: string[]
  wrap_up_until: string | null
  calls_handled: number
  disposition_due: string | null
  /** Paused until that disposition is given. */
  disposition_owed?: boolean
  /** The phone is busy with a call that is not ctid's. */
  private_call?: boolean
  /** Whether the phone answers by itself when asked. */
  auto_answer?: 'never' | 'on_request' | 'always'
  held: string[]
}

export interface QueueView {
  id: string
  name: string
  strategy: string
  waiting: number
  talking: number
  longest_wait_since: string | null
  agents_available: number
  agents_logged_in: number
  entered: number
  answered: number
  abandoned: number
  service_level: number | null
  service_level_s: number
  average_speed_of_answer_s: number | null
  ewt_s: number | null
}

export interface Party {
  number: string
  name: string
  /** Where the number belongs, when the server knows it. */
  location?: string
  /** Kind of line (mobile, fixed, ...), when the server knows it. */
  kind?: string
}

export interface InteractionView {
  id: string
  channel: string
  state: string
  caller: Party
  did: string
  queue: string | null
  position: number | null
  priority: number
  arrived_at: string
  queued_at: string | null
  answered_at: string | null
  ended_at: string | null
  agent: string | null
  ringing_agents: string[]
  offer: string | null
  customer: string | null
  customer_name: string
  recording: boolean
  outcome: string | null
  supervisors?: SupervisorView[]
  taken_over_by?: string
  on_hold?: boolean
  /** Phase of a consultation; empty: none. */
  consult?: string
  muted?: boolean
  recording_suspended?: boolean
  outbound?: boolean
}

export type SuperviseMode = 'monitor' | 'whisper' | 'barge'

/** Somebody who supervises an interaction; not active: the phone rings. */
export interface SupervisorView {
  id: string
  by: string
  mode: SuperviseMode
  phone: string
  active: boolean
}

/** A customer as far as it is shown here (`ctid/http/crm_models.py` has it all). */
export interface Customer {
  id: string
  kind: 'person' | 'organisation'
  name: string
  title: string
  vip: boolean
  blocked: boolean
  roles: string[]
  tags: string[]
  /** With a match by number: false for a guess. */
  known: boolean | null
  /** With a match by number: the one that is meant. */
  chosen: boolean | null
}

export interface OfferRecord {
  id: string
  agent: string
  agent_name: string
  outcome: string
  at: string
  ring_s: number
}

export interface RecordingInfo {
  id: string
  state: 'pending' | 'ready' | 'failed' | 'erased'
  duration_s: number
  reason: string
  /** Stretches that were kept silent; null: up to the end. */
  gaps?: { by: string; since_at: string; until_at: string | null }[]
}

export interface ContactRecord {
  id: string
  interaction: string
  channel: string
  direction: string
  caller: Party
  did: string
  queue: string | null
  agent: string | null
  agent_name: string
  customer: string | null
  customer_name: string
  outcome: string
  disposition: string | null
  notes: string
  arrived_at: string
  queued_at: string | null
  answered_at: string | null
  ended_at: string
  wait_s: number
  talk_s: number
  wrap_up_s: number | null
  offers: OfferRecord[]
  /** Id of the recording that can be played. */
  recording: string | null
  recordings: RecordingInfo[]
  /** Keys by question; null: no answer. */
  survey?: Record<string, string | null> | null
}

export interface Pop {
  interaction: string
  offer: string | null
  queue: string | null
  caller: Party
  did: string
  customer: Customer | null
  candidates: Customer[]
  history: ContactRecord[]
  /** When the caller came in. */
  arrived_at: string
  at: string
}

export interface PopClosed {
  interaction: string
  offer: string | null
  outcome: string
}

export interface Notice {
  code: string
  details?: Record<string, unknown>
}

/** Why an agent is not asked, and what would have to change; `at`: when time alone does it. */
export interface Reason {
  code: string
  change: string
  at: string | null
  details: Record<string, unknown>
}

/** `place`: 1 would be asked first; null: excluded. */
export interface Candidate {
  agent: string
  name: string
  place: number | null
  level: number
  reasons: Reason[]
}

export interface Explanation {
  at: string
  state: string
  queue: string | null
  strategy: string
  position: number | null
  waiting_since: string | null
  head_start_s: number
  requirements: { skill: string; level: number; required: boolean; weight: number }[]
  relaxes_at: string | null
  /** Null: all. */
  levels_reached: number | null
  preferred_agent: string | null
  asked_now: string[]
  candidates: Candidate[]
}

/** One decision about an interaction that has ended. */
export interface Decision {
  at: string
  fact: string
  asked: string[]
  explanation: Explanation | null
}

export interface Hello {
  server_time: string
  resumed: boolean
}

export interface Page<T> {
  items: T[]
  next: string | null
}

export interface Choice {
  code: string
  name: string
  name_zh: string
  /** Can be chosen now; else it is here for its names. */
  offered: boolean
}

export interface Disposition extends Choice {
  /** Where it is offered; empty: everywhere. */
  queues: string[]
  needs_notes: boolean
}

export interface UiConfig {
  pause_reasons: Choice[]
  dispositions: Disposition[]
  phones: string[]
}
