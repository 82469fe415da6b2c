/**
 * Reader of the event-stream format (WHATWG HTML, section 9.2) from text chunks.
 *
 * `EventSource` hides the response status and cannot be given a `Last-Event-ID` after it gave up,
 * so the stream is read with `fetch`; this is the part that has no I/O.
 */

export interface StreamEvent {
  id: string
  event: string
  data: string
}

/** One event's size limit, in characters: a broken server must not fill the memory. */
const MAX_BUFFER = 4_000_000

export class SseParser {
  private buffer = ''
  private data: string[] = []
  private event = ''
  /** The last id seen; stays over events without one, as the standard says. */
  lastId = ''

  constructor(lastId = '') {
    this.lastId = lastId
  }

  feed(chunk: string): StreamEvent[] {
    this.buffer += chunk
    if (this.buffer.length > MAX_BUFFER) throw new Error('event stream: line too long')
    const out: StreamEvent[] = []
    for (;;) {
      const match = /\r\n|\n|\r/.exec(this.buffer)
      if (match === null) break
      // A CR at the very end may be the first half of CR LF: wait for what follows.
      if (match[0] === '\r' && match.index === this.buffer.length - 1) break
      const line = this.buffer.slice(0, match.index)
      this.buffer = this.buffer.slice(match.index + match[0].length)
      const event = this.line(line)
      if (event !== null) out.push(event)
    }
    return out
  }

  private line(line: string): StreamEvent | null {
    if (line === '') {
      const { data, event } = this
      this.data = []
      this.event = ''
      if (data.length === 0) return null
      return { id: this.lastId, event: event === '' ? 'message' : event, data: data.join('\n') }
    }
    const colon = line.indexOf(':')
    if (colon === 0) return null
    const field = colon < 0 ? line : line.slice(0, colon)
    let value = colon < 0 ? '' : line.slice(colon + 1)
    if (value.startsWith(' ')) value = value.slice(1)
    if (field === 'data') this.data.push(value)
    else if (field === 'event') this.event = value
    else if (field === 'id' && !value.includes('\0')) this.lastId = value
    return null
  }
}
