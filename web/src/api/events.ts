/** The live connection: reads `/events`, resumes after the last event, says how it stands. */
import { EVENTS_URL } from './http'
import { SseParser, type StreamEvent } from './sse'

export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'stopped'

/** The server sends at least a comment this often; longer silence is a dead connection. */
const SILENCE_MS = 45_000
const CONNECT_MS = 10_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 10_000

/** Wait before try `attempt` (from 1): doubles up to a limit, spread so that clients do not return all at once. */
export function retryDelayMs(attempt: number, spread: number): number {
  const base = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1))
  return Math.round(base * (0.5 + spread / 2))
}

export interface EventsHandlers {
  onEvent: (event: StreamEvent) => void
  onState: (state: ConnectionState) => void
  onUnauthorised: () => void
}

export class EventsClient {
  private lastId = ''
  private attempt = 0
  private stopped = true
  private abort: AbortController | null = null
  private retryTimer: ReturnType<typeof setTimeout> | null = null

  constructor(private readonly handlers: EventsHandlers) {}

  start(): void {
    if (!this.stopped) return
    this.stopped = false
    this.lastId = ''
    this.attempt = 0
    window.addEventListener('online', this.retryNow)
    document.addEventListener('visibilitychange', this.retryNow)
    this.handlers.onState('connecting')
    void this.connect()
  }

  stop(): void {
    if (this.stopped) return
    this.stopped = true
    window.removeEventListener('online', this.retryNow)
    document.removeEventListener('visibilitychange', this.retryNow)
    if (this.retryTimer !== null) clearTimeout(this.retryTimer)
    this.retryTimer = null
    this.abort?.abort()
    this.handlers.onState('stopped')
  }

  /** Try at once when the machine is back on the network or the tab is looked at again. */
  private readonly retryNow = (): void => {
    if (this.retryTimer === null || document.hidden) return
    clearTimeout(this.retryTimer)
    this.retryTimer = null
    void this.connect()
  }

  private retryLater(): void {
    if (this.stopped) return
    this.attempt += 1
    this.handlers.onState('reconnecting')
    this.retryTimer = setTimeout(() => {
      this.retryTimer = null
      void this.connect()
    }, retryDelayMs(this.attempt, Math.random()))
  }

  private async connect(): Promise<void> {
    const abort = new AbortController()
    this.abort = abort
    let watchdog = setTimeout(() => abort.abort(), CONNECT_MS)
    const alive = (): void => {
      clearTimeout(watchdog)
      watchdog = setTimeout(() => abort.abort(), SILENCE_MS)
    }
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' }
      if (this.lastId !== '') headers['Last-Event-ID'] = this.lastId
      const response = await fetch(EVENTS_URL, {
        headers,
        credentials: 'same-origin',
        cache: 'no-store',
        signal: abort.signal,
      })
      if (response.status === 401) {
        this.stop()
        this.handlers.onUnauthorised()
        return
      }
      if (!response.ok || response.body === null) throw new Error(`events: ${response.status}`)
      alive()
      await this.read(response.body, alive)
    } catch {
      // Whatever broke (network, silence, server restart): the answer is the same, try again.
    } finally {
      clearTimeout(watchdog)
    }
    this.retryLater()
  }

  private async read(body: ReadableStream<Uint8Array>, alive: () => void): Promise<void> {
    const parser = new SseParser(this.lastId)
    const decoder = new TextDecoder()
    const reader = body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      alive()
      for (const event of parser.feed(decoder.decode(value, { stream: true }))) {
        if (event.event === 'hello') {
          this.attempt = 0
          this.handlers.onState('live')
        }
        this.handlers.onEvent(event)
        // Only now: an event that was not taken must come again after a reconnect.
        this.lastId = event.id
      }
    }
  }
}
