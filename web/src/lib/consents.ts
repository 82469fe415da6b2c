/** What the consent ledger says now. Newest entry first, as the server sends it. */
import type { Consent } from '../api/crm'

export const CHANNELS = ['phone', 'sms', 'email', 'postal', 'wechat'] as const
export const PURPOSES = ['service', 'marketing', 'recording', 'research'] as const
/** Speaks of every channel, or of every purpose. */
export const ANY = 'any'

/** The entry that counts for a channel and a purpose: the newest that speaks of both; null: none does. */
export function inForce(ledger: readonly Consent[], channel: string, purpose: string): Consent | null {
  const speaks = (said: string, asked: string): boolean => said === asked || said === ANY
  return ledger.find((one) => speaks(one.channel, channel) && speaks(one.purpose, purpose)) ?? null
}

/** The kind of contact point that a channel goes to: an opt-out there forbids it, too. */
export const pointKind = (channel: string): string => (channel === 'sms' ? 'phone' : channel)
