/** What the pages read out of a contact record. */
import type { ContactRecord } from '../api/types'
import { formatPhone } from './phone'

/** Why a recording that was made cannot be played; null when it can, or when none was made. */
export function recordingState(record: ContactRecord): 'pending' | 'failed' | 'erased' | null {
  const state = record.recordings[0]?.state
  return record.recording !== null || state === undefined || state === 'ready' ? null : state
}

/** Talk time, or null when nobody talked. */
export function talkTime(record: ContactRecord): number | null {
  return record.answered_at === null ? null : record.talk_s
}

/** The caller as a person reads it: who, else the number, else nothing. */
export function callerName(record: ContactRecord): string {
  return record.customer_name || record.caller.name || formatPhone(record.caller.number)
}

/** Who talked: the name of the day, else the id. */
export function agentName(record: ContactRecord): string {
  return record.agent_name || record.agent || ''
}
