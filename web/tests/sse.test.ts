import { describe, expect, it } from 'vitest'
import { retryDelayMs } from '../src/api/events'
import { SseParser } from '../src/api/sse'

describe('the event stream', () => {
  it('reads events with ids and data over several lines', () => {
    const parser = new SseParser()
    expect(parser.feed('id: b-1\nevent: agent\ndata: {"a":\ndata: 1}\n\n')).toEqual([
      { id: 'b-1', event: 'agent', data: '{"a":\n1}' },
    ])
  })

  it('gives the same events however the text is cut', () => {
    const text =
      ': hello\r\nretry: 1000\r\n\r\nid: b-1\r\nevent: pop\r\ndata: 来电\r\n\r\ndata:x\n\nevent: e\rdata: y\r\r\n'
    const whole = new SseParser().feed(text)
    expect(whole.map((event) => event.data)).toEqual(['来电', 'x', 'y'])
    for (let size = 1; size < 12; size++) {
      const parser = new SseParser()
      const parts = []
      for (let at = 0; at < text.length; at += size) parts.push(...parser.feed(text.slice(at, at + size)))
      expect(parts).toEqual(whole)
    }
  })

  it('keeps the last id over events that carry none', () => {
    const parser = new SseParser('b-7')
    expect(parser.feed('event: pop\ndata: {}\n\n')[0]?.id).toBe('b-7')
    parser.feed('id: b-8\ndata: {}\n\n')
    expect(parser.feed('data: {}\n\n')[0]?.id).toBe('b-8')
  })

  it('does not give an event before its empty line, nor one without data', () => {
    const parser = new SseParser()
    expect(parser.feed('event: agent\ndata: {}\n')).toEqual([])
    expect(parser.feed('\n')).toHaveLength(1)
    expect(parser.feed('event: agent\n\n')).toEqual([])
  })

  it('refuses a line without end', () => {
    const parser = new SseParser()
    expect(() => parser.feed('data: ' + 'x'.repeat(5_000_000))).toThrow(/too long/)
  })
})

describe('the wait before a new try', () => {
  it('grows to a limit and is spread', () => {
    expect(retryDelayMs(1, 1)).toBe(500)
    expect(retryDelayMs(1, 0)).toBe(250)
    expect(retryDelayMs(3, 1)).toBe(2000)
    expect(retryDelayMs(30, 1)).toBe(10_000)
  })
})
