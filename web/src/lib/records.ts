/** What the pages read out of a contact record. */
import type { ContactRecord, OfferRecord } from '../api/types'
import { formatPhone } from './phone'
import { timeMs } from './time'

/** The recording that can be played, or null. */
export function playable(record: ContactRecord): string | null {
  return record.recordings.find((recording) => recording.state === 'ready')?.id ?? null
}

/** State of what was recorded when nothing can be played: why not; null when nothing was. */
export function recordingState(record: ContactRecord): 'pending' | 'failed' | 'erased' | null {
  const state = record.recordings[0]?.state
  return state === undefined || state === 'ready' ? null : state
}

/** Talk time of a record, or null when nobody talked. */
export function talkTime(record: ContactRecord): number | null {
  return record.answered_at === null ? null : record.talk_s
}

export function ringTime(offer: OfferRecord): number | null {
  const start = timeMs(offer.offered_at)
  const end = timeMs(offer.ended_at)
  return start === null || end === null ? null : (end - start) / 1000
}

/** The caller as a person reads it: who, else the number, else nothing. */
export function callerName(record: ContactRecord): string {
  return record.customer_name || record.caller_name || formatPhone(record.caller_number)
}
